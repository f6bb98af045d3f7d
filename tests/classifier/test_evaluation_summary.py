"""The few lines that an evaluation prints: what decides, how good it is, and which groups differ."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.classifier.evaluation_summary import summary_lines

N = 800


@pytest.fixture(scope="module", name="evaluation")
def _evaluation():
    """A model whose recall differs by site, and not by sex."""
    rng = np.random.default_rng(0)
    site, sex = rng.choice(["north", "south"], N), rng.choice(["f", "m"], N)
    y = (rng.random(N) < 0.2).astype(int)
    signal = np.where(site == "north", 3.5, 1.0) * y
    p = 1 / (1 + np.exp(-(rng.normal(size=N) + signal - 2)))
    clf = cp.wrap(p, np.where(y == 1, "ill", "healthy")).decide(f1=True)
    return cp.evaluate(clf, p, np.where(y == 1, "ill", "healthy"), by={"site": site, "sex": sex}, first=20,
                       cost_column=np.ones(N), cost_fp=2, resamples=60)  # fmt: skip


def test_it_is_a_dictionary_that_prints_as_its_summary(evaluation):
    assert isinstance(evaluation, dict)
    lines = [*summary_lines(evaluation), f"Keys: {', '.join(evaluation)}"]
    assert repr(evaluation) == str(evaluation) == "\n".join(lines)
    assert repr(pickle.loads(pickle.dumps(evaluation))) == repr(evaluation)
    assert list(json.loads(json.dumps(evaluation))) == list(evaluation)


def test_a_busy_reader_finds_decision_scores_cost_calibration_and_groups(evaluation):
    lines = summary_lines(evaluation)
    assert len(lines) <= 26
    text, m = "\n".join(lines), evaluation["metrics"]
    ill = evaluation["classes"][1]["count"]
    assert lines[0] == f"{N} rows: {ill} 'ill' ({100 * ill / N:.3g}%)."
    assert f"Decision threshold {evaluation['threshold']:.4g} (chosen for F1)" in lines[1]
    for name, key in (("Recall", "recall"), ("Precision", "precision"), ("Average precision", "average_precision")):
        score = m[key]
        (line,) = (line for line in lines if line.split("  ")[0] == name and "by amount" not in line)
        for number in score.values():
            assert f"{number:.3f}" in line
    (line,) = (line for line in lines if line.startswith("False positive rate "))
    ends = [1 - m["specificity"][end] for end in ("value", "high", "low")]
    assert [float(word) for word in line.split()[3:] if word != "to"] == pytest.approx(ends, abs=5e-4)
    assert f"{evaluation['further']['expected_cost']['value']:.3f}" in text
    assert sum(line.startswith("Calibration: ") for line in lines) == 1
    assert f"without a model: {ill / N:.3f}" in text
    assert "Significantly different from " in text
    assert "recall" in next(line for line in lines if line.startswith("Significantly different"))
    assert "By sex: no score differs significantly" in text


@pytest.mark.parametrize(
    ("elements", "n", "line"),
    [
        (True, 2, "800 rows: 'ill' (12% of the pixels or steps)."),
        (True, 3, "800 rows of 3 classes; rarest: 'rare' (1% of the pixels or steps)."),
        (False, 3, "800 rows of 3 classes; rarest: 'rare' (1%)."),
    ],
)
def test_the_first_line_of_more_classes_and_of_pixels(evaluation, elements, n, line):
    metrics = evaluation["metrics"] | ({"dice": evaluation["metrics"]["f1"]} if elements else {})
    shares = (("healthy", 0.87), ("ill", 0.12), ("rare", 0.01))
    classes = [{"label": label, "count": 8, "share": share} for label, share in shares][:n]
    assert summary_lines({**evaluation, "metrics": metrics, "classes": classes})[0] == line


def test_per_ten_thousand_cases_is_the_confusion_table(evaluation):
    y, n = evaluation["classes"][1]["count"], evaluation["rows"]
    hits, alerts = (
        evaluation["metrics"]["recall"]["value"] * y,
        (1 - evaluation["metrics"]["specificity"]["value"]) * (n - y),
    )
    line = f"Per 10,000 cases ({10_000 * y / n:,.0f} 'ill'): {10_000 * hits / n:,.0f} found, "
    assert line + f"{10_000 * alerts / n:,.0f} false positives." in summary_lines(evaluation)


def test_a_number_that_is_not_finite_reads_as_null_does(evaluation):
    assert summary_lines(json.loads(json.dumps(_null(evaluation)))) == summary_lines(evaluation)


@pytest.mark.parametrize("width", [60, 30])
def test_a_narrow_table_loses_its_notes_and_then_its_columns(evaluation, width):
    lines = summary_lines(evaluation, width)
    assert not any(
        "without a model" in line and len(line) > width
        for line in lines
        if not line.startswith(("Average", "Log loss"))
    )
    line = next(line for line in lines if line.startswith("Recall"))
    assert ("value" in line) == (width == 30)
    assert f"{evaluation['metrics']['recall']['value']:.3f}" in line


@pytest.mark.parametrize(
    ("slope", "intercept", "words"),
    [
        ((0.9, 1.1), (-0.1, 0.1), "no significant error; slope 1.00 (0.90 to 1.10)"),
        ((0.5, 0.9), (-0.1, 0.1), "probabilities are overconfident; slope"),
        ((1.1, 2.0), (-0.1, 0.1), "probabilities are underconfident; slope"),
        ((0.9, 1.1), (-0.3, -0.1), "probabilities are too high on average; slope"),
        ((0.5, 0.9), (0.1, 0.2), "probabilities are overconfident and too low on average; slope"),
        ((None, None), (-0.1, 0.1), "Calibration: slope 1.00; expected calibration error 0.020."),
    ],
)
def test_calibration_is_what_its_intervals_exclude(evaluation, slope, intercept, words):
    record = copy.deepcopy(evaluation)
    for key, (low, high) in (("calibration_slope", slope), ("calibration_intercept", intercept)):
        value = 1.0 if low is None else (low + high) / 2
        record["metrics"][key] = {"value": value, "low": low, "high": high}
    record["metrics"]["ece"] = {"value": 0.02, "low": 0.01, "high": 0.03}
    (line,) = (line for line in summary_lines(record) if line.startswith("Calibration: "))
    assert words in line


def test_a_small_significant_difference_is_not_printed_as_0(evaluation):
    record = copy.deepcopy(evaluation)
    other = next(value for value in record["by"][0]["values"] if value["differences"])
    other["differences"]["alert_rate"] = {"value": -0.0031, "low": -0.005, "high": -0.001}
    (line,) = (line for line in summary_lines(record) if line.startswith("Significantly different"))
    assert "alert rate -0.003" in line


def test_classes_and_labels():
    rng = np.random.default_rng(2)
    y = rng.choice(["a", "b", "c"], 300, p=[0.7, 0.2, 0.1])
    p = rng.dirichlet([1, 1, 1], 300) * 0.8 + 0.2 * (y[:, None] == np.array(["a", "b", "c"]))
    by = {"site": rng.choice(["n", "s"], 300)}
    lines = summary_lines(cp.evaluate(cp.wrap(p, y), p, y, by=by, resamples=30))
    assert lines[0].startswith("300 rows of 3 classes; rarest: 'c' (")
    assert any(line.startswith("Recall (mean) ") for line in lines)
    assert not any("False positive rate" in line or "Per 10,000" in line for line in lines)
    assert len(lines) < 20


def _null(value):
    if isinstance(value, dict):
        return {key: _null(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_null(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

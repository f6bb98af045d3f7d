"""`score_all` against scikit-learn, and its laws."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard_schema import PER_PROBLEM
from sklearn import metrics as sk

from counterpoise.core.errors import DataError, ModelError, OptionError
from counterpoise.metrics.scores import DECISION_KEYS, METRICS, score_all


def sample(seed: int, rows: int = 400, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    share = np.r_[0.8, np.full(classes - 1, 0.2 / (classes - 1))]
    y = rng.choice(classes, rows, p=share)
    y[:classes] = np.arange(classes)
    logits = rng.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[y] + np.log(share)
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    raw = proba / share
    raw /= raw.sum(axis=1, keepdims=True)
    decision = np.where(rng.random(rows) < 0.7, y, rng.integers(0, classes, rows))
    return y, proba, raw, decision


def test_keys_are_those_of_the_contract_in_its_order() -> None:
    y, proba, raw, decision = sample(0)
    assert list(score_all(y, proba, raw, decision, n_classes=2)) == list(PER_PROBLEM)
    rule = [key + suffix for suffix in ("", "_default", "_uncorrected") for key in DECISION_KEYS]
    assert list(PER_PROBLEM)[-24:] == rule
    assert len(PER_PROBLEM) == 33


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary_agrees_with_scikit_learn(seed: int, weighted: bool) -> None:
    y, proba, raw, decision = sample(seed)
    w = np.random.default_rng(seed).random(len(y)) + 0.1 if weighted else None
    got = score_all(y, proba, raw, decision, n_classes=2, sample_weight=w)
    p = proba[:, 1]
    expected = {
        "average_precision": sk.average_precision_score(y, p, sample_weight=w),
        "roc_auc": sk.roc_auc_score(y, p, sample_weight=w),
        "log_loss": sk.log_loss(y, proba, sample_weight=w),
        "brier": sk.brier_score_loss(y, p, sample_weight=w),
        "log_loss_uncorrected": sk.log_loss(y, raw, sample_weight=w),
    }
    for suffix, d in {"": decision, "_default": p >= 0.5, "_uncorrected": raw[:, 1] >= 0.5}.items():
        expected |= {
            "accuracy" + suffix: sk.accuracy_score(y, d, sample_weight=w),
            "balanced_accuracy" + suffix: sk.balanced_accuracy_score(y, d, sample_weight=w),
            "recall" + suffix: sk.recall_score(y, d, sample_weight=w),
            "precision" + suffix: sk.precision_score(y, d, sample_weight=w),
            "specificity" + suffix: sk.recall_score(y, d, pos_label=0, sample_weight=w),
            "f1" + suffix: sk.f1_score(y, d, sample_weight=w),
            "mcc" + suffix: sk.matthews_corrcoef(y, d, sample_weight=w),
        }
    for key, value in expected.items():
        assert got[key] == pytest.approx(value, abs=1e-9), key
    assert got["g_mean"] == pytest.approx(math.sqrt(got["recall"] * got["specificity"]))


@pytest.mark.parametrize("classes", [3, 5])
def test_multi_class_agrees_with_scikit_learn(classes: int) -> None:
    y, proba, raw, decision = sample(7, 600, classes)
    got = score_all(y, proba, raw, decision, n_classes=classes)
    one_hot = np.eye(classes)[y]
    expected = {
        "average_precision": sk.average_precision_score(one_hot, proba, average="macro"),
        "roc_auc": sk.roc_auc_score(y, proba, multi_class="ovr", average="macro"),
        "log_loss": sk.log_loss(y, proba),
        "brier": ((one_hot - proba) ** 2).sum(axis=1).mean(),
        "recall": sk.recall_score(y, decision, average="macro"),
        "balanced_accuracy": sk.recall_score(y, decision, average="macro"),
        "precision": sk.precision_score(y, decision, average="macro"),
        "f1": sk.f1_score(y, decision, average="macro"),
        "mcc": sk.matthews_corrcoef(y, decision),
        "accuracy_default": (proba.argmax(axis=1) == y).mean(),
        "accuracy_uncorrected": (raw.argmax(axis=1) == y).mean(),
    }
    for key, value in expected.items():
        assert got[key] == pytest.approx(value, abs=1e-9), key
    recalls = sk.recall_score(y, decision, average=None)
    assert got["g_mean"] == pytest.approx(np.prod(recalls) ** (1 / classes))
    specificity = [((decision != c) & (y != c)).sum() / (y != c).sum() for c in range(classes)]
    assert got["specificity"] == pytest.approx(np.mean(specificity))


def assert_equal_scores(a: dict[str, float], b: dict[str, float]) -> None:
    for key in PER_PROBLEM:
        assert a[key] == pytest.approx(b[key], abs=1e-7, nan_ok=True), key


@pytest.mark.parametrize("classes", [2, 3])
def test_weight_two_is_the_row_twice_and_weight_zero_no_row(classes: int) -> None:
    y, proba, raw, decision = sample(3, 150, classes)
    w = np.random.default_rng(0).integers(0, 3, len(y))
    many = np.repeat(np.arange(len(y)), w)
    weighted = score_all(y, proba, raw, decision, n_classes=classes, sample_weight=w)
    repeated = score_all(y[many], proba[many], raw[many], decision[many], n_classes=classes)
    assert_equal_scores(weighted, repeated)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 4))
def test_order_of_rows_does_not_matter(seed: int, classes: int) -> None:
    y, proba, raw, decision = sample(seed, 60, classes)
    proba = proba.round(1) / proba.round(1).sum(axis=1, keepdims=True)
    order = np.random.default_rng(seed).permutation(len(y))
    one = score_all(y, proba, raw, decision, n_classes=classes)
    two = score_all(y[order], proba[order], raw[order], decision[order], n_classes=classes)
    assert_equal_scores(one, two)


def test_positive_names_the_class() -> None:
    y, proba, raw, decision = sample(1)
    one = score_all(y, proba, raw, decision, n_classes=2)
    other = score_all(1 - y, proba[:, ::-1], raw[:, ::-1], 1 - decision, n_classes=2, positive=0)
    assert_equal_scores(one, other)


DEGENERATE = {
    "no positives": (np.zeros(6, int), np.tile([0.8, 0.2], (6, 1))),
    "only positives": (np.ones(6, int), np.tile([0.8, 0.2], (6, 1))),
    "constant": (np.array([0, 0, 0, 0, 0, 1]), np.tile([0.8, 0.2], (6, 1))),
    "exact and wrong": (np.array([0, 0, 0, 1, 1, 1]), np.eye(2)[[0, 0, 1, 1, 1, 0]]),
    "exact and right": (np.array([0, 0, 0, 1, 1, 1]), np.eye(2)[[0, 0, 0, 1, 1, 1]]),
    "one row": (np.array([1]), np.array([[0.4, 0.6]])),
    "class missing": (np.array([0, 1, 0, 1, 0, 0]), np.tile([0.6, 0.3, 0.1], (6, 1))),
    "one class of three": (np.zeros(6, int), np.tile([0.6, 0.3, 0.1], (6, 1))),
    "sigmoids": (np.array([0, 1, 2, 0]), np.array([[0.9, 0.9, 0.9], [0, 0, 0], [0, 0, 1.0], [1, 0, 0]])),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_cases_are_defined_without_warnings(case: str) -> None:
    y, proba = DEGENERATE[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score_all(y, proba, proba, proba.argmax(axis=1), n_classes=proba.shape[1])
    assert not any(math.isinf(value) for value in scores.values())
    always = ["log_loss", "log_loss_uncorrected", "brier", "ece", "accuracy", "balanced_accuracy", "mcc"]
    assert all(math.isfinite(scores[key]) for key in always)
    for key, value in scores.items():
        assert math.isnan(value) or METRICS[key].low <= value <= METRICS[key].high, key


def test_degenerate_values() -> None:
    y, proba = DEGENERATE["no positives"]
    none = score_all(y, proba, proba, y, n_classes=2)
    for key in ("average_precision", "roc_auc", "recall", "precision", "f1", "g_mean", "skill", "calibration_slope"):
        assert math.isnan(none[key]), key
    assert none["specificity"] == 1
    y, proba = DEGENERATE["constant"]
    constant = score_all(y, proba, proba, np.zeros(6, int), n_classes=2)
    assert constant["average_precision"] == pytest.approx(1 / 6)
    assert constant["roc_auc"] == 0.5
    assert (constant["precision"], constant["recall"], constant["f1"], constant["mcc"]) == (0, 0, 0, 0)
    assert math.isnan(constant["calibration_slope"])


def test_a_forecast_of_the_class_shares_has_no_skill() -> None:
    y = np.array([0] * 95 + [1] * 5)
    proba = np.tile([0.95, 0.05], (100, 1))
    assert score_all(y, proba, proba, y, n_classes=2)["skill"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (DataError, "codes", {"y": [0, 2]}),
        (DataError, "shape", {"y": []}),
        (DataError, "fractions", {"y": [0.5, 1.0]}),
        (DataError, "shape", {"proba": [[0.5, 0.5]]}),
        (ModelError, "NaN or infinite", {"proba": [[0.5, 0.5], [np.nan, 0.5]]}),
        (OptionError, "logits", {"raw": [[-3.0, 4.0], [0.5, 0.5]]}),
        (OptionError, "one decision for each row", {"decision": [0]}),
        (OptionError, "Expected", {"n_classes": 3}),
        (OptionError, "positive=2", {"positive": 2}),
        (DataError, "sample_weight", {"sample_weight": [1.0]}),
        (DataError, "negative", {"sample_weight": [1.0, -1.0]}),
    ],
)
def test_bad_input_is_named(error: type[Exception], words: str, change: dict) -> None:
    good = {"y": [0, 1], "proba": [[0.5, 0.5]] * 2, "raw": [[0.5, 0.5]] * 2, "decision": [0, 1], "n_classes": 2}
    arguments = good | change
    with pytest.raises(error, match=words):
        score_all(**arguments)


def test_goodness_turns_every_direction_the_same_way() -> None:
    assert METRICS["roc_auc"].goodness(0.9) > METRICS["roc_auc"].goodness(0.8)
    assert METRICS["brier"].goodness(0.1) > METRICS["brier"].goodness(0.2)
    slope = METRICS["calibration_slope"]
    assert slope.goodness(1.0) > slope.goodness(1.2) == pytest.approx(slope.goodness(0.8))
    bounded = [metric for metric in METRICS.values() if math.isfinite(metric.target)]  # a cost has no best value
    assert all(metric.goodness(metric.target) == 0 for metric in bounded if metric.direction != "higher")
    assert [key for key, metric in METRICS.items() if metric not in bounded] == ["expected_cost"]


def test_weights_make_no_score_of_decisions_larger_than_1() -> None:
    """Each recall divides sums of weights in the same order, so that all found is exactly 1."""
    rng = np.random.default_rng(0)
    y, weight = np.repeat([0, 1], 500), rng.gamma(2.0, 1.0, 1000)
    right = np.stack([1.0 - y, 1.0 * y], axis=1)
    for _ in range(20):
        decision = np.where(rng.random(1000) < 0.3, 1 - y, y)
        s = score_all(y, right, right, decision, n_classes=2, sample_weight=weight)
        assert [s[f"{key}_default"] for key in ("recall", "precision", "specificity", "f1", "g_mean")] == [1.0] * 5

"""Several comparisons together: ranks and tests of their mean scores, from records made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

import counterpoise as cp
from counterpoise.comparison.many import compare_many
from counterpoise.comparison.result import Comparison
from counterpoise.core.errors import ArtifactError, OptionError

RNG = np.random.default_rng(0)
NONE = RNG.uniform(0.3, 0.7, 12)
TABLE = {"none": NONE, "good": NONE + 0.06 + RNG.normal(0, 0.01, 12), "same": NONE + 0.001}


def comparison(k, metric="average_precision", **odd):
    rows = [
        {"strategy": name, "status": "ok", "scores": {metric: {"mean": float(values[k])}}}
        for name, values in {**TABLE, **odd}.items()
    ]
    rows.append({"strategy": "smote", "status": "failed" if k else "ok", "scores": {metric: {"mean": 0.5}}})
    return Comparison({"schema": 2, "metric": metric, "rows": rows, "data": {"source": f"set{k}.csv"}}, {}, ())


@pytest.fixture(scope="module", name="many")
def _many():
    return compare_many([comparison(k) for k in range(12)])


def test_ranks_scores_and_tests(many):
    assert many.data_sets[:2] == ("set0", "set1")
    assert many.strategies == ("good", "same", "none")
    assert many.ranks.tolist() == [1.0, 2.0, 3.0]
    assert np.array_equal(many.scores[:, 2], NONE)
    assert many.p < 1e-6
    assert stats.friedmanchisquare(*many.scores.T).pvalue < 1e-4
    assert (many.reference, many.left_out) == ("none", ("smote",))
    assert many.against["good"].right > 0.95
    assert many.against["same"].rope > 0.95


def test_text_and_figure(many, tmp_path):
    assert many.verdict.startswith("Good has the best mean rank (1.00) over 12 data sets. Significantly better than")
    assert "Practically equivalent to the baseline: Same." in many.verdict
    assert many.verdict in str(many)
    svg = many.to_svg(tmp_path / "cd.svg")
    assert (tmp_path / "cd.svg").read_text() == svg
    assert svg.startswith("<svg")
    assert all(name in svg for name in many.strategies)
    assert json.loads(json.dumps(many.to_dict()))["verdict"] == many.verdict


def test_a_loss_is_better_when_lower_and_its_rope_is_a_share():
    scaled = [comparison(k, metric="log_loss") for k in range(12)]
    many = compare_many(scaled)
    assert many.strategies[-1] == "good"
    assert many.against["good"].left > 0.95


def test_nothing_is_better_over_data_sets_on_which_the_reference_was_cut_off():
    comparisons = [comparison(k) for k in range(12)]
    for one in comparisons[:2]:
        next(row for row in one.record["rows"] if row["strategy"] == "none")["cut_off"] = True
    many = compare_many(comparisons)
    assert many.cut_off == ("set0", "set1")
    assert "Significantly better" not in many.verdict
    assert "still improving when its training ended on 2 data sets. Raise `epochs=`" in many.verdict


def test_folders_are_read_and_what_is_none_is_refused(tmp_path):
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / "leaderboard.json").write_text(json.dumps(comparison(k).record))
    assert compare_many({str(k): tmp_path / str(k) for k in range(2)}).scores.shape == (2, 3)
    with pytest.raises(ArtifactError, match="Expected a folder written by compare"):
        compare_many({"a": tmp_path / "none"})


@pytest.mark.parametrize(
    ("comparisons", "message"),
    [
        ({}, "received no comparisons"),
        ({"a": 3}, "a is int. Expected a Comparison"),
        ({"a": comparison(0), "b": comparison(0, metric="roc_auc")}, "Pass one as metric="),
    ],
)
def test_what_cannot_be_put_together_is_refused(comparisons, message):
    with pytest.raises(OptionError, match=message):
        cp.comparison.compare_many(comparisons)

"""Members' own scores against scikit-learn, their likeness against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss

from counterpoise.core.errors import DataError
from counterpoise.metrics.members import member_table, score_correlation

RNG = np.random.default_rng(0)


def scores(members=3, rows=80, classes=2):
    return RNG.dirichlet(np.ones(classes), (members, rows)), np.arange(rows) % classes


def test_own_scores_are_those_of_scikit_learn():
    proba, y = scores()
    weight = RNG.random(80)
    table = member_table("abc", proba, y, weights=[0.5, 0.5, 0.0], sample_weight=weight)
    assert [row["name"] for row in table] == ["a", "b", "c"]
    assert [row["weight"] for row in table] == [0.5, 0.5, 0.0]
    for row, own in zip(table, proba, strict=True):
        assert row["average_precision"] == pytest.approx(average_precision_score(y, own[:, 1], sample_weight=weight))
        assert row["log_loss"] == pytest.approx(log_loss(y, own, sample_weight=weight))


def test_likeness_is_the_correlation_of_log_odds():
    proba, _ = scores()
    odds = np.log(proba[:, :, 1] / proba[:, :, 0])
    assert score_correlation(proba) == pytest.approx(np.corrcoef(odds))
    three, _ = scores(classes=3)
    expected = np.mean([np.corrcoef(np.log(three[:, :, c] / (1 - three[:, :, c]))) for c in range(3)], axis=0)
    assert score_correlation(three) == pytest.approx(expected)


def test_members_that_say_the_same_of_all_rows_have_no_correlation():
    proba, y = scores(2)
    proba[1] = 0.5
    table = member_table("ab", proba, y)
    assert table[1]["correlation"] == [None, None]
    assert table[0]["correlation"] == pytest.approx([1.0, None])
    with pytest.raises(DataError, match=r"Expected \(3 members, 80 rows, classes\)"):
        member_table("abc", proba, y)

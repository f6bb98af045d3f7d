"""Costs, net benefit, per class, Brier terms and curves: brute force and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from counterpoise.core.errors import OptionError
from counterpoise.metrics.curves import calibration_curve
from counterpoise.metrics.decision_scores import (
    confusion,
    decision_scores,
    default_decision,
    expected_cost,
    net_benefit,
    per_class,
    scores_of_many,
)
from counterpoise.metrics.intervals import wilson
from counterpoise.metrics.proba_scores import brier, brier_decomposition
from counterpoise.metrics.rank_scores import average_precision, partial_auc, roc_auc


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.1).astype(int)
    p = (1 / (1 + np.exp(2 - rng.normal(size=500) - 2 * y))).round(2)
    return y, np.stack([1 - p, p], axis=1)


def test_confusion_and_per_class_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y, d, w = rng.integers(0, 4, 300), rng.integers(0, 4, 300), rng.random(300)
    assert np.allclose(confusion(y, d, 4, sample_weight=w), sk.confusion_matrix(y, d, sample_weight=w))
    got = per_class(y, d, 4)
    precision, recall, _, support = sk.precision_recall_fscore_support(y, d)
    assert np.allclose(got.recall, recall)
    assert np.allclose(got.precision, precision)
    assert np.allclose(got.support, support)


def test_per_class_of_absent_and_never_decided() -> None:
    got = per_class([0, 0, 1], [0, 2, 0], 4)
    assert got.recall.tolist()[:2] == [0.5, 0.0]
    assert got.precision.tolist()[1] == 0.0
    assert np.isnan(got.precision[2:]).all()
    assert np.isnan(got.recall[2:]).all()


def test_default_decision_includes_the_half() -> None:
    assert default_decision([[0.5, 0.5]]).tolist() == [1]
    assert default_decision([[0.5, 0.5]], positive=0).tolist() == [0]
    assert default_decision([[0.2, 0.4, 0.4]]).tolist() == [1]


def test_expected_cost_sums_row_by_row() -> None:
    rng = np.random.default_rng(2)
    y, d, cost = rng.integers(0, 3, 100), rng.integers(0, 3, 100), rng.random((3, 3))
    assert expected_cost(y, d, cost) == pytest.approx(np.mean([cost[a, b] for a, b in zip(y, d, strict=True)]))
    with pytest.raises(OptionError, match="each pair of true class"):
        expected_cost(y, d, [1.0, 2.0])


def test_net_benefit_by_counting(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    curve = net_benefit(y, p)
    for t, model, everybody in zip(*curve, strict=True):
        alarm = p[:, 1] >= t
        odds = t / (1 - t)
        assert model == pytest.approx(((alarm & (y == 1)).sum() - odds * (alarm & (y == 0)).sum()) / len(y))
        assert everybody == pytest.approx(y.mean() - odds * (1 - y.mean()))
    with pytest.raises(OptionError, match="below 1"):
        net_benefit(y, p, [1.0])


@pytest.mark.parametrize("bins", [1, 5, None])
def test_brier_parts_add_up(data: tuple[np.ndarray, np.ndarray], bins: int | None) -> None:
    y, p = data
    terms = brier_decomposition(y, p, bins=bins)
    total = terms.reliability - terms.resolution + terms.uncertainty + terms.within
    assert total == pytest.approx(brier(y, p))
    assert terms.uncertainty == pytest.approx(y.mean() * (1 - y.mean()))
    if bins is None:
        assert terms.within == pytest.approx(0, abs=1e-12)
    if bins == 1:
        assert terms.resolution == pytest.approx(0)


def test_areas_by_counting_pairs(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    gap = p[y == 1, 1][:, None] - p[y == 0, 1][None, :]
    assert roc_auc(y, p) == pytest.approx((gap > 0).mean() + 0.5 * (gap == 0).mean())
    s = p[:, 1]
    points = [(y[s >= t].mean(), (y * (s >= t)).sum() / y.sum()) for t in np.unique(s)[::-1]]
    steps = np.diff([0.0] + [recall for _, recall in points])
    assert average_precision(y, p) == pytest.approx(sum(r * q for r, (q, _) in zip(steps, points, strict=True)))


def test_partial_area_at_its_ends(data: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = data
    assert partial_auc(y, p, 1.0) == pytest.approx(roc_auc(y, p))
    assert partial_auc(y, np.full_like(p, 0.5), 0.2) == pytest.approx(0.5)
    assert math.isnan(partial_auc(np.zeros(500, int), p, 0.2))
    with pytest.raises(OptionError, match="max_fpr"):
        partial_auc(y, p, 0.0)


@pytest.mark.parametrize("by", ["positives", "rows"])
def test_calibration_curve_counts_every_row_once(data: tuple[np.ndarray, np.ndarray], by: str) -> None:
    y, p = data
    curve = calibration_curve(y, p, by=by)
    assert curve.rows.sum() == len(y)
    assert (curve.rows * curve.observed).sum() == pytest.approx(y.sum())
    assert (curve.rows * curve.mean_proba).sum() == pytest.approx(p[:, 1].sum())
    low, high = wilson(np.round(curve.rows * curve.observed), curve.rows)
    assert np.allclose(curve.low, low)
    assert np.allclose(curve.high, high)
    assert (np.diff(curve.mean_proba) > 0).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_many_matrices_at_once_have_the_scores_of_each(classes: int) -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(classes), (6, classes))
    matrices = np.array([[rng.multinomial(9 + 3 * c, p) for c, p in enumerate(one)] for one in shares])
    matrices[0, :, 1:], matrices[0, :, 0] = 0, 9 + 3 * np.arange(classes)  # one class is decided alone
    hit, decided = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=1)
    scores = scores_of_many(hit, matrices[0].sum(axis=1), decided)
    for i, matrix in enumerate(matrices):
        assert {key: values[i] for key, values in scores.items()} == pytest.approx(decision_scores(matrix), abs=1e-14)

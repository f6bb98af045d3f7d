"""The compressed bootstrap against drawing rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.seeds import generator
from counterpoise.metrics.bootstrap import (
    _areas,
    _group_counts,
    _ranks,
    ap_interval,
    cluster_draws,
    percentile,
    stratified_draws,
    time_blocks,
)
from counterpoise.metrics.intervals import ap_logit_interval

KEYS = ("average_precision", "roc_auc", "log_loss")


def sample(seed: int, rows: int, share: float, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < share).astype(int)
    y[:2] = 0, 1
    p = (1 / (1 + np.exp(2 - rng.normal(size=rows) - 2 * y))).round(decimals).clip(0.01, 0.99)
    return y, np.stack([1 - p, p], axis=1)


def exact(y: np.ndarray, p: np.ndarray) -> list[float]:
    return [sk.average_precision_score(y, p[:, 1]), sk.roc_auc_score(y, p[:, 1]), sk.log_loss(y, p)]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_counting_every_row_once_gives_the_scores(share: float) -> None:
    y, p = sample(0, 300, share)
    ranks = _ranks(y == 1, p[:, 1])
    areas = _areas(
        np.bincount(ranks.positive, minlength=ranks.m)[None],
        np.bincount(ranks.negative, minlength=2 * ranks.m + 1)[None],
    )
    assert [areas[key][0] for key in KEYS[:2]] == pytest.approx(exact(y, p)[:2])


@pytest.mark.parametrize(("rows", "share"), [(400, 0.05), (150, 0.5), (3000, 0.01)])
def test_same_distribution_as_drawing_rows(rows: int, share: float) -> None:
    y, p = sample(1, rows, share)
    rng = np.random.default_rng(2)
    sides = [np.flatnonzero(y == c) for c in (0, 1)]
    slow = []
    for _ in range(150):
        take = np.concatenate([rng.choice(side, len(side)) for side in sides])
        slow.append(exact(y[take], p[take]))
    fast = stratified_draws(y, p, resamples=3000)
    areas = stratified_draws(y, p, resamples=3000, losses=False)
    assert areas.keys() == {"average_precision", "roc_auc"}
    assert all(np.array_equal(draws, fast[key]) for key, draws in areas.items())
    for column, key in enumerate(KEYS):
        assert stats.ks_2samp(np.array(slow)[:, column], fast[key]).pvalue > 1e-3, key


def test_cluster_draws_repeat_the_rows_of_the_groups_drawn() -> None:
    y, p = sample(3, 200, 0.2)
    groups = np.random.default_rng(4).integers(0, 40, 200) * 10
    fast = cluster_draws(y, p, groups, resamples=20, seed=5)
    code = np.unique(groups, return_inverse=True)[1]
    counts = _group_counts(code.max() + 1, 20, generator(5, "bootstrap groups")).astype(int)
    for b in range(20):
        take = np.repeat(np.arange(200), counts[b][code])
        assert [fast[key][b] for key in KEYS] == pytest.approx(exact(y[take], p[take]))


def test_cluster_draws_are_paired_between_classifiers() -> None:
    y, p = sample(3, 400, 0.2, decimals=6)
    groups = np.arange(400) // 5
    # A monotone change keeps the order: the areas must agree draw by draw.
    other = np.stack([1 - p[:, 1] ** 2, p[:, 1] ** 2], axis=1)
    one, two = (cluster_draws(y, q, groups, resamples=300) for q in (p, other))
    assert np.allclose(one["average_precision"], two["average_precision"])
    assert np.allclose(one["roc_auc"], two["roc_auc"])


def test_time_blocks_follow_time_and_keep_equal_times_together() -> None:
    time = np.random.default_rng(0).integers(0, 50, 300)
    blocks = time_blocks(time)
    order = np.argsort(time)
    assert (np.diff(blocks[order]) >= 0).all()
    assert all(len(set(blocks[time == t])) == 1 for t in np.unique(time))
    assert np.bincount(time_blocks(np.arange(100)), minlength=20).tolist() == [5] * 20
    with pytest.raises(OptionError, match="length=0"):
        time_blocks(time, 0)


def test_a_resample_without_positives_is_nan_and_left_out() -> None:
    y, p = np.array([0, 0, 0, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]])
    draws = cluster_draws(y, p, np.arange(4), resamples=200)["average_precision"]
    assert np.isnan(draws).any()
    low, high = percentile(draws)
    assert 0 < low <= high <= 1
    assert np.isnan(percentile([np.nan])).all()


def test_chunks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    y, p = sample(6, 400, 0.3)
    groups = np.arange(400) // 4
    whole = cluster_draws(y, p, groups, resamples=50)
    monkeypatch.setattr("counterpoise.metrics.bootstrap._CHUNK", 1000)
    assert np.allclose(cluster_draws(y, p, groups, resamples=50)["roc_auc"], whole["roc_auc"])


def test_ap_interval_picks_its_method_by_the_positives() -> None:
    y, p = sample(7, 500, 0.02)
    positives = int(y.sum())
    assert positives < 50
    assert ap_interval(y, p) == pytest.approx(ap_logit_interval(sk.average_precision_score(y, p[:, 1]), positives))
    y, p = sample(8, 2000, 0.1)
    low, high = ap_interval(y, p, resamples=500)
    assert low < sk.average_precision_score(y, p[:, 1]) < high
    assert (low, high) == percentile(stratified_draws(y, p, resamples=500)["average_precision"])
    grouped = ap_interval(y, p, groups=np.arange(2000) // 2, resamples=200)
    assert grouped[0] < grouped[1]


def test_bad_input() -> None:
    y, p = sample(0, 20, 0.5)
    with pytest.raises(DataError, match="positive and negative rows"):
        stratified_draws(np.zeros(20, int), p)
    with pytest.raises(DataError, match="groups= has 3 rows"):
        cluster_draws(y, p, [1, 2, 3])
    with pytest.raises(OptionError, match="resamples"):
        stratified_draws(y, p, resamples=0)


def test_a_weight_of_2_is_the_row_twice_in_the_draws_of_groups():
    rng = np.random.default_rng(5)
    y, score, group = rng.integers(0, 2, 80), rng.random(80), np.arange(80) // 4
    weight = rng.integers(1, 4, 80)
    again = np.repeat(np.arange(80), weight)
    two = np.stack([1 - score, score], axis=1)
    a = cluster_draws(y, two, group, resamples=20, sample_weight=weight)
    b = cluster_draws(y[again], two[again], group[again], resamples=20)
    assert all(np.allclose(a[key], b[key]) for key in a)

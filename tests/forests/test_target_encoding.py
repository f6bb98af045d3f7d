"""Columns with many levels are read by trees as smoothed means of the labels, never of a training row's own label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import counterpoise as cp
from counterpoise.core.structure import take
from counterpoise.data.read import read
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.rows import FlatRows
from counterpoise.forests.target_encoding import cross_fitted, level_means, parts_of, targets_of

RNG = np.random.default_rng(0)
N, LEVELS = 4000, 600
SHOP = RNG.integers(0, LEVELS, N)
RISK = np.where(np.arange(LEVELS) % 10 == 0, 0.6, 0.02)
FRAUD = RNG.random(N) < RISK[SHOP]
FRAME = pl.DataFrame({"shop": [f"s{v}" for v in SHOP], "amount": RNG.lognormal(3, 1, N), "fraud": FRAUD.astype(int)})
IDS = RNG.integers(1, 40, (300, 2))
TARGETS = targets_of((RNG.random(300) < IDS[:, 0] / 80).astype(int), 2)
WEIGHTS = RNG.integers(1, 4, 300).astype(float)


def by_hand(ids, y, size):
    """Means of one column and target by the formulas of the module, level by level."""
    overall, within = y.mean(), y.mean() * (1 - y.mean())
    groups = {level: y[ids == level] for level in np.unique(ids)}
    spread = sum(len(g) * (g.mean() - overall) ** 2 for g in groups.values()) - (len(groups) - 1) * within
    between = max(0.0, spread / (len(y) - sum(len(g) ** 2 for g in groups.values()) / len(y)))
    if not between:
        return np.full(size, overall)
    m = within / between
    return np.array([(groups[i].sum() + m * overall) / (len(groups[i]) + m) if i in groups else overall
                     for i in range(size)])  # fmt: skip


def test_means_follow_the_formula():
    means = level_means(IDS, [1, 0], TARGETS, np.ones(300), [42, 42])
    wanted = np.concatenate([by_hand(IDS[:, j], TARGETS[:, 0], 42) for j in (1, 0)])
    np.testing.assert_allclose(means.means[:, 0], wanted, rtol=1e-6)
    assert np.ptp(means.means[42:, 0]) > 0.3
    values = means.values(np.array([[3, 5], [3, 99]]))
    np.testing.assert_allclose(values[0], [wanted[5], wanted[42 + 3]], rtol=1e-6)
    assert values[1, 0] == pytest.approx(TARGETS.mean())  # a level that no training row has


def test_a_weight_is_that_many_rows_and_the_order_of_rows_has_no_effect():
    weighted = level_means(IDS, [0], TARGETS, WEIGHTS, [42]).means
    often = RNG.permutation(np.repeat(np.arange(300), WEIGHTS.astype(int)))
    repeated = level_means(IDS[often], [0], TARGETS[often], np.ones(len(often)), [42]).means
    np.testing.assert_allclose(weighted, repeated, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 100.0])
def test_the_unit_of_weights_has_no_effect(scale):
    examples = read(FRAME.drop("fraud"), y=FRAUD)
    plain, scaled = (
        FlatRows(replace(examples, sample_weight=weights), np.arange(N), keep_nan=True, integer_levels=254, seed=1)
        for weights in (None, np.full(N, scale, np.float32))
    )
    np.testing.assert_allclose(scaled.encoding.means, plain.encoding.means, rtol=1e-5)
    np.testing.assert_allclose(scaled.training_matrix(np.arange(N)), plain.training_matrix(np.arange(N)), rtol=1e-5)


def test_levels_without_effect_get_the_mean_of_all_rows():
    shares = [level_means(RNG.integers(1, 100, (2000, 1)), [0], targets_of(np.arange(2000) % 20 == 0, 2), np.ones(2000),
                          [101]).means for _ in range(10)]  # fmt: skip
    assert np.median([np.ptp(of) for of in shares]) < 0.02  # unsmoothed: about 0.2


def test_several_classes_and_labels_have_a_mean_each_and_unknown_labels_count_nowhere():
    y = RNG.integers(0, 3, 300)
    several = level_means(IDS, [0], targets_of(y, 3), np.ones(300), [42]).means
    one = level_means(IDS, [0], (y == 2)[:, None].astype(float), np.ones(300), [42]).means
    assert several.shape == (42, 3)
    np.testing.assert_allclose(several[:, 2], one[:, 0], rtol=1e-6)
    labels = np.stack([TARGETS[:, 0].astype(int), RNG.integers(-1, 2, 300)], axis=1)
    known = labels[:, 1] >= 0
    both = level_means(IDS, [0], targets_of(labels, 0), np.ones(300), [42]).means
    alone = level_means(IDS[known], [0], labels[known, 1:].astype(float), np.ones(known.sum()), [42]).means
    np.testing.assert_allclose(both[:, 1], alone[:, 0], rtol=1e-6)


def test_the_label_of_a_training_row_has_no_effect_on_its_own_encoding():
    part = parts_of(TARGETS, None, 0)
    how = IDS, [0, 1], TARGETS, WEIGHTS, [42, 42]
    before = cross_fitted(*how, part)
    for row in (0, 17, 250):
        other = TARGETS.copy()
        other[row] = 1 - other[row]
        np.testing.assert_array_equal(cross_fitted(IDS, [0, 1], other, WEIGHTS, [42, 42], part)[row], before[row])
    assert np.abs(before[:, 0] - level_means(*how).values(IDS)[:, 0]).max() > 0.01


def test_rows_of_one_group_are_in_one_part_and_classes_are_spread():
    groups = RNG.integers(0, 50, 300)
    part = parts_of(TARGETS, groups, 0)
    assert len(np.unique(part)) == 5
    assert all(len(np.unique(part[groups == g])) == 1 for g in range(50))
    positives = np.bincount(parts_of(TARGETS, None, 0)[TARGETS[:, 0] == 1], minlength=5)
    assert np.ptp(positives) <= 1


@pytest.mark.parametrize("y", [FRAUD, RNG.integers(0, 3, N)])
def test_the_layer_reads_the_levels_as_numpy_does(y):
    examples = read(FRAME.drop("fraud"), y=y)
    flat = FlatRows(examples, np.arange(0, N, 2), keep_nan=True, integer_levels=254, seed=1)
    layer, rows = TreeRows.of(flat), np.arange(N)
    wanted = flat.matrix(rows)
    assert wanted.shape == (N, flat.width) == (N, layer.columns)
    np.testing.assert_array_equal(np.asarray(layer(take(examples.x, rows))), wanted)
    again = TreeRows.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(np.asarray(again(take(examples.x, rows))), wanted)
    seen = flat.training_matrix(np.array([4, 2, 2, 0]))
    np.testing.assert_array_equal(seen[1], seen[2])
    k = flat.encoding.width
    np.testing.assert_array_equal(seen[:, :-k], wanted[[4, 2, 2, 0], :-k])
    assert (seen[:, -k:] != wanted[[4, 2, 2, 0], -k:]).any()


@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_trees_learn_from_hundreds_of_levels_and_the_file_gives_the_same(name, tmp_path):
    test = np.arange(N) >= 3000
    clf = cp.fit(cp.trees(name, n_estimators=40), FRAME.filter(~test), "fraud", verbose=0)
    rows = FRAME.filter(test).drop("fraud")
    proba = clf.predict_proba(rows)[:, 1]
    assert roc_auc_score(FRAUD[test], proba) > 0.75  # 0.51 by the commonest levels and the amount
    clf.save(tmp_path / "fraud.keras")
    np.testing.assert_array_equal(cp.load(tmp_path / "fraud.keras").predict_proba(rows)[:, 1], proba)
    risky = RISK[SHOP[3000:]] > 0.1
    chosen = np.append(np.flatnonzero(risky)[:20], np.flatnonzero(~risky)[:20])
    reasons = clf.explain(rows[chosen], rows.head(40))
    np.testing.assert_allclose(reasons.effects.sum(axis=1), reasons.log_odds - reasons.base, atol=1e-4)
    of_shop = reasons.effects[:, reasons.columns.index("shop")]
    assert of_shop[:20].mean() > of_shop[20:].mean() + 0.5


def test_a_plan_with_synthetic_rows_uses_no_labels_of_levels():
    members = cp.fit(cp.trees("forest", n_estimators=5), FRAME, "fraud", strategy="smote", verbose=0).members
    (layer,) = [one for one in members._flatten_layers() if isinstance(one, TreeRows)]
    assert layer.encoded == []

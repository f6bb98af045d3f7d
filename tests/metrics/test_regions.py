"""Scores and curves of whole rows against scikit-learn and by hand; their draws against resampled rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from counterpoise.metrics.lesions import find_lesions, lesion_recall
from counterpoise.metrics.regions import (
    decided_regions,
    foreground_of,
    joined_regions,
    region_curves,
    region_draws,
    region_scores,
)

RNG = np.random.default_rng(0)
TRUTH = (RNG.random((24, 9, 9)) < 0.15).astype(np.int64) * RNG.integers(1, 3, (24, 9, 9))
TRUTH[::4] = 0
PROBA = RNG.dirichlet((6, 1, 1), TRUTH.shape) * 0.6 + 0.4 * np.eye(3)[TRUTH]
DECIDED = (PROBA * (1, 2, 2)).argmax(axis=-1)
WHOLE = decided_regions(TRUTH, PROBA, DECIDED, (1, 2))


def test_pooled_scores_are_those_of_all_pixels():
    scores = region_scores(WHOLE)
    kept = {"labels": [1, 2], "average": "macro"}
    assert scores["dice"] == pytest.approx(f1_score(TRUTH.ravel(), DECIDED.ravel(), **kept))
    assert scores["iou"] == pytest.approx(jaccard_score(TRUTH.ravel(), DECIDED.ravel(), **kept))


def test_scores_by_image_and_of_lesions():
    scores = region_scores(WHOLE)
    by_image, present, recalls = [], [], []
    for code in (1, 2):
        pairs = list(zip(code == TRUTH, code == DECIDED, strict=True))
        each = np.array([1.0 if not (t | d).any() else 2 * (t & d).sum() / (t.sum() + d.sum()) for t, d in pairs])
        by_image.append(each.mean())
        present.append(each[[t.any() for t, _ in pairs]].mean())
        lesions = find_lesions(TRUTH, np.where(code == DECIDED, PROBA[..., code], 0.0), 1e-9, positive=code)
        recalls.append(lesion_recall(lesions, 1.0))
    assert scores["dice_image"] == pytest.approx(np.mean(by_image))
    assert scores["dice_present"] == pytest.approx(np.mean(present))
    assert scores["lesion_recall"] == pytest.approx(np.mean(recalls))


def test_parts_joined_are_the_whole():
    parts = [decided_regions(TRUTH[s], PROBA[s], DECIDED[s], (1, 2)) for s in (slice(0, 5), slice(5, 24))]
    joined = joined_regions(parts)
    assert region_scores(joined) == pytest.approx(region_scores(WHOLE))
    np.testing.assert_array_equal(joined.decided, DECIDED[joined.shown])
    assert 4 <= len(joined.shown) <= 8
    assert joined_regions(parts, shown=False).decided.size == 0


def test_draws_are_scores_of_resampled_groups():
    groups = np.arange(24) // 2
    draws = region_draws(WHOLE, groups, 60, seed=1)
    assert {len(draw) for draw in draws.values()} == {60}
    scores = region_scores(WHOLE)
    for key, draw in draws.items():
        assert draw.min() <= scores[key] <= draw.max(), key
    alike = decided_regions(np.tile(TRUTH[:1], (4, 1, 1)), np.tile(PROBA[:1], (4, 1, 1, 1)), DECIDED[[0] * 4], (1, 2))
    assert np.ptp(region_draws(alike, np.arange(4), 10, seed=0)["dice_image"]) < 1e-12


def test_a_row_of_weight_2_counts_as_two_rows():
    weights = np.arange(24) % 3
    rows = np.repeat(np.arange(24), weights)
    copies = decided_regions(TRUTH[rows], PROBA[rows], DECIDED[rows], (1, 2))
    assert region_scores(WHOLE, weights) == pytest.approx(region_scores(copies))
    drawn, by_hand = region_draws(WHOLE, np.arange(24), 8, 0, weights), region_draws(copies, rows, 8, 0)
    assert region_scores(WHOLE, weights)["dice"] != pytest.approx(region_scores(WHOLE)["dice"])
    assert np.ptp(drawn["dice"]) > 0
    assert drawn.keys() == by_hand.keys()
    curves, repeated = (region_curves(*given) for given in (([WHOLE], "abc", weights), ([copies], "abc")))
    for one, other in zip(curves["froc"]["classes"], repeated["froc"]["classes"], strict=True):
        assert one["lesion_recall"][-1] == pytest.approx(other["lesion_recall"][-1])
        assert one["false_positives"][-1] == pytest.approx(other["false_positives"][-1])
    for one, other in zip(curves["dice_images"]["classes"], repeated["dice_images"]["classes"], strict=True):
        largest, wanted = ({d: max(np.array(part["images"])[np.array(part["dice"]) == d]) for d in part["dice"]}
                           for part in (one, other))  # fmt: skip
        assert largest == pytest.approx(wanted)


def test_curves_end_where_scores_are():
    curves = region_curves([WHOLE], ["tissue", "bright", "dark"])
    assert [part["label"] for part in curves["froc"]["classes"]] == ["bright", "dark"]
    for part, lesions in zip(curves["froc"]["classes"], WHOLE.lesions, strict=True):
        assert part["lesion_recall"][-1] == pytest.approx(lesions.counts()[:, 0].sum() / lesions.lesions.sum())
        assert np.all(np.diff(part["false_positives"]) >= 0)
    for part in curves["dice_images"]["classes"]:
        assert part["images"][0] == 1.0
        assert np.all(np.diff(part["dice"]) >= 0)


def test_the_most_frequent_class_has_no_regions():
    assert foreground_of(np.array([3, 9, 1])) == (0, 2)

"""Scores of regions against scikit-learn and by hand, and what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from counterpoise.core.errors import DataError
from counterpoise.metrics import region_scores
from counterpoise.metrics.region_scores import dice, iou, pixel_counts, pooled, precision, recall, without_empty


def masks(seed: int, shape=(5, 7, 6), classes: int = 3, ignored: float = 0.2):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape)
    truth[0] = 0
    truth[rng.random(shape) < ignored] = -1
    return truth, np.where(rng.random(shape) < 0.6, np.abs(truth), rng.integers(0, classes, shape))


@pytest.mark.parametrize("shape", [(5, 7, 6), (4, 50), (3, 4, 5, 6)])
def test_scores_are_those_of_scikit_learn_on_pixels_that_count(shape):
    truth, decided = masks(0, shape)
    counts, kept = pixel_counts(truth, decided, 3), truth >= 0
    y, d = truth[kept], decided[kept]
    labels = {"labels": [0, 1, 2], "average": None, "zero_division": np.nan}
    assert np.allclose(dice(pooled(counts)), sk.f1_score(y, d, **labels))
    assert np.allclose(iou(pooled(counts)), sk.jaccard_score(y, d, labels=[0, 1, 2], average=None))
    assert np.allclose(recall(pooled(counts)), sk.recall_score(y, d, **labels))
    assert np.allclose(precision(pooled(counts)), sk.precision_score(y, d, **labels))
    for i in range(1, len(truth)):
        own = truth[i] >= 0
        assert np.allclose(dice(counts)[i], sk.f1_score(truth[i][own], decided[i][own], **labels))


def test_by_hand_with_empty_images():
    truth = np.array([[[1, 1], [0, 0]], [[0, 0], [0, 0]], [[0, 0], [0, -1]]])
    decided = np.array([[[1, 0], [1, 0]], [[0, 0], [0, 0]], [[0, 1], [0, 1]]])
    counts = pixel_counts(truth, decided, 2)[:, 1]
    assert counts.tolist() == [[1, 1, 1], [0, 0, 0], [0, 1, 0]]
    assert dice(counts).tolist() == [0.5, 1.0, 0.0]
    assert iou(counts).tolist() == [1 / 3, 1.0, 0.0]
    assert recall(counts)[0] == 0.5
    assert np.isnan(recall(counts)[1:]).all()
    assert precision(counts).tolist()[::2] == [0.5, 0.0]
    assert np.isnan(precision(counts)[1])
    assert np.nanmean(without_empty(dice(counts), counts)) == 0.5
    assert dice(pooled(counts)) == 0.4
    assert dice(pooled(counts, [[1, 0, 0], [0, 0, 2]])).tolist() == [0.5, 0.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_laws(seed, classes):
    truth, decided = masks(seed, classes=classes)
    counts = pixel_counts(truth, decided, classes)
    d, j = dice(counts), iou(counts)
    assert np.allclose(d, 2 * j / (1 + j))
    assert ((d >= j) & (d <= 1) & (j >= 0)).all()
    assert np.array_equal(
        counts[..., [0, 2]].sum(axis=(1, 2)), (truth >= 0).sum(axis=(1, 2))
    )  # each pixel of the truth
    assert np.array_equal(counts[..., [0, 1]].sum(axis=(1, 2)), (truth >= 0).sum(axis=(1, 2)))  # each decided pixel
    order = np.random.default_rng(seed).permutation(len(truth))
    assert np.array_equal(pixel_counts(truth[order], decided[order], classes), counts[order])
    assert (dice(pixel_counts(truth, np.abs(truth), classes)) == 1).all()
    changed = np.where(truth < 0, classes - 1 - decided, decided)  # what is decided on ignored pixels does not matter
    assert np.array_equal(pixel_counts(truth, changed, classes), counts)
    swapped = pixel_counts(np.where(truth < 0, -1, decided), np.where(truth < 0, 0, truth), classes)
    assert np.array_equal(swapped, counts[..., [0, 2, 1]])


def test_counting_in_chunks_changes_nothing(monkeypatch):
    truth, decided = masks(3)
    whole = pixel_counts(truth, decided, 3)
    monkeypatch.setattr(region_scores, "_CHUNK", 50)
    assert np.array_equal(pixel_counts(truth, decided, 3), whole)


def test_bytes_and_booleans_are_codes():
    truth, decided = masks(1, classes=2, ignored=0)
    expected = pixel_counts(truth, decided, 2)
    assert np.array_equal(pixel_counts(truth.astype(np.uint8), decided.astype(bool), 2), expected)


@pytest.mark.parametrize(
    ("truth", "decided", "text"),
    [
        ([[0, 1]], [[0, 1, 1]], "Expected the same shape"),
        ([0, 1], [0, 1], r"shape \(2,\)"),
        ([[0.5, 1]], [[0, 1]], "dtype float64"),
        ([[0, 2]], [[0, 1]], "truth contains codes 0 to 2"),
        ([[0, 1]], [[0, -1]], "decided contains codes -1 to 0"),
    ],
)
def test_what_is_no_mask_is_refused(truth, decided, text):
    with pytest.raises(DataError, match=text):
        pixel_counts(np.array(truth), np.array(decided), 2)


def test_counts_of_another_form_are_refused():
    with pytest.raises(DataError, match="pixel_counts"):
        dice(np.zeros((3, 2)))

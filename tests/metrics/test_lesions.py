"""Lesions against a slow reference, by hand, and laws of the FROC curve."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from counterpoise.core.errors import DataError, OptionError
from counterpoise.metrics import lesions as module
from counterpoise.metrics.lesions import FALSE_POSITIVE, NOT_COUNTED, find_lesions, froc, join_lesions, lesion_recall


def blobs(seed: int, n: int = 12, side: int = 24, ignored: float = 0.0):
    """Masks with lesions, and probabilities that find some of them, shifted a little, and other spots."""
    rng = np.random.default_rng(seed)
    truth, proba = np.zeros((n, side, side), int), rng.random((n, side, side)) * 0.3
    for i in range(n):
        for _ in range(rng.integers(0, 5)):
            r, c, h, w = *rng.integers(0, side - 5, 2), *rng.integers(1, 6, 2)
            truth[i, r : r + h, c : c + w] = 1
            if rng.random() < 0.7:
                r, c = np.clip(np.add([r, c], rng.integers(-2, 3, 2)), 0, side - 1)
                proba[i, r : r + h, c : c + w] = rng.random() * 0.6 + 0.4
        for _ in range(rng.integers(0, 3)):
            r, c = rng.integers(0, side - 3, 2)
            proba[i, r : r + 3, c : c + 2] = round(rng.random(), 1)
    truth[rng.random(truth.shape) < ignored] = -1
    return truth, proba


def reference(truth, proba, threshold, min_iou=0.1, min_pixels=1, score=-1.0):
    """Hits, false positives and misses of each image, one component after the other."""
    out, touch = [], np.ones((3, 3))
    for y, p in zip(truth, proba, strict=True):
        lesions, k = ndimage.label(y == 1, touch)
        components, m = ndimage.label((p >= threshold) & (y >= 0), touch)
        small = {a for a in range(1, k + 1) if (lesions == a).sum() < min_pixels}
        kept = [b for b in range(1, m + 1) if (components == b).sum() >= min_pixels]
        kept = sorted((b for b in kept if p[components == b].max() >= score), key=lambda b: -p[components == b].max())
        hit, false = set(), 0
        for b in kept:
            ious = {
                a: np.sum((lesions == a) & (components == b)) / np.sum((lesions == a) | (components == b))
                for a in range(1, k + 1)
            }
            touched = [a for a in sorted(ious, key=lambda a: -ious[a]) if ious[a] >= min_iou]
            free = [a for a in touched if a not in hit and a not in small]
            if free:
                hit.add(free[0])
            elif not touched:
                false += 1
        out.append([len(hit), false, k - len(small) - len(hit)])
    return out


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("threshold", "min_pixels"), [(0.5, 1), (0.25, 4)])
def test_counts_are_those_of_the_slow_way(seed, threshold, min_pixels):
    truth, proba = blobs(seed, ignored=0.1 * (seed % 2))
    lesions = find_lesions(truth, proba, threshold, min_pixels=min_pixels)
    for score in (-np.inf, 0.6, 0.8):
        assert lesions.counts(score).tolist() == reference(truth, proba, threshold, 0.1, min_pixels, score)


def test_corners_touch_and_images_do_not():
    diagonal = np.eye(3, dtype=int)[None]
    assert find_lesions(diagonal, diagonal.astype(float)).lesions.tolist() == [1]
    two = np.zeros((2, 2, 2), int)
    two[0, 1], two[1, 0] = 1, 1
    assert find_lesions(two, two.astype(float)).counts().tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_second_finding_on_a_lesion_is_no_false_positive():
    truth = np.array([[0, 1, 1, 1, 1, 1, 0, 0]])
    lesions = find_lesions(truth, np.array([[0, 0.7, 0.6, 0, 0.9, 0, 0, 0.8]]))
    assert lesions.match.tolist() == [NOT_COUNTED, 0, FALSE_POSITIVE]  # the higher score first, though it overlaps less
    assert lesions.counts().tolist() == [[1, 1, 0]]
    assert lesions.counts(0.85).tolist() == [[1, 0, 0]]


def test_a_finding_hits_one_lesion_and_the_next_takes_the_other():
    truth = np.array([[1, 1, 1, 0, 1, 1]])
    assert find_lesions(truth, np.full((1, 6), 0.9)).counts().tolist() == [[1, 0, 1]]


def test_an_overlap_below_the_least_is_none():
    truth = np.zeros((1, 1, 30), int)
    truth[..., :10] = 1
    proba = np.zeros((1, 1, 30))
    proba[..., 8:20] = 0.9  # IoU 2 / 20
    assert find_lesions(truth, proba).counts().tolist() == [[1, 0, 0]]
    assert find_lesions(truth, proba, min_iou=0.11).counts().tolist() == [[0, 1, 1]]


def test_small_lesions_and_findings_do_not_count():
    truth = np.array([[1, 0, 1, 1, 1, 0, 0, 0]])
    proba = np.array([[0.9, 0, 0.9, 0.9, 0.9, 0, 0.9, 0]])
    assert find_lesions(truth, proba, min_pixels=2).counts().tolist() == [[1, 0, 0]]
    wide = np.array([[0.9, 0.9, 0, 0, 0, 0, 0, 0]])  # hits the small lesion: neither right nor wrong
    assert find_lesions(truth, wide, min_pixels=2).counts().tolist() == [[0, 0, 1]]


def test_ignored_pixels_count_nowhere():
    truth, proba = blobs(3, ignored=0.15)
    changed = np.where(truth < 0, 1 - proba, proba)
    a, b = find_lesions(truth, proba), find_lesions(truth, changed)
    assert np.array_equal(a.match, b.match)
    assert np.array_equal(a.score, b.score)


def test_masks_of_0_and_255_are_no_class_codes():
    white = np.array([[0, 255, 255, 0]], np.uint8)
    for dtype in (np.uint8, np.int16, np.int64):
        with pytest.raises(DataError, match="truth contains the value 255"):
            find_lesions(white.astype(dtype), white / 255)
    for truth, more in ((white == 255, {}), (white, {"positive": 255})):
        assert find_lesions(truth, white / 255, **more).counts().tolist() == [[1, 0, 0]]


def test_another_class_is_asked_for_by_its_code():
    truth, proba = blobs(1)
    assert np.array_equal(find_lesions(truth * 2, proba, positive=2).match, find_lesions(truth, proba).match)
    assert find_lesions(truth * 2, proba).lesions.sum() == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_laws_of_the_curve(seed):
    truth, proba = blobs(seed, n=6)
    truth[0, 0, 0] = 1
    lesions = find_lesions(truth, proba, 0.35)
    curve = froc(lesions)
    assert (np.diff(curve.score) < 0).all()
    assert (np.diff(curve.recall) >= 0).all()
    assert (np.diff(curve.false_positives) >= 0).all()
    for score, false, recall in zip(*curve, strict=True):  # each point is that of a count from its score on
        counts = lesions.counts(score).sum(axis=0)
        assert recall == pytest.approx(counts[0] / (counts[0] + counts[2]))
        assert false == pytest.approx(counts[1] / len(truth))
    at = [lesion_recall(lesions, x) for x in (0, 0.5, 1, 2, 100)]
    assert at == sorted(at)
    assert at[-1] == curve.recall.max(initial=0)
    monotone = find_lesions(truth, proba**3, 0.35**3)  # the order of scores is all that matters
    assert np.allclose(froc(monotone).recall, curve.recall)


def test_a_perfect_model_finds_all_and_a_blind_one_nothing():
    truth, _ = blobs(0)
    assert lesion_recall(find_lesions(truth, truth.astype(float)), 0) == 1
    blind = find_lesions(truth, np.zeros(truth.shape))
    assert lesion_recall(blind) == 0
    assert len(froc(blind).score) == 0


def test_images_without_lesions_count_in_the_false_positives():
    truth, proba = np.zeros((4, 9), int), np.zeros((4, 9))
    truth[0, 2], proba[0, 2] = 1, 0.3
    proba[:, 6] = 0.5
    lesions = find_lesions(truth, proba, 0.2)
    assert lesion_recall(lesions, 1.0) == 1
    assert lesion_recall(lesions, 0.9) == 0
    assert lesion_recall(find_lesions(truth[:1], proba[:1], 0.2), 1.0) == 1


def test_without_lesions_recall_is_nan():
    lesions = find_lesions(np.zeros((2, 5), int), np.array([[0, 0.9, 0, 0, 0], [0] * 5]))
    assert np.isnan(lesion_recall(lesions))
    assert lesions.counts().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_a_weight_is_that_many_images():
    truth, proba = blobs(5)
    lesions = find_lesions(truth, proba, 0.3)
    times = np.random.default_rng(0).integers(0, 4, (3, len(truth)))
    expected = [
        lesion_recall(find_lesions(np.repeat(truth, t, axis=0), np.repeat(proba, t, axis=0), 0.3), 0.7) for t in times
    ]
    assert np.allclose(lesion_recall(lesions, 0.7, times), expected)
    assert lesion_recall(lesions, 0.7, times[0]) == pytest.approx(expected[0])


def test_parts_joined_are_the_whole(monkeypatch):
    truth, proba = blobs(7)
    whole = find_lesions(truth, proba, 0.3)
    parts = join_lesions([find_lesions(truth[:5], proba[:5], 0.3), find_lesions(truth[5:], proba[5:], 0.3)])
    monkeypatch.setattr(module, "_CHUNK", 700)
    for other in (parts, find_lesions(truth, proba, 0.3)):
        for name in ("lesions", "image", "score", "match"):
            assert np.array_equal(getattr(other, name), getattr(whole, name)), name
    weight = np.random.default_rng(0).integers(0, 3, (50, len(truth)))
    in_parts = lesion_recall(whole, 1.0, weight)
    monkeypatch.undo()
    assert np.array_equal(in_parts, lesion_recall(whole, 1.0, weight))


def test_hundreds_of_images_take_seconds_of_a_processor():
    truth, proba = blobs(0, n=400, side=128)
    start = time.process_time()
    lesions = find_lesions(truth, proba, 0.35)
    lesion_recall(lesions, 1.0, np.ones((1000, 400)))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("truth", "proba", "options", "error", "text"),
    [
        ([[0, 1]], [[0.1]], {}, DataError, r"proba\[..., 1\]"),
        ([[0, 1]], [[0.1, np.nan]], {}, DataError, "NaN"),
        ([[0.0, 1.0]], [[0.1, 0.2]], {}, DataError, "class codes"),
        ([[0, 1]], [[0.1, 0.2]], {"min_iou": 0}, OptionError, "min_iou"),
        ([[0, 1]], [[0.1, 0.2]], {"min_pixels": 0}, OptionError, "min_pixels"),
    ],
)
def test_what_does_not_fit_is_refused(truth, proba, options, error, text):
    with pytest.raises(error, match=text):
        find_lesions(np.array(truth), np.array(proba), **options)


def test_weights_of_other_images_are_refused():
    with pytest.raises(OptionError, match=r"image_weight has shape \(3,\)"):
        lesion_recall(find_lesions([[0, 1]], np.array([[0.1, 0.9]])), 1.0, np.ones(3))

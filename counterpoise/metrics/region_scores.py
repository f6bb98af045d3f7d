"""Scores of regions: Dice, IoU, recall and precision of a class per pixel (or step), by image and over all images.

All scores are computed from three numbers for each image and class (`pixel_counts`). With these numbers, you can score
any set of images, and resample images or patients (`metrics.image_draws`), without the masks.

Sources: Dice (Ecology 26, 1945); Jaccard (1901), whose index is the IoU; on empty images, Maier-Hein et al., "Metrics
reloaded" (Nature Methods 21, 2024).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.errors import DataError
from counterpoise.core.masked import unmasked

Array = np.ndarray

#: Pixels that are counted at once.
_CHUNK = 1 << 22


def pixel_counts(truth: Any, decided: Any, n_classes: int) -> Array:
    """Count true positive, false positive and false negative pixels of each image and class.

    Args:
        truth: int (N, ...), the class code of each pixel or step. Codes below 0 are ignored.
        decided: int (N, ...), the decided codes, in the same shape.
        n_classes: C.

    Returns:
        int64 (N, C, 3). Summed over images (axis 0) it gives pooled scores.

    Raises:
        DataError: The shapes differ, there is no image, or a code is not among the C classes.

    Example:
        >>> pixel_counts([[0, 1, 1, -1]], [[1, 1, 0, 1]], 2).tolist()
        [[[0, 1, 1], [1, 1, 1]]]
    """
    n_classes = check_int(n_classes, "n_classes", 2)
    truth, decided = _checked_masks(truth, "truth"), _checked_masks(decided, "decided")
    if truth.shape != decided.shape:
        raise DataError(
            f"truth has shape {truth.shape}, but decided has shape {decided.shape}. Expected the same shape, with one "
            "class code per pixel."
        )
    n = len(truth)
    truth, decided = truth.reshape(n, -1), decided.reshape(n, -1)
    # Images at once: as many as have `_CHUNK` pixels together, at least one.
    step = max(1, _CHUNK // max(1, truth.shape[1]))
    chunks = (slice(start, start + step) for start in range(0, n, step))
    return np.concatenate([_count_pixels(truth[chunk], decided[chunk], n_classes) for chunk in chunks])


def _checked_masks(codes: Any, name: str) -> Array:
    """Return checked class codes (N, ...) as an array; `name` is for messages.

    Raises:
        DataError: There is no image, the shape has one axis only, or the codes are not whole numbers.
    """
    array = np.asarray(unmasked(codes))
    if array.ndim < 2 or not len(array):
        raise DataError(f"{name} has shape {array.shape}. Expected one code per pixel, (N, H, W) or (N, T).")
    if array.dtype.kind not in "iub":
        raise DataError(f"{name} has dtype {array.dtype}. Expected class codes (int), such as proba.argmax(axis=-1).")
    return array


def _count_pixels(truth: Array, decided: Array, n_classes: int) -> Array:
    """Return the counts of some images, int64 (n, C, 3), from codes (n, pixels).

    Raises:
        DataError: A code of a pixel that is not ignored is not among the C classes.
    """
    image, pixel = np.nonzero(truth >= 0)
    y, d = truth[image, pixel].astype(np.int64), decided[image, pixel].astype(np.int64)
    for name, codes in (("truth", y), ("decided", d)):
        if len(codes) and not (codes.min() >= 0 and codes.max() < n_classes):
            raise DataError(f"{name} contains codes {codes.min()} to {codes.max()}. Expected 0 to {n_classes - 1}.")
    # Each pair of image and class has a number of its own: image * C + class.
    size, first = len(truth) * n_classes, image * n_classes
    hits = np.bincount(first + y, y == d, size).astype(np.int64)
    of_truth, of_decided = np.bincount(first + y, minlength=size), np.bincount(first + d, minlength=size)
    return np.stack([hits, of_decided - hits, of_truth - hits], axis=-1).reshape(len(truth), n_classes, 3)


def pooled(counts: Array, image_weight: Any = None) -> Array:
    """Sum counts (N, ...) over images, optionally weighted by `image_weight`.

    Example:
        >>> pooled(np.array([[1, 0, 2], [3, 1, 0]])).tolist(), pooled(np.array([[1, 0, 2], [3, 1, 0]]), [2, 0]).tolist()
        ([4, 1, 2], [2, 0, 4])
    """
    c = np.asarray(counts)
    return c.sum(axis=0) if image_weight is None else np.tensordot(np.asarray(image_weight), c, axes=1)


def dice(counts: Array) -> Array:
    """Compute the Dice coefficient, 2 TP / (2 TP + FP + FN).

    It is the F1 score of pixels, and 1 if both masks are empty.

    Args:
        counts: (..., 3), true positive, false positive and false negative pixels: of each image, or summed.

    Returns:
        float64 (...).

    Example:
        >>> dice(np.array([[1, 1, 1], [0, 0, 0], [0, 4, 0]])).tolist()
        [0.5, 1.0, 0.0]
    """
    hits, false, missed = _hits_wrong_missed(counts)
    return _ratio(2 * hits, 2 * hits + false + missed, 1.0)


def iou(counts: Array) -> Array:
    """Compute the intersection over union, TP / (TP + FP + FN).

    It is 1 if both masks are empty.

    Example:
        >>> iou(np.array([[1, 1, 2], [0, 0, 0]])).tolist()
        [0.25, 1.0]
    """
    hits, false, missed = _hits_wrong_missed(counts)
    return _ratio(hits, hits + false + missed, 1.0)


def recall(counts: Array) -> Array:
    """Compute the share of the pixels of a class that were found, TP / (TP + FN).

    It is nan without such pixels.

    Example:
        >>> recall(np.array([[3, 0, 1], [0, 2, 0]])).tolist()
        [0.75, nan]
    """
    hits, _, missed = _hits_wrong_missed(counts)
    return _ratio(hits, hits + missed, np.nan)


def precision(counts: Array) -> Array:
    """Compute the share of the predicted pixels that are right, TP / (TP + FP).

    Without predicted pixels, it is 0, or nan if there are no true pixels either.

    Example:
        >>> precision(np.array([[3, 1, 0], [0, 0, 2], [0, 0, 0]])).tolist()
        [0.75, 0.0, nan]
    """
    hits, false, missed = _hits_wrong_missed(counts)
    return np.where(hits + false + missed > 0, _ratio(hits, hits + false, 0.0), np.nan)


def without_empty(scores: Array, counts: Array) -> Array:
    """Return scores (N, ...) with nan for images without a pixel of the class.

    Example:
        >>> counts = np.array([[1, 1, 1], [0, 0, 0], [0, 4, 0]])
        >>> float(np.nanmean(without_empty(dice(counts), counts)))
        0.5
    """
    hits, _, missed = _hits_wrong_missed(counts)
    return np.where(hits + missed > 0, scores, np.nan)


def _hits_wrong_missed(counts: Array) -> tuple[Array, Array, Array]:
    """Return true positive, false positive and false negative pixels, (...) each.

    Raises:
        DataError: `counts` has another shape.
    """
    c = np.asarray(counts)
    if not c.ndim or c.shape[-1] != 3:
        raise DataError(f"counts has shape {c.shape}. Expected shape (..., 3), the result of `pixel_counts`.")
    return c[..., 0], c[..., 1], c[..., 2]


def _ratio(upper: Array, lower: Array, empty: float) -> Array:
    """Divide element by element; `empty` where the divisor is 0."""
    return np.divide(upper, lower, out=np.full(np.shape(lower), empty), where=lower > 0)

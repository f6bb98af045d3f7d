"""Scores of lesions (connected regions of a rare class), which are found or missed as a whole, and the FROC curve.

A lesion is a connected region of the true mask. A finding is a connected region of pixels whose probability reaches a
threshold. The score of a finding is its largest probability. Pixels that touch, even at a corner, belong to one region.

Findings are matched to lesions one to one. The findings with the highest scores are matched first, each to the
unmatched lesion with the largest overlap. An overlap is a hit if its IoU is at least `min_iou`. A finding without a hit
is a false positive. If all lesions of a finding are already hit, the finding is neither right nor wrong. No finding
changes the match of findings with a higher score, so one matching is valid for all scores of the FROC curve.

Sources: Bunch et al. (Proc. SPIE 127, 1977) for the FROC curve; matching by score as in the detection benchmarks
(Everingham et al., IJCV 88, 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from counterpoise.core.checks import check_finite, check_int, check_range
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.masked import unmasked
from counterpoise.metrics.arrays import Array

#: What a finding is matched to where it hits no lesion that counts: it is wrong, or it does not count either.
FALSE_POSITIVE, NOT_COUNTED = -1, -2
#: Pixels that are looked at at once.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Lesions:
    """The lesions of images and their findings, for all lesion scores.

    Attributes:
        lesions: int64 (N,), number of lesions in each image.
        image: int64 (K,), the image of each finding.
        score: float64 (K,), the largest probability of each finding.
        match: int64 (K,), the number of the lesion that the finding hits, counted over all images; or `FALSE_POSITIVE`;
            or `NOT_COUNTED`, if the lesion is already hit by another finding, or is too small to count.
    """

    lesions: Array
    image: Array
    score: Array
    match: Array

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.lesions)

    def counts(self, score: float = -np.inf) -> Array:
        """Count lesions hit, false positives, and missed lesions per image, int64 (N, 3).

        The counts have the form of `region_scores`: its functions `recall`, `precision` and `dice` compute recall,
        precision and F1 of lesions.
        """
        kept, n = self.score >= score, len(self)
        hits = np.bincount(self.image[kept & (self.match >= 0)], minlength=n)
        false = np.bincount(self.image[kept & (self.match == FALSE_POSITIVE)], minlength=n)
        return np.stack([hits, false, self.lesions - hits], axis=1)


def find_lesions(
    truth: Any, proba: Any, threshold: float = 0.5, *, positive: int = 1, min_iou: float = 0.1, min_pixels: int = 1
) -> Lesions:
    """Match the findings of a model to the lesions in images.

    Args:
        truth: int (N, H, W), or (N, T) for sequences: class codes. Codes below 0 are ignored.
        proba: float of the same shape, the probability of the class `positive`.
        threshold: Pixels with at least this probability are findings.
        positive: The code of the lesions.
        min_iou: Smallest overlap (intersection over union) with which a finding hits a lesion.
        min_pixels: Smaller findings are dropped. Smaller lesions count neither as missed nor as found.

    Raises:
        DataError: The shapes differ, or a probability is not finite.
        OptionError: An option is out of its range.

    Example:
        >>> truth = np.array([[1, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]])
        >>> proba = np.array([[.9, .6, 0, 0, .0, .2], [0, 0, .7, 0, 0, 0]])
        >>> found = find_lesions(truth, proba)
        >>> found.counts().tolist(), found.score.tolist()
        ([[1, 0, 1], [0, 1, 0]], [0.9, 0.7])
    """
    y = np.asarray(unmasked(truth))
    if y.ndim < 2 or not len(y) or y.dtype.kind not in "iub":
        raise DataError(f"truth has shape {y.shape}, dtype {y.dtype}. Expected class codes (N, H, W) or (N, T).")
    if y.dtype.kind in "iu" and y.max() == 255 != positive:
        raise DataError(
            "truth contains the value 255. Expected class codes 0, 1, ..., and -1 for pixels without a class. For "
            "masks of 0 and 255, pass truth == 255. If 255 means no class, pass "
            "np.where(truth == 255, -1, truth.astype(int))."
        )
    p = np.asarray(unmasked(proba))
    if p.shape != y.shape:
        raise DataError(
            f"proba has shape {p.shape}, but truth has shape {y.shape}. Expected the probability of class {positive} "
            f"for each pixel. Pass proba[..., {positive}]."
        )
    check_range(threshold, "threshold")
    check_range(min_iou, "min_iou", 0, 1, "(]")
    check_int(min_pixels, "min_pixels")
    step = max(1, _CHUNK // max(1, y[0].size))
    chunks = (slice(start, start + step) for start in range(0, len(y), step))
    checked = check_finite(p.astype(np.float64), "proba")
    lesions = (
        _match_findings(_find_regions(y[c] == positive), y[c] >= 0, checked[c], threshold, min_iou, min_pixels)
        for c in chunks
    )
    return join_lesions(list(lesions))


def _match_findings(
    lesions: _Regions, known: Array, scores: Array, cut: float, min_iou: float = 0.1, min_pixels: int = 1
) -> Lesions:
    """Return the findings of scores, matched to known lesions (see `find_lesions`).

    Elements count where `known`, bool (N, ...), is true; those with a score of `cut` or more are findings.
    """
    findings = _find_regions((scores >= cut) & known).at_least(min_pixels)
    score = np.asarray(ndimage.maximum(scores, findings.labels, np.arange(1, len(findings.sizes) + 1)), np.float64)
    counted = lesions.sizes >= min_pixels
    match = _match_pairs(*_overlapping_pairs(lesions, findings, min_iou), score, counted)
    return Lesions(np.bincount(lesions.images[counted], minlength=len(known)), findings.images, score, match)


def lesion_counts(truth: Array, scores: Array, cuts: Array) -> Array:
    """Count lesions hit, false positives and lesions missed of each image, by threshold.

    The FROC curve scores the findings of one threshold. This function finds regions at each threshold separately:
    regions that touch at a low threshold can be separate at a higher threshold.

    Args:
        truth: int (N, ...), class codes. Lesions have the code 1, and codes below 0 are ignored.
        scores: float (N, ...); a higher score is more likely a lesion.
        cuts: float (G,), thresholds of the scores.

    Returns:
        int64 (G, N, 3), in the form of `Lesions.counts`.

    Example:
        >>> lesion_counts(np.array([[1, 0, 0, 1]]), np.array([[2.0, 1.0, 0.0, 1.0]]), np.array([2.0, 0.0])).tolist()
        [[[1, 0, 1]], [[1, 0, 1]]]
    """
    lesions, known = _find_regions(truth == 1), truth >= 0
    return np.stack([_match_findings(lesions, known, scores, float(cut)).counts() for cut in cuts])


def join_lesions(parts: Sequence[Lesions]) -> Lesions:
    """Join the lesions of several sets of images, in order.

    Example:
        >>> one = find_lesions([[1, 0]], np.array([[.9, .1]]))
        >>> join_lesions([one, one]).match.tolist()
        [0, 1]
    """
    images = np.cumsum([0, *(len(part) for part in parts)])
    numbers = np.cumsum([0, *(int(part.lesions.sum()) for part in parts)])
    return Lesions(
        np.concatenate([part.lesions for part in parts]),
        np.concatenate([part.image + start for part, start in zip(parts, images, strict=False)]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([np.where(p.match >= 0, p.match + s, p.match) for p, s in zip(parts, numbers, strict=False)]),
    )


def region_counts(mask: Array) -> Array:
    """Count the connected regions of each mask, int64 (N,), of bool (N, ...).

    Example:
        >>> region_counts(np.array([[True, True, False, True], [False, False, False, False]])).tolist()
        [2, 0]
    """
    return np.bincount(_find_regions(mask).images, minlength=len(mask))


class FrocCurve(NamedTuple):
    """The FROC curve: one point for each distinct score, the highest first, float64 (P,) each.

    Attributes:
        score: Findings with at least this score count.
        false_positives: False positives per image.
        recall: Share of the lesions that are hit; nan without lesions.
    """

    score: Array
    false_positives: Array
    recall: Array


def froc(lesions: Lesions, image_weight: Array | None = None) -> FrocCurve:
    """Compute the recall of lesions against false positives per image.

    The curve has one point for each score of the findings. Images without lesions count. `image_weight` (N,) is how
    often each image counts; None: once.

    Example:
        >>> truth = np.array([[1, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]])
        >>> found = find_lesions(truth, np.array([[.9, .6, 0, 0, .0, .6], [0, 0, .7, 0, 0, 0]]))
        >>> [column.tolist() for column in froc(found)]
        [[0.9, 0.7, 0.6], [0.0, 0.5, 0.5], [0.5, 0.5, 1.0]]
    """
    weight = np.ones(len(lesions)) if image_weight is None else np.asarray(image_weight, np.float64)
    score, false, recall = _froc_points(lesions, weight[None])
    return FrocCurve(score, false[0], recall[0])


def lesion_recall(lesions: Lesions, false_positives: float = 1.0, image_weight: Any = None) -> Any:
    """Compute the recall of lesions at a limit of false positives per image.

    Args:
        lesions: The result of `find_lesions`. Findings below its threshold are unknown, so use a low threshold for the
            recall at many false positives.
        false_positives: Per image, 0 or more.
        image_weight: float (N,), how often each image counts, or (B, N) for B resamples. None: each image counts once.

    Returns:
        float; float64 (B,) for resamples. nan without lesions.

    Example:
        >>> found = find_lesions([[1, 0, 0, 0, 1]], np.array([[.9, 0, .8, 0, .3]]), threshold=0.2)
        >>> lesion_recall(found), lesion_recall(found, false_positives=0)
        (1.0, 0.5)
    """
    check_range(false_positives, "false_positives", 0)
    weight = np.ones(len(lesions)) if image_weight is None else np.asarray(image_weight, np.float64)
    if weight.ndim not in (1, 2) or weight.shape[-1] != len(lesions):
        raise OptionError(f"image_weight has shape {weight.shape}. Expected one number per image, ({len(lesions)},).")
    rows = weight.reshape(-1, len(lesions))
    parts = np.array_split(rows, max(1, rows.shape[0] * len(lesions.score) // _CHUNK))
    best = np.concatenate([_recall_at_limit(lesions, false_positives, part) for part in parts])
    return best if weight.ndim == 2 else float(best[0])


def _recall_at_limit(lesions: Lesions, false_positives: float, weight: Array) -> Array:
    """Return the recall (B,) at a limit of false positives, for weights (B, N) of images.

    It is the highest recall with at most `false_positives` per image, and nan where no lesion has a weight.
    """
    _, false, recall = _froc_points(lesions, weight)
    within = false <= false_positives * (1 + 1e-12)  # weights are summed in floating point
    best = np.where(within, recall, 0.0).max(axis=1, initial=0.0)
    return np.where(weight @ lesions.lesions > 0, best, np.nan)


def _froc_points(lesions: Lesions, weight: Array) -> tuple[Array, Array, Array]:
    """Return the points of B FROC curves: scores (P,), false positives per image and recall (B, P) each.

    Curve b counts each image with its weight in `weight` (B, N).
    """
    order = np.argsort(-lesions.score, kind="stable")
    order = order[lesions.match[order] != NOT_COUNTED]
    score, image, match = lesions.score[order], lesions.image[order], lesions.match[order]
    last = np.append(score[1:] < score[:-1], True)[: len(score)]  # findings of one score come together
    of_finding = weight[:, image]
    with np.errstate(invalid="ignore", divide="ignore"):
        false = np.cumsum(of_finding * (match == FALSE_POSITIVE), axis=1)[:, last] / weight.sum(axis=1)[:, None]
        recall = np.cumsum(of_finding * (match >= 0), axis=1)[:, last] / (weight @ lesions.lesions)[:, None]
    return score[last], false, recall


class _Regions(NamedTuple):
    """Connected regions of masks: number (N, ...) of each pixel, 0 for none; pixels and image of regions 1, 2, ..."""

    labels: Array
    sizes: Array
    images: Array

    def at_least(self, pixels: int) -> _Regions:
        """Return the regions of at least this many pixels, numbered 1, 2, ... again."""
        kept = self.sizes >= pixels
        number = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)])
        return _Regions(number[self.labels], self.sizes[kept], self.images[kept])


def _find_regions(mask: Array) -> _Regions:
    """Return the connected regions of bool (N, ...) within each image: pixels of two images never touch."""
    # Pixels touch within an image at sides and corners. Index 1 of the first axis is the same image.
    touching = np.zeros((3,) * mask.ndim, bool)
    touching[1] = True
    labels, count = ndimage.label(mask, touching)
    flat = labels.reshape(len(mask), -1)
    image, pixel = np.nonzero(flat)
    numbers = flat[image, pixel] - 1
    images = np.zeros(count, np.int64)
    images[numbers] = image
    return _Regions(labels, np.bincount(numbers, minlength=count), images)


def _overlapping_pairs(lesions: _Regions, findings: _Regions, min_iou: float) -> tuple[Array, Array, Array]:
    """Return pairs that overlap enough: lesion and finding (from 0) and IoU, (P,) each."""
    both = (lesions.labels > 0) & (findings.labels > 0)
    pairs, shared = np.unique(
        np.stack([lesions.labels[both] - 1, findings.labels[both] - 1]), axis=1, return_counts=True
    )
    overlap = shared / (lesions.sizes[pairs[0]] + findings.sizes[pairs[1]] - shared)
    enough = overlap >= min_iou
    return pairs[0, enough], pairs[1, enough], overlap[enough]


def _match_pairs(lesion: Array, finding: Array, overlap: Array, score: Array, counted: Array) -> Array:
    """Return what each finding is matched to, int64 (K,) (see `Lesions.match`).

    The first three arrays are those of `_overlapping_pairs`. `score` (K,) belongs to findings; `counted`, bool, marks
    the lesions that are large enough.
    """
    match = np.full(len(score), FALSE_POSITIVE)
    number = np.cumsum(counted) - 1
    free = np.ones(len(counted), bool)
    # Until it gets a free lesion, a finding that overlaps one is neither right nor wrong.
    match[finding] = NOT_COUNTED
    # Highest score first, and for one finding the largest overlap first.
    for pair in np.lexsort((-overlap, finding, -score[finding])):
        at, by = lesion[pair], finding[pair]
        if counted[at] and free[at] and match[by] < 0:
            match[by], free[at] = number[at], False
    return match

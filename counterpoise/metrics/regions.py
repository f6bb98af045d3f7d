"""Overlaps and lesions of whole rows with a class per element: their scores, curves and bootstrap draws.

`region_scores` and `lesions` compute them for arrays; here they become a `core.region_result.RegionResult` of test rows
and the metric keys of the leaderboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.region_result import RegionResult
from counterpoise.metrics.arrays import mean_over_known
from counterpoise.metrics.image_draws import image_draws
from counterpoise.metrics.lesions import find_lesions, froc, join_lesions, lesion_recall
from counterpoise.metrics.region_scores import dice, iou, pixel_counts, pooled, without_empty

Array = np.ndarray

#: False positive lesions per row at which the recall of lesions is read.
FALSE_POSITIVES = 1.0
#: Probability from which on a decided element is part of a region: any.
DECIDED = 1e-12
#: Rows whose decisions are kept for pictures: the worst, and those around the median.
WORST, MEDIAN = 4, 4


def foreground_of(counts: Array) -> tuple[int, ...]:
    """Return the codes of all classes but the most frequent, which is the background.

    `counts` (C,) contains the number of elements of each class. Regions are found for the returned classes only.

    Example:
        >>> foreground_of(np.array([90, 4, 6]))
        (1, 2)
    """
    return tuple(code for code in range(len(counts)) if code != int(np.argmax(counts)))


def decided_regions(truth: Array, proba: Array, decision: Array, foreground: tuple[int, ...]) -> RegionResult:
    """Return the regions of some rows with the counts of their pixels, and the decisions of all rows.

    A finding is a connected region of elements that were decided for a class; its score is its largest probability.

    Args:
        truth: int (T, ...), class codes; below 0: the element counts nowhere.
        proba: float (T, ..., C). decision: int (T, ...), class codes.
        foreground: The classes that regions are of.
    """
    findings = (np.where(decision == c, np.maximum(proba[..., c], DECIDED), 0.0) for c in foreground)
    lesions = tuple(find_lesions(truth, p, DECIDED, positive=c) for c, p in zip(foreground, findings, strict=True))
    counts = pixel_counts(truth, decision, proba.shape[-1])
    return RegionResult(counts, foreground, lesions, np.arange(len(truth)), decision.astype(np.uint8))


def joined_regions(parts: Sequence[RegionResult], shown: bool = True) -> RegionResult:
    """Return the results of several sets of rows as one, in this order.

    Only the decisions of the few rows for pictures are kept (see `_pictured_rows`), or none without `shown`.
    """
    counts, first = np.concatenate([part.counts for part in parts]), parts[0]
    lesions = tuple(join_lesions(own) for own in zip(*(part.lesions for part in parts), strict=True))
    kept = _pictured_rows(counts[:, list(first.foreground)]) if shown else np.empty(0, np.int64)
    return RegionResult(counts, first.foreground, lesions, kept, np.concatenate([p.decided for p in parts])[kept])


def _pictured_rows(counts: Array) -> Array:
    """Return the numbers of the rows for pictures, int64, sorted.

    These are the `WORST` rows with the lowest scores, and `MEDIAN` rows around the median. Rows are ordered
    by their mean Dice coefficient. Rows without any region, true or decided, are left out.
    `counts` (T, K, 3) contains true positive, false positive and false negative pixels.
    """
    some = np.flatnonzero(counts.sum(axis=(1, 2)) > 0)
    order = some[np.argsort(dice(counts[some]).mean(axis=1), kind="stable")]
    middle = max(0, len(order) // 2 - MEDIAN // 2)
    return np.unique(np.concatenate([order[:WORST], order[middle : middle + MEDIAN]])).astype(np.int64)


def region_scores(result: RegionResult | None, weights: Array | None = None) -> dict[str, float]:
    """Return metric key -> score of the test rows of a fold; {} without regions.

    Each score is the mean over all classes but the most frequent. A row with weight w of `weights` (T,) counts as w
    rows.

    Example:
        >>> from counterpoise.metrics.lesions import find_lesions
        >>> truth, decided = np.array([[0, 1, 1, 0], [0, 0, 0, 0]]), np.array([[0, 1, 0, 0], [0, 0, 0, 0]])
        >>> counts = np.array([[[2, 1, 0], [1, 0, 1]], [[4, 0, 0], [0, 0, 0]]])
        >>> found = find_lesions(truth, decided.astype(float))
        >>> scores = region_scores(RegionResult(counts, (1,), (found,), np.empty(0), np.empty(0)))
        >>> {key: round(value, 3) for key, value in scores.items()}
        {'dice': 0.667, 'iou': 0.5, 'dice_image': 0.833, 'dice_present': 0.667, 'lesion_recall': 1.0}
    """
    if result is None:
        return {}
    weight = _row_weights(result, weights)[None]
    return {key: float(own[0]) for key, own in _weighted_scores(result, weight).items()}


def _row_weights(result: RegionResult, weights: Array | None) -> Array:
    """Return weights of the rows as float64 (T,); None means that all are 1."""
    return np.ones(len(result.counts)) if weights is None else np.asarray(weights, np.float64)


def region_curves(
    results: Sequence[RegionResult], labels: Sequence[str], weights: Array | None = None
) -> dict[str, Any]:
    """Return the FROC curve and the curve of the Dice coefficients of rows, for a page.

    Args:
        results: Of the folds of one repeat.
        labels: The classes.
        weights: How often each row counts, (T,) of all folds together; None: once.

    Returns:
        "froc" {"false_positives", "lesion_recall"} and "dice_images" {"dice", "images": share of the rows with the
        class that reach it}; of several classes each is {"classes": [{"label", ...}]}.
    """
    joined = joined_regions(results, shown=False)
    weight = _row_weights(joined, weights)
    frocs, dices = [], []
    for code, lesions in zip(joined.foreground, joined.lesions, strict=True):
        curve, own = froc(lesions, weight), joined.counts[:, code]
        frocs.append({
            "label": labels[code], "false_positives": [0.0, *curve.false_positives.tolist()],
            "lesion_recall": [0.0, *curve.recall.tolist()],
        })  # fmt: skip
        rows = np.flatnonzero((own[:, 0] + own[:, 2] > 0) & (weight > 0))  # with the class: true positives or misses
        rows = rows[np.argsort(dice(own[rows]), kind="stable")]
        scores, mass = dice(own[rows]), weight[rows]
        shares = 1.0 - (np.cumsum(mass) - mass) / max(mass.sum(), np.finfo(float).tiny)
        dices.append({"label": labels[code], "dice": [0.0, *scores.tolist()], "images": [1.0, *shares.tolist()]})
    several = len(frocs) > 1
    return {
        name: {"classes": parts} if several else {k: v for k, v in parts[0].items() if k != "label"}
        for name, parts in (("froc", frocs), ("dice_images", dices))
    }


def region_draws(
    result: RegionResult | None, blocks: Array, resamples: int, seed: int, weights: Array | None = None
) -> dict[str, Array]:
    """Return bootstrap draws of each score of `region_scores`, float64 (B,); {} without regions.

    Whole blocks of rows are drawn: `blocks` (T,) contains the number of each row's block, and B is `resamples`. A drawn
    row counts with its weight of `weights` (T,).
    """
    if result is None:
        return {}
    keys, own = list(region_scores(result)), _row_weights(result, weights)

    def scores(drawn: Array) -> Array:
        """Return the scores (b, keys) of rows that were drawn so often, (b, T)."""
        of_key = _weighted_scores(result, drawn * own)
        return np.stack([of_key[key] for key in keys], axis=1)

    table = image_draws(scores, len(result.counts), groups=blocks, resamples=resamples, seed=seed)
    return dict(zip(keys, table.T, strict=True))


def _weighted_scores(result: RegionResult, weight: Array) -> dict[str, Array]:
    """Return each score for B sets of row weights (B, T), float64 (B,).

    A score is the mean over the foreground classes.
    """
    own = result.counts[:, list(result.foreground)]
    sums, of_row = pooled(own, weight), dice(own)
    lesions = [lesion_recall(one, FALSE_POSITIVES, weight) for one in result.lesions]
    return {
        "dice": dice(sums).mean(axis=1),
        "iou": iou(sums).mean(axis=1),
        "dice_image": _mean_over_rows(of_row, weight),
        "dice_present": _mean_over_rows(without_empty(of_row, own), weight),
        "lesion_recall": mean_over_known(np.stack(lesions, axis=1)),
    }


def _mean_over_rows(scores: Array, weight: Array) -> Array:
    """Return B means of scores (T, K): over rows with the weights (B, T), then over the K classes.

    Scores that are nan are left out. A mean over nothing is nan.
    """
    known = np.isfinite(scores)
    mass = weight @ known
    return mean_over_known(
        np.divide(weight @ np.where(known, scores, 0.0), mass, np.full(mass.shape, np.nan), where=mass > 0)
    )

"""Scores of whole rows that have a class per element: overlaps and lesions, and their draws over rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.region_result import RegionResult
from counterpoise.metrics.image_draws import image_draws
from counterpoise.metrics.lesions import lesion_recall
from counterpoise.metrics.region_scores import dice, iou, pooled, without_empty

Array = np.ndarray

#: False positive lesions per row at which the recall of lesions is read.
FALSE_POSITIVES = 1.0


def region_scores(result: RegionResult | None) -> dict[str, float]:
    """Metric key -> score of the test rows of a fold, mean over the classes but the most frequent; {} without regions.

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
    return {key: float(values[0]) for key, values in _scores(result, np.ones((1, len(result.counts)))).items()}


def region_draws(result: RegionResult | None, blocks: Array, resamples: int, seed: int) -> dict[str, Array]:
    """Draws of `region_scores`, float64 (B,) each, over rows or the blocks that they belong to (T,)."""
    if result is None:
        return {}
    keys = list(region_scores(result))
    table = image_draws(
        lambda weight: np.stack([_scores(result, weight)[key] for key in keys], axis=1),
        len(result.counts), groups=blocks, resamples=resamples, seed=seed,
    )  # fmt: skip
    return dict(zip(keys, table.T, strict=True))


def _scores(result: RegionResult, weight: Array) -> dict[str, Array]:
    """The scores for weights of rows (B, T), float64 (B,) each."""
    own = result.counts[:, list(result.foreground)]
    sums, of_row = pooled(own, weight), dice(own)
    lesions = [lesion_recall(found, FALSE_POSITIVES, weight) for found in result.lesions]
    return {
        "dice": dice(sums).mean(axis=1),
        "iou": iou(sums).mean(axis=1),
        "dice_image": _mean(of_row, weight),
        "dice_present": _mean(without_empty(of_row, own), weight),
        "lesion_recall": _known_mean(np.stack(lesions, axis=1)),
    }


def _mean(scores: Array, weight: Array) -> Array:
    """Means (B,) of scores (T, K) over rows by their weights, then over classes; nan is left out."""
    known = np.isfinite(scores)
    mass = weight @ known
    return _known_mean(
        np.divide(weight @ np.where(known, scores, 0.0), mass, np.full(mass.shape, np.nan), where=mass > 0)
    )


def _known_mean(table: Array) -> Any:
    """Means (B,) over columns (B, K) without nan; nan where there is nothing else."""
    known = np.isfinite(table)
    count = known.sum(axis=1)
    return np.divide(np.where(known, table, 0.0).sum(axis=1), count, np.full(len(table), np.nan), where=count > 0)

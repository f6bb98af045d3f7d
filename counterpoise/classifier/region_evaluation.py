"""What a classifier of elements is worth on whole rows: overlaps and lesions, with intervals over rows or groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.classifier import predicting
from counterpoise.core.region_result import RegionResult
from counterpoise.core.seeds import integer
from counterpoise.metrics.intervals import percentile
from counterpoise.metrics.measured import Scored, without_intervals
from counterpoise.metrics.regions import decided_regions, foreground_of, joined_regions, region_draws, region_scores

Array = np.ndarray
LEVEL = 0.95


def regions_of(clf: Any, encoded: Any, codes: Array) -> RegionResult:
    """The regions that a classifier decides in rows (in the form of `Examples.x`), batch by batch.

    Args:
        clf: The classifier.
        encoded: The rows.
        codes: int (N, ...), their classes.
    """
    foreground = foreground_of(clf.target.counts(codes, len(clf.classes_)))
    parts, start = [], 0
    for _, logits in predicting.batches(clf, encoded):
        decided = clf.decide_from_logits(logits)
        truth = codes[start : (start := start + len(decided.decision))]
        part = decided_regions(truth, decided.proba, decided.decision, foreground)
        parts.append(joined_regions([part], shown=False))
    return joined_regions(parts, shown=False)


def region_metrics(clf: Any, encoded: Any, codes: Array, groups: Array | None, resamples: int) -> Scored:
    """Metric key -> value and interval (see `metrics.regions.region_scores`).

    The interval is of draws of rows, or of groups (N,); nan where there are fewer than two.
    """
    result = regions_of(clf, encoded, codes)
    blocks = np.arange(len(codes)) if groups is None else groups
    scores = region_scores(result)
    if len(np.unique(blocks)) < 2:
        return without_intervals(scores)
    draws = region_draws(result, blocks, resamples, integer(0, "regions"))
    ends = {key: percentile(draw, LEVEL) for key, draw in draws.items()}
    return {key: {"value": value, "low": ends[key][0], "high": ends[key][1]} for key, value in scores.items()}

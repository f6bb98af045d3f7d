"""Scores of a classifier of elements on whole rows: overlaps and lesions, with intervals over rows or groups.

Used by `evaluation` alone, for the entries of "metrics" that a sample of elements cannot give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.classifier import predicting
from counterpoise.core.examples import Examples
from counterpoise.core.region_result import RegionResult
from counterpoise.core.seeds import integer
from counterpoise.metrics.intervals import percentile
from counterpoise.metrics.measured import Scored, without_intervals
from counterpoise.metrics.regions import decided_regions, foreground_of, joined_regions, region_draws, region_scores

Array = np.ndarray
#: Confidence of the intervals.
LEVEL = 0.95


def sampled_logits_and_regions(clf: Any, encoded: Any, examples: Examples) -> tuple[list[Array], RegionResult]:
    """Predict the sampled elements of rows, and find the regions that the classifier decides in whole rows.

    The networks run once, batch by batch, and no array has all elements of all rows.

    Args:
        clf: The classifier.
        encoded: The rows, in the form of `Examples.x`.
        examples: The rows with their classes, and the sample of their elements.

    Returns:
        Logits of each member, as `Classifier.encoded_logits`, and the regions.
    """
    foreground = foreground_of(_training_counts(clf))
    sampled, parts, start = [], [], 0
    for _, logits in predicting.logit_batches(clf, encoded):
        decided = clf.decide_from_logits(logits)
        rows = np.arange(start, start := start + len(decided.decision))
        part = decided_regions(examples.y[rows], decided.proba, decided.decision, foreground)
        # No pictures are drawn, so the decided masks are not kept.
        parts.append(joined_regions([part], shown=False))
        sampled.append([examples.scored_outputs(z, rows) for z in logits])
    return [np.concatenate(columns) for columns in zip(*sampled, strict=True)], joined_regions(parts, shown=False)


def _training_counts(clf: Any) -> Array:
    """Return the number of elements of each class (C,) in training.

    The background is the class that was most frequent in training. Other rows may have more elements of another class,
    as may the rows that fitted the rule. Their shares are used only if the card does not list the classes.
    """
    entries = clf.card_without_metrics.get("classes") or [{"count": share} for share in clf.rule.prior]
    return np.array([entry["count"] for entry in entries])


def region_metrics(result: RegionResult, groups: Array | None, resamples: int, weights: Array | None = None) -> Scored:
    """Return metric key -> {"value", "low", "high"} (see `metrics.regions.region_scores`).

    A row counts with its weight of `weights` (N,). The 95% interval comes from resampled rows, or from resampled groups
    if `groups` (N,) is given. It is nan where there are fewer than two of them.
    """
    blocks = np.arange(len(result.counts)) if groups is None else groups
    scores = region_scores(result, weights)
    if len(np.unique(blocks)) < 2:
        return without_intervals(scores)
    draws = region_draws(result, blocks, resamples, integer(0, "regions"), weights)
    ends = {key: percentile(draw, LEVEL) for key, draw in draws.items()}
    return {key: {"value": value, "low": ends[key][0], "high": ends[key][1]} for key, value in scores.items()}

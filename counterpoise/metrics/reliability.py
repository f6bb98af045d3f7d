"""The reliability of the probabilities of each class, as a table of bins.

`cp.evaluate` and the audit of a comparison report it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.core.proportions import wilson
from counterpoise.core.target import Problem
from counterpoise.metrics.bins import assign_bins, summarize_bins
from counterpoise.metrics.calibration_scores import debiased_calibration_error, ece

Array = np.ndarray


def reliability_table(
    problems: Sequence[Problem], proba: Array, sample_weight: Array | None = None, bins: int = 10
) -> list[dict[str, Any]]:
    """Return calibration errors and a table of bins for each class that is decided.

    Args:
        problems: See `core.target`: two classes give a table of the positive one, more give one each against the rest.
        proba: float (N, C) or (N, L), what the classifier puts out.
        sample_weight: (N,) or None.
        bins: At most so many, with equally many positive rows. Rows of weight 0 take no part.

    Returns:
        For each class `class`, `ece` (see `metrics.ece`), `calibration_error` (root mean square with the noise of the
        bins taken off; nan with weights), and `bins`: `rows`, `positives`, `predicted` (mean probability), `observed`
        (share of positives), and the ends of its 95% interval (Wilson), `low` and `high`.

    Example:
        >>> y, p = np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.6, 0.8])
        >>> tables = reliability_table([Problem(np.arange(4), y, ("no", "yes"))], np.stack([1 - p, p], axis=1), bins=2)
        >>> [(b["rows"], round(b["predicted"], 2), b["observed"]) for b in tables[0]["bins"]]
        [(3, 0.33, 0.3333333333333333), (1, 0.8, 1.0)]
    """
    tables = []
    for p in problems:
        own, weight = p.proba(proba), p.of_rows(sample_weight)
        for c in [1] if len(p.classes) == 2 else range(len(p.classes)):
            tables.append({"class": str(p.name or p.classes[c]), **_class_bins(p.y == c, own[:, c], weight, bins)})
    return tables


def _class_bins(target: Array, score: Array, sample_weight: Array | None, bins: int) -> dict[str, Any]:
    """Return bins and errors of one class against the rest (see `reliability_table`).

    `target` is bool (N,), whether a row has the class, and `score` float (N,) is its probability.
    """
    weight = row_weights(sample_weight, len(score))
    target, score, weight = (values[weight > 0] for values in (target, score, weight))
    # Bins have equal sums of weights of positive rows. `rows` and `hits` below are plain numbers of rows.
    index = assign_bins(score, weight * target, bins)
    binned = summarize_bins(index, score, target, weight)
    rows = np.bincount(index, minlength=int(index.max()) + 1)
    rows, hits = rows[rows > 0], np.bincount(index, target)[rows > 0]
    # With weights, the observed share is weighted: the interval is that of so many hits among the plain rows.
    low, high = wilson(np.minimum(binned.observed * rows, rows), rows)
    two = np.stack([1 - score, score], axis=1)
    return {
        "ece": ece(target.astype(int), two, bins=bins, sample_weight=weight),
        "calibration_error": debiased_calibration_error(target.astype(int), two) if sample_weight is None else np.nan,
        "bins": [
            {"rows": int(n), "positives": int(k), "predicted": float(p), "observed": float(o), "low": float(a),
             "high": float(b)}
            for n, k, p, o, a, b in zip(rows, hits, binned.mean_proba, binned.observed, low, high, strict=True)
        ],
    }  # fmt: skip

"""The spread of a threshold: it is chosen again on resampled rows.

Shown in the model card, by `evaluate`, and in the audit of a comparison. The seed is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import CounterpoiseError
from counterpoise.core.rule import Rule
from counterpoise.core.seeds import generator
from counterpoise.decide.aim import Aim
from counterpoise.decide.rule import pooled_log_proba
from counterpoise.decide.threshold import choose_threshold
from counterpoise.metrics.bootstrap import group_draws
from counterpoise.metrics.intervals import percentile

Array = np.ndarray
#: Aims whose threshold is not chosen on rows.
FIXED = ("argmax", "given", "cost", "costs")


def threshold_spread(rule: Any, scores: Mapping[str, Array], *, resamples: int = 200) -> dict[str, float] | None:
    """Return the range of the thresholds that the aim of a rule chooses on resampled rows.

    Args:
        rule: The rule. scores: The stored scores that fitted it (see `model_card.stored_scores`).
        resamples: Bootstrap draws of rows, or of whole groups if the groups of the rows are stored.

    Returns:
        `value`, and `low` and `high`, the ends of 95% of the thresholds; None where the threshold was not read off
        these rows: it was given or follows from costs, is guaranteed, was moved to another prior, differs by group,
        there are more classes or labels, or a class per element.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> p = rng.random(200)
        >>> y = (rng.random(200) < p).astype(int)
        >>> rule = Rule(np.zeros((1, 2)), np.bincount(y) / 200, threshold=0.4, aim="f1")
        >>> found = threshold_spread(rule, {"log_p": np.log(np.stack([1 - p, p], axis=1))[None], "y": y}, resamples=50)
        >>> found["low"] < 0.4 < found["high"]
        True
    """
    if not isinstance(rule, Rule) or rule.threshold is None or rule.guarantee is not None or "log_p" not in scores:
        return None
    if Aim.parse(rule.aim).name in FIXED or rule.vote == "hard" or rule.by is not None:
        return None
    y, weight = scores["y"], scores.get("weight")
    if y.ndim != 1:
        return None
    shares = np.bincount(y, weight, minlength=2) / (len(y) if weight is None else weight.sum())
    if not np.allclose(shares, rule.prior):
        return None
    # Probability of the positive class, float64 (N,).
    p = np.exp(pooled_log_proba(rule, list(scores["log_p"].astype(np.float64)))[:, 1])
    thresholds = []
    for rows in _drawn_rows(weight, scores.get("group"), len(y), resamples):
        try:
            thresholds.append(choose_threshold(p[rows], y[rows], rule.aim, None if weight is None else weight[rows]))
        except CounterpoiseError:  # these rows reach no such precision, or have one class only
            continue
    if not thresholds:
        return None
    low, high = percentile(np.array(thresholds), 0.95)
    return {"value": float(rule.threshold), "low": low, "high": high}


def _drawn_rows(weight: Array | None, groups: Array | None, n: int, resamples: int) -> Iterator[Array]:
    """Yield the numbers of the rows of each resample, of `n` rows; rows of weight 0 take no part.

    `groups` int (n,) are drawn as wholes; None, or a single group: rows are drawn one by one.
    """
    rng = generator(0, "threshold spread")
    counted = np.arange(n) if weight is None else np.flatnonzero(weight > 0)
    own = None if groups is None else np.unique(groups[counted], return_inverse=True)[1]
    if own is None or own.max() < 1:
        for _ in range(resamples):
            yield counted[rng.integers(0, len(counted), len(counted))]
        return
    for counts in group_draws(int(own.max()) + 1, resamples, rng):
        yield from (np.repeat(counted, times[own].astype(np.int64)) for times in counts)


def decisions_at(spread: Mapping[str, float], y: Array, proba: Array, sample_weight: Array | None) -> dict[str, Any]:
    """Return recall, precision and alert rate of other rows, at the threshold and at the ends of its spread.

    `y` is int (N,), 0 or 1; `proba` float (N,) is the probability of class 1. Recall is NaN without positive rows,
    and precision is NaN without alerts.

    Example:
        >>> found = decisions_at({"low": 0.2, "value": 0.5, "high": 0.9}, np.array([0, 1]), np.array([0.3, 0.7]), None)
        >>> [(found[end]["recall"], found[end]["alert_rate"]) for end in ("low", "value", "high")]
        [(1.0, 1.0), (1.0, 0.5), (0.0, 0.0)]
    """
    weight, decisions = np.ones(len(y)) if sample_weight is None else sample_weight, {}
    for end in ("low", "value", "high"):
        alert = proba >= spread[end]
        hits, alerts = float(weight @ (alert & (y == 1))), float(weight @ alert)
        positives = float(weight @ (y == 1))
        decisions[end] = {
            "threshold": spread[end],
            "recall": hits / positives if positives else float("nan"),
            "precision": hits / alerts if alerts else float("nan"),
            "alert_rate": alerts / float(weight.sum()),
        }
    return decisions

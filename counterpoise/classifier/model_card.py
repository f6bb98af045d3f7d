"""What a classifier keeps beside its networks: the scores that fitted its rule, and what its card says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.classifier.thresholds import describe
from counterpoise.core.records import Rule
from counterpoise.core.version import installed
from counterpoise.decide.rule import apply_rule_to_log_p
from counterpoise.metrics.measured import measure

Array = np.ndarray
#: Bootstrap draws of the card's intervals: they are shown with two digits.
RESAMPLES = 60
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "scikit-learn")


def stored_scores(log_p: Array, y: Array, weight: Array | None = None, apart: Array | None = None) -> dict[str, Array]:
    """The scores that fitted a rule, as they go into the file.

    `log_p` float32 (M, N, C), `y` (N,), `weight` (N,); and `apart` float32 (parts, N, C), the probabilities of the
    member strategies that one network was trained for.
    """
    found = {"log_p": log_p.astype(np.float32), "y": y, "weight": weight, "apart": apart}
    return {name: values for name, values in found.items() if values is not None}


def ruled(rule: Rule, scores: Mapping[str, Array]) -> dict[str, Any]:
    """The card's entries that the rule tells: training prior, threshold, versions.

    Args:
        rule: The rule.
        scores: See `stored_scores`.
    """
    return {
        "prior": np.asarray(rule.prior).tolist(),
        "threshold": describe(rule, len(scores["y"])),
        "versions": installed(PACKAGES),
    }


def measured(rule: Rule, scores: Mapping[str, Array], note: str) -> dict[str, Any]:
    """The card's entries that scores tell: metrics with bootstrap intervals, and of which rows they are.

    The rows of a guarantee where there are some, else those that fitted the rule; at the rule's own class shares, so
    after a move to a new prior every row weighs new / old share of its class. This may take seconds.

    Args:
        rule: The rule.
        scores: See `stored_scores`; with "guarantee_" before each name the rows of a guarantee.
        note: Which rows they are.
    """
    prefix = "guarantee_" if "guarantee_y" in scores else ""
    y, weight = scores[f"{prefix}y"], scores.get(f"{prefix}weight")
    moved = _prior_ratio(rule, scores)
    if moved is not None:
        weight = moved[y] if weight is None else weight * moved[y]
    said = apply_rule_to_log_p(rule, list(scores[f"{prefix}log_p"].astype(np.float64)))
    two = len(np.unique(y)) > 1
    found = measure(y, said.proba, said.decision, sample_weight=weight, resamples=RESAMPLES) if two else {}
    plain = {k: {end: _finite(v) for end, v in ends.items()} for k, ends in found.items()}
    return {"metrics": plain, "metrics_of": note}


def _prior_ratio(rule: Rule, scores: Mapping[str, Array]) -> Array | None:
    """New over old share of each class where the rule was moved to another prior, else None."""
    old = np.bincount(scores["y"], weights=scores.get("weight"), minlength=len(rule.prior))
    old = old / old.sum()
    ratio = np.where(old > 0, rule.prior / np.where(old > 0, old, 1.0), 1.0)
    return None if np.allclose(ratio, 1.0) else ratio


def _finite(value: float) -> float | None:
    """JSON has no nan."""
    return float(value) if math.isfinite(value) else None

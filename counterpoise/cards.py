"""What a classifier keeps beside its networks: the scores that fitted its rule, and what its card says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

import numpy as np

from counterpoise.classifier import Classifier
from counterpoise.core.records import Examples, Rule
from counterpoise.decide.rule import apply_rule_to_log_p
from counterpoise.evaluation import measure
from counterpoise.thresholds import describe

Array = np.ndarray
#: Bootstrap draws of the card's intervals: they are shown with two digits.
RESAMPLES = 60
PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy", "scikit-learn")


def stored_scores(log_p: Array, y: Array, weight: Array | None = None) -> dict[str, Array]:
    """The scores that fitted a rule, as they go into the file: `log_p` float32 (M, N, C), `y` (N,), `weight`."""
    return {"log_p": log_p.astype(np.float32), "y": y} | ({} if weight is None else {"weight": weight})


def ruled(rule: Rule, scores: Mapping[str, Array]) -> dict[str, Any]:
    """The card's entries that the rule tells: training prior, threshold, versions.

    Args:
        rule: The rule.
        scores: See `stored_scores`.
    """
    return {
        "prior": np.asarray(rule.prior).tolist(),
        "threshold": describe(rule, len(scores["y"])),
        "versions": _versions(),
    }


def measured(rule: Rule, scores: Mapping[str, Array], note: str, prefix: str = "") -> dict[str, Any]:
    """The card's entries that scores tell: metrics with bootstrap intervals, and of which rows they are.

    This takes seconds: a comparison, which has scores of its own, leaves it out.

    Args:
        rule: The rule.
        scores: See `stored_scores`.
        note: Which rows they are.
        prefix: "promise_" for the rows of a promise.
    """
    y = scores[f"{prefix}y"]
    said = apply_rule_to_log_p(rule, list(scores[f"{prefix}log_p"].astype(np.float64)))
    two = len(np.unique(y)) > 1
    found = measure(y, said.proba, said.decision, resamples=RESAMPLES) if two else {}
    plain = {k: {end: _finite(v) for end, v in ends.items()} for k, ends in found.items()}
    return {"metrics": plain, "metrics_of": note}


def with_promise_rows(clf: Classifier, kept: Examples) -> Classifier:
    """The classifier with the scores of rows that nothing else saw; they carry promises, and the card's metrics."""
    log_p = clf.log_p(clf.encoded_logits(kept.x))
    scores = clf.scores | {"promise_log_p": log_p.astype(np.float32), "promise_y": kept.y}
    note = f"{len(kept)} rows kept from training, stopping, calibration and selection"
    card = clf.card | measured(clf.rule, scores, note, "promise_") | {"promise_rows": len(kept)}
    if kept.groups is not None or kept.time is not None:
        what = "groups" if kept.groups is not None else "time order"
        card["promise_note"] = f"A promise takes its rows as independent; these come in {what}."
    return Classifier(clf.members, clf.rule, clf.classes_.tolist(), clf.schema, card, scores)


def _finite(value: float) -> float | None:
    """JSON has no nan."""
    return float(value) if math.isfinite(value) else None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = installed(name)
        except PackageNotFoundError:
            continue
    return found

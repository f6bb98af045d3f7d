"""After shipping: what rows without labels say about a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.drift import Drift
from counterpoise.decide.drift import monitor as compare_scores


def monitor(clf: Classifier, batch: Any, *, method: str = "em", draws: int = 200, seed: int = 0) -> Drift:
    """Compare new rows without labels with the rows that fitted a classifier's rule.

    Args:
        clf: As it was shipped; it holds the scores and labels of the rows that fitted its rule.
        batch: New rows, in any form that `predict` takes; labels are ignored.
        method: How the new class shares are estimated: "em" or "bbse" (see `cp.decide.estimate_prior`).
        draws: Bootstrap draws of the interval and of the test.
        seed: Of the draws.

    Returns:
        `estimate` (new class shares with intervals, and whether only the shares moved), `score_distance`,
        `flagged_before` and `flagged_now`, `plausible` (whether the threshold's aim still holds), `rule` for the new
        shares (see `adapted`), and `notes` in words.

    Raises:
        OptionError: the classifier holds no scores.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(600) < 0.2).astype(int)
        >>> from counterpoise.classifier.wrap import wrap
        >>> z = 2 * rng.normal(size=600) + 3 * y - 2
        >>> drift = monitor(wrap(1 / (1 + np.exp(-z)), y), 1 / (1 + np.exp(-z[:200])), draws=20)
        >>> drift.plausible
        True
    """
    if clf.target.per_element:
        raise OptionError(
            f"monitor compares rows of one class each, but the rows of this classifier have {clf.target.what}. Watch a "
            "number of each row instead, such as the area of a class in clf.predict_frame(x)."
        )
    if not isinstance(clf.rule, Rule):
        raise OptionError(
            "monitor compares rows of one class each, but this classifier has several labels per row. Watch a label "
            "by wrapping its column of predict_proba: cp.wrap(proba[:, 0], y[:, 0])."
        )
    if "log_p" not in clf.scores:
        raise OptionError("this classifier holds no scores of labeled rows to compare with.")
    old = clf.scores["log_p"].astype(np.float64)
    new = clf.log_p(clf.member_logits(batch))
    return compare_scores(
        clf.rule.unreviewed, list(old), clf.scores["y"], list(new), method=method, draws=draws, seed=seed
    )


def adapted(clf: Classifier, drift: Drift) -> Classifier:
    """The classifier with probabilities and threshold for the new class shares; trains nothing.

    Raises:
        OptionError: more than the class shares moved, so there is no such rule.
    """
    if drift.rule is None:
        raise OptionError(f"{drift.estimate.note} There is no rule for these rows without new labels.")
    return clf.with_rule(drift.rule)


def drift_to_dict(clf: Classifier, drift: Drift) -> dict[str, Any]:
    """A `Drift` as plain JSON values, class by class."""
    e = drift.estimate
    labels = [str(label) for label in clf.classes_.tolist()]
    return {
        "classes": [
            {
                "label": label,
                "share_before": float(e.source_prior[c]),
                "share_now": float(e.prior[c]),
                "low": float(e.low[c]),
                "high": float(e.high[c]),
                "decided_before": float(drift.flagged_before[c]),
                "decided_now": float(drift.flagged_now[c]),
            }
            for c, label in enumerate(labels)
        ],
        "pure_prior_shift": e.pure,
        "p": e.fit_p,
        "score_distance": drift.score_distance,
        "plausible": drift.plausible,
        "threshold_before": clf.rule.threshold,
        "threshold_now": None if drift.rule is None else drift.rule.threshold,
        "notes": list(drift.notes),
    }

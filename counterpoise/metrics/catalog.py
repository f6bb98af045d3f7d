"""What each metric key means: a title in plain words, the direction that is good, and the range.

Leaderboards, judge and report look metrics up here; nothing is computed in this file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """One entry of `METRICS`.

    Attributes:
        title: The metric in plain words.
        direction: "higher" or "lower" is better, or the value itself that is best: "one" or "zero".
        low: Smallest value the metric can take (may be -inf).
        high: Largest value the metric can take (may be inf).
        relative: Whether the metric's size moves with the share of the rare class, so that a difference
            is judged relative to the reference's value (1 % of it) and not as an absolute 0.01.

    Example:
        >>> METRICS["log_loss"].title, METRICS["log_loss"].direction
        ('Log loss (mean surprise of the true class, in nats)', 'lower')
    """

    title: str
    direction: str
    low: float
    high: float
    relative: bool = False

    def goodness(self, value: Any) -> Any:
        """Map a value (or an array of values) so that larger is better whatever the direction.

        Example:
            >>> METRICS["log_loss"].goodness(0.2), METRICS["calibration_slope"].goodness(1.25)
            (-0.2, -0.25)
        """
        if self.direction == "higher":
            return value
        return -value if self.direction == "lower" else -abs(value - self.target)

    @property
    def target(self) -> float:
        """The best value there is: an end of the range, 1 or 0."""
        return {"higher": self.high, "lower": self.low, "one": 1.0, "zero": 0.0}[self.direction]


#: Of the corrected probabilities.
_PROBABILITY = {
    "average_precision": Metric("Average precision (area under the precision-recall curve)", "higher", 0.0, 1.0),
    "roc_auc": Metric("Area under the ROC curve", "higher", 0.0, 1.0),
    "log_loss": Metric("Log loss (mean surprise of the true class, in nats)", "lower", 0.0, math.inf, True),
    "brier": Metric("Brier score (mean squared error of the probability)", "lower", 0.0, 2.0, True),
    "skill": Metric("Skill (share of the log loss of a constant guess that is saved)", "higher", -math.inf, 1.0),
    "calibration_slope": Metric("Calibration slope (below 1: too sure of itself)", "one", -math.inf, math.inf),
    "calibration_intercept": Metric(
        "Calibration in the large (above 0: probabilities too low)", "zero", -math.inf, math.inf
    ),
    "ece": Metric("Expected calibration error (mean gap between guaranteed and observed share)", "lower", 0.0, 1.0),
    "log_loss_uncorrected": Metric("Log loss of the untouched output", "lower", 0.0, math.inf, True),
}

_DECISION = {
    "accuracy": Metric("Accuracy (share of right decisions)", "higher", 0.0, 1.0),
    "balanced_accuracy": Metric("Balanced accuracy (mean recall over the classes)", "higher", 0.0, 1.0),
    "recall": Metric("Recall (share of the cases that is found)", "higher", 0.0, 1.0),
    "precision": Metric("Precision (share of the alarms that is right)", "higher", 0.0, 1.0),
    "specificity": Metric("Specificity (share of the others that raises no alarm)", "higher", 0.0, 1.0),
    "f1": Metric("F1 (harmonic mean of precision and recall)", "higher", 0.0, 1.0),
    "mcc": Metric("Matthews correlation of decision and truth", "higher", -1.0, 1.0),
    "g_mean": Metric("G-mean (geometric mean of the recalls)", "higher", 0.0, 1.0),
}

#: Of several labels per row, all of them together; every other score is then the mean over the labels.
_LABELS = {
    "average_precision_micro": Metric("Average precision over all labels of all rows together", "higher", 0.0, 1.0),
    "roc_auc_micro": Metric("Area under the ROC curve over all labels of all rows together", "higher", 0.0, 1.0),
    "f1_micro": Metric("F1 over all labels of all rows together", "higher", 0.0, 1.0),
    "subset_accuracy": Metric("Subset accuracy (share of rows with every label right)", "higher", 0.0, 1.0),
}

#: What is decided from: suffix of the key -> words added to the title.
_RULES = {
    "": "",
    "_default": ", corrected probability at 0.5 or largest",
    "_uncorrected": ", untouched output at 0.5 or largest",
}

#: Names of the scores that need a decision.
DECISION_KEYS: tuple[str, ...] = tuple(_DECISION)

#: Every metric key of the leaderboard, in its order.
METRICS: Mapping[str, Metric] = MappingProxyType(
    _PROBABILITY
    | {
        key + suffix: metric._replace(title=metric.title + words)
        for suffix, words in _RULES.items()
        for key, metric in _DECISION.items()
    }
    | _LABELS
)

#: Keys of the scores that one choice among classes has: all but those of several labels together.
PER_PROBLEM: tuple[str, ...] = tuple(key for key in METRICS if key not in _LABELS)

#: What `evaluate` reports beyond `METRICS`, for two classes.
FURTHER: Mapping[str, Metric] = MappingProxyType(
    {
        "partial_auc": Metric("Area under the ROC curve up to 10 % false alarms (0.5 is chance)", "higher", 0.0, 1.0),
        "brier_reliability": Metric("Brier score: the part that is miscalibration", "lower", 0.0, 1.0),
        "brier_resolution": Metric("Brier score: the part that tells cases apart", "higher", 0.0, 1.0),
        "calibration_error": Metric("Calibration error (root mean square, noise of the bins off)", "lower", 0.0, 1.0),
        "net_benefit": Metric("Net benefit at the threshold (true positives per case)", "higher", -math.inf, 1.0),
        "net_benefit_everybody": Metric("Net benefit of an alarm on everybody", "higher", -math.inf, 1.0),
        "expected_cost": Metric("Mean cost per case", "lower", -math.inf, math.inf),
        "largest_cost_share": Metric("Share of all costs that the most expensive row has", "lower", 0.0, 1.0),
        "amount_recall": Metric("Recall by amount (share of the amount at stake that is found)", "higher", 0.0, 1.0),
        "precision_first": Metric("Precision among the first rows of the ranking", "higher", 0.0, 1.0),
        "lift_first": Metric(
            "Lift of the first rows (their precision over the share of positives)", "higher", 0.0, math.inf
        ),
    }
)

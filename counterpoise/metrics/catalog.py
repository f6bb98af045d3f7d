"""The metrics by key: title, whether higher is better, and range.

Leaderboards, judge and report look metrics up here; nothing is computed in this file. The keys and their order are
those of `leaderboard.json`, which is part of the public interface. `core.titles` contains the titles.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from counterpoise.core.titles import metric_title


class Metric(NamedTuple):
    """One entry of `METRICS`.

    Attributes:
        title: The metric in plain words.
        direction: "higher" or "lower" is better, or the value itself that is best: "one" or "zero".
        low: Smallest value the metric can take (may be -inf).
        high: Largest value the metric can take (may be inf).
        relative: Whether the size of the metric depends on the share of the rare class. A difference is then compared
            with 1% of the value of the reference, not with an absolute 0.01.

    Example:
        >>> METRICS["log_loss"].title, METRICS["log_loss"].direction
        ('Log loss (mean negative log probability of the true class, in nats)', 'lower')
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
        """The best possible value: an end of the range, 1 or 0."""
        return {"higher": self.high, "lower": self.low, "one": 1.0, "zero": 0.0}[self.direction]


def _metric(key: str, direction: str, low: float, high: float, relative: bool = False) -> Metric:
    """Return the entry of a key, with its title from `core.titles`."""
    return Metric(metric_title(key), direction, low, high, relative)


#: Key -> direction, range, and whether differences are relative: of the corrected probabilities.
_PROBABILITY: Mapping[str, tuple[Any, ...]] = {
    "average_precision": ("higher", 0.0, 1.0),
    "roc_auc": ("higher", 0.0, 1.0),
    "log_loss": ("lower", 0.0, math.inf, True),
    "brier": ("lower", 0.0, 2.0, True),
    "skill": ("higher", -math.inf, 1.0),
    "calibration_slope": ("one", -math.inf, math.inf),
    "calibration_intercept": ("zero", -math.inf, math.inf),
    "ece": ("lower", 0.0, 1.0),
    "log_loss_uncorrected": ("lower", 0.0, math.inf, True),
}

#: Key -> the same, of decisions.
_DECISION: Mapping[str, tuple[Any, ...]] = {
    "accuracy": ("higher", 0.0, 1.0),
    "balanced_accuracy": ("higher", 0.0, 1.0),
    "recall": ("higher", 0.0, 1.0),
    "precision": ("higher", 0.0, 1.0),
    "specificity": ("higher", 0.0, 1.0),
    "f1": ("higher", 0.0, 1.0),
    "mcc": ("higher", -1.0, 1.0),
    "g_mean": ("higher", 0.0, 1.0),
}

#: Of several labels per row, all labels together; every other score is then the mean over the labels.
_LABELS: Mapping[str, tuple[Any, ...]] = {
    "average_precision_micro": ("higher", 0.0, 1.0),
    "roc_auc_micro": ("higher", 0.0, 1.0),
    "f1_micro": ("higher", 0.0, 1.0),
    "subset_accuracy": ("higher", 0.0, 1.0),
}

#: Of a class per element, whole rows: overlaps and lesions.
_REGIONS: Mapping[str, tuple[Any, ...]] = {
    "dice": ("higher", 0.0, 1.0),
    "iou": ("higher", 0.0, 1.0),
    "dice_image": ("higher", 0.0, 1.0),
    "dice_present": ("higher", 0.0, 1.0),
    "lesion_recall": ("higher", 0.0, 1.0),
}
#: Of comparisons with costs.
_COST: Mapping[str, tuple[Any, ...]] = {"expected_cost": ("lower", -math.inf, math.inf, True)}

#: Suffixes of the decision keys: at the strategy's own threshold, at the default one, and of the uncorrected output.
_SUFFIXES = ("", "_default", "_uncorrected")

#: Names of the scores of whole rows with a class per element.
REGION_KEYS: tuple[str, ...] = tuple(_REGIONS)

#: Names of the scores that need a decision.
DECISION_KEYS: tuple[str, ...] = tuple(_DECISION)

#: Every metric key of the leaderboard, in its order.
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        key: _metric(key, *entry)
        for key, entry in (
            *_PROBABILITY.items(),
            *((key + suffix, entry) for suffix in _SUFFIXES for key, entry in _DECISION.items()),
            *_LABELS.items(),
            *_REGIONS.items(),
            *_COST.items(),
        )
    }
)

#: What `evaluate` reports beyond `METRICS`, for two classes.
FURTHER: Mapping[str, Metric] = MappingProxyType(
    {
        key: _metric(key, *entry)
        for key, entry in {
            "partial_auc": ("higher", 0.0, 1.0),
            "brier_reliability": ("lower", 0.0, 1.0),
            "brier_resolution": ("higher", 0.0, 1.0),
            "calibration_error": ("lower", 0.0, 1.0),
            "net_benefit": ("higher", -math.inf, 1.0),
            "net_benefit_everybody": ("higher", -math.inf, 1.0),
            **_COST,
            "largest_cost_share": ("lower", 0.0, 1.0),
            "amount_recall": ("higher", 0.0, 1.0),
            "precision_first": ("higher", 0.0, 1.0),
            "lift_first": ("higher", 0.0, math.inf),
        }.items()
    }
)

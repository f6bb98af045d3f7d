"""Sentences for people."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.comparison.posterior import Difference
from counterpoise.comparison.words import Gap, effect_in_words, inconclusive, listed, number, percent, rates
from counterpoise.core.errors import OptionError


def test_effect_of_two_confusion_matrices() -> None:
    old, new = np.array([[9700, 100], [100, 100]]), np.array([[9640, 160], [86, 114]])
    found, alarms = (b - a for a, b in zip(rates(old), rates(new), strict=True))
    assert effect_in_words(found, alarms) == "per 10,000 cases: 14 more found, 60 more false alarms"


def test_effect_with_costs_and_without_change() -> None:
    text = effect_in_words(0.0014, 0.006, cost_missed=10, cost_false_alarm=1)
    assert text.endswith("cost falls by 80")
    assert effect_in_words(0.001, 0.01, cost_missed=10, cost_false_alarm=1).endswith("cost unchanged")
    assert effect_in_words(0, -0.1, per=100) == "per 100 cases: no more found, 10 fewer false alarms"


@pytest.mark.parametrize("arguments", [{"found": 14, "false_alarms": 0}, {"found": np.nan, "false_alarms": 0}])
def test_counts_in_place_of_rates_are_refused(arguments: dict) -> None:
    with pytest.raises(OptionError, match="rates per case"):
        effect_in_words(**arguments)
    with pytest.raises(OptionError, match="both or none"):
        effect_in_words(0, 0, cost_missed=1)
    with pytest.raises(OptionError, match="C x C"):
        rates(np.zeros((2, 2)))


def test_pieces() -> None:
    assert listed(["a"]) == "a"
    assert number(float("nan")) == percent(float("nan")) == "unknown"
    assert number(-0.00123, signed=True) == "-0.0012"


def test_a_lead_that_only_the_correction_undoes_is_not_called_unlikely() -> None:
    def told(right: float) -> str:
        lead = Difference(0.3, 0.1, 0.5, 0.02, 0.0, 1 - right, right)
        return inconclusive(Gap("roc_auc", "focal", "none", (0.8, 0.5), lead, 0.01), [], 1, False, "none")

    assert "That may be chance: 90 % that focal" in told(0.9)
    assert "Alone it would be shown better (99 % that focal is better by more than 0.010)" in told(0.99)
    assert "among so many that were tried it may be chance" in told(0.99)

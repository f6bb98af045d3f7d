"""The pieces that verdicts are made of."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.comparison.effect import effect_text, positive_shares
from counterpoise.comparison.significance import Difference
from counterpoise.comparison.words import Contrast, inconclusive, listed, number, p_value, percent, selection_caveat
from counterpoise.core.errors import OptionError


def test_effect_of_two_confusion_matrices() -> None:
    old, new = np.array([[9700, 100], [100, 100]]), np.array([[9640, 160], [86, 114]])
    hits, alerts = (10_000 * (b - a) for a, b in zip(positive_shares(old), positive_shares(new), strict=True))
    text = effect_text("focal", "ill", {"found": hits, "false_positives": alerts, "cost": 0.0})
    assert text.endswith("14 more 'ill' found, 60 more false positives, cost unchanged.")
    none = effect_text("threshold", "ill", {"found": 0.0, "false_positives": -0.2, "cost": None})
    assert none.endswith("no more 'ill' found, less than 1 fewer false positives.")
    with pytest.raises(OptionError, match="Expected a square matrix"):
        positive_shares(np.zeros((2, 2)))


def test_pieces() -> None:
    assert listed(["a"]) == "A"
    assert number(float("nan")) == percent(float("nan")) == "unknown"
    assert number(-0.00123, signed=True) == "-0.0012"
    assert selection_caveat(2, True) == ""
    assert selection_caveat(6, False).endswith("the best of 6.")


def test_a_difference_that_only_the_correction_undoes_is_not_called_improbable() -> None:
    def texts(right: float) -> str:
        d = Difference(0.3, 0.1, 0.5, 0.02, 0.0, 1 - right, right)
        top = Contrast("roc_auc", "focal", "none", (0.8, 0.5), d, 0.01)
        return inconclusive("none", "none", top, "Collect more data.", 0.08).evidence

    assert texts(0.9) == (
        "Probability that Focal loss is better than the baseline by more than 0.010: 90%; practically equivalent: 10%; "
        "worse by more than 0.010: under 1%. A conclusion needs at least 95%."
    )
    assert texts(0.99).endswith("because so many strategies were tried (Holm-adjusted p = 0.080, limit 0.05).")


@pytest.mark.parametrize(
    ("metric", "gap"),
    [
        ("roc_auc", "difference +0.300, 95% CI +0.100 to +0.500"),
        ("log_loss", "difference -0.300, 95% CI -0.500 to -0.100, lower is better"),
        ("calibration_slope", "difference in the distance to one -0.300, 95% CI -0.500 to -0.100"),
    ],
)
def test_a_difference_is_in_the_unit_of_its_metric(metric: str, gap: str) -> None:
    d = Difference(0.3, 0.1, 0.5, 0.02, 0.0, 0.1, 0.9)
    assert Contrast(metric, "focal", "none", (0.8, 0.5), d, 0.01).gap() == gap


def test_a_number_that_misses_a_limit_does_not_round_to_it() -> None:
    assert [percent(p) for p in (0.9499, 0.95, 0.6659, 2 / 3, 0.8)] == ["94%", "95%", "66%", "67%", "80%"]
    assert [p_value(p) for p in (0.0499, 0.05, 0.05001, 0.0504, 0.051)] == [
        "p = 0.050", "p = 0.050", "p = 0.0501", "p = 0.0504", "p = 0.051",
    ]  # fmt: skip

"""Numbers with sensible digits, and the few sentences that the report, verdicts, and terminals share.

`report.columns` writes the numbers of one column alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: In place of a value that is missing.
NOTHING = "–"
#: Scores that may differ between groups of rows, with their names.
OF_GROUP = {
    "prevalence": "observed share", "mean_probability": "mean probability", "calibration_gap": "predicted - observed",
    "alert_rate": "alert rate", "recall": "recall", "precision": "precision",
    "false_positive_rate": "false positive rate",
}  # fmt: skip


def file_name(source: Any) -> str | None:
    """Return a file's name without its folders, which mean nothing to other readers of the page.

    Example:
        >>> file_name("/home/me/cases.csv"), file_name(None)
        ('cases.csv', None)
    """
    return Path(str(source)).name if source else None


def finite(value: Any) -> bool:
    """Return whether a value is a number that can be shown (None, NaN and text are not)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def digits(low: Any, high: Any, default: int = 3) -> int:
    """Return the decimals that an interval supports: two significant ones of its half width, 3 or 4.

    Example:
        >>> digits(0.05, 0.99), digits(0.6, 0.6), digits(0.62, 0.623)
        (3, 3, 4)
    """
    if not (finite(low) and finite(high)) or high <= low:
        return default
    return min(4, max(3, 1 - math.floor(math.log10((high - low) / 2))))


def number(value: Any, places: int = 3, sign: bool = False) -> str:
    """Format a number with fixed decimals and a true minus sign; a dash if there is none.

    Example:
        >>> number(0.12345), number(-0.5, 2), number(0.5, 2, sign=True), number(None)
        ('0.123', '−0.50', '+0.50', '–')
    """
    if not finite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = f"{0:.{places}f}"
    return text.replace("-", "−")


def significant(value: Any) -> str:
    """Format a number with three significant digits.

    Example:
        >>> significant(0.52341), significant(2.0), significant(None)
        ('0.523', '2', '–')
    """
    return f"{value:.3g}".replace("-", "−") if finite(value) else NOTHING


def interval(
    score: Mapping[str, Any] | None, sign: bool = False, at: str = "mean", places: int | None = None
) -> tuple[str, str]:
    """Return the texts (value, "[low, high]") of a score; "" for an interval that is absent.

    `at` is the key of the value. `places` is the number of decimals; None: as many as the interval supports.

    Example:
        >>> interval({"mean": 0.6234, "low": 0.55, "high": 0.69})
        ('0.623', '[0.550, 0.690]')
        >>> interval(None)
        ('–', '')
    """
    if not score or not finite(score.get(at)):
        return NOTHING, ""
    low, high = score.get("low"), score.get("high")
    places = digits(low, high) if places is None else places
    if not (finite(low) and finite(high)):
        return number(score[at], places, sign), ""
    return number(score[at], places, sign), f"[{number(low, places, sign)}, {number(high, places, sign)}]"


def count(value: Any) -> str:
    """Format a whole number with thousands separators, or a fractional count with one decimal.

    Example:
        >>> count(11183), count(46.2), count(None)
        ('11,183', '46.2', '–')
    """
    if not finite(value):
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(value: Any) -> str:
    """Format a share as a percentage with about three significant digits.

    Example:
        >>> share(0.0232), share(0.9768), share(0.00017)
        ('2.32%', '97.7%', '0.017%')
    """
    if not finite(value):
        return NOTHING
    percent = 100 * value
    places = 0 if percent >= 99.95 or percent == 0 else max(0, min(3, 2 - math.floor(math.log10(abs(percent)))))
    return f"{percent:.{places}f}%"


def probability(value: Any) -> str:
    """Format a p-value: three decimals, or "< 0.001".

    Example:
        >>> probability(0.0314), probability(1e-6)
        ('= 0.031', '< 0.001')
    """
    if not finite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def prices(costs: Mapping[str, Any]) -> str:
    """Describe what errors cost.

    Example:
        >>> prices({"cost_fp": 1.0, "cost_fn": 20.0})
        'a false positive costs 1, a missed case costs 20'
        >>> prices({"cost_column": "amount", "cost_fp": 5.0, "mean_amount": 80.0})
        "a false positive costs 5, a missed case costs the amount in column 'amount' (mean 80)"
        >>> prices({"matrix": [[0.0, 2.0], [9.0, -1.0]]})
        'a cost matrix (rows: true classes, columns: decided classes): 0, 2; 9, -1'
    """
    if "matrix" in costs:
        rows = "; ".join(", ".join(f"{cost:,.6g}" for cost in row) for row in costs["matrix"])
        return f"a cost matrix (rows: true classes, columns: decided classes): {rows}"
    if "cost_column" in costs:
        missed = f"a missed case costs the amount in column {costs['cost_column']!r} (mean {costs['mean_amount']:,.4g})"
        return f"a false positive costs {count(costs['cost_fp'])}, {missed}"
    return f"a false positive costs {count(costs['cost_fp'])}, a missed case costs {count(costs['cost_fn'])}"


def delay(values: Mapping[str, Any]) -> str:
    """Describe the rows that a delay of labels leaves out.

    Example:
        >>> delay({"delay": 30.0, "left_out": [1200, 900]})
        '30 days, or units of the time column. Training rows left out in each fold, because their label was not yet
        known when the test period started: 1,200, 900.'
    """
    rows = ", ".join(count(n) for n in values["left_out"])
    return (
        f"{values['delay']:g} days, or units of the time column. Training rows left out in each fold, because "
        f"their label was not yet known when the test period started: {rows}."
    )


def case_count(value: Any, sign: bool = False) -> str:
    """Format a number of cases without decimals, or with one if it is below 10.

    Example:
        >>> case_count(612.7), case_count(3.24), case_count(75.4, sign=True), case_count(None)
        ('613', '3.2', '+75', '–')
    """
    return number(value, 0 if finite(value) and abs(value) >= 10 else 1, sign)


def seconds(value: Any) -> str:
    """Format one time in seconds, a number: two decimals below 1, one below 100, and none from there on.

    Example:
        >>> seconds(0.034), seconds(4.26), seconds(312.4)
        ('0.03', '4.3', '312')
    """
    return number(value, 2 if value < 1 else 1 if value < 100 else 0)


def value_with_interval(score: Mapping[str, Any], signed: bool = False) -> str:
    """Format a score and its interval with two decimals; "-" without a score.

    Example:
        >>> undefined = {"value": None, "low": None, "high": None}
        >>> value_with_interval({"value": 0.5, "low": 0.25, "high": 0.75}), value_with_interval(undefined)
        ('0.50 (0.25 to 0.75)', '-')
    """
    form = "+.2f" if signed else ".2f"
    if not finite(score["value"]):
        return "-"
    if not finite(score["low"]):
        return f"{score['value']:{form}}"
    return f"{score['value']:{form}} ({score['low']:{form}} to {score['high']:{form}})"

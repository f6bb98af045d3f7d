"""The numbers of a column: the same number of decimals and the same unit for all.

Each function takes the values of a column and returns their texts; what is no number becomes a dash. `report.words`
writes single numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from counterpoise.report import words


def intervals(
    scores: Iterable[Mapping[str, Any] | None], sign: bool = False, at: str = "mean"
) -> list[tuple[str, str]]:
    """Return (value, "[low, high]") of each score, with the decimals that the narrowest interval supports.

    `at` is the key of the value, and `sign` adds a plus sign to positive values.

    Example:
        >>> intervals([{"mean": 0.6234, "low": 0.55, "high": 0.69}, {"mean": 0.58, "low": 0.579, "high": 0.581}, None])
        [('0.6234', '[0.5500, 0.6900]'), ('0.5800', '[0.5790, 0.5810]'), ('–', '')]
    """
    known = list(scores)
    given = [score for score in known if score and words.finite(score.get(at))]
    places = max((words.digits(score.get("low"), score.get("high"), 0) for score in given), default=0)
    return [words.interval(score, sign, at, places or None) for score in known]


def seconds(values: Iterable[Any]) -> list[str]:
    """Return seconds with 2, 1 or 0 decimals, if the largest is below 1, below 100, or more.

    Example:
        >>> seconds([0.034, 4.26, None]), seconds([4.26, 312.4])
        (['0.0', '4.3', '–'], ['4', '312'])
    """
    known = list(values)
    most = _largest(known)
    return [words.number(value, 2 if most < 1 else 1 if most < 100 else 0) for value in known]


def counts(values: Iterable[Any]) -> list[str]:
    """Return counts in full if all are below 100,000, else in the unit of the largest.

    The unit is k, M or bn, and the largest count gets three significant digits.

    Example:
        >>> counts([15750, 1200]), counts([15750, 4032000, None])
        (['15,750', '1,200'], ['0.02 M', '4.03 M', '–'])
    """
    known = list(values)
    most = _largest(known)
    if most < 100_000:
        return [words.count(value) for value in known]
    unit, name = (1e9, "bn") if most >= 1e9 else (1e6, "M") if most >= 1e6 else (1e3, "k")
    places = 2 if most < 10 * unit else 1 if most < 100 * unit else 0
    return [f"{words.number(v / unit, places)} {name}" if words.finite(v) else words.NOTHING for v in known]


def changes(values: Iterable[Any]) -> list[str]:
    """Return differences of counts with their signs.

    They have one decimal, or none if the largest difference is at least 100.

    Example:
        >>> changes([48.31, -1916.7]), changes([48.31, -0.2])
        (['+48', '−1,917'], ['+48.3', '−0.2'])
    """
    known = list(values)
    return [words.number(value, 0 if _largest(known) >= 100 else 1, sign=True) for value in known]


def shares(values: Iterable[Any]) -> list[str]:
    """Return shares in percent, with one decimal, or up to three if one is close to 0 or 1.

    Example:
        >>> shares([0.0232, 0.9768]), shares([0.00017, 0.99983]), shares([0.5, 0.0, 1.0, None])
        (['2.3%', '97.7%'], ['0.017%', '99.983%'], ['50.0%', '0.0%', '100.0%', '–'])
    """
    known = list(values)
    least = min((min(v, 1 - v) for v in known if words.finite(v) and 0 < v < 1), default=1.0)
    places = 1 if least >= 0.01 else 2 if least >= 0.001 else 3
    return [f"{words.number(100 * v, places)}%" if words.finite(v) else words.NOTHING for v in known]


def _largest(values: Iterable[Any]) -> float:
    """Return the largest absolute value; 0 if there is no number."""
    return max((abs(value) for value in values if words.finite(value)), default=0.0)

"""From the columns of `unit` to the units of rows; each unit is in one group.

Training, evaluation and predictions find the units of rows by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.examples import Examples
from counterpoise.core.units import AGGREGATES, Units
from counterpoise.data.row_metadata import column_codes, joined_groups


def unit_names(unit: Any, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that a user named as the unit: a name, several, or "a,b"; () where values were given.

    Example:
        >>> unit_names("patient,eye", ["patient", "eye"]), unit_names("a,b", ["a,b"]), unit_names(np.zeros(3), [])
        (('patient', 'eye'), ('a,b',), ())
    """
    if isinstance(unit, str):
        known = unit in columns or "," not in unit
        return (unit,) if known else tuple(name.strip() for name in unit.split(","))
    # A list of ten or more texts contains values, one per row, not names of columns.
    named = isinstance(unit, (list, tuple)) and bool(unit) and all(isinstance(name, str) for name in unit)
    return tuple(unit) if named and len(unit) < 10 and set(unit) <= set(columns) else ()


def columns_of_names(*given: Any) -> tuple[str, ...]:
    """Return the columns of groups and units, which are read from a file as text: 1.1 and 1.10 are two patients.

    Args:
        given: Groups and units, as the user named them; values (N,) name no columns.

    Example:
        >>> columns_of_names("patient", "study, eye", None, np.zeros(3))
        ('patient', 'study, eye', 'study', 'eye')
    """
    lists = [[one] if isinstance(one, str) else one for one in given]
    texts = [name for one in lists if isinstance(one, (tuple, list)) and len(one) < 10 for name in one]
    texts = [name for name in texts if isinstance(name, str)]
    parts = [part.strip() for name in texts if "," in name for part in name.split(",")]
    return (*texts, *parts)


def check_aggregate(unit: Any, aggregate: str | None) -> str:
    """Return how probabilities are aggregated, "mean" by default.

    Raises:
        OptionError: another word, or an aggregate without a unit.
    """
    if aggregate is not None and unit is None:
        raise OptionError(
            f"aggregate= is {aggregate!r}, but no unit was given. Name the column of the unit with unit= "
            "(--unit), or remove aggregate=."
        )
    check_choice(aggregate, "aggregate", (None, *AGGREGATES))
    return aggregate or "mean"


def units_of(table: pl.DataFrame, aggregate: str) -> Units:
    """Return the unit of each row: rows with equal values in all columns of `table` are one unit.

    Units are numbered from 0, in the order of their sorted values.

    Raises:
        ColumnError: a row has no value.

    Example:
        >>> units = units_of(pl.DataFrame({"patient": ["a", "a", "b"], "eye": ["l", "r", "l"]}), "mean")
        >>> units.codes.tolist(), units.name
        ([0, 1, 2], 'patient + eye')
    """
    codes = [column_codes(table[name], "unit", "a unit") for name in table.columns]
    joined = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    return Units(joined.astype(np.int64), tuple(table.columns), aggregate)


def with_units(examples: Examples, units: Units | None) -> Examples:
    """Return the rows of weight above 0 with their units; rows of one unit are then also of one group.

    A note says how many units have rows of several classes. A split then keeps them together.

    Raises:
        TargetError: A unit has rows of several classes, and there are more than two classes.
        OptionError: Rows have a class per element or a time, or there are more than two classes and the aggregate is
            not "mean".
    """
    examples = replace(examples, units=units).counted()
    units = examples.units
    if units is None:
        return examples
    if examples.kind == "elements":
        raise OptionError(
            "unit= cannot be used for rows with a class for each pixel or step. Remove unit=. To keep the "
            "rows of a patient together, use groups=."
        )
    if examples.time is not None:
        raise OptionError(
            "unit= and time= cannot be combined, because a unit may have rows before and after a split in "
            "time. Remove one of them."
        )
    several = examples.y.ndim == 1 and len(examples.classes) > 2
    if several and units.aggregate != "mean":
        raise OptionError(
            f"aggregate= is {units.aggregate!r}, which is for two classes or several labels, but there are "
            f'{len(examples.classes)} classes. Use aggregate="mean".'
        )
    mixed = mixed_units(units, examples.y)
    if mixed and several:
        raise TargetError(
            f"{mixed:,} of {len(units):,} units ({units.name}) have rows of several classes. With more than "
            "two classes, all rows of a unit must have the same class. Use one_vs_rest= (--one-vs-rest), or "
            "other units."
        )
    note = (
        f"{mixed:,} of {len(units):,} units ({units.name}) have rows with and without "
        f"{'a label' if examples.y.ndim > 1 else repr(examples.classes[-1])}. A unit is positive if any of its rows "
        f"is positive."
    )
    groups = units.codes if examples.groups is None else joined_groups(examples.groups, units.codes)
    warnings = (*examples.warnings, note) if mixed else examples.warnings
    return replace(examples, groups=groups, warnings=warnings)


def mixed_units(units: Units, y: np.ndarray) -> int:
    """Return how many units have rows of several classes, or rows with and rows without a label."""
    # An unknown label (-1) becomes infinite, so that it is never the lowest of a unit with a known label.
    known = np.where(y < 0, np.inf, y).astype(float)
    lowest, highest = -units.largest(-known), units.labels(y)
    return int((np.isfinite(lowest) & (highest > lowest)).reshape(len(units), -1).any(axis=1).sum())

"""The position of a time stamp in the minute, the hour, the day, the week and the year.

Networks, trees, and the checks for leaks use these positions. Fixed: model files keep the periods and their order, and
NumPy and Keras compute the same positions (`cycle_position`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from counterpoise.core.schema import Schema

Array = np.ndarray

#: Cycle -> its days. A longer or shorter cycle would be another feature: models keep the periods they were trained on.
CYCLES = {"minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "year": 365.2425}
#: Unit of a column -> how many of it make a day, where these are not days.
PER_DAY = {"seconds": 86_400.0}
#: Least number of steps that float32 makes in a cycle for it to be used.
STEPS = 16


def cycles_of(stamps: Array, offset: float, unit: str = "date") -> tuple[float, ...]:
    """Return the periods of the cycles that time stamps cover at least twice, in the unit of the column.

    A cycle in which all stamps have one position is left out. The schema keeps the result (`Column.cycles`), learned
    from training rows.

    Args:
        stamps: float64 (N,), days or seconds since 1970-01-01, NaN for missing.
        offset: What is subtracted before the stamps become float32.
        unit: See `Column.unit`. Of times of day, the day is a cycle though they go through it once.

    Example:
        >>> hours = np.arange(100) / 24.0
        >>> cycles_of(20_000 + hours, 20_000.0)
        (1.0,)
    """
    known = stamps[np.isfinite(stamps)]
    if not len(known):
        return ()
    # The largest step between two neighboring float32 stamps of this column.
    step = float(np.spacing(np.float32(np.abs(known - offset).max())))
    return tuple(
        period
        for period in (days * PER_DAY.get(unit, 1.0) for days in CYCLES.values())
        if (np.ptp(known) >= 2 * period or (unit == "time" and period == 1.0))
        and step <= period / STEPS
        and _position_varies(known, period)
    )


def _position_varies(stamps: Array, period: float) -> bool:
    """Return whether stamps have different positions in a cycle of length `period`, in their unit.

    Differences below 1e-4 of a cycle count as rounding.
    """
    turns = (stamps - stamps[0]) / period
    return bool(np.abs(turns - np.round(turns)).max() > 1e-4)


def cycle_name(period: float, unit: str = "date") -> str:
    """Return the name of a cycle: "minute", "hour", "day", "week" or "year".

    `period` is in the unit of the column, days or seconds; the cycle with the nearest length is named.
    """
    days = period / PER_DAY.get(unit, 1.0)
    return min(CYCLES, key=lambda name: abs(CYCLES[name] - days))


def cycle_columns(schema: Schema) -> list[tuple[int, float]]:
    """Return (position among the numeric columns, period) of each cycle of a table.

    Their order is that of the features in `TableEncoder` and in the matrix of trees.
    """
    return [(j, period) for j, column in enumerate(schema.numeric) for period in column.cycles]


def phases(schema: Schema, numbers: Array) -> Array:
    """Return the positions of time stamps in their cycles, 0 to 1, float32 (N, cycles); NaN for missing.

    Args:
        schema: The columns.
        numbers: `Examples.x["numeric"]`.

    Example:
        >>> from counterpoise.core.schema import Column
        >>> schema = Schema((Column("when", "numeric", unit="date", cycles=(1.0, 7.0)),))
        >>> phases(schema, np.array([[3.5]])).tolist()
        [[0.5, 0.5]]
    """
    turns = [cycle_position(numbers[:, j].astype(np.float32), period) for j, period in cycle_columns(schema)]
    return np.stack(turns, axis=1) if turns else np.empty((len(numbers), 0), np.float32)


def cycle_position(days: Any, period: float, floor: Callable[[Any], Any] = np.floor) -> Any:
    """Return the position of float32 days in their cycle, 0 to 1, in NumPy or, with its `floor`, in Keras.

    Each step is exact in float32, so that no compiler and no runtime gets another position: the day is rounded to a
    third of a second, and the cycles within it divide it. The network's encoder and the layer of trees use it, and
    trees are grown on it.

    Example:
        >>> cycle_position(np.float32([3.5, 7.0]), 7.0).tolist()
        [0.5, 0.0]
    """
    whole = floor(days)
    fraction = floor((days - whole) * 2.0**18 + 0.5) / 2.0**18
    # Weeks and years. Shorter cycles and the day divide a day: the fraction of the day is enough.
    if period > 1:
        return (whole - period * floor(whole / period) + fraction) / period
    turns = fraction * round(1 / period)
    return turns - floor(turns)


def named_parts(schema: Schema, x: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, list[str]]]:
    """Return the arrays of a table, with the positions in its cycles, and the names of their columns.

    Both are by "numeric", "categorical" and, if there are cycles, "cycles"; arrays are (N, columns).
    """
    groups = {key: x[key] for key in ("numeric", "categorical") if key in x}
    names = {"numeric": [c.name for c in schema.numeric], "categorical": [c.name for c in schema.categorical]}
    cycles = cycle_columns(schema)
    if cycles:
        groups["cycles"] = phases(schema, x["numeric"])
        names["cycles"] = [
            f"{schema.numeric[j].name} (position in the {cycle_name(p, schema.numeric[j].unit)})" for j, p in cycles
        ]
    return groups, names

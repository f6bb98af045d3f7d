"""Dates, times of day and durations as numbers of days.

The unit of such columns in model files: days as float64, for dates since 1970-01-01 in UTC.
"""

from __future__ import annotations

import polars as pl

#: Days since 1970-01-01 of the first and last date that Python has (years 1 and 9999).
FIRST_DAY, LAST_DAY = -719_162.0, 2_932_897.0
_DAY_MICROSECONDS = 86_400e6


def unit_of(dtype: pl.DataType) -> str:
    """Return the unit of a column: "date", "time", "duration", or "" for any other type.

    Schemas keep it as `Column.unit`.
    """
    if not dtype.is_temporal():
        return ""
    return "time" if dtype == pl.Time else "duration" if isinstance(dtype, pl.Duration) else "date"


def in_utc(series: pl.Series) -> pl.Series:
    """Return datetimes in microseconds without a time zone.

    Values with a time zone are converted to UTC first. Values without one stay as they are.
    """
    if getattr(series.dtype, "time_zone", None):
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def days(series: pl.Series) -> pl.Series:
    """Return dates, times of day and durations as float64 days.

    A date becomes days since 1970-01-01 (UTC). A time of day is from 0 to 1. Null stays null.

    Example:
        >>> days(pl.Series(["1970-01-03 12:00"]).str.to_datetime()).to_list()
        [2.5]
    """
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / (1000 * _DAY_MICROSECONDS)
    if isinstance(series.dtype, pl.Duration):
        return series.cast(pl.Duration("us")).cast(pl.Int64).cast(pl.Float64) / _DAY_MICROSECONDS
    return in_utc(series).cast(pl.Int64).cast(pl.Float64) / _DAY_MICROSECONDS

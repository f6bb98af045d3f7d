"""Dates, times of day and durations as numbers of days; and text that spells them."""

from __future__ import annotations

import polars as pl

#: Days since 1970-01-01 of the first and last date that Python knows (years 1 and 9999).
FIRST_DAY, LAST_DAY = -719_162.0, 2_932_897.0
#: How a date that begins with the year is written.
DATE = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d:?\d\d)?)?$"
_UNCERTAIN = r"^\d{1,2}[/-]\d{1,2}[/-](\d{4}|\d\d)( .*)?$"
_TIME = r"^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?$"
_SPAN = r"^(?:(?P<days>[+-]?\d+) days?,?)? ?(?:(?P<sign>[+-]?)(?P<h>\d+):(?P<m>[0-5]\d):(?P<s>[0-5]\d(?:\.\d+)?))?$"
_MICROSECONDS = 86_400e6


def unit_of(dtype: pl.DataType) -> str:
    """What numbers of days of this type are: "date", "time", "duration", or "" for what is no date."""
    if not dtype.is_temporal():
        return ""
    return "time" if dtype == pl.Time else "duration" if isinstance(dtype, pl.Duration) else "date"


def in_utc(series: pl.Series) -> pl.Series:
    """Datetimes in microseconds without a time zone; those that have one are instants and turn into UTC."""
    if getattr(series.dtype, "time_zone", None):
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return series.cast(pl.Datetime("us"))


def days(series: pl.Series) -> pl.Series:
    """Dates as float64 days since 1970-01-01 (with a time zone: since midnight UTC); times and durations as days.

    Example:
        >>> days(pl.Series(["1970-01-03 12:00"]).str.to_datetime()).to_list()
        [2.5]
    """
    if series.dtype == pl.Date:
        return series.cast(pl.Int32).cast(pl.Float64)
    if series.dtype == pl.Time:
        return series.cast(pl.Int64).cast(pl.Float64) / (1000 * _MICROSECONDS)
    if isinstance(series.dtype, pl.Duration):
        return series.cast(pl.Duration("us")).cast(pl.Int64).cast(pl.Float64) / _MICROSECONDS
    return in_utc(series).cast(pl.Int64).cast(pl.Float64) / _MICROSECONDS


def is_iso_date(text: pl.Series) -> bool:
    """Whether every value is a date that begins with the year, as 2024-12-31 or 2024-12-31 23:59:59.

    Example:
        >>> is_iso_date(pl.Series(["2024-12-31", None])), is_iso_date(pl.Series(["2024-13-31"]))
        (True, False)
    """
    known = text.drop_nulls()
    if not len(known) or not known.head(10).str.contains(DATE).all() or not known.str.contains(DATE).all():
        return False
    return parse_dates(known).null_count() == 0


def parse_dates(text: pl.Series) -> pl.Series:
    """Dates as datetimes in microseconds, in UTC where they name an offset; null for other text.

    The year comes first, or points stand between day, month and year.

    Example:
        >>> parse_dates(pl.Series(["2024-12-31", "31.12.2024 08:15", "12/31/2024"])).dt.to_string().to_list()
        ['2024-12-31 00:00:00.000000', '2024-12-31 08:15:00.000000', None]
    """
    spelled = text.str.strip_chars().str.replace(r"^(\d{4})/(\d\d)/(\d\d)", "$1-$2-$3")
    spelled = spelled.str.replace(r"^(\d)\.", "0$1.").str.replace(r"^(\d\d)\.(\d)\.", "$1.0$2.")
    spelled = spelled.str.replace(r"^(\d\d)\.(\d\d)\.(\d{4})", "$3-$2-$1")
    spelled = spelled.str.replace(r"(\d) ?([+-]\d\d):?(\d\d)$", "$1$2:$3")
    spelled = spelled.set(~spelled.str.contains(DATE).fill_null(False), None)
    zoned = spelled.str.contains(r"\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$").fill_null(False)
    if not zoned.any():
        return _datetimes(spelled)
    with_zone, without = spelled.set(~zoned, None), spelled.set(zoned, None)
    return _datetimes(with_zone).zip_with(zoned, _datetimes(without))


def _datetimes(text: pl.Series) -> pl.Series:
    try:
        return in_utc(text.str.to_datetime(strict=False))
    except pl.exceptions.ComputeError:  # no value looks like a date
        return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))


def are_uncertain(text: pl.Series) -> bool:
    """Whether most values are dates whose order of day and month is not certain, such as 03/04/2024."""
    return bool((text.str.contains(_UNCERTAIN).mean() or 0.0) > 0.5)  # type: ignore[operator]


def parse_times(text: pl.Series) -> pl.Series:
    """Times of day as 14:35 or 14:35:59.25; null where the text is none.

    Example:
        >>> parse_times(pl.Series(["7:05", "24:00"])).to_list()
        [datetime.time(7, 5), None]
    """
    spelled = text.str.strip_chars()
    spelled = spelled.set(~spelled.str.contains(_TIME).fill_null(False), None).str.pad_start(1)
    full = spelled.str.replace(r"^(\d):", "0$1:").str.replace(r"^(\d\d:\d\d)$", "$1:00")
    return full.str.to_time("%H:%M:%S%.f", strict=False)


def parse_durations(text: pl.Series) -> pl.Series:
    """Durations as Python and pandas write them, 36:00:00 or -1 days +03:30:00; null where the text is none.

    Example:
        >>> parse_durations(pl.Series(["1 day, 0:30:00", "-1 days +23:00:00", "soon"])).to_list()
        [datetime.timedelta(days=1, seconds=1800), datetime.timedelta(days=-1, seconds=82800), None]
    """
    parts = text.str.strip_chars().str.extract_groups(_SPAN).struct.unnest()
    days, hours, minutes, seconds = (parts[name].cast(pl.Float64).fill_null(0.0) for name in ("days", "h", "m", "s"))
    clock = hours * 3600 + minutes * 60 + seconds
    signed = clock.zip_with((parts["sign"] != "-").fill_null(True), -clock)
    spelled = parts["days"].is_not_null() | parts["s"].is_not_null()
    micros = ((days * 86_400 + signed) * 1e6).round(0).cast(pl.Int64)
    return micros.set(~spelled, None).cast(pl.Duration("us")).alias(text.name)

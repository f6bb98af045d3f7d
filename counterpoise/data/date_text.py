"""Text that spells dates, times of day and durations -> values of these types.

Dates are read where day, month and year are certain: the year comes first, points stand between them, or the month has
its English name. Between slashes, a day above 12 anywhere in the column decides whether day or month comes first.

Training, new rows and times read by it. A change of what is read changes how saved models read their columns.
"""

from __future__ import annotations

import re

import polars as pl

from counterpoise.data.dates import in_utc

#: How a date that begins with the year is written. CSV columns with such dates alone are dates.
DATE = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d:?\d\d)?)?$"
_MONTHS = (
    "jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?",
    "sept?(?:ember)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?",
)  # fmt: skip
_MONTH_NUMBERS = {pattern[:3]: f"{number:02d}" for number, pattern in enumerate(_MONTHS, 1)}
_MONTH, _DAY, _YEAR = rf"(?P<month>{'|'.join(_MONTHS)})\.?", r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\.?", r"(?P<year>\d{4})"
_WEEKDAY, _REST = (
    r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? )?",
    r"(?:[T,]? ?(?P<rest>\d.*))?",
)
#: Dates with the name of the month, in small letters.
_DATES_WITH_MONTH_NAME = (
    rf"^{_WEEKDAY}{_DAY}[ -]?(?:of )?{_MONTH}[ ,-]{{0,2}}{_YEAR}{_REST}$",
    rf"^{_WEEKDAY}{_MONTH}[ -]{_DAY}(?:, ?| |-){_YEAR}{_REST}$",
    rf"^{_YEAR}[ -]{_MONTH}[ -]{_DAY}{_REST}$",
)
_MONTH_NAME = rf"(?i)(^|[^a-z])(?:{'|'.join(_MONTHS)})([^a-z]|$)"
_SHORT_YEAR = rf"(?i:\d{{1,2}}[ -](?:{'|'.join(_MONTHS)})\.?[ -]\d\d|(?:{'|'.join(_MONTHS)})\.? \d{{1,2}}, ?\d\d)"
#: Dates in which two numbers come before the year.
_SLASHES = r"^(?P<first>\d{1,2})[/-](?P<second>\d{1,2})[/-](?P<year>\d{4})(?:,? (?P<rest>\d.*))?$"
_DOTTED_SHORT_YEAR = r"((0?[1-9]|[12]\d|3[01])\.(0?[1-9]|1[0-2])|(0?[1-9]|1[0-2])\.(0?[1-9]|[12]\d|3[01]))\.\d\d"
_UNCERTAIN = rf"^(\d{{1,2}}[/-]\d{{1,2}}[/-](\d{{4}}|\d\d)|{_DOTTED_SHORT_YEAR}|{_SHORT_YEAR})(,? .*)?$"
_WITHOUT_CENTURY = rf"^(\d{{1,2}}[./-]\d{{1,2}}[./-]\d\d|{_SHORT_YEAR})([, ].*)?$"
#: A day anywhere in text, of any order.
_ANY_DATE = rf"\d{{4}}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{{4}}|{_MONTH_NAME}.*\d"
_HALF_DAY = r"(?i)^(?P<date>.*? )?(?P<h>\d{1,2})(?P<m>:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?)? ?(?P<half>[ap])\.?m\.?$"
#: ISO 8601 without signs: 20241231T235959.
_COMPACT = r"^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)"
_TIME = r"^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?$"
_DURATION = r"^(?:(?P<days>[+-]?\d+) days?,?)? ?(?:(?P<sign>[+-]?)(?P<h>\d+):(?P<m>[0-5]\d):(?P<s>[0-5]\d(?:\.\d+)?))?$"
#: What dates, times and durations have in common, and other text mostly lacks (see `kinds.read_text`).
STAMP = rf"\d{{4}}[-/]\d\d|\d{{8}}T\d|\d\.\d{{1,2}}\.\d{{4}}|:|day|(?i:\d ?[ap]\.?m\.?$)|{_MONTH_NAME}"


def is_iso_date(text: pl.Series) -> bool:
    """Return whether every value is null or a date such as 2024-12-31 23:59:59.

    The date begins with the year, and the time may be missing. The result is False if all values are null.

    Example:
        >>> is_iso_date(pl.Series(["2024-12-31", None])), is_iso_date(pl.Series(["2024-13-31"]))
        (True, False)
    """
    # The first ten values are tested first, because most other text ends there.
    known = text.drop_nulls()
    if not len(known) or not known.head(10).str.contains(DATE).all() or not known.str.contains(DATE).all():
        return False
    return parse_dates(known).null_count() == 0


def have_uncertain_order(text: pl.Series) -> bool:
    """Return whether most values are dates whose order of day and month is uncertain, such as 03/04/2024."""
    return bool((text.str.contains(_UNCERTAIN).mean() or 0.0) > 0.5)  # type: ignore[operator]


def lacks_century(text: str) -> bool:
    """Return whether a date has a year of two digits, such as 31.12.24 or 31-Dec-24.

    Example:
        >>> lacks_century("31-Dec-24"), lacks_century("12/31/24"), lacks_century("31.12.2024")
        (True, True, False)
    """
    return re.match(_WITHOUT_CENTURY, text) is not None


def contain_dates(text: pl.Series) -> bool:
    """Return whether more than half of the values contain a date, in any spelling."""
    return bool((text.str.contains(_ANY_DATE).mean() or 0.0) > 0.5)  # type: ignore[operator]


def date_order(text: pl.Series) -> str:
    """Return "month first" or "day first" where a day above 12 decides it for a column; "" where nothing does.

    Example:
        >>> date_order(pl.Series(["03/04/2024", "12/31/2024"])), date_order(pl.Series(["03/04/2024"]))
        ('month first', '')
    """
    numbers = text.str.extract_groups(_SLASHES).struct.unnest().select(pl.col("first", "second").cast(pl.Int64))
    first, second = (int(numbers[name].max() or 0) for name in ("first", "second"))  # type: ignore[arg-type]
    if first <= 12 < second <= 31:
        return "month first"
    return "day first" if second <= 12 < first <= 31 else ""


def parse_dates(text: pl.Series, order: str = "") -> pl.Series:
    """Read dates as datetimes in microseconds, in UTC where they name an offset; null for other text.

    Args:
        text: See the module.
        order: Of dates such as 12/31/2024: "month first" or "day first"; "": these are not read.

    Example:
        >>> dates = pl.Series(["2024-12-31", "31.12.2024 08:15", "Dec 31, 2024 8:15 PM", "12/31/2024"])
        >>> parse_dates(dates).dt.to_string("%Y-%m-%d %H:%M").to_list()
        ['2024-12-31 00:00', '2024-12-31 08:15', '2024-12-31 20:15', None]
        >>> parse_dates(dates.tail(1), "month first").dt.to_string("%Y-%m-%d").to_list()
        ['2024-12-31']
    """
    spelled = _rewritten_year_first(_rewritten_in_24_hours(text.str.strip_chars()), order)
    # 2024/12/31 -> 2024-12-31.
    spelled = spelled.str.replace(r"^(\d{4})/(\d\d)/(\d\d)", "$1-$2-$3")
    # 20241231T2359 -> 2024-12-31 23:59:00.
    if spelled.str.contains(_COMPACT).any():
        spelled = spelled.str.replace(_COMPACT, "$1-$2-$3 $4:$5:").str.replace(r"(:\d\d:)(\D|$)", "${1}00$2")
    # 1.2.2024 8:15 -> 01.02.2024 8:15 -> 2024-02-01 08:15.
    spelled = spelled.str.replace(r"^(\d)\.", "0$1.").str.replace(r"^(\d\d)\.(\d)\.", "$1.0$2.")
    spelled = spelled.str.replace(r"^(\d\d)\.(\d\d)\.(\d{4})", "$3-$2-$1").str.replace(r"^(.{10}[T ])(\d:)", "${1}0$2")
    # 08:15 +0100 -> 08:15+01:00, and 08:15 UTC -> 08:15Z.
    spelled = spelled.str.replace(r"(\d) ?([+-]\d\d):?(\d\d)$", "$1$2:$3").str.replace(
        r"(:\d\d) ?(?:GMT|UTC|gmt|utc)$", "${1}Z"
    )
    # All other text becomes null.
    spelled = spelled.set(~spelled.str.contains(DATE).fill_null(False), None)
    zoned = spelled.str.contains(r"\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$").fill_null(False)
    if not zoned.any():
        return _parse_iso_dates(spelled)
    # polars reads a series of dates either with offsets or without them, so the two kinds are read separately.
    with_zone, without = spelled.set(~zoned, None), spelled.set(zoned, None)
    return _parse_iso_dates(with_zone).zip_with(zoned, _parse_iso_dates(without))


def _rewritten_year_first(text: pl.Series, order: str) -> pl.Series:
    """Return text in which dates with named months begin with the year.

    With an `order` (see `parse_dates`), dates with slashes are rewritten too. Other text stays as it is.
    """
    if text.str.contains(_MONTH_NAME).any():
        small = text.str.to_lowercase()
        for pattern in _DATES_WITH_MONTH_NAME:
            text = _iso_text(text, small.str.extract_groups(pattern).struct.unnest())
    if order:
        dates = text.str.extract_groups(_SLASHES).struct.unnest()
        names = {"first": "month", "second": "day"} if order == "month first" else {"first": "day", "second": "month"}
        text = _iso_text(text, dates.rename(names))
    return text


def _iso_text(text: pl.Series, dates: pl.DataFrame) -> pl.Series:
    """Return the dates as text such as 2024-12-31 08:15, and the old text where a date is null.

    `dates` has the text columns year, month (name or number), day and rest (the time of day, or null).
    """
    months = dates["month"].str.slice(0, 3).replace(_MONTH_NUMBERS).str.zfill(2)
    rest = (" " + dates["rest"]).fill_null("").str.replace(r" (gmt|utc)$", "Z").str.replace("z$", "Z")
    whole = dates["year"] + "-" + months + "-" + dates["day"].str.zfill(2) + rest
    return whole.zip_with(whole.is_not_null(), text).alias(text.name)


def _rewritten_in_24_hours(text: pl.Series) -> pl.Series:
    """Return text in which hours with AM or PM are 0 to 23: "12 AM" becomes "00:00".

    Other text, and hours that are not 1 to 12, stay as they are.
    """
    if not text.str.contains(r"(?i)\d ?[ap]\.?m\.?$").any():
        return text
    groups = text.str.extract_groups(_HALF_DAY).struct.unnest()
    hours = groups["h"].cast(pl.Int64)
    hours = hours.set(~hours.is_between(1, 12).fill_null(False), None) % 12
    hours = hours.zip_with(groups["half"].str.to_lowercase() != "p", hours + 12)
    whole = groups["date"].fill_null("") + hours.cast(pl.String).str.zfill(2) + groups["m"].fill_null(":00")
    return whole.zip_with(whole.is_not_null(), text).alias(text.name)


def _parse_iso_dates(text: pl.Series) -> pl.Series:
    """Read ISO dates as datetimes in microseconds, in UTC where they name an offset.

    Other text becomes null.
    """
    try:
        return in_utc(text.str.to_datetime(strict=False))
    except pl.exceptions.ComputeError:  # no value looks like a date
        return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))


def parse_times(text: pl.Series) -> pl.Series:
    """Read times of day such as 14:35, 14:35:59.25 or 2:35 PM; null where the text is none.

    Example:
        >>> parse_times(pl.Series(["7:05", "12 AM", "24:00"])).to_list()
        [datetime.time(7, 5), datetime.time(0, 0), None]
    """
    spelled = _rewritten_in_24_hours(text.str.strip_chars())
    spelled = spelled.set(~spelled.str.contains(_TIME).fill_null(False), None).str.pad_start(1)
    full = spelled.str.replace(r"^(\d):", "0$1:").str.replace(r"^(\d\d:\d\d)$", "$1:00")
    return full.str.to_time("%H:%M:%S%.f", strict=False)


def parse_durations(text: pl.Series) -> pl.Series:
    """Read durations as Python and pandas write them, 36:00:00 or -1 days +03:30:00; null where the text is none.

    Example:
        >>> parse_durations(pl.Series(["1 day, 0:30:00", "-1 days +23:00:00", "soon"])).to_list()
        [datetime.timedelta(days=1, seconds=1800), datetime.timedelta(days=-1, seconds=82800), None]
    """
    groups = text.str.strip_chars().str.extract_groups(_DURATION).struct.unnest()
    days, hours, minutes, seconds = (groups[name].cast(pl.Float64).fill_null(0.0) for name in ("days", "h", "m", "s"))
    clock = hours * 3600 + minutes * 60 + seconds
    signed = clock.zip_with((groups["sign"] != "-").fill_null(True), -clock)
    spelled = groups["days"].is_not_null() | groups["s"].is_not_null()
    micros = ((days * 86_400 + signed) * 1e6).round(0).cast(pl.Int64)
    return micros.set(~spelled, None).cast(pl.Duration("us")).alias(text.name)

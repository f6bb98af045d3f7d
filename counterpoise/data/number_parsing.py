"""Text in a known number format -> numbers; and whether points may separate thousands.

Training and prediction read text by the same functions. Schemas keep the format (`TextFormat`), so a column of a saved
model has to be read as before.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import polars as pl

from counterpoise.core.schema import TextFormat

_CODES = """usd eur gbp chf jpy cny rmb inr aud cad nzd sek nok dkk isk pln czk huf ron bgn uah rub try brl mxn ars clp
cop zar egp ils aed sar thb idr myr php vnd krw twd hkd sgd pkr rs kr fr fr. zł kč ft lei""".split()
#: What stands around a number, signs only: of numbers above 0 and below.
_POSITIVE, _NEGATIVE = ("", "+"), ("-", "()")
#: A unit of at least so many letters is one with and without a final s: 1 year, 2 years.
LEAST_PLURAL = 3
#: Other characters for an apostrophe and a minus sign; these, and blanks other than one space.
_QUOTES, _DASHES, _ODD = r"[’ʼ´`]", r"[−–‒—]", r"  |[^\S ]|[’ʼ´`−–‒—]"
#: Prices without cents: 12.-, 12,-- and 12.— are 12.
_NO_CENTS = r"([0-9])[.,]-{1,2}([^0-9]*)$"
#: Numbers whose points may separate decimals or thousands.
_GROUPS = r"^[+-]?(0|[1-9][0-9]{0,2}(\.[0-9]{3})?)$"

#: Signs of other scripts -> those of programs: the marks of Arabic, and the full-width signs of East Asian texts.
_SIGNS = {"٫": ".", "٬": ",", "\uff0e": ".", "\uff0c": ",", "\uff0d": "-", "\uff0b": "+"}
#: Digits and signs of other scripts.
_FOREIGN = rf"[\p{{Nd}}{''.join(_SIGNS)}--0-9]"


@cache
def _western_counterparts() -> dict[str, str]:
    """Return each digit and sign of other scripts -> the one of programs."""
    digits = (c for c in map(chr, range(128, 0x20000)) if unicodedata.category(c) == "Nd")
    return {c: str(unicodedata.digit(c)) for c in digits} | _SIGNS


def western_digits(text: pl.Series) -> pl.Series:
    """Return text with the digits 0 to 9, and the signs beside them, in place of those of other scripts.

    Example:
        >>> western_digits(pl.Series(["٣٫٥"])).to_list()
        ['3.5']
    """
    return text.str.replace_many(_western_counterparts()) if text.str.contains(_FOREIGN).any() else text


def plain_numbers(text: pl.Series) -> pl.Series:
    """Return numbers as programs write them (12, -0.5, 1e3) as a numeric series; other text and NaN become null.

    The result is Int64 or Int128 if all numbers are whole, else Float64.
    """
    text = western_digits(text)
    for kind in (pl.Int64, pl.Int128):
        whole = text.cast(kind, strict=False)
        if whole.null_count() == text.null_count():
            return whole
    return text.cast(pl.Float64, strict=False).fill_nan(None)


def grouped_by_points(text: pl.Series) -> pl.Series:
    """Return for each value whether its points may separate thousands, as a boolean series.

    It is True for whole numbers below 1,000 without a point, and for null.

    Example:
        >>> grouped_by_points(pl.Series(["1.200", "950", "1.25", "0.125", None])).to_list()
        [True, True, False, False, True]
    """
    return text.str.contains(_GROUPS).fill_null(True)


def may_be_thousands(text: pl.Series) -> bool:
    """Return whether a column may contain whole numbers with points between thousands, such as 950 and 1.200.

    It does not if a number is like 1.25, or if every number has a point. Such numbers are read as decimals, as programs
    write them.

    Example:
        >>> may_be_thousands(pl.Series(["1.200", "950"])), may_be_thousands(pl.Series(["1.200", "1.950"]))
        (True, False)
    """
    points = text.str.contains(r"\.")
    return bool(points.any() and not points.all() and grouped_by_points(text).all())


def is_plain(written: TextFormat) -> bool:
    """Return whether a format is that of programs: a decimal point, no separator, no unit."""
    return (written.decimal, written.group, written.affix) == (".", "", "")


def parse_numbers(text: pl.Series, written: TextFormat) -> pl.Series:
    """Return text in one format as float64; text that does not follow the format becomes null.

    Example:
        >>> parse_numbers(pl.Series(["1.234,5 €", "(12)", "x"]), TextFormat(",", ".", "€")).to_list()
        [1234.5, -12.0, None]
    """
    return parse_normal(normal_text(text), written, text)


def parse_normal(normal: pl.Series, written: TextFormat, text: pl.Series) -> pl.Series:
    """Return numbers as `parse_numbers` does, from text that is normal already.

    Args:
        normal: `normal_text(text)`, which callers with several formats compute once.
        written: The format.
        text: The original text. Only plain numbers that `normal` cannot give, such as inf, are read from it.
    """
    before, after = _affix_patterns(written)
    column = pl.col("text")
    fitting = pl.when(column.str.contains(number_pattern(written))).then(column)
    frame = normal.to_frame("text").select(fitting)
    # Replacing is several times as fast as taking the groups of the pattern.
    number = column.str.replace(rf"^[(+-]? ?{before}[(+-]? ?", "").str.replace(rf" ?[)-]? ?{after} ?[)-]?$", "")
    if written.group:
        number = number.str.replace_all(written.group, "", literal=True)
    if written.decimal != ".":
        number = number.str.replace(written.decimal, ".", literal=True)
    values = frame.select(number.cast(pl.Float64, strict=False))["text"]
    if frame["text"].str.contains(r"[()+-]").any():
        signs = frame["text"].str.replace(r"e[+-]?[0-9]+", "").str.replace_all(r"[^()+-]", "")
        # Other combinations of signs, such as "--" or "(-", are not numbers.
        values = values.set(~signs.is_in([*_POSITIVE, *_NEGATIVE]).fill_null(True), None)
        values = values.zip_with(~signs.is_in(_NEGATIVE).fill_null(False), -values)
    values = values.alias(text.name)
    if not is_plain(written) or values.null_count() == text.null_count():
        return values
    return values.zip_with(values.is_not_null(), text.cast(pl.Float64, strict=False))  # inf


def normal_text(text: pl.Series) -> pl.Series:
    """Return text in lower case with one kind of digit, blank, apostrophe and minus sign."""
    text = western_digits(text)
    if text.str.contains(_ODD).any():
        for pattern, by in ((r"\s+", " "), (_QUOTES, "'"), (_DASHES, "-")):
            text = text.str.replace_all(pattern, by)
    if text.str.contains(_NO_CENTS).any():
        text = text.str.replace(_NO_CENTS, "$1$2")
    normal = pl.col("text").str.strip_chars().str.to_lowercase()
    return text.to_frame("text").select(normal)["text"].alias(text.name)


def is_signed_number(match: re.Match[str]) -> bool:
    """Return whether the signs around a number are valid together: none, "+", "-", or "()".

    `match` is a match of `number_pattern`.
    """
    return "".join(match.group("a", "b", "c", "d")) in (*_POSITIVE, *_NEGATIVE)


@cache
def number_pattern(written: TextFormat) -> str:
    """Return the regular expression of a number in a format, for `normal_text`.

    Its groups are n, the number without unit, and a, b, c and d, the signs and brackets before and after it.
    `parse_normal` and `number_formats` read by it alike.
    """
    point, group = re.escape(written.decimal), re.escape(written.group)
    if group:
        whole = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+"
        if written.group == ",":  # 12,34,567 in South Asia
            whole = rf"[1-9][0-9]?(?:,[0-9][0-9])+,[0-9]{{3}}|{whole}"
    exponent = r"(?:e[+-]?[0-9]+)?"  # programs write it, and they group no thousands
    number = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+){exponent}"
    number = rf"(?:{whole})(?:{point}[0-9]*)?|{number}" if group else number
    before, after = _affix_patterns(written)
    return rf"^(?P<a>[(+-]?) ?{before}(?P<b>[(+-]?) ?(?P<n>{number}) ?(?P<c>[)-]?) ?{after} ?(?P<d>[)-]?)$"


def _affix_patterns(written: TextFormat) -> tuple[str, str]:
    """Return the regular expressions of the unit before and after a number.

    A currency may stand on either side or be absent. Any other unit must follow the number. Both patterns are empty if
    the format has no unit.
    """
    if not written.affix:
        return "", ""
    affix = re.escape(written.affix) + (r"s?\.?" if len(written.affix) >= LEAST_PLURAL else r"\.?")
    return (f"(?:{affix} ?)?", f"(?:{affix})?") if is_currency(written.affix) else ("", f"(?:{affix})")


@cache
def is_currency(affix: str) -> bool:
    """Return whether an affix in lower case is a sign or code of a currency, which may be left out.

    Example:
        >>> is_currency("€"), is_currency("chf"), is_currency("kg")
        (True, True, False)
    """
    kinds = [unicodedata.category(character) for character in affix]
    sign = 0 < len(kinds) <= 4 and kinds[-1] == "Sc" and all(kind[0] == "L" for kind in kinds[:-1])
    return sign or affix in _CODES

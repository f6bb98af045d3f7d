"""Which format the numbers of a text column follow: signs between digits, and the unit or currency around them.

A format depends on the shape of a value alone: "$1,234.50" and "$5,678.91" have one shape. So a column is counted by
shape, and each format is tried on the few shapes. The format is chosen by the rows to learn from. The schema keeps it
(`Column.written`), and new rows are parsed by it (`number_parsing`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import polars as pl

from counterpoise.core.schema import TextFormat
from counterpoise.data.number_parsing import (
    LEAST_PLURAL,
    is_currency,
    is_plain,
    is_signed_number,
    may_be_thousands,
    normal_text,
    number_pattern,
    parse_numbers,
)
from counterpoise.data.stray_words import FEW_NUMBERS, FILLERS, MOSTLY, PARTLY

#: Distinct values on which a format is chosen.
MOST_LOOKED_AT = 20_000

#: One letter behind a number that is a unit rather than part of a code such as 12A.
_SHORT_UNITS = tuple("gmlshdkwvtyf")
_LETTER, _SIGN = r"[^\W\d_]", r"[^\w\s\d.,'()+-]"
_AFFIXED_NUMBER = re.compile(
    rf"[(+-]?\s?(?P<before>(?:{_LETTER}|{_SIGN}|\.){{0,6}}?)\s?[(+-]?\s?"
    r"(?P<number>[\d.,' ]*?\d[.,]?(?:[eE][+-]?\d+)?)"
    rf"\s?[)-]?\s?(?P<after>(?:{_LETTER}|{_SIGN}|[.²³]){{0,12}})\s?[)-]?"
)
_BEHIND = frozenset("%‰°µ²³/.")
_DIGITS = str.maketrans("12345678", "99999999")
_LATER_DIGIT = re.compile(r"(?<=[0-9])[0-9]")
_DIGIT = re.compile(r"[0-9]")
#: Text around one number with decimals, such as ~12.50.
_DECIMAL = r"^[^0-9]{0,12}(?:[0-9]{1,3}(?:[,' .][0-9]{3})+|[0-9]+)[.,][0-9]+(?:[^0-9.,][^0-9]{0,12})?$"
#: The number alone.
_BARE_NUMBER = r"^[^0-9]*([0-9][0-9.,' ]*?)[^0-9]*$"
#: A fraction that no program writes, unless it writes one in each value.
_PADDED = r"\.[0-9]{2}0$"
#: What polars reads as a number without digits.
_INFINITE = re.compile(r"[+-]?(inf|infinity|nan)")


class _Shape(NamedTuple):
    """The shape of some values: what stands before and behind their number."""

    before: str
    number: str
    after: str


def number_format(text: pl.Series, normal: pl.Series) -> tuple[TextFormat | None, str]:
    """Return the format of most values, and what is not sure about it or ""; None: no format fits half of them.

    Args:
        text: Values, null for missing.
        normal: Their `normal_text`.
    """
    if len(text) <= MOST_LOOKED_AT:
        rows = _rows_by_shape(normal.drop_nulls(), None)
    else:
        counts = _distinct_values(text)
        rows = _rows_by_shape(normal_text(counts["text"]), counts["n"].to_list())
    numeric = [(shape, n) for text_shape, n in rows.items() if (shape := _split_shape(text_shape)) is not None]
    if sum(n for _, n in numeric) < PARTLY * (sum(rows.values()) - _filler_rows(rows)):
        return None, _embedded_doubt(text, normal)
    affix, doubt = _common_affix(numeric)
    if affix is None:
        return None, doubt
    formats = _candidate_formats([shape.number for shape, _ in numeric], affix)
    bare = normal.str.extract(_BARE_NUMBER)
    thousands = may_be_thousands(bare)
    if thousands and bare.str.contains(_PADDED).any():
        # Few programs write fractions such as .250, so the point rather separates thousands: try those formats first.
        formats = formats[::-1]
    ranked = [(_numbers_in_format(rows, one), one) for one in formats]
    most = max(sum(rows[shape] for shape in numbers) for numbers, _ in ranked)
    # All formats that read the most rows. The first is taken, the others may make it ambiguous.
    leading = [(numbers, one) for numbers, one in ranked if sum(rows[shape] for shape in numbers) == most]
    numbers, written = leading[0]
    if written == TextFormat() and not thousands:  # as programs write numbers
        return written, ""
    others = [other for theirs, other in leading[1:] if any(numbers[s] != theirs[s] for s in numbers.keys() & theirs)]
    return written, next(filter(None, (_ambiguity_doubt(text, written, other) for other in others)), "")


def _filler_rows(rows: Counter[str]) -> int:
    """Return the number of rows of words without a digit, which may stand for missing values.

    The result is 0 if there are more than `FILLERS` such words.
    """
    words = [n for shape, n in rows.items() if not _DIGIT.search(shape)]
    return sum(words) if len(words) <= FILLERS else 0


def _embedded_doubt(text: pl.Series, normal: pl.Series) -> str:
    """Return a doubt if many values of a text are a decimal number and more, otherwise "".

    The doubt completes "Column NAME ". There is none if there are few distinct values.
    """
    decimal = normal.str.contains(_DECIMAL).fill_null(False)
    if decimal.sum() < PARTLY * (len(text) - text.null_count()) or text.n_unique() <= FEW_NUMBERS:
        return ""
    example = text[int(decimal.arg_max() or 0)]
    return f"is read as text although its values contain numbers, for example {example!r}. Write only the numbers."


def _distinct_values(text: pl.Series) -> pl.DataFrame:
    """Return the distinct values, `text`, and how often each occurs, `n`.

    Of more than `MOST_LOOKED_AT` values, about that many are taken at regular steps of their order.
    """
    counts = text.drop_nulls().alias("text").value_counts(name="n").sort("text")
    step = -(-len(counts) // MOST_LOOKED_AT)
    return counts.gather_every(step) if step > 1 else counts


def _rows_by_shape(normal: pl.Series, weights: Sequence[int] | None) -> Counter[str]:
    """Return the number of rows of each shape: digits become 9, except a 0 that begins a number.

    `weights` are the rows of each value; None: one row each.
    """
    texts = "\n".join(normal.to_list()).translate(_DIGITS).split("\n")  # at once, which is several times as fast
    rows = Counter(texts)
    if weights is not None:
        rows = Counter()
        for text, n in zip(texts, weights, strict=True):
            rows[text] += n
    shapes: Counter[str] = Counter()
    for text, n in rows.items():
        shapes[_LATER_DIGIT.sub("9", text)] += n
    return shapes


def _split_shape(shape: str) -> _Shape | None:
    """Return the number of a shape and the text around it; None: not one number with a unit."""
    match = _AFFIXED_NUMBER.fullmatch(shape)
    if match is None:
        return None
    before, number, after = match["before"], match["number"], match["after"]
    if not all(_is_letter_or(c, ".") for c in before) or not all(_is_letter_or(c, _BEHIND) for c in after):
        return None
    money = is_currency(before) and (not after or is_currency(after))
    return _Shape(before, number, after) if not before or money else None


def _is_letter_or(character: str, others: Iterable[str]) -> bool:
    """Return whether a character is a letter, a currency sign, or one of `others`."""
    kind = unicodedata.category(character)
    return kind[0] == "L" or kind == "Sc" or character in others


def _common_affix(numeric: list[tuple[_Shape, int]]) -> tuple[str | None, str]:
    """Return the currency or unit of the numbers and "", or None and the reason.

    The unit is "" if almost all numbers are bare. The reason is "" for a letter that is no unit, as in codes like 12A.
    """
    rows: Counter[str] = Counter()
    for shape, n in numeric:
        for affix in filter(None, (shape.before, shape.after)) if shape.before + shape.after else ("",):
            rows[_singular(affix.rstrip("."))] += n
    # An affix on at most so few rows is noise. A unit allows at most so few numbers without it.
    few = (1 - MOSTLY) * sum(rows.values())
    bare = rows.pop("", 0)
    units = [affix for affix, n in sorted(rows.items(), key=lambda item: (item[1], item[0])) if n > few][::-1]
    if not units:
        return "", ""
    if len(units) > 1:
        shown = ", ".join(map(repr, units[:3]))
        return None, f"is read as text because its numbers have several units ({shown}). Write them in one unit."
    if is_currency(units[0]):
        return units[0], ""
    if len(units[0]) == 1 and units[0].isalpha() and units[0] not in _SHORT_UNITS:
        return None, ""
    if bare > few:
        return None, (
            f"is read as text because {rows[units[0]]:,} of its numbers are followed by {units[0]!r} and "
            f"{bare:,} are not. Write all numbers in the same way."
        )
    return units[0], ""


def _singular(affix: str) -> str:
    """Return a unit without the s of its plural; a currency or short unit is unchanged."""
    short = affix.removesuffix("s")
    return short if len(short) >= LEAST_PLURAL and not is_currency(affix) else affix


def _candidate_formats(numbers: Iterable[str], affix: str) -> list[TextFormat]:
    """Return the formats that the signs among the digits allow, preferred ones first."""
    numbers = list(numbers)
    seen = [sign for sign in (",", ".", " ", "'") if any(sign in number for number in numbers)]
    pairs = product((".", ","), ("", *seen))
    return [TextFormat(point, group, affix) for point, group in pairs if point != group]


def _numbers_in_format(shapes: Iterable[str], written: TextFormat) -> dict[str, str]:
    """Return shape -> the number as programs write it, for each shape that is a number in a format."""
    pattern, numbers = re.compile(number_pattern(written)), dict[str, str]()
    for shape in shapes:
        match = pattern.fullmatch(shape)
        if match is not None and is_signed_number(match):
            number = match["n"].replace(written.group, "") if written.group else match["n"]
            numbers[shape] = number.replace(written.decimal, ".").rstrip(".")
        elif is_plain(written) and _INFINITE.fullmatch(shape):
            numbers[shape] = shape
    return numbers


def _ambiguity_doubt(text: pl.Series, written: TextFormat, other: TextFormat) -> str:
    """Return a doubt if `other` reads other numbers than `written`, otherwise ""."""
    texts = _distinct_values(text)["text"]
    values, others = parse_numbers(texts, written), parse_numbers(texts, other)
    rows = (values != others).fill_null(False).arg_true()
    if not len(rows):
        return ""
    row = rows[0]
    return (
        f"is ambiguous: {texts[row]!r} is read as {values[row]:.12g}, but could also be {others[row]:.12g}. Write "
        f"numbers without a thousands separator and with a decimal point."
    )

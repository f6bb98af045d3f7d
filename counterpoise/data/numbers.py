"""Numbers as people write them in text: which convention a column follows, and its values.

A column is read as numbers where one convention fits nearly all of its values: "$1,234.50", "1.234,50 €", "12 %",
"(1,234)" for a negative amount, "70 kg". What is no number then counts as missing. Digits that begin with 0 (zip
codes, telephone numbers) are codes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import product

import polars as pl

from counterpoise.core.schema import NumberFormat
from counterpoise.data.cells import clean, has_codes
from counterpoise.data.stray_words import MOSTLY, PARTLY, Read, with_words

#: Decimal mark, group mark and affix of numbers as programs write them.
PLAIN = (".", "", "")
#: Distinct values on which a convention is chosen.
MOST_LOOKED_AT = 20_000

_CODES = """usd eur gbp chf jpy cny rmb inr aud cad nzd sek nok dkk isk pln czk huf ron bgn uah rub try brl mxn ars clp
cop zar egp ils aed sar thb idr myr php vnd krw twd hkd sgd pkr rs kr fr fr. zł kč ft lei""".split()
_CURRENCY = rf"^(\p{{L}}{{0,3}}\p{{Sc}}|{'|'.join(re.escape(code) for code in _CODES)})$"
#: One letter behind a number that is a unit rather than part of a code such as 12A.
_SHORT_UNITS = tuple("gmlshdkwvtyf")
_SPACES, _QUOTES, _DASHES = r"[\s\x{A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]+", r"[’ʼ´`]", r"[−–‒]"
_ANY = (
    r"^[(+-]?\s?(?P<before>[\p{Sc}\p{L}.]{0,6}?)\s?[(+-]?\s?(?P<number>[\d.,' ]*?\d[.,]?(?:[eE][+-]?\d+)?)"
    r"\s?[)-]?\s?(?P<after>[\p{L}\p{Sc}%‰°µ²³/.]{0,12})\s?[)-]?$"
)


def plain_numbers(text: pl.Series) -> pl.Series:
    """Numbers as programs write them (12, -0.5, 1e3), null for other text; whole numbers stay integers."""
    for kind in (pl.Int64, pl.Int128):
        whole = text.cast(kind, strict=False)
        if whole.null_count() == text.null_count():
            return whole
    return text.cast(pl.Float64, strict=False).fill_nan(None)


def parse(text: pl.Series, written: NumberFormat) -> pl.Series:
    """Text in one convention as float64, null where it does not follow it.

    Example:
        >>> parse(pl.Series(["1.234,5 €", "(12)", "x"]), NumberFormat(",", ".", "€")).to_list()
        [1234.5, -12.0, None]
    """
    parts = _normal(text).str.extract_groups(_pattern(written)).struct.unnest()
    signs = parts["a"] + parts["b"] + parts["c"] + parts["d"]
    number = parts["n"]
    if written.group:
        number = number.str.replace_all(written.group, "", literal=True)
    values = number.str.replace(written.decimal, ".", literal=True).cast(pl.Float64, strict=False)
    values = values.set(~signs.is_in(["", "+", "-", "()"]).fill_null(True), None)
    values = values.zip_with(~signs.is_in(["-", "()"]).fill_null(False), -values).alias(text.name)
    if (written.decimal, written.group, written.affix) != PLAIN:
        return values
    return values.zip_with(values.is_not_null(), text.cast(pl.Float64, strict=False))  # inf


def _normal(text: pl.Series) -> pl.Series:
    """One kind of blank, apostrophe and minus sign."""
    plain = text.str.replace_all(_SPACES, " ").str.replace_all(_QUOTES, "'").str.replace_all(_DASHES, "-")
    return plain.str.strip_chars().str.to_lowercase()


def _pattern(written: NumberFormat) -> str:
    point, group = re.escape(written.decimal), re.escape(written.group)
    whole = r"\d+"
    if group:
        whole = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+|{whole}"
        if group == ",":  # 12,34,567 in South Asia
            whole = rf"[1-9]\d?(?:,\d\d)+,\d{{3}}|{whole}"
    number = rf"(?:(?:{whole})(?:{point}\d*)?|{point}\d+)(?:e[+-]?\d+)?"
    before = after = ""
    if written.affix:
        affix = re.escape(written.affix) + r"\.?"
        before, after = (rf"(?:{affix}\s?)?", rf"(?:{affix})?") if is_currency(written.affix) else ("", f"(?:{affix})")
    return rf"^(?P<a>[(+-]?)\s?{before}(?P<b>[(+-]?)\s?(?P<n>{number})\s?(?P<c>[)-]?)\s?{after}\s?(?P<d>[)-]?)$"


@cache
def is_currency(affix: str) -> bool:
    """Whether an affix in lower case is a sign or code of a currency: it may then be left out.

    Example:
        >>> is_currency("€"), is_currency("chf"), is_currency("kg")
        (True, True, False)
    """
    return bool(pl.Series([affix]).str.contains(_CURRENCY)[0])


def read_numbers(text: pl.Series, asked: bool = False) -> Read:
    """Read a column of text as numbers where that is unambiguous, or where it was asked for.

    Example:
        >>> found = read_numbers(pl.Series("paid", ["$1,200", "$35.50", ""]))
        >>> found.values.to_list(), found.written.group, found.written.affix
        ([1200.0, 35.5, None], ',', '$')
    """
    known = clean(text)
    if known.null_count() == len(known) or (has_codes(known) and not asked):
        return Read()
    plain = plain_numbers(known)
    if plain.null_count() == known.null_count():
        return Read(plain, NumberFormat(), ("is text that holds numbers: it is read as numbers.",))
    counts = known.drop_nulls().alias("text").value_counts(name="n").sort("text")
    step = -(-len(counts) // MOST_LOOKED_AT)
    written, doubt = _convention(counts.gather_every(step) if step > 1 else counts)
    if written is None:
        return Read(notes=(doubt,) if doubt else ())
    found = with_words(known, parse(known, written), written, "numbers", doubt, asked)
    if found.values is None or doubt or written == NumberFormat():
        return found
    row = int(found.values.is_not_null().arg_max() or 0)
    example = f"is text that holds numbers: {known[row]!r} is read as {found.values[row]:.12g}."
    return replace(found, notes=(example, *found.notes))


def _convention(counts: pl.DataFrame) -> tuple[NumberFormat | None, str]:
    """The convention of most values, and what is not sure about it; None: no convention fits half of them.

    Args:
        counts: Distinct values `text` and how often each occurs, `n`.
    """
    parts = _normal(counts["text"]).str.extract_groups(_ANY).struct.unnest().with_columns(counts["n"])
    numeric = parts.filter(pl.col("number").is_not_null() & _affix_allowed())
    if int(numeric["n"].sum()) < PARTLY * int(counts["n"].sum()):
        return None, ""
    affix, doubt = _affix(numeric)
    if affix is None:
        return None, doubt
    ranked = []
    for written in _candidates(numeric["number"], affix):
        values = parse(counts["text"], written)
        ranked.append((int(counts["n"].filter(values.is_not_null()).sum()), written, values))
    best = max(rows for rows, _, _ in ranked)
    leading = [(written, values) for rows, written, values in ranked if rows == best]
    written, values = leading[0]
    if written == NumberFormat():  # as programs write numbers
        return written, ""
    return written, next(filter(None, (_ambiguous(counts["text"], values, other) for _, other in leading[1:])), "")


def _affix_allowed() -> pl.Expr:
    """Whether what stands beside the digits makes a number: a currency on one side, or a unit behind."""
    before, after = pl.col("before"), pl.col("after")
    return (before == "") | (before.str.contains(_CURRENCY) & (after == ""))


def _candidates(numbers: pl.Series, affix: str) -> list[NumberFormat]:
    """Conventions that the signs among the digits allow; of two that read the same values the first is taken."""
    seen = [sign for sign in (",", ".", " ", "'") if numbers.str.contains(sign, literal=True).any()]
    pairs = product((".", ","), ("", *seen))
    return [NumberFormat(point, group, affix) for point, group in pairs if point != group]


def _affix(numeric: pl.DataFrame) -> tuple[str | None, str]:
    """The one sign or unit beside the numbers, "" for none; or None and why there is none."""
    both = (numeric["before"] + numeric["after"]).str.strip_chars_end(".")
    counts = pl.DataFrame({"affix": both, "n": numeric["n"]}).group_by("affix").sum().sort(["n", "affix"])
    rows = dict(zip(counts["affix"], counts["n"], strict=True))
    bare, few = rows.pop("", 0), (1 - MOSTLY) * int(numeric["n"].sum())
    units = [affix for affix, n in rows.items() if n > few][::-1]
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
            f"is read as text because {rows[units[0]]:,} of its numbers are followed by {units[0]!r} and {bare:,} are "
            "not. Write all of them alike."
        )
    return units[0], ""


def _ambiguous(text: pl.Series, values: pl.Series, others: pl.Series) -> str:
    """Say that text also has other values in another convention; "" where it has not."""
    rows = (values != others).fill_null(False).arg_true()
    if not len(rows):
        return ""
    row = rows[0]
    return (
        f"is ambiguous: {text[row]!r} is read as {values[row]:.12g}, but could also be {others[row]:.12g}. Write "
        "numbers without a separator between thousands and with a point before decimals."
    )

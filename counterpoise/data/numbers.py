"""Numbers as people write them in text.

A column is read as numbers where one format fits nearly all of its values: "$1,234.50", "1.234,50 €", "12 %", "(1,234)"
for a negative amount, "70 kg". What is not a number then counts as missing. Digits that begin with 0 (zip codes,
telephone numbers) are codes.

Columns of the rows to learn from, amounts, and weights are read by it. New rows of a feature are read in the format
that was found then (`values`).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from counterpoise.core.schema import TextFormat
from counterpoise.data.cells import clean, has_codes
from counterpoise.data.number_formats import number_format
from counterpoise.data.number_parsing import may_be_thousands, normal_text, parse_normal, plain_numbers, western_digits
from counterpoise.data.stray_words import ParsedColumn, with_words_as_missing


def read_numbers(text: pl.Series, asked: bool = False) -> ParsedColumn:
    """Return a column of text read as numbers where that is unambiguous, or where it was asked for.

    Example:
        >>> paid = read_numbers(pl.Series("paid", ["$1,200", "$35.50", ""]))
        >>> paid.values.to_list(), paid.written.group, paid.written.affix
        ([1200.0, 35.5, None], ',', '$')
    """
    return read_clean_numbers(clean(text), asked)


def read_clean_numbers(known: pl.Series, asked: bool = False) -> ParsedColumn:
    """Return numbers as `read_numbers`, from text that was cleaned (see `cells.clean`).

    The result has no values if the column is not numeric. `asked` also reads codes that begin with 0.
    """
    known = western_digits(known)
    if known.null_count() == len(known) or (has_codes(known) and not asked):
        return ParsedColumn()
    plain = plain_numbers(known)
    if plain.null_count() == known.null_count() and not may_be_thousands(known):
        return ParsedColumn(plain, TextFormat(), ("contains numbers as text. They are read as numbers.",))
    normal = normal_text(known)
    written, doubt = number_format(known, normal)
    if written is None:
        return ParsedColumn(notes=(doubt,) if doubt else ())
    read = with_words_as_missing(known, parse_normal(normal, written, known), written, "numbers", doubt, asked)
    if read.values is None or doubt or written == TextFormat():
        return read
    row = int(read.values.is_not_null().arg_max() or 0)
    example = f"contains numbers as text. {known[row]!r} is read as {read.values[row]:.12g}."
    return replace(read, notes=(example, *read.notes))

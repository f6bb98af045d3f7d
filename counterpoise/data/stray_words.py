"""Columns of text that are numbers or dates but for a few words, such as "unknown": are those words missing values?

Numbers and dates of the rows to learn from are decided here alike. The schema keeps the words (`TextFormat.words`), and
`values` reads new rows by them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from counterpoise.core.schema import TextFormat

#: Columns with fewer known values must have no stray word.
LEAST_ROWS = 20
#: Share of numbers from which a column is one of numbers; and the lower share, where numbers are many and words few.
MOSTLY, PARTLY = 0.9, 0.5
FEW_NUMBERS, FEW_WORDS = 20, 10
#: Different words without a digit that may fill most of a column of many numbers.
FILLERS = 3
#: Stray words that a schema keeps.
MOST_WORDS = 20


@dataclass(frozen=True)
class ParsedColumn:
    """What was read from a column of text.

    Attributes:
        values: Numbers, dates or times; None: the column stays text.
        written: How they are written.
        notes: Ends of sentences that begin with "Column 'a' ".
        ambiguous: Whether the values could also be read as others.
    """

    values: pl.Series | None = None
    written: TextFormat | None = None
    notes: tuple[str, ...] = ()
    ambiguous: bool = False


def with_words_as_missing(
    known: pl.Series, values: pl.Series, written: TextFormat, what: str, doubt: str = "", asked: bool = False
) -> ParsedColumn:
    """Return a column of which some values could not be read: with these missing, or as text.

    Args:
        known: The text, null for missing.
        values: What was read, null where nothing was.
        written: How it is written.
        what: "numbers", "dates" or "times of day".
        doubt: What is not sure about them, as the end of a sentence.
        asked: They were asked for: half of the values are then enough.

    Example:
        >>> known = pl.Series([*map(str, range(40)), "unknown"])
        >>> read = with_words_as_missing(known, known.cast(pl.Int64, strict=False), TextFormat(), "numbers")
        >>> read.written.words, read.values.null_count()
        (('unknown',), 1)
    """
    odd = values.is_null() & known.is_not_null()
    total = len(known) - known.null_count()
    if not odd.any():
        return ParsedColumn(values, written, (doubt,) if doubt else (), bool(doubt))
    share = 1.0 - int(odd.sum()) / total
    counted = known.filter(odd).alias("word").value_counts(name="n").sort(["n", "word"], descending=[True, False])
    words = counted["word"]
    enough = share >= PARTLY if asked else _words_may_be_missing(share, values.drop_nulls().n_unique(), words)
    if total < LEAST_ROWS or not enough:
        return ParsedColumn(notes=_kept_as_text_note(known, share, words, what))
    notes = ([doubt] if doubt else []) + [_missing_words_note(odd, total, words, what)]
    return ParsedColumn(values, replace(written, words=tuple(words.head(MOST_WORDS))), tuple(notes), bool(doubt))


def _words_may_be_missing(share: float, numbers: int, words: pl.Series) -> bool:
    """Return whether the values that could not be read may count as missing.

    `share` is the share of known values that were read, `numbers` how many distinct ones there are. `words` has the
    distinct values that could not be read.
    """
    if numbers > FEW_NUMBERS:
        filler = len(words) <= FILLERS and not words.str.contains(r"\d").any()
        return share >= MOSTLY or filler or (share >= PARTLY and len(words) <= FEW_WORDS)
    # Among few numbers, a word with digits ("3+", "<1") is a level like them.
    return share >= MOSTLY and not words.str.contains(r"\d").any()


def words_text(words: pl.Series) -> str:
    """Return the first three words for a message, quoted, with "..." if there are more."""
    return ", ".join(repr(word) for word in words.head(3)) + (", ..." if len(words) > 3 else "")


def _missing_words_note(odd: pl.Series, total: int, words: pl.Series, what: str) -> str:
    """Return the note on values that count as missing.

    `odd` is true for these values, and `total` counts all values that are not null.
    """
    rows = odd.arg_true()
    verb, where = (
        ("is not", f"in row {rows[0] + 1}") if len(rows) == 1 else ("are not", f"(the first in row {rows[0] + 1})")
    )
    missing = "This value counts as missing." if len(rows) == 1 else "These values count as missing."
    return (
        f"contains {what}, but {len(rows):,} of {total:,} values ({100 * len(rows) / total:.1f}%) {verb}: "
        f"{words_text(words)} {where}. {missing} To keep such words, pass a frame in which the column has a "
        "categorical type."
    )


def _kept_as_text_note(known: pl.Series, share: float, words: pl.Series, what: str) -> tuple[str, ...]:
    """Return why a column that looks like numbers stays text, or () if it hardly does.

    The arguments are those of `with_words_as_missing`, the share of values that were read, and the distinct other
    values.
    """
    if share < PARTLY or known.n_unique() <= FEW_NUMBERS:
        return ()
    return (
        f"is read as text. {100 * share:.0f}% of its values are {what}, but {len(words):,} distinct values are not "
        f"({words_text(words)}). Leave missing values blank, and write the {what} without words.",
    )

"""The names of a table's columns: text, none blank, all different.

Schemas keep these names, and new rows are matched by them, so a name depends on nothing but the title and its position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from counterpoise.core.errors import ColumnError


def column_names(titles: Iterable[Any], source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the columns of `source`, and a sentence if some had none.

    A column without a name gets one: R and pandas leave that of the row names blank.

    Raises:
        ColumnError: Two columns with one name, or a name that is not UTF-8, or that polars takes for a pattern.

    Example:
        >>> column_names(["", "age"], "a.csv")
        (('column 1', 'age'), ("1 column has no name in a.csv. Counterpoise calls it 'column 1'.",))
    """
    texts = [str(title) for title in titles]
    blank = [index for index, name in enumerate(texts) if not name]
    names = [name if name else f"column {index + 1}" for index, name in enumerate(texts)]
    doubled = sorted(name for name, times in Counter(names).items() if times > 1)
    if doubled:
        raise ColumnError(f"{source} names the column {doubled[0]!r} more than once. Rename one of them.")
    broken = next((name for name in names if _is_not_utf8(name)), None)
    if broken is not None:
        raise ColumnError(f"{source} has the column name {broken!r}, which is not UTF-8 text. Rename the column.")
    pattern = next((name for name in names if name.startswith("^") and name.endswith("$")), None)
    if pattern is not None:
        raise ColumnError(
            f"{source} has the column name {pattern!r}, which polars reads as a pattern of names. Rename the column."
        )
    if not blank:
        return tuple(names), ()
    shown = ", ".join(repr(names[index]) for index in blank[:5])
    return tuple(names), (
        f"{len(blank)} column{'s have' if len(blank) > 1 else ' has'} no name in {source}. Counterpoise calls "
        f"{'them' if len(blank) > 1 else 'it'} {shown}.",
    )


def _is_not_utf8(name: str) -> bool:
    """Return whether a name cannot be encoded as UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False

"""The columns of a table: what kind each is, and how its values are written.

`data/schema.py` finds them when a table is read. Saved in model files (`schema_to_dict`) under the names of the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

#: Column kinds. Only the first three reach the model; the others are left out and reported.
KINDS = ("numeric", "categorical", "boolean", "identifier", "text", "constant", "missing")
USED_KINDS = ("numeric", "categorical", "boolean")


@dataclass(frozen=True)
class TextFormat:
    """How the numbers, dates or times of a text column are written.

    Attributes:
        decimal: "." or ",".
        group: Sign between groups of three digits: "", ",", ".", " " or "'".
        affix: Currency sign or unit before or after the number, in lower case; "" where there is none.
        words: Words in place of missing values, most frequent first; the first 20.
        order: Of dates such as 12/31/2024: "month first" or "day first"; "" where no date is written so.
    """

    decimal: str = "."
    group: str = ""
    affix: str = ""
    words: tuple[str, ...] = ()
    order: str = ""


@dataclass(frozen=True)
class Column:
    """One raw column of a table.

    Attributes:
        name: The name as it stands in the file.
        kind: One of `KINDS`.
        levels: For categorical and boolean columns every level, as text, most frequent first.
        missing: Number of missing values.
        numeric_levels: Whether the levels are numbers or truth values, so that text is compared by value.
        unit: What the numbers of a numeric column are days of: "date", "time" (of day) or "duration"; "seconds": they
            are Unix seconds; "" for others.
            Of levels: "date" where all are dates, so that text is compared by date.
        offset: Number that is subtracted in float64 before a number becomes float32 (see `data.precision`).
        cycles: Periods in days, or in seconds as the unit; the position of a number in each is a feature too (see
            `data.cycles`).
        written: How the values of a text column are written; None where the column held no text.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    missing: int = 0
    numeric_levels: bool = False
    unit: str = ""
    offset: float = 0.0
    cycles: tuple[float, ...] = ()
    written: TextFormat | None = None

    @property
    def used(self) -> bool:
        """Whether the column is a feature of the model."""
        return self.kind in USED_KINDS


@dataclass(frozen=True)
class Schema:
    """The columns of a table in file order, without target, groups and time.

    The order within `numeric` and `categorical` is the order of the model's inputs.

    Attributes:
        columns: The columns.
        target: Name of the target column, or names of the label columns.
    """

    columns: tuple[Column, ...]
    target: str = "target"

    @cached_property
    def numeric(self) -> tuple[Column, ...]:
        """The columns of `Examples.x["numeric"]`, in its order."""
        return tuple(c for c in self.columns if c.kind == "numeric")

    @cached_property
    def categorical(self) -> tuple[Column, ...]:
        """The columns of `Examples.x["categorical"]`, in its order."""
        return tuple(c for c in self.columns if c.kind in ("categorical", "boolean"))

    @cached_property
    def excluded(self) -> tuple[Column, ...]:
        """The columns that are no features."""
        return tuple(c for c in self.columns if not c.used)

"""The types of the columns of a CSV file: numbers, dates, truth values or words.

Many columns of few rows are read as one column of all their cells: in a table of thousands of columns, most of the time
is what polars needs for each column in addition to its rows.

A file and its blocks get the same types by it (`csv_text`, `stored`). The types of a table on disk are those of all
rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from counterpoise.data.cells import CODE, clean
from counterpoise.data.date_text import DATE, is_iso_date, parse_dates
from counterpoise.data.number_parsing import grouped_by_points, may_be_thousands

Array = np.ndarray

#: Types of numbers, the narrow before the wide.
NUMBERS: tuple[pl.DataType, ...] = (pl.Int64(), pl.Int128(), pl.Float64())
TRUTH_PATTERN = r"^(?i:true|false)$"
DATES = pl.Datetime("us")
#: Numbers of first rows that are tested first: most columns of another type show it there.
_FIRST_ROWS = (10, 1_000)


@dataclass(frozen=True, eq=False)
class Cells:
    """Columns of cleaned text (see `cells.clean`), one below the other.

    Attributes:
        names: Names of the d columns.
        rows: N, how many cells each has.
        text: The cells, d * N.

    Example:
        >>> cells = Cells.of(pl.DataFrame({"a": [" 1", "2 ", " ?"], "b": ["01", "2", "3"]}))
        >>> cells.types()
        {'a': Int64, 'b': String}
        >>> cells.typed(cells.types()).to_dict(as_series=False)
        {'a': [1, 2, None], 'b': ['01', '2', '3']}
    """

    names: tuple[str, ...]
    rows: int
    text: pl.Series

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Cells:
        """Return the cells of a frame of text that has at least one row."""
        return cls(tuple(frame.columns), frame.height, clean(pl.concat(frame.get_columns(), rechunk=True)))

    def column(self, name: str) -> pl.Series:
        """Return the cleaned text of one column, (N,)."""
        return self.text.slice(self._index_of[name] * self.rows, self.rows).alias(name)

    @cached_property
    def _index_of(self) -> dict[str, int]:
        """Return column name -> its number."""
        return {name: index for index, name in enumerate(self.names)}

    def types(self, whole: bool = True) -> dict[str, pl.DataType]:
        """Return column name -> the type that all values of the column spell.

        The type is Null if all values are missing. Columns that may hold codes ("01") or points between thousands
        ("1.200") stay String. If the cells are only a part of the rows (`whole` is False), points are decimal points,
        because all rows decide what they separate (see `PointUse`).

        Example:
            >>> row = pl.DataFrame({text: [text] for text in ("1", "1.5", "TRUE", "x", "2024-12-31", "?")})
            >>> list(Cells.of(row).types().values())
            [Int64, Float64, Boolean, String, Datetime(time_unit='us', time_zone=None), Null]
        """
        types: dict[int, pl.DataType] = {}
        untyped = np.arange(len(self.names))
        missing = self._columns_where(untyped, lambda text: text.is_null())
        types |= dict.fromkeys(missing, pl.Null())
        untyped = np.setdiff1d(untyped, missing)
        begin = self._columns_where(untyped, lambda text: text.is_null() | text.str.contains(DATE), _FIRST_ROWS[0])
        dates = np.array([column for column in begin if is_iso_date(self._cells_of([column]))], int)
        types |= dict.fromkeys(dates, DATES)
        untyped = np.setdiff1d(untyped, dates)
        for kind in NUMBERS:
            spelled = self._columns_spelling(untyped, kind)  # leading zeros included, which are codes and stay text
            plain = self._columns_where(spelled, lambda text: ~text.str.contains(CODE).fill_null(False))
            if kind == pl.Float64 and whole:
                doubtful = self._columns_where(
                    self._columns_where(plain, grouped_by_points, _FIRST_ROWS[0]), grouped_by_points
                )
                thousands = [column for column in doubtful if may_be_thousands(self._cells_of([column]))]
                plain = np.setdiff1d(plain, thousands)
            types |= dict.fromkeys(plain, kind)
            untyped = np.setdiff1d(untyped, spelled)
        truths = self._columns_where(untyped, lambda text: text.is_null() | text.str.contains(TRUTH_PATTERN))
        types |= dict.fromkeys(truths, pl.Boolean())
        return {name: types.get(index, pl.String()) for index, name in enumerate(self.names)}

    def typed(self, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
        """Return the columns as a frame with these types, in the order of `types`.

        All values of a column must spell its type.
        """
        typed_columns: dict[str, pl.Series] = {}
        for kind in set(types.values()):
            names = [name for name, wanted in types.items() if wanted == kind]
            for name, column in zip(
                names, self._columns_as(kind, [self._index_of[name] for name in names]), strict=True
            ):
                typed_columns[name] = column.alias(name)
        return pl.DataFrame([typed_columns[name] for name in types])

    def _columns_as(self, kind: pl.DataType, columns: Sequence[int]) -> Iterable[pl.Series]:
        """Return some columns, by number and in this order, as series of a type that all their values spell.

        A column without values (`Null`) stays text.
        """
        if kind == DATES:
            return [parse_dates(self._cells_of([column])) for column in columns]
        text = self._cells_of(columns)
        if kind == pl.Boolean:
            text = text.str.to_lowercase() == "true"
        elif kind not in (pl.String, pl.Null):
            text = text.cast(kind)
        return [text.slice(start, self.rows) for start in range(0, len(text), self.rows)]

    def _cells_of(self, columns: Sequence[int] | Array, rows: int | None = None) -> pl.Series:
        """Return the first `rows` cells (None: all) of some columns, by number, as one series."""
        rows = self.rows if rows is None else min(rows, self.rows)
        if len(columns) * rows == len(self.text) and np.array_equal(columns, np.arange(len(columns))):
            return self.text
        starts = np.asarray(columns, int)[:, None] * self.rows
        return self.text.gather((starts + np.arange(rows)).ravel())

    def _columns_spelling(self, columns: Array, kind: pl.DataType) -> Array:
        """Return those of some columns, by number, whose cells are all missing or of a type.

        The first rows are tested first, because they already exclude most columns.
        """
        for rows in (*(rows for rows in _FIRST_ROWS if rows < self.rows), self.rows):
            columns = self._columns_where(
                columns, lambda text: text.is_null() | text.cast(kind, strict=False).is_not_null(), rows
            )
        return columns

    def _columns_where(self, columns: Array, test: Callable[[pl.Series], pl.Series], rows: int | None = None) -> Array:
        """Return those of some columns, by number, whose cells all pass a test.

        With `rows`, only the first cells of each column are tested.
        """
        if not len(columns):
            return columns
        passed = test(self._cells_of(columns, rows)).to_numpy()
        return columns[passed.reshape(len(columns), -1).all(axis=1)]


class PointUse:
    """How a column uses points over all blocks of a table; the test of `may_be_thousands`, block after block.

    Attributes:
        with_point, without_point: Whether a cell has a point, and whether one has none.
        grouped: Whether all points may separate thousands. Otherwise the other two are not updated.
    """

    def __init__(self) -> None:
        """Start without cells."""
        self.with_point = self.without_point = False
        self.grouped = True

    def add(self, cells: pl.Series) -> None:
        """Add some cells of the column, which are numbers or null."""
        # The first rows are tested first, because they already exclude most columns.
        parts = cells.head(_FIRST_ROWS[0]), cells
        self.grouped = self.grouped and all(grouped_by_points(part).all() for part in parts)
        if self.grouped:
            points = cells.str.contains(".", literal=True)
            self.with_point = self.with_point or bool(points.any())
            self.without_point = self.without_point or not points.all()

    @property
    def may_be_thousands(self) -> bool:
        """Whether the points may separate thousands, by the cells so far."""
        return self.grouped and self.with_point and self.without_point


def common_type(one: pl.DataType, other: pl.DataType) -> pl.DataType:
    """Return the type of a column whose chunks have two types.

    A table on disk gets the types of its blocks joined by it.

    Example:
        >>> common_type(pl.Int64(), pl.Float64()), common_type(pl.Null(), pl.Boolean())
        (Float64, Boolean)
        >>> common_type(pl.Boolean(), pl.Int64())
        String
    """
    if one == other or other == pl.Null:
        return one
    if one == pl.Null:
        return other
    if one in NUMBERS and other in NUMBERS:
        return max(one, other, key=NUMBERS.index)
    return pl.String()

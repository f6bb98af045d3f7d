"""The rows of a CSV file, block after block: of any length, in little memory, each fault named by its line.

polars parses; this file finds where rows end, and looks for what polars repairs silently (short lines, blank ones) or
reports without a line (long lines, bytes that are not UTF-8). `csv_text`, `stored` and the resampling of files read by
it. Fixed: rows and their positions do not depend on the size of a block (tests/data/test_csv_blocks.py).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import polars as pl

from counterpoise.core.errors import DataError
from counterpoise.core.panics import without_panics
from counterpoise.data.csv_layout import Layout, csv_reader, not_utf8_error, read_layout, split_lines

Array = np.ndarray

#: Bytes that are read together.
BLOCK = 1 << 23
_QUOTE, _NEWLINE, _RETURN = 34, 10, 13
_LINE_END = re.compile(rb"\r?\n?")


@dataclass
class LeftOut:
    """Counts of the lines that were left out on request."""

    not_utf8: int = 0
    wrong_width: int = 0
    headers: int = 0

    def notes(self, name: str) -> list[str]:
        """Return sentences about the lines that were left out.

        There is one for each reason, with the number of lines of the file `name`.
        """
        reasons = {
            "because they are not UTF-8": self.not_utf8,
            "because they have a wrong number of fields": self.wrong_width,
        }
        reasons |= {"because they repeat the header": self.headers}
        return [
            f"{count:,} line{'s were' if count > 1 else ' was'} left out of {name}, {why}."
            for why, count in reasons.items()
            if count
        ]


@dataclass(frozen=True)
class Block:
    """Some rows of a file.

    The resampling of files copies rows as the bytes from `starts` to `ends`.

    Attributes:
        layout: How the file is written.
        raw: Bytes of the file.
        starts, ends: int64 (n,), where each row begins and ends in `raw`.
        parsed: The same rows for polars, one after the other.
        line: Number of the first line in the file.
    """

    layout: Layout
    raw: bytes
    starts: Array
    ends: Array
    parsed: bytes
    line: int

    def __len__(self) -> int:
        return len(self.ends)

    def frame(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Return these columns (None: all) as text, exactly as in the file; empty fields are null.

        Raises:
            DataError: polars cannot parse the rows, or finds another number of rows than there are.
        """
        header = {name: index for index, name in enumerate(self.layout.header)}
        indexes = [header[name] for name in columns or header]
        where = f"{self.layout.name}, line {self.line} and the {len(self):,} rows from there"
        try:
            with without_panics:
                frame = pl.read_csv(
                    self.parsed, has_header=False, columns=sorted(indexes), separator=self.layout.separator,
                    infer_schema=False, raise_if_empty=False,
                )  # fmt: skip
        except pl.exceptions.PolarsError as fault:
            raise DataError(f"{where}: cannot be read as CSV ({str(fault).splitlines()[0]:.200}).") from None
        frame.columns = [self.layout.header[index] for index in sorted(indexes)]
        if frame.height != len(self):
            raise DataError(f"{where}: cannot be read as CSV (unexpected quotation marks).")
        return frame if columns is None else frame[list(columns)]  # `select` takes ^...$ for a pattern


def csv_blocks(
    handle: BinaryIO, name: str, skip_bad: bool = False, left_out: LeftOut | None = None
) -> tuple[Layout, Iterator[Block]]:
    r"""Return the layout of a file, and its rows, block after block.

    Args:
        handle: The file, open at its beginning.
        name: Its name for messages.
        skip_bad: Leave out lines that cannot be read instead of raising.
        left_out: Where they are counted.

    Raises:
        DataError: A line has too many or too few fields, or bytes that are not UTF-8.

    Example:
        >>> layout, blocks = csv_blocks(io.BytesIO(b'a,b\n1,"x\ny"\n2,z\n'), "a.csv")
        >>> [block.frame()["b"].to_list() for block in blocks]
        [['x\ny', 'z']]
    """
    layout, rest = read_layout(handle, name)
    return layout, _blocks(handle, layout, rest, skip_bad, left_out or LeftOut())


def _blocks(handle: BinaryIO, layout: Layout, rest: bytes, skip_bad: bool, left_out: LeftOut) -> Iterator[Block]:
    """Yield blocks of whole rows until the file ends.

    `rest` holds the bytes after the header that were read already. A row that is cut off at the end of what was read
    begins the next block. Lines that are left out are counted in `left_out`.
    """
    line, ended, size = layout.lines + 1, False, BLOCK
    while not ended:
        more = handle.read(size)
        rest, ended = rest + more, not more
        stop = len(rest) if ended else rest.rfind(b"\n") + 1
        whole, lost = _utf8_lines(rest[:stop], layout.name, line, skip_bad)
        left_out.not_utf8 += lost
        block = _rows_by_lines(whole, layout, line, ended)
        if block is None:
            block = _rows_by_csv_module(whole, layout, line, ended, skip_bad, left_out)
        if len(block):
            yield block
        used = len(block.raw)
        line += block.raw.count(b"\n") + lost
        rest = whole[used:] + rest[stop:]
        size = BLOCK if used else 2 * size  # a row is longer than all that was read


def _utf8_lines(raw: bytes, name: str, line: int, skip_bad: bool) -> tuple[bytes, int]:
    """Return the lines that are UTF-8, and the number of the others.

    Without `skip_bad`, a line that is not UTF-8 is a DataError.
    """
    try:
        if not raw.isascii():
            raw.decode("utf-8")
        return raw, 0
    except UnicodeDecodeError as fault:
        if not skip_bad:
            raise not_utf8_error(name, raw[fault.start], line + raw.count(b"\n", 0, fault.start)) from None
    lines = raw.splitlines(keepends=True)
    sound = [candidate for candidate in lines if _is_utf8(candidate)]
    return b"".join(sound), len(lines) - len(sound)


def _is_utf8(line: bytes) -> bool:
    """Return whether a line is valid UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _rows_by_lines(raw: bytes, layout: Layout, line: int, last: bool) -> Block | None:
    """Return the rows if each line surely is one row, otherwise None.

    It is faster than `_rows_by_csv_module`, and returns the same rows if it returns any. It is sure if each line has as
    many separators outside quotation marks as the header, none is blank, and no line may repeat the header. `last`
    means that the file ends with `raw`. `line` is the number of the first line.
    """
    if _may_repeat_header(raw, layout):
        return None
    data = np.frombuffer(raw.rstrip(b"\r\n") + b"\n" if last else raw, dtype=np.uint8)
    breaks = data == _NEWLINE
    outside = None
    if b'"' in raw:
        quotes = data == _QUOTE
        outside = (np.cumsum(quotes, dtype=np.uint8) & 1) == 0
        if not _quotes_enclose_fields(data, np.flatnonzero(quotes), ord(layout.separator)):
            return None
        breaks &= outside
    ends = np.flatnonzero(breaks)
    if not len(ends) or (last and ends[-1] != len(data) - 1):
        return None
    lengths = np.diff(ends, prepend=-1)
    width = len(layout.header)
    # In a single column, no separator shows that a lone \r (old line end) divides rows.
    if width == 1 and _has_old_line_end(data, outside):
        return None
    # A blank line has 1 or 2 bytes with its end. In a single column, a line of 2 bytes may also hold a value.
    if (lengths <= 2).any() if width > 1 else (lengths == 1).any():
        return None
    separators = data == ord(layout.separator)
    positions = np.flatnonzero(separators if outside is None else separators & outside)
    per_line = np.diff(np.searchsorted(positions, ends), prepend=0)
    if not (per_line == width - 1).all():
        return None
    ends += 1
    if last:
        ends[-1] = len(data) - 1 + len(_LINE_END.match(raw, len(data) - 1)[0])  # type: ignore[index]
    whole = raw if last else raw[: ends[-1]]
    rows = whole[: ends[-1]]  # polars takes blank lines at the end of a file for rows
    return Block(layout, whole, np.concatenate([[0], ends[:-1]]), ends, rows, line)


def _has_old_line_end(data: Array, outside: Array | None) -> bool:
    r"""Return whether a \r outside quotation marks ends a line, which it does not before \n or another \r.

    `data` are the bytes, uint8 (n,), and end with \n. `outside` is bool (n,); None: no byte is in quotation marks.
    """
    returns = np.flatnonzero(data == _RETURN)
    returns = returns if outside is None else returns[outside[returns]]
    return bool((~np.isin(data[returns + 1], (_NEWLINE, _RETURN))).any())


def _may_repeat_header(raw: bytes, layout: Layout) -> bool:
    """Return whether a line may repeat the header, as in files that were joined.

    False for a single column, because a value may equal the name of the column.
    """
    line = layout.header_line
    return len(layout.header) > 1 and (raw.startswith(line) or b"\n" + line in raw)


def _quotes_enclose_fields(data: Array, quotes: Array, separator: int) -> bool:
    """Return whether quotation marks open at the beginning of a field and close at its end.

    Doubled marks do both. `data` are the bytes, uint8, and `quotes` the positions of the marks.
    """
    around = np.isin(np.arange(256), [separator, _NEWLINE, _RETURN, _QUOTE])
    opening, closing = quotes[::2], quotes[1::2]
    return bool(
        around[data[opening[opening > 0] - 1]].all() and around[data[closing[closing < len(data) - 1] + 1]].all()
    )


def _rows_by_csv_module(raw: bytes, layout: Layout, line: int, last: bool, skip_bad: bool, left_out: LeftOut) -> Block:
    """Return the rows as Python's CSV reader finds them; used where `_rows_by_lines` is not sure.

    If the file does not end here (`last` is False), the last row may be incomplete and is left for the next block.
    Repeated headers and rows of a wrong width are a DataError, or with `skip_bad` are counted in `left_out`. An open
    quotation mark is always a DataError.
    """
    lines = split_lines(raw.decode("utf-8"))
    reader, width = csv_reader(lines, layout.separator), len(layout.header)
    rows: list[tuple[int, int, list[str]]] = []  # first line, line after the last, fields
    try:
        for fields in reader:
            rows.append((rows[-1][1] if rows else 0, reader.line_num, fields))
    except csv.Error as fault:
        raise DataError(f"{layout.name}, line {line + reader.line_num}: cannot be read as CSV ({fault}).") from None
    rows = rows if last else rows[:-1]
    _check_marks_are_closed(rows, lines, layout, line)
    header = (
        next(csv_reader([layout.header_line.decode()], layout.separator)) if _may_repeat_header(raw, layout) else []
    )
    again = [row for row in rows if header and row[2] == header]
    if again and not skip_bad:
        raise DataError(
            f"{layout.name}, line {line + again[0][0]}: this line repeats the header. Expected only one "
            "header, in the first line. Delete such lines, or leave them out in training with skip_bad=True "
            "(--skip-bad)."
        )
    left_out.headers += len(again)
    data = [row for row in rows if row[2] != header] if again else rows
    bad = [row for row in data if len(row[2]) != width and row[2]]
    if bad and not skip_bad:
        begin, _, fields = bad[0]
        more = f" ({'' if last else 'at least '}{len(bad):,} such lines)" if len(bad) > 1 else ""
        raise DataError(
            f"{layout.name}, line {line + begin}: this line has {len(fields)} fields. Expected {width}, as in "
            f"the header{more}. Put values that contain the separator in quotation marks, or leave such lines "
            "out in training with skip_bad=True (--skip-bad)."
        )
    left_out.wrong_width += len(bad)
    kept = [row for row in data if len(row[2]) == width or (width == 1 and not row[2])]
    bounds = np.cumsum([0, *(len(text.encode()) for text in lines)])
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=layout.separator, lineterminator="\n").writerows(fields or [""] for *_, fields in kept)
    used = int(bounds[rows[-1][1]]) if rows else 0
    starts, ends = (bounds[np.array([row[i] for row in kept], int)] for i in (0, 1))
    return Block(layout, raw if last else raw[:used], starts, ends, out.getvalue().encode(), line)


def _check_marks_are_closed(
    rows: Sequence[tuple[int, int, list[str]]], lines: Sequence[str], layout: Layout, line: int
) -> None:
    """Raise a DataError if a row of several lines has text after a closing quotation mark, or is never closed.

    One mark that is not closed would otherwise join all lines up to the next mark into one cell. Arguments are as in
    `_rows_by_csv_module`.
    """
    for begin, end, _ in rows:
        if end - begin > 1:
            # Blanks between a closing mark and the separator are no text.
            text = re.sub(rf'"[ ]+(?=[{re.escape(layout.separator)}\r\n]|$)', '"', "".join(lines[begin:end]))
            try:
                list(csv.reader(io.StringIO(text, newline=""), delimiter=layout.separator, strict=True))
            except csv.Error as fault:
                raise DataError(
                    f"{layout.name}, line {line + begin}: cannot be read as CSV ({fault}). This row continues to "
                    f"line {line + end - 1}. Check for a quotation mark that is not closed."
                ) from None

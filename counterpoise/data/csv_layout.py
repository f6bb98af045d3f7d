"""How a CSV file is written, from its beginning: separator, names of the columns, and where the rows start.

Tables in memory and tables on disk read their columns by it. Nothing but the beginning of a file decides.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from counterpoise.core.errors import DataError
from counterpoise.data.column_names import column_names

#: Bytes that are read first, and the most that a header may take.
FIRST, MOST = 1 << 16, 1 << 26
_BOM = b"\xef\xbb\xbf"
#: How files of other formats begin, and their names in a message.
_OTHER_FORMATS = {
    rb"\x1f\x8b": "gzip-compressed data (unpack it first: gunzip FILE)",
    rb"PK\x03\x04": "a zip archive or an Excel workbook (unpack it, or save the sheet as CSV)",
    rb"BZh|\xfd7zXZ|\x28\xb5\x2f\xfd": "compressed data (unpack it first)",
    rb"PAR1": "Parquet (name it FILE.parquet)",
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook (save the sheet as CSV)",
    rb"SQLite format 3": "an SQLite database (export the table as CSV)",
    rb"\s*<(!doctype|html|\?xml)": "HTML or XML (was an error page saved instead of the file?)",
    rb"\s*(\{\s*[\"}]|\[\s*[\[{])": "JSON (convert it to a table first)",
}
_QUOTED = re.compile(r'"[^"]*"?')
#: How lines above the header begin that are comments; the last is how Excel writes the separator.
_COMMENTS = ("#", "//", "sep=")


@dataclass(frozen=True)
class Layout:
    r"""How a CSV file is written.

    Attributes:
        name: The file, for messages.
        separator: A comma, a tab, a semicolon or a bar: that of them that makes most columns, as many in the first row
            as in the header; else the first of them in the header.
        header: The names of the columns.
        head: All bytes above the first row.
        lines: How many lines these are.
        notes: Sentences about what was left out.

    Example:
        >>> layout, rest = read_layout(io.BytesIO(b"# made by hand\nage;sex\n31;f\n"), "a.csv")
        >>> layout.header, layout.separator, layout.lines, rest
        (('age', 'sex'), ';', 2, b'31;f\n')
    """

    name: str
    separator: str
    header: tuple[str, ...]
    head: bytes
    lines: int
    notes: tuple[str, ...] = ()

    @property
    def header_line(self) -> bytes:
        """Return the header in bytes, as written.

        If a quoted name contains a line break, it is only the last line of the header.
        """
        return self.head.splitlines()[-1].removeprefix(_BOM)


def csv_reader(lines: Iterable[str], separator: str) -> csv._reader:  # type: ignore[name-defined]
    """Return a `csv.reader` for fields of nearly any length (1 GiB).

    This limit holds for the whole process.
    """
    csv.field_size_limit(1 << 30)
    return csv.reader(lines, delimiter=separator)


def read_layout(handle: BinaryIO, name: str) -> tuple[Layout, bytes]:
    """Return the layout of a file, from its beginning, and the bytes that were read after the header.

    Raises:
        DataError: Empty, not CSV, not UTF-8, or without an end of its header.
        ColumnError: Two columns with one name.
    """
    raw, size = b"", FIRST
    while len(raw) < MOST:
        more = handle.read(size)
        raw, size = raw + more, len(raw) + len(more)
        layout = _layout_of_start(raw, name, ended=not more)
        if layout is not None:
            return layout, raw[len(layout.head) :]
    raise DataError(
        f"{name} has a header that does not end within {MOST >> 20} MB. Expected a line with the names of the "
        "columns. Check for a quotation mark that is not closed."
    )


def _layout_of_start(raw: bytes, name: str, ended: bool) -> Layout | None:
    """Return the layout by the first bytes of a file, or None if more bytes are needed.

    `ended` means that `raw` is the whole file. Files that are empty, in another format or not UTF-8 are a DataError.
    """
    _check_format(raw, name)
    if not raw.strip():
        if ended:
            raise DataError(f"{name} is empty. Expected a header line and one line per row.")
        return None
    whole = raw if ended else raw[: raw.rfind(b"\n") + 1]
    lines = split_lines(whole.removeprefix(_BOM).decode("utf-8", "surrogateescape"))
    above = _lines_above_header(lines, ended)
    if above is None:
        return None
    separator = _guess_separator(lines[above], next(filter(str.strip, lines[above + 1 :]), ""))
    reader = csv_reader(lines[above:], separator)
    try:
        fields = next(reader)
    except csv.Error as fault:
        raise DataError(f"{name}, line {above + 1}: the header cannot be read ({fault}).") from None
    count = above + reader.line_num
    # The header may be cut off, or continue in a quoted field, if it ends where the bytes end.
    if count == len(lines) and not ended:
        return None
    head = "".join(lines[:count]).encode("utf-8", "surrogateescape")
    _check_utf8(head, name)
    names, notes = column_names([field.strip() for field in fields], name)
    if any(line.strip() for line in lines[:above]):
        comments = (
            f"{above} line{'s' * (above > 1)} above the header of {name} {'were' if above > 1 else 'was'} "
            "ignored as comments."
        )
        notes = (comments, *notes)
    bom = _BOM if raw.startswith(_BOM) else b""
    return Layout(name, separator, names, bom + head, count, notes)


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text with their ends, which are \n, \r or \r\n."""
    return list(io.StringIO(text, newline=""))


def _check_format(raw: bytes, name: str) -> None:
    """Raise a DataError if a file begins like another format or like UTF-16 text."""
    for beginning, what in _OTHER_FORMATS.items():
        if re.match(beginning, raw[:200], re.IGNORECASE):
            raise DataError(f"{name} contains {what}, not CSV text with a header line.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{name} is UTF-16 text. Expected UTF-8. Save the file again as UTF-8.")


def _check_utf8(head: bytes, name: str) -> None:
    """Raise a DataError that names the first byte and line that is not UTF-8."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise not_utf8_error(name, head[fault.start], head[: fault.start].count(b"\n") + 1) from None


def not_utf8_error(name: str, byte: int, line: int) -> DataError:
    """Return the error for a byte of a file that is not UTF-8."""
    return DataError(
        f"{name} is not UTF-8: byte 0x{byte:02x} in line {line}. Save the file again as UTF-8, for example "
        "with: iconv -f cp1252 -t utf-8 FILE > NEW"
    )


def _lines_above_header(lines: Sequence[str], ended: bool) -> int | None:
    """Return how many blank lines and comments stand above the header; None if more lines are needed.

    The last comment is itself the header if `_comment_is_header` says so, as in "#chrom,pos".
    """
    filled = [i for i, line in enumerate(lines) if line.strip()]
    first = next((i for i in filled if not _is_comment(lines[i])), filled[0] if ended else None)
    if first and _is_comment(lines[first - 1]) and _comment_is_header(lines[first - 1], lines[first]):
        return first - 1
    return first


def _is_comment(line: str) -> bool:
    """Return whether a line above the header is a comment."""
    return line.lstrip().startswith(_COMMENTS)


def _comment_is_header(comment: str, line: str) -> bool:
    """Return whether a comment such as "#chrom,pos" is the header of the line below.

    Both have as many fields, and some fields of the line are numbers.
    """
    fields = [[field.strip() for field in re.split(r"[,;\t|]", text)] for text in (comment, line)]
    numbers = any(re.fullmatch(r"[+-]?\d+\.?\d*", field) for field in fields[1])
    return len(fields[0]) == len(fields[1]) > 1 and numbers


def _guess_separator(header: str, row: str) -> str:
    """Return the separator, by the header and the first row.

    It is a comma if none occurs (see `Layout.separator`).
    The best one occurs equally often in both lines, and most often. Text in quotation marks does not count.
    """
    counts = {s: [_QUOTED.sub("", line).count(s) for line in (header, row)] for s in ",\t;|"}
    consistent = {s: (above == below, above if above == below else 0) for s, (above, below) in counts.items() if above}
    return max(consistent, key=consistent.__getitem__, default=",")

"""CSV bytes -> a frame, with every fault of the file named by its line.

polars parses; this file looks for what polars repairs silently (short lines, doubled names) or reports
without a place (long lines, bytes that are not UTF-8).
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from counterpoise.core.errors import ColumnError, DataError
from counterpoise.data.cells import MISSING, clean, has_codes
from counterpoise.data.dates import is_iso_date, parse_dates

_QUOTE, _NEWLINE = 34, 10
_MOST_COMMENTS = 1_000
_FIRST_LINES = 10_000
#: How files of other formats begin, and what to say.
_FOREIGN = {
    rb"\x1f\x8b": "gzip-compressed data (unpack it first: gunzip FILE)",
    rb"PK\x03\x04": "a zip archive or an Excel workbook (unpack it, or save the sheet as CSV)",
    rb"BZh|\xfd7zXZ|\x28\xb5\x2f\xfd": "compressed data (unpack it first)",
    rb"PAR1": "Parquet (name it FILE.parquet)",
    rb"SQLite format 3": "an SQLite database (export the table as CSV)",
    rb"\s*<(!doctype|html|\?xml)": "HTML or XML (was an error page saved in place of the file?)",
    rb"\s*(\{\s*[\"}]|\[\s*[\[{])": "JSON (turn it into a table first)",
}
_QUOTED = re.compile(r'"[^"]*"?')
#: A field that may be a code such as 02139.
_CODE = re.compile(rb"(?:^|[^\w.+-])\+?0\d")
#: How lines above the header begin that are comments; the last is how Excel writes the separator.
_COMMENTS = (b"#", b"//", b"sep=")


@dataclass
class _Text:
    """A CSV file in memory: its bytes, its name for messages, lines skipped above the header, and what was left out."""

    raw: bytes
    name: str
    skipped: int = 0
    separator: str = ","
    header: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_csv(path: Path, as_text: tuple[str, ...] = (), skip_bad: bool = False) -> tuple[pl.DataFrame, list[str]]:
    """Read a CSV file with one header line, and perhaps comment lines (# or //) above it.

    The separator is a comma, unless the header has none but has a tab, a semicolon or a bar. Types are
    inferred from all lines; a column of digits of which some begin with 0 (zip codes) is text. Blanks around values do
    not count; `MISSING` lists what is read as missing.

    Args:
        path: The file.
        as_text: Columns to leave as text (the target, so that its labels stay as they are written).
        skip_bad: Leave out lines that cannot be read instead of raising.

    Returns:
        The frame, and one sentence for each thing that was left out.

    Raises:
        DataError: Empty, header only, not UTF-8, or a line with too many or too few fields.
        ColumnError: Two columns with one name.
    """
    text = _Text(path.read_bytes(), str(path))
    _check_encoding(text, skip_bad)
    _skip_comments(text)
    _check_header(text)
    _check_lines(text, skip_bad)
    frame = _parse(text, as_text)
    if not frame.height:
        raise DataError(f"{text.name} has a header but no rows. Check that the whole file was written.")
    return frame, text.notes


def _check_encoding(text: _Text, skip_bad: bool) -> None:
    if not text.raw.strip():
        raise DataError(f"{text.name} is empty; expected a header line and one line per row.")
    _check_format(text)
    if text.raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{text.name} is UTF-16 text, expected UTF-8. Save it again as UTF-8.")
    text.raw = text.raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text.raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = text.raw[: fault.start].count(b"\n") + 1
        if not skip_bad or line == 1:
            raise DataError(
                f"{text.name} is not UTF-8: byte 0x{text.raw[fault.start]:02x} in line {line}. Save it again as "
                "UTF-8, for example with: iconv -f latin1 -t utf-8 FILE > NEW"
            ) from None
        _drop_undecodable(text)


def _check_format(text: _Text) -> None:
    """Refuse what is named CSV and is something else, by how it begins."""
    for beginning, what in _FOREIGN.items():
        if re.match(beginning, text.raw[:200], re.IGNORECASE):
            raise DataError(f"{text.name} holds {what}, not CSV text with a header line.")


def _drop_undecodable(text: _Text) -> None:
    kept, lost = [], 0
    for line in text.raw.split(b"\n"):
        try:
            line.decode("utf-8")
            kept.append(line)
        except UnicodeDecodeError:
            lost += 1
    text.raw = b"\n".join(kept)
    text.notes.append(f"Lines of {text.name} left out because they are not UTF-8: {lost:,}.")


def _skip_comments(text: _Text) -> None:
    """Leave out comment lines above the header; a header may begin with # itself."""
    lines = text.raw.split(b"\n", _MOST_COMMENTS)
    count = next((i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(_COMMENTS)), 0)
    if not count or count == len(lines) - 1 == _MOST_COMMENTS or not any(line.strip() for line in lines[:count]):
        return
    count -= _is_header(lines[count - 1], lines[count])
    text.raw, text.skipped = b"\n".join(lines[count:]), count
    if any(line.strip() for line in lines[:count]):
        text.notes.append(f"{count} line{'s' * (count > 1)} above the header of {text.name} left out as comments.")


def _is_header(comment: bytes, line: bytes) -> bool:
    """Whether a line such as "#chrom,pos" is the header of the line below: as many fields, and numbers among these."""
    fields = [[part.strip() for part in re.split(rb"[,;\t|]", text)] for text in (comment, line)]
    numbers = any(re.fullmatch(rb"[+-]?\d+\.?\d*", field) for field in fields[1])
    return len(fields[0]) == len(fields[1]) > 1 and numbers


def _check_header(text: _Text) -> None:
    first = text.raw.lstrip(b"\r\n").split(b"\n", 1)[0].decode("utf-8")
    bare = _QUOTED.sub("", first)
    if "," not in bare:
        text.separator = next((s for s in "\t;|" if s in bare), ",")
    text.header = [name.strip() for name in next(_reader(text), [])]
    _name_columns(text)
    doubled = sorted(name for name, times in Counter(text.header).items() if times > 1)
    if doubled:
        raise ColumnError(f"{text.name} names the column {doubled[0]!r} more than once. Rename one of them.")


def _name_columns(text: _Text) -> None:
    """Give columns without a name one: R and pandas leave that of the row names blank."""
    blank = [place for place, name in enumerate(text.header) if not name]
    if not blank or len(text.header) == 1:
        return
    for place in blank:
        text.header[place] = f"column {place + 1}"
    shown = ", ".join(repr(text.header[place]) for place in blank[:5])
    text.notes.append(f"{len(blank)} column{'s' * (len(blank) > 1)} of {text.name} without a name: called {shown}.")


def _reader(text: _Text) -> csv._reader:  # type: ignore[name-defined]
    csv.field_size_limit(1 << 30)
    return csv.reader(io.StringIO(text.raw.decode("utf-8"), newline=""), delimiter=text.separator)


def _check_lines(text: _Text, skip_bad: bool) -> None:
    """Look at every line only when a fast count says that one may be wrong."""
    if _surely_regular(text):
        return
    width, reader = len(text.header), _reader(text)
    kept: list[list[str]] = []
    bad: list[tuple[int, int]] = []
    begin = 1 + text.skipped
    for fields in reader:
        blank = not fields and width > 1
        if len(fields) == width or (width == 1 and not fields):
            kept.append(fields or [""])
        elif not blank:
            bad.append((begin, len(fields)))
        begin = reader.line_num + 1 + text.skipped
    if bad and not skip_bad:
        line, got = bad[0]
        more = f" ({len(bad):,} such lines)" if len(bad) > 1 else ""
        raise DataError(
            f"{text.name}, line {line}: {got} fields, expected {width} as in the header{more}. Quote values that "
            "hold the separator, or leave such lines out with skip_bad (--skip-bad)."
        )
    if bad:
        text.notes.append(f"Lines of {text.name} left out for a wrong number of fields: {len(bad):,}.")
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=text.separator, lineterminator="\n").writerows(kept)
    text.raw = out.getvalue().encode("utf-8")


def _surely_regular(text: _Text) -> bool:
    """Whether each line has as many separators as the header, counted outside quotes, and none is blank."""
    data = np.frombuffer(text.raw.rstrip(b"\r\n") + b"\n", dtype=np.uint8)
    outside = (np.cumsum(data == _QUOTE, dtype=np.uint8) & 1) == 0
    ends = np.flatnonzero((data == _NEWLINE) & outside)
    if not outside[-1]:
        return False
    lengths = np.diff(ends, prepend=-1)
    if (lengths <= 2).any() and len(text.header) > 1:
        return False
    separators = np.flatnonzero((data == ord(text.separator)) & outside)
    per_line = np.diff(np.searchsorted(separators, ends), prepend=0)
    return bool((per_line == len(text.header) - 1).all()) and not (len(text.header) == 1 and (lengths == 1).any())


def _parse(text: _Text, as_text: tuple[str, ...]) -> pl.DataFrame:
    try:
        try:
            frame = _scan(text, as_text, _FIRST_LINES)
        except pl.exceptions.ComputeError:
            # The first lines mislead, for example whole numbers before the first fraction; all lines take longer.
            frame = _scan(text, as_text, None)
        codes = _codes(text, frame)
        if codes:
            frame = _scan(text, (*as_text, *codes), None)
    except pl.exceptions.NoDataError:
        raise DataError(f"{text.name} has a header but no rows. Check that the whole file was written.") from None
    except pl.exceptions.PolarsError as fault:
        raise DataError(f"{text.name} cannot be read as CSV: {str(fault).splitlines()[0]}.") from None
    return frame.with_columns(retype_text(frame[name], name in as_text) for name in frame.columns)


def _codes(text: _Text, frame: pl.DataFrame) -> list[str]:
    """Columns of whole numbers of which some begin with 0: codes, whose zeros matter."""
    whole = [name for name in frame.columns if frame.schema[name].is_integer()]
    if not whole or not _CODE.search(text.raw):
        return []
    written = _scan(text, tuple(whole), 0, whole)
    return [name for name in whole if has_codes(clean(written[name]))]


def _scan(text: _Text, as_text: tuple[str, ...], lines: int | None, columns: list[str] | None = None) -> pl.DataFrame:
    return pl.read_csv(
        text.raw,
        columns=None if columns is None else [text.header.index(name) for name in columns],
        separator=text.separator,
        infer_schema_length=lines,
        null_values=list(MISSING),
        schema_overrides={name: pl.String for name in as_text if name in text.header},
        new_columns=text.header,
    )


def retype_text(column: pl.Series, keep_text: bool = False) -> pl.Series:
    """Strip blanks around text, read the missing tokens, and turn a column of numbers or ISO dates into such.

    Example:
        >>> retype_text(pl.Series("a", [" 1", "2 ", " ?"])).to_list()
        [1, 2, None]
    """
    if column.dtype != pl.String:
        return column
    cleaned = clean(column)
    if keep_text or cleaned.null_count() == len(cleaned):
        return cleaned
    if is_iso_date(cleaned):
        return parse_dates(cleaned)
    # Text without blanks around it was text to polars too, unless the lines it looked at were all missing.
    as_found = cleaned.equals(column) and cleaned.head(_FIRST_LINES).null_count() < min(_FIRST_LINES, len(cleaned))
    for kind in () if as_found or has_codes(cleaned) else (pl.Int64, pl.Float64):
        typed = cleaned.cast(kind, strict=False)
        if typed.null_count() == cleaned.null_count():
            return typed
    return cleaned

"""CSV files in blocks: the same rows whatever the size of a block, every fault named by its line."""

from __future__ import annotations

import csv
import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.core.errors import ColumnError, DataError
from counterpoise.data import csv_blocks as module
from counterpoise.data import csv_layout
from counterpoise.data.csv_blocks import LeftOut, csv_blocks
from counterpoise.data.csv_layout import read_layout

fields = st.text(st.sampled_from('ab1,;\t|"\n\r é#'), max_size=6)


def read(raw: bytes, size: int = module.BLOCK, skip_bad: bool = False):
    """Layout, rows as text, rows as they are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", size)
        patch.setattr(csv_layout, "FIRST", size)
        layout, stream = csv_blocks(io.BytesIO(raw), "a.csv", skip_bad)
        blocks = list(stream)
    rows = [row for block in blocks for row in block.frame().rows()]
    written = [b.raw[i:j] for b in blocks for i, j in zip(b.starts.tolist(), b.ends.tolist(), strict=True)]
    return layout, rows, written


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from([1, 3, 16, 1 << 20]),
    st.booleans(),
)
def test_any_size_of_a_block_gives_the_rows_that_were_written(rows, separator, end, quoting, size, ended):
    if quoting == csv.QUOTE_MINIMAL:  # Python's writer leaves \r bare
        rows = [tuple(text.replace("\r", "") for text in row) for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(["first", "second", "third"])
    writer.writerows(rows)
    raw = out.getvalue().encode()
    raw = raw if ended else raw.removesuffix(end.encode())
    layout, examples, written = read(raw, size)
    assert layout.header == ("first", "second", "third")
    assert [tuple(text or "" for text in row) for row in examples] == rows
    assert layout.head + b"".join(written) == raw


@pytest.mark.parametrize("size", [1, 10, 1 << 20])
@pytest.mark.parametrize(
    ("raw", "rows"),
    [
        (b"a,b\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")]),  # blank lines
        (b'a,b\n5" pipe,1\n6" pipe,2\n7,3\n', [('5" pipe', "1"), ('6" pipe', "2"), ("7", "3")]),  # stray quotes
        (b'a,b\n5" pipe,"two\nlines"\n\n"an ""x""\ny",2\n', [('5" pipe', "two\nlines"), ('an "x"\ny', "2")]),
        (b"a,b\n1,2\n3,4\n\n\n", [("1", "2"), ("3", "4")]),  # blank lines at the end alone
        (b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")]),  # old line ends
        (b"a\r1\r2\r3", [("1",), ("2",), ("3",)]),
        (b'a\r\n1\r\n"2\rx"\r\n', [("1",), ("2\rx",)]),
        (b"\xef\xbb\xbfa,b\n1,2", [("1", "2")]),
        (b"\n\na,b\n1,2\n", [("1", "2")]),
        (b"# by hand\n\n# twice\na,b\n1,2\n", [("1", "2")]),
        (b"#a,b\n1,2\n", [("1", "2")]),
        (b"a\n1\n\n2\n", [("1",), (None,), ("2",)]),
        (b'"a\nb",c\n1,2\n', [("1", "2")]),
        (b"a,b\n,\n,\n", [(None, None), (None, None)]),
    ],
)
def test_what_people_write_is_read(raw, rows, size):
    _, examples, written = read(raw, size)
    assert [tuple(text or None for text in row) for row in examples] == rows
    assert len(written) == len(rows)
    assert all(row in raw for row in written)


@pytest.mark.parametrize("size", [4, 1 << 20])
@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a,b\n1,2\n3\n4,5\n", "line 3: this line has 1 fields. Expected 2"),
        (b'a,b\n"1\n1",2\n3,4,5\n4,5\n', "line 4: this line has 3 fields. Expected 2"),
        (b"# note\na,b\n1,2\n3\n4,5\n", "line 4: this line has 1 fields"),
        (b'a,b\n1,2\n3,"x\n4,5\n6,7\n', "line 3: .*unexpected end of data.*continues to line 5.*not closed"),
        (b'a,b\n1,2\n3,"x\n4,5\n6,"y"\n7,8\n', "line 3: .*continues to line 5.*not closed"),
        (b"a,b\n1,2\n1,\xff\n2,3\n", "byte 0xff in line 3"),
        (b"a,\xff\n1,2\n", "byte 0xff in line 1"),
    ],
)
def test_faults_are_named_by_their_line(raw, words, size):
    with pytest.raises(DataError, match=words):
        read(raw, size)


@pytest.mark.parametrize("size", [4, 1 << 20])
def test_lines_that_cannot_be_read_are_left_out_on_request(size):
    raw = b"a,b\n1,2\n3\n4,\xff\n5,6,7\n8,9\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", size)
        patch.setattr(csv_layout, "FIRST", size)
        left_out = LeftOut()
        _, blocks = csv_blocks(io.BytesIO(raw), "a.csv", True, left_out)
        assert [row for block in blocks for row in block.frame().rows()] == [("1", "2"), ("8", "9")]
    assert (left_out.not_utf8, left_out.wrong_width) == (1, 2)


def test_columns_are_read_by_name_in_the_order_asked_for():
    _, blocks = csv_blocks(io.BytesIO(b"a,b,c\n1,2,3\n"), "a.csv")
    assert next(blocks).frame(["c", "a"]).to_dict(as_series=False) == {"c": ["3"], "a": ["1"]}


@pytest.mark.parametrize(
    ("header", "error", "words"),
    [
        (b",".join(b"c%d" % i for i in range(400_000)) + b",c7", ColumnError, "'c7' more than once"),
        (b'"' + b"a," * 2_000_000, DataError, "a header that does not end|cannot be read|header"),
    ],
)
def test_a_long_header_is_looked_at_in_linear_time(header, error, words, monkeypatch):
    monkeypatch.setattr(csv_layout, "MOST", 1 << 23)
    start = time.process_time()
    with pytest.raises(error, match=words):
        read_layout(io.BytesIO(header + b"\n1,2\n" * 1_000_000), "a.csv")
    assert time.process_time() - start < 5


def test_starts_and_ends_of_rows_are_positions_in_the_block():
    _, blocks = csv_blocks(io.BytesIO(b"a,b\n1,2\n\n33,4\n"), "a.csv")
    block = next(blocks)
    assert block.starts.dtype.kind == block.ends.dtype.kind == "i"
    assert np.array_equal(block.starts, [0, 5])
    assert np.array_equal(block.ends, [4, 10])

"""Tables on disk are read, part after part, as `to_frame` reads them at once."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError, DataError, OptionError
from counterpoise.data import csv_blocks, csv_layout
from counterpoise.data import stored as module
from counterpoise.data.frames import to_frame
from counterpoise.data.stored import stored

N = 120


def spelled() -> dict[str, list[str]]:
    """Columns of text whose later rows change what they spell."""
    late = range(N - 3, N)
    return {
        "whole": [str(i % 7) for i in range(N)],
        "fraction at the end": ["2.50" if i in late else str(i) for i in range(N)],
        "code at the end": ["007" if i in late else str(i) for i in range(N)],
        "word at the end": ["none" if i in late else f"{i}.5" for i in range(N)],
        "huge": [str(10**25 + i) for i in range(N)],
        "missing at first": ["NA" if i < N // 2 else " 3 " for i in range(N)],
        "truth": [["TRUE", "False", "?"][i % 3] for i in range(N)],
        "day": [f"2024-01-{1 + i % 28:02d}" for i in range(N)],
        "instant": [f"2024-01-01T{i % 24:02d}:00:00+0{i % 9}:00" for i in range(N)],
        "thousands": ["1.200" if i < N - 3 else "950" for i in range(N)],
        "thousands later": ["950" if i < N - 3 else "1.200" for i in range(N)],
        "decimal at the end": [["1.200", "950"][i % 2] if i < N - 3 else "1.25" for i in range(N)],
        "points and gaps": ["" if i < N // 2 else "1.200" for i in range(N)],
        "void": ["" for _ in range(N)],
        "text": [["a;b", 'q"q', " x", "two\nlines"][i % 4] for i in range(N)],
        "y": [["no", "yes"][i % 5 == 0] for i in range(N)],
    }


@pytest.fixture(name="path", params=["csv", "folder of csv", "parquet"])
def _path(request, tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(csv_blocks, "BLOCK", 700)
    monkeypatch.setattr(csv_layout, "FIRST", 300)
    monkeypatch.setattr(module, "SLICE_ROWS", 50)
    frame = pl.DataFrame(spelled())
    if request.param == "csv":
        frame.write_csv(tmp_path / "a.csv", separator=";")
        return tmp_path / "a.csv"
    if request.param == "folder of csv":
        for i in range(3):
            frame[i * 40 : (i + 1) * 40].write_csv(tmp_path / f"{i}.csv")
        return tmp_path
    kinds = {
        "money": [Decimal(i) / 4 for i in range(N)],
        "when": [dt.datetime(2024, 1, 1, i % 24, tzinfo=dt.timezone(dt.timedelta(hours=5))) for i in range(N)],
        "bytes": [b"a", b"b"] * (N // 2),
        "some": [None if i % 3 else float("nan") if i % 2 else 0.5 for i in range(N)],
    }
    typed = {"level": pl.Series(["u", "v"] * (N // 2), dtype=pl.Categorical), "": pl.Series(range(N), dtype=pl.UInt8)}
    frame.with_columns(**{k: pl.Series(v, strict=False) for k, v in kinds.items()}).with_columns(
        value.alias(name) for name, value in typed.items()
    ).write_parquet(tmp_path / "a.parquet", row_group_size=33)
    return tmp_path / "a.parquet"


def whole(path: Path) -> pl.DataFrame:
    if path.is_file():
        return to_frame(path)[0]
    together = path.parent / "together.csv"
    pl.concat([pl.read_csv(p, infer_schema=False) for p in sorted(path.glob("*.csv"))]).write_csv(together)
    return to_frame(together)[0]


def test_parts_are_what_the_whole_is(path):
    wanted, table = whole(path), stored(path)
    assert list(table.columns) == wanted.columns
    for columns in (wanted.columns, wanted.columns[::-2]):
        parts = list(table.chunks(columns))
        assert len(parts) > 2
        assert [start for start, _ in parts] == np.cumsum([0, *(part.height for _, part in parts)])[:-1].tolist()
        assert pl.concat([part for _, part in parts]).equals(wanted.select(columns))


def test_the_types_are_found_with_the_labels_or_when_they_are_asked_for(path):
    table = stored(path)
    values = table.values(["y", "whole", "huge"], "y")
    assert values.equals(whole(path).select("y", "whole", "huge"))
    assert pl.concat([part for _, part in table.chunks(["day"])]).equals(whole(path).select("day"))


def test_parts_without_a_wanted_row_may_be_left_out(path):
    table, wanted = stored(path), np.zeros(N, bool)
    wanted[70:74] = True
    rows = {start + i for start, part in table.chunks(["whole"], wanted) for i in range(part.height)}
    assert set(range(70, 74)) <= rows
    assert len(rows) < N


def test_files_are_found_by_name_folder_and_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rows-2.csv", "rows-1.csv", "rows[1].csv", "other.txt"):
        Path(name).write_text(f"a,y\n{len(name)},0\n")
    Path(".hidden").mkdir()
    Path(".hidden/x.csv").write_text("b,y\n1,0\n")
    assert [p.name for p in stored("rows-*.csv").paths] == ["rows-1.csv", "rows-2.csv"]
    assert [p.name for p in stored("rows[1].csv").paths] == ["rows[1].csv"]
    assert [p.name for p in stored(b"rows-1.csv").paths] == ["rows-1.csv"]
    assert [p.name for p in stored(".").paths] == ["rows-1.csv", "rows-2.csv", "rows[1].csv"]
    pl.DataFrame({"a": [1]}).write_parquet("rows.parquet")
    assert [p.name for p in stored(".").paths] == ["rows.parquet"]


def test_names_that_are_not_utf8_are_read(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    for name, kind in (("a.csv", "csv"), ("a.parquet", "parquet")):
        getattr(pl.DataFrame({"a": [1, 2]}), f"write_{kind}")(tmp_path / name)
        (tmp_path / name).rename(folder / name)
        assert to_frame(folder / name)[0]["a"].to_list() == [1, 2]
        assert [part["a"].to_list() for _, part in stored(folder / name).chunks(["a"])] == [[1, 2]]


@pytest.mark.parametrize(
    ("files", "source", "error", "words"),
    [
        ({}, "none.csv", DataError, "does not exist"),
        ({"a.xls": b"1"}, "a.xls", DataError, "unsupported file type"),
        ({"a.parquet": b""}, "a.parquet", DataError, "is empty"),
        ({"a.parquet": b"PAR1 not"}, "a.parquet", DataError, "cannot be read as Parquet"),
        ({"a.csv": b""}, "a.csv", DataError, "is empty"),
        ({"a.csv": b"a,b\n"}, "a.csv", DataError, "header but no rows"),
        ({"a.csv": b"a,b\n1,2\n3\n"}, "a.csv", DataError, "line 3: this line has 1 fields"),
        ({"a.csv": b"a,b\n1,2\n", "b.csv": b"b,a\n1,2\n"}, "*.csv", DataError, r"b.csv has other columns than .*a.csv"),
        ({"a.csv": b"a,a\n1,2\n"}, "a.csv", ColumnError, "more than once"),
        ({}, "", OptionError, "cannot be a file name"),
    ],
)
def test_what_cannot_be_read_is_one_of_our_errors(tmp_path, files, source, error, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=words):
        list(stored(f"{tmp_path}/{source}" if source else "").chunks(["a"]))


def test_a_column_that_no_table_may_hold_is_named(tmp_path):
    pl.DataFrame({"a": [1], "many": [[1, 2]]}).write_parquet(tmp_path / "a.parquet")
    table = stored(tmp_path / "a.parquet")
    table.check(["a"])
    with pytest.raises(ColumnError, match=r"'many'.*List"):
        table.check(["a", "many"])

"""A resampled copy holds rows as they were written."""

from __future__ import annotations

import datetime as dt
import os
import threading
from decimal import Decimal

import polars as pl
import pytest

from counterpoise.core.errors import ArtifactError, ColumnError, DataError, OptionError
from counterpoise.data import csv_blocks, csv_layout
from counterpoise.data import stored as stored_tables
from counterpoise.feed.resampling import resample_file

#: Texts that reading and writing again would change.
ROWS = [
    [
        f"{i % 37:05d}", f"{i / 8:.3f}0", ["TRUE", "FALSE", "NA", ""][i % 4], "1e3", '"q ""x""\nline"', f" {i} ",
        "0" + "12"[i % 6 == 0],
    ]
    for i in range(60)
]  # fmt: skip


def written(separator=",", end="\n", above="", last="\n") -> bytes:
    lines = [separator.join(["zip", "price", "flag", "sci", "quoted", "blank", "label"]), *map(separator.join, ROWS)]
    return (above + end.join(lines) + last).encode()


@pytest.mark.parametrize("block", [50, 1 << 20])
@pytest.mark.parametrize("plan", ["undersample", "oversample"])
@pytest.mark.parametrize(
    "raw",
    [
        written(),
        written(";", "\r\n", last=""),
        written("\t", above="\ufeff"),
        written("|", above="# by hand\n\n"),
        written(end="\n\n"),
    ],
    ids=["plain", "semicolons", "tabs", "comments", "blank lines"],
)
def test_rows_of_csv_are_copied_byte_by_byte(tmp_path, monkeypatch, raw, plan, block):
    monkeypatch.setattr(csv_blocks, "BLOCK", block)
    monkeypatch.setattr(csv_layout, "FIRST", block)
    (tmp_path / "in.csv").write_bytes(raw)
    summary = resample_file(tmp_path / "in.csv", "label", tmp_path / "out.csv", plan, seed=3)
    out = (tmp_path / "out.csv").read_bytes()
    head = raw[: raw.index(b"label") + 5]
    assert out.startswith(head)
    separator = next(s for s in ";\t|," if s in head.decode())
    end = "\r\n" if b"\r\n" in head + raw[len(head) : len(head) + 2] else "\n"
    lines = [separator.join(row) + end for row in ROWS]
    rest, places = out[len(head) + len(end) :].decode(), []
    while rest:  # each row once or more, in order
        places.append(next(i for i in range(places[-1] if places else 0, 60) if rest.startswith(lines[i])))
        rest = rest.removeprefix(lines[places[-1]])
    assert len(places) == summary["rows"] == (20 if plan == "undersample" else 100)
    assert {c["label"]: c["before"] for c in summary["classes"]} == {"01": 50, "02": 10}


def test_a_csv_file_becomes_parquet_as_text(tmp_path):
    (tmp_path / "in.csv").write_bytes(written())
    resample_file(tmp_path / "in.csv", "label", tmp_path / "out.parquet")
    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert set(frame.dtypes) == {pl.String}
    wanted = [tuple((t[1:-1].replace('""', '"') if t[:1] == '"' else t) or None for t in row) for row in ROWS]
    assert set(frame.rows()) <= set(wanted)


def odd_table() -> pl.DataFrame:
    """Types and names that a copy could lose."""
    n = 40
    return pl.DataFrame(
        {
            "": range(n),
            "__row_number__": [i / 3 for i in range(n)],
            "_row": [Decimal(i) / 4 for i in range(n)],
            "level": pl.Series(["u", None] * (n // 2), dtype=pl.Categorical),
            "one of": pl.Series(["a", "b"] * (n // 2), dtype=pl.Enum(["a", "b"])),
            "bytes": [b"\xff\x00"] * n,
            "many": [[i, None] for i in range(n)],
            "record": [{"a": i, "b": None} for i in range(n)],
            "when": [dt.datetime(2024, 1, 1, i % 24, tzinfo=dt.UTC) for i in range(n)],
            "lasted": [dt.timedelta(seconds=i) for i in range(n)],
            "y": pl.Series([0] * 30 + [1] * 10, dtype=pl.UInt8),
        }
    )


@pytest.mark.parametrize("plan", ["undersample", "oversample"])
def test_rows_of_parquet_keep_types_and_names(tmp_path, monkeypatch, plan):
    monkeypatch.setattr(stored_tables, "SLICE_ROWS", 16)
    table = odd_table()
    table.write_parquet(tmp_path / "in.parquet", row_group_size=7)
    summary = resample_file(tmp_path / "in.parquet", "y", tmp_path / "out.parquet", plan)
    written = pl.read_parquet(tmp_path / "out.parquet")
    assert written.schema == table.schema
    assert written.height == summary["rows"]
    assert written.equals(table[written[""].to_numpy()])


def test_what_no_csv_file_can_hold_is_named(tmp_path):
    odd_table().write_parquet(tmp_path / "in.parquet")
    with pytest.raises(ColumnError, match=r"'bytes' of .* has the type Binary"):
        resample_file(tmp_path / "in.parquet", "y", tmp_path / "out.csv")
    odd_table().drop("bytes").write_parquet(tmp_path / "in.parquet")
    with pytest.raises(ColumnError, match=r"'many' of .* has the type List"):
        resample_file(tmp_path / "in.parquet", "y", tmp_path / "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_devices_pipes_and_links_are_outputs(tmp_path):
    (tmp_path / "in.csv").write_bytes(written())
    resample_file(tmp_path / "in.csv", "label", tmp_path / "out.csv", seed=1)
    resample_file(tmp_path / "in.csv", "label", "/dev/null")
    os.mkfifo(tmp_path / "pipe.csv")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe.csv").read_bytes()))
    reader.start()
    resample_file(tmp_path / "in.csv", "label", tmp_path / "pipe.csv", seed=1)
    reader.join()
    (tmp_path / "latest.csv").symlink_to("first.csv")
    resample_file(tmp_path / "in.csv", "label", tmp_path / "latest.csv", seed=1)
    assert read == [(tmp_path / "out.csv").read_bytes()] == [(tmp_path / "first.csv").read_bytes()]
    with pytest.raises(ArtifactError, match="'/dev/full': No space left on device"):
        resample_file(tmp_path / "in.csv", "label", "/dev/full")


@pytest.mark.parametrize(
    ("name", "how", "error", "words"),
    [
        ("out.csv", {"seed": -1}, OptionError, "seed is -1"),
        ("out.csv", {"seed": 1.5}, OptionError, "seed is 1.5"),
        ("in.csv", {}, ArtifactError, "this command reads that file"),
        ("link.csv", {}, ArtifactError, "this command reads that file"),
        (None, {}, OptionError, "out is None"),
        ("out.xlsx", {}, OptionError, "Expected .parquet or .csv"),
    ],
)
def test_what_cannot_be_done_leaves_everything_as_it_was(tmp_path, name, how, error, words):
    (tmp_path / "in.csv").write_bytes(written())
    (tmp_path / "link.csv").symlink_to("in.csv")
    with pytest.raises(error, match=words):
        resample_file(tmp_path / "in.csv", "label", None if name is None else f"{tmp_path}/{name}", **how)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "link.csv"]
    assert (tmp_path / "in.csv").read_bytes() == written()


def test_the_labels_are_read_by_the_rules_of_fit(tmp_path):
    """Missing words are missing, blanks around a label are none of it, and a broken line has its number."""
    (tmp_path / "in.csv").write_text("a;y\n1;no\n2; no\n3;yes\n")
    classes = resample_file(tmp_path / "in.csv", "y", tmp_path / "out.csv")["classes"]
    assert [(c["label"], c["before"]) for c in classes] == [("no", 2), ("yes", 1)]
    (tmp_path / "in.csv").write_text("a;y\n1;no\n2;NA\n3;yes\n")
    with pytest.raises(DataError, match="missing in row 2"):
        resample_file(tmp_path / "in.csv", "y", tmp_path / "out.csv")
    (tmp_path / "in.csv").write_text("a;y\n1;no\n2\n3;yes\n")
    with pytest.raises(DataError, match="line 3: this line has 1 fields"):
        resample_file(tmp_path / "in.csv", "y", tmp_path / "out.csv")


def test_many_files_are_one_table(tmp_path):
    for i in range(3):
        (tmp_path / f"rows-{i}.csv").write_text(
            "a,y\n" + "".join(f"{i}.{j}0,{'no' if j else 'yes'}\n" for j in range(5))
        )
    resample_file(tmp_path / "rows-*.csv", "y", tmp_path / "out.csv", "oversample")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "a,y"
    assert len(lines) == 25
    assert [line for line in dict.fromkeys(lines[1:]) if line.endswith("no")] == [
        f"{i}.{j}0,no" for i in range(3) for j in range(1, 5)
    ]
    with pytest.raises(OptionError, match="matches the input pattern"):
        resample_file(tmp_path / "rows-*.csv", "y", tmp_path / "rows-few.csv")
    with pytest.raises(OptionError, match="is in the input folder"):
        resample_file(tmp_path, "y", tmp_path / "few.csv")


def test_ten_thousand_columns_and_one_column_are_tables(tmp_path):
    wide = ",".join(f"c{i}" for i in range(10_000))
    (tmp_path / "wide.csv").write_text(f"{wide},y\n" + "".join("1," * 10_000 + f"{int(i == 0)}\n" for i in range(4)))
    assert resample_file(tmp_path / "wide.csv", "y", tmp_path / "out.csv")["rows"] == 2
    (tmp_path / "one.csv").write_text("y\nno\nno\nyes\n")
    assert resample_file(tmp_path / "one.csv", "y", tmp_path / "one-out.csv")["rows"] == 2
    assert (tmp_path / "one-out.csv").read_text() == "y\nno\nyes\n"
    assert (tmp_path / "out.csv").read_text().split("\n")[0] == f"{wide},y"

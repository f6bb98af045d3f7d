"""`counterpoise resample`: a balanced file, what it did to the shares, and bad input."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest


@pytest.fixture(name="rows")
def _rows(tmp_path):
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"id": range(100), "y": ["ok"] * 90 + ["bad"] * 10}).write_parquet(path)
    return path


@pytest.mark.parametrize(("plan", "after"), [("undersample", 10), ("oversample", 90)])
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_balanced_file_is_written_and_explained(counterpoise, rows, tmp_path, plan, after, ending):
    out = tmp_path / f"small.{ending}"
    run = counterpoise("resample", rows, "--target", "y", "--plan", plan, "--out", out, "--json")
    assert run.code == 0, run.err
    record = json.loads(run.out)
    assert {c["label"]: (c["before"], c["after"]) for c in record["classes"]} == {"ok": (90, after), "bad": (10, after)}
    made = pl.read_parquet(out) if ending == "parquet" else pl.read_csv(out)
    assert made.columns == ["id", "y"]
    assert dict(made["y"].value_counts().rows()) == {"ok": after, "bad": after}
    assert set(made.rows()) <= set(pl.read_parquet(rows).rows())


def test_people_are_shown_the_shift(counterpoise, rows, tmp_path):
    run = counterpoise("resample", rows, "--target", "y", "--out", tmp_path / "small.parquet")
    assert run.code == 0
    assert "ok: 90 -> 10 rows; log shift -1.0986" in run.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--target", "z"), ("'z'",)),
        (("--target", "y", "--plan", "smote"), ("smote", "undersample")),
        (("--target", "y", "--ratio", 0), ("ratio",)),
        (("--target", "y", "--out", "small.txt"), (".parquet",)),
        (("--target", "y", "--out", "no/such/small.csv"), ("no/such",)),
    ],
)
def test_bad_input_leaves_no_file(counterpoise, rows, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = arguments if "--out" in arguments else (*arguments, "--out", "small.parquet")
    run = counterpoise("resample", rows, *given)
    assert run.code == 2
    assert len(run.err.strip().splitlines()) == 1
    for word in words:
        assert word in run.err
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


#: The command, where writing takes a minute that nothing in Python can cut short.
SLOW = """
import time
import polars
from counterpoise.cli.main import main
def write(self, file, **options):
    file.write(b"half of it")
    file.flush()
    print(file.name, flush=True)
    time.sleep(60)
polars.LazyFrame.sink_parquet = polars.LazyFrame.sink_ipc = write
main()
"""


@pytest.mark.parametrize("plan", ["undersample", "oversample"])
def test_a_command_that_is_ended_leaves_no_half_written_file(rows, tmp_path, plan):
    command = ["resample", rows, "--target", "y", "--plan", plan, "--out", tmp_path / "small.parquet"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        draft = Path(process.stdout.readline().strip())
        assert draft.read_bytes() == b"half of it"
        assert draft.parent.parent == tmp_path
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
        assert process.stderr.read() == "counterpoise: stopped.\n"
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]

"""What a command reads is never what it writes; devices and pipes are written to; texts that a spreadsheet runs."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import check_refusal, contents, run_command

import counterpoise as cp
from counterpoise.cli.predict import _with_formulas_escaped
from counterpoise.comparison import store_file
from counterpoise.comparison.store import Store


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory) -> Path:
    """A table and a model whose labels a spreadsheet would run."""
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    ill = np.arange(60) % 3 == 0
    frame = pl.DataFrame({"a": rng.normal(size=60) + ill, "ill": np.where(ill, "=1+1", "né")})
    frame.write_csv(folder / "t.csv")
    cp.fit("mlp", frame, "ill", strategy="none", epochs=1, verbose=0).save(folder / "m.keras")
    return folder


@pytest.fixture(name="root")
def _root(made, tmp_path, monkeypatch) -> Path:
    """The same in a folder of its own, with other names for both."""
    for name in ("t.csv", "m.keras"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
        (tmp_path / f"link to {name}").symlink_to(name)
        os.link(tmp_path / name, tmp_path / f"hard {name}")
    (tmp_path / "around").symlink_to(tmp_path)
    (tmp_path / "b.csv").write_bytes((made / "t.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAIN = ("--target", "ill", "--strategy", "none", "--epochs", "1", "--model", "mlp")
COMPARE = ("--target", "ill", "--strategies", "none", "--folds", "2", "--epochs", "1", "--model", "mlp")


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "m.keras", "t.csv", "--out", "t.csv"),
        ("predict", "m.keras", "t.csv", "--out", "link to t.csv"),
        ("predict", "m.keras", "t.csv", "--out", "no folder/../t.csv"),
        ("predict", "m.keras", "link to t.csv", "--out", "around/t.csv"),
        ("predict", "m.keras", "t.csv", "--out", "hard m.keras"),
        ("predict", "link to m.keras", "t.csv", "--out", "./m.keras"),
        ("predict", "m.keras", "t.csv", "--reasons", "1", "--background", "b.csv", "--out", "b.csv"),
        ("evaluate", "m.keras", "t.csv", "--out", "t.csv"),
        ("evaluate", "m.keras", "t.csv", "--costs", "b.csv", "--out", "b.csv"),
        ("evaluate", "m.keras", "t.csv", "--out", "around/around/m.keras"),
        ("train", "t.csv", *TRAIN, "--model", "m.keras", "--out", "link to m.keras"),
        ("train", "hard t.csv", *TRAIN, "--out", "t.keras"),
        ("train", "t.csv", *TRAIN, "--model", "mlp+m.keras", "--out", "m.keras"),
        ("compare", "t.csv", *COMPARE, "--model", "m.keras", "--out", "run"),
        ("compare", "t.csv", *COMPARE, "--model", "mlp,m.keras", "--out", "run"),
        ("compare", "run/leaderboard.csv", *COMPARE, "--out", "run"),
        ("resample", "t.csv", "--target", "ill", "--out", "link to t.csv"),
        ("resample", "*t.csv", "--target", "ill", "--out", "hard t.csv"),
        ("resample", "t*.csv", "--target", "ill", "--out", "tt.csv"),
    ],
)
def test_an_input_is_no_output(root, command):
    os.link("t.csv", "t.keras")
    Path("run").mkdir()
    os.link("m.keras", "run/model.keras")
    os.link("t.csv", "run/leaderboard.csv")
    before = contents(root)
    words = "matches the input pattern" if "tt.csv" in command else "this command reads that file"
    check_refusal(run_command(*command), words)
    assert contents(root) == before


def test_predictions_go_to_devices_and_pipes(root):
    assert run_command("predict", "m.keras", "t.csv", "--out", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
    full = run_command("predict", "m.keras", "t.csv", "--out", "/dev/full")
    last = full.err.splitlines()[-1]  # behind the note on cells like formulas
    check_refusal(replace(full, err=last), "'/dev/full'", "No space left")
    os.mkfifo("pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text(encoding="utf-8")))
    reader.start()
    assert run_command("predict", "m.keras", "t.csv", "--out", "pipe").code == 0
    reader.join()
    assert Path("pipe").is_fifo()
    assert read == [run_command("predict", "m.keras", "t.csv").out]


def test_an_export_is_no_device(root):
    check_refusal(run_command("export", "m.keras", "--format", "onnx", "--out", "/dev/null"), "/dev/null")
    odd = os.fsdecode(os.fsencode(root) + b"/\xff.onnx")
    check_refusal(run_command("export", "m.keras", "--format", "onnx", "--out", odd), r"\udcff.onnx", "UTF-8")


def test_a_model_goes_to_a_device(root):
    run = run_command("train", "t.csv", *TRAIN, "--out", "/dev/null")
    assert (run.code, run.out.split(":")[0]) == (0, "saved /dev/null")


def test_texts_that_a_spreadsheet_runs_are_reported_and_escaped_on_request(root):
    plain, escaped = (run_command("predict", "m.keras", "t.csv", *more) for more in ((), ("--spreadsheet",)))
    cells = plain.out.count(",=1+1\n")
    assert (
        f"! {cells:,} cells look like formulas. If you open the file in a spreadsheet, add --spreadsheet." in plain.err
        or not cells
    )
    assert escaped.out == plain.out.replace(",=1+1\n", ",'=1+1\n")


def test_formulas_are_texts_that_are_no_numbers(capsys):
    texts = ["=1", "+a", "-b", "@c", "\td", "\re", "＝f", "-5", "+1.5", "-1,5", "a=b", "", None, "'x"]
    frame = pl.DataFrame({"decision": texts, "probability": [0.5] * len(texts)})
    written = _with_formulas_escaped(frame, escape=True)["decision"].to_list()
    assert written == [f"'{t}" if i < 7 else t for i, t in enumerate(texts)]
    assert "7 cells" in capsys.readouterr().err
    assert _with_formulas_escaped(frame, escape=False).equals(frame)
    numbers = frame.select("probability")
    assert _with_formulas_escaped(numbers, escape=True).equals(numbers)


@pytest.mark.parametrize("wal", [True, False])
def test_the_run_of_a_read_only_folder_is_reported(tmp_path, monkeypatch, wal):
    """Where SQLite cannot put its own files beside a run, a copy is read; what a killed run left in its log counts."""
    folder = tmp_path / "run"
    with Store.writing(folder) as store:
        if not wal:
            store._database.execute("PRAGMA journal_mode = DELETE")
        else:
            kept = {p.name: p.read_bytes() for p in folder.iterdir()}
    if wal:  # closing has moved the log into the file
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        assert (folder / "run.sqlite-wal").stat().st_size
    connect = sqlite3.connect

    def refused(path, **how):
        if Path(path).parent == folder:
            return _Refusing(sqlite3.OperationalError("unable to open database file"))
        return connect(path, **how)

    monkeypatch.setattr(store_file.sqlite3, "connect", refused)
    with Store.reading(folder) as store:
        assert store._read_fact("owner")["pid"] == os.getpid()


class _Refusing:
    """A connection of which the first use fails, as in a folder that cannot be written."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def execute(self, command: str, *_: object) -> object:
        if command.startswith("PRAGMA"):
            return None
        raise self.error

    def close(self) -> None:
        """Nothing was opened."""

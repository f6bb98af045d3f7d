"""Bad input on the command line: exit code 2, one line that names the thing, the output folder as it was."""

from __future__ import annotations

import errno
import importlib.util
import sys
from pathlib import Path

import pytest

from counterpoise.cli import options

_spec = importlib.util.spec_from_file_location("bad_input", Path(__file__).parents[1] / "test_bad_input.py")
bad_input = importlib.util.module_from_spec(_spec)
sys.modules["bad_input"] = bad_input  # dataclasses look their module up
_spec.loader.exec_module(bad_input)


@pytest.fixture(name="earlier")
def _earlier(tmp_path):
    """An output folder that holds an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "leaderboard.json").write_text("{}")
    return folder


def refused(run, folder: Path, *words: str) -> None:
    assert run.code == 2
    lines = run.err.strip().splitlines()
    assert len(lines) == 1, run.err
    assert lines[0].startswith("counterpoise: ")
    for word in words:
        assert word in lines[0], lines[0]
    assert {p.name: p.read_text() for p in folder.iterdir()} == {"leaderboard.json": "{}"}


@pytest.mark.parametrize("case", bad_input.CASES, ids=lambda case: case.name)
def test_a_bad_file(counterpoise, case, tmp_path, earlier):
    data = tmp_path / "in"
    data.mkdir()
    case.make(data)
    run = counterpoise("compare", data / case.data, *case.arguments, "--out", earlier)
    refused(run, earlier, *case.words)


COMPARE = {
    "folds that a class cannot carry": (
        ("--target", "grade", "--folds", 200),
        ("class '", "largest number of folds", "--merge-rare"),
    ),
    "one fold": (("--target", "ill", "--folds", 1), ("folds is 1",)),
    "no target": ((), ("--target",)),
    "target nearly right": (("--target", "il"), ("Did you mean 'ill'",)),
    "unknown strategy": (("--target", "ill", "--strategies", "smoat"), ("no strategy 'smoat'",)),
    "unknown metric": (("--target", "ill", "--metric", "acuracy"), ("no metric 'acuracy'", "accuracy")),
    "unknown budget": (("--target", "ill", "--budget", "time"), ("budget is 'time'",)),
    "unknown option": (("--target", "ill", "--fold", 3), ("--fold",)),
    "not a number": (("--target", "ill", "--epochs", "many"), ("--epochs", "integer")),
    "epochs of zero": (("--target", "ill", "--epochs", 0), ("epochs is 0", "1 or more")),
    "unknown network": (("--target", "ill", "--model", "mpl"), ("Did you mean 'mlp'",)),
    "network file that is absent": (("--target", "ill", "--model", "absent.keras"), ("absent.keras", "no such file")),
    "module that is absent": (("--target", "ill", "--model", "absent:build"), ("absent:build", "module:function")),
    "positive of three": (("--target", "grade", "--positive", "a"), ("--one-vs-rest",)),
    "groups that are absent": (("--target", "ill", "--groups", "clinics"), ("Did you mean 'clinic'",)),
    "groups and time": (("--target", "ill", "--groups", "clinic", "--time", "day"), ("groups and time",)),
    "unknown way with duplicates": (("--target", "ill", "--duplicates", "merge"), ("duplicates is 'merge'",)),
}


@pytest.mark.parametrize("name", COMPARE)
def test_options_that_cannot_be(counterpoise, table, earlier, name):
    arguments, words = COMPARE[name]
    refused(counterpoise("compare", table, *arguments, "--out", earlier), earlier, *words)


def test_a_network_that_does_not_fit(counterpoise, table, earlier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.py").write_text(
        "import keras\n"
        "def build(spec, n_classes):\n"
        "    x = spec.inputs()\n"
        "    return keras.Model(x, keras.layers.Dense(5)(x))\n"
    )
    run = counterpoise("compare", table, "--target", "ill", "--model", "wide:build", "--out", earlier)
    refused(run, earlier, "(None, 5)", "1 or 2 units")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--strategy", "non"), ("Did you mean 'none'",)),
        (("--strategy", "none", "--cost-fp", 1), ("--cost-fn",)),
        (("--strategy", "none", "--alerts", 5, "--recall-floor", 0.9), ("one aim",)),
    ],
)
def test_train(counterpoise, table, earlier, arguments, words):
    refused(counterpoise("train", table, "--target", "ill", *arguments, "--out", earlier / "m.keras"), earlier, *words)


def test_train_to_a_name_that_is_no_model(counterpoise, table, earlier):
    refused(
        counterpoise("train", table, "--target", "ill", "--strategy", "none", "--out", earlier / "m.h5"),
        earlier,
        ".keras",
    )


def test_predict_with_files_that_are_not_models(counterpoise, table, earlier, tmp_path):
    (tmp_path / "text.keras").write_text("hello")
    refused(
        counterpoise("predict", tmp_path / "text.keras", table, "--out", earlier / "p.csv"),
        earlier,
        "text.keras",
        "damaged",
    )
    refused(
        counterpoise("predict", tmp_path / "absent.keras", table, "--out", earlier / "p.csv"), earlier, "absent.keras"
    )


def test_a_folder_below_a_file_is_refused_before_any_work(counterpoise, table, tmp_path):
    (tmp_path / "file").write_text("")
    run = counterpoise("compare", table, "--target", "ill", "--out", tmp_path / "file" / "run")
    assert run.code == 2
    assert "is a file; give a folder" in run.err


def test_a_full_disk_leaves_the_earlier_run(counterpoise, table, earlier, monkeypatch):
    def full(self, *a, **k):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("keras.Model.save", full)
    run = counterpoise(
        "compare", table, "--target", "ill", "--strategies", "none", "--folds", 2, "--epochs", 1, "--out", earlier
    )
    refused(run, earlier, "No space left on device")


def test_names_are_split_at_commas():
    assert options.split_names(" a, b ,,c") == ("a", "b", "c")

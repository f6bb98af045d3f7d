"""Bad input, one row per case: on the command line exit code 2, one line that names the thing, and every folder as it
was; in Python our error with the same words."""

from __future__ import annotations

import errno
import os
import shlex

import keras
import numpy as np
import polars as pl
import pytest
from bad_files import CASES, GOOD, text
from command_line import check_refusal, contents, run_command

import counterpoise as cp
from counterpoise.comparison.store_file import FILE, LOCK
from counterpoise.core.errors import CounterpoiseError
from counterpoise.data.read import read

BUILDERS = """
import keras
def wide(spec, n_classes):
    return _net(spec.inputs(), 5)
def foreign(spec, n_classes):
    return _net(keras.Input((7,)), 1)
def nothing(spec, n_classes):
    return None
def failing(spec, n_classes):
    raise RuntimeError("no weights today")
def lonely():
    return None
number = 3
def _net(x, units):
    return keras.Model(x, keras.layers.Dense(units)(x))
"""


@pytest.fixture(scope="module", name="root")
def _root(tmp_path_factory):
    """A table, variants of it that lack something, models sound and unsound, builders that cannot be used."""
    folder = tmp_path_factory.mktemp("in")
    rng = np.random.default_rng(0)
    ill = np.arange(120) % 5 == 0
    frame = pl.DataFrame({
        "age": rng.normal(50, 9, 120) + 15 * ill, "sex": rng.choice(["f", "m"], 120), "ward": np.arange(120) % 12,
        "day": rng.permutation(120), "grade": np.resize([*"aaabbbc"], 120), "ill": np.where(ill, "yes", "no"),
    })  # fmt: skip
    frame.write_csv(folder / "t.csv")
    frame.drop("sex", "age").write_csv(folder / "short.csv")
    frame.rename({"age": "Age"}).write_csv(folder / "renamed.csv")
    frame.with_columns(age=pl.lit("old")).write_csv(folder / "words.csv")
    frame.head(0).write_csv(folder / "header.csv")
    (folder / "binary.csv").write_bytes(bytes(range(256)))
    fit = {"strategy": "none", "epochs": 1, "verbose": 0}
    cp.fit("mlp", frame.select("age", "sex", "ill"), "ill", **fit).save(folder / "m.keras")
    cp.fit("mlp", frame.select("age", "grade"), "grade", **fit).save(folder / "three.keras")
    whole = (folder / "m.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    (folder / "spoilt.keras").write_bytes(whole[:3000] + b"\0" * 400 + whole[3400:])
    (folder / "text.keras").write_text("hello")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(folder / "plain.keras")
    (folder / "rejected_builders.py").write_text(BUILDERS)
    (folder / "broken_builders.py").write_text("def build(:\n")
    (folder / "file").write_text("")
    (folder / "folder.keras").mkdir()
    return folder


@pytest.fixture(name="out")
def _out(tmp_path):
    """An output folder that holds an earlier run."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "leaderboard.json").write_text("{}")
    (folder / "model.keras").write_bytes(b"earlier")
    return folder


def refused(root, out, command: str, *words: str) -> None:
    """Run a command in `place`; it must refuse, and change nothing there or in the output folder."""
    before = contents(root), contents(out)
    run = run_command(*shlex.split(command.format(out=out)))
    check_refusal(run, *words)
    assert (contents(root), contents(out)) == before


RUN = "compare t.csv --target ill --out {out} "
MODEL = "train t.csv --target ill --strategy none --out {out}/m.keras "
SCORE = "predict m.keras t.csv --out {out}/p.csv "

COMMANDS = {
    "no command of that name": ("compar", "Did you mean 'compare'"),
    "no data": ("compare --target ill --out {out}", "argument 'data'", "counterpoise compare --help"),
    "no output folder named": ("compare t.csv --target ill", "'--out'"),
    "an unknown option": (RUN + "--fold 3", "--fold"),
    "a word for a number": (RUN + "--epochs many", "--epochs", "integer"),
    "no target": ("compare t.csv --out {out}", "--target", "t.csv"),
    "a target nearly right": ("compare t.csv --target il --out {out}", "'il'", "Did you mean 'ill'"),
    "no such file": ("compare x.csv --target ill --out {out}", "x.csv does not exist"),
    "bytes that are no text": ("diagnose binary.csv --target ill", "binary.csv", "UTF-8"),
    "a class in too few rows": (RUN + "--folds 25", "class 'yes' has 24 rows", "Use 24 folds", "--merge-rare"),
    "one fold": (RUN + "--folds 1", "--folds", "2"),
    "one fold to diagnose": ("diagnose t.csv --target ill --folds 1", "--folds", "2"),
    "groups too few for the folds": (RUN + "--groups ward --folds 13", "Class 'no'", "at most 12 folds"),
    "no such group column": (RUN + "--groups wards", "Did you mean 'ward'"),
    "groups and time together": (RUN + "--groups ward --time day", "--groups and --time"),
    "a positive of three classes": (
        "compare t.csv --target grade --positive a --out {out}", "a, b, c", "--one-vs-rest a"
    ),
    "the target dropped": (RUN + "--drop day,ill", "'ill'", "--target", "--drop"),
    "an unknown strategy": (RUN + "--strategies none,oversampel", "'oversampel'", "Did you mean 'oversample'"),
    "no strategy": (RUN + "--strategies ,", "--strategies is empty"),
    "an unknown metric": (RUN + "--metric acuracy", "'acuracy'", "Did you mean 'accuracy'"),
    "an unknown budget": (RUN + "--budget time", "--budget is 'time'", "steps"),
    "an unknown way with duplicates": (RUN + "--duplicates merge", "--duplicates is 'merge'", "drop"),
    "no epochs": (RUN + "--epochs 0", "epochs is 0"),
    "no repeats": (RUN + "--repeats 0", "--repeats", "1"),
    "an empty batch": (RUN + "--batch-size 0", "--batch-size is 0"),
    "a negative seed": (RUN + "--seed -1", "'--seed'", "greater than or equal to 0"),
    "pixels of a table": (RUN + "--size 32", "--size", "t.csv"),
    "an output folder below a file": ("compare t.csv --target ill --out file/run", "'file' is a file"),
    "a file as output folder": ("compare t.csv --target ill --out file", "'file' is a file"),
    "an unknown network": (RUN + "--model mpl", "'mpl'", "Did you mean 'mlp'"),
    "no such model file": (RUN + "--model x.keras", "x.keras", "does not exist"),
    "a damaged model file": (RUN + "--model cut.keras", "cut.keras", "damaged"),
    "a model for another input": (RUN + "--model plain.keras", "input of shape"),
    "a classifier as model": (RUN + "--model m.keras", "m.keras", "is a saved Counterpoise", "plain Keras model"),
    "no such module": (RUN + "--model nowhere:build", "no module 'nowhere'", "module:function"),
    "no such function": (RUN + "--model rejected_builders:wid", "has no 'wid'", "Did you mean 'wide'"),
    "half a name": (RUN + "--model :build", ":build", "module:function"),
    "a module that is no Python": (RUN + "--model broken_builders:build", "SyntaxError", "broken_builders.py, line 1"),
    "a number as builder": (RUN + "--model rejected_builders:number", "number is int"),
    "a builder without arguments": (RUN + "--model rejected_builders:lonely", "lonely()", "(spec, n_classes)"),
    "a builder that fails": (RUN + "--model rejected_builders:failing", "no weights today", "rejected_builders.py, l"),
    "a builder that returns nothing": (RUN + "--model rejected_builders:nothing", "NoneType"),
    "a builder of five units": (RUN + "--model rejected_builders:wide", "(None, 5)", "1 or 2 units"),
    "a builder for another input": (RUN + "--model rejected_builders:foreign", "input of shape"),
    "train: an unknown strategy": (MODEL + "--strategy non", "Did you mean 'none'"),
    "train: a name that is no model": ("train t.csv --target ill --strategy none --out {out}/m.h5", "m.h5", ".keras"),
    "train: a folder as model": (
        "train t.csv --target ill --strategy none --out folder.keras", "'folder.keras': it is a folder"
    ),
    "train: one cost": (MODEL + "--cost-fp 1", "--cost-fn"),
    "train: two aims": (MODEL + "--alerts 5 --precision-floor 0.9", "one aim"),
    "train: a recall above 1": (MODEL + "--recall-floor 2", "--recall-floor is 2", "at most 1"),
    "train: a negative cost": (MODEL + "--cost-fp -1 --cost-fn 1", "above 0", "-1"),
    "train: an aim for three": (
        "train t.csv --target grade --strategy none --recall-floor 0.9 --out {out}/m.keras",
        "--recall-floor is for two classes", "a, b, c", "--one-vs-rest c",
    ),
    "train: more alerts than rows": (MODEL + "--alerts 20000", "alerts", "20000"),
    "train: a confidence of nothing": (MODEL + "--confidence 0.9", "--confidence requires", "--recall-floor"),
    "train: a confidence above 1": (MODEL + "--recall-floor 0.9 --confidence 95", "--confidence is 95", "0.95"),
    "train: too many folds": (MODEL + "--folds 99", "class 'yes'", "24"),
    "predict: no such model": ("predict x.keras t.csv --out {out}/p.csv", "'x.keras'"),
    "predict: half a model": ("predict cut.keras t.csv --out {out}/p.csv", "cut.keras", "damaged"),
    "predict: a spoilt model": ("predict spoilt.keras t.csv --out {out}/p.csv", "spoilt.keras", "cannot be read"),
    "predict: text as model": ("predict text.keras t.csv --out {out}/p.csv", "text.keras", "damaged"),
    "predict: a foreign model": ("predict plain.keras t.csv --out {out}/p.csv", "plain.keras", "not saved by Counterp"),
    "predict: a folder as model": ("predict folder.keras t.csv --out {out}/p.csv", "folder.keras"),
    "predict: columns that are absent": ("predict m.keras short.csv --out {out}/p.csv", "short.csv", "'age'", "1 more"),
    "predict: a column nearly right": ("predict m.keras renamed.csv --out {out}/p.csv", "'age'", "Did you mean 'Age'"),
    "predict: words for numbers": ("predict m.keras words.csv --out {out}/p.csv", "'age' contains 'old'", "a number"),
    "predict: no rows": ("predict m.keras header.csv --out {out}/p.csv", "header.csv", "no rows"),
    "predict: a prior above 1": (SCORE + "--prior 2", "--prior is 2", "between 0 and 1"),
    "predict: a prior of nothing": (SCORE + "--prior 0", "--prior is 0"),
    "predict: a prior of three": ("predict three.keras t.csv --prior 0.2 --out {out}/p.csv", "3 classes"),
    "predict: a folder as file": ("predict m.keras t.csv --out folder.keras", "'folder.keras': it is a folder"),
    "predict: a file below a file": ("predict m.keras t.csv --out file/p.csv", "file' is a file"),
    "evaluate: labels and none": (
        "evaluate m.keras t.csv --unlabeled --target ill --out {out}/s.json", "cannot be combined"
    ),
    "evaluate: no labels": ("evaluate m.keras short.csv --target il --out {out}/s.json", "il"),
    "export: an unknown format": ("export m.keras --format pickle --out {out}/x", "'pickle'", "saved_model"),
    "demo: no epochs": ("demo --epochs 0 --out {out}", "--epochs"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_cannot_be_carried_out(root, out, name, monkeypatch):
    monkeypatch.chdir(root)
    command, *words = COMMANDS[name]
    refused(root, out, command, *words)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_file(case, tmp_path, out, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    case.make(folder)
    monkeypatch.chdir(folder)
    refused(folder, out, shlex.join(["compare", case.data, *case.arguments]) + " --out {out}", *case.words)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_file_in_python(case, tmp_path):
    case.make(tmp_path)
    with pytest.raises(CounterpoiseError) as fault:
        read(tmp_path / case.data, **case.options)
    assert all(word in str(fault.value) for word in case.words), str(fault.value)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("place_of_fault", "command"),
    [
        ("keras.Model.save", RUN + "--model mlp --strategies none --folds 2 --epochs 1"),
        ("pathlib.Path.write_bytes", RUN + "--model mlp --strategies none --folds 2 --epochs 1"),
        ("keras.Model.save", MODEL + "--model mlp --epochs 1"),
        ("pathlib.Path.write_bytes", SCORE),
    ],
)
def test_a_full_disk_leaves_the_earlier_run(root, out, monkeypatch, place_of_fault, command):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(root)
    monkeypatch.setattr(place_of_fault, full)
    before = contents(out)
    run = run_command(*shlex.split(command.format(out=out)))
    check_refusal(run, "Cannot write", "out", "No space left on device")
    kept = {name: held for name, held in contents(out).items() if name not in (FILE, LOCK)}
    assert kept == before  # what was trained stays in the store, so that the same command goes on


def test_a_disk_that_cannot_be_read_is_named(root, out, monkeypatch):
    def lost(*arguments, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO), "t.csv")

    monkeypatch.chdir(root)
    monkeypatch.setattr("pathlib.Path.open", lost)
    check_refusal(run_command("diagnose", "t.csv", "--target", "ill"), "t.csv", "Input/output error")


def test_rows_left_out_on_request_are_reported(tmp_path, monkeypatch):
    text(GOOD + "1,2,no,5\n")(tmp_path)
    monkeypatch.chdir(tmp_path)
    run = run_command("diagnose", "data.csv", "--target", "y", "--skip-bad")
    assert run.code == 0
    assert "left out" in run.out


def test_an_interrupt_is_no_traceback(root, out, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(root)
    monkeypatch.setattr("counterpoise.data.read.read", stop)
    run = run_command(*shlex.split(RUN.format(out=out)))
    assert (run.code, run.err) == (130, "counterpoise: stopped.\n")


X = np.random.default_rng(0).random((4, 2))
Y = [0, 1, 0, 0]
ARRAYS = {
    "lengths": ((X, Y[:3]), {}, "3 labels for 4 rows"),
    "input lengths": (({"a": np.zeros((4, 2)), "b": np.zeros((3, 2))}, Y), {}, "lengths do not match"),
    "column lengths": (({"a": np.zeros(4), "b": np.zeros(3)}, Y), {}, "'a' has 4, 'b' has 3"),
    "NaN in an array": ((np.where(X < 2, np.nan, X)[..., None], Y), {}, "NaN in row 1"),
    "infinite in an array": ((np.where(X < 2, np.inf, X)[..., None], Y), {}, "infinite value in row 1"),
    "rank 1": ((X[:, 0], Y), {}, r"x\[:, None\]"),
    "no rows": ((X[:0], []), {}, "0 rows"),
    "rows of different lengths": (([[1, 2], [3]], [0, 1]), {}, "different lengths"),
    "several labels per row": ((X, np.ones((4, 2))), {}, "one class per row"),
    "a class per step": ((X, np.eye(2, dtype=int)[[[0, 1, 0]] * 4]), {}, "one class per row.*compile_balanced"),
    "several outputs": ((X, {"a": [0, 1, 0, 1]}), {}, "is a dict.*compile_balanced"),
    "negative weight": ((X, Y), {"sample_weight": [1, -1, 1, 1]}, "negative .* row 2"),
    "NaN weight": ((X, Y), {"sample_weight": [1, np.nan, 1, 1]}, "NaN in row 2"),
    "weights of zero": ((X, Y), {"sample_weight": [0, 0, 0, 0]}, "sums to zero"),
    "weights of another length": ((X, Y), {"sample_weight": [1, 1]}, "sample_weight has 2 values for 4 rows"),
    "weights of text": ((X, Y), {"sample_weight": list("abcd")}, "Expected numbers"),
    "lists in a column": ((pl.DataFrame({"tags": [[1], [2]]}), [0, 1]), {}, "'tags'.*List"),
    "unknown kind": ((X, Y), {"kinds": {"x0": "number"}}, "Did you mean 'numeric'"),
    "kind of no column": ((X, Y), {"kinds": {"x7": "numeric"}}, "'x7' is not a column"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_bad_arrays_are_refused_by_name(name):
    (x, y), options, words = ARRAYS[name]
    with pytest.raises(CounterpoiseError, match=words):
        read(x, y=y, **options)

"""A run that was damaged or changed: one line that names the file, never a traceback, never another result."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import check_refusal, run_command

from counterpoise.comparison.store import Store
from counterpoise.comparison.store_file import FILE, LOCK
from counterpoise.comparison.stored_values import check_member, checksum
from counterpoise.core.errors import ArtifactError
from counterpoise.core.job import Job, Limits, Member

RNG = np.random.default_rng(0)
ROW = {"strategy": "none", "status": "ok", "scores": {"f1": {"mean": 0.5}}}
RECORD = {"schema": 2, "metric": "f1", "data": {}, "rows": [ROW]}


def member(job="a"):
    weights = (np.ones((3, 1), "float32"), np.zeros(1, "float32"))
    return Member(
        job, weights, RNG.normal(size=(40, 1)).astype("float32"), np.empty((0, 1), "float32"), np.array([0.1, -0.1]), 5,
        7, 64, 0.25, {"loss": [0.5, float("nan")]}, member_outputs=np.full((2, 40, 2), 0.5, "float32"),
    )  # fmt: skip


@pytest.fixture(name="run")
def _run(tmp_path):
    """A folder with two fits, a manifest and a record, all in the one file."""
    with Store.writing(tmp_path / "run") as store:
        store.begin({"seed": 0})
        store.put(member("a"))
        store.put(member("b"))
        store.record = RECORD
    with sqlite3.connect(tmp_path / "run" / FILE) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    return tmp_path / "run"


def looked_through(run: Path) -> tuple:
    """All that a run keeps."""
    with Store.writing(run) as store:
        store.begin({"seed": 0})
        return store.record, store.compile_modes, [store.get(job) for job in sorted(store.stored_jobs("ab"))]


def sql(run: Path, *commands: str) -> None:
    with sqlite3.connect(run / FILE) as database:
        for command in commands:
            database.execute(command)


def refused(run: Path, words: str = "") -> None:
    with pytest.raises(ArtifactError, match=rf"run\.sqlite' is damaged or was changed \(.*{words}.*--restart") as error:
        looked_through(run)
    assert "\n" not in str(error.value)


def test_a_run_as_it_was_left(run):
    record, compile_modes, members = looked_through(run)
    assert (record, compile_modes, [m.job for m in members]) == (RECORD, {}, ["a", "b"])
    check_refusal(run_command("report", run), "A report needs data, metric, rows")
    with Store.writing(run) as store:
        store.record = {**RECORD, "data": {"classes": 5}}
    check_refusal(run_command("report", run), "cannot be rendered from its stored run", "--restart")


@pytest.mark.parametrize(
    "command",
    [
        "UPDATE facts SET value = '5' WHERE name = 'record'",
        "UPDATE facts SET value = NULL WHERE name = 'record'",
        "UPDATE facts SET value = x'00ff' WHERE name = 'manifest'",
        "UPDATE facts SET name = 'other' WHERE name = 'manifest'",
        "UPDATE facts SET checksum = 5",
        "UPDATE members SET value = '{}' WHERE job = 'a'",
        "UPDATE members SET value = 7.5 WHERE job = 'b'",
        "UPDATE members SET job = 'c' WHERE job = 'b'",
        "UPDATE members SET job = NULL WHERE job = 'b'",
        "UPDATE arrays SET value = zeroblob(length(value)) WHERE name = 'logits'",
        "UPDATE arrays SET value = 'text'",
        "UPDATE arrays SET dtype = 'object'",
        "UPDATE arrays SET shape = '[1]'",
        "UPDATE arrays SET place = 'one' WHERE name = 'weights'",
        "UPDATE arrays SET name = 'evil' WHERE name = 'member_outputs'",
    ],
)
def test_a_row_that_was_changed(run, command):
    try:
        sql(run, command)
    except sqlite3.IntegrityError:  # the file itself takes no NULL there
        return
    refused(run, "was changed after it was written")
    check_refusal(run_command("report", run), FILE, "was changed after it was written")


@pytest.mark.parametrize(
    "command",
    [
        "DROP TABLE facts", "DROP TABLE members", "DROP TABLE arrays", "CREATE TABLE more (a)",
        "ALTER TABLE members ADD COLUMN more", "CREATE VIEW v AS SELECT 1", "CREATE INDEX i ON members (value)",
        "CREATE TRIGGER t AFTER INSERT ON facts BEGIN DELETE FROM members; END",
    ],
)  # fmt: skip
def test_other_tables(run, command):
    sql(run, command)
    refused(run, "its tables do not fit this version")
    check_refusal(run_command("report", run), FILE)


def test_fits_without_what_they_are_of(run):
    sql(run, "DELETE FROM facts WHERE name = 'manifest'")
    refused(run, "the file contains fits without a description of their data")


def test_arrays_that_are_gone(run):
    sql(run, "DELETE FROM arrays WHERE name = 'logits' AND job = 'b'")
    refused(run, "fit b lacks 'logits'")


def test_every_page_of_zeros_is_found_or_holds_nothing(run):
    whole = (run / FILE).read_bytes()
    before = repr(looked_through(run))
    with sqlite3.connect(run / FILE) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    for start in range(0, len(whole), 4096):
        (run / FILE).write_bytes(whole[:start] + bytes(4096) + whole[start + 4096 :])
        try:
            outcome = repr(looked_through(run))
        except ArtifactError as error:
            outcome = str(error)
        assert outcome == before or "run.sqlite' is damaged" in outcome, start // 4096


def test_random_bytes_and_half_a_file(run):
    whole, rng = (run / FILE).read_bytes(), random.Random(0)
    for _ in range(25):
        spoilt = bytearray(whole)
        for _ in range(30):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        (run / FILE).write_bytes(spoilt if rng.random() < 0.7 else whole[: rng.randrange(len(whole))])
        try:
            looked_through(run)
        except ArtifactError as error:
            assert str(run) in str(error)  # noqa: PT017


def test_a_lock_that_is_no_lock(run):
    (run / LOCK).write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(ArtifactError, match=r"\.run\.lock' is not a lock file of a run\. Delete this file"):
        looked_through(run)


# What was changed together with its checksum


def forged(run: Path, table: str, key: str, change) -> None:
    """JSON of a row changed, with a checksum that fits."""
    name = "name" if table == "facts" else "job"
    with sqlite3.connect(run / FILE) as database:
        (content,) = database.execute(f"SELECT value FROM {table} WHERE {name} = ?", (key,)).fetchone()
        new = content
        if callable(change):
            values = json.loads(content)
            change(values)
            new = json.dumps(values)
        else:
            new = change
        row = (new, checksum(key, new), key)
        database.execute(f"UPDATE {table} SET value = ?, checksum = ? WHERE {name} = ?", row)


@pytest.mark.parametrize(
    ("table", "key", "change", "words"),
    [
        ("members", "a", lambda v: v["values"].update(best_step="five"), "best_step is 'five'"),
        ("members", "a", lambda v: v["values"].update(best_step=-1), "best_step is -1"),
        ("members", "a", lambda v: v["values"].update(history=[1]), "history is a list"),
        ("members", "a", lambda v: v["values"].update(history={"loss": [None]}), "entry 1 is None"),
        ("members", "a", lambda v: v["values"].update(seconds=float("nan")), "seconds is nan"),
        ("members", "a", lambda v: v["values"].update(logits=[1]), "stored in its own row"),
        ("members", "a", lambda v: v["values"].update(job="b"), "written by another version"),
        ("members", "a", lambda v: v["values"].update(evil=1), "written by another version"),
        ("members", "a", lambda v: v["values"].pop("best_step"), "lacks some of its values"),
        ("members", "a", lambda v: v.pop("values"), "lacks 'values'"),
        ("members", "a", lambda v: v["arrays"].update(logits=2), "lacks 'logits'"),
        ("members", "a", lambda v: v["arrays"].pop("logits"), "'logits' of fit a was changed"),
        ("members", "a", "[" * 5000, "nested deeper"),
        ("members", "a", "not json", "is not JSON"),
        ("members", "a", "[]", "is a list"),
        ("facts", "record", "[]", "the record is a list"),
        ("facts", "record", lambda v: v.pop("rows"), "lacks 'rows'"),
        ("facts", "record", lambda v: v.update(schema=1), "reads schema 2. Run the comparison again"),
        ("facts", "record", lambda v: v["rows"].append(5), "entry 2 is 5"),
        ("facts", "record", lambda v: v["rows"][0]["scores"].update(f1={"mean": "good"}), "mean is 'good'"),
        ("facts", "manifest", "5", "the manifest is 5"),
        ("facts", "owner", '{"pid": "x"}', "the owner"),
    ],
)
def test_values_of_other_types(run, table, key, change, words):
    forged(run, table, key, change)
    if key == "owner":  # each writer replaces it
        looked_through(run)
        return
    refused(run, words)


def test_how_losses_are_trained_is_typed(run):
    with Store.writing(run) as store:
        store.compile_modes = {}
    for wrong, words in (
        ({"a": {"xla": 1}}, "xla is 1"),
        ({"a": {"fast": True}}, "unexpected"),
        ({"a": {}}, "missing"),
    ):
        forged(run, "facts", "compile_modes", json.dumps(wrong))
        refused(run, words)


@pytest.mark.parametrize(
    ("dtype", "shape", "words"),
    [("object", "[40, 1]", "not a plain array"), ("float32", "[-1, 1]", "is -1"), ("float32", "{}", "is a mapping"),
     ("float32", "[1000000000, 1]", "bytes. Expected"), ("float64", "[40, 1]", "bytes. Expected"),
     ("float32", "[40.0]", "is 40.0")],
)  # fmt: skip
def test_arrays_that_are_not_what_they_claim(run, dtype, shape, words):
    with sqlite3.connect(run / FILE) as database:
        (value,) = database.execute("SELECT value FROM arrays WHERE job = 'a' AND name = 'logits'").fetchone()
        row = (dtype, shape, checksum("a", "logits", 0, dtype, shape, value))
        database.execute(
            "UPDATE arrays SET dtype = ?, shape = ?, checksum = ? WHERE job = 'a' AND name = 'logits'", row
        )
    refused(run, words)


def job(**changes):
    rows = np.arange(40)
    values = {"id": "a", "plan": None, "train": rows, "stop": rows[:0], "score": rows, "loss": ("cross_entropy", {}),
              "seed": 0, "counters": (0, 0, 0),
              "limits": Limits(steps=1, round_steps=1, patience=None, batch_size=1)}  # fmt: skip
    return Job(**{**values, **changes})


def test_a_member_is_held_to_its_job():
    shapes = [(3, 1), (1,)]
    check_member(member(), job(), 2, shapes)
    for wrong, classes, sizes in (
        (job(score=np.arange(39)), 2, shapes), (job(stop=np.arange(3)), 2, shapes), (job(), 3, shapes),
        (job(), 2, [(4, 1), (1,)]), (job(), 2, [(3, 1)]),
    ):  # fmt: skip
        with pytest.raises(ArtifactError, match="of fit a"):
            check_member(member(), wrong, classes, sizes)


def test_a_comparison_does_not_go_on_with_a_changed_run(tmp_path):
    y = (RNG.random(60) < 0.4).astype(int)
    pl.DataFrame({"a": RNG.normal(size=60) + y, "y": y}).write_csv(tmp_path / "t.csv")
    ask = (
        "compare",
        tmp_path / "t.csv",
        "--target",
        "y",
        "--strategies",
        "none",
        "--folds",
        "2",
        "--epochs",
        "1",
        "--model",
        "mlp",
    )
    assert run_command(*ask, "--out", tmp_path / "run").code == 0
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    sql(tmp_path / "other", "DROP TABLE arrays")
    sql(tmp_path / "run", "UPDATE arrays SET value = zeroblob(length(value))")
    for changed in ("run", "other"):
        check_refusal(run_command(*ask, "--out", tmp_path / changed), FILE, "--restart")
    assert run_command(*ask, "--out", tmp_path / "run", "--restart").code == 0

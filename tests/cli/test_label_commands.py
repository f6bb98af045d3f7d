"""The commands on a table with several label columns."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from command_line import run_command

import counterpoise as cp


@pytest.fixture(scope="module", name="root")
def _root(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    edema, mass = (rng.random(120) < 1 / (1 + np.exp(1 - 2 * x[:, i])) for i in (0, 1))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "edema": edema.astype(int), "mass": mass.astype(int)})
    tags = [" | ".join(name for name in ("edema", "mass") if row[name]) for row in frame.iter_rows(named=True)]
    frame.with_columns(mass=pl.when(pl.int_range(120) % 5 > 0).then("mass")).write_csv(folder / "t.csv")
    frame.select("a", "b", tags=pl.Series(tags)).write_csv(folder / "tags.csv")
    return folder


def test_train_predict_evaluate(root):
    model, table = root / "m.keras", root / "t.csv"
    how = ("--strategy", "class_weight", "--model", "mlp", "--epochs", 2)
    done = run_command("train", table, "--target", "edema,mass", *how, "--out", model)
    assert done.code == 0, done.err
    assert "one decision threshold per label (edema 0." in done.out
    output = pl.read_csv(run_command("predict", model, table).out.encode())
    assert output.columns == ["probability_edema", "decision_edema", "probability_mass", "decision_mass"]
    record = json.loads(run_command("evaluate", model, table, "--json").out)
    assert [row["label"] for row in record["labels"]] == ["edema", "mass"]
    shown = run_command("evaluate", model, table, "--target", "mass,edema")
    assert (shown.code, "means over the labels" in shown.out) == (0, True)
    assert run_command("evaluate", model, root / "tags.csv", "--target", "tags", "--separator", "|").code == 0
    # Without --target, the columns of training are read by the options that are given.
    absent, named = (
        json.loads(run_command("evaluate", model, table, "--json", "--missing", "absent", *more).out)["labels"]
        for more in ((), ("--target", "edema,mass"))
    )
    assert absent == named != record["labels"]
    assert "--separator is for one column" in run_command("evaluate", model, table, "--separator", "|").err
    watched = json.loads(run_command("evaluate", model, table, "--unlabeled", "--json").out)
    assert [row["label"] for row in watched["labels"]] == ["edema", "mass"]
    lines = run_command("evaluate", model, table, "--unlabeled").out.splitlines()
    share = watched["labels"][1]["classes"][1]["share_now"]
    assert any(line.split()[0] == "mass" and f"{share:.4g}" in line for line in lines if line.strip())


def test_an_option_of_the_labels_leaves_the_others_as_in_training(root, tmp_path):
    table, model = root / "tags.csv", tmp_path / "m.keras"
    some = (pl.read_csv(table)["tags"].fill_null("") != "").sum()
    assert 20 < some < 110
    how = ("--target", "tags", "--separator", "|", "--missing", "ignore", "--model", "mlp", "--epochs", 1)
    assert run_command("train", table, *how, "--out", model).code == 0

    def known(*more):
        record = json.loads(run_command("evaluate", model, table, *more, "--json").out)
        return [row["known"] for row in record["classes"]]

    assert known() == known("--separator", "|") == known("--target", "tags") == [some, some]
    assert known("--target", "tags", "--separator", "|") == [some, some]
    assert known("--missing", "absent") == known("--target", "tags", "--missing", "absent") == [120, 120]


def test_names_of_labels_may_contain_commas(root, tmp_path):
    """Without --target, the columns are those of the training, which no text separated by commas names."""
    names = {"edema": "mass, left", "mass": "mass, right"}
    table, model = tmp_path / "t.csv", tmp_path / "m.keras"
    pl.read_csv(root / "t.csv").rename(names).write_csv(table)
    cp.fit("forest", table, list(names.values())).save(model)
    done = run_command("evaluate", model, table, "--missing", "absent", "--json")
    assert done.code == 0, done.err
    assert [row["label"] for row in json.loads(done.out)["labels"]] == list(names.values())


def test_options_of_a_column_of_lists(root, tmp_path):
    table, model, how = tmp_path / "t.parquet", tmp_path / "m.keras", ("--target", "tags", "--missing", "ignore")
    lists = pl.read_csv(root / "tags.csv")["tags"].str.split(" | ")
    gaps = pl.when(pl.int_range(120) % 6 > 0).then(lists)
    pl.read_csv(root / "t.csv").select("a", "b", tags=gaps).write_parquet(table)
    assert run_command("train", table, *how, "--model", "forest", "--out", model).code == 0
    for more, rows in (((), 100), (("--missing", "absent"), 120)):
        record = json.loads(run_command("evaluate", model, table, *more, "--json").out)
        assert [row["known"] for row in record["classes"]] == [rows, rows]
    assert "--missing is for several labels" in run_command("train", root / "t.csv", *how, "--out", model).err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--review-alpha", 0.1), "--review-alpha needs one class per row, but these rows have several labels"),
        (("--costs", "costs.json"), "--costs needs one class per row"),
        (("--threshold-by", "a", "--recall-floor", 0.8), "--threshold-by needs one class per row"),
        (("--recall-floor", 0.8, "--alerts", 900), "cannot be combined for several labels per row"),
        (("--review-alpha", 1.5), "--review-alpha is 1.5. Expected a finite number above 0 and below 1"),
    ],
)
def test_what_several_labels_do_not_have_is_refused_before_the_training(root, tmp_path, more, words, monkeypatch):
    monkeypatch.chdir(root)
    (root / "costs.json").write_text('{"edema": {"mass": 1}, "mass": {"edema": 1}}')
    monkeypatch.setattr("counterpoise.pipeline.fit.fit", None)
    how = ("--target", "edema,mass", "--model", "mlp", "--out", tmp_path / "m.keras")
    run = run_command("train", "t.csv", *how, *more)
    assert (run.code, words in " ".join(run.err.split())) == (2, True), run.err


def test_compare_reads_separated_text(root, tmp_path):
    how = ("--strategies", "class_weight", "--folds", 2, "--epochs", 1, "--model", "mlp", "--json")
    done = run_command("compare", root / "tags.csv", "--target", "tags", "--separator", "|", *how, "--out", tmp_path)
    assert done.code == 0, done.err
    assert [c["label"] for c in json.loads(done.out)["data"]["classes"]] == ["edema", "mass"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--target", "edema", "--missing", "absent"), "--missing is for several labels per row"),
        (("--target", "edema,mass", "--separator", "|"), "--separator is for one column"),
        (("--target", "edema,mas"), "Target 'mas' is not a column"),
        (("--target", "edema,mass", "--positive", "1"), "--positive is for one class per row"),
        (("--target", "edema,mass", "--missing", "gone"), "--missing is 'gone'"),
        (("--target", "edema,edema"), "--target names the column 'edema' twice"),
        (("--target", "edema", "--uncertain", "zero"), "--uncertain is for several labels per row"),
        (("--labels-prefix", "nobody"), "matches 0 column names of t.csv"),
        (("--labels-prefix", "e", "--target", "edema"), "--target and --labels-prefix cannot be combined"),
    ],
)
def test_what_is_wrong_is_named(root, more, words):
    done = run_command("train", root / "t.csv", "--strategy", "none", *more, "--out", root / "x.keras")
    assert (done.code, words in done.err) == (2, True), done.err

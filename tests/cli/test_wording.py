"""Messages of the package name the options that were typed, not the arguments of Python."""

from __future__ import annotations

import ast
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import typer
from command_line import run_command
from rich.table import Table
from rich.text import Text

import counterpoise
from counterpoise.cli.main import app
from counterpoise.cli.terminal import Terminal
from counterpoise.cli.wording import Options, as_typed
from counterpoise.strategies.select import find

COMMANDS = typer.main.get_command(app).commands
EVERY = Options(*COMMANDS.values())
#: Rooms whose messages no command shows: they check the arguments of functions that only Python calls.
PYTHON = {"callbacks", "feed", "losses", "metrics", "plans", "report", "scale", "sklearn"}
ARGUMENT = re.compile(r"(?<![\w.'\"`=/\\-])([a-z][a-z_]*)=(?!=)")


def messages() -> Iterator[tuple[str, str]]:
    """File and text of each literal that may be a message: with an argument or an option in it."""
    for path in sorted(Path(counterpoise.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = [str(p.value) if isinstance(p, ast.Constant) else "x" for p in node.values]
                yield f"{path.parent.name}/{path.name}", "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
                yield f"{path.parent.name}/{path.name}", node.value


def test_every_message_of_a_command_names_options_for_its_arguments():
    for path, text in messages():
        if path.split("/")[0] in PYTHON or path == "cli/wording.py" or " " not in text:
            continue
        left = {name for name in ARGUMENT.findall(as_typed(text, EVERY)) if EVERY.option_of(name)}
        assert not left, f"{path}: {as_typed(text, EVERY)}"


def test_every_option_that_a_message_names_exists():
    options = {
        option for command in COMMANDS.values() for p in command.params for option in (*p.opts, *p.secondary_opts)
    }
    for path, text in messages():
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) if " " in text else set()
        assert named <= options | {"--help", "--version"} or path.split("/")[0] in PYTHON, path


@pytest.mark.parametrize(
    ("command", "text", "typed"),
    [
        ("train", "Leave them out with skip_bad=True (--skip-bad).", "Leave them out with --skip-bad."),
        ("train", "Raise epochs (epochs=, --epochs).", "Raise epochs (--epochs)."),
        ("train", "Merge classes with --merge-rare (merge_rare=).", "Merge classes with --merge-rare."),
        ("train", 'Pass images="COLUMN" (--images).', "Pass --images COLUMN."),
        ("train", "Set range=(low, high) (--range LOW HIGH).", "Set --range LOW HIGH."),
        ("train", "Remove tune_threshold=False.", "Remove --no-tune-threshold."),
        ("train", "folds is 1. Use folds=2.", "--folds is 1. Use --folds 2."),
        ("train", "by='site' names no column. Leave by= out.", "--threshold-by site names no column. "
         "Leave --threshold-by out."),
        ("compare", "by='site' names no column.", "--by site names no column."),
        ("compare", "Pass costs=(cost_fp, cost_fn).", "Pass --cost-fp and --cost-fn."),
        ("compare", "Pass cp.images(..., features=[...]).", "Pass --features."),
        ("compare", "Merge with merge_rare=['A b', 'C'].", 'Merge with --merge-rare "A b,C".'),
        ("compare", 'Pass separator="|".', 'Pass --separator "|".'),
        ("predict", "Train with unit= (--unit) and groups=.", "Train with --unit and --groups."),
        ("train", "The column 'drop=' and run/by=1/m.keras stay, as vote='hard' does.", None),
        ("train", "A split is a word here, a == b, and groups are, too.", None),
        ("train", "pass positive='drop=1 x' (--positive drop=1 x).", 'pass --positive "drop=1 x".'),
        ("train", "Column 'the seed=3' of my data/seed=1/a.csv and (folds=2.csv) lacks \"it's size=3\".", None),
        ("train", "seed=1.csv is empty. See http://a.b/?seed=1&size=2.", None),
        ("train", "saved m.keras: thresholds (y=1 0.5, label=2 0.5)", None),
        ("compare", "stopped. To resume: counterpoise compare a --drop size=1,seed=2", None),
    ],
)  # fmt: skip
def test_arguments_as_they_are_typed(command, text, typed):
    options = Options(COMMANDS[command], *COMMANDS.values())
    assert as_typed(text, options) == (typed or text)
    assert as_typed(as_typed(text, options), options) == (typed or text)


def test_what_the_user_typed_keeps_its_name():
    words = ["train", "seed=1", "--target", "y=1,label=2", "--no-augment", "d/images", "--groups", "groups"]
    options = Options(COMMANDS["train"], *COMMANDS.values(), words=words)
    for text in ("seed=1 is empty.", "Labels y=1 and label=2 have no rows.", "images contains no images."):
        assert as_typed(text, options) == text
    assert as_typed("groups and seed=10 cannot.", options) == "--groups and --seed 10 cannot."


def test_sentences_are_worded_but_no_cells(capsys, monkeypatch):
    monkeypatch.setattr("counterpoise.cli.wording._running", EVERY)
    table = Table("label", "note")
    table.add_row(Text("seed=1"), Text("Use seed=2."))
    Terminal(file=sys.stdout, width=80).print(Text.assemble(("> ", "cyan"), ("Pass seed=2.", "bold")), table)
    shown = capsys.readouterr().out
    for text in ("> Pass --seed 2.", "Use --seed ", " seed=1 "):
        assert text in shown


def _log_a_note(name):
    logging.getLogger("counterpoise").warning("Training may improve with more epochs (epochs=, %s).", "--epochs")
    return find(name)


def test_a_worded_sentence_with_numbers_may_be_shorter_than_before(capsys, monkeypatch):
    """Rich gives each number a style; those behind the first change are left out."""
    monkeypatch.setattr("counterpoise.cli.wording._running", EVERY)
    sentence = "Values are 1 to 2, in 30 files, and words fill the line to its end. Pass cp.images(..., size=12)."
    for text in (sentence, Text(sentence, "bold")):
        Terminal(file=sys.stdout, width=80).print(text)
        Terminal(file=sys.stdout, width=80, force_terminal=True, color_system="standard").print(text)
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert " ".join(shown.split()).count(sentence.replace("cp.images(..., size=12)", "--size 12")) == 4


def test_errors_warnings_and_notes_are_worded(tmp_path, monkeypatch):
    table, out = tmp_path / "t.csv", tmp_path / "m.keras"
    frame = pl.DataFrame(
        {"a": range(60), "b": [i * 37 % 60 for i in range(60)], "ill": [i % 5 // 4 for i in range(60)]}
    )
    pl.concat([frame, frame[:9]]).write_csv(table)
    how = ("train", table, "--target", "ill", "--out", out, "--model", "mlp")
    assert run_command(*how, "--flip", "up").err.startswith("counterpoise: --flip is 'up', which is not")
    assert "--folds" in run_command(*how, "--folds", 1).err
    refused = run_command(*how[:-1], "mlp+forest", "--strategy", "threshold", "--no-tune-threshold")
    assert (refused.code, "cannot be combined with --no-tune-threshold" in refused.err) == (2, True)
    monkeypatch.setattr("counterpoise.strategies.select.find", _log_a_note)
    assert run_command(*how).err.startswith("Training may improve with more epochs (--epochs).\n")
    for full in ((), ("--full",)):
        diagnosed = " ".join(run_command("diagnose", *how[1:4], *full).out.split())
        assert "use --duplicates group or --duplicates drop." in diagnosed

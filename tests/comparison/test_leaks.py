"""A comparison refuses rows that may leak, or warns of them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from command_line import check_refusal, run_command
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core.errors import LeakError, OptionError
from counterpoise.data.read import read
from counterpoise.diagnosis.diagnose import before_comparison

RNG = np.random.default_rng(0)
Y = np.repeat([0, 1], [36, 12])


def pictures() -> np.ndarray:
    """48 images, the last one the first one a little brighter."""
    images = RNG.random((48, 16, 16, 1)).astype("float32")
    images[-1] = images[0] + 0.01
    return images


def status(x, y=Y, *, duplicates="warn", **how):
    diagnosis = before_comparison(read(x, y=y, **how), 3, duplicates, "warn")
    return {check.name: check.status for check in diagnosis.checks}


def test_near_copies_are_warned_of_refused_or_grouped():
    x = pictures()
    how = {"strategies": "none", "folds": 2, "epochs": 1, "engine": "fit", "verbose": 0, "refit": False}
    comparison = cp.compare(of_pictures, x, Y, **how)
    assert [w for w in comparison.record["warnings"] if w.startswith("1 row is a near-duplicate")]
    with pytest.raises(LeakError, match="near-duplicates"):
        cp.compare(of_pictures, x, Y, leaks="error", **how)
    assert status(x)["near-duplicates"] == "look"
    assert status(x, groups=cp.diagnosis.near_duplicates(x))["near-duplicates"] == "handled"


def test_columns_of_arrays_are_tested_like_those_of_tables():
    x = RNG.normal(size=(48, 3)).astype("float32")
    late = np.c_[x, Y + 0.01 * x[:, 0]]
    comparison = cp.compare(
        lambda spec, n: keras.Sequential([spec.inputs(), keras.layers.Dense(1)]), late, Y, strategies="none", folds=2,
        epochs=1, engine="fit", verbose=0, refit=False,
    )  # fmt: skip
    assert [w for w in comparison.record["warnings"] if "'x[:, 3]' (1.000)" in w]
    name = "columns that predict the label alone"
    inputs = {"a": x, "b": Y + 0.001 * x[:, 0], "image": np.zeros((48, 4, 4), "float32")}
    assert [check.finding for check in cp.diagnose(inputs, Y, table=False).checks if check.name == name] == [
        "Each of these columns has a high ROC AUC alone: 'b' (1.000)."
    ]
    assert status(x, table=False)[name] == "clear"
    assert status(np.zeros((48, 4, 4)), table=False)[name] == "clear"


def test_repeated_rows_ask_for_a_look_until_somebody_says_what_to_do():
    x = RNG.normal(size=(24, 3)).repeat(2, axis=0)
    assert [status(x, duplicates=d)["duplicate rows"] for d in ("warn", "group", "drop")] == ["look", *["handled"] * 2]
    with pytest.raises(OptionError, match="leaks is 'never'"):
        before_comparison(read(x, y=Y), 3, "warn", "never")


def test_strict_leaves_nothing_behind(tmp_path):
    rows = "".join(f"{y},{y + 0.001 * i},{RNG.random()}\n" for i, y in enumerate(Y))
    (tmp_path / "table.csv").write_text("y,late,a\n" + rows)
    out = tmp_path / "run"
    run = run_command("compare", tmp_path / "table.csv", "--target", "y", "--folds", 2, "--strict", "--out", out)
    check_refusal(run, "1 possible leak", "'late' (1.000)", "drop")
    assert not out.exists()

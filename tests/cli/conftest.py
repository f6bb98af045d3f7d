"""The command line as a fixture, and a small table for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command_line import run_command


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch):
    monkeypatch.setattr("counterpoise.metrics.measured.ROW_RESAMPLES", 60)


@pytest.fixture(scope="session", name="counterpoise")
def _counterpoise():
    return run_command


@pytest.fixture(scope="session", name="table")
def _table(tmp_path_factory) -> Path:
    """Two classes, numbers and text, a missing value here and there."""
    rng = np.random.default_rng(0)
    n = 240
    ill = rng.random(n) < 0.2
    frame = pl.DataFrame(
        {
            "age": [None if i % 19 == 0 else round(float(v), 1) for i, v in enumerate(rng.normal(50, 9, n) + 15 * ill)],
            "sex": ["mf"[int(v)] for v in rng.random(n) < 0.5],
            "clinic": rng.integers(0, 30, n),
            "day": np.arange(n),
            "grade": ["abc"[int(v)] for v in rng.integers(0, 3, n)],
            "ill": ["yes" if v else "no" for v in ill],
        }
    )
    path = tmp_path_factory.mktemp("data") / "cases.csv"
    frame.write_csv(path)
    return path

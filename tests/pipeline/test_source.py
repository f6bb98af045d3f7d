"""Rows that are never held whole: a source that counts what is taken of it, through `fit`, `compare` and `predict`."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core import sources
from counterpoise.core.errors import DataError
from counterpoise.core.sources import Source


class Counting(Source):
    """The rows of an array, given out in parts; it notes the largest part."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.calls, self.largest = 0, 0

    def take(self, rows):
        self.calls, self.largest = self.calls + 1, max(self.largest, len(rows))
        return self.array[rows]


@pytest.fixture(name="data")
def _data(monkeypatch):
    """400 pictures, of which memory is said to hold 100, and 64 are evaluated at once."""
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 5 == 0).astype(int)
    x = rng.integers(0, 200, (400, 8, 8, 9), dtype=np.uint8) + (50 * y).astype(np.uint8)[:, None, None, None]
    monkeypatch.setattr(sources, "IN_MEMORY", 100 * 576)
    monkeypatch.setattr("counterpoise.core.structure.CHUNK_VALUES", 64 * 576)
    monkeypatch.setattr("counterpoise.core.duplicates._CHUNK_WORDS", 64 * 72)
    return x, y


QUICK = {"epochs": 2, "batch_size": 64, "verbose": 0}


def test_a_source_trains_as_its_rows_in_memory_do_and_is_never_held_whole(data):
    x, y = data
    source = Counting(x)
    held = cp.fit(of_pictures, x, y, engine="fit", strategy="oversample", **QUICK)
    clf = cp.fit(of_pictures, source, y, strategy="oversample", **QUICK)
    assert clf.card["engines"] == ["fit"]
    assert np.allclose(clf.predict_proba(source), held.predict_proba(x), atol=1e-6)
    assert source.calls > 10
    assert source.largest <= 64


def test_a_comparison_on_a_source_leaves_out_what_needs_all_rows(data):
    x, y = data
    source = Counting(x)
    cmp = cp.compare(of_pictures, source, y, strategies=["undersample", "smote"], folds=2, **QUICK)
    by_name = {row["strategy"]: row for row in cmp.leaderboard}
    assert (by_name["none"]["status"], by_name["undersample"]["status"]) == ("ok", "ok")
    assert "smote needs all of" in by_name["smote"]["error"]
    assert source.largest <= 256
    again = cp.compare(of_pictures, x, y, strategies=["undersample"], folds=2, engine="fit", refit=False, **QUICK)
    scores = [{row["strategy"]: row for row in c.leaderboard}["undersample"]["scores"] for c in (cmp, again)]
    assert scores[0]["log_loss"]["folds"] == pytest.approx(scores[1]["log_loss"]["folds"], abs=1e-6)


def test_nothing_makes_an_array_of_it_unasked(data):
    source = Counting(data[0])
    with pytest.raises(DataError, match="not in memory"):
        np.asarray(source)


def test_a_run_is_resumed_on_equal_rows_alone(data, tmp_path):
    x, y = data
    for _ in range(2):
        cp.compare(
            of_pictures, Counting(x), y, strategies=["none"], folds=2, store=tmp_path / "run", refit=False, **QUICK
        )
    x[7] += 1
    with pytest.raises(cp.CounterpoiseError, match="values of the features changed"):
        cp.compare(
            of_pictures, Counting(x), y, strategies=["none"], folds=2, store=tmp_path / "run", refit=False, **QUICK
        )

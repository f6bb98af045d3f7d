"""A column has one number of decimals and one unit, whatever stands in it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from counterpoise.report import board, columns

VALUES = (10 ** np.random.default_rng(0).uniform(-5, 9, size=(50, 6))).tolist()


def forms(texts):
    """What is left of numbers without their digits: decimals and unit."""
    return {(len(m[1] or ""), m[2]) for m in (re.fullmatch(r"[−+]?[\d,]+(?:\.(\d+))?(.*)", t) for t in texts)}


@pytest.mark.parametrize("write", [columns.seconds, columns.counts])
def test_decimals_and_unit_are_shared(write):
    for values in VALUES:
        assert len(forms(write([round(v) if write is columns.counts else v for v in values]))) == 1


def test_a_share_is_never_rounded_to_none_or_all():
    for values in ([1e-3, 0.5], [0.02, 0.9996], [0.0, 1.0, 0.3]):
        texts = columns.shares(values)
        assert len(forms(texts)) == 1
        for value, text in zip(values, texts, strict=True):
            assert (float(text.rstrip("%")) in (0, 100)) == (value in (0, 1))


def test_the_narrowest_interval_decides():
    wide, narrow = {"mean": 0.5, "low": 0.1, "high": 0.9}, {"mean": 0.8123, "low": 0.8101, "high": 0.8142}
    texts = columns.intervals([wide, narrow, None, {"mean": 0.7}])
    assert [value for value, _ in texts] == ["0.5000", "0.8123", "–", "0.7000"]
    assert texts[0][1] == "[0.1000, 0.9000]"


def test_the_leaderboard_is_written_so(binary_record):
    rows = board.leaderboard(binary_record)["rows"]
    for key in ("value", "gain", "recall", "precision", "seconds"):
        assert len(forms(row[key] for row in rows if row[key] != "–")) == 1, key
    for key in ("log_loss", "seconds", "steps", "rows_seen"):
        assert len(forms(row[key] for row in board.resources(binary_record) if row[key] != "–")) == 1, key
    assert [row["p"] for row in rows if row["strategy"] == "undersample"] == ["= 0.036"], "corrected, as in the verdict"

"""Bootstrap draws of several labels are the mean of those of each label, over the same groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counterpoise.comparison.block_draws import paired_draws
from counterpoise.comparison.single_split import split_draws
from counterpoise.comparison.tally import class_scores, fold_counts, fold_scores, report_curves
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult

RNG = np.random.default_rng(0)
N = 120
PROBA = RNG.random((N, 2))
Y = (RNG.random((N, 2)) < PROBA).astype(np.int32)
GROUPS = np.arange(N) // 3
ROWS = Examples(PROBA, Y, ("edema", "mass"), kind="labels", groups=GROUPS)
CELL = FoldResult("none", 0, 0, np.arange(N), PROBA, PROBA, (PROBA > 0.4).astype(np.int32))


def of_label(label: int) -> tuple[Examples, FoldResult]:
    both = np.stack([1 - PROBA[:, label], PROBA[:, label]], axis=1)
    rows = Examples(PROBA, Y[:, label], (0, 1), groups=GROUPS)
    return rows, replace(CELL, raw=both, proba=both, decision=CELL.decision[:, label])


def test_groups_are_drawn_once_for_all_labels():
    scores = {"none": fold_scores([CELL], ROWS)}
    several = paired_draws({"none": [CELL]}, scores, ROWS, resamples=20)["none"]["average_precision"]
    each = []
    for label in (0, 1):
        rows, result = of_label(label)
        own = {"none": fold_scores([result], rows)}
        each.append(paired_draws({"none": [result]}, own, rows, resamples=20)["none"]["average_precision"])
    np.testing.assert_allclose(several, np.mean(each, axis=0))


@pytest.mark.parametrize("gaps", [False, True])
def test_a_split_of_ones_own(gaps):
    rows = replace(ROWS, y=np.where((np.arange(N)[:, None] % 4 == 0) & gaps, -1, Y))
    several = split_draws(CELL, rows, GROUPS, "average_precision", 15, 0)
    assert {"average_precision", "f1", "log_loss"} <= set(several)
    assert np.isfinite(several["f1"]).all()
    if not gaps:
        each = [
            split_draws(result, one, GROUPS, "average_precision", 15, 0)["f1"] for one, result in map(of_label, (0, 1))
        ]
        np.testing.assert_allclose(several["f1"], np.mean(each, axis=0))


def test_what_the_leaderboard_has_of_labels():
    assert fold_counts([CELL], ROWS) == {}
    table = class_scores([CELL], ROWS)
    assert [(row["label"], row["support"], row["known"]) for row in table] == [
        ("edema", int(Y[:, 0].sum()), N),
        ("mass", int(Y[:, 1].sum()), N),
    ]
    drawn = report_curves([replace(CELL, history=())], ROWS)
    assert [part["label"] for part in drawn["pr"]["classes"]] == ["edema", "mass"]
    assert np.sum(drawn["confusion"]["matrix"]) == 2 * N

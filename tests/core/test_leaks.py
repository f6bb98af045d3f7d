from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from counterpoise.core import leaks
from counterpoise.core.leaks import LEAK_ROC_AUC, roc_areas, single_column_scores
from counterpoise.core.seeds import generator

rng = np.random.default_rng(0)
N = 2_000
Y = (rng.random(N) < 0.1).astype(np.int32)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2))
def test_roc_auc_equals_scikit_learn(pairs):
    score, positive = np.array([p[0] for p in pairs], float), np.array([p[1] for p in pairs])
    expected = roc_auc_score(positive, score) if 0 < positive.sum() < len(positive) else 0.5
    assert roc_areas(score[None], 1.0 * positive[None], 1.0 * ~positive[None]) == pytest.approx(expected)


def numeric_score(column, y=Y, classes=2):
    return single_column_scores({"numeric": column.astype(np.float32)[:, None]}, y, classes)["numeric", 0]


def test_a_label_hidden_in_a_number_is_found_whatever_its_shape():
    noise = rng.normal(size=N)
    assert numeric_score(Y * 3.0) > LEAK_ROC_AUC
    assert numeric_score(-3.0 * Y) > LEAK_ROC_AUC
    assert numeric_score(np.where(Y == 1, np.nan, noise)) > LEAK_ROC_AUC
    assert numeric_score(np.where(Y == 1, 0.0, np.where(noise > 0, 5.0, -5.0) + noise / 9)) > LEAK_ROC_AUC
    assert numeric_score(noise) < 0.6
    assert 0.6 < numeric_score(noise + 2 * Y) < LEAK_ROC_AUC


def test_single_row_levels_are_no_leak():
    ids = {"categorical": np.arange(1, N + 1, dtype=np.int32)[:, None]}
    assert single_column_scores(ids, Y, 2)["categorical", 0] < 0.6


def test_a_column_must_separate_all_classes():
    y = rng.integers(0, 3, N).astype(np.int32)
    assert numeric_score(y * 1.0, y, 3) > LEAK_ROC_AUC
    assert numeric_score((y == 2) * 1.0, y, 3) < 0.9


@pytest.mark.parametrize("cells", [300, 2_000_000])
@pytest.mark.parametrize("classes", [2, 5])
def test_every_column_and_class_scores_as_alone(monkeypatch, classes, cells):
    """Shares learned on one half of the rows judge the other half; a number is also ranked as it is."""
    monkeypatch.setattr(leaks, "CELLS", cells)
    y = rng.integers(0, classes, 400).astype(np.int32)
    numbers = rng.integers(0, 30, (400, 4)) + 10 * rng.random((400, 4)) * [0, 0, 1, 1] + y[:, None] * [0, 2, 0, 2]
    numbers[::7, 0] = np.nan
    scores = single_column_scores({"numeric": numbers.astype(np.float32), "categorical": y[:, None] % 3}, y, classes)
    half = generator(0, "leak").permutation(400) % 2 == 0
    for (part, j), score in scores.items():
        column = numbers[:, j].astype(np.float32) if part == "numeric" else y % 3
        bins = leaks._bin_of_each_row(column)
        worst = 1.0
        for code in [1] if classes == 2 else range(classes):
            hit, areas = y == code, []
            for learn, judge in ((half, ~half), (~half, half)):
                share = [(hit[learn & (bins == b)].sum() + hit[learn].mean()) / ((learn & (bins == b)).sum() + 1)
                         for b in range(bins.max() + 1)]  # fmt: skip
                areas.append(roc_auc_score(hit[judge], np.array(share)[bins[judge]]))
            best = np.mean(areas)
            if classes == 2 and part == "numeric" and not np.isnan(column).any():
                best = max(best, roc_auc_score(hit, column), 1 - roc_auc_score(hit, column))
            worst = min(worst, best)
        assert score == pytest.approx(max(worst, 0.5), abs=1e-12)


def test_a_handful_of_rows_is_not_judged():
    y = np.zeros(100, dtype=np.int32)
    y[:5] = 1
    assert single_column_scores({"numeric": y.astype(np.float32)[:, None]}, y, 2) == {}


def test_every_label_scores_as_alone_on_the_rows_where_it_is_known():
    columns = {"numeric": rng.normal(size=(N, 4)).astype(np.float32), "categorical": rng.integers(0, 5, (N, 2))}
    columns["numeric"][::9, 0] = np.nan
    y = (rng.random((N, 4)) < [0.3, 0.3, 0.1, 0.002]).astype(np.int8)
    y[:, 1] = columns["numeric"][:, 3] > 1.0
    y[rng.random(N) < 0.2, 2] = -1
    leaks_of = leaks.leak_scores(columns, y, list("abcd"))
    assert [name for name, _ in leaks_of] == [f"the label {name!r}" for name in "abcd"]
    for (_, scores), column in zip(leaks_of, y.T, strict=True):
        rows = column >= 0
        assert scores == single_column_scores({k: v[rows] for k, v in columns.items()}, column[rows], 2)
    assert leaks_of[1][1]["numeric", 3] > LEAK_ROC_AUC
    assert leaks_of[3][1] == {}
    leaks_of[0][1].clear()  # what was handed out is the caller's own
    assert leaks.leak_scores(columns, y, list("abcd"))[0][1] != {}


def test_scores_come_back_though_another_thread_replaces_what_is_kept(monkeypatch):
    class Replaced(dict):
        def __setitem__(self, key, value):
            super().__setitem__("the rows of another thread", value)

    monkeypatch.setattr(leaks, "_last_scores", Replaced())
    columns = {"numeric": rng.normal(size=(N, 1)).astype(np.float32)}
    wanted = single_column_scores(columns, Y, 2)
    assert leaks.leak_scores(columns, Y, (0, 1)) == [("the target", wanted)]

"""`fit` on tables as people have them: it says what it noticed, and finds the signal all the same."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

import counterpoise as cp

N = 600


def rows(seed):
    rng = np.random.default_rng(seed)
    y = rng.random(N) < 0.25
    return rng, y, np.where(y, rng.integers(240, 400, N), rng.integers(0, 260, N))


def amounts(rng, steps):
    return ["unknown" if rng.random() < 0.05 else f"${1000 + step:,}.50" for step in steps]


COLUMNS = {
    "amounts in dollars": (amounts, r"'a' contains numbers, but .* are not: 'unknown'"),
    "unix seconds": (lambda rng, steps: 1.7e9 + steps, None),
    "account numbers": (lambda rng, steps: 4 * 10**15 + steps, None),
    "dates in text": (
        lambda rng, steps: [f"2024-01-{1 + s // 48:02}T{s // 2 % 24:02}:{s % 2 * 30:02}:00Z" for s in steps],
        r"'a' contains dates",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_the_signal_of_a_column_is_found_as_it_is_written(name):
    make, noticed = COLUMNS[name]
    scores = []
    for column in (lambda rng, steps: steps.astype(float), make):
        (rng, y, steps), (other, truth, later) = rows(0), rows(1)
        train, test = pl.DataFrame({"a": column(rng, steps)}), pl.DataFrame({"a": column(other, later)})
        with pytest.warns(UserWarning, match=noticed) if noticed and column is make else nullcontext():
            clf = cp.fit("mlp", train, y, epochs=6, verbose=0)
        scores.append(roc_auc_score(truth, clf.predict_proba(test)[:, 1]))
    assert scores[0] > 0.9
    assert scores[1] > scores[0] - 0.05


def test_a_signal_in_the_hour_is_found():
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, 200 * 86_400, 2 * N)
    when = np.datetime64("2024-01-01", "us") + seconds.astype("m8[s]")
    y = (seconds // 3600 % 24 >= 17) & (seconds // 3600 % 24 < 23)
    clf = cp.fit("mlp", pl.DataFrame({"when": when[:N]}), y[:N], epochs=15, verbose=0)
    assert roc_auc_score(y[N:], clf.predict_proba(pl.DataFrame({"when": when[N:]}))[:, 1]) > 0.9

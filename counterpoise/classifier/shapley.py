"""Shapley values of the corrected log-odds of single rows over the raw columns.

The value of some columns is the mean log-odds of rows that have these columns of the row, and the others of a
background row (interventional Shapley values). With few columns every set of columns is evaluated. One booster of two
classes is explained exactly for any number of columns (see `tree_shapley`). Otherwise, with more columns, columns are
exchanged one by one in drawn orders, each order also backwards (Strumbelj and Kononenko, KAIS 41, 2014; Mitchell et
al., JMLR 23, 2022). Either way the values of a row sum to its log-odds less the mean log-odds of the background.

The drawn orders depend on the seed alone and are the same for all rows. tests/classifier/test_explain.py compares the
exact values with an enumeration of all orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from counterpoise.classifier.raw_columns import ExplainedColumns, log_odds
from counterpoise.classifier.tree_shapley import tree_effects
from counterpoise.core.errors import OptionError
from counterpoise.core.seeds import generator
from counterpoise.core.structure import rows_in, take

Array = np.ndarray
#: Most columns for which every set of columns is evaluated, and most rows of the background.
MOST_EXACT, BACKGROUND_ROWS = 8, 32
#: Rows that go through the networks at once.
AT_ONCE = 16_384


@dataclass(frozen=True)
class Reasons:
    """The amount that each column adds to the log-odds of each row.

    Attributes:
        columns: Names (d,).
        effects: float64 (N, d); the sum of a row is `log_odds` less `base`.
        base: float64 (N,), mean log-odds of the background. log_odds: float64 (N,).
        explained: int (N,), code of the class whose log-odds they are: with two classes the positive one, with more the
            most probable.
        background: Number of background rows. exact: Whether the values are exact for this background; else sampled.
    """

    columns: tuple[str, ...]
    effects: Array
    base: Array
    log_odds: Array
    explained: Array
    background: int
    exact: bool

    def strongest(self, count: int) -> Any:
        """Return the `count` strongest columns of each row as a polars frame with N rows.

        `reason_1` names the column with the largest absolute effect, and `reason_1_effect` is this effect; and so
        on; there are fewer pairs if there are fewer columns.
        """
        import polars as pl

        order = np.argsort(-np.abs(self.effects), axis=1, kind="stable")[:, :count]
        names, table = np.array(self.columns, dtype=object), {}
        for k in range(order.shape[1]):
            table[f"reason_{k + 1}"] = names[order[:, k]].tolist()
            table[f"reason_{k + 1}_effect"] = np.take_along_axis(self.effects, order[:, k : k + 1], axis=1)[:, 0]
        return pl.DataFrame(table)


def explain_rows(clf: Any, x: Any, background: Any = None, *, seed: int = 0) -> Reasons:
    """Return the Shapley values of the log-odds of each row (see `Classifier.explain`).

    Without `background`, the background rows are drawn from `x`. At most `BACKGROUND_ROWS` rows are drawn.

    Raises:
        OptionError: `x` has one row, and no background was passed.
    """
    columns = ExplainedColumns.of(clf)
    rows = clf.encoded(x)
    given = rows if background is None else clf.encoded(background)
    if background is None and rows_in(given) < 2:
        raise OptionError(
            "A single row is explained by comparison with background rows, but none were passed. Pass background=, "
            "for example some training rows."
        )
    count = min(BACKGROUND_ROWS, rows_in(given))
    base_rows = take(given, np.sort(generator(seed, "explain background").permutation(rows_in(given))[:count]))
    of_rows, of_base = log_odds(clf, rows), log_odds(clf, base_rows)
    explained = of_rows.argmax(axis=1) if of_rows.shape[1] > 2 else np.ones(len(of_rows), int)
    width = len(columns.names)
    of_trees = tree_effects(clf, rows, base_rows, width)
    effects = np.zeros((len(of_rows), width)) if of_trees is None else of_trees
    # Without iterations if `tree_effects` could explain the model.
    for i, c in enumerate(explained if of_trees is None else ()):
        of_row = clf, columns, take(rows, np.array([i])), base_rows, of_rows[i, c], of_base[:, c], int(c)
        effects[i] = _exact_effects(*of_row) if width <= MOST_EXACT else _sampled_effects(*of_row, seed)
    exact = width <= MOST_EXACT or of_trees is not None
    own = of_rows[np.arange(len(of_rows)), explained]
    return Reasons(columns.names, effects, of_base.mean(axis=0)[explained], own, explained, count, exact)


def _mixed_log_odds(
    clf: Any, columns: ExplainedColumns, row: Any, base: Any, masks: Array, which: Array, c: int
) -> Array:
    """Return the log-odds float64 (K,) of class `c` of K mixed rows, computed at most `AT_ONCE` at once.

    Mixed row k has the columns of `row` where `masks[k]`, bool (d,), is True, and elsewhere those of background row
    `base[which[k]]`.
    """
    odds = []
    for start in range(0, len(masks), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        odds.append(log_odds(clf, columns.mixed(row, take(base, which[some]), masks[some]))[:, c])
    return np.concatenate(odds)


def _exact_effects(
    clf: Any, columns: ExplainedColumns, row: Any, base: Any, own: float, of_base: Array, c: int
) -> Array:
    """Return the Shapley values of one row over all sets of columns, float64 (d,).

    `own` is the log-odds of class `c` of the row, `of_base` (m,) those of the background rows `base`.
    """
    d, m = len(columns.names), len(of_base)
    # Row i of `sets` has the columns whose bits are set in i: first none of them, last all of them.
    sets = (np.arange(2**d)[:, None] >> np.arange(d)) & 1 == 1
    inner = sets[1:-1]
    means = np.full(2**d, of_base.mean())
    # `means[i]` is the mean log-odds of rows that have the columns of set i from `row`.
    means[-1] = own
    if len(inner):
        masks, which = np.repeat(inner, m, axis=0), np.tile(np.arange(m), len(inner))
        drawn = _mixed_log_odds(clf, columns, row, base, masks, which, c)
        means[1:-1] = drawn.reshape(-1, m).mean(axis=1)
    size = sets.sum(axis=1)
    weight = np.array([factorial(s) * factorial(d - s - 1) / factorial(d) if s < d else 0.0 for s in range(d + 1)])
    effects = np.zeros(d)
    for j in range(d):
        without = np.flatnonzero(~sets[:, j])
        # The set without + 2**j is the same set with column j.
        effects[j] = weight[size[without]] @ (means[without + 2**j] - means[without])
    return effects


def _sampled_effects(
    clf: Any, columns: ExplainedColumns, row: Any, base: Any, own: float, of_base: Array, c: int, seed: int
) -> Array:
    """Return estimates of the Shapley values of one row, float64 (d,); arguments as in `_exact_effects`.

    The columns of each of the m background rows are exchanged in one drawn order, and in its reverse.
    """
    d, m = len(columns.names), len(of_base)
    rng = generator(seed, "explain orders")
    orders = np.stack([rng.permutation(d) for _ in range(m)])
    orders = np.concatenate([orders, orders[:, ::-1]])
    rank = np.argsort(orders, axis=1)  # when each column is exchanged
    # Row k of a path has exchanged its first k columns: mask k - 1 of (2m, d - 1, d). The two ends are known.
    masks = rank[:, None, :] < np.arange(1, d)[None, :, None]
    which = np.repeat(np.tile(np.arange(m), 2), d - 1)
    inner = _mixed_log_odds(clf, columns, row, base, masks.reshape(-1, d), which, c).reshape(2 * m, d - 1)
    path = np.concatenate([np.tile(of_base, 2)[:, None], inner, np.full((2 * m, 1), own)], axis=1)
    # The steps of each path, sorted from the order of the exchange to the order of the columns.
    return np.take_along_axis(np.diff(path, axis=1), rank, axis=1).mean(axis=0)

"""Shapley values of the corrected log-odds of single rows over the raw columns.

The value of some columns is the mean log-odds of rows that have these columns of the row, and the others of a
background row (interventional Shapley values). With few columns every set of columns is evaluated. One booster of two
classes is explained exactly for any number of columns (see `tree_shapley`). Otherwise, with more columns, columns are
exchanged one by one in drawn orders, each order also backwards (Strumbelj and Kononenko, KAIS 41, 2014; Mitchell et
al., JMLR 23, 2022). Either way the values of a row sum to its log-odds less the mean log-odds of the background.

The drawn orders depend on the seed alone and are the same for all rows. Several rows are explained at once: networks
compute equal mixed rows once, and trees compute all mixed rows of two rows together (see `mixed_trees`).
tests/classifier/test_explain.py compares the exact values with an enumeration of all orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any, Protocol

import keras
import numpy as np

from counterpoise.classifier.mixed_trees import MixedTrees, mixed_trees
from counterpoise.classifier.raw_columns import (
    ExplainedColumns,
    explained_codes,
    explained_label_names,
    log_odds,
    log_odds_of_logits,
)
from counterpoise.classifier.tree_shapley import tree_effects
from counterpoise.core.errors import OptionError
from counterpoise.core.progress import Progress
from counterpoise.core.seeds import generator
from counterpoise.core.structure import chunk_rows, leaves, rows_in, take
from counterpoise.networks.forward import forward

Array = np.ndarray
#: Most columns for which every set of columns is evaluated, and most rows of the background.
MOST_EXACT, BACKGROUND_ROWS = 8, 32
#: Mixed rows of the rows that are explained at once.
AT_ONCE = 16_384
#: Background rows for which the logits of `mixed_trees` are compared with those of the layers, and how far they may be
#: from them, because the layers are single precision.
CHECKED_ROWS, CLOSE = 8, 1e-3


@dataclass(frozen=True)
class Reasons:
    """The amount that each column adds to the log-odds of each row.

    Attributes:
        columns: Names (d,).
        effects: float64 (N, d); the sum of a row is `log_odds` less `base`.
        base: float64 (N,), mean log-odds of the background. log_odds: float64 (N,).
        explained: int (N,), code of the class or label whose log-odds they are: the one that was asked for; otherwise
            with two classes the positive one, with more, or several labels, the most probable.
        background: Number of background rows. exact: Whether the values are exact for this background; else sampled.
        labels: Of several labels per row, the names of the explained ones (N,); None: one class per row.
    """

    columns: tuple[str, ...]
    effects: Array
    base: Array
    log_odds: Array
    explained: Array
    background: int
    exact: bool
    labels: tuple[str, ...] | None = None

    def strongest(self, count: int) -> Any:
        """Return the `count` strongest columns of each row as a polars frame with N rows.

        `reason_1` names the column with the largest absolute effect, and `reason_1_effect` is this effect; and so
        on; there are fewer pairs if there are fewer columns. With several labels per row, `reason_label` comes first
        and names the explained label.
        """
        import polars as pl

        order = np.argsort(-np.abs(self.effects), axis=1, kind="stable")[:, :count]
        names = np.array(self.columns, dtype=object)
        table: dict[str, Any] = {} if self.labels is None else {"reason_label": list(self.labels)}
        for k in range(order.shape[1]):
            table[f"reason_{k + 1}"] = names[order[:, k]].tolist()
            table[f"reason_{k + 1}_effect"] = np.take_along_axis(self.effects, order[:, k : k + 1], axis=1)[:, 0]
        return pl.DataFrame(table)


def explain_rows(
    clf: Any, x: Any, background: Any = None, *, label: Any = None, seed: int = 0, progress: Progress | None = None
) -> Reasons:
    """Return the Shapley values of the log-odds of each row (see `Classifier.explain`).

    Without `background`, the background rows are drawn from `x`. At most `BACKGROUND_ROWS` rows are drawn. `progress`
    is called with the number of rows that are explained.

    Raises:
        OptionError: `x` has one row, and no background was passed; or `label` is unknown.
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
    base = take(given, np.sort(generator(seed, "explain background").permutation(rows_in(given))[:count]))
    of_rows, of_base = log_odds(clf, rows), log_odds(clf, base)
    explained = explained_codes(clf, label, len(of_rows), lambda: of_rows)
    own, of_base, width = of_rows[np.arange(len(of_rows)), explained], of_base[:, explained].T, len(columns.names)
    effects = tree_effects(clf, rows, base, width)
    exact = effects is not None or width <= MOST_EXACT
    if effects is not None:
        effects = np.where(explained == 1, 1.0, -1.0)[:, None] * effects
    else:
        game: _Game = _EverySet(width, count) if exact else _DrawnOrders(width, count, seed)
        mixed = _MixedLogOdds(clf, columns, take(base, game.which), game)
        effects = np.empty((len(own), width))
        size = max(1, AT_ONCE // max(1, game.masks[..., 0].size))
        for start in range(0, len(own), size):
            some = slice(start, start + size)
            drawn = mixed(take(rows, some), explained[some])
            effects[some] = game.effects(own[some], of_base[some], drawn)
            if progress is not None:
                progress("explaining", min(start + size, len(own)), len(own))
    names = explained_label_names(clf, explained)
    return Reasons(columns.names, effects, of_base.mean(axis=1), own, explained, count, exact, names)


class _Game(Protocol):
    """Which mixed rows are evaluated, and how Shapley values follow from their log-odds.

    Attributes:
        which: int (M,), numbers of background rows. A row may come more than once.
        masks: bool (M, K, d), True for the columns that mixed row k of each of them has from the explained row.
    """

    which: Array
    masks: Array

    def of_trees(self, trees: MixedTrees, x: Any, base: Any) -> Array:
        """Return the logits of trees (N, M, K, units), for N rows and the M background rows."""

    def effects(self, own: Array, of_base: Array, mixed: Array) -> Array:
        """Return the effects (N, d) from the log-odds of rows (N,), background rows (N, m) and mixed rows (N, M, K)."""


class _EverySet:
    """Every set of columns, but for none and all of them."""

    def __init__(self, d: int, m: int) -> None:
        self.d, self.which = d, np.arange(m)
        # Row s of `sets` has the columns whose bits are set in s: first none of them, last all of them.
        self.sets = (np.arange(2**d)[:, None] >> np.arange(d)) & 1 == 1
        self.masks = np.broadcast_to(self.sets[1:-1], (m, 2**d - 2, d))

    def of_trees(self, trees: MixedTrees, x: Any, base: Any) -> Array:
        return trees.every_set(x, base, self.d)[:, :, 1:-1]

    def effects(self, own: Array, of_base: Array, mixed: Array) -> Array:
        d, size = self.d, self.sets.sum(axis=1)
        means = np.concatenate([of_base.mean(axis=1)[:, None], mixed.mean(axis=1), own[:, None]], axis=1)
        weight = np.array([factorial(s) * factorial(d - s - 1) / factorial(d) for s in range(d)])
        effects = np.zeros((len(own), d))
        for j in range(d):
            without = np.flatnonzero(~self.sets[:, j])
            # The set without + 2**j is the same set with column j.
            effects[:, j] = (means[:, without + 2**j] - means[:, without]) @ weight[size[without]]
        return effects


class _DrawnOrders:
    """The columns of each background row, exchanged in one drawn order, and in its reverse."""

    def __init__(self, d: int, m: int, seed: int) -> None:
        rng = generator(seed, "explain orders")
        orders = np.stack([rng.permutation(d) for _ in range(m)])
        self.which = np.tile(np.arange(m), 2)
        self.rank = np.argsort(np.concatenate([orders, orders[:, ::-1]]), axis=1)  # when each column is exchanged
        # Mask k - 1 has exchanged the first k columns. The two ends of the way are known.
        self.masks = self.rank[:, None, :] < np.arange(1, d)[None, :, None]

    def of_trees(self, trees: MixedTrees, x: Any, base: Any) -> Array:
        return trees.on_the_way(x, base, self.rank)[:, :, 1:-1]

    def effects(self, own: Array, of_base: Array, mixed: Array) -> Array:
        ends = np.broadcast_to(own[:, None, None], (*mixed.shape[:2], 1))
        way = np.concatenate([of_base[:, self.which, None], mixed, ends], axis=2)
        # The steps of each way, sorted from the order of the exchange to the order of the columns.
        steps = np.take_along_axis(
            np.diff(way, axis=2), np.broadcast_to(self.rank, (len(own), *self.rank.shape)), axis=2
        )
        return np.asarray(steps.mean(axis=1))


class _MixedLogOdds:
    """The log-odds of mixed rows by all members of a classifier, trees by `mixed_trees`."""

    def __init__(self, clf: Any, columns: ExplainedColumns, base: Any, game: _Game) -> None:
        self.clf, self.columns, self.base, self.game = clf, columns, base, game
        outputs = keras.tree.flatten(clf.members.output)
        some = take(base, np.arange(min(CHECKED_ROWS, rows_in(base))))
        logits = clf.encoded_logits(some)
        self.trees = [self._checked(mixed_trees(z), some, own) for z, own in zip(outputs, logits, strict=True)]
        others = [z for z, trees in zip(outputs, self.trees, strict=True) if trees is None]
        self.networks = None if not others else clf._forward
        if others and len(others) < len(outputs):
            self.networks = forward(keras.Model(clf.members.input, others))

    def _checked(self, trees: MixedTrees | None, rows: Any, logits: Array) -> MixedTrees | None:
        """Return the trees of a member, or None if they do not give the logits that the member gives for rows."""
        if trees is None:
            return None
        order = np.arange(len(self.columns.names))[None]
        ways = trees.on_the_way(rows, take(rows, np.arange(1)), order)
        return trees if np.abs(ways[:, 0, -1] - logits).max() < CLOSE else None

    def __call__(self, x: Any, explained: Array) -> Array:
        """Return the log-odds of the classes `explained` (N,) of the mixed rows of N encoded rows, (N, M, K)."""
        shape = (rows_in(x), *self.game.masks.shape[:2])
        if not np.prod(shape):
            return np.zeros(shape)
        of_networks = iter(() if self.networks is None else self._network_logits(self.networks, x))
        logits = [
            next(of_networks) if trees is None else self.game.of_trees(trees, x, self.base).reshape(np.prod(shape), -1)
            for trees in self.trees
        ]
        odds = log_odds_of_logits(self.clf, logits)
        return odds[np.arange(len(odds)), np.repeat(explained, shape[1] * shape[2])].reshape(shape)

    def _network_logits(self, networks: Any, x: Any) -> list[Array]:
        """Return the logits of the members that are networks, (N M K, units) each, at most `AT_ONCE` rows at once."""
        _, k, d = self.game.masks.shape
        masks, parts = self.game.masks.reshape(-1, d), []
        for start in range(0, rows_in(x) * len(masks), AT_ONCE):
            number = np.arange(start, min(start + AT_ONCE, rows_in(x) * len(masks)))
            row, mask = np.divmod(number, len(masks))
            mixed = self.columns.mixed(take(x, row), take(self.base, mask // k), masks[mask])
            parts.append(_logits_of_different_rows(networks, mixed))
        return [np.concatenate(z) for z in zip(*parts, strict=True)]


def _logits_of_different_rows(networks: Any, rows: Any) -> list[Array]:
    """Return the logits of encoded rows (n, units) for each network. Equal rows go through the networks once."""
    each = [np.ascontiguousarray(part).reshape(rows_in(rows), -1).view(np.uint8) for part in leaves(rows)]
    whole = np.ascontiguousarray(np.concatenate(each, axis=1))
    _, first, of_row = np.unique(whole.view(f"V{whole.shape[1]}").ravel(), return_index=True, return_inverse=True)
    different, size = take(rows, first), chunk_rows(rows)
    parts = [networks(take(different, slice(i, i + size))) for i in range(0, len(first), size)]
    return [np.concatenate(z)[of_row] for z in zip(*parts, strict=True)]

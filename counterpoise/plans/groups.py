"""Plans that count groups: a patient with many rows has the same weight as a patient with few rows.

Balancing by rows repeats the patients with rows of the rare class; with few patients, a single patient may be repeated
many times. Here, each group of a class has the same share of the class. The probabilities of a network are then for a
random group, not for a random row. The order of the random draws determines results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_choice, check_lengths
from counterpoise.core.errors import DataError
from counterpoise.core.label_values import is_missing
from counterpoise.plans import rows as draws
from counterpoise.plans.class_plans import Plan, uniform

Array = np.ndarray

BALANCES = ("oversample", "undersample", "none")
SHARINGS = ("rows", "weights", "whole")


@dataclass(frozen=True)
class GroupPlan(Plan):
    """A plan whose multiplicities depend on class and group, made by `per_group`.

    Attributes:
        inner: The plan over pairs of class and group that draws and weights rows, or None if whole groups are drawn.
        groups: int32 (n,), group code of each row.

    Example:
        >>> plan = per_group([0, 0, 0, 1], ["a", "b", "c", "d"])
        >>> plan.groups.tolist(), plan.needs_calibration
        ([0, 1, 2, 3], True)
    """

    inner: Plan | None = None
    groups: Array | None = None

    @property
    def group_counts(self) -> Array:
        """Return the number of groups of each class, int64 (C,).

        A group with rows of two classes counts in both classes.
        """
        assert self.groups is not None
        pairs = np.unique(np.stack([self.codes, self.groups]), axis=1)
        return np.bincount(pairs[0], minlength=len(self.classes))

    @property
    def _weights_are_fixed(self) -> bool:
        """Whether the weights of the user are in `inner`, too."""
        return self.inner is not None

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the rows of epoch `number`, shuffled: of the inner plan, or of whole groups."""
        if self.inner is not None:
            return self.inner.rows(number, seed)
        out = np.concatenate([self._whole_group_rows(code, number, seed) for code in range(len(self.classes))])
        seeds.generator(seed, "order", number).shuffle(out)
        return out

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weight of some rows, float32, from `inner` if there is one."""
        return super()._weights_of(rows) if self.inner is None else self.inner._weights_of(rows)

    def _whole_group_rows(self, code: int, epoch: int, seed: int) -> Array:
        """Return the rows of class `code` that one epoch draws if whole groups are drawn.

        An endless walk passes through all groups of the class, each time in another order. Each epoch takes the next
        `drawn[code]` rows of this walk, so a group may continue in the next epoch.
        """
        assert self.groups is not None
        members, size = self._rows_of_class(code), int(self.drawn[code])
        turn, start = divmod(epoch * size, len(members))  # number of the pass, and the position in it
        out = np.empty(size, members.dtype)
        done = 0
        while done < size:
            stretch = self._rows_of_pass(members, code, turn, seed)[start : start + size - done]
            out[done : done + len(stretch)] = stretch
            done, turn, start = done + len(stretch), turn + 1, 0
        return out

    def _rows_of_pass(self, members: Array, code: int, turn: int, seed: int) -> Array:
        """Return the rows of a class in the order of pass number `turn`.

        The groups are permuted, and the rows of a group stay together.
        """
        assert self.groups is not None
        number = np.unique(self.groups[members], return_inverse=True)[1]
        order = draws.permutation(int(number.max()) + 1, seed, f"groups of class {code}", turn)
        return members[np.argsort(order[number], kind="stable")]


def per_group(
    y: Any,
    groups: Any,
    balance: str = "oversample",
    *,
    how: str = "rows",
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> GroupPlan:
    """Give every group of a class the same share of this class, and balance the classes.

    With G_c groups in class c and n_cg rows in group g: m_i = t_c / (G_c n_cg), where t_c is the number of rows drawn
    from class c.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        groups: (n,) group of each row: a patient, a source image, a customer.
        balance: "oversample": t_c is the size of the largest class. "undersample": t_c is the size of the smallest
            class, but at least one row of each group. "none": t_c is proportional to G_c, so groups are drawn at
            random.
        how: "rows": each epoch draws the same number of rows from each group, in turn. "weights": every row once, with
            a weight. "whole": all rows of some groups, in turn, so that a group counts by its number of rows. The last
            group of an epoch continues in the next epoch.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.

    Raises:
        DataError: Groups are missing, or their number differs from the number of labels.
        OptionError: `balance` or `how` is unknown.

    `population` describes what a row of the plan represents. Unless how="whole", multiplicities differ within a class,
    so probabilities need a calibrator.

    Example:
        >>> y, who = [0] * 6 + [1] * 4, ["a", "b", "c", "d", "e", "f", "g", "g", "g", "h"]
        >>> plan = per_group(y, who)
        >>> rows = plan.rows(0, 0)
        >>> {name: int(np.isin(np.array(who)[rows], [name]).sum()) for name in "gh"}
        {'g': 3, 'h': 3}
    """
    check_choice(balance, "balance", BALANCES)
    check_choice(how, "how", SHARINGS)
    base = uniform(y, sample_weight=sample_weight, classes=classes)
    codes = _group_codes(groups, len(base.codes))
    cells, cell, cell_rows = _class_group_pairs(base, codes)
    # Groups without weight take no share of the weight of their class.
    counted = np.bincount(cell, base.sample_weight) > 0 if how == "weights" else np.ones(len(cell_rows), bool)
    group_counts = np.bincount(cells[0][counted], minlength=len(base.classes))
    if how == "whole":
        wanted = _class_sizes_in_whole_groups(base.counts, balance)
        inner, drawn, weights = None, wanted, np.ones(len(wanted))
    else:
        wanted = _class_sizes(base.counts, group_counts, balance)
        inner = _plan_over_pairs(base, cells, cell, cell_rows, group_counts, wanted, how)
        drawn, weights = (
            (wanted, _drawn_weights(base, inner, cells)) if how == "rows" else (base.counts, wanted / base.mass)
        )
    return GroupPlan(
        "per_group", base.codes, base.classes, drawn, weights, sample_weight=base.sample_weight,
        needs_calibration=how != "whole", population="a random row" if how == "whole" else "a random group",
        inner=inner, groups=codes,
    )  # fmt: skip


def _drawn_weights(base: Plan, inner: Plan, cells: Array) -> Array:
    """Return the mean weight of the rows that `inner` draws of each class, relative to that of all its rows, (C,).

    Groups with few rows are drawn more often, so the user's weights of their rows count more.
    """
    if base.sample_weight is None:
        return np.ones(len(base.classes))
    seen = np.bincount(cells[0], inner.drawn / inner.counts * inner.mass)
    return seen / np.bincount(cells[0], inner.drawn) / (base.mass / base.counts)


def _group_codes(groups: Any, n: int) -> Array:
    """Return the group of each row as a code, int32 (n,).

    Raises:
        DataError: Groups are missing, or are not one per row.
    """
    values = np.asarray(groups)
    check_lengths({"y": range(n), "groups": values})
    if values.ndim != 1:
        raise DataError(f"groups has shape {values.shape}. Expected one group per row, ({n},).")
    # NumPy makes text of the missing values in a list of text.
    known = np.asarray(groups, dtype=object) if values.dtype.kind in "US" else values
    missing = [is_missing(value) for value in known.tolist()] if known.dtype.kind in "Of" else [False]
    if any(missing):
        raise DataError(f"groups is missing in {sum(missing):,} rows. Give each of these rows a group of its own.")
    return np.unique(values, return_inverse=True)[1].astype(np.int32)


def _class_group_pairs(base: Plan, groups: Array) -> tuple[Array, Array, Array]:
    """Return the pairs of class and group, the pair of each row, and rows of each pair.

    Their shapes are (2, K), (n,) and (K,). The pairs are sorted by class, then by group.
    """
    cells, cell, rows = np.unique(np.stack([base.codes, groups]), axis=1, return_inverse=True, return_counts=True)
    return cells, cell.reshape(-1).astype(np.int32), rows


def _class_sizes_in_whole_groups(counts: Array, balance: str) -> Array:
    """Return how many rows each class gets in an epoch of whole groups, int64 (C,)."""
    size = {"oversample": counts.max(), "undersample": counts.min()}.get(balance)
    return counts.copy() if size is None else np.full(len(counts), size)


def _class_sizes(counts: Array, groups: Array, balance: str) -> Array:
    """Return how many rows (or how much weight) each class gets in an epoch if groups share it, int64 (C,).

    It is at least one row of each group. `counts` and `groups` are rows and groups of each class.
    """
    if balance == "none":
        return np.maximum(groups, np.rint(counts.sum() * groups / groups.sum())).astype(np.int64)
    size = counts.max() if balance == "oversample" else max(counts.min(), groups.max())
    return np.full(len(counts), size, np.int64)


def _plan_over_pairs(
    base: Plan, cells: Array, cell: Array, rows: Array, groups: Array, wanted: Array, how: str
) -> Plan:
    """Return the plan over pairs of class and group, each with an equal share of its class.

    Args:
        base: The plan of all rows. cells, cell, rows: As from `_class_group_pairs`.
        groups, wanted: Groups of each class, and its rows (or weight) in an epoch, both (C,).
        how: "weights" shares weight; "rows" shares rows.
    """
    code, names = cells[0], tuple(range(cells.shape[1]))
    share = wanted[code] / groups[code]
    if how == "weights":
        mass = np.bincount(cell, weights=base.sample_weight, minlength=len(names))
        weights = share / np.where(mass > 0, mass, 1.0)
        return Plan("per_group", cell, names, rows, weights, sample_weight=base.sample_weight)
    first = np.concatenate([[0], np.cumsum(groups)])[code]  # first pair of the class
    rank = np.arange(len(code)) - first
    # The first groups of a class get the rows that do not divide evenly.
    drawn = wanted[code] // groups[code] + (rank < wanted[code] % groups[code])
    return Plan("per_group", cell, names, drawn, np.ones(len(names)), sample_weight=base.sample_weight)

"""Units: what is decided where one decision is for several rows, such as the images of a study or of a patient.

Also rows that come in groups: one row of each, where rows have to be independent (`one_per_group`). Saved in model
files: `UnitRule`, and the scores of units under names that begin with `UNIT_PREFIX`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.rule import LabelRules, Rule

Array = np.ndarray

#: How the probabilities of a unit's rows are combined into one.
AGGREGATES = ("mean", "max")
#: What the names of the stored scores of units begin with.
UNIT_PREFIX = "unit_"


@dataclass(frozen=True)
class Units:
    """The unit of each row.

    Attributes:
        codes: int64 (N,), from 0 to the number of units less 1.
        columns: Names of the columns that name them; "unit" where they were given as values.
        aggregate: One of `AGGREGATES`.
    """

    codes: Array
    columns: tuple[str, ...]
    aggregate: str = "mean"

    def __len__(self) -> int:
        """Return the number of units, U."""
        return int(self.codes.max(initial=-1)) + 1

    @property
    def name(self) -> str:
        """The name of a unit in messages."""
        return " + ".join(self.columns)

    @property
    def first(self) -> Array:
        """int64 (U,), the first row of each unit."""
        return np.unique(self.codes, return_index=True)[1]

    def at(self, rows: Array) -> Units:
        """Return the units of rows with these numbers, int (n,), numbered again from 0.

        Example:
            >>> Units(np.array([0, 1, 1, 2]), ("patient",)).at(np.array([2, 3])).codes.tolist()
            [0, 1]
        """
        return replace(self, codes=np.unique(self.codes[rows], return_inverse=True)[1].astype(np.int64))

    def labels(self, y: Array) -> Array:
        """Return the labels of units, (U,) or (U, L): the highest code of their rows, so positive if any row is.

        Labels that are not known (-1) count nowhere.

        Example:
            >>> Units(np.array([0, 1, 1]), ("patient",)).labels(np.array([0, 0, 1])).tolist()
            [0, 1]
        """
        out = np.full((len(self), *y.shape[1:]), -1, y.dtype)
        np.maximum.at(out, self.codes, y)
        return out

    def mean(self, values: Array) -> Array:
        """Return the means of values (N, ...) over the rows of each unit, float64 (U, ...).

        Example:
            >>> Units(np.array([0, 1, 1]), ("patient",)).mean(np.array([1.0, 2.0, 4.0])).tolist()
            [1.0, 3.0]
        """
        total = np.zeros((len(self), *values.shape[1:]))
        np.add.at(total, self.codes, values)
        rows = np.bincount(self.codes, minlength=len(self))
        return np.asarray(total / rows.reshape(-1, *[1] * (values.ndim - 1)))

    def largest(self, values: Array) -> Array:
        """Return the largest of values (N, ...) over the rows of each unit, float64 (U, ...)."""
        out = np.full((len(self), *values.shape[1:]), -np.inf)
        np.maximum.at(out, self.codes, values)
        return out


@dataclass(frozen=True)
class UnitRule:
    """The rule that decides the units of a classifier, with what forms units from rows.

    Attributes:
        columns, aggregate: As in `Units`.
        rule: From the aggregated probability of a unit to its calibrated probability and decision; its one member is
            the aggregate.
    """

    columns: tuple[str, ...]
    aggregate: str
    rule: Rule | LabelRules

    @property
    def name(self) -> str:
        """The name of a unit in messages."""
        return " + ".join(self.columns)

    @property
    def calibrated(self) -> bool:
        """Whether a calibrator was fitted on units: of several labels, for each label."""
        return all(rule.calibrator is not None for rule in self.rule.problem_rules)


def scores_of_units(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored scores of units, under the names that those of rows have.

    Example:
        >>> scores_of_units({"y": 1, "unit_y": 2, "unit_guarantee_y": 3})
        {'y': 2, 'guarantee_y': 3}
    """
    return {name.removeprefix(UNIT_PREFIX): values for name, values in scores.items() if name.startswith(UNIT_PREFIX)}


def scores_of_rows(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored scores of rows, which are all whose names do not begin with `UNIT_PREFIX`."""
    return {name: values for name, values in scores.items() if not name.startswith(UNIT_PREFIX)}


def one_per_group(groups: Array, y: Array, by_class: bool, seed: int = 0) -> Array:
    """Return one random row of each group, in rising order, so that the rows are independent.

    Args:
        groups: int (N,).
        y: int (N,), class codes. They count only with `by_class`.
        by_class: Whether a group counts once in each class: recalls are of one class each.
        seed: Seed of the draw. The draw decides thresholds with a guarantee.

    Returns:
        int64, row numbers: one row of each group, or one of each group and class.

    Example:
        >>> rows = one_per_group(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0]), by_class=True)
        >>> len(rows), len(one_per_group(np.array([0, 0, 1, 1]), np.array([1, 1, 1, 0]), by_class=False))
        (3, 2)
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    keys = np.stack([groups, y if by_class else np.zeros_like(y)], axis=1)[order]
    return np.sort(order[np.unique(keys, axis=0, return_index=True)[1]])

"""The settings of a split, and a split that the user gives: one fold, checked, and never drawn again.

`split` draws the folds of rows without a given split. Fixed: rows of the test part are only scored; they never train,
stop the training, or fit the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError, SplitError
from counterpoise.core.examples import TEST, TRAIN, VALIDATION, Examples
from counterpoise.core.folds import LEAST_TRAIN, Fold
from counterpoise.data.split import (
    STOP_SHARE,
    advice_on_few_rows,
    check_counts,
    check_share,
    class_row_counts,
    hold_out,
    known_rows,
    latest_part,
    make_folds,
    refuse_groups_in_time,
    stratified_part,
    usable_rows,
    without_rare_labels,
)

Array = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Split:
    """How rows are split for a comparison.

    `compare` and `fit` make their folds by it. The folds are part of the ids of jobs.

    Attributes:
        folds: Folds of the cross-validation, 2 or more.
        repeats: How often it is repeated with other folds.
        duplicates: "warn", "group", "drop" or "error" for rows with equal features.
        seed: Seed of the folds.
        label_delay: Time after which the label of a row is known, in the unit of `Examples.time` (days for dates).
            Rows that are not so much older than the test rows of a fold do not train there.

    Raises:
        OptionError: a number that is not whole or too small, or a delay that is not 0 or more.
    """

    folds: int = 5
    repeats: int = 1
    duplicates: str = "warn"
    seed: int = 0
    label_delay: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields, and store `folds` and `repeats` as int."""
        object.__setattr__(self, "folds", check_int(self.folds, "folds", 2))
        object.__setattr__(self, "repeats", check_int(self.repeats, "repeats"))
        number = isinstance(self.label_delay, (int, float)) and not isinstance(self.label_delay, bool)
        if not (number and 0 <= self.label_delay < float("inf")):
            raise OptionError(
                f"label_delay is {self.label_delay!r}. Expected a number of 0 or more. The unit is days if "
                "the times are dates, otherwise the unit of the times."
            )

    def of(self, examples: Examples) -> tuple[Fold, ...]:
        """Return the folds of these rows: the user's split as one, or those of `make_folds`.

        Raise an OptionError for a label delay without times.
        """
        if self.label_delay and examples.time is None:
            raise OptionError("label_delay= requires time=. Pass time= (--time).")
        if examples.split is not None:
            fold = given_fold(examples, seed=self.seed, duplicates=self.duplicates)
            return (self._with_known_labels(fold, examples) if self.label_delay else fold,)
        return make_folds(examples, self.folds, self.repeats, self.seed, self.duplicates, self.label_delay)

    def _with_known_labels(self, fold: Fold, examples: Examples) -> Fold:
        """Return a fold without the rows whose labels are known only after its first test row.

        Raise a SplitError if too few rows of a class are left.
        """
        assert examples.time is not None
        start = float(examples.time[fold.test].min())
        train, stop = (
            known_rows(examples, rows, start, self.label_delay, f"the {part} part of split")
            for part, rows in (("training", fold.train), ("validation", fold.stop))
        )
        _check_parts(examples, {"training": train, "validation": stop})
        return replace(fold, train=train, stop=stop)

    def left_out(self, examples: Examples, folds: Sequence[Fold]) -> list[int]:
        """Return how many earlier rows each fold leaves out because of `label_delay`.

        The list is empty without a delay.
        """
        if not self.label_delay or examples.time is None:
            return []
        rows = usable_rows(examples, self.duplicates)[0]
        earlier = [int((examples.time[rows] < examples.time[fold.test].min()).sum()) for fold in folds]
        # Rows of the past that neither train nor stop the training are left out.
        return [n - len(fold.train) - len(fold.stop) for n, fold in zip(earlier, folds, strict=True)]


def check_divisible(examples: Examples, folds: int = 0, seed: int = 0, judged: bool = True) -> None:
    """Raise the error that a division of these rows would raise; the features may still be missing.

    Labels and a split of the user are checked. Without such a split, rows with groups or times are not checked, except
    that they cannot have both.

    Args:
        examples: The rows.
        folds: Folds that they will be divided into; 0: training and held-out rows.
        seed: The seed of the division.
        judged: Whether rows with their own split need test rows.

    Raises:
        SplitError: as `make_folds`, `hold_out` and `given_fold` do.
    """
    rows = without_rare_labels(examples, folds)
    if rows.split is not None:
        given_fold(rows, seed=seed, judged=judged)
    elif rows.time is not None:
        refuse_groups_in_time(rows)
    elif rows.groups is None:  # others are divided by more than their labels
        if folds:
            check_counts(rows, folds)
        else:
            hold_out(rows, seed=seed)


def rows_to_learn(examples: Examples) -> int:
    """Return the number of rows that determines batch size and epochs.

    These are the training and early-stopping rows. With a split of the user, at most as many validation rows as
    training rows count.
    """
    if examples.split is None:
        return len(examples)
    train = len(examples.rows_with_role(TRAIN))
    return train + min(train, len(examples.rows_with_role(VALIDATION)))


def given_fold(
    examples: Examples, share: float = STOP_SHARE, seed: int = 0, duplicates: str = "warn", judged: bool = True
) -> Fold:
    """Return the only fold of rows with a split; without validation rows, some training rows are held out.

    Args:
        examples: Rows with a `split`.
        share: Share of the training rows that is held out.
        seed: Seed of these rows.
        duplicates: As in `make_folds`; "group" is refused, because the rows are split already.
        judged: Whether an error is raised if there are no test rows.

    Raises:
        SplitError: A part of the split has no rows or lacks a class, a group is in two parts, or training rows are not
            earlier than the others.
        OptionError: duplicates="group", a share out of range, or groups along with time where rows are held out.
    """
    if duplicates == "group":
        raise OptionError(
            "duplicates='group' and split= cannot be combined, because both define the split. Remove one of them."
        )
    check_share(share)
    kept = np.zeros(len(examples), bool)
    kept[usable_rows(examples, duplicates)[0]] = True
    train, stop, test = (rows[kept[rows]] for rows in map(examples.rows_with_role, (TRAIN, VALIDATION, TEST)))
    if not len(train) or (judged and not len(test)):
        raise SplitError(
            f"The column that split= names marks no {'test' if len(train) else 'training'} row. Expected "
            "training and test rows. Write 'train' or 'test' in each row of the column. The word 'validation' is "
            "optional."
        )
    named = {"training": train, "validation": stop, "test": test}
    _check_disjoint(examples, named)
    if not len(stop):
        if examples.time is not None:
            train, stop = latest_part(examples, train, share)
        else:
            train, stop = stratified_part(
                examples.strata, examples.groups, train, share, seeds.integer(seed, "hold-out")
            )
    _check_parts(examples, {"training": train, "validation": stop, "test": test})
    return Fold(0, 0, train, stop, test)


def _check_disjoint(examples: Examples, parts: Mapping[str, Array]) -> None:
    """Raise a SplitError if a group is in two parts, or if training rows are not earliest.

    `parts` maps the name of each part to its row numbers; empty parts are skipped.
    """
    for first, second in combinations((name for name, rows in parts.items() if len(rows)), 2):
        a, b = parts[first], parts[second]
        if examples.groups is not None:
            shared = np.intersect1d(examples.groups[a], examples.groups[b])
            if len(shared):
                named = [examples.row_name(part[examples.groups[part] == shared[0]][0]) for part in (a, b)]
                raise SplitError(
                    f"{len(shared):,} group{'s have' if len(shared) > 1 else ' has'} rows in the {first} part "
                    f"and in the {second} part of split=, for example {' and '.join(named)}. Expected "
                    "each group in one part. Correct the column of split=, or remove groups=."
                )
        if examples.time is not None and first == "training" and examples.time[a].max() >= examples.time[b].min():
            raise SplitError(
                f"The {second} part of split= begins before the training part ends. With time=, training rows "
                "must be earlier than all other rows. Correct the column of split=, or remove time=."
            )


def _check_parts(examples: Examples, parts: Mapping[str, Array]) -> None:
    """Raise a SplitError if a part has too few rows of a class (2 for training, else 1).

    `parts` maps the name of each part to its row numbers; empty parts are skipped.
    """
    for name, rows in parts.items():
        least = LEAST_TRAIN if name == "training" else 1
        have = class_row_counts(examples, rows)
        code = int(np.argmin(have))
        if len(rows) and have[code] < least:
            shown = f"{int(have[code])} row{'s' * (int(have[code]) != 1)}"
            raise SplitError(
                f"{examples.class_name(code)} has {shown} among the {name} rows. Expected {least} or more. "
                f"Move such rows to the {name} part, or {advice_on_few_rows(examples)}."
            )

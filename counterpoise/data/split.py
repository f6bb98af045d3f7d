"""Examples to folds: stratified, grouped or in time order; every class on each side, or a clear error.

The outer test rows are for scores only. Early-stopping rows (20% of the outer training rows, stratified or grouped
like the folds) decide when training ends and are used for nothing else. Fixed: the rows of folds decide results and the
ids of jobs, so seeds, their stages ("folds", "stop", "hold-out") and the order of draws stay.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError, SplitError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import LEAST_TRAIN, Fold, has_enough_rows, largest_folds
from counterpoise.data.label_split import label_counts, split_by_labels

Array = np.ndarray

#: Share of the training rows of a fold that end the training.
STOP_SHARE = 0.2
#: Pieces that whole groups are dealt into at most, to hold out a wanted share.
MOST_PIECES = 20
#: What `usable_rows` may do about rows with equal features.
DUPLICATES = ("warn", "group", "drop", "error")


def make_folds(
    examples: Examples, folds: int = 5, repeats: int = 1, seed: int = 0, duplicates: str = "warn",
    label_delay: float = 0.0,
) -> tuple[Fold, ...]:  # fmt: skip
    """Return `folds` folds of the rows, `repeats` times, each with its early-stopping rows.

    Groups stay whole. With time, each fold trains on what came before its test block (one repeat), and what came at
    least `label_delay` before it: later labels are not known when the test block begins. Rows that `duplicates="drop"`
    leaves out are in no fold.

    Raises:
        SplitError: a class, group or time step does not fit; names the class and the number of folds that works.
        OptionError: folds below 2, repeats below 1, or a combination that cannot be.
    """
    if folds < 2:
        raise OptionError(f"folds= is {folds}. Expected 2 or more.")
    if repeats < 1:
        raise OptionError(f"repeats= is {repeats}. Expected 1 or more.")
    rows, groups = usable_rows(examples, duplicates)
    if examples.time is not None:
        if groups is not None and examples.groups is None:
            raise OptionError(
                "duplicates='group' and time= cannot be combined. Use duplicates='drop', or remove time=."
            )
        refuse_groups_in_time(examples)
        if repeats > 1:
            raise OptionError(
                f"repeats= is {repeats}, but all repeats of a split in time order would be equal. Set repeats=1."
            )
        return tuple(_folds_in_time(examples, rows, folds, label_delay))
    check_counts(examples, folds, rows)
    made = [fold for repeat in range(repeats) for fold in _shuffled_folds(examples, rows, groups, folds, repeat, seed)]
    return tuple(made)


def hold_out(examples: Examples, share: float = STOP_SHARE, seed: int = 0) -> tuple[Array, Array]:
    """Return (training rows, rows held out for early stopping and for the rule), int64 each.

    Every class has `LEAST_TRAIN` rows in the first and one in the second. With time, the latest rows are held out;
    otherwise they are drawn class by class, and in whole groups if there are groups. `fit` calls it, and so do tuning,
    blends, guarantees and distillation, each with a seed of its own.

    Raises:
        SplitError: a class cannot; it is named.
        OptionError: a share out of range, or groups along with time.
    """
    check_share(share)
    rows = np.arange(len(examples))
    if examples.time is not None:
        train, held = latest_part(examples, rows, share)
    else:
        train, held = stratified_part(examples.strata, examples.groups, rows, share, seeds.integer(seed, "hold-out"))
    _check_held(examples, train, held)
    return train, held


def check_share(share: float) -> None:
    """Raise an `OptionError` unless the share of rows to hold out is between 0 and 1."""
    if not 0 < share < 1:
        raise OptionError(f"validation= is {share}. Expected a share between 0 and 1, for example 0.2.")


def check_counts(examples: Examples, folds: int, rows: Array | None = None) -> None:
    """Raise a `SplitError` unless every class has enough rows for `folds` folds.

    Args:
        examples: The data. folds: Number of folds. rows: Row numbers that are split; None: all.
    """
    counts = class_row_counts(examples, np.arange(len(examples)) if rows is None else rows)
    code = int(np.argmin(counts))
    most = largest_folds(int(counts[code]))
    if has_enough_rows(int(counts[code]), folds):
        return
    have = int(counts[code])
    way = f"Use {most} folds, the largest number that works, or " if most else "No number of folds works: "
    raise SplitError(
        f"{examples.class_name(code)} has {have} row{'s' * (have != 1)}, too few for {folds} folds. For each "
        f"fold, this class needs 1 test row and {LEAST_TRAIN} training rows. {way}{advice_on_few_rows(examples)}."
    )


def without_rare_labels(examples: Examples, folds: int = 0) -> Examples:
    """Return rows with several labels without the labels that have too few rows to be split.

    Each label that is left out is named in a warning of the examples. Called before rows are divided, because each side
    of a split needs both values of a label.

    Args:
        examples: The rows; of any other kind they stay as they are.
        folds: Folds that each label needs rows for; 0: training and held-out rows.

    Raises:
        SplitError: fewer than two labels are left.
    """
    if examples.kind != "labels":
        return examples
    # Of each label the rarer of its two values, absent and present.
    counts = class_row_counts(examples, np.arange(len(examples))).reshape(-1, 2).min(axis=1).tolist()
    kept = np.array([has_enough_rows(n, folds) if folds else n > LEAST_TRAIN for n in counts])
    sizes = [f"{n} row{'s' * (n != 1)}" for n in counts]
    whole = examples.groups if examples.split is None else None  # each part of a split then needs a group
    if whole is not None:
        groups = _groups_with_label(whole, examples.y)
        kept &= np.array(groups) >= (folds or 2)
        sizes = [f"{size} of {n} group{'s' * (n != 1)}" for size, n in zip(sizes, groups, strict=True)]
    if kept.all():
        return examples
    wanted = f"{folds} folds" if folds else f"training and held-out rows (at least {LEAST_TRAIN + 1} rows)"
    wanted += " of whole groups" * (whole is not None)
    notes = tuple(
        f"The label {examples.classes[i]!r} was left out. Its rarer value (1 or 0) occurs in {sizes[i]}, which is too "
        f"few for {wanted}. Add rows, or remove the label from the target."
        for i in np.flatnonzero(~kept)
    )
    if kept.sum() < 2:
        raise SplitError(f"Fewer than two labels have enough rows. {' '.join(notes)}")
    classes = tuple(label for label, keep in zip(examples.classes, kept, strict=True) if keep)
    of_given = np.ones(len(kept), bool) if examples.kept_labels is None else examples.kept_labels.copy()
    of_given[of_given] = kept
    y, warnings = examples.y[:, kept], (*examples.warnings, *notes)
    return replace(examples, y=y, classes=classes, warnings=warnings, kept_labels=of_given)


def _groups_with_label(groups: Array, y: Array) -> list[int]:
    """Return for each label of y (N, L) the number of groups (N,) that contain its rarer value, absent or present."""
    codes = np.unique(groups, return_inverse=True)[1]
    return [min(int(np.count_nonzero(np.bincount(codes[column == code]))) for code in (0, 1)) for column in y.T]


def advice_on_few_rows(examples: Examples) -> str:
    """Return what to do about a class that has too few rows, as the end of a sentence."""
    if examples.kind == "labels":
        return "remove the label from the target"
    if examples.kind == "elements":
        return "give more rows that contain the class, or ignore its elements: cp.elements(masks, ignore=...)"
    return "merge rare classes with --merge-rare (merge_rare=)"


def class_row_counts(examples: Examples, rows: Array) -> Array:
    """Return how many rows of each class weigh more than 0, int64 (C,), for the checks of each side of a split.

    Of several labels the result is (2 L,), see `label_counts`. Of a class per element they are the rows that contain
    it, (C,).
    """
    weights = examples.weights_of(rows)
    rows = rows if weights is None else rows[weights > 0]
    strata = examples.strata[rows]
    if strata.ndim == 1:
        return np.bincount(strata, minlength=examples.n_classes)
    both = label_counts(strata)  # of each class or label the rows without it and the rows with it, in turn
    return both[1::2] if examples.kind == "elements" else both


def usable_rows(examples: Examples, duplicates: str) -> tuple[Array, Array | None]:
    """Return the rows that are used and the group of each, by what `duplicates` asks for.

    "warn" keeps all rows, "group" puts rows with equal features into one group, "drop" keeps the first of them, and
    "error" refuses them.

    Returns:
        int64 row numbers, and a group number for each of them; None without groups.

    Raises:
        SplitError: There are duplicates, with "error". OptionError: Unknown word, or "group" along with `groups=`.
    """
    if duplicates not in DUPLICATES:
        raise OptionError(f"duplicates= is {duplicates!r}. Expected one of {', '.join(DUPLICATES)}.")
    rows = np.arange(len(examples))
    if duplicates == "warn" or examples.duplicate_ids is None:
        return rows, examples.groups
    first = np.unique(examples.duplicate_ids, return_index=True)[1]
    repeated = len(examples) - len(first)
    if duplicates == "error" and repeated:
        raise SplitError(
            f"{repeated:,} rows repeat the features of another row. Expected no such rows, because "
            "duplicates= is 'error'. Remove these rows, or use duplicates='group' or duplicates='drop'."
        )
    if duplicates == "drop":
        kept = np.sort(first)
        return kept, None if examples.groups is None else examples.groups[kept]
    if duplicates == "group" and not (
        examples.groups is None or np.array_equal(examples.groups, examples.duplicate_ids)
    ):
        name = "groups=" if examples.units is None else "unit="
        raise OptionError(f"{name} and duplicates='group' cannot be combined. Remove one of them.")
    return rows, examples.duplicate_ids


def _shuffled_folds(
    examples: Examples, rows: Array, groups: Array | None, folds: int, repeat: int, seed: int
) -> Iterator[Fold]:
    """Yield the folds of one repeat for rows without time: stratified, groups kept together.

    `rows` and `groups` are what `usable_rows` returned.

    Raises:
        SplitError: A class has too few groups, or no rows in a part of a fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    y = examples.strata[rows]
    state = seeds.integer(seed, "folds", repeat)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # class sizes are checked by us, with a better message
        if y.ndim > 1:
            splits = _label_folds(y, groups, folds, state)
        elif groups is None:
            splits = list(StratifiedKFold(folds, shuffle=True, random_state=state).split(y, y))
        else:
            _check_groups(examples, y, groups, folds)
            splits = list(StratifiedGroupKFold(folds, shuffle=True, random_state=state).split(y, y, groups))
    for index, (outer, test) in enumerate(splits):
        inner = seeds.integer(seed, "stop", repeat, index)
        train, stop = stratified_part(y, groups, outer, STOP_SHARE, inner)
        fold = Fold(repeat, index, rows[train], rows[stop], rows[test])
        _check_fold(examples, fold)
        yield fold


def _label_folds(y: Array, groups: Array | None, folds: int, state: int) -> list[tuple[Array, Array]]:
    """Return (training rows, test rows) of each fold of rows with several labels.

    `y` is int (n, L), or of elements which classes a row contains, (n, C). `state` is the seed.
    """
    part_of = split_by_labels(y, groups, [1.0] * folds, state)
    return [(np.flatnonzero(part_of != fold), np.flatnonzero(part_of == fold)) for fold in range(folds)]


def stratified_part(y: Array, groups: Array | None, rows: Array, share: float, state: int) -> tuple[Array, Array]:
    """Return (rest, held-out rows) of `rows`, with about `share` of each class held out.

    Args:
        y: `Examples.strata`, (N,) or (N, L). groups: (N,) or None; whole groups are held out. rows: Row numbers.
        share: Between 0 and 1. state: Seed of the draw.

    Without groups, a class keeps `LEAST_TRAIN` rows in the rest, even if none is then held out.

    Raises:
        SplitError: All rows are in one group.
    """
    if y.ndim > 1:
        part_of = split_by_labels(y[rows], None if groups is None else groups[rows], (1 - share, share), state)
        return rows[part_of == 0], rows[part_of == 1]
    if groups is not None:
        return _grouped_part(y, groups, rows, share, state)
    rng = np.random.default_rng(state)
    chosen = np.zeros(len(rows), bool)
    for code in np.unique(y[rows]):
        where = np.flatnonzero(y[rows] == code)
        wanted = max(1, round(share * len(where)))
        size = max(0, min(wanted, len(where) - LEAST_TRAIN))
        chosen[rng.permutation(where)[:size]] = True
    return rows[~chosen], rows[chosen]


def _grouped_part(y: Array, groups: Array, rows: Array, share: float, state: int) -> tuple[Array, Array]:
    """Return (rest, held-out rows) of `rows`, in whole groups, with about `share` held out.

    The groups are dealt into equal pieces, stratified by class, and the first few of them are held out.

    Raises:
        SplitError: All rows are in one group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    most = min(MOST_PIECES, len(np.unique(groups[rows])))
    if most < 2:
        raise SplitError(
            "All training rows belong to one group. Expected two groups or more, because one group is held "
            "out for early stopping. Pass smaller groups, or remove groups=."
        )
    pieces, taken = _piece_counts(share, most)
    splitter = StratifiedGroupKFold(pieces, shuffle=True, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        pieces_of = [piece for _, piece in splitter.split(rows, y[rows], groups[rows])]
    chosen = np.zeros(len(rows), bool)
    chosen[np.concatenate(pieces_of[:taken])] = True
    return rows[~chosen], rows[chosen]


def _piece_counts(share: float, most: int) -> tuple[int, int]:
    """Return (k, j) so that j of k equal pieces are nearest to the share.

    The pieces are as few as that takes, and at most `most`.

    Example:
        >>> _piece_counts(0.2, 20), _piece_counts(0.9, 20), _piece_counts(0.2, 3)
        ((5, 1), (10, 9), (3, 1))
    """
    ways = ((k, j) for k in range(2, most + 1) for j in range(1, k))
    return min(ways, key=lambda way: (abs(way[1] / way[0] - share), way))


def _check_groups(examples: Examples, y: Array, groups: Array, folds: int) -> None:
    """Raise a `SplitError` unless each class occurs in at least `folds` groups."""
    for code, label in enumerate(examples.classes):
        have = len(np.unique(groups[y == code]))
        if have < folds:
            raise SplitError(
                f"Class {label!r} occurs in {have} group{'s' * (have != 1)}, too few for {folds} folds of "
                f"whole groups. Use at most {have} folds, or merge rare classes with --merge-rare "
                "(merge_rare=)."
            )


def _check_fold(examples: Examples, fold: Fold) -> None:
    """Raise a SplitError unless every class has a test row and `LEAST_TRAIN` training rows."""
    for part, rows, least in (("test", fold.test, 1), ("training", fold.train, LEAST_TRAIN)):
        have = class_row_counts(examples, rows)
        if have.min() < least:
            name = examples.class_name(int(np.argmin(have)))
            raise SplitError(
                f"{name} has {int(have.min())} {part} rows in fold {fold.index + 1}. Expected at "
                f"least {least}. Use fewer folds, or {advice_on_few_rows(examples)}."
            )


def _check_held(examples: Examples, train: Array, held: Array) -> None:
    """Raise a SplitError unless every class has a held-out row and `LEAST_TRAIN` training rows."""
    for part, rows, least in (("held-out", held, 1), ("training", train, LEAST_TRAIN)):
        have = class_row_counts(examples, rows)
        code = int(np.argmin(have))
        if have[code] < least:
            how = "" if examples.groups is None else " of whole groups"
            how = " in time order" if examples.time is not None else how
            total = int(class_row_counts(examples, np.arange(len(examples)))[code])
            size = f"{total} row{'s' * (total != 1)}"
            enough = total > LEAST_TRAIN
            way = (
                "Change the held-out share, or" if enough else f"At least {LEAST_TRAIN + 1} rows are needed. Therefore,"
            )
            raise SplitError(
                f"{examples.class_name(code)} has {size}, of which {int(have[code])} are among the {part} "
                f"rows{how}. Expected {least} or more there. {way} {advice_on_few_rows(examples)}."
            )


def _folds_in_time(examples: Examples, rows: Array, folds: int, label_delay: float) -> Iterator[Fold]:
    """Yield folds in time order: fold k tests block k + 1 of `folds + 1` equal blocks.

    A fold trains on rows whose labels are known when its test block starts, and its latest ones end the training.

    Raises:
        SplitError: Too few distinct times, or a class that has too few rows in a part of a fold.
    """
    assert examples.time is not None
    order = rows[np.argsort(examples.time[rows], kind="stable")]
    steps = examples.time[order]
    # Where each test block starts; a cut moves back to the start of its time step. The last cut is the end.
    cuts = [_step_start(steps, len(order) * k // (folds + 1)) for k in range(1, folds + 1)] + [len(order)]
    if len(set(cuts)) < len(cuts) or cuts[0] == 0:
        raise SplitError(
            f"time= has {len(np.unique(steps))} distinct values. They are too few, or too unevenly spread, "
            f"for {folds} folds in time order. Use fewer folds."
        )
    for index, (start, end) in enumerate(pairwise(cuts)):
        known = known_rows(examples, order[:start], steps[start], label_delay, f"fold {index + 1}")
        train, stop = latest_part(examples, known, STOP_SHARE)
        fold = Fold(0, index, train, stop, order[start:end])
        _check_fold(examples, fold)
        yield fold


def known_rows(examples: Examples, rows: Array, start: float, label_delay: float, where: str) -> Array:
    """Return the rows whose labels are known when a test period starts: `label_delay` or more before `start`.

    `start` and `label_delay` are in the unit of `Examples.time`. `where` names the fold in the message.

    Raises:
        SplitError: There are none.

    Example:
        >>> rows = Examples(np.zeros((4, 1)), np.zeros(4, np.int32), ("a",), time=np.array([1.0, 5.0, 8.0, 9.0]))
        >>> known_rows(rows, np.arange(3), 9.0, 2.0, "fold 1").tolist()
        [0, 1]
    """
    assert examples.time is not None
    known = rows if not label_delay else rows[examples.time[rows] <= start - label_delay]
    if not len(known):
        raise SplitError(
            f"label_delay is {label_delay:g}, but no row of {where} is old enough for its label to be known. "
            "Use a smaller delay, or fewer folds."
        )
    return known


def _step_start(steps: Array, position: int) -> int:
    """Return the first position of the time step at `position` of sorted times, so that a cut divides no step.

    `steps` are the times, sorted, (n,).
    """
    return int(np.searchsorted(steps, steps[position], side="left"))


def refuse_groups_in_time(examples: Examples) -> None:
    """Raise an `OptionError` if rows that are divided in time order have groups, because a cut would divide a group."""
    if examples.groups is not None:
        raise OptionError("groups= and time= cannot be combined. Remove one of them.")


def latest_part(examples: Examples, rows: Array, share: float) -> tuple[Array, Array]:
    """Return (earlier rows, latest rows) of `rows`, with about `share` among the latest.

    Rows of one time stay together, so that more than `share` may be held out, or less if the first time has most rows.

    Raises:
        SplitError: All rows have one time.
        OptionError: The rows have groups, which would be on both sides.
    """
    assert examples.time is not None
    refuse_groups_in_time(examples)
    order = rows[np.argsort(examples.time[rows], kind="stable")]
    steps = examples.time[order]
    cut = _step_start(steps, int(len(order) * (1 - share))) or int(np.searchsorted(steps, steps[0], side="right"))
    if cut == len(order):
        raise SplitError(
            "All training rows have the same time. Expected two times or more, because the latest rows are "
            "held out for early stopping. Pass more precise times, or remove time=."
        )
    return order[:cut], order[cut:]

"""Scores of a classifier for each value of a column (a sex, a site, an age), after rare values are merged.

Used by `evaluate` and by the audit of a comparison. The report and the summary read the keys.
Groups that get a threshold of their own are in `group_thresholds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.errors import OptionError
from counterpoise.core.target import Problem
from counterpoise.data.levels import level_text
from counterpoise.metrics.group_scores import group_scores

Array = np.ndarray
#: Values with fewer rows are merged into `OTHER`. With fewer positive rows, a note calls the recall uncertain.
FEW_ROWS, FEW_POSITIVES = 20, 10
#: The most values that are scored. Numbers with more distinct values than `MANY_NUMBERS` are cut into ranges.
MOST_VALUES, MANY_NUMBERS = 20, 12
OTHER, MISSING = "(other)", "(missing)"


def scores_by_group(
    columns: Mapping[str, Any], problems: Sequence[Problem], proba: Array, decision: Array, *,
    groups: Array | None = None, sample_weight: Array | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the scores of each value of each column, for the positive of two classes or each of more.

    Args:
        columns: Name -> values (N,).
        problems: See `core.target`.
        proba, decision: What the classifier puts out, (N, C) and (N,), or (N, L) both.
        groups, sample_weight: (N,), see `evaluate`.

    Returns:
        For each column and scored class a dict with `column`, `class`, `reference` (the value that the others are
        compared with), `notes`, and `values` (see `metrics.group_scores.group_scores`).

    Raises:
        OptionError: A column of another length, or of one value only.
    """
    tables = []
    for name, values in columns.items():
        codes, names, notes = grouped(name, pl.Series(values), len(proba))
        for p in problems:
            # Of the rows of this problem: codes of the values (n,), probabilities (n, C), decisions (n,).
            here, p_own, mine = codes[p.rows], p.proba(proba), p.decision(decision)
            seen, own = np.unique(here, return_inverse=True)
            # With two classes, only the positive one is scored.
            for c in [1] if len(p.classes) == 2 else range(len(p.classes)):
                table = group_scores(
                    p.y == c, p_own[:, c], mine == c, own, groups=p.of_rows(groups),
                    sample_weight=p.of_rows(sample_weight),
                )  # fmt: skip
                for value, code in zip(table["values"], seen, strict=True):
                    value["value"] = names[code]
                tables.append({
                    "column": name, "class": str(p.name or p.classes[c]), "reference": names[seen[table["reference"]]],
                    "notes": [*notes, *_few_positives_note(table["values"]), *_one_unit_note(table["values"])],
                    "values": table["values"],
                })  # fmt: skip
    return tables


def _few_positives_note(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a list with a note on values that have too few positive rows for their recall, or an empty list."""
    few = [f"{v['value']} ({v['positives']})" for v in values if v["positives"] < FEW_POSITIVES]
    return [f"Fewer than {FEW_POSITIVES} positive rows, so recall is very uncertain: {', '.join(few)}."] if few else []


def _one_unit_note(values: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a list with a note on values whose rows are all of one group (a patient), or an empty list.

    Their scores have no interval, because nothing shows how much groups differ.
    """
    one = [str(v["value"]) for v in values if np.isnan(v["scores"]["prevalence"]["low"])]
    return [f"Values with rows of only one group have no interval and no test: {', '.join(one)}."] if one else []


def grouped(name: str, values: pl.Series, rows: int) -> tuple[Array, list[str], list[str]]:
    """Sort rows by the value of a column: the code of each row, int (rows,), the names of the codes, and notes.

    Numbers of many values become four ranges with about equally many rows. Values of few rows are merged into one.
    The notes tell which values were merged.

    Raises:
        OptionError: Another number of values than rows, or one value only.

    Example:
        >>> codes, names, notes = grouped("site", pl.Series(["a"] * 30 + ["b"] * 25 + ["c"] * 14 + ["d"] * 13), 82)
        >>> names, notes
        (['a', 'b', '(other)'], ["Values with fewer than 20 rows were merged into '(other)': c, d."])
    """
    if len(values) != rows:
        raise OptionError(f"by={name!r} has {len(values):,} values for {rows:,} rows. Pass one value for each row.")
    many = values.dtype.is_numeric() and values.drop_nulls().n_unique() > MANY_NUMBERS
    texts = range_names(values) if many else level_text(values).fill_null(MISSING)
    kept, small = _scored_and_merged(texts)
    if many:  # a range begins with its lowest number
        kept.sort(key=lambda name: np.inf if name == MISSING else float(name.split()[0]))
    notes = []
    if len(small) > 1:
        shown = ", ".join(small[:8]) + (f" and {len(small) - 8} more" if len(small) > 8 else "")
        limit = f"with fewer than {FEW_ROWS} rows" if len(kept) < MOST_VALUES else f"beyond the {MOST_VALUES} largest"
        notes.append(f"Values {limit} were merged into {OTHER!r}: {shown}.")
        kept.append(OTHER)
    elif small:
        kept += small
    if len(kept) < 2:
        raise OptionError(
            f"Column {name!r} has the value {kept[0]!r} in all rows, so there are no groups to compare. Name another "
            "column."
        )
    codes = {value: code for code, value in enumerate(kept)}
    # Values without a code of their own were merged: they have the last code.
    numbers = np.array([codes.get(value, len(kept) - 1) for value in texts.to_list()])
    last = int((numbers == len(kept) - 1).sum())
    if small and last < FEW_ROWS:
        notes.append(f"{kept[-1]} has {last} rows, so its scores are uncertain. Collect more rows of this group.")
    return numbers, kept, notes


def _scored_and_merged(texts: pl.Series) -> tuple[list[str], list[str]]:
    """Return the distinct values that are scored by themselves, and those to merge.

    The first list has at most `MOST_VALUES` values with at least `FEW_ROWS` rows, the most frequent first.
    """
    counts = texts.value_counts(sort=True).sort(["count", texts.name], descending=[True, False])
    names = counts[texts.name].to_list()
    enough = int((counts["count"] >= FEW_ROWS).sum())
    first = names[: min(enough, MOST_VALUES)]
    return first, names[len(first) :]


def range_names(values: pl.Series) -> pl.Series:
    """Return the name of the range of each number ("1 to 2"), of four ranges with about equally many rows.

    There are fewer ranges if quantiles are equal. Names have six digits, or more if two ranges would begin
    with the same number. Missing numbers (null or NaN) become "(missing)".

    Example:
        >>> range_names(pl.Series([1, 2, 3, 4, 5, 6, 7, None])).to_list()
        ['1 to 2', '1 to 2', '3 to 4', '3 to 4', '5 to 5', '6 to 7', '6 to 7', '(missing)']
    """
    numbers = values.cast(pl.Float64).fill_nan(None)
    known = numbers.drop_nulls().to_numpy()
    inner = np.unique(np.quantile(known, [0.25, 0.5, 0.75]))
    # Missing numbers count as 0.0 only in this search; the last line replaces their range.
    where = np.searchsorted(inner, numbers.fill_null(0.0).to_numpy(), side="left")
    of_known = np.searchsorted(inner, known, side="left")
    ends = {int(k): known[of_known == k] for k in np.unique(of_known)}
    # As few digits as show that each range begins with another number.
    starts = [mine.min() for mine in ends.values()]
    digits = next((d for d in (6, 9, 12) if len({f"{start:.{d}g}" for start in starts}) == len(starts)), 17)
    names = {k: f"{mine.min():.{digits}g} to {mine.max():.{digits}g}" for k, mine in ends.items()}
    return pl.Series(
        values.name,
        [MISSING if absent else names[int(k)] for k, absent in zip(where, numbers.is_null(), strict=True)],
        dtype=pl.String,
    )

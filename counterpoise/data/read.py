"""Files, frames and arrays -> `Examples`. Every fault of the data is reported here, before training.

The one entrance for labeled rows: training, validation, diagnosis and the command line call `read`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.target import TargetColumns
from counterpoise.data.frames import check_row_order, is_table
from counterpoise.data.inputs import as_inputs
from counterpoise.data.loading import check_no_generator, dataset_kind, load_without_y
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.read_arrays import read_arrays
from counterpoise.data.read_options import ReadOptions, named_columns
from counterpoise.data.read_table import read_table
from counterpoise.data.unit_columns import check_aggregate


def read(
    source: Any,
    target: str | TargetColumns | None = None,
    y: Any = None,
    *,
    pick: Callable[[Any], Any] | None = None,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] | None = None,
    drop: Sequence[str] = (),
    groups: Any = None,
    time: Any = None,
    kinds: Mapping[str, str] | None = None,
    sample_weight: Any = None,
    split: Any = None,
    cost_column: Any = None,
    unit: Any = None,
    aggregate: str | None = None,
    by: Any = None,
    skip_bad: bool = False,
    table: bool = True,
    text: bool = False,
    inputs: NamedInputs | None = None,
    row_shape: Sequence[int | None] | None = None,
) -> Examples:
    """Return labeled rows as `Examples`.

    A table (file, frame, arrow table, dict of arrays of rank 1, array of rank 2) goes through its columns:
    see `counterpoise.data.kinds` for how their kinds are inferred. Other arrays pass unchanged.

    Args:
        source: Path to CSV or Parquet; pandas or polars frame; pyarrow table; dict of columns; array (N, ...);
            dict, tuple, or list of arrays of rank 2 and more (several inputs); a dataset (see `data.loading`), of which
            one pass is read.
        target: Name of the label column of a table; or a reader of several (see `core.target.TargetColumns`).
        y: Labels (N,) instead of `target`, in any form (see `core.labels`); one-hot rows (N, C) too.
        pick: Function of `y` that makes `Labels` of what is not one class per row, and returns anything else as it is.
        positive: The class of interest of two; it gets code 1. Default: the rarer one.
        one_vs_rest: Compare this class with all others, merged into 'not L'.
        merge_rare: Classes to merge into one named 'L1+L2'.
        drop: Columns to leave out.
        groups: Column name or (N,) values: rows of one group stay on one side of a split.
        time: Column name or (N,) numbers or dates.
        kinds: Column name -> "numeric", "categorical", "boolean" or "identifier", to overrule the inferred kind.
        sample_weight: Column name or (N,) weights; a row of weight w counts as w examples.
        split: Column name or (N,) words for what each row is used for: train, validation (valid, val, dev) or test.
            Kinds and levels of columns are then those of the training rows.
        cost_column: Column name or (N,) amounts: what a missed case of each row costs. The column stays a feature,
            unless `drop` names it.
        unit: What is decided, if not each row: names of columns, or (N,) values. Rows of one unit are of one group.
        aggregate: "mean" (default) or "max" of the probabilities of a unit's rows.
        by: Names of columns whose values are scored separately, which stay features unless `drop` names them; or
            `{name: values (N,)}`.
        skip_bad: Leave out lines that cannot be read, rows without a label and rows with infinite numbers, with a
            warning, instead of raising.
        table: False lets an array of rank 2 pass unchanged.
        text: True takes one column of a table, that of the longest texts, as an array of texts (N,).
        inputs: Named inputs of a model: a table, or a dict of arrays, becomes a dict of arrays by these names.
        row_shape: Shape of a row of the model's first input, if it is known, for datasets (see `data.loading`).

    Returns:
        The rows as `Examples`, with a sentence in `warnings` for each thing noticed.

    Raises:
        DataError: The source cannot be used; `ColumnError` and `TargetError` name the column or class.
        OptionError: Arguments contradict each other.

    Example:
        >>> rows = read({"age": [30, 40, 50], "sex": ["f", "m", "f"]}, y=["well", "ill", "well"])
        >>> rows.classes, rows.y.tolist(), rows.x["categorical"].ravel().tolist()
        (('well', 'ill'), [0, 1, 0], [1, 2, 1])
    """
    check_no_generator(source)
    kind = dataset_kind(source)
    if kind:
        given = y if target is None else target
        source, y, sample_weight = load_without_y(source, given, sample_weight, row_shape)
        target = None
    if isinstance(y, str) and target is None:
        target, y = y, None
    named = named_columns(by)
    check_row_order(
        source,
        {
            "y": y, "groups": groups, "time": time, "sample_weight": sample_weight, "split": split,
            "cost_column": cost_column, "unit": unit, **named,
        },
    )  # fmt: skip
    y = y if pick is None or y is None else pick(y)
    if hasattr(y, "__len__") and not isinstance(y, (str, Mapping)):
        source = as_inputs(source, rows=len(y))
    if target is None and y is None:
        raise OptionError(
            "No labels were passed. If a column contains the labels, pass its name as y='COLUMN' (--target COLUMN). "
            "Otherwise, pass the labels as y=LABELS."
        )
    if target is not None and y is not None:
        raise OptionError("The labels were passed twice. Pass either target='COLUMN' or y=LABELS.")
    options = ReadOptions(
        labels={
            "positive": positive, "one_vs_rest": one_vs_rest,
            "merge_rare": merge_rare if isinstance(merge_rare, str) else tuple(merge_rare or ()),
        },
        metadata={
            "groups": groups, "time": time, "sample_weight": sample_weight, "split": split,
            "cost_column": cost_column, "by": named, "unit": unit,
        },
        aggregate=check_aggregate(unit, aggregate),
        drop=(drop,) if isinstance(drop, str) else tuple(drop),
        kinds=dict(kinds or {}), skip_bad=skip_bad, text=text, inputs=inputs,
    )  # fmt: skip
    if is_table(source, table):
        examples = read_table(source, target, y, options)
    elif target is not None:
        wanted = target if isinstance(target, str) else list(target.columns)
        raise OptionError(
            f"target={wanted!r} names a column, but the data are arrays without columns. Pass the labels as y=LABELS."
        )
    else:
        examples = read_arrays(source, y, options)
    return replace(examples, source=f"{len(examples):,} rows of a {kind}, read into memory") if kind else examples

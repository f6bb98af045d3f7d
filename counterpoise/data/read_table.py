"""Tables (files, frames, dicts of columns) -> Examples.

The part of `read` for rows with columns. Fixed: with a split, kinds, levels and formats of columns are learned from the
training rows alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import ColumnError, DataError, TargetError, did_you_mean
from counterpoise.core.examples import TRAIN, Examples
from counterpoise.core.label_columns import labels as label_columns
from counterpoise.core.labels import Labels
from counterpoise.core.schema import Schema
from counterpoise.core.target import TargetColumns
from counterpoise.data.frames import to_frame
from counterpoise.data.kinds import InferredColumn, infer_column
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.precision import lost_digit_notes
from counterpoise.data.read_options import ReadOptions, complete_examples
from counterpoise.data.reading_notes import column_notes, leak_notes
from counterpoise.data.row_metadata import RowMetadata, metadata_of, roles, skip_rows, weights
from counterpoise.data.schema import encode_frame
from counterpoise.data.texts import text_column, texts_of
from counterpoise.data.unit_columns import columns_of_names, unit_names

_OVERRIDES = ("numeric", "categorical", "boolean", "identifier")
#: Names that targets usually have.
_TARGET_NAMES = ("target", "class", "label", "y", "outcome", "diagnosis", "fraud", "churn")


def read_table(source: Any, target: str | TargetColumns | None, y: Any, options: ReadOptions) -> Examples:
    """Return labeled rows of a table as `Examples` (see `read`).

    `target` names the label columns. If it is None, `y` contains the labels. `y` is ignored otherwise.

    Raises:
        TargetError: The target is not a column. ColumnError: Another column is absent, or no column is a feature.
        DataError: No row is left.
    """
    targets = (target,) if isinstance(target, str) else () if target is None else target.columns
    as_text = targets + (options.inputs.text if options.inputs else ())
    as_text += columns_of_names(options.metadata["groups"], options.metadata["unit"])
    frame, name, notes = to_frame(source, as_text, options.skip_bad, unused=options.is_unused, lists=targets)
    absent = [column for column in targets if column not in frame.columns]
    if absent:
        raise TargetError(f"Target {absent[0]!r} is not a column of {name}.{_probable_target_hint(absent[0], frame)}")
    units = unit_names(options.metadata["unit"], frame.columns)
    given = {**options.metadata, "unit": units or options.metadata["unit"]}
    _check_columns_exist(frame, [*options.drop, *options.kinds, *options.metadata_columns, *units], name)
    for kind in options.kinds.values():
        check_choice(kind, "kinds", _OVERRIDES)
    if isinstance(target, str) and isinstance(frame[target].dtype, pl.List):
        target = label_columns(target)
    if target is not None:
        y = frame[target] if isinstance(target, str) else target.read(frame.select(targets))
    metadata = metadata_of(frame, y, given)
    features = frame.drop([*targets, *options.drop, *options.without_features, *units], strict=False)
    if options.skip_bad:
        features, metadata, skipped = skip_rows(features, metadata)
        notes += skipped
        if not features.height:
            raise DataError(f"No row of {name} is left. {' '.join(skipped)} Check the target column and the numbers.")
    labels = options.encoded(metadata, written=isinstance(source, (str, Path)))
    if options.text:
        examples, more = _examples_of_text(features, labels, name)
    elif options.inputs is not None:
        examples, more = _examples_of_inputs(features, labels, options.inputs, name)
    else:
        title = ", ".join(targets) or "target"
        examples, more = _examples_of_columns(features, labels, metadata, options, name, title)
    return complete_examples(examples, metadata, [*notes, *more], options)


def _examples_of_text(features: pl.DataFrame, labels: Labels, name: str) -> tuple[Examples, list[str]]:
    """Return examples of one text column (see `text_column`), with sentences for the user."""
    column, notes = text_column(features, name)
    x = texts_of(features, column)
    return Examples(
        x, labels.codes, labels.classes, source=name, text_column=column, kind=labels.kind, label_options=labels.options
    ), notes


def _examples_of_inputs(
    features: pl.DataFrame, labels: Labels, inputs: NamedInputs, name: str
) -> tuple[Examples, list[str]]:
    """Return examples whose columns are read as the named inputs of a model, with sentences for the user.

    `name` is the table, for messages. Such examples have no schema.
    """
    x, notes = inputs.of_frame(features, name)
    lost = lost_digit_notes((repr(c), features[c]) for c in x if features[c].dtype.is_numeric())
    return Examples(x, labels.codes, labels.classes, source=name, kind=labels.kind, label_options=labels.options), [
        *notes,
        *lost,
    ]


def _examples_of_columns(
    features: pl.DataFrame, labels: Labels, metadata: RowMetadata, options: ReadOptions, name: str, title: str
) -> tuple[Examples, list[str]]:  # fmt: skip
    """Return examples with a schema, with sentences for the user.

    The kinds of the columns are inferred from the training rows of a split, or from all rows without a split, in both
    cases without rows of weight 0. `name` is the table and `title` the target, both for messages.

    Raises:
        DataError: The split has no training row. TargetError: The labels are one class per step. ColumnError: No column
            can be used as a feature.
    """
    counted = np.ones(features.height, bool) if metadata.weight is None else weights(metadata.weight) > 0
    counted &= metadata.split is None or roles(metadata.split) == TRAIN
    learn = features if counted.all() else features.filter(counted)
    if not learn.height:
        weighed = "" if metadata.weight is None else " with a weight above 0"
        raise DataError(
            f"The column that split= names marks no row of {name}{weighed} as a training row. Write train in this "
            "column for the training rows."
        )
    if labels.kind == "elements":
        values = ", ".join(map(str, labels.classes[:4]))
        raise TargetError(
            f"Target {title!r} has shape {labels.codes.shape} and the values {values}, so it contains one "
            "class for each step. A table needs one class per row, or several labels per row (0, 1, or missing)."
        )
    columns = [infer_column(learn[c], options.kinds.get(c)) for c in learn.columns]
    schema = Schema(tuple(inferred.column for inferred in columns), title)
    used = pl.DataFrame([inferred.series for inferred in columns if inferred.column.used])
    # The inferred series are those of all rows, or of the training rows alone.
    x = encode_frame(schema, used if learn is features else features)
    if not x:
        raise ColumnError(f"No column of {name} can be used as a feature. {_left_out_reasons(columns)}".rstrip())
    examples = Examples(
        x, labels.codes, labels.classes, schema, source=name, kind=labels.kind, label_options=labels.options
    )
    return examples, [*column_notes(columns), *leak_notes(x, labels, schema)]


def _left_out_reasons(columns: Sequence[InferredColumn]) -> str:
    """Return why the first three columns are left out, and how to keep one; "" if there are no reasons.

    It is the end of the message that no column can be used.
    """
    reasons = " ".join(note for inferred in columns[:3] for note in inferred.notes)
    if any(inferred.column.kind == "identifier" for inferred in columns):
        reasons += " To keep such a column, pass a frame in which it has a categorical type."
    return reasons


def _probable_target_hint(wanted: str, frame: pl.DataFrame) -> str:
    """Return a hint for an absent target, for the end of a message.

    It is the column with a similar name, else one with a usual name of a target, else the last column with 2 to 20
    distinct values.
    """
    hint = did_you_mean(wanted, frame.columns)
    if "Did you mean" in hint:
        return hint
    usual = [c for c in frame.columns if c.lower() in _TARGET_NAMES]
    few = [c for c in frame.columns if 2 <= frame[c].n_unique() <= 20]
    if not (usual or few):
        return hint
    probable = (usual or few[-1:])[0]
    return f" Did you mean {probable!r} ({frame[probable].n_unique()} distinct values)?{hint}"


def _check_columns_exist(frame: pl.DataFrame, names: Sequence[str], name: str) -> None:
    """Raise a `ColumnError` if one of `names` is not a column; `name` is that of the table, for the message.

    They are the columns that the options name.
    """
    for column in names:
        if column not in frame.columns:
            raise ColumnError(f"{column!r} is not a column of {name}.{did_you_mean(column, frame.columns)}")

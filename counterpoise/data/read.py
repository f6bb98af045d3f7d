"""Files, frames and arrays -> Examples. Everything wrong with the data is said here, before training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_choice, check_no_class_lost
from counterpoise.core.duplicates import count_duplicates, find_duplicates
from counterpoise.core.errors import ColumnError, DataError, OptionError, TargetError, did_you_mean
from counterpoise.core.examples import TRAIN, Examples
from counterpoise.core.label_names import look_alikes
from counterpoise.core.labels import Labels
from counterpoise.core.leaks import LEAK_AUROC, leak_scores
from counterpoise.core.masked import unmasked
from counterpoise.core.schema import Schema
from counterpoise.core.sources import Source
from counterpoise.core.target import TargetColumns
from counterpoise.data.cycles import named_parts
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.inputs import check_no_gap, is_text
from counterpoise.data.kinds import Found, infer
from counterpoise.data.label_split import blank_labels
from counterpoise.data.labels import encode_labels
from counterpoise.data.loading import check_no_generator, dataset_kind, load_alone
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.precision import lost_digits
from counterpoise.data.row_metadata import Side, group_codes, metadata_of, roles, skip_rows, times, weights
from counterpoise.data.schema import build_parts, encode_rows
from counterpoise.data.texts import text_column, texts_of

#: Sentences about columns; those of thousands of columns nobody reads.
MOST_SAID = 50
_OVERRIDES = ("numeric", "categorical", "boolean", "identifier")


def read(
    source: Any,
    target: str | TargetColumns | None = None,
    y: Any = None,
    *,
    pick: Callable[[Any], Any] | None = None,
    positive: Any = None,
    one_vs_rest: Any = None,
    merge_rare: Sequence[Any] = (),
    drop: Sequence[str] = (),
    groups: Any = None,
    time: Any = None,
    kinds: Mapping[str, str] | None = None,
    sample_weight: Any = None,
    split: Any = None,
    skip_bad: bool = False,
    table: bool = True,
    text: bool = False,
    inputs: NamedInputs | None = None,
) -> Examples:
    """Read labeled rows.

    A table (file, frame, arrow table, dict of arrays of rank 1, array of rank 2) goes through its columns:
    see `counterpoise.data.kinds` for how their kinds are found. Other arrays pass untouched.

    Args:
        source: Path to CSV or Parquet; pandas or polars frame; pyarrow table; dict of columns; array (N, ...);
            dict or tuple of arrays of rank 2 and more (several inputs); a dataset (see `data.loading`), of which one
            pass is read.
        target: Name of the label column of a table; or a reader of several (see `core.target.TargetColumns`).
        y: Labels (N,) instead of `target`, in any form (see `core.labels`); one-hot rows (N, C) too.
        pick: Function of `y` that makes `Labels` of what is no one class per row, and gives all else back.
        positive: The class of interest of two; it gets code 1. Default: the rarer one.
        one_vs_rest: Hold this class against all others, merged into 'not L'.
        merge_rare: Classes to merge into one named 'L1+L2'.
        drop: Columns to leave out.
        groups: Column name or (N,) values: rows of one group stay on one side of a split.
        time: Column name or (N,) numbers or dates.
        kinds: Column name -> "numeric", "categorical", "boolean" or "identifier", to overrule what is found.
        sample_weight: Column name or (N,) weights; a row of weight w counts as w examples.
        split: Column name or (N,) words that say what each row does: train, validation (valid, val, dev) or test.
            Kinds and levels of columns are then those of the training rows.
        skip_bad: Leave out lines that cannot be read, rows without a label and rows with infinite numbers,
            and say so in the warnings, instead of raising.
        table: False lets an array of rank 2 pass untouched.
        text: True takes one column of a table, that of the longest texts, as an array of texts (N,).
        inputs: Named inputs of a model: a table, or a dict of arrays, becomes a dict of arrays by these names.

    Returns:
        The rows as `Examples`, with a sentence in `warnings` for each thing noticed.

    Raises:
        DataError: The source cannot be used; `ColumnError` and `TargetError` name the column or class.
        OptionError: Arguments that contradict each other.

    Example:
        >>> rows = read({"age": [30, 40, 50], "sex": ["f", "m", "f"]}, y=["well", "ill", "well"])
        >>> rows.classes, rows.y.tolist(), rows.x["categorical"].ravel().tolist()
        (('well', 'ill'), [0, 1, 0], [1, 2, 1])
    """
    check_no_generator(source)
    if dataset_kind(source):
        x, y, weight = load_alone(source, y if target is None else target, sample_weight)
        examples = read(
            x, y=y, pick=pick, positive=positive, one_vs_rest=one_vs_rest, merge_rare=merge_rare, drop=drop,
            groups=groups, time=time, kinds=kinds, sample_weight=weight, split=split, skip_bad=skip_bad, table=table,
            text=text, inputs=inputs,
        )  # fmt: skip
        return replace(examples, source=f"{len(examples):,} rows of a {dataset_kind(source)}, read into memory")
    if isinstance(y, str) and target is None:
        target, y = y, None
    y = y if pick is None or y is None else pick(y)
    if (target is None) == (y is None):
        raise OptionError("Name the labels once: target='COLUMN' (--target) for a table, or y=LABELS for arrays.")
    labels_of = {"positive": positive, "one_vs_rest": one_vs_rest, "merge_rare": tuple(merge_rare)}
    beside = {"groups": groups, "time": time, "sample_weight": sample_weight, "split": split}
    if is_table(source, table):
        return _read_table(
            source, target, y, labels_of, beside, _names(drop), dict(kinds or {}), skip_bad, text, inputs
        )
    if target is not None:
        wanted = target if isinstance(target, str) else list(target.columns)
        raise OptionError(f"target={wanted!r} names a column, but the data are arrays. Pass the labels as y.")
    notes: list[str] = []
    if inputs is not None and inputs.take(source):
        source, notes = inputs.rows(source)
    return _read_arrays(source, y, labels_of, beside, notes)


def _names(drop: Sequence[str]) -> tuple[str, ...]:
    return (drop,) if isinstance(drop, str) else tuple(drop)


def _read_table(
    source: Any,
    target: str | TargetColumns | None,
    y: Any,
    labels_of: dict[str, Any],
    beside: dict[str, Any],
    drop: tuple[str, ...],
    kinds: dict[str, str],
    skip_bad: bool,
    text: bool,
    inputs: NamedInputs | None,
) -> Examples:
    labels_column = (target,) if isinstance(target, str) else () if target is None else target.columns
    as_text = labels_column + (inputs.text if inputs else ())
    frame, name, notes = to_frame(source, as_text, skip_bad, unused=lambda column: column in drop)
    absent = [column for column in labels_column if column not in frame.columns]
    if absent:
        raise TargetError(f"Target {absent[0]!r} is no column of {name}.{_probable_target(absent[0], frame)}")
    asides = [v for v in beside.values() if isinstance(v, str)]
    _check_names(frame, [*drop, *kinds, *asides], name)
    for kind in kinds.values():
        check_choice(kind, "kinds", _OVERRIDES)
    if target is not None:
        y = frame[target] if isinstance(target, str) else target.read(frame.select(labels_column))
    side = metadata_of(frame, y, beside)
    features = frame.drop([*labels_column, *drop, *asides], strict=False)
    if skip_bad:
        features, side, left_out = skip_rows(features, side)
        notes += left_out
        if not features.height:
            raise DataError(f"No row of {name} is left: {' '.join(left_out)}")
    labels = _encoded(side, labels_of, written=isinstance(source, (str, Path)))
    if text:
        column, said = text_column(features, name)
        texts = Examples(
            texts_of(features, column), labels.codes, labels.classes, source=name, text_column=column, kind=labels.kind
        )
        return _finish(texts, side, [*notes, *said])
    if inputs is not None:
        named, said = inputs.of_frame(features, name)
        lost = lost_digits((repr(c), features[c]) for c in named if features[c].dtype.is_numeric())
        return _finish(
            Examples(named, labels.codes, labels.classes, source=name, kind=labels.kind), side, [*notes, *said, *lost]
        )
    learn = features if side.split is None else features.filter(roles(side.split) == TRAIN)
    if not learn.height:
        raise DataError(f"split names no training row of {name}; write train for the rows to learn from.")
    found = [infer(learn[c], kinds.get(c)) for c in learn.columns]
    schema = Schema(tuple(f.column for f in found), ", ".join(labels_column) or "target")
    x = build_parts(schema, pl.DataFrame([f.series for f in found if f.column.used]) if learn is features else features)
    if not x:
        raise ColumnError(f"No column of {name} is left to learn from. {_why(found)}".rstrip())
    warnings = [*notes, *_together(found), *_leak_warnings(x, labels, schema)]
    return _finish(Examples(x, labels.codes, labels.classes, schema, source=name, kind=labels.kind), side, warnings)


def _encoded(side: Side, labels_of: dict[str, Any], written: bool = False) -> Labels:
    if side.y.kind == "one_of":
        return encode_labels(side.y, **labels_of, written=written, name=side.target)
    given = [name for name, value in labels_of.items() if value]
    if given:
        raise OptionError(f"{given[0]} is for one class per row, but the target has several labels; leave it out.")
    return side.y


def _together(found: list[Found]) -> list[str]:
    """The warnings about columns; what is true of more than three columns is said once."""
    told: dict[str, list[str]] = {}
    for f in found:
        for warning in f.warnings:
            told.setdefault(warning.removeprefix(f"Column {f.column.name!r} "), []).append(f.column.name)
    sentences = []
    for rest, names in told.items():
        if len(names) > 3:
            shown = ", ".join(repr(n) for n in names[:3])
            sentences.append(f"Each of {len(names):,} columns ({shown}, ...) {rest}")
        else:
            sentences += [f"Column {name!r} {rest}" for name in names]
    if len(sentences) <= MOST_SAID:
        return sentences
    more = (
        f"{len(sentences) - MOST_SAID:,} more notes about columns are not shown. Of these the last is: {sentences[-1]}"
    )
    return [*sentences[:MOST_SAID], more]


def _why(found: list[Found]) -> str:
    said = " ".join(w for f in found[:3] for w in f.warnings)
    return f"{said} Use kinds={{'COLUMN': 'categorical'}} to keep one." if said else ""


#: Names that targets usually bear.
_TARGET_NAMES = ("target", "class", "label", "y", "outcome", "diagnosis", "fraud", "churn")


def _probable_target(wanted: str, frame: pl.DataFrame) -> str:
    """The nearest name; else the column that looks like a target: by its name, or the last with few values."""
    hint = did_you_mean(wanted, frame.columns)
    if "Did you mean" in hint:
        return hint
    usual = [c for c in frame.columns if c.lower() in _TARGET_NAMES]
    few = [c for c in frame.columns if 2 <= frame[c].n_unique() <= 20]
    if not (usual or few):
        return hint
    probable = (usual or few[-1:])[0]
    return f" Did you mean {probable!r} ({frame[probable].n_unique()} distinct values)?{hint}"


def _check_names(frame: pl.DataFrame, names: Sequence[str], name: str) -> None:
    for column in names:
        if column not in frame.columns:
            raise ColumnError(f"{column!r} is no column of {name}.{did_you_mean(column, frame.columns)}")


def _read_arrays(source: Any, y: Any, labels_of: dict[str, Any], beside: dict[str, Any], notes: list[str]) -> Examples:
    if not isinstance(source, (Mapping, tuple, Source)):
        _check_array(source)
    x = encode_rows(None, source)
    parts = list(x.values()) if isinstance(x, dict) else list(x) if isinstance(x, tuple) else [x]
    if not parts or not len(parts[0]):
        raise DataError("x has no rows; nothing to learn from.")
    lengths = {len(part) for part in parts}
    if len(lengths) > 1:
        raise DataError(f"The inputs have different lengths {sorted(lengths)}; expected one entry per row in each.")
    named = [f"{key}={value!r}" for key, value in beside.items() if isinstance(value, str)]
    if named:
        raise OptionError(f"{named[0]} names a column, but the data are arrays. Pass one value per row.")
    side = metadata_of(pl.DataFrame({"row": np.zeros(len(parts[0]), dtype=np.uint8)}), y, beside)
    labels = _encoded(side, labels_of)
    return _finish(
        Examples(x, labels.codes, labels.classes, source="arrays", kind=labels.kind), side, [*notes, *_lost_digits(x)]
    )


def _lost_digits(x: Any) -> list[str]:
    """The columns of flat arrays of which float32, in which networks compute, makes many values one."""
    inputs = x if isinstance(x, Mapping) else dict(enumerate(x)) if isinstance(x, tuple) else {"x": x}
    flat = {name: array for name, array in inputs.items() if array.ndim == 2 and isinstance(array, np.ndarray)}
    wide = {name: array for name, array in flat.items() if array.dtype.name in ("float64", "int64", "uint64")}
    return lost_digits((f"{name}[:, {j}]", column) for name, array in wide.items() for j, column in enumerate(array.T))


def _check_array(source: Any) -> None:
    """One array: text of rank 1, or anything of rank 2 and more."""
    if hasattr(source, "toarray"):
        raise DataError("x is a sparse matrix; expected a dense array. Pass x.toarray().")
    try:
        array = np.asarray(unmasked(source))
    except ValueError:
        raise DataError("x has rows of different lengths; expected an array of shape (N, ...).") from None
    text = is_text(array)
    if not text:
        check_no_gap(array)
    if (array.dtype.kind == "O" and not text) or array.ndim < 1 or (array.ndim == 1 and not text):
        raise DataError(
            f"x has shape {array.shape} and type {array.dtype}; expected numbers of shape (N, ...), or text of shape "
            "(N,). One feature: x[:, None]. Columns of different types: a frame or a dict of columns."
        )


def _leak_warnings(x: dict[str, np.ndarray], labels: Labels, schema: Schema) -> list[str]:
    parts, names = named_parts(schema, x)
    return [
        f"Column {names[part][j]!r} alone nearly gives {what} away (AUROC {area:.3f}): a possible leak. "
        "Is it known before the label is? If not, leave it out with drop (--drop)."
        for what, scores in leak_scores(parts, labels.codes, labels.classes)
        for (part, j), area in scores.items()
        if area > LEAK_AUROC
    ]


def _finish(examples: Examples, side: Side, warnings: list[str]) -> Examples:
    warnings = [*warnings, *blank_labels(examples.y, examples.classes)]
    alike = look_alikes(examples.classes, f"Target {side.target!r}") if examples.kind == "one_of" else None
    warnings = warnings if alike is None else [*warnings, alike]
    duplicate_ids = find_duplicates(examples.x)
    if duplicate_ids is not None:
        warnings = warnings + _duplicate_warnings(duplicate_ids, examples.y)
    weight = None if side.weight is None else weights(side.weight)
    check_no_class_lost(examples.y, weight, examples.classes)
    return replace(
        examples,
        groups=None if side.groups is None else group_codes(side.groups),
        time=None if side.time is None else times(side.time),
        sample_weight=weight,
        split=None if side.split is None else roles(side.split),
        duplicate_ids=duplicate_ids,
        warnings=tuple(warnings),
    )


def _duplicate_warnings(duplicate_ids: np.ndarray, y: np.ndarray) -> list[str]:
    repeated, conflicting = count_duplicates(duplicate_ids, y)
    if not repeated:
        return []
    text = f"{repeated:,} of {len(y):,} rows ({100 * repeated / len(y):.1f} %) repeat an earlier row"
    return [text + (f"; {conflicting:,} rows have a twin with another label." if conflicting else ".")]

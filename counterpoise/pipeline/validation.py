"""The user's own validation rows: read in the form of the training rows, appended to them, and weighted to their prior.

Nothing is learned from validation rows: kinds, categories and encoders are those of the training rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chi2_contingency

from counterpoise.core.checks import check_no_class_lost
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.examples import TRAIN, VALIDATION, Examples
from counterpoise.core.label_columns import LabelColumns, as_the_training_labels, split_off_labels
from counterpoise.core.labels import Labels
from counterpoise.core.sources import Source
from counterpoise.core.structure import join, leaves, mapped, rows_in
from counterpoise.data.frames import check_row_order, is_table, to_frame
from counterpoise.data.image_rows import encode_image_set, read_as_trained, warn_of_other_scale
from counterpoise.data.image_set import ImageSet
from counterpoise.data.inputs import as_inputs
from counterpoise.data.loading import dataset_kind, load
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.row_metadata import metadata_of, weights
from counterpoise.data.schema import encode_rows
from counterpoise.data.texts import texts_of_table
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Class shares of training and validation rows differ if the p-value of equal shares is below this.
UNLIKELY = 0.001


def are_rows(validation: Any) -> bool:
    """Return whether `validation` contains rows, and is not a share of the training rows."""
    return not isinstance(validation, (int, float, np.number))


def with_validation(
    examples: Examples, validation: Any, target: str | LabelColumns | None, sample_weight: Any = None,
    inputs: NamedInputs | None = None,
) -> Examples:  # fmt: skip
    """Return training rows and, after them, validation rows, with the use of each in `split`.

    Args:
        examples: The training rows.
        validation: (x, y) or (x, y, weight); a dataset of these; a folder of images; a table with the columns `target`
            and, where it is named, `sample_weight`.
        target: The target column of the training rows, or their label columns; `LabelColumns` also say how labels that
            were given as an array are read. None: the labels were given as an array.
        sample_weight: As it was passed for the training rows.
        inputs: The named inputs of the model, or None.

    Raises:
        OptionError: something else. DataError: rows or labels that do not fit the training rows.
    """
    x, y, weight = _read_validation(examples, validation, target, sample_weight, inputs)
    y = _without_left_out_columns(y, examples.kept_labels)
    try:
        codes = target_of(examples).codes(y, np.array(examples.classes, object))
    except TargetError as error:
        raise TargetError(f"validation: {error}") from None
    if codes.shape[1:] != examples.y.shape[1:] or len(codes) != rows_in(x):
        raise TargetError(
            f"validation has labels of shape {codes.shape}. Expected {(rows_in(x), *examples.y.shape[1:])}, one "
            f"label for each row, or for each element of each row."
        )
    strata = replace(examples, y=codes).strata
    check_no_class_lost(strata, weight, examples.classes, "the weight of the validation rows")
    both = join([examples.x, _as_training_inputs(x, examples.x)])
    weights_of_both = None
    if examples.sample_weight is not None or weight is not None:
        pairs = (examples.sample_weight, len(examples)), (weight, len(codes))
        weights_of_both = np.concatenate([np.ones(n, np.float32) if w is None else w for w, n in pairs])
    split = np.repeat(np.array([TRAIN, VALIDATION], np.int8), [len(examples), len(codes)])
    return replace(
        examples, x=both, y=np.concatenate([examples.y, codes.astype(examples.y.dtype)]), split=split,
        sample_weight=weights_of_both, groups=None, time=None, amount=None, by=None, duplicate_ids=None, names=None,
        numbers=None, units=None,
    )  # fmt: skip


def _without_left_out_columns(y: Any, kept: Array | None) -> Any:
    """Return several labels per row without the columns of labels that were left out in training.

    Only columns without names, in the order of the labels that training was given, are left out: by the names of
    others, the labels are matched later. `kept` is `Examples.kept_labels`.
    """
    if kept is None or not isinstance(y, (np.ndarray, list, tuple)):
        return y
    try:
        columns = np.asarray(y)
    except ValueError:  # lists of names, of different lengths
        return y
    return columns[:, kept] if columns.shape[1:] == kept.shape and columns.dtype.kind in "biuf" else y


def at_training_prior(examples: Examples) -> Examples:
    """Return the rows, with validation rows weighted to the class shares of the training rows.

    Rows stay as they are unless they have one class each and the shares differ by more than chance. A warning about the
    weights is added. Without them, the correction would change the probabilities to the shares of the validation rows,
    and the wrong round would be the best.
    """
    train, stop = examples.rows_with_role(TRAIN), examples.rows_with_role(VALIDATION)
    target, n = target_of(examples), len(examples.classes)
    if not len(stop) or target.many_per_row:
        return examples
    weight = np.ones(len(examples)) if examples.sample_weight is None else examples.sample_weight.astype(float)
    mass = np.stack([target.counts(examples.y[rows], n, weight[rows]) for rows in (train, stop)])
    shares = mass / mass.sum(axis=1, keepdims=True)
    # How many rows of equal weight are worth the same (Kish): without weights, the rows.
    worth = np.array([weight[rows].sum() ** 2 / (weight[rows] @ weight[rows]) for rows in (train, stop)])
    if (mass == 0).any() or chi2_contingency(shares * worth[:, None]).pvalue >= UNLIKELY:
        return examples
    weight[stop] *= (shares[0] / shares[1])[examples.y[stop]]
    code = int(np.argmax(np.abs(np.log(shares[0] / shares[1]))))
    there, here = (f"{share:.1%}" for share in shares[:, code])
    text = (
        f"Class {examples.classes[code]!r} makes up {there} of the training rows and {here} of the validation rows. "
        "Validation rows are weighted to the class proportions of the training rows. The predicted probabilities also "
        "assume the proportions of the training rows. If new rows will have other proportions, pass prior= to "
        "predict_proba and predict."
    )
    return replace(examples, sample_weight=weight.astype(np.float32), warnings=(*examples.warnings, text))


def _read_validation(
    examples: Examples, given: Any, target: str | LabelColumns | None, sample_weight: Any, inputs: NamedInputs | None
) -> tuple[Any, Any, Array | None]:
    """Return validation rows in the form of `Examples.x`, their labels (not yet codes), and weights or None.

    Raises:
        OptionError: They are none of the forms of `with_validation`.
    """
    if isinstance(given, ImageSet):
        images = read_as_trained(given, examples.pictures)
        metadata = images.labeled_metadata
        given_labels = metadata.y
        several = given_labels.codes.ndim > 1
        labels, weight = given_labels if several else given_labels.values, metadata.arrays()["sample_weight"]
        return encode_image_set(images, examples.schema), labels, weight
    if dataset_kind(given) or (isinstance(given, (tuple, list)) and len(given) in (2, 3)):
        x, y, weight = load(given, rows=leaves(examples.x)[0].shape[1:]) if dataset_kind(given) else (*given, None)[:3]
        check_row_order(x, {"validation: y": y, "validation: sample_weight": weight})
        if isinstance(target, LabelColumns) and not isinstance(y, LabelColumns):
            y = as_the_training_labels(y, target)
        encoded = encode_validation(examples, x, inputs)
        warn_of_other_scale(examples.pictures, encoded)
        return _with_metadata(examples, encoded, y, weight)
    if is_table(given, table=False):
        return _rows_of_table(examples, given, target, sample_weight, inputs)
    raise OptionError(
        f"validation= is {_type_text(given)}. Expected a share between 0 and 1, rows (x, y) or (x, y, weight), a "
        "dataset of these, a folder of images, or a table with the target column."
    )


def _type_text(given: Any) -> str:
    """Return the type of what was passed, with the length of a tuple or list, for a message."""
    kind = type(given).__name__
    return f"a {kind} of {len(given)}" if isinstance(given, (tuple, list)) else kind


def _rows_of_table(
    examples: Examples, given: Any, target: str | LabelColumns | None, sample_weight: Any, inputs: NamedInputs | None
) -> tuple[Any, Any, Array | None]:
    """Return the rows of a table as `encode_validation` does, with labels and weights from its columns.

    Raises:
        OptionError: The training labels were no column, so that the column of labels is not known.
        DataError: The table lacks a column.
    """
    columns = () if target is None else (target,) if isinstance(target, str) else target.columns
    if target is None or not columns:
        raise OptionError(
            "validation= is a table, but the labels of the training rows were not passed as a column name. Pass "
            "validation=(x, y), or name the target column as y."
        )
    rows, y = split_off_labels(given, target)
    read = isinstance(y, Labels)
    frame, name, _ = to_frame(rows, as_text=columns, lists=columns)
    weight = sample_weight if isinstance(sample_weight, str) else None
    wanted = (*(() if read else columns), *(() if weight is None else (weight,)))
    absent = [column for column in wanted if column not in frame.columns]
    if absent:
        raise DataError(f"validation: {name} lacks the column {absent[0]!r}.")
    if not read:
        y = frame[target] if isinstance(target, str) else _read_columns(target, frame)
    _, y, w = _with_metadata(examples, np.empty(frame.height), y, None if weight is None else frame[weight])
    return encode_validation(examples, rows, inputs), y, w


def _read_columns(target: LabelColumns, frame: pl.DataFrame) -> Labels:
    """Return the labels in their columns of a table; the message of a TargetError starts with "validation"."""
    try:
        return target.read(frame.select(target.columns))
    except TargetError as error:
        raise TargetError(f"validation: {error}") from None


def _with_metadata(examples: Examples, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Array | None]:
    """Return x, the labels, and the weights or None, after checks that depend on the kind of the target."""
    make = _with_labels_as_given if target_of(examples).many_per_row else _with_labels_and_weights
    return make(x, y, weight)


def _with_labels_and_weights(x: Any, y: Any, weight: Any) -> tuple[Any, Any, Array | None]:
    """Return x, the label of each row (None if missing), and the weights or None, after a check of both.

    A DataError, such as for another number of labels than rows, gets "validation: " in front.
    """
    rows = pl.DataFrame({"row": np.zeros(rows_in(x), np.uint8)})
    try:
        metadata = metadata_of(rows, y, {"groups": None, "time": None, "split": None, "sample_weight": weight})
        known = [metadata.y.classes[code] if code >= 0 else None for code in metadata.y.codes]
        return x, known, None if metadata.weight is None else weights(metadata.weight)
    except DataError as error:
        raise type(error)(f"validation: {error}") from None


def _with_labels_as_given(x: Any, y: Any, weight: Any) -> tuple[Any, Any, Array | None]:
    """Return x, the labels of elements, or several per row, as they were given, and the weights of rows or None."""
    # The zeros stand in for labels, so that only the weights are checked.
    _, _, w = _with_labels_and_weights(x, np.zeros(rows_in(x), np.int32), weight)
    return x, y, w


def encode_validation(examples: Examples, x: Any, inputs: NamedInputs | None = None) -> Any:
    """Return validation rows in the form in which the training rows were read.

    They are named inputs, a column of text, or a table or arrays. The message of a DataError starts with "validation".
    """
    x = x if examples.schema is not None else as_inputs(x, leaves(examples.x))
    try:
        if inputs is not None and examples.schema is None and inputs.takes(x):
            return inputs.rows(x)[0]
        if examples.text_column is not None and is_table(x, table=False):
            return texts_of_table(x, examples.text_column)
        named = NamedInputs.like(examples.x) if examples.schema is None else None
        return encode_rows(examples.schema, named.rows(x)[0] if named and named.takes(x) else x, "validation")
    except DataError as error:
        text = str(error)
        raise type(error)(text if text.startswith("validation") else f"validation: {text}") from None


def _as_training_inputs(x: Any, like: Any) -> Any:
    """Return validation rows in the types of the training rows `like`; other inputs or shapes raise a DataError."""
    wanted, got = (mapped(lambda _: "array", rows) for rows in (like, x))
    if wanted != got:
        raise DataError(
            f"validation has the inputs {got}, but the training rows have {wanted}. Pass the same inputs for both."
        )
    return mapped(_as_training_type, like, x)


def _as_training_type(like: Array, array: Any) -> Array:
    """Return one input in the type of the training rows; another shape or kind of type raises a DataError."""
    array = array if isinstance(array, Source) else np.asarray(array)
    if array.shape[1:] != like.shape[1:]:
        raise DataError(
            f"validation has rows of shape {array.shape[1:]}, but the training rows have {like.shape[1:]}. Pass the "
            f"same shape for both."
        )
    if not np.can_cast(array.dtype, like.dtype, "same_kind"):
        raise DataError(
            f"validation has the type {array.dtype}, but the training rows have {like.dtype}. Pass the same type and "
            f"scale for both."
        )
    return array if array.dtype.kind in "OSU" or isinstance(array, Source) else array.astype(like.dtype, copy=False)

"""Reading a target: what its elements are, which label each has, and which of them count.

    codes        one class per element: (N,), (N, 1), (N, T), (N, H, W), (N, H, W, 1); integers, booleans or text
    one_hot      the same, as a last axis of C zeros and a one
    multi_label  L independent yes/no answers per element: (N, L) or (..., L) of zeros and ones

A target of zeros and ones with two axes can be any of them. It is taken for one-hot when every counted row has
exactly one 1; else the caller has to name the kind, because a wrong guess would give wrong weights in silence.
Class weights (`weight_table`) and the callback `PerClass` read targets with this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.checks import check_choice, check_finite, rows_text
from counterpoise.core.errors import DataError, TargetError
from counterpoise.core.label_sources import LabelSource, label_source
from counterpoise.core.label_values import ignored_levels, plain_label
from counterpoise.core.labels import Labels, read_labels, zeros_and_ones
from counterpoise.core.masked import unmasked

Array = np.ndarray

KINDS = ("auto", "codes", "one_hot", "multi_label")
_MASK_ADVICE = "Leave such elements out with mask= (False for these elements), or fill in their labels."
_MASK_VALUES = "Use True (or 1) for elements that are used, and False (or 0) for elements that are ignored."


@dataclass(frozen=True)
class Elements:
    """The elements of a target.

    Attributes:
        kind: "codes", "one_hot" or "multi_label".
        codes: int32, the number of each element's label in `classes` (...), or 0/1 per label (..., L); where `weight`
            is 0 it means nothing.
        classes: The labels behind the codes; of a one-hot target the numbers of its columns.
        weight: float64, same shape: what an element counts before any class weight; 0 = not at all.
        squeezed: Whether a last axis of length 1 was dropped.
        columns: Names of the columns of a one-hot or multi-label frame; None: they have none.
    """

    kind: str
    codes: Array
    classes: tuple[Any, ...]
    weight: Array
    squeezed: bool = False
    columns: tuple[Any, ...] | None = None


def read_elements(
    y: Any, kind: str = "auto", mask: Any = None, sample_weight: Any = None, ignore: tuple[Any, ...] = ()
) -> Elements:
    """Return the elements of one target (see the module).

    Args:
        y: The target: anything that contains labels (see `core.labels`).
        kind: One of `KINDS`.
        mask: True (or 1) where an element counts: the shape of the elements, or of their leading axes.
        sample_weight: What each element counts, 0 or more; the shapes that `mask` may have.
        ignore: Labels whose elements do not count; of a multi-label target the mark of a missing answer.

    Raises:
        TargetError: labels of elements that count are missing, fractional, not one-hot, or of unclear kind.
        DataError: a mask or weights that do not fit.
    """
    check_choice(kind, "kind", KINDS)
    source, mask = label_source(y, "the target"), _plain_mask(mask)
    if source.codes.size == 0:
        raise TargetError(
            f"The target has shape {source.codes.shape}, so it contains no labels. Pass at least one row of labels."
        )
    squeezed = kind in ("auto", "codes") and source.codes.ndim > 1 and source.codes.shape[-1] == 1
    if squeezed:
        source = LabelSource(source.codes[..., 0], source.levels)
    if kind == "auto":
        kind = "codes" if squeezed or source.codes.ndim < 2 else _guess_kind(source, mask)
    shape = source.codes.shape[:-1] if kind == "one_hot" else source.codes.shape
    weight = _element_weight(mask, sample_weight, shape)
    return _read_as_kind(kind, source, weight, ignore, squeezed)


def _guess_kind(source: LabelSource, mask: Any) -> str:
    """Return the kind of a target with two axes or more: "codes" or "one_hot".

    With other values than 0 and 1, it is "codes". It is "one_hot" if each counted row of the last axis has exactly one
    1. Other zeros and ones are "codes" (masks of two classes) with three axes or more.

    Raises:
        TargetError: Zeros and ones have two axes and are not one-hot, or a frame has several columns of text.
    """
    levels = [plain_label(level) for level in source.levels]
    if any(level not in (None, 0, 1) for level in levels):
        _refuse_columns_of_text(source, levels)
        return "codes"
    shape = source.codes.shape
    # The False at the end is for missing labels, whose code is -1.
    ones = np.array([*(level == 1 for level in levels), False])[source.codes].sum(axis=-1)
    counted = np.ones(ones.shape) if mask is None else mask
    if counted.shape not in (ones.shape[: counted.ndim], shape):
        counted = np.ones(ones.shape)  # a mask that does not fit is refused with the weights
    # A mask of the full shape is for single values, so these are elements, not the columns of one-hot rows.
    if counted.shape != shape and np.all(ones[counted > 0] == 1):
        return "one_hot"
    if len(shape) > 2:
        return "codes"
    raise TargetError(
        f"The target of shape {shape} contains zeros and ones, but is not one-hot (exactly one 1 in each row). "
        'Use kind="multi_label" for independent labels, or kind="codes" for sequences of two classes.'
    )


def _refuse_columns_of_text(source: LabelSource, levels: list[Any]) -> None:
    """Raise a `TargetError` if the target is a frame of several columns that contains text."""
    text = next((level for level in levels if isinstance(level, str)), None)
    if source.columns is not None and text is not None:
        raise TargetError(
            f"The target is a frame of {len(source.columns)} columns of text (for example {text!r:.40}). Expected one "
            "column of labels, or columns of 0 and 1. Pass the column of the labels. If the columns are the steps of "
            'a sequence, use kind="codes".'
        )


def _read_as_kind(kind: str, source: LabelSource, weight: Array, ignore: tuple[Any, ...], squeezed: bool) -> Elements:
    """Return the elements of a target of a given kind; elements with a label in `ignore` get the weight 0.

    Raises:
        DataError: `ignore` is used with one-hot rows. TargetError: The labels do not fit the kind.
    """
    if kind == "one_hot":
        if ignore:
            raise DataError(
                'ignore= cannot be used with kind="one_hot", because ignore= takes labels, and one-hot rows contain '
                "only 0 and 1. Use mask= instead."
            )
        return _read_one_hot(source, weight)
    if ignore:
        weight = np.where(np.isin(source.codes, ignored_levels(source.levels, ignore)), 0.0, weight)
    labels = read_labels(source, "the target", weight > 0, advice=_MASK_ADVICE)
    if kind == "codes":
        return Elements(kind, labels.codes, labels.classes, weight, squeezed)
    return Elements(kind, _only_zeros_and_ones(labels, kind), (0, 1), weight, columns=_text_columns(source))


def _read_one_hot(source: LabelSource, weight: Array) -> Elements:
    """Return the elements of one-hot rows (..., C) with element weights (...).

    Raises:
        TargetError: A row whose weight is above 0 does not have exactly one 1.
    """
    counted = np.broadcast_to((weight > 0)[..., None], source.codes.shape)
    values = _only_zeros_and_ones(read_labels(source, "the target", counted, advice=_MASK_ADVICE), "one_hot")
    off = np.argwhere((values.sum(axis=-1) != 1) & (weight > 0))
    if len(off):
        raise TargetError(
            f"The target is not one-hot in {rows_text(off[0][:1] if off.shape[1] else [0])} ({len(off):,} elements "
            "contain no 1 or more than one 1). Leave such elements out with mask=. For independent labels, use "
            'kind="multi_label".'
        )
    codes, classes = values.argmax(axis=-1).astype(np.int32), tuple(range(values.shape[-1]))
    return Elements("one_hot", codes, classes, weight, columns=_text_columns(source))


def _text_columns(source: LabelSource) -> tuple[Any, ...] | None:
    """Return the names of the columns of a frame if all are text, else None."""
    return source.columns if source.columns and all(isinstance(name, str) for name in source.columns) else None


def _only_zeros_and_ones(labels: Labels, kind: str) -> Array:
    """Return labels as int8 zeros and ones; raise a `TargetError` if there are other labels."""
    values = zeros_and_ones(labels)
    if values is None:
        odd = next(c for c in labels.classes if isinstance(c, str) or c not in (0, 1))
        raise TargetError(
            f'kind="{kind}" needs a target of zeros and ones, but the target contains {odd!r}. '
            'Use kind="codes" for class labels.'
        )
    return values


def _plain_mask(mask: Any) -> Array | None:
    """Return a mask as an array of booleans or of zeros and ones; None stays None."""
    if mask is None or (isinstance(mask, np.ndarray) and mask.dtype == bool):
        return mask
    values = zeros_and_ones(read_labels(mask, "mask", advice=_MASK_VALUES))
    if values is None:
        raise DataError(f"mask contains values other than True and False. {_MASK_VALUES}")
    return values


def _element_weight(mask: Array | None, sample_weight: Any, shape: tuple[int, ...]) -> Array:
    """Return the weight of each element, float64 of `shape`.

    It is the mask (0 or 1) times `sample_weight`.

    Raises:
        DataError: The mask or the weights have another shape, or weights are negative or not finite.
    """
    weight = np.ones(shape)
    if mask is not None:
        weight = weight * _broadcastable(mask.astype(float), shape, "mask")
    if sample_weight is not None:
        try:
            given = check_finite(np.asarray(unmasked(sample_weight), dtype=float), "sample_weight")
        except TypeError:
            raise DataError(
                "sample_weight contains entries that are not numbers. Pass a number of 0 or more for each element."
            ) from None
        if np.any(given < 0):
            raise DataError(
                f"sample_weight contains negative values (least {given.min():g}). Use 0 or more for each element."
            )
        weight = weight * _broadcastable(given, shape, "sample_weight")
    return weight


def _broadcastable(given: Array, shape: tuple[int, ...], name: str) -> Array:
    """Return weights of the leading axes, reshaped so that they broadcast to `shape`.

    An additional last axis of length 1 is removed. Any other shape raises a `DataError`; `name` is for its message.
    """
    if given.ndim == len(shape) + 1 and given.shape[-1] == 1:
        given = given[..., 0]
    if given.shape != shape[: given.ndim]:
        raise DataError(f"{name} has shape {given.shape}. Expected {shape} or its leading axes, such as {shape[:1]}.")
    return given.reshape(given.shape + (1,) * (len(shape) - given.ndim))

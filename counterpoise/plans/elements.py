"""Reading a target: what its elements are, which label each has, and which of them count.

    codes        one class per element: (N,), (N, 1), (N, T), (N, H, W), (N, H, W, 1); integers, booleans or text
    one_hot      the same, as a last axis of C zeros and a one
    multi_label  L independent yes/no answers per element: (N, L) or (..., L) of zeros and ones

A target of zeros and ones with two axes can be any of them. It is taken for one-hot when every counted row holds
exactly one 1; else the caller has to say what it is, because a wrong guess would give wrong weights in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.checks import check_choice, check_finite, rows_text
from counterpoise.core.errors import DataError, TargetError
from counterpoise.core.masked import unmasked

Array = np.ndarray

KINDS = ("auto", "codes", "one_hot", "multi_label")


@dataclass(frozen=True)
class Elements:
    """The elements of a target.

    Attributes:
        kind: "codes", "one_hot" or "multi_label".
        labels: The class of each element (...), or 0/1 per label (..., L).
        weight: float64, same shape: what an element counts before any class weight; 0 = not at all.
        squeezed: Whether a last axis of length 1 was dropped.
    """

    kind: str
    labels: Array
    weight: Array
    squeezed: bool = False


def read_elements(
    y: Any, kind: str = "auto", mask: Any = None, sample_weight: Any = None, ignore: tuple[Any, ...] = ()
) -> Elements:
    """Read one target (see the module).

    Args:
        y: The target.
        kind: One of `KINDS`.
        mask: True (or 1) where an element counts: the shape of the elements, or of their leading axes.
        sample_weight: What each element counts, 0 or more; the shapes that `mask` may have.
        ignore: Labels whose elements do not count.

    Raises:
        TargetError: labels that are missing, fractional, not one-hot, or of unclear kind.
        DataError: a mask or weights that do not fit.
    """
    check_choice(kind, "kind", KINDS)
    values = _plain(y)
    squeezed = kind in ("auto", "codes") and values.ndim > 1 and values.shape[-1] == 1
    values = values[..., 0] if squeezed else values
    if kind == "auto":
        kind = "codes" if squeezed or values.ndim < 2 or not _zeros_and_ones(values) else _guess(values, mask)
    weight = _element_weight(mask, sample_weight, values.shape[:-1] if kind == "one_hot" else values.shape)
    return _of_kind(kind, values, weight, ignore, squeezed)


def _plain(y: Any) -> Array:
    values = np.asarray(unmasked(y))
    if values.dtype.kind == "S" or (values.dtype == object and values.size and isinstance(values.flat[0], bytes)):
        values = np.char.decode(values.astype("S"), "utf-8")
    if values.size == 0:
        raise TargetError(f"the target has shape {values.shape}: it holds no element.")
    if values.dtype == object:
        missing = np.array([v is None or v != v for v in values.ravel()])
        if missing.any():
            raise TargetError(f"the target holds {int(missing.sum())} missing labels; mask them or leave them out.")
        values = values.astype(str) if all(isinstance(v, str) for v in values.ravel()) else values
    return check_finite(values, "the target") if values.dtype.kind == "f" else values


def _zeros_and_ones(values: Array) -> bool:
    return values.dtype.kind in "iufb" and bool(np.all((values == 0) | (values == 1)))


def _guess(values: Array, mask: Any) -> str:
    """One-hot when all counted rows hold one 1; masks of two classes have three axes or more; else nobody knows."""
    ones = values.sum(axis=-1)
    counted = np.ones(ones.shape) if mask is None else np.asarray(mask, dtype=float)
    if counted.shape not in (ones.shape[: counted.ndim], values.shape):
        counted = np.ones(ones.shape)  # a mask that does not fit is refused with the weights
    if counted.shape != values.shape and np.all(ones[counted > 0] == 1):
        return "one_hot"
    if values.ndim > 2:
        return "codes"
    raise TargetError(
        f"the target of shape {values.shape} holds zeros and ones, but its rows do not hold exactly one 1, so it is "
        'not one-hot. Say what it is: kind="multi_label" for independent labels, kind="codes" for sequences of two '
        "classes."
    )


def _of_kind(kind: str, values: Array, weight: Array, ignore: tuple[Any, ...], squeezed: bool) -> Elements:
    if kind == "codes":
        labels = _codes(values, weight)
        if ignore:
            weight = np.where(np.isin(labels, np.array(ignore)), 0.0, weight)
        return Elements(kind, labels, weight, squeezed)
    if values.dtype.kind not in "iufb" or not _zeros_and_ones(values[weight > 0]):
        raise TargetError(f'kind="{kind}" needs zeros and ones; the target of type {values.dtype} holds other values.')
    if ignore:
        raise DataError(f'ignore names labels of codes; with kind="{kind}" use mask.')
    if kind == "multi_label":
        return Elements(kind, values.astype(np.int8), weight)
    off = np.argwhere((values.sum(axis=-1) != 1) & (weight > 0))
    if len(off):
        place = tuple(int(i) for i in off[0])
        raise TargetError(
            f"the target is not one-hot in {rows_text([place[0]] if place else [0])} ({len(off):,} elements hold no 1 "
            'or several). Mask elements that do not count; for independent labels use kind="multi_label".'
        )
    return Elements(kind, np.argmax(values, axis=-1), weight)


def _codes(values: Array, weight: Array) -> Array:
    if values.dtype.kind != "f":
        return values
    off = np.argwhere((values != np.round(values)) & (weight > 0))
    if len(off):
        place = tuple(int(i) for i in off[0])
        raise TargetError(
            f"the target holds {values[place]:g} in {rows_text(place[:1] or [0])}; class weights need whole classes, "
            "not numbers in between (soft labels have no class)."
        )
    return values.astype(np.int64)


def _element_weight(mask: Any, sample_weight: Any, shape: tuple[int, ...]) -> Array:
    weight = np.ones(shape)
    if mask is not None:
        given = np.asarray(mask)
        if given.dtype != bool and not np.all((given == 0) | (given == 1)):
            raise DataError(f"mask holds values other than True and False (or 1 and 0); got type {given.dtype}.")
        weight = weight * _spread(given.astype(float), shape, "mask")
    if sample_weight is not None:
        given = check_finite(np.asarray(unmasked(sample_weight), dtype=float), "sample_weight")
        if np.any(given < 0):
            raise DataError(f"sample_weight holds negative values (least {given.min():g}); use 0 or more.")
        weight = weight * _spread(given, shape, "sample_weight")
    return weight


def _spread(given: Array, shape: tuple[int, ...], name: str) -> Array:
    """Repeat weights of the leading axes over the rest; a last axis of length 1 may be there or not."""
    if given.ndim == len(shape) + 1 and given.shape[-1] == 1:
        given = given[..., 0]
    if given.shape != shape[: given.ndim]:
        raise DataError(f"{name} has shape {given.shape}; expected {shape} or its leading axes, as {shape[:1]}.")
    return given.reshape(given.shape + (1,) * (len(shape) - given.ndim))

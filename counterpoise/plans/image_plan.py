"""Plans for images with masks: images with a rare class are drawn more often, or images without it less often.

The class of an image is the rarest class that it contains, by the number of images. Any plan for classes of rows can
then draw images. This changes the class proportions of pixels differently for each pixel, because whole images are
drawn, so no constant corrects the probabilities. There are two solutions:

- `weighted=True`: the loss of each image is weighted by 1 / its inclusion (how often an epoch draws it). The expected
  loss then equals the loss over the original pixels, and no correction is needed. Rare images are drawn more often,
  each with a smaller weight.
- `weighted=False`: the probabilities need a calibrator, fitted on whole images with the original class proportions.

`targets.elements` makes such a plan of the plans that draw rows by class (`DRAWN`).

Source: weights by inclusion, Horvitz and Thompson (JASA 47, 1952).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError, OptionError
from counterpoise.plans.class_plans import oversample
from counterpoise.plans.plan import Plan

Array = np.ndarray


def image_plan(
    counts: Any,
    make: Callable[..., Plan] = oversample,
    *,
    weighted: bool = False,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
) -> Plan:
    """Make a plan for images by the classes that they contain.

    Args:
        counts: int (N, C), number of pixels of each class in each image, without ignored pixels.
        make: A plan for classes of rows, such as `oversample` or `undersample`, or such a plan with its options bound.
        weighted: Whether the loss of an image is weighted by 1 / its inclusion (see the module).
        sample_weight: Your own weights of images (N,).
        classes: Names of the C classes in messages.

    Returns:
        A plan for N rows with the classes of images (`image_classes`). `inclusion` and `pixel_shares` describe it. With
        `weighted`, its shift is 0.

    Raises:
        DataError: `counts` is not a table of counts.
        OptionError: All images have the same class, so drawing them has no effect.

    Example:
        >>> counts = [[9, 0], [9, 0], [9, 0], [6, 3]]
        >>> plan = image_plan(counts)
        >>> sorted(plan.rows().tolist()), pixel_shares(plan, counts).round(3).tolist()
        ([0, 1, 2, 3, 3, 3], [0.833, 0.167])
        >>> pixel_shares(image_plan(counts, weighted=True), counts).round(3).tolist()
        [0.917, 0.083]
    """
    table = _checked_counts(counts)
    codes, labels = image_classes(table), range(table.shape[1]) if classes is None else classes
    present = np.unique(codes)
    if len(present) < 2:
        raise OptionError(
            f"All {len(codes):,} images contain class {labels[int(present[0])]!r} and no rarer class, so drawing some "
            "images more often has no effect. Expected images with and without a class. Use class weights instead, "
            "for example with class_weight, or draw crops around the rare class."
        )
    plan = make([labels[code] for code in codes.tolist()], sample_weight=sample_weight)
    return replace(plan, class_weights=plan.counts / plan.drawn) if weighted else replace(plan, needs_calibration=True)


def image_classes(counts: Any) -> Array:
    """Return the class of each image, int64 (N,): the rarest class that it contains.

    If two classes are in the same number of images, the class with fewer pixels is rarer. An image without counted
    pixels has the most frequent class.

    Example:
        >>> image_classes([[5, 0, 0], [4, 1, 0], [3, 1, 1], [0, 0, 0]]).tolist()
        [0, 1, 2, 0]
    """
    # Classes from the rarest to the most frequent: by number of images, then by number of pixels.
    table = _checked_counts(counts)
    order = np.lexsort((table.sum(axis=0), (table > 0).sum(axis=0)))
    ranked = table[:, order] > 0
    # argmax finds the first class that is present; the last one stands for images without pixels.
    ranked[:, -1] = True
    return order[ranked.argmax(axis=1)]


def inclusion(plan: Plan) -> Array:
    """Return how often each row occurs in an average epoch, float64 (N,).

    Example:
        >>> inclusion(image_plan([[9, 0], [9, 0], [9, 0], [6, 3]])).tolist()
        [1.0, 1.0, 1.0, 3.0]
    """
    return (plan.drawn / plan.counts)[plan.codes]


def pixel_shares(plan: Plan, counts: Any) -> Array:
    """Return the share of each class among the pixels of an average epoch, float64 (C,).

    Weights of the loss are included.

    Example:
        >>> counts = [[8, 0], [6, 2]]
        >>> pixel_shares(image_plan(counts), counts).tolist()
        [0.875, 0.125]
    """
    seen = (inclusion(plan) * plan.weights().astype(np.float64)) @ _checked_counts(counts)
    return seen / seen.sum()


def _checked_counts(counts: Any) -> Array:
    """Return the pixels of each class in each image as an array (N, C) of whole numbers.

    Raises:
        DataError: It has another shape or type, a number below 0, or only zeros.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "iu" or table.min() < 0 or not table.any():
        raise DataError(
            f"counts= has shape {table.shape} and dtype {table.dtype}. Expected shape (images, classes): the number "
            "of pixels of each class in each image. Expected whole numbers of 0 or more, at least one of them above 0."
        )
    return table

"""The figures of masks: lesions found against false positives per image, and Dice image by image.

The curves are made by `metrics.regions`, for a class per pixel.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.report import words
from counterpoise.report.captioned import Figure, captioned
from counterpoise.report.curve_marks import UNIT, curve_rows, curves_spec, labeled_curves, who_heads
from counterpoise.report.marks import Record
from counterpoise.report.series import Spec, block_of, drawn

#: False positives per image up to which the FROC curve is drawn; then the columns of both tables.
MOST_FALSE = 4.0
FALSE_POSITIVES = (0.125, 0.25, 0.5, 1, 2, 4)
DICES = (0.1, 0.25, 0.5, 0.75, 0.9)


def region_figures(record: Record) -> dict[str, Figure]:
    """Return the figures of masks by their id on the page.

    The result is {} if rows do not have a class per pixel.
    """
    if not any("froc" in block_of(record, name) for name in drawn(record)):
        return {}
    return {"froc": _froc_figure(record), "dice_images": _dice_figure(record)}


def froc_spec(record: Record) -> Spec:
    """Draw recall of lesions against false positives per image, one line per strategy (see `figures.pr_spec`)."""
    data = curve_rows(record, None, "froc", "false_positives", "lesion_recall")
    scales = ({"domain": [0, MOST_FALSE]}, UNIT)
    return curves_spec(record, None, data, ("false_positives", "lesion_recall"), [], [], scales)


def dice_spec(record: Record) -> Spec:
    """Draw the share of images with the class that reach a Dice coefficient, one line per strategy."""
    data = curve_rows(record, None, "dice_images", "dice", "images")
    return curves_spec(record, None, data, ("dice", "images"), [], [])


def _froc_figure(record: Record) -> Figure:
    """Return the figure of lesions found against false positives per image, with its table."""
    caption = (
        "Higher is better. A finding is a connected region that the model predicts at the strategy's own "
        "threshold. Findings are ranked by their largest probability. A finding hits a lesion if the overlap "
        "of the two (intersection over union, IoU) is at least 0.1. The curve ends at the last finding."
    )
    rows = [
        [*who, *(_value_within(curve, "false_positives", "lesion_recall", n) for n in FALSE_POSITIVES)]
        for who, curve in _nonempty_curves(record, "froc")
    ]
    heads = [*who_heads(record), *(f"at {n:g} per image" for n in FALSE_POSITIVES)]
    return captioned(
        "Lesions found and false positives per image (FROC)", caption, froc_spec(record), heads, rows,
        "Recall of lesions, by the number of allowed false positives per image",
    )  # fmt: skip


def _dice_figure(record: Record) -> Figure:
    """Return the figure of the Dice coefficients of single images, with its table."""
    caption = (
        "Higher is better. The curve shows the share of test images whose Dice coefficient reaches the value "
        "on the horizontal axis. The Dice coefficient is the overlap of the predicted and the true mask, "
        "from 0 to 1. Images without the class are left out. Each strategy decides at its own threshold."
    )
    rows = [
        [*who, *(_share_above(curve, dice) for dice in DICES)] for who, curve in _nonempty_curves(record, "dice_images")
    ]
    heads = [*who_heads(record), *(f"Dice of {dice:g} or more" for dice in DICES)]
    return captioned(
        "Dice image by image", caption, dice_spec(record), heads, rows, "Share of images with a high Dice coefficient"
    )


def _nonempty_curves(record: Record, kind: str) -> list[tuple[list[str], Mapping[str, Any]]]:
    """Return ([strategy, and class if there are several], curve) of each curve of this kind."""
    return [(list(who.values()), curve) for who, curve in labeled_curves(record, None, kind) if curve]


def _value_within(curve: Mapping[str, Any], x: str, y: str, limit: float) -> str:
    """Return the last value of `y` at which `x` (rising) is at most `limit`, as text.

    It is 0 if there is no such value.
    """
    index = bisect.bisect_right(curve[x], limit)
    return words.number(curve[y][index - 1] if index else 0.0)


def _share_above(curve: Mapping[str, Sequence[float]], dice: float) -> str:
    """Return the share of images with at least this Dice coefficient, as text."""
    index = bisect.bisect_left(curve["dice"], dice)
    return words.share(curve["images"][index] if index < len(curve["dice"]) else 0.0)

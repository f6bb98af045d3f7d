"""The masks of a report: image, true mask and predicted mask of the rows with the lowest Dice, and of median ones.

The rows are chosen among the masks that `metrics.regions` kept of each fold (`RegionResult.decided`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.metrics.region_scores import dice
from counterpoise.report.thumbnails import SIDE, thumbnail

Array = np.ndarray

#: Most masks of each kind.
SHOWN = 6
#: Pixels between image, truth and decision.
GAP = 2
ABOUT = (
    "These are masks that the recommended strategy predicted for test images. Each panel shows the image, "
    "the true mask, and the predicted mask (ignored pixels are gray). Check the worst images for wrong masks "
    "and for a common pattern."
)


def mask_pictures(results: Sequence[FoldResult], examples: Examples, pictures: Any) -> list[dict[str, Any]]:
    """Return the worst and the median rows of a strategy, of the first repeat, as plain values for the report.

    Args:
        results: Its results, with `regions`.
        examples: The rows.
        pictures: The input of the model that is shown, (N, height, width[, channels]).
    """
    cases = sorted(
        (
            (float(score), int(row), decided)
            for result in results
            if result.repeat == 0 and result.regions is not None
            for score, row, decided in _scored_masks(result)
        ),
        key=lambda case: case[:2],
    )
    # Sorted like this, the first half are the worst of each fold. The second half, around 3/4, are the median ones.
    middle = max(SHOWN, 3 * len(cases) // 4 - SHOWN // 2)  # each fold kept its worst, and as many around its median
    kinds = (
        ("Lowest Dice coefficient", cases[:SHOWN]),
        ("Around the median Dice coefficient", cases[middle : middle + SHOWN]),
    )
    return [
        {
            "title": title,
            "about": ABOUT,
            "count": len(chosen),
            "shown": [_panel_record(examples, pictures, row, decided, score) for score, row, decided in chosen],
        }
        for title, chosen in kinds
    ]


def _scored_masks(result: FoldResult) -> Iterable[tuple[float, int, Array]]:
    """Return (mean Dice over the foreground classes, row number, decided mask) of each mask that a fold kept."""
    regions: Any = result.regions
    scores = dice(regions.counts[regions.shown][:, list(regions.foreground)]).mean(axis=1)
    return zip(scores, result.rows[regions.shown], regions.decided, strict=True)


def _panel_record(examples: Examples, pictures: Any, row: int, decided: Array, score: float) -> dict[str, Any]:
    """Return picture, true mask and decided mask side by side, as plain values for the report.

    `row` is the number of the row, `decided` its mask of class codes (height, width).
    """
    stored = pictures[np.array([row])][0]
    low, high = black_and_white_values(stored, examples)
    pixels = np.asarray(stored, dtype=np.float64)
    image = np.clip((pixels.reshape(*pixels.shape[:2], -1) - low) / max(high - low, 1e-12), 0.0, 1.0)
    masks = (_mask_as_gray(codes, len(examples.classes) - 1) for codes in (examples.y[row], decided))
    parts = [image, *(np.repeat(mask[..., None], image.shape[-1], axis=2) for mask in masks)]
    gap = np.ones((len(image), GAP, image.shape[-1]))
    joined = np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=1)
    return {
        "src": thumbnail(255 * joined, side=3 * SIDE),
        "name": examples.row_name(row),
        "lines": [f"Dice {score:.3f}"],
    }


def black_and_white_values(pixels: Array, examples: Examples) -> tuple[float, float]:
    """Return the pixel values that are shown as black and as white.

    They are 0 and 255 for pixels on the scale of image files, else the percentiles 0.5 and 99.5 of the picture.
    """
    known = examples.pictures is not None and not examples.pictures.learned
    if known or pixels.dtype == np.uint8:
        return 0.0, 255.0
    low, high = np.percentile(pixels, [0.5, 99.5]).tolist()
    return low, high


def _mask_as_gray(codes: Array, last: int) -> Array:
    """Return class codes as shares of white: code 0 is black, `last` is white, an ignored pixel (-1) is dark gray."""
    return np.where(codes < 0, 0.25, np.maximum(codes, 0) / last)

"""Which pictures a report shows: the most confident errors of the recommended strategy, out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.comparison.mask_pictures import black_and_white, mask_pictures
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.structure import leaves
from counterpoise.report.thumbnails import thumbnail

Array = np.ndarray

#: Pictures of each kind of error.
SHOWN = 8


def example_pictures(results: Sequence[FoldResult], examples: Examples) -> list[dict[str, Any]]:
    """The missed cases and false positives of a strategy, the most confident first, as plain values for the report.

    Of a class per element: the worst and the median rows (see `mask_pictures`).

    Every row is scored once: by the first repeat. [] if rows are no images.
    """
    pictures = next((part for part in leaves(examples.x) if _shows(part)), None)
    if pictures is None:
        return []
    if results[0].regions is not None:
        return mask_pictures(results, examples, pictures)
    first = [result for result in results if result.repeat == 0]
    rows, decision = (np.concatenate([getattr(result, name) for result in first]) for name in ("rows", "decision"))
    code = examples.positive
    proba = np.concatenate([result.proba[:, code] for result in first])
    truth, alert = examples.y[rows] == code, decision == code
    label = str(examples.classes[code])
    kinds = (
        (f"Missed cases: {label!r} predicted as another class", truth & ~alert, proba),
        (f"False positives: predicted as {label!r}, of another class", ~truth & alert, -proba),
    )
    errors = []
    for title, wrong, order in kinds:
        chosen = np.flatnonzero(wrong)
        chosen = chosen[np.argsort(order[chosen], kind="stable")][:SHOWN]
        shown = [_example(examples, pictures, int(rows[i]), int(decision[i]), float(proba[i])) for i in chosen]
        errors.append({"title": title, "count": int(wrong.sum()), "shown": shown})
    return errors


def _example(examples: Examples, pictures: Any, row: int, decided: int, proba: float) -> dict[str, Any]:
    pixels = pictures[np.array([row])][0]
    return {
        "src": thumbnail(pixels, *black_and_white(pixels, examples)),
        "name": f"row {row + 1}" if examples.names is None else str(examples.names[row]),
        "label": str(examples.classes[examples.y[row]]),
        "decided": str(examples.classes[decided]),
        "proba": proba,
    }


def _shows(part: Any) -> bool:
    """Whether an input is pictures: (N, height, width), or with 1 or 3 channels."""
    shape = part.shape
    flat = len(shape) == 3 or (len(shape) == 4 and shape[-1] in (1, 3))
    return flat and min(shape[1:3]) >= 4 and part.dtype.kind in "uif"

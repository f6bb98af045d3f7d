"""The images of a report: confident out-of-fold errors of the recommended strategy, and labels that look wrong.

Each has a heat map of where the saved model looked (see `classifier.heat_maps`). The pictures are part of the page
(`Comparison.page_record`), not of leaderboard.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.heat_maps import heat_maps, is_picture
from counterpoise.comparison.mask_pictures import black_and_white_values, mask_pictures
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.structure import leaves, take
from counterpoise.diagnosis.noise import suspicion
from counterpoise.report.heat import heat_thumbnail
from counterpoise.report.thumbnails import thumbnail
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Most pictures of each kind.
SHOWN = 8


def example_pictures(
    results: Sequence[FoldResult], examples: Examples, clf: Classifier | None = None
) -> list[dict[str, Any]]:
    """Return missed cases, false positives and doubtful labels of a strategy, the most confident first, for the report.

    One dict for each kind: {"title", "count", "shown"}. With a class per element: the worst and the median rows (see
    `mask_pictures`). Rows are those of the first repeat, which scores each row once. With several labels, only the
    rarest label is shown. The list is empty if rows are not images.

    Args:
        results: Those of the strategy.
        examples: The rows.
        clf: The saved model, whose heat maps are shown; None: no heat maps.
    """
    pictures = next((part for part in leaves(examples.x) if _is_showable(part)), None)
    if pictures is None:
        return []
    if results[0].regions is not None:
        return mask_pictures(results, examples, pictures)
    first = [result for result in results if result.repeat == 0]
    rows, decisions, probas = (
        np.concatenate([getattr(result, name) for result in first]) for name in ("rows", "decision", "proba")
    )
    problems = target_of(examples).problems(examples.y[rows], examples.classes)
    # Of several labels the problem of the rarest one; else there is a single problem.
    problem = problems[examples.positive if len(problems) > 1 else 0]
    classes = problem.classes if problem.index is None else (f"not {problem.name}", problem.name)
    code = examples.positive if problem.index is None else 1
    y, decision, proba = problem.y, problem.decision(decisions), problem.proba(probas)
    # `own` is the probability of the class `code`.
    truth, alert, own = y == code, decision == code, proba[:, code]
    label = str(classes[code])
    missed, false = np.flatnonzero(truth & ~alert), np.flatnonzero(~truth & alert)
    doubtful = np.array(suspicion(y, proba, np.arange(len(y)), code).rows, int)
    kinds = (
        (f"Missed cases: {label!r} predicted as another class", missed[np.argsort(own[missed], kind="stable")]),
        (f"False positives: another class predicted as {label!r}", false[np.argsort(-own[false], kind="stable")]),
        ("Labels that look wrong: another class is confidently predicted", doubtful),
    )
    shown = {title: chosen[:SHOWN] for title, chosen in kinds}
    # Each row gets one heat map, although it may be shown under two titles.
    needed = np.unique(np.concatenate(list(shown.values())))
    numbers = rows[problem.rows]
    heat = _heat_maps_or_none(
        clf, examples, numbers[needed], examples.classes[code if problem.index is None else problem.index]
    )
    heat_of = {} if heat is None else dict(zip(needed.tolist(), heat, strict=True))

    def example(i: int) -> dict[str, Any]:
        names = str(classes[y[i]]), str(classes[decision[i]])
        return _picture_record(examples, pictures, int(numbers[i]), names, float(own[i]), heat_of.get(i))

    return [
        {"title": title, "count": len(chosen), "shown": [example(int(i)) for i in shown[title]]}
        for title, chosen in kinds
    ]


def _heat_maps_or_none(clf: Classifier | None, examples: Examples, rows: Array, label: Any) -> Array | None:
    """Return heat maps of some rows, float32 (n, height, width), for the class `label`.

    None without a classifier or rows, and if the heat maps cannot be computed for any reason.
    """
    if clf is None or not len(rows):
        return None
    try:
        return heat_maps(clf, take(examples.x, rows), label)
    except Exception:  # a user's own layer may raise anything, and a report without heat maps is better than none
        return None


def _picture_record(
    examples: Examples, pictures: Any, row: int, names: tuple[str, str], proba: float, heat: Array | None
) -> dict[str, Any]:
    """Return one picture as plain values for the report, with thumbnail and heat map.

    `row` counts from 0, `names` are the true and the decided class, and `proba` belongs to the class of interest.
    """
    pixels = pictures[np.array([row])][0]
    ends = black_and_white_values(pixels, examples)
    return {
        "src": thumbnail(pixels, *ends),
        "heat": None if heat is None else heat_thumbnail(pixels, heat, *ends),
        "name": examples.row_name(row),
        "label": names[0],
        "decided": names[1],
        "proba": proba,
    }


def _is_showable(part: Any) -> bool:
    """Return whether an input of the model is pictures of numbers with at least 4 pixels on each side."""
    return is_picture(part) and min(part.shape[1:3]) >= 4 and part.dtype.kind in "uif"

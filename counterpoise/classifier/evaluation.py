"""What a classifier is worth on labeled rows: every metric with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.checks import check_no_class_lost, check_weights
from counterpoise.core.errors import ColumnError, OptionError, TargetError, did_you_mean
from counterpoise.core.masked import unmasked
from counterpoise.core.proportions import shares_of_classes
from counterpoise.core.records import Rule
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.labels import find_label
from counterpoise.decide.aim import Aim
from counterpoise.metrics import scores as sc
from counterpoise.metrics.catalog import FURTHER
from counterpoise.metrics.intervals import percentile
from counterpoise.metrics.measured import ROW_RESAMPLES, Scored, measure
from counterpoise.metrics.row_draws import row_draws

Array = np.ndarray
#: Where the partial area under the ROC curve ends.
MAX_FPR = 0.1


def evaluate(
    clf: Any, data: Any, y: Any = None, *, target: str | None = None, groups: Any = None, sample_weight: Any = None,
    resamples: int = 1000,
) -> dict[str, Any]:  # fmt: skip
    """Score a classifier on labeled rows that it was not trained on.

    Args:
        clf: The `Classifier`.
        data: Rows in any form that `predict` takes.
        y: Labels (N,); for a table they may stand in a column instead.
        target: Name of that column; None takes the column that was the target in training.
        groups: Group of each row (N,), or the name of a column: rows of one patient or customer are not independent, so
            whole groups are resampled.
        sample_weight: Weights (N,), or the name of a column: row i counts as w_i rows.
        resamples: Bootstrap draws; where rows are drawn one by one at most 200.

    Returns:
        `rows`, `classes` (label, count, share), `metrics` (key -> value, low, high at 95 %), with two classes `further`
        (the same for `FURTHER`: partial area, parts of the Brier score, net benefit, cost), `threshold`, `aim`, and
        `groups`, how many there are, or None.

    Raises:
        ColumnError: the column is absent. TargetError: a label that the classifier does not know, or one class only.
    """
    labels, rows, source = _labels(clf, data, y, target)
    codes = label_codes(labels, clf.classes_)
    beside = {"groups": _column(rows, groups, "groups"), "sample_weight": _weights(rows, sample_weight, len(codes))}
    check_no_class_lost(codes, beside["sample_weight"], clf.classes_.tolist())
    logits = clf.encoded_logits(clf.encoded(rows, source))
    said, raw = clf.said(logits), clf.raw(logits)
    metrics = measure(codes, said.proba, said.decision, raw, resamples=resamples, **beside)
    counts = np.bincount(codes, minlength=len(clf.classes_))
    return {
        "rows": len(codes),
        "groups": None if groups is None else len(np.unique(np.asarray(beside["groups"]).astype(str))),
        "classes": shares_of_classes(clf.classes_.tolist(), counts),
        "threshold": clf.rule.threshold,
        "aim": clf.rule.aim,
        "metrics": metrics,
        "further": further(codes, said.proba, said.decision, clf.rule, **beside) if clf.rule.offsets is None else {},
    }


def _column(rows: Any, given: Any, name: str) -> Any:
    """Values (N,) given as such or as the name of a column of the rows."""
    if not isinstance(given, str):
        return given
    if not hasattr(rows, "columns") or given not in rows.columns:
        raise ColumnError(
            f"there is no column {given!r} for {name}.{did_you_mean(given, getattr(rows, 'columns', ()))}"
        )
    return rows[given].to_numpy()


def _weights(rows: Any, given: Any, n: int) -> Array | None:
    found = _column(rows, given, "sample_weight")
    return None if found is None else check_weights(found, n)


def _labels(clf: Any, data: Any, y: Any, target: str | None) -> tuple[Any, Any, str | None]:
    """Labels, rows, and what to call the rows in a message."""
    if y is not None and not isinstance(y, str):
        return y, data, None
    if not is_table(data, table=False):
        raise OptionError("arrays hold no labels; pass y.")
    name = target or (y if isinstance(y, str) else None) or (clf.schema.target if clf.schema is not None else "target")
    text = () if clf.schema is None else tuple(c.name for c in clf.schema.categorical)
    frame, source, _ = to_frame(data, as_text=(name, *text))
    if name not in frame.columns:
        raise ColumnError(f"{source} lacks the target column {name!r}.{did_you_mean(name, frame.columns)}")
    return frame[name].to_list(), frame, source


def label_codes(labels: Any, classes: Array) -> Array:
    """Codes of labels, int64 (N,); compared as text, so that "1" is 1. A class that training merged takes its parts.

    Example:
        >>> label_codes(["1", 0, "0"], np.array([0, 1])).tolist()
        [1, 0, 0]
    """
    given = np.asarray(unmasked(labels), dtype=object).ravel()
    known = classes.tolist()
    texts = np.array(["" if label is None else str(label) for label in given])
    found = np.empty(len(given), dtype=np.int64)
    for text in np.unique(texts):
        rows = np.flatnonzero(texts == text)
        found[rows] = _code(given[rows[0]], known, int(rows[0]))
    return found


def _code(label: Any, known: list[Any], row: int) -> int:
    """By value or text; else a merged class "A+B" takes its parts, and "not L" takes the rest."""
    merged = [code for code, name in enumerate(known) if isinstance(name, str) and str(label) in name.split("+")]
    rest = [code for code, name in enumerate(known) if isinstance(name, str) and name.startswith("not ")]
    code = find_label(label, known)
    candidates = [code] if code is not None else [*merged, *rest]
    if label is None or str(label) == "" or not candidates:
        what = "is missing" if label is None or str(label) == "" else f"({label!r}) is none of its classes"
        raise TargetError(f"the label of row {row + 1} {what}; the classifier knows {', '.join(map(str, known[:8]))}.")
    return candidates[0]


def further(
    y: Array, proba: Array, decision: Array, rule: Rule, *, sample_weight: Array | None = None, groups: Any = None,
    resamples: int = ROW_RESAMPLES, level: float = 0.95, seed: int = 0,
) -> Scored:  # fmt: skip
    """The scores of `FURTHER` with intervals, for two classes; cost where the rule's aim names costs.

    The calibration error has no interval (nan): a resample repeats rows, and its noise is then not what is taken off.
    """
    goal, t = Aim.parse(rule.aim) if rule.aim != "given" else None, rule.threshold
    cost = None if goal is None or goal.name != "cost" else np.array([[0.0, goal.values[0]], [goal.values[1], 0.0]])

    def scores(rows: Array, w: Array | None) -> dict[str, float]:
        some, p = y[rows], proba[rows]
        parts = sc.brier_decomposition(some, p, sample_weight=w)
        found = {"partial_auc": sc.partial_auc(some, p, MAX_FPR, sample_weight=w),
                 "brier_reliability": parts.reliability, "brier_resolution": parts.resolution}  # fmt: skip
        if t is not None and 0 < t < 1:
            curve = sc.net_benefit(some, p, [t], sample_weight=w)
            found |= {"net_benefit": float(curve.model[0]), "net_benefit_everybody": float(curve.everybody[0])}
        return (
            found
            if cost is None
            else found | {"expected_cost": sc.expected_cost(some, decision[rows], cost, sample_weight=w)}
        )

    values = scores(np.arange(len(y)), sample_weight)
    draws = row_draws(scores, y, sample_weight=sample_weight, groups=groups, resamples=resamples, seed=seed)
    ends = {k: percentile(draws[k], level) for k in values}
    found = {k: {"value": float(v), "low": ends[k][0], "high": ends[k][1]} for k, v in values.items()}
    if sample_weight is None:
        error = float(sc.debiased_calibration_error(y, proba))
        found["calibration_error"] = {"value": error, "low": np.nan, "high": np.nan}
    return {k: found[k] for k in FURTHER if k in found}

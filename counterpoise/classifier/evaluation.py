"""What a classifier is worth on labeled rows: every metric with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core.checks import check_no_class_lost, check_weights
from counterpoise.core.errors import ColumnError, OptionError, TargetError, did_you_mean
from counterpoise.core.rule import Rule
from counterpoise.data.frames import is_table, to_frame
from counterpoise.data.image_set import ImageSet
from counterpoise.data.loading import dataset_kind, load_alone
from counterpoise.data.row_metadata import group_codes, weights
from counterpoise.data.schema import text_columns
from counterpoise.decide.aim import Aim
from counterpoise.metrics import scores as sc
from counterpoise.metrics.catalog import FURTHER
from counterpoise.metrics.intervals import percentile
from counterpoise.metrics.measured import ROW_RESAMPLES, Scored, joined_scores, measure
from counterpoise.metrics.row_draws import row_draws
from counterpoise.targets.reading import target_columns
from counterpoise.targets.shares import shares_of

Array = np.ndarray
#: Where the partial area under the ROC curve ends.
MAX_FPR = 0.1


def evaluate(
    clf: Any, data: Any, y: Any = None, *, target: Any = None, groups: Any = None, sample_weight: Any = None,
    resamples: int = 1000,
) -> dict[str, Any]:  # fmt: skip
    """Score a classifier on labeled rows that it was not trained on.

    Args:
        clf: The `Classifier`.
        data: Rows in any form that `predict` takes; a dataset gives its own labels and weights, images (`cp.images`)
            also their groups. Of images with a split the test images are scored.
        y: Labels (N,); for a table they may stand in a column instead.
        target: Name of that column, or names of several; None takes what was the target in training.
        groups: Group of each row (N,), or the name of a column: rows of one patient or customer are not independent, so
            whole groups are resampled.
        sample_weight: Weights (N,), or the name of a column: row i counts as w_i rows.
        resamples: Bootstrap draws; where rows are drawn one by one at most 200.

    Returns:
        `rows`, `classes` (label, count, share), `metrics` (key -> value, low, high at 95 %), with two classes `further`
        (the same for `FURTHER`: partial area, parts of the Brier score, net benefit, cost), `threshold`, `aim`, and
        `groups`, how many there are, or None. Of several labels per row, scores are means over the labels, without
        intervals, and `labels` has those of each label with intervals.

    Raises:
        ColumnError: the column is absent. TargetError: a label that the classifier does not know, or one class only.

    Example:
        >>> import numpy as np
        >>> from counterpoise.pipeline.fit import fit
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(400) < 0.2).astype(int)
        >>> x = rng.normal(size=(400, 2)) + 2 * y[:, None]
        >>> clf = fit("mlp", x[:300], y[:300], epochs=5, verbose=0)
        >>> scores = evaluate(clf, x[300:], y[300:], resamples=50)
        >>> scores["rows"], sorted(scores["metrics"]["recall"])
        (100, ['high', 'low', 'value'])
    """
    if isinstance(data, ImageSet):
        data, y, groups, sample_weight = _of_images(data)
    elif dataset_kind(data):
        data, y, sample_weight = load_alone(data, y, sample_weight)
    named = {name for name in (groups, sample_weight) if isinstance(name, str)}
    labels, rows, source = _labels(clf, data, y, target, named)
    codes = clf.target.codes(labels, clf.classes_)
    places, weight = _groups(rows, groups, source), _weights(rows, sample_weight, source, len(codes))
    check_no_class_lost(codes, weight, clf.classes_.tolist())
    drawn_by: dict[str, Any] = {"groups": places, "sample_weight": weight}
    logits = clf.encoded_logits(clf.encoded(rows, source))
    decision, raw = clf.decide_from_logits(logits), clf.raw(logits)
    problems = [p for p in clf.target.problems(codes, clf.classes_.tolist()) if len(np.unique(p.y)) > 1]
    each = [
        measure(
            p.y, p.proba(decision.proba), p.decision(decision.decision), p.proba(raw), resamples=resamples,
            **{name: p.of_rows(values) for name, values in drawn_by.items()},
        )
        for p in problems
    ]  # fmt: skip
    if not each:
        raise TargetError("the rows hold one class only; scores need rows of two classes at least.")
    one = clf.rule.offsets is None and problems[0].place is None
    return {
        "rows": len(codes),
        "groups": None if places is None else len(np.unique(places)),
        "classes": shares_of(clf.target, codes, clf.classes_.tolist()),
        "threshold": clf.rule.threshold,
        "aim": clf.rule.aim,
        "metrics": joined_scores(each)
        | _together(clf.target.together(codes, decision.proba, decision.decision, weight)),
        "further": further(codes, decision.proba, decision.decision, clf.rule, **drawn_by) if one else {},
        "labels": [
            {"label": p.name, "threshold": clf.rule.parts[p.place].threshold, "metrics": scores}
            for p, scores in zip(problems, each, strict=True)
            if p.place is not None
        ],
    }


def _together(scores: Mapping[str, float]) -> Scored:
    """Scores of all problems at once, without intervals."""
    return {key: {"value": float(value), "low": np.nan, "high": np.nan} for key, value in scores.items()}


def _of_images(found: ImageSet) -> tuple[ImageSet, Array, Array | None, Array | None]:
    """The images that judge (those of the test part, where there is one), their labels, groups and weights."""
    found = found if found.split is None else found.part("test")
    metadata = found.labeled_metadata
    arrays = metadata.arrays()
    weight = arrays["sample_weight"]
    return found, metadata.y.values, arrays["groups"], None if weight is None else weight.astype(float)


def _groups(rows: Any, given: Any, source: str | None) -> Array | None:
    """Codes of the groups, int64 (N,), as `fit` reads them."""
    if isinstance(given, str):
        return group_codes(_column(rows, given, "groups", source))
    return None if given is None else np.unique(np.asarray(given).astype(str), return_inverse=True)[1]


def _weights(rows: Any, given: Any, source: str | None, n: int) -> Array | None:
    if isinstance(given, str):
        return weights(_column(rows, given, "sample_weight", source)).astype(float)
    return None if given is None else check_weights(given, n)


def _column(rows: Any, name: str, role: str, source: str | None) -> pl.Series:
    if not isinstance(rows, pl.DataFrame):
        raise OptionError(f"{role}={name!r} names a column, but the data are arrays. Pass one value per row.")
    if name not in rows.columns:
        raise ColumnError(f"{source} lacks the column {name!r} for {role}.{did_you_mean(name, rows.columns)}")
    return rows[name]


def _labels(clf: Any, data: Any, y: Any, target: Any, named: set[str]) -> tuple[Any, Any, str | None]:
    """Labels, rows, and what to call the rows in a message; a table is read by the rules of `fit`."""
    given = y is not None and target_columns(y, is_table(data, table=False)) is None
    if not is_table(data, table=False) or (given and clf.schema is None):
        if not given:
            raise OptionError("arrays hold no labels; pass y.")
        return y, data, None
    wanted = target or (None if given else y) or clf.target.columns_of(clf.schema, clf.classes_.tolist())
    place = target_columns(wanted, table=True) or wanted
    labels = () if given else (place,) if isinstance(place, str) else place.columns
    used = {*labels, *named, *(c.name for c in (clf.schema.columns if clf.schema is not None else ()) if c.used)}
    frame, source, _ = to_frame(
        data, as_text=(*labels, *text_columns(clf.schema)),
        unused=lambda column: clf.schema is not None and column not in used,
    )  # fmt: skip
    if given:
        return y, frame, source
    absent = [name for name in labels if name not in frame.columns]
    if absent:
        raise ColumnError(f"{source} lacks the target column {absent[0]!r}.{did_you_mean(absent[0], frame.columns)}")
    return frame[place] if isinstance(place, str) else place.read(frame.select(labels)), frame, source


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
    draws = row_draws(
        lambda rows: partial(scores, rows),
        y,
        sample_weight=sample_weight,
        groups=groups,
        resamples=resamples,
        seed=seed,
    )
    ends = {k: percentile(draws[k], level) for k in values}
    found = {k: {"value": float(v), "low": ends[k][0], "high": ends[k][1]} for k, v in values.items()}
    if sample_weight is None:
        error = float(sc.debiased_calibration_error(y, proba))
        found["calibration_error"] = {"value": error, "low": np.nan, "high": np.nan}
    return {k: found[k] for k in FURTHER if k in found}

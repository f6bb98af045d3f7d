"""The evaluation of a classifier on labeled rows: every metric with its interval; and the reading of such rows.

The keys of the result are printed by `counterpoise evaluate --json` and read by `evaluation_summary`,
`cli.evaluation_tables` and `report.card_page`. `importance` reads its rows with `labeled_rows`.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from counterpoise.classifier.by_group import scores_by_group
from counterpoise.classifier.evaluation_summary import Evaluation
from counterpoise.classifier.further import Stakes, further_scores
from counterpoise.classifier.region_evaluation import region_metrics, sampled_logits_and_regions
from counterpoise.classifier.rows import row_shape, with_column_values
from counterpoise.classifier.threshold_spread import decisions_at, threshold_spread
from counterpoise.classifier.unit_scores import unit_scores, units_to_score, unscored_text
from counterpoise.core.checks import check_classifier, check_int, check_lengths, check_no_class_lost, check_weights
from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import ColumnError, OptionError, TargetError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.label_columns import LabelColumns, as_in_training, split_off_labels, target_columns
from counterpoise.core.labels import Labels
from counterpoise.core.structure import leaves
from counterpoise.core.target import Problem
from counterpoise.data.amounts import amounts_of
from counterpoise.data.frames import check_row_order, is_table, to_frame
from counterpoise.data.image_set import ImageSet
from counterpoise.data.loading import dataset_kind, load_without_y
from counterpoise.data.read_options import named_columns
from counterpoise.data.row_metadata import group_codes, joined_groups, value_series, weights
from counterpoise.data.schema import text_columns
from counterpoise.data.unit_columns import columns_of_names, unit_names
from counterpoise.decide.costs import cost_matrix
from counterpoise.decide.rule import Decision
from counterpoise.metrics.measured import joint_intervals, mean_over_problems, measure, without_intervals
from counterpoise.metrics.reliability import reliability_table
from counterpoise.metrics.review_scores import review_scores
from counterpoise.targets.kinds import target_of
from counterpoise.targets.shares import shares_of
from counterpoise.targets.thresholds import group_thresholds_entry

Array = np.ndarray
#: Most bootstrap draws for scores of elements (pixels or steps), of which there are many.
ELEMENT_RESAMPLES = 60
#: Groups from which their bootstrap is reliable.
ENOUGH_GROUPS = 20


def evaluate(
    clf: Any, data: Any, y: Any = None, *, target: Any = None, groups: Any = None, unit: Any = None,
    sample_weight: Any = None, by: Any = (), costs: Any = None, cost_column: Any = None, cost_fp: float = 0.0,
    first: int | None = None, resamples: int = 1000,
) -> Evaluation:  # fmt: skip
    """Score a classifier on labeled rows that it was not trained on.

    Args:
        clf: The `Classifier`.
        data: Rows in any form that `predict` accepts. A dataset contains its own labels and weights, images
            (`cp.images`) also their groups. If images have a split, only the test images are scored.
        y: Labels (N,). The labels of a table can also be a column, see `target`.
        target: Name of the label column, or names of several columns. None: the target of training.
        groups: Group of each row (N,), or the name of a column. Rows of one patient or customer are not independent, so
            whole groups are resampled.
        unit: Unit of each row, if the classifier decides units (see `fit`): names of columns, or values (N,). Default:
            the columns of training, if the table has them. Images contain their units. Whole units are then resampled.
        sample_weight: Weights (N,), or the name of a column: row i counts as w_i rows.
        by: Columns whose values are scored separately (for example sex or site): a name, names, or `{name: values
            (N,)}`. If the classifier has a threshold for each group, the column of these groups is always included.
        costs: Cost of each decision, (C, C) [true, decided] or `{true label: {decided label: cost}}`. Default: the
            costs of the classifier, if it decides by costs.
        cost_column: Cost of missing each row (an amount), (N,) or the name of a column; two classes only. Default: the
            cost column of the classifier, if it has one.
        cost_fp: Cost of a false positive with `cost_column`.
        first: Number of rows with the highest probability that are scored separately; two classes only.
        resamples: Number of bootstrap draws. If rows are drawn one by one, at most 200, and at most 60 for scores of
            elements.

    Returns:
        A dictionary that prints as a short summary. Its keys: `rows`, `classes` (label, count, share; with weights also
        `weighted_share`), `metrics` (key -> value, 95% CI), `further` (the same for `FURTHER`: cost per case, and with
        two classes partial area, parts of the Brier score, net benefit), `aim`, `threshold`, `threshold_spread` (see
        `classifier.threshold_spread`), `reliability` (see `metrics.reliability`), `by` (see `classifier.by_group`),
        `review` (see `metrics.review_scores`), and `groups` (their number, or None). `review` is None if no row goes to
        a human. All other scores are for decisions without a human. With several labels per row, scores are means over
        the labels, and `labels` contains the scores of each label with intervals. The intervals of average precision,
        ROC AUC and log loss are from draws of rows with all their labels. With a class for each element, `metrics` also
        contains overlaps and lesions of whole rows. All intervals are then from draws of rows or groups, and `groups`
        is their number.

    Raises:
        ColumnError: The column is absent. DataError: The numbers of rows, labels, groups, weights, or units differ.
        TargetError: A label is unknown to the classifier, or the rows contain only one class.
        OptionError: An option does not fit the classes or the rows, or is passed with images, which contain it.

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
    check_classifier(clf, "evaluate")
    check_int(resamples, "resamples")
    if isinstance(data, ImageSet):
        _check_only_images(y=y, target=target, groups=groups, unit=unit, sample_weight=sample_weight)
        _warn_read_otherwise(clf, data)
        data, y, groups, sample_weight = _test_images_and_labels(data)
    elif dataset_kind(data):
        data, y, sample_weight = load_without_y(data, y, sample_weight, row_shape(clf, data))
    columns = named_columns(by)
    check_row_order(
        data,
        {
            "y": y, "groups": groups, "unit": unit, "sample_weight": sample_weight, "cost_column": cost_column,
            **columns,
        },
    )  # fmt: skip
    if clf.rule.by is not None:
        columns.setdefault(clf.rule.by.name, clf.rule.by.name)
    named = {name for name in (groups, sample_weight, cost_column, *columns.values()) if isinstance(name, str)}
    named |= {*([] if clf.unit is None else clf.unit.columns), *unit_names(unit, ())}
    y, target = _read_as_in_training(clf, y, target)
    if isinstance(target, (str, LabelColumns)):
        data, read = split_off_labels(data, target)
        y, target = (read, None) if isinstance(read, Labels) else (y, target)
    names = columns_of_names(groups, unit, () if clf.unit is None else clf.unit.columns)
    labels, rows, source = _labels_and_rows(clf, data, y, target, named, names)
    codes = clf.target.codes(labels, clf.classes_)
    elements = tuple(clf.members.outputs[0].shape[1:-1])
    if clf.target.per_element and codes.shape[1:] != elements:
        raise TargetError(f"y has shape {codes.shape}. Expected {(len(codes), *elements)}, one class for each element.")
    group = _group_codes(rows, groups, source, len(codes))
    weight = _row_weights(rows, sample_weight, source, len(codes))
    units = units_to_score(clf, rows, unit)
    _check_one_per_label(codes, groups=group, sample_weight=weight, unit=None if units is None else units.codes)
    if units is not None:
        group = units.codes if group is None else joined_groups(group, units.codes)
    examples = Examples(rows, codes, tuple(clf.classes_.tolist()), sample_weight=weight, kind=clf.kind)
    check_no_class_lost(examples.strata, weight, clf.classes_.tolist())
    column = clf.rule.column
    stakes = _checked_stakes(clf, rows, source, costs, cost_column, cost_fp, first, len(codes))
    grouped = {
        name: _named_column(rows, given, "by", source)
        if isinstance(given, str)
        else value_series(given, f"by={name!r}", len(codes))
        for name, given in columns.items()
    }
    (encoded, values), regions = with_column_values(clf, rows, column, source), {}
    check_lengths({"data": leaves(encoded)[0], "y": codes})
    if isinstance(column, CostColumn) and stakes.costs is None and stakes.amount is None:
        stakes = replace(stakes, amount=values, cost_fp=column.cost_fp)
    examples = replace(examples, x=encoded, groups=group, units=units, amount=stakes.amount).counted()
    encoded, codes, weight = examples.x, examples.y, examples.sample_weight
    group, units, stakes = examples.groups, examples.units, replace(stakes, amount=examples.amount)
    if examples.numbers is not None:  # some rows were left out
        values = None if values is None else values[examples.numbers]
        grouped = {name: given[examples.numbers] for name, given in grouped.items()}
    if group is not None and 1 < (count := len(np.unique(group))) < ENOUGH_GROUPS:
        warnings.warn(
            f"The rows are in {count} groups. Intervals from fewer than {ENOUGH_GROUPS} groups are too narrow. "
            "Evaluate rows of more groups.",
            UserWarning,
            stacklevel=2,
        )
    if clf.target.per_element:
        logits, decided = sampled_logits_and_regions(clf, encoded, examples)
        regions = region_metrics(decided, group, resamples, weight)
    else:
        logits = clf.encoded_logits(encoded, examples.scored_outputs)
    everything, drawn = np.arange(len(codes)), min(resamples, ELEMENT_RESAMPLES) if regions else resamples
    codes, weight = examples.scored_labels(everything), examples.scored_weights(everything)
    log_p, raw = clf.log_p(logits), clf.raw(logits)
    predicted = clf.target.apply(clf.rule.unreviewed, log_p, values)
    problems = clf.target.problems(codes, clf.classes_.tolist())
    spread = threshold_spread(clf.rule, clf.scores, resamples=min(resamples, 200))
    if (p := problems[0]).row_groups is not None:  # from here on every element is a row of its group
        rows_of = everything if group is None else group
        codes, weight, group = p.y.astype(np.int64), p.of_rows(weight), p.of_rows(rows_of)
        predicted, raw = Decision(p.proba(predicted.proba), p.decision(predicted.decision)), p.proba(raw)
        grouped = {name: p.of_rows(np.asarray(values)) for name, values in grouped.items()}
        problems = (Problem(np.arange(len(codes)), codes, p.classes),)
    drawn_by: dict[str, Any] = {"groups": group, "sample_weight": weight}
    scored = [p for p in problems if len(np.unique(p.y)) > 1]
    each = [
        measure(
            p.y, p.proba(predicted.proba), p.decision(predicted.decision), p.proba(raw), resamples=drawn,
            **{name: p.of_rows(values) for name, values in drawn_by.items()},
        )
        for p in scored
    ]  # fmt: skip
    if not each:
        raise TargetError(
            "The rows contain only one class, but scores need at least two classes. Pass rows of the other classes too."
        )
    one = problems[0].index is None  # one class per row, not several labels
    if unscored := [p for p in problems if len(np.unique(p.y)) < 2 and not one]:
        warnings.warn(unscored_text(unscored, "rows"), UserWarning, stacklevel=2)
    scores = mean_over_problems(each)
    if len(scored) > 1:
        labels_of = [(p.rows, p.y, p.proba(predicted.proba)) for p in scored]
        for key, (low, high) in joint_intervals(labels_of, len(codes), resamples=drawn, **drawn_by).items():
            scores[key] |= {"low": low, "high": high}
    at_ends = None if spread is None else decisions_at(spread, codes, predicted.proba[:, 1], weight)
    together = clf.target.joint_scores(codes, predicted.proba, predicted.decision, weight)
    fewer: dict[str, Any] = {"resamples": drawn} if regions else {}
    beyond = (
        further_scores(codes, predicted.proba, predicted.decision, clf.rule, stakes, **drawn_by, **fewer) if one else {}
    )
    return Evaluation({
        "rows": len(examples),
        "groups": None if group is None else len(np.unique(group)),
        "classes": shares_of(clf.target, examples.y, clf.classes_.tolist(), examples.sample_weight),
        "threshold": clf.rule.threshold,
        "thresholds_by": None if clf.rule.by is None else group_thresholds_entry(clf.rule.by),
        "threshold_spread": at_ends,
        "aim": clf.rule.aim,
        "metrics": scores | without_intervals(together) | regions,
        "further": beyond,
        "reliability": reliability_table(scored, predicted.proba, weight),
        "by": scores_by_group(grouped, problems, predicted.proba, predicted.decision, **drawn_by),
        "review": None
        if clf.rule.review is None
        else review_scores(
            codes, clf.target.apply(clf.rule, log_p, values).decision, clf.classes_.tolist(), **drawn_by
        ),
        "labels": [
            {"label": p.name, "threshold": clf.rule.problem_rules[p.index].threshold, "metrics": scores}
            for p, scores in zip(scored, each, strict=True)
            if p.index is not None
        ],
        "units": None if units is None else unit_scores(clf, units, codes, predicted.proba, group, weight, resamples),
    })  # fmt: skip


def _read_as_in_training(clf: Any, y: Any, target: Any) -> tuple[Any, Any]:
    """Return `y` and `target` of `evaluate`, with the options by which several labels per row were read in training.

    Both stay as they are if these options are the default, or if the user passed `cp.labels(...)`.
    """
    options = clf.label_options if clf.target.independent else ()
    given = target if target is not None else y
    if not options or isinstance(given, (Labels, LabelColumns)):
        return y, target
    if given is None:
        return y, _training_columns(clf) if "column" in dict(options) else None
    read = as_in_training(given, options)
    return (y, read) if target is not None or read.columns else (read, None)


def _training_columns(clf: Any) -> Any:
    """Return the column, or the columns, of a table that contained the target in training."""
    return clf.target.columns_of(clf.schema, clf.classes_.tolist(), dict(clf.label_options))


def _warn_read_otherwise(clf: Any, images: ImageSet) -> None:
    """Warn if the labels of images were read in the default way, but those of training by options of `cp.labels`."""
    trained = {name: value for name, value in clf.label_options if name in ("missing", "uncertain")}
    given = {} if images.metadata is None else dict(images.metadata.y.options)
    unknown = clf.target.independent and (images.labeled_metadata.y.codes < 0).any()
    if trained and unknown and not given.keys() & {"missing", "uncertain"}:
        options = ", ".join(f"{name}={value!r}" for name, value in trained.items())
        warnings.warn(
            f"Some labels of these images are unknown, because they were read without options, but those of training "
            f"with {options}. To read them as in training, pass target=cp.labels([...], {options}) to cp.images.",
            UserWarning,
            stacklevel=3,
        )


def _checked_stakes(
    clf: Any, rows: Any, source: str | None, costs: Any, cost_column: Any, cost_fp: float, first: int | None, n: int
) -> Stakes:
    """Return the arguments of `evaluate` for costs and review as a checked `Stakes`.

    `n` is the number of rows.
    With many labels per row none of the arguments is allowed. With a class per element only `costs` is.

    Raises:
        OptionError: The arguments do not fit the classes, the kind of labels, or the number of rows.
    """
    if clf.target.many_per_row and not ((costs is None or clf.target.per_element) and cost_column is first is None):
        raise OptionError(
            "costs=, cost_column=, and first= need one class per row, but these rows have "
            f"{clf.target.what}. Leave these arguments out."
        )
    matrix = None if costs is None else cost_matrix(costs, clf.classes_.tolist())
    given = None if cost_column is None else _column_or_values(rows, cost_column, "cost_column", source)
    amount = (
        None
        if given is None
        else amounts_of(given, cost_column if isinstance(cost_column, str) else "cost_column", clf.schema)
    )
    if amount is not None and len(amount) != n:
        raise OptionError(f"cost_column has {len(amount):,} values for {n:,} rows. Pass one value for each row.")
    return Stakes(matrix, amount, cost_fp, first).checked(n, len(clf.classes_) == 2)


def _column_or_values(rows: Any, given: Any, role: str, source: str | None) -> Any:
    """Return given values (N,) unchanged, or the values of the column that `given` names.

    `role` is the argument, for messages.
    """
    return _named_column(rows, given, role, source) if isinstance(given, str) else given


def labeled_rows(
    clf: Any, data: Any, y: Any, target: Any, groups: Any
) -> tuple[Array, tuple[Any, str | None], Array | None]:
    """Read labeled rows of one class each for `importance`: as `evaluate` does, without weights and units.

    Returns:
        Class codes (N,); the rows and their name in messages (None for arrays); group codes int64 (N,) or None.
    """
    if isinstance(data, ImageSet):
        _check_only_images(y=y, target=target, groups=groups)
        data, y, groups, _ = _test_images_and_labels(data)
    elif dataset_kind(data):
        data, y, _ = load_without_y(data, y, None, row_shape(clf, data))
    check_row_order(data, {"y": y, "groups": groups})
    named = {groups} if isinstance(groups, str) else set()
    labels, rows, source = _labels_and_rows(clf, data, y, target, named, tuple(named))
    codes = clf.target.codes(labels, clf.classes_)
    group = _group_codes(rows, groups, source, len(codes))
    _check_one_per_label(codes, groups=group)
    return codes, (rows, source), group


def _check_one_per_label(codes: Array, **values: Array | None) -> None:
    """Raise a DataError if an argument has another number of values than there are labels."""
    check_lengths({"y": codes, **{name: given for name, given in values.items() if given is not None}})


def _check_only_images(**given: Any) -> None:
    """Raise an OptionError if an argument is passed with images, which contain its values."""
    for name, value in given.items():
        if value is not None:
            raise OptionError(f"{name}= cannot be passed with images. Name its column in cp.images(...).")


def _test_images_and_labels(pictures: ImageSet) -> tuple[ImageSet, Any, Array | None, Array | None]:
    """Return the test images with their labels, group codes, and float weights (N,).

    Without a split, all images are returned. Groups and weights are None if they are absent.
    """
    pictures = pictures if pictures.split is None else pictures.part("test")
    metadata = pictures.labeled_metadata
    arrays = metadata.arrays()
    weight = arrays["sample_weight"]
    labels = metadata.y if target_of(metadata.y).many_per_row else metadata.y.values
    return pictures, labels, arrays["groups"], None if weight is None else weight.astype(float)


def _group_codes(rows: Any, given: Any, source: str | None, n: int) -> Array | None:
    """Return the codes of the groups, int64 (n,), from values or the name of a column.

    Equal groups have equal codes, as in `fit`. The result is None without groups.

    Raises:
        ColumnError: A row has no group. DataError: The values are not one for each of the `n` rows.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return group_codes(_named_column(rows, given, "groups", source))
    return group_codes(value_series(given, "groups", n))


def _row_weights(rows: Any, given: Any, source: str | None, n: int) -> Array | None:
    """Return checked weights float (N,), from values or the name of a column.

    The result is None if no weights are given.
    """
    if isinstance(given, str):
        return weights(_named_column(rows, given, "sample_weight", source)).astype(float)
    return None if given is None else check_weights(given, n)


def _named_column(rows: Any, name: str, role: str, source: str | None) -> pl.Series:
    """Return a column of the rows; raise an error if the rows are arrays or lack this column.

    `role` is the argument that names the column, and `source` is the name of the rows, both for messages.
    """
    if not isinstance(rows, pl.DataFrame):
        raise OptionError(
            f"{role}={name!r} names a column, but the rows are arrays, which have no columns. Pass one value per row."
        )
    if name not in rows.columns:
        raise ColumnError(f"{source} lacks the column {name!r} for {role}.{did_you_mean(name, rows.columns)}")
    return rows[name]


def _labels_and_rows(
    clf: Any, data: Any, y: Any, target: Any, named: set[str], names: Sequence[str] = ()
) -> tuple[Any, Any, str | None]:  # fmt: skip
    """Return labels, rows, and the name of the rows in messages.

    Arrays are returned as they are, with the name None. A table is read as in `fit`, without its unused columns.
    `named` contains the columns that other arguments of `evaluate` name, so they are read too;
    `names` are those of groups and units, which are read as text.
    """
    given = y is not None and target_columns(y, is_table(data, table=False)) is None
    if not is_table(data, table=False) or (given and clf.schema is None):
        if not given:
            raise OptionError("The rows are arrays, which contain no labels. Pass y.")
        return y, data, None
    wanted = target or (None if given else y) or _training_columns(clf)
    where = target_columns(wanted, table=True) or wanted
    labels = () if given else (where,) if isinstance(where, str) else where.columns
    deciding = [] if clf.rule.column is None else [clf.rule.column.name]
    features = clf.schema.columns if clf.schema is not None else ()
    used = {*labels, *named, *deciding, *(c.name for c in features if c.used)}
    frame, source, _ = to_frame(
        data, as_text=(*labels, *text_columns(clf.schema), *names),
        unused=lambda column: clf.schema is not None and column not in used, lists=labels,
    )  # fmt: skip
    if given:
        return y, frame, source
    absent = [name for name in labels if name not in frame.columns]
    if absent:
        hint = did_you_mean(absent[0], frame.columns)
        if len(labels) > 1 and target is None:
            hint += (
                " If one column contains all labels of a row, pass target=COLUMN. If this column contains text, pass "
                "target=cp.labels(COLUMN, separator=...)."
            )
        raise ColumnError(f"{source} lacks the target column {absent[0]!r}.{hint}")
    return frame[where] if isinstance(where, str) else where.read(frame.select(labels)), frame, source

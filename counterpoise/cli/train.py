"""`counterpoise train`: one strategy, one model file; and its options of aims and costs as arguments of `decide`.

It is `cp.fit`, then `Classifier.decide`, then `save`. Options are checked before the rows are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from counterpoise.cli import options as o
from counterpoise.cli.builders import model_parts, resolve_model
from counterpoise.cli.costs import read_costs
from counterpoise.cli.rows import read_table
from counterpoise.cli.summary import train_summary
from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.core.keras_import import import_keras_quietly

if TYPE_CHECKING:
    from counterpoise.core.examples import Examples

NAME = "train"
#: Aims that --confidence can guarantee.
FLOORS = {"recall_floor", "precision_floor"}


def command(
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Model file to write, NAME.keras.", show_default=False)],
    strategy: Annotated[
        str, typer.Option(help="Name of the strategy, as listed by `counterpoise strategies`.")
    ] = "none",
    target: o.Target = None,
    labels_prefix: o.LabelsPrefix = None,
    separator: o.Separator = None,
    missing: o.Missing = None,
    uncertain: o.Uncertain = None,
    positive: o.Positive = None,
    one_vs_rest: o.OneVsRest = None,
    merge_rare: o.MergeRare = None,
    drop: o.Drop = None,
    groups: o.Groups = None,
    unit: o.Unit = None,
    aggregate: o.Aggregate = None,
    time: o.Time = None,
    split: o.Split = None,
    skip_bad: o.SkipBad = False,
    images: o.Images = None,
    features: o.Features = None,
    root: o.Root = None,
    groups_from: o.GroupsFrom = None,
    size: o.Size = None,
    range: o.Range = None,
    aspect: o.Aspect = None,
    cache: o.Cache = None,
    ignore: o.Ignore = None,
    augment: o.Augment = None,
    flip: o.Flip = None,
    contrast: o.Contrast = None,
    model: o.Model = "auto",
    trust: o.Trust = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    seed: o.Seed = 0,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Number of folds for correction and threshold. The saved model is trained on all rows."
        ),
    ] = None,
    tune_threshold: Annotated[
        bool | None,
        typer.Option(
            help="Tune the threshold on held-out rows. Default: yes, but not on the validation rows of --split.",
            show_default=False,
        ),
    ] = None,
    guarantee_rows: Annotated[
        float | None,
        typer.Option(help="Share of rows kept out of training for a guarantee. Requires --confidence."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="Confidence of the guarantee, such as 0.95. Requires --recall-floor or --precision-floor."),
    ] = None,
    recall_floor: Annotated[
        float | None, typer.Option(help="Minimum recall. The threshold then gives as few alerts as possible.")
    ] = None,
    precision_floor: Annotated[
        float | None, typer.Option(help="Minimum precision. The threshold then finds as many cases as possible.")
    ] = None,
    cost_fp: Annotated[
        float | None, typer.Option(help="Cost of a false positive. Requires --cost-fn or --cost-column.")
    ] = None,
    cost_fn: Annotated[float | None, typer.Option(help="Cost of a missed case. Requires --cost-fp.")] = None,
    alerts: Annotated[
        int | None, typer.Option(help="Maximum alerts per 10,000 rows. May be combined with --recall-floor.")
    ] = None,
    lesion_false_positives: Annotated[
        float | None,
        typer.Option(
            help="Maximum false positive lesions per image. The threshold then finds as many lesions as possible."
        ),
    ] = None,
    cost_column: o.CostColumn = None,
    costs: o.Costs = None,
    threshold_by: Annotated[
        str | None,
        typer.Option(
            help="Column of groups, for one threshold per group (may be unlawful). "
            "Requires --recall-floor, --precision-floor, or --alerts.",
            show_default=False,
        ),
    ] = None,
    review_alpha: Annotated[
        float | None,
        typer.Option(help="Maximum share of each class that is decided wrongly. Unclear rows are marked 'review'."),
    ] = None,
) -> None:
    """Train one strategy, and save the model with its correction and threshold in one file."""
    from counterpoise.data.given_split import check_divisible
    from counterpoise.decide.costs import cost_matrix
    from counterpoise.pipeline.reading import named_inputs_of
    from counterpoise.strategies.select import find

    column = cost_column_options(cost_column, cost_fp, cost_fn)
    cost = (None if column else cost_fp, cost_fn)
    aim = aim_options(recall_floor, precision_floor, *cost, alerts, lesion_false_positives)
    if confidence is not None:
        _check_guarantee(aim, confidence)
    if review_alpha is not None:
        check_range(review_alpha, "--review-alpha", 0, 1, "()")
    # Without an aim its key is "" and its value None, so it is not among `both`.
    given = {"--costs": costs, "--cost-column": cost_column, "" if aim is None else _option_names(aim): aim}
    if len(both := [name for name, value in given.items() if value is not None]) > 1:
        raise OptionError(f"{both[0]} and {both[1]} cannot be combined. Remove one of them.")
    if tune_threshold is False and aim is not None and "cost" not in aim and confidence is None:
        raise OptionError(
            f"--no-tune-threshold cannot be combined with {_option_names(aim)}, because the threshold is then chosen "
            "on held-out rows. Remove one of them."
        )
    matrix = None if costs is None else read_costs(costs)
    if threshold_by is not None and (aim is None or "cost" in aim or len(aim) > 1 or confidence is not None):
        raise OptionError(
            "--threshold-by requires exactly one of --recall-floor, --precision-floor, and --alerts, without costs or "
            "--confidence. Change these options, or remove --threshold-by."
        )
    o.check_file(out, ".keras", [data, *model_parts(model)])
    chosen = find(strategy)
    network, moves = resolve_model(model, trust), o.augmentation_options(augment, flip, contrast)
    how = o.data_options(
        positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad, split, unit, aggregate, cost_column,
        threshold_by,
    )  # fmt: skip
    pictures = o.picture_options(size, range, images, root, groups_from, aspect, features, cache, ignore)
    named = o.target_named(target, separator, missing, uncertain, labels_prefix, data)
    check = partial(check_divisible, folds=folds or 0, seed=seed, judged=False)
    examples = read_table(data, named, pictures, check, text=model == "text", inputs=named_inputs_of(network), **how)
    import_keras_quietly()
    from counterpoise.targets.kinds import target_of

    if lesion_false_positives is not None and not target_of(examples).per_element:
        raise OptionError(
            "--lesion-false-positives is for images with masks, but these rows have no class per pixel. "
            "Remove --lesion-false-positives."
        )
    of_rows = {"--costs": matrix, "--cost-column": cost_column, "--threshold-by": threshold_by}
    _check_kind(examples, aim, confidence, {**of_rows, "--review-alpha": review_alpha})
    if matrix is not None:
        cost_matrix(matrix, examples.classes)  # labels that there are not are an error before training
    problems = target_of(examples).problems(examples.y[:0], examples.classes)
    if (aim is not None or column) and any(len(p.classes) > 2 for p in problems):
        labels, what = ", ".join(map(str, examples.classes[:6])), _option_names(aim) if aim else "--cost-column"
        raise OptionError(
            f"{what} is for two classes, but {data.name} has {len(examples.classes)}: {labels}. Compare one "
            f"class with all others: --one-vs-rest {examples.classes[examples.positive]}"
        )
    from counterpoise.core.examples import TEST
    from counterpoise.pipeline.fit import fit

    tested = examples.split is not None and len(examples.rows_with_role(TEST)) > 0
    if confidence is not None and guarantee_rows is None and not tested:
        guarantee_rows = 0.2  # test rows of a split support the guarantee; without them a part is kept out
    if review_alpha is not None and guarantee_rows is None and not tested:
        guarantee_rows = 0.2
    if aim is not None and tune_threshold is None:
        tune_threshold = True  # an aim is a threshold to be chosen
    clf = fit(
        network, examples, strategy=chosen, folds=folds, guarantee_rows=guarantee_rows, epochs=o.or_auto(epochs),
        batch_size=o.or_auto(batch_size), seed=seed, tune_threshold=tune_threshold,
        **moves,
    )  # fmt: skip
    if aim is not None or matrix is not None or column or review_alpha is not None:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # the notes below have it
            clf = clf.decide(
                confidence=confidence, costs=matrix, review_alpha=review_alpha, by=threshold_by, **column, **(aim or {})
            )
    clf.save(out)
    threshold = clf.card["threshold"] if clf.unit is None else clf.card["unit"]["threshold"]
    notes = [str(threshold[key]) for key in ("budgets", "review") if threshold.get(key)]
    next_step = ""
    if confidence is not None or column or threshold_by or (aim is not None and set(aim) <= FLOORS):
        notes.append(threshold["text"])
    if confidence is None and threshold_by is None and aim is not None and set(aim) <= FLOORS:
        next_step = "For a guarantee, add --confidence 0.95. It sets aside rows that support the guarantee."
    for line in train_summary(clf, strategy, len(examples), out, tuple(notes), next_step).lines():
        o.print_note(line, out)


def cost_column_options(cost_column: str | None, cost_fp: float | None, cost_fn: float | None) -> dict[str, Any]:
    """Return the cost column and its cost as arguments of `Classifier.decide`; empty without a cost column.

    Raises:
        OptionError: `cost_fp` is absent or out of range, or `cost_fn` is passed too.
    """
    from counterpoise.decide.costs import checked_cost_column

    if cost_column is None:
        return {}
    if cost_fp is None or cost_fn is not None:
        raise OptionError(
            "--cost-column contains the cost of a missed case. Add --cost-fp, the cost of a false positive. "
            "Remove --cost-fn if it is there."
        )
    checked_cost_column(cost_column, cost_fp)  # raises an error if the cost is out of range
    return {"cost_column": cost_column, "cost_fp": cost_fp}


def aim_options(
    recall_floor: float | None, precision_floor: float | None, cost_fp: float | None, cost_fn: float | None,
    alerts: int | None, lesion_false_positives: float | None = None,
) -> dict[str, Any] | None:  # fmt: skip
    """Return the chosen aim, or a recall floor with an alert budget, as arguments of `Classifier.decide`.

    The result is None if no option is given. `alerts` is per 10,000 rows.

    Raises:
        OptionError: several aims, one cost without the other, or a number out of range.
    """
    from counterpoise.decide.aim import Aim

    if (cost_fp is None) != (cost_fn is None):
        raise OptionError("--cost-fp and --cost-fn must be used together. Add the missing option.")
    wanted: dict[str, Any] = {}
    if recall_floor is not None:
        wanted["recall_floor"] = recall_floor
    if precision_floor is not None:
        wanted["precision_floor"] = precision_floor
    if cost_fp is not None:
        wanted["cost"] = (cost_fp, cost_fn)
    if lesion_false_positives is not None:
        wanted["lesion_false_positives"] = lesion_false_positives
    if alerts is not None:
        wanted["alerts"] = (alerts, 10_000)
    if len(wanted) > 1 and set(wanted) != {"recall_floor", "alerts"}:
        raise OptionError(
            f"{_option_names(wanted)} cannot be combined, because a threshold has one aim. Keep only one of "
            "these options."
        )
    for name, value in wanted.items():
        Aim(name, value if isinstance(value, tuple) else (value,))  # raises an error if the number is out of range
    return wanted or None


def _check_guarantee(aim: Mapping[str, Any] | None, confidence: float) -> None:
    """Raise an OptionError unless the aim consists of floors only, and the confidence is between 0 and 1."""
    if not (aim and set(aim) <= FLOORS):
        raise OptionError("--confidence requires --recall-floor or --precision-floor. Add one of them.")
    if not 0 < confidence < 1:
        raise OptionError(f"--confidence is {confidence:g}. Expected a number between 0 and 1, such as 0.95.")


def _check_kind(
    examples: Examples, aim: Mapping[str, Any] | None, confidence: float | None, of_rows: Mapping[str, Any]
) -> None:
    """Raise an OptionError for an option that `Classifier.decide` refuses for this kind of rows, before the training.

    `of_rows` are options for one class per row, with their values.
    """
    from counterpoise.core.review import REVIEW
    from counterpoise.targets.kinds import target_of

    target, given = target_of(examples), [name for name, value in of_rows.items() if value is not None]
    if target.per_element and "--costs" in given:
        given.remove("--costs")  # each pixel is decided by costs as a row is
    if target.many_per_row and given:
        raise OptionError(f"{given[0]} needs one class per row, but these rows have {target.what}. Remove {given[0]}.")
    if target.independent and aim is not None and len(aim) > 1:
        raise OptionError(
            f"{_option_names(aim)} cannot be combined for several labels per row. Keep only one of these options."
        )
    if target.per_element and confidence is not None:
        raise OptionError(
            "--confidence needs independent rows, but the pixels of an image are not independent. Remove --confidence."
        )
    if examples.units is not None and (row := [name for name in given if name in ("--cost-column", "--threshold-by")]):
        raise OptionError(
            f"{row[0]} and --unit cannot be combined, because the model then decides units, not rows. Remove one of "
            "them."
        )
    if "--review-alpha" in given and REVIEW in map(str, examples.classes):
        raise OptionError(
            f"--review-alpha marks rows as {REVIEW!r}, but a class has this name. Rename the class, or remove "
            "--review-alpha."
        )


def _option_names(aim: Mapping[str, Any]) -> str:
    """Return the command-line options of an aim, as text for messages."""
    return ", ".join("--cost-fp and --cost-fn" if name == "cost" else f"--{name.replace('_', '-')}" for name in aim)

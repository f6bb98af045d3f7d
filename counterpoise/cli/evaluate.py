"""`counterpoise evaluate`: score a saved model on labeled rows, or check others for drift.

The JSON of --json and --out is that of `classifier.evaluation.evaluate` or `classifier.monitor.drift_to_dict`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli import options as o
from counterpoise.cli.rows import (
    check_features,
    check_root,
    feature_options,
    form_options,
    picture_form,
    print_image_notes,
    unit_columns_in,
)
from counterpoise.cli.terminal import Terminal
from counterpoise.cli.trust import trusted_objects
from counterpoise.core.errors import OptionError
from counterpoise.core.files import write_text
from counterpoise.core.json_values import jsonable
from counterpoise.core.keras_import import import_keras_quietly

NAME = "evaluate"
#: Characters per line from which a metric is described.
WIDE = 150


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    target: Annotated[
        str | None, typer.Option(help="Column of the labels, or several columns (a,b,c). Default: as in training.")
    ] = None,
    separator: o.Separator = None,
    missing: o.Missing = None,
    uncertain: o.Uncertain = None,
    groups: Annotated[
        str | None, typer.Option(help="Column of groups, such as patients. Confidence intervals resample whole groups.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Column or columns (a,b) of units, such as studies. Default: the columns used in training, if DATA "
            "contains these columns."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Columns whose values are scored separately, such as sex,site.")
    ] = None,
    costs: o.Costs = None,
    cost_column: Annotated[
        str | None, typer.Option(help="Column with the cost of a missed case (two classes). Requires --cost-fp.")
    ] = None,
    cost_fp: Annotated[float, typer.Option(help="Cost of a false positive. Requires --cost-column.")] = 0.0,
    first: Annotated[
        int | None, typer.Option(help="Score the K rows with the highest probability (two classes).", metavar="K")
    ] = None,
    images: o.Images = None,
    root: o.Root = None,
    features: o.SameFeatures = None,
    groups_from: o.GroupsFrom = None,
    ignore: o.Ignore = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out damaged and missing images.", rich_help_panel="Images")
    ] = False,
    unlabeled: Annotated[bool, typer.Option("--unlabeled", help="Check rows without labels for drift.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every score, group, and calibration bin.")] = False,
    out: Annotated[Path | None, typer.Option(help="JSON file with all numbers.")] = None,
    trust: o.Trust = None,
    as_json: o.Json = False,
) -> None:
    """Score a model on labeled rows, with confidence intervals, or check unlabeled rows for drift."""
    if unlabeled and target is not None:
        raise OptionError("--unlabeled and --target cannot be combined. Remove --target if the rows have no labels.")
    if (groups_from is not None or skip_bad or ignore) and images is None and not data.is_dir():
        raise OptionError(
            f"--groups-from, --skip-bad and --ignore are for images, but {data.name} is a table. Remove these options."
        )
    check_root(root, images)
    if groups is not None and (unlabeled or (data.is_dir() and images is None)):
        raise OptionError("--groups is only for a table with labels. Remove --groups.")
    if unit is not None and (unlabeled or (data.is_dir() and images is None)):
        raise OptionError("--unit is only for a table with labels. Remove --unit.")
    stakes = {"by": o.split_names(by), "costs": costs, "cost_column": cost_column, "cost_fp": cost_fp, "first": first}
    _check_stakes(stakes, unlabeled, data.is_dir() or images is not None)
    if out is not None:
        o.check_file(out, reads=[data, model, root, costs])
        o.check_format(out, [".json"])
    import_keras_quietly()
    from counterpoise.classifier.classifier import load

    clf = load(model, trusted_objects(trust))
    check_features(clf, features)
    if images is not None or data.is_dir():
        how = {"groups_from": groups_from, "skip_bad": skip_bad, "unit": unit, "ignore": tuple(ignore or ())}
        record = jsonable(
            _image_record(
                clf,
                data,
                target,
                groups,
                images,
                root,
                unlabeled,
                how,
                _with_costs_read(stakes),
                (separator, missing, uncertain),
            )
        )
    else:
        named = _labels_named(clf, data, target, (separator, missing, uncertain), images=False)
        record = jsonable(
            _drift_record(clf, data)
            if unlabeled
            else _evaluation_of(clf, data, named, groups=groups, unit=unit, **_with_costs_read(stakes))
        )
    if out is not None:
        write_text(out, json.dumps(record, indent=1))
    if as_json:
        print(json.dumps(record))
        return
    if unlabeled:
        _show_drift(record)
    else:
        (_show_scores if full else _show_summary)(record)


def _check_stakes(stakes: Mapping[str, Any], unlabeled: bool, pictures: bool) -> None:
    """Raise an `OptionError` for an option that does not go with these rows.

    Args:
        stakes: by, costs, cost_column, cost_fp and first, as given. unlabeled: Whether the rows have no labels.
        pictures: Whether they are images, which have no columns for --by and --cost-column.
    """
    given = [f"--{name.replace('_', '-')}" for name, value in stakes.items() if value]
    if unlabeled and given:
        raise OptionError(f"{given[0]} needs labels, but --unlabeled was given. Remove {given[0]} or --unlabeled.")
    if pictures and (of_table := [name for name in given if name in ("--by", "--cost-column")]):
        raise OptionError(f"{of_table[0]} names columns of a table, but the rows are images. Remove {of_table[0]}.")
    if stakes["cost_fp"] and stakes["cost_column"] is None:
        raise OptionError("--cost-fp requires --cost-column. Add --cost-column, or use --costs instead.")


def _with_costs_read(stakes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with `costs` as the content of its file; without --costs they are unchanged."""
    if stakes["costs"] is None:
        return dict(stakes)
    from counterpoise.cli.costs import read_costs

    return {**stakes, "costs": read_costs(stakes["costs"])}


def _evaluation_of(clf: Any, data: Any, target: Any = None, **options: Any) -> dict[str, Any]:
    """Return what `classifier.evaluation.evaluate` measures; its import is slow."""
    from counterpoise.classifier.evaluation import evaluate

    return evaluate(clf, data, target=target, **options)


def _image_record(
    clf: Any, data: Path, target: str | None, groups: str | None, images: str | None, root: Path | None,
    unlabeled: bool, how: dict[str, Any], stakes: dict[str, Any], labels_as: tuple[str | None, str | None, str | None],
) -> dict[str, Any]:  # fmt: skip
    """Return scores of the images of a folder or a table, or their drift if `unlabeled`.

    `how` has the options of `list_images` (groups_from, skip_bad, unit, ignore). `stakes` has those of `evaluate`, with
    costs as values. `labels_as` is (separator, missing, uncertain), for columns that each hold a label.

    Raises:
        OptionError: --target is given for a folder, or the columns of the labels are not known.
    """
    from counterpoise.data import images as module

    size, form = picture_form(clf)
    if unlabeled and images is None:
        unlabeled_images = module.list_unlabeled(data, size, form, how["skip_bad"])
        print_image_notes(unlabeled_images)
        return _drift_record(clf, unlabeled_images)
    if images is None and target is not None:
        raise OptionError(f"--target names a column, but {data} is a folder of images. Remove --target.")
    named = None if unlabeled or images is None else _labels_named(clf, data, target, labels_as, images=True)
    if images is not None and how["unit"] is None and not unlabeled:
        how = {**how, "unit": unit_columns_in(clf, data)}
    listed = module.list_images(
        data, size, **form_options(form), **(feature_options(clf) if images is not None else {}), **how,
        images=images, root=root, target=named, columns={"groups": groups},
    )  # fmt: skip
    print_image_notes(listed)
    return _drift_record(clf, listed) if unlabeled else _evaluation_of(clf, listed, **stakes)


def _labels_named(
    clf: Any, data: Path, target: str | None, labels_as: tuple[str | None, str | None, str | None], images: bool
) -> Any:  # fmt: skip
    """Return the target of the table `data`: what was given, and the rest as in training.

    `evaluate` itself reads the columns of a table as in training, so that without options the target is what --target
    names. A table of `images` is listed without the classifier, so that its target has all options.

    Args:
        labels_as: (separator, missing, uncertain), for several labels per row.

    Raises:
        OptionError: The options do not belong together, or the file does not name the column of the images' class.
    """
    from counterpoise.core.label_columns import as_in_training

    names = o.split_names(target)
    given = {name: value for name, value in zip(("separator", "missing", "uncertain"), labels_as, strict=True) if value}
    trained = dict(clf.label_options)
    if images and not given and not clf.target.independent:
        if target is None and "column" not in trained:
            raise OptionError(
                f"--target is required, because the model file does not name the column of the class. Name the column "
                f"of {data.name} that contains the class."
            )
        return trained["column"] if target is None else target
    if not given and not images:
        return list(names) if len(names) > 1 else target
    if target is None and clf.target.independent:
        names = (trained["column"],) if "column" in trained else tuple(map(str, clf.classes_))
    separator = given.get("separator") or (trained.get("separator") if len(names) == 1 else None)
    if o.several_labels(names, separator, *labels_as[1:], data) is None:
        return target
    return as_in_training(names[0] if len(names) == 1 else list(names), {**trained, **given}.items())


def _drift_record(clf: Any, data: Any) -> dict[str, Any]:
    """Return the drift of these rows from training as JSON values (see `drift_to_dict`)."""
    from counterpoise.classifier.monitor import drift_to_dict, monitor

    return drift_to_dict(clf, monitor(clf, data))


def _show_summary(record: Mapping[str, Any]) -> None:
    """Print the summary of an evaluation (see `evaluation_summary`), which fits on a screen."""
    from rich.text import Text

    from counterpoise.classifier.evaluation_summary import summary_lines

    console = Terminal()
    first, *lines = summary_lines(record, console.width)
    console.print(Text(first, style="bold"))
    for line in (*lines, "For all scores, groups, and calibration bins, add --full."):
        console.print(Text(line))


def _show_scores(record: Mapping[str, Any]) -> None:
    """Print all that an evaluation has, for --full: metrics, tables, units, labels, and the threshold."""
    from counterpoise.classifier.evaluation_summary import thresholds_text
    from counterpoise.cli.evaluation_tables import all_tables
    from counterpoise.decide.aim import threshold_text

    console = Terminal()
    console.print(_metric_table(record["metrics"] | record["further"], console.width))
    for shown in all_tables(record):
        console.print()
        console.print(shown)
    if record["units"] is not None:
        _show_units(console, record["units"])
    grouped = "" if record["groups"] is None else f" in {record['groups']:,} groups"
    if record["labels"]:
        console.print(_label_table(record["labels"]))
        console.print(f"{record['rows']:,} rows{grouped}; scores are means over the labels")
        return
    console.print(f"{record['rows']:,} rows{grouped}; {threshold_text(record['threshold'], record['aim'])}")
    if record["thresholds_by"] is not None:
        console.print(thresholds_text(record))


def _show_units(console: Any, units: Mapping[str, Any]) -> None:
    """Print the metrics of units, how many there are, and how they are decided."""
    from counterpoise.cli.evaluation_tables import review_table
    from counterpoise.decide.aim import threshold_text

    console.print()
    console.print(_metric_table(units["metrics"], console.width, f"Units ({' + '.join(units['columns'])})"))
    mixed = f" ({units['mixed']:,} of them contain rows of several classes)" if units["mixed"] else ""
    calibrated = "calibrated" if units["calibrated"] else "uncalibrated"
    how = f"the probability of a unit is the {calibrated} {units['aggregate']} of its row probabilities"
    if units["review"] is not None:
        console.print(review_table(units["review"], "units"))
    if units["labels"]:
        console.print(_label_table(units["labels"]))
        console.print(f"{units['count']:,} units{mixed}; {how}; scores are means over the labels")
    else:
        console.print(f"{units['count']:,} units{mixed}; {how}; {threshold_text(units['threshold'], units['aim'])}")
    console.print()


def _metric_table(scores: Mapping[str, Mapping[str, Any]], width: int, title: str | None = None) -> Any:
    """Return a table with a line for each metric: key, value and interval.

    In a wide window a last column says what the metric means.
    """
    from rich.table import Table

    from counterpoise.metrics.catalog import FURTHER, METRICS

    known = {**METRICS, **FURTHER} if width >= WIDE else {}  # key -> metric with its title; empty: no last column
    table = Table("metric", "value", "95% CI", *([""] if known else []), box=None, pad_edge=False, header_style="bold",
                  title=title, title_justify="left")  # fmt: skip
    table.columns[0].overflow = "fold"
    for key, score in scores.items():
        value = "-" if score["value"] is None else f"{score['value']:.4g}"
        interval = "-" if score["low"] is None else f"{score['low']:.4g} to {score['high']:.4g}"
        table.add_row(key, value, interval, *([known[key].title if key in known else ""] if known else []))
    return table


def _label_table(labels: Sequence[Mapping[str, Any]]) -> Any:
    """Return a table with a line for each label.

    It shows average precision with its CI, recall, precision, and threshold.
    """
    from rich.table import Table

    table = Table("label", "average precision", "95% CI", "recall", "precision", "threshold", box=None,
                  pad_edge=False, header_style="bold")  # fmt: skip
    for label in labels:
        ap, *others = (label["metrics"][key] for key in ("average_precision", "recall", "precision"))
        numbers = [ap["value"], *(score["value"] for score in others), label["threshold"]]
        value, *rest = ("-" if number is None else f"{number:.4g}" for number in numbers)
        interval = "-" if ap["low"] is None else f"{ap['low']:.4g} to {ap['high']:.4g}"
        table.add_row(label["label"], value, interval, *rest)
    return table


def _show_drift(record: Mapping[str, Any]) -> None:
    """Print class shares before and now, notes, and advice on the threshold.

    For several labels, print a line for each label.
    """
    from rich.table import Table

    if "labels" in record:
        _show_label_drifts(record["labels"])
        return
    table = Table("class", "share before", "share now", "90% CI", "decided before", "decided now", box=None,
                  pad_edge=False, header_style="bold")  # fmt: skip
    for c in record["classes"]:
        table.add_row(
            c["label"], f"{c['share_before']:.4g}", f"{c['share_now']:.4g}", f"{c['low']:.4g} to {c['high']:.4g}",
            f"{c['decided_before']:.4g}", f"{c['decided_now']:.4g}",
        )  # fmt: skip
    console = Terminal()
    console.print(table)
    for note in record["notes"]:
        console.print(note)
    if record["threshold_now"] is not None:
        console.print("\n".join(_threshold_advice(record)))


def _show_label_drifts(labels: Sequence[Mapping[str, Any]]) -> None:
    """Print a line for each label: shares before and now, and what becomes of its threshold."""
    from rich.table import Table

    headings = ("label", "share before", "share now", "90% CI", "decided before", "decided now", "threshold")
    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for label in labels:
        # Class 1 is the label's presence. No threshold can be given for now where only new labels would tell.
        c, before, now = label["classes"][1], label["threshold_before"], label["threshold_now"]
        moved = "needs labels" if now is None else f"{before:.4g}" + ("" if before == now else f" -> {now:.4g}")
        table.add_row(
            label["label"], f"{c['share_before']:.4g}", f"{c['share_now']:.4g}", f"{c['low']:.4g} to {c['high']:.4g}",
            f"{c['decided_before']:.4g}", f"{c['decided_now']:.4g}", moved,
        )  # fmt: skip
    Terminal().print(table)


def _threshold_advice(record: Mapping[str, Any]) -> list[str]:
    """Return sentences on the threshold: that it stays, or its new value and how to use it.

    Shares count as changed if the one in training is outside of the 90% CI of the one now.
    """
    before, now, positive = record["threshold_before"], record["threshold_now"], record["classes"][1]
    if positive["low"] <= positive["share_before"] <= positive["high"]:
        return [f"The threshold remains {before:.4g}, because the class proportions have not clearly changed."]
    text = f"The threshold {before:.4g} " + (f"becomes {now:.4g}." if before != now else "stays.")
    command = f"For rows like these, run: counterpoise predict ... --prior {positive['share_now']:.4g}"
    return [text, command] if positive["share_now"] > 0 else [text]

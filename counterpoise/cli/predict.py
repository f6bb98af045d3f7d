"""`counterpoise predict`: a saved model on new rows, as CSV; `predicted_masks` writes masks of images.

The columns of the CSV are those of `Classifier.predict_frame`. Data go to standard output, messages to standard error.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli import options as o
from counterpoise.cli.predicted_masks import predict_masks
from counterpoise.cli.rows import (
    check_features,
    check_root,
    feature_options,
    form_options,
    picture_form,
    print_image_notes,
    unit_columns_in,
)
from counterpoise.cli.summary import predict_summary
from counterpoise.cli.terminal import print_line, write_data
from counterpoise.cli.trust import trusted_objects
from counterpoise.core.errors import OptionError
from counterpoise.core.files import write_text
from counterpoise.core.keras_import import import_keras_quietly
from counterpoise.core.progress import progress_bar

NAME = "predict"
#: Patterns of a cell that a spreadsheet runs, by its first character, unless it is a number.
FORMULA, NUMBER = r"^[=+\-@\t\r\n＝＋－＠]", r"^[+-]?[\d.,]+$"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    prior: Annotated[float | None, typer.Option(help="Share of the positive class among the new rows.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file, or folder for masks. Default: standard output.")] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="Add an apostrophe (') before texts that a spreadsheet would run as formulas."
        ),
    ] = False,
    unit: Annotated[
        str | None,
        typer.Option(
            help="Column or columns (a,b) of units, such as studies. Writes one row for each unit.",
            rich_help_panel="Data",
        ),
    ] = None,
    images: o.Images = None,
    root: o.Root = None,
    features: o.SameFeatures = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that are not images.")] = False,
    reasons: Annotated[
        int | None,
        typer.Option(
            min=1, help="Add the K columns or words that change the probability of the row most.", metavar="K"
        ),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(
            help="File of background rows, with which --reasons compares each row. Default: DATA.", show_default=False
        ),
    ] = None,
    trust: o.Trust = None,
) -> None:
    """Write the probability and decision of each row as CSV, or the mask of each image."""
    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior is {prior:g}. Expected a share between 0 and 1.")
    if background is not None and reasons is None:
        raise OptionError("--background requires --reasons. Add --reasons 4, or remove --background.")
    check_root(root, images)
    if skip_bad and images is None and not data.is_dir():
        raise OptionError(f"--skip-bad is for images, but {data.name} is a table. Remove --skip-bad.")
    reads = [model, data, root, background]
    if out is not None and out.suffix:  # otherwise it may be a folder of masks
        o.check_file(out, reads=reads)
        o.check_format(out, [".csv"])
    import_keras_quietly()
    from counterpoise.classifier.classifier import load

    clf = load(model, trusted_objects(trust))
    check_features(clf, features)
    if not clf.target.per_element and out is not None:
        o.check_file(out, reads=reads)
    if prior is not None and len(clf.rule.problem_rules) > 1:
        raise OptionError(
            f"--prior supports only two classes, but {model.name} has several labels per row. Remove --prior."
        )
    if prior is not None and len(clf.classes_) > 2:
        raise OptionError(
            f"--prior supports only two classes, but {model.name} has {len(clf.classes_)} classes. Remove "
            "--prior, or call predict_proba in Python with one share per class as prior=."
        )
    if clf.target.per_element:
        if spreadsheet or not (reasons is images is unit is None):
            raise OptionError(
                "--reasons, --images, --unit and --spreadsheet are for one class per row, but the model predicts "
                "masks. Remove these options."
            )
        predict_masks(clf, data, prior, out, skip_bad)
        return
    pictures = data.is_dir() or images is not None
    if unit is not None and (reasons is not None or (pictures and images is None)):
        raise OptionError("--unit needs a table, and cannot be combined with --reasons. Remove --unit or --reasons.")
    if pictures:
        table = _image_predictions(clf, data, images, root, prior, skip_bad, unit)
    elif unit is not None:
        table = clf.predict_units(data, unit, prior=prior)
    else:
        table = clf.predict_frame(data, prior=prior)
    if unit is None and reasons is None and clf.unit is not None and not (pictures and images is None):
        columns = ",".join(clf.unit.columns)
        add = "add" if unit_columns_in(clf, data) else f"add the columns of the units to {data.name}, and pass"
        print_line(
            f"! The model decides units ({clf.unit.name}), but each row is decided by itself, at the threshold for "
            f"single rows. To decide units, {add} --unit {columns}.",
            error=True,
        )
    if reasons is not None:
        if pictures:
            raise OptionError("--reasons is for tables, but the rows are images. Remove --reasons.")
        from counterpoise.classifier.explaining import explain_single_rows

        with progress_bar(unit="rows") as progress:
            table = table.hstack(explain_single_rows(clf, data, background, progress=progress).strongest(reasons))
    text = _with_formulas_escaped(_with_truths_as_text(table), spreadsheet).write_csv()
    if out is None:
        write_data(text)
        return
    write_text(out, text)
    for line in predict_summary(clf, model, data, table, out, prior).lines():
        print_line(line, error=True)


def _with_truths_as_text(table: Any) -> Any:
    """Return the polars frame with its truth values as the texts "True" and "False"."""
    import polars as pl

    from counterpoise.data.levels import level_text

    truths = [table[name] for name, kind in table.schema.items() if kind == pl.Boolean]
    return table.with_columns([level_text(column) for column in truths])


def _with_formulas_escaped(table: Any, escape: bool) -> Any:
    """Return the polars frame; `escape` adds an apostrophe before spreadsheet formulas.

    If there are such texts, a message on standard error counts them, with or without `escape`.
    """
    import polars as pl

    texts = pl.col([name for name, kind in table.schema.items() if kind == pl.String])
    runs = texts.str.contains(FORMULA) & ~texts.str.contains(NUMBER)
    count = sum(table.select(runs.sum()).to_numpy().ravel().tolist())
    if not count:
        return table
    if not escape:
        print_line(
            f"! {count:,} cells look like formulas. If you open the file in a spreadsheet, add --spreadsheet.",
            error=True,
        )
        return table
    print_line(f"! {count:,} cells look like formulas. They were prefixed with an apostrophe.", error=True)
    return table.with_columns(pl.when(runs).then("'" + texts).otherwise(texts).name.keep())


def _image_predictions(
    clf: Any, data: Path, images: str | None, root: Path | None, prior: float | None, skip_bad: bool, unit: str | None
) -> Any:  # fmt: skip
    """Return a polars frame with path, probability and decision of each image.

    With `unit`, it has a row for each unit instead. `data` is a folder of images, or a table whose column `images`
    names them.
    """
    import polars as pl

    from counterpoise.data.images import list_images, list_unlabeled

    size, form = picture_form(clf)
    if images is None:
        images_read = list_unlabeled(data, size, form, skip_bad)
    else:
        images_read = list_images(
            data, size, **form_options(form), **feature_options(clf), skip_bad=skip_bad, images=images, root=root,
            unit=unit,
        )  # fmt: skip
    print_image_notes(images_read)
    if unit is not None:
        return clf.predict_units(images_read, prior=prior)
    names = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in images_read.paths]
    rows = clf.predict_frame(images_read, prior=prior).insert_column(0, pl.Series("path", names))
    written = images_read.names
    return rows if written is None or written.name in rows.columns else rows.insert_column(0, written)

"""`counterpoise predict`: a saved model on new rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli import options as o
from counterpoise.core.errors import OptionError

NAME = "predict"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    prior: Annotated[float | None, typer.Option(help="Share of the positive class where the rows are from.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file; standard output without it.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out files that are no images.")] = False,
) -> None:
    """Write probability and decision of each row, or of each image of a folder, as CSV."""
    if prior is not None and not 0 < prior < 1:
        raise OptionError(f"--prior is {prior:g}; expected a share between 0 and 1.")
    if out is not None:
        o.check_file(out)
    from counterpoise.classifier.classifier import load

    clf = load(model)
    if prior is not None and len(clf.classes_) > 2:
        raise OptionError(f"--prior is the share of one class of two; {model.name} has {len(clf.classes_)} classes.")
    said = _of_images(clf, data, prior, skip_bad) if data.is_dir() else clf.predict_frame(data, prior=prior)
    text = _as_written(said).write_csv()
    if out is None:
        sys.stdout.write(text)
        return
    o.write_text(out, text)
    print(f"saved {out}: {said.height:,} rows of {', '.join(said.columns)}", file=sys.stderr)


def _as_written(said: Any) -> Any:
    """Truth values spelled as in JSON and the report: True and False."""
    import polars as pl

    from counterpoise.data.kinds import level_text

    return said.with_columns(level_text(said["decision"])) if said["decision"].dtype == pl.Boolean else said


def _of_images(clf: Any, folder: Path, prior: float | None, skip_bad: bool) -> Any:
    """Path, probability and decision of each image below a folder."""
    import polars as pl

    from counterpoise.data.folder import unlabeled

    paths, pixels = unlabeled(folder, *o.picture_form(clf), skip_bad)
    return clf.predict_frame(pixels, prior=prior).insert_column(0, pl.Series("path", paths))

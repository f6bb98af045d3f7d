"""`counterpoise predict`: a saved model on new rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o

NAME = "predict"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    prior: Annotated[float | None, typer.Option(help="Share of the positive class where the rows are from.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file; standard output without it.")] = None,
) -> None:
    """Write probability and decision of each row as CSV."""
    if out is not None:
        o.check_folder(out.parent)
    from counterpoise.classifier import load

    text = load(model).predict_frame(data, prior=prior).write_csv()
    if out is None:
        sys.stdout.write(text)
        return
    o.write_text(out, text)

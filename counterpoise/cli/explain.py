"""`counterpoise explain`: which columns a saved model needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.evaluate import plain
from counterpoise.cli.terminal import Terminal
from counterpoise.cli.trust import trusted
from counterpoise.core.files import write_text
from counterpoise.core.keras_import import import_keras_quietly

NAME = "explain"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    data: o.Data,
    target: Annotated[str | None, typer.Option(help="Column of the labels; else that of training.")] = None,
    groups: Annotated[str | None, typer.Option(help="Column of groups: intervals draw whole groups.")] = None,
    together: Annotated[
        str | None, typer.Option(help="Columns to exchange as one: street+city,lat+lon.", metavar="A+B,...")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file with all numbers.")] = None,
    trust: o.Trust = None,
    as_json: o.Json = False,
) -> None:
    """Measure how much average precision a model loses without each column."""
    from rich.table import Table

    if out is not None:
        o.check_file(out, reads=[data, model])
    import_keras_quietly()
    from counterpoise.classifier.classifier import load
    from counterpoise.classifier.importance import explain

    sets = [[name.strip() for name in one.split("+")] for one in o.split_names(together)]
    record = plain(explain(load(model, trusted(trust)), data, target=target, groups=groups, together=sets))
    if out is not None:
        write_text(out, json.dumps(record, indent=1))
    if as_json:
        print(json.dumps(record))
        return
    table = Table("columns", "average precision lost", "95% interval", box=None, pad_edge=False, header_style="bold")
    for one in record["columns"]:
        score = one["importance"]
        table.add_row(" + ".join(one["columns"]), f"{score['value']:.4f}", f"{score['low']:.4f} to {score['high']:.4f}")
    Terminal().print(table)
    Terminal().print(f"{record['rows']:,} rows; average precision {record['average_precision']:.4f} with all columns")

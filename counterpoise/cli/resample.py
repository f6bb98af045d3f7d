"""`counterpoise resample`: a balanced copy of a table of any size (see `feed.resampling`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.core.terminal_text import terminal_text

NAME = "resample"


def command(
    data: Annotated[
        Path,
        typer.Argument(help='CSV or Parquet file, folder of files, or pattern such as "*.csv".', show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="File to write, .parquet or .csv.", show_default=False)],
    target: Annotated[str, typer.Option(help="Column of the class.", show_default=False)],
    plan: Annotated[str, typer.Option(help="Sampling plan: undersample or oversample.")] = "undersample",
    ratio: Annotated[
        float, typer.Option(help="Rows of the smallest class divided by rows of the largest class, after resampling.")
    ] = 1.0,
    seed: o.Seed = 0,
    as_json: o.Json = False,
) -> None:
    """Write a resampled copy of a table of any size, and print its class proportions."""
    from counterpoise.feed.resampling import resample_file

    summary = resample_file(data, target, out, plan, ratio=ratio, seed=seed)
    if as_json:
        o.print_note(json.dumps(summary), out)
        return
    lines = [f"saved {summary['out']}: {summary['rows']:,} rows, resampled with {plan}"]
    for one, shift in zip(summary["classes"], summary["log_shift"], strict=True):
        label = terminal_text(one["label"], keep="")
        lines.append(f"  {label}: {one['before']:,} -> {one['after']:,} rows; log shift {shift:+.4f}")
    lines.append(
        "A network that is trained on this file learns the class proportions of the file. To correct its "
        "probabilities, subtract the log shift of each class (see above) from the logit of the class."
    )
    o.print_note("\n".join(lines), out)

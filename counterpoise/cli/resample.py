"""`counterpoise resample`: a balanced copy of a table of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o

NAME = "resample"


def command(
    data: Annotated[
        Path, typer.Argument(help='CSV or Parquet: a file, a folder of them, or "*.csv".', show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="The file to write, .parquet or .csv.", show_default=False)],
    target: Annotated[str, typer.Option(help="Column that holds the class.", show_default=False)],
    plan: Annotated[str, typer.Option(help="undersample or oversample.")] = "undersample",
    ratio: Annotated[float, typer.Option(help="Wanted size of the smallest class over the largest.")] = 1.0,
    seed: o.Seed = 0,
    as_json: o.Json = False,
) -> None:
    """Write a resampled copy of a table that need not fit in memory, and say what that did to the class shares."""
    from counterpoise.feed.resampling import resample_file

    found = resample_file(data, target, out, plan, ratio=ratio, seed=seed)
    if as_json:
        o.note(json.dumps(found), out)
        return
    lines = [f"saved {found['out']}: {found['rows']:,} rows by {plan}"]
    for one, shift in zip(found["classes"], found["log_shift"], strict=True):
        lines.append(f"  {one['label']}: {one['before']:,} -> {one['after']:,} rows; log shift {shift:+.4f}")
    lines.append("Networks trained on this file see these shares: subtract the log shift from their logits.")
    o.note("\n".join(lines), out)

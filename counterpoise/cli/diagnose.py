"""`counterpoise diagnose`: what the imbalance is, before anything is trained."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.terminal import Terminal

NAME = "diagnose"


def command(
    data: o.Data,
    target: o.Target = None,
    positive: o.Positive = None,
    one_vs_rest: o.OneVsRest = None,
    merge_rare: o.MergeRare = None,
    drop: o.Drop = None,
    groups: o.Groups = None,
    time: o.Time = None,
    skip_bad: o.SkipBad = False,
    images: o.Images = None,
    root: o.Root = None,
    groups_from: o.GroupsFrom = None,
    size: o.Size = None,
    range: o.Range = None,
    aspect: o.Aspect = None,
    folds: Annotated[int, typer.Option(min=2, help="Folds that a comparison would use.")] = 5,
    quick: Annotated[
        bool, typer.Option("--quick/--no-model", help="Whether a quick model looks for overlap and wrong labels.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 2 when the data may leak.")] = False,
    as_json: o.Json = False,
) -> None:
    """Say how bad the imbalance is and what to do: classes, overlap, suspicious labels, duplicates, possible leaks."""
    from counterpoise.diagnosis.diagnose import diagnose

    how = o.data_options(positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad)
    pictures = o.picture_options(size, range, images, root, groups_from, aspect)
    found = diagnose(o.read_table(data, target, pictures, **how), folds=folds, quick=quick)
    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        Terminal().print(found)
    if strict:
        found.check()

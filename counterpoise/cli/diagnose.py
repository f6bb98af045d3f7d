"""`counterpoise diagnose`: what the imbalance is, before anything is trained (see `diagnosis.diagnose`)."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.rows import read_table
from counterpoise.cli.summary import diagnosis_lines
from counterpoise.cli.terminal import Terminal

NAME = "diagnose"


def command(
    data: o.Data,
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
    time: o.Time = None,
    skip_bad: o.SkipBad = False,
    images: o.Images = None,
    features: o.Features = None,
    root: o.Root = None,
    groups_from: o.GroupsFrom = None,
    size: o.Size = None,
    range: o.Range = None,
    aspect: o.Aspect = None,
    ignore: o.Ignore = None,
    folds: Annotated[
        int,
        typer.Option(min=2, help="Number of folds planned for `compare`."),
    ] = 5,
    quick: Annotated[
        bool,
        typer.Option("--quick/--no-model", help="Train a quick model to find class overlap and suspicious labels."),
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Stop with exit code 2 if a leak is found.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every number and the reasons for the advice.")] = False,
    as_json: o.Json = False,
) -> None:
    """Measure the imbalance and possible leaks, and recommend what to do."""
    from counterpoise.diagnosis.diagnose import diagnose

    how = o.data_options(positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad)
    pictures = o.picture_options(size, range, images, root, groups_from, aspect, features, ignore=ignore)
    named = o.target_named(target, separator, missing, uncertain, labels_prefix, data)
    diagnosis = diagnose(read_table(data, named, pictures, **how), folds=folds, quick=quick)
    if as_json:
        print(json.dumps(diagnosis.to_dict()))
    elif full:
        Terminal().print(diagnosis)
    else:
        for line in diagnosis_lines(diagnosis):
            Terminal().print(line)
    if strict:
        diagnosis.check()

"""`counterpoise train`: one strategy, one model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.core.errors import ArtefactError, OptionError

NAME = "train"


def command(
    data: o.Data,
    strategy: Annotated[str, typer.Option(help="See `counterpoise strategies`.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The model file, NAME.keras.", show_default=False)],
    target: o.Target = None,
    positive: o.Positive = None,
    one_vs_rest: o.OneVsRest = None,
    merge_rare: o.MergeRare = None,
    drop: o.Drop = None,
    groups: o.Groups = None,
    time: o.Time = None,
    skip_bad: o.SkipBad = False,
    size: o.Size = None,
    model: o.Model = "mlp",
    epochs: o.Epochs = 100,
    batch_size: o.BatchSize = 256,
    seed: o.Seed = 0,
    folds: Annotated[int | None, typer.Option(help="Fit the rule out of fold, then train on all rows.")] = None,
    promise_rows: Annotated[
        float | None, typer.Option(help="Share of rows kept out of everything, to carry a promise (with --confidence).")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="Confidence of the recall or precision floor, such as 0.95.")
    ] = None,
    recall_floor: Annotated[float | None, typer.Option(help="Fewest alerts with this recall.")] = None,
    precision_floor: Annotated[float | None, typer.Option(help="Most recall with this precision.")] = None,
    cost_fp: Annotated[float | None, typer.Option(help="Cost of a false alarm.")] = None,
    cost_fn: Annotated[float | None, typer.Option(help="Cost of a missed case.")] = None,
    alerts: Annotated[int | None, typer.Option(help="At most this many alerts per 10,000 rows.")] = None,
) -> None:
    """Train one strategy and save one file: preprocessing, networks, correction, threshold."""
    from counterpoise.strategies import find

    aim = aim_of(recall_floor, precision_floor, cost_fp, cost_fn, alerts)
    if confidence is not None:
        if aim is None:
            raise OptionError("--confidence goes with --recall-floor or --precision-floor.")
        promise_rows = 0.2 if promise_rows is None else promise_rows
    if out.suffix != ".keras":
        raise ArtefactError(f"--out {out}: expected a file name that ends in .keras.")
    o.check_folder(out.parent)
    chosen = find(strategy)
    how = o.data_options(positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad)
    examples = o.read_table(data, target, size, **how)
    from counterpoise.pipeline import fit

    clf = fit(
        o.resolve_model(model), examples, strategy=chosen, folds=folds, promise_rows=promise_rows, epochs=epochs,
        batch_size=batch_size, seed=seed,
    )  # fmt: skip
    if aim is not None:
        clf = clf.decide(confidence=confidence, **aim)
    clf.save(out)
    cut = f"threshold {clf.rule.threshold:.4g}" if clf.rule.threshold is not None else "class offsets"
    print(f"saved {out}: {strategy}, {len(examples):,} rows, {cut} chosen for {clf.rule.aim}")
    if confidence is not None:
        print(clf.card["threshold"]["said"])


def aim_of(
    recall_floor: float | None, precision_floor: float | None, cost_fp: float | None, cost_fn: float | None,
    alerts: int | None,
) -> dict[str, object] | None:  # fmt: skip
    """The one aim that was asked for, as arguments of `Classifier.decide`.

    Raises:
        OptionError: several aims, or one cost without the other.
    """
    if (cost_fp is None) != (cost_fn is None):
        raise OptionError("--cost-fp and --cost-fn belong together; give both.")
    wanted: dict[str, object] = {}
    if recall_floor is not None:
        wanted["recall_floor"] = recall_floor
    if precision_floor is not None:
        wanted["precision_floor"] = precision_floor
    if cost_fp is not None:
        wanted["cost"] = (cost_fp, cost_fn)
    if alerts is not None:
        wanted["alerts"] = (alerts, 10_000)
    if len(wanted) > 1:
        raise OptionError(f"one threshold, one aim; got {', '.join(wanted)}.")
    return wanted or None

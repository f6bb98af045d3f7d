"""`counterpoise compare`: the race."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.builders import resolve_model
from counterpoise.cli.terminal import say
from counterpoise.core.errors import OptionError
from counterpoise.core.files import check_folder
from counterpoise.core.keras_import import import_keras_quietly

if TYPE_CHECKING:
    from counterpoise.comparison.store import Store
    from counterpoise.engines.run import Executor

NAME = "compare"
#: What a run writes into its folder.
FILES = ("leaderboard.json", "leaderboard.csv", "report.html", "model.keras", "run.sqlite")


def command(
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Folder for leaderboard, report and model.", show_default=False)],
    target: o.Target = None,
    separator: o.Separator = None,
    missing: o.Missing = None,
    positive: o.Positive = None,
    one_vs_rest: o.OneVsRest = None,
    merge_rare: o.MergeRare = None,
    drop: o.Drop = None,
    groups: o.Groups = None,
    time: o.Time = None,
    split: o.Split = None,
    skip_bad: o.SkipBad = False,
    images: o.Images = None,
    root: o.Root = None,
    groups_from: o.GroupsFrom = None,
    size: o.Size = None,
    range: o.Range = None,
    aspect: o.Aspect = None,
    augment: o.Augment = False,
    pictures: Annotated[
        bool,
        typer.Option(help="Show the most confident errors as pictures in the report.", rich_help_panel="Images"),
    ] = True,
    model: o.ComparedModel = None,
    trust: o.Trust = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    seed: o.Seed = 0,
    strategies: Annotated[
        str, typer.Option(help="default, all, names: a,b,c, external:NAME (see `counterpoise strategies`).")
    ] = "default",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds of the cross-validation.  [default: 5]", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often the folds are drawn anew.")] = 1,
    metric: Annotated[str, typer.Option(help="What is ranked and judged.")] = "average_precision",
    cost_fp: Annotated[float | None, typer.Option(help="Cost of a false alarm; goes with --cost-fn.")] = None,
    cost_fn: Annotated[float | None, typer.Option(help="Cost of a missed case; goes with --cost-fp.")] = None,
    tune: Annotated[int, typer.Option(min=0, help="Trials for the hyperparameters of each strategy, per fold.")] = 0,
    tune_steps: Annotated[
        int | None, typer.Option(min=1, help="At most this many steps for each network of a trial.")
    ] = None,
    nested: Annotated[
        bool, typer.Option("--nested", help="Also choose inside each training part, to score the choice itself.")
    ] = False,
    limit: Annotated[
        str | None, typer.Option(help="Steps over all networks, or seconds as 600s: the weaker stop early.")
    ] = None,
    budget: Annotated[
        str, typer.Option(help="steps: all take as many as the untouched model; epochs: each its own.")
    ] = "steps",
    duplicates: Annotated[str, typer.Option(help="warn, group, drop or error.")] = "warn",
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 2 when the data may leak.")] = False,
    early_stopping: Annotated[bool, typer.Option(help="Stop when the stopping score no longer falls.")] = True,
    jobs: Annotated[
        int, typer.Option(min=1, help="Train in N processes of this machine.", rich_help_panel="Where and when")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(help="Train on a Ray cluster: its address, auto, or local.", rich_help_panel="Where and when"),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what --out holds.", rich_help_panel="Where and when")
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Try strategies on the same folds, say whether any beat the untouched model, and write report and model.

    Every finished fit is kept in --out: the same command goes on where it was stopped.
    """
    from counterpoise.cli.show import comparison_text
    from counterpoise.data.split import check_counts, set_aside
    from counterpoise.pipeline.reading import inputs_of
    from counterpoise.strategies.select import select

    model = model or ("cnn" if images is not None or data.is_dir() else "mlp")
    check_folder(out)
    for name in FILES:
        o.check_file(out / name, reads=[data, model])
    if not o.split_names(strategies):
        raise OptionError("--strategies is empty; expected seed, all, or names: a,b,c (see `counterpoise strategies`).")
    select(strategies)  # a name that there is not is told before anything is read
    if (cost_fp is None) != (cost_fn is None):
        raise OptionError("only one of --cost-fp and --cost-fn was given; give both or none.")
    if ray is not None and jobs > 1:
        raise OptionError("--jobs and --ray were both given; train in processes of this machine or on a cluster.")
    elsewhere = executor_of(jobs, ray)
    network = resolve_model(model, trust)
    how = o.data_options(positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad, split)
    form = o.picture_options(size, range, images, root, groups_from, aspect)
    named = o.target_named(target, separator, missing)
    examples = o.read_table(data, named, form, text=model == "text", inputs=inputs_of(network), **how)
    chosen = select(strategies, examples.kind)
    if examples.time is None and examples.groups is None and examples.split is None:
        check_counts(set_aside(examples, folds or 5), folds or 5)
    leaks = "error" if strict else "warn"
    judged = {
        "leaks": leaks,
        "costs": None if cost_fp is None else (cost_fp, cost_fn),
        "nested": nested,
        "limit": limit,
        "show_pictures": pictures,
        "network_options": {"augment": "auto" if augment else None},
    }
    with elsewhere as executor:
        comparison = run(
            examples, network, chosen, out, folds=folds, repeats=repeats, metric=metric, duplicates=duplicates,
            judged=judged, executor=executor, restart=restart, budget=budget, epochs=o.or_auto(epochs),
            batch_size=o.or_auto(batch_size), seed=seed, early_stopping=early_stopping, tune=tune,
            tune_steps=tune_steps,
        )  # fmt: skip
    if as_json:
        print(json.dumps(comparison.record))
        return
    comparison_text(comparison, out)


def executor_of(jobs: int, ray: str | None) -> AbstractContextManager[Executor | None]:
    """What `--jobs` and `--ray` ask for, for a `with` block; None is this process."""
    from counterpoise import scale

    if ray is None:
        return nullcontext() if jobs == 1 else scale.pool(jobs)
    return scale.ray(ray)


def run(  # type: ignore[no-untyped-def]
    examples, network, chosen, out, *, folds, repeats, metric, duplicates, judged=None, executor=None, restart=False,
    **settings,
):  # fmt: skip
    """Race examples that were read, with their diagnosis on the page, and write the four files.

    Every fit is kept in the folder before it counts; an interrupt says what is kept and how to go on.
    """
    import_keras_quietly()
    from counterpoise.comparison.compare import compare_examples
    from counterpoise.comparison.store import Store
    from counterpoise.pipeline.settings import Settings

    with Store.writing(out, restart) as store, _kept_on_interrupt(store):
        comparison = compare_examples(
            examples, network, chosen, Settings(**settings, recipe="auto"), folds=folds, repeats=repeats, metric=metric,
            duplicates=duplicates, executor=executor, store=store, **(judged or {}),
        )  # fmt: skip
        comparison.save(out)
    return comparison


@contextmanager
def _kept_on_interrupt(store: Store) -> Iterator[None]:
    """Say on an interrupt what is on disk, and end with exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["counterpoise", *(a for a in sys.argv[1:] if a != "--restart")])
        kept = f"{store.done} of {store.total} fits are kept" if store.total else "nothing was trained yet"
        say(f"counterpoise: stopped; {kept}. To go on: {again}", error=True)
        raise SystemExit(130) from None

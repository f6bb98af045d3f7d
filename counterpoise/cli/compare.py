"""`counterpoise compare`: a comparison of strategies; `run_comparison` also runs the comparison of `demo`.

Options are checked before the rows are read. The folder --out has the store of finished fits, so the same command
resumes: an option that changes a job's id trains again.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.builders import model_parts, resolve_model
from counterpoise.cli.costs import costs_of
from counterpoise.cli.rows import read_table
from counterpoise.cli.terminal import print_line
from counterpoise.core.errors import OptionError
from counterpoise.core.files import check_folder
from counterpoise.core.keras_import import import_keras_quietly

if TYPE_CHECKING:
    from counterpoise.comparison.store import Store
    from counterpoise.engines.run import Executor

NAME = "compare"
#: Files that a run writes into its folder.
WRITTEN_FILES = ("leaderboard.json", "leaderboard.csv", "report.html", "model.keras", "run.sqlite")


def command(
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Folder to write: leaderboard, report, and model.", show_default=False)],
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
    unit: o.Unit = None,
    aggregate: o.Aggregate = None,
    time: o.Time = None,
    label_delay: o.LabelDelay = None,
    split: o.Split = None,
    skip_bad: o.SkipBad = False,
    images: o.Images = None,
    features: o.Features = None,
    root: o.Root = None,
    groups_from: o.GroupsFrom = None,
    size: o.Size = None,
    range: o.Range = None,
    aspect: o.Aspect = None,
    cache: o.Cache = None,
    ignore: o.Ignore = None,
    augment: o.Augment = None,
    flip: o.Flip = None,
    contrast: o.Contrast = None,
    pictures: Annotated[
        bool,
        typer.Option(
            help="Show the most confident errors as images in the report, with heat maps.", rich_help_panel="Images"
        ),
    ] = True,
    model: o.ComparedModel = "auto",
    trust: o.Trust = None,
    epochs: o.Epochs = None,
    batch_size: o.BatchSize = None,
    seed: o.Seed = 0,
    strategies: Annotated[
        str,
        typer.Option(help="Strategies, separated by commas (none,focal,external:NAME), or 'default', or 'all'."),
    ] = "default",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds of the cross-validation. Default: 5.", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the cross-validation, each with new folds.")] = 1,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Metric of the ranking and the verdict. Default: average_precision; with costs, expected_cost.",
            show_default=False,
        ),
    ] = None,
    cost_fp: Annotated[
        float | None, typer.Option(help="Cost of a false positive. Requires --cost-fn or --cost-column.")
    ] = None,
    cost_fn: Annotated[float | None, typer.Option(help="Cost of a missed case. Requires --cost-fp.")] = None,
    cost_column: o.CostColumn = None,
    costs: o.Costs = None,
    by: Annotated[
        str | None, typer.Option(help="Columns whose values are scored separately in the report, such as sex,site.")
    ] = None,
    importance: Annotated[
        bool, typer.Option("--importance", help="Measure the importance of each column on the test rows.")
    ] = False,
    tune: Annotated[
        int, typer.Option(min=0, help="Number of hyperparameter trials for each strategy and fold. 0: no tuning.")
    ] = 0,
    tune_steps: Annotated[
        int | None, typer.Option(min=1, help="Maximum training steps of each network in a trial. Requires --tune.")
    ] = None,
    nested: Annotated[
        bool,
        typer.Option(
            "--nested",
            help="Choose the strategy again inside each fold, to estimate how much the choice inflates the score.",
        ),
    ] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            help="Limit for training all strategies: steps (20000) or seconds (600s). Weaker strategies stop early."
        ),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(help="Give all strategies equally many training steps (steps) or equally many epochs (epochs)."),
    ] = "steps",
    duplicates: Annotated[str, typer.Option(help="Handling of duplicate rows: warn, group, drop, or error.")] = "warn",
    strict: Annotated[bool, typer.Option("--strict", help="Stop with exit code 2 if a leak is found.")] = False,
    early_stopping: Annotated[
        bool, typer.Option(help="Stop training when the loss on the early-stopping rows no longer falls.")
    ] = True,
    jobs: Annotated[
        int, typer.Option(min=1, help="Number of processes on this machine.", rich_help_panel="Where and when")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(help="Address of a Ray cluster, or 'auto' or 'local'.", rich_help_panel="Where and when"),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart", help="Delete the saved fits in --out, and start again.", rich_help_panel="Where and when"
        ),
    ] = False,
    as_json: o.Json = False,
) -> None:
    """Compare strategies with the baseline on the same folds, and write a report and a model.

    Every finished fit is saved in --out, so the same command resumes an interrupted comparison.
    """
    from counterpoise.cli.show import print_comparison
    from counterpoise.data.given_split import check_divisible
    from counterpoise.pipeline.reading import named_inputs_of
    from counterpoise.strategies.select import select

    check_folder(out)
    for name in WRITTEN_FILES:
        o.check_file(out / name, reads=[data, costs, *model_parts(model)])
    if not o.split_names(strategies):
        raise OptionError(
            "--strategies is empty. Pass 'default', 'all', or names (see `counterpoise strategies`), with commas "
            "between them."
        )
    select(strategies)  # an unknown name is an error before anything is read
    if label_delay is not None and time is None:
        raise OptionError("--label-delay requires --time, the column of times. Add --time, or remove --label-delay.")
    priced = costs_of(costs, cost_column, cost_fp, cost_fn)
    if ray is not None and jobs > 1:
        raise OptionError("--jobs and --ray cannot be combined. Remove one of them.")
    elsewhere = executor_of(jobs, ray)
    network, moves = resolve_model(model, trust), o.augmentation_options(augment, flip, contrast)
    how = o.data_options(
        positive, one_vs_rest, merge_rare, drop, groups, time, skip_bad, split, unit, aggregate, cost_column
    )
    how["by"] = o.split_names(by)
    form = o.picture_options(size, range, images, root, groups_from, aspect, features, cache, ignore)
    named = o.target_named(target, separator, missing, uncertain, labels_prefix, data)
    check = partial(check_divisible, folds=folds or 5, seed=seed)
    examples = read_table(data, named, form, check, text=model == "text", inputs=named_inputs_of(network), **how)
    chosen = select(strategies, examples.kind)
    leaks = "error" if strict else "warn"
    judged = {
        "leaks": leaks,
        **priced,
        "label_delay": label_delay or 0.0,
        "nested": nested,
        "limit": limit,
        "show_pictures": pictures,
        "importance": importance,
        "network_options": moves,
    }
    with elsewhere as executor:
        comparison = run_comparison(
            examples, network, chosen, out, folds=folds, repeats=repeats, metric=metric, duplicates=duplicates,
            judged=judged, executor=executor, restart=restart, budget=budget, epochs=o.or_auto(epochs),
            batch_size=o.or_auto(batch_size), seed=seed, early_stopping=early_stopping, tune=tune,
            tune_steps=tune_steps,
        )  # fmt: skip
    if as_json:
        print(json.dumps(comparison.record))
        return
    print_comparison(comparison, out)


def executor_of(jobs: int, ray: str | None) -> AbstractContextManager[Executor | None]:
    """Return a context manager that gives the executor of `--jobs` or `--ray`.

    Without these options it gives None: the fits then run in this process.
    """
    from counterpoise import scale

    if ray is None:
        return nullcontext() if jobs == 1 else scale.pool(jobs)
    return scale.ray(ray)


def run_comparison(  # type: ignore[no-untyped-def]
    examples, network, chosen, out, *, folds, repeats, metric, duplicates, judged=None, executor=None, restart=False,
    **settings,
):  # fmt: skip
    """Compare strategies on examples, and return the `Comparison`.

    The results are written to the folder `out`.
    Every finished fit is saved in the folder at once. An interrupt (Ctrl-C) prints how many are saved and how to
    resume, and raises SystemExit(130). `settings` are fields of `Settings`, `judged` more arguments of
    `compare_examples`.
    """
    import_keras_quietly()
    from counterpoise.comparison.compare import compare_examples
    from counterpoise.comparison.store import Store
    from counterpoise.pipeline.models import warn_of_unused
    from counterpoise.pipeline.settings import Settings

    warn_of_unused(network, settings)
    with Store.writing(out, restart) as store, _resume_text_on_interrupt(store):
        comparison = compare_examples(
            examples, network, chosen, Settings(**settings, recipe="auto"), folds=folds, repeats=repeats, metric=metric,
            duplicates=duplicates, executor=executor, store=store, **(judged or {}),
        )  # fmt: skip
        comparison.save(out)
    return comparison


@contextmanager
def _resume_text_on_interrupt(store: Store) -> Iterator[None]:
    """On an interrupt in the `with` block, print how to resume, and raise SystemExit(130)."""
    try:
        yield
    except KeyboardInterrupt:
        command = shlex.join(["counterpoise", *(a for a in sys.argv[1:] if a != "--restart")])
        saved = f"{store.done} of {store.total} fits are saved" if store.total else "nothing was trained yet"
        print_line(f"counterpoise: stopped; {saved}. To resume: {command}", error=True)
        raise SystemExit(130) from None

"""Strategies and folds to jobs: which model is trained on what, and for how long.

Everything in a `Job` is part of its id, and so decides which fits of a store are used again. Its counters and labels of
seeds also decide the random draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterpoise.core.errors import ModelError, OptionError, error_text
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.job import Job, Limits, Member
from counterpoise.core.model import Model
from counterpoise.core.seeds import integer
from counterpoise.core.structure import rows_at_once
from counterpoise.engines.mixing import check_mixable
from counterpoise.engines.objective import Objective, check_loss, check_weights
from counterpoise.networks.cropped import cropped
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Single, Strategy
from counterpoise.targets.kinds import target_of

#: (name of a strategy, number of a fold), the key of tables of jobs.
FoldKey = tuple[str, int]

#: Fold number of a training on all rows, so that its seeds are its own. It is part of job ids.
ALL_ROWS_FOLD = 1_000_000


def jobs_of(
    strategy: Strategy, trainer: Trainer, fold: Fold | Holdout, steps: Sequence[int] | None = None
) -> list[Job]:
    """Make the jobs of a strategy on one fold, one for each model that it trains.

    Members of the same model and name are numbered 0, 1, ..., so that equal first members are the same job everywhere.

    Args:
        strategy: As its models train it (see `strategies.resolve`).
        trainer: With the models of the run.
        fold: Which rows train, stop, and are scored.
        steps: The number of steps of each (a refit); None: the budget decides.
    """
    numbers, left = Counter[tuple[str, str]](), list(steps or ())

    def make(single: Single) -> Job:
        """Make the next job, with the next number of its model and name, and the next entry of `steps`."""
        key = (single.model, single.name)
        numbers[key] += 1
        fixed = left.pop(0) if left else None
        return job_of(single, trainer, fold, numbers[key] - 1, fixed)

    return strategy.jobs(make, timed=steps is not None)


def jobs_by_fold(
    strategies: Sequence[Strategy],
    trainer: Trainer,
    folds: Sequence[Fold],
    versions: Mapping[FoldKey, Strategy] | None = None,
) -> tuple[dict[FoldKey, list[Job]], dict[str, str]]:
    """Make the jobs of every strategy on every fold, and collect the strategies that fail.

    An error of the baseline, or of the only strategy, is raised, because nothing would be left to compare.

    Args:
        strategies, trainer, folds: As for `jobs_of`.
        versions: (strategy, fold) -> what is trained there instead (after tuning).

    Returns:
        (strategy, fold) -> jobs, without the strategies that failed; and strategy -> reason of the failure.
    """
    jobs: dict[FoldKey, list[Job]] = {}
    failures: dict[str, str] = {}
    for strategy in strategies:
        try:
            of_fold = [(versions or {}).get((strategy.name, f), strategy) for f in range(len(folds))]
            by_fold = [jobs_of(version, trainer, fold) for version, fold in zip(of_fold, folds, strict=True)]
            _check_network_jobs(by_fold[0], trainer.models)
        except Exception as error:  # a user's own plan may raise anything; the others continue
            if strategy.name == "none" or len(strategies) == 1:
                raise
            failures[strategy.name] = error_text(error)
        else:
            jobs |= {(strategy.name, f): group for f, group in enumerate(by_fold)}
    return jobs, failures


def _check_network_jobs(jobs: Sequence[Job], models: Mapping[str, Model]) -> None:
    """Raise the errors of the losses, weights, and crops of network jobs before any training."""
    for job in jobs:
        model = models[job.model]
        if isinstance(model, Network):
            Objective(job).loss(model)
            check_weights(job, model)
            if job.plan.crops:
                cropped(model.spare(keep=True))  # raises an error if the network takes no smaller inputs


def leave_out_failed(jobs: dict[FoldKey, list[Job]], members: Mapping[str, Member], failures: dict[str, str]) -> None:
    """Move strategies that have a failed member from `jobs` to `failures`, both in place.

    All folds of such a strategy are removed. The first error found is the reason.
    """
    for (name, _), group in list(jobs.items()):
        if reason := next((members[job.id].error for job in group if members[job.id].error), ""):
            failures.setdefault(name, reason)
    for key in [key for key in jobs if key[0] in failures]:
        del jobs[key]


def check_some_left(strategies: Sequence[Strategy], failures: Mapping[str, str]) -> None:
    """Raise a ModelError with all reasons if every strategy failed."""
    if strategies and all(s.name in failures for s in strategies):
        reasons = "; ".join(dict.fromkeys(failures[s.name].rstrip(".") for s in strategies))
        raise ModelError(f"Every training failed, so there is nothing to compare: {reasons}.")


def job_of(single: Single, trainer: Trainer, fold: Fold | Holdout, member: int = 0, steps: int | None = None) -> Job:
    """Make one job; `member` is its number among the members of the same model and name.

    `steps` fixes the number of steps (a second fit), else the budget decides. A plan that needs features (synthesis,
    cleaning) is realized here, on the training rows of the fold alone. A model that does not stop early is fitted on
    the stopping rows too, unless these were given or fit the rule.

    Raises:
        ModelError: The plan changes weights during training, and the model is not a network.
        OptionError: The plan has a quota for batches of another size.
    """
    settings, learner = trainer.settings, trainer.learners[single.model]
    model = learner.model
    examples = trainer.examples
    stops = model.stops_early and (settings.early_stopping or model.kind == "network")
    if not stops and examples.split is None:
        fold = fold.all_training()
    weights = examples.weights_of(fold.train)
    if weights is not None and not weights.all():
        # A row of weight 0 is as if it were absent: nothing is drawn, made or learned of it.
        fold, weights = replace(fold, train=fold.train[weights > 0]), weights[weights > 0]
    y = examples.y[fold.train]
    counters = (fold.repeat, fold.index, member)
    target, n = target_of(examples), len(examples.classes)
    counts = target.counts(y, n, weights)
    check_loss(target, single.loss)  # before its constants, which may need counts of another shape
    if single.mix:
        check_mixable(examples, single.name)
    plan = single.make_plan(target, y, examples.classes, weights)
    if plan.deferred and model.kind != "network":
        raise ModelError(
            f"Strategy {single.name!r} changes the weights of the rows during training, but {model.label} needs fixed "
            "weights. Choose a strategy that keeps its weights, for example class_weight or oversample."
        )
    stop_y = examples.y[fold.stop]
    rarest = int(target.counts(stop_y, n).min())
    limits = model.limits(
        limits_of(len(plan), len(y), settings, steps, rarest), steps, settings.early_stopping and len(fold.stop) > 0
    )
    if plan.needs_features:
        plan = plan.realize(
            rows_at_once(learner.examples.x, fold.train, single.name), integer(settings.seed, "synthesis", *counters)
        )
    if model.kind == "network" and plan.batch_size not in (None, limits.batch_size):
        raise OptionError(
            f"The plan of strategy {single.name!r} fills batches of {plan.batch_size} rows, but batch_size= is "
            f"{limits.batch_size}. Pass batch_size={plan.batch_size}, or choose a plan without a quota."
        )
    return Job.of(
        plan=plan,
        train=fold.train,
        stop=fold.stop,
        score=fold.score,
        loss=target.weighted(single.make_loss(counts), plan),
        seed=settings.seed,
        counters=counters,
        limits=limits,
        mix=single.make_mix(counts),
        model=single.model,
        content=model.content(),
        init_bias=settings.init_bias,
        kind=examples.kind,
    )


def limits_of(drawn: int, rows: int, settings: Settings, steps: int | None = None, rarest: int = 0) -> Limits:
    """Return the limits of a job, all in optimizer steps.

    With the budget "steps", a job takes as many steps as the baseline in `settings.epochs` epochs. With the budget
    "epochs", it takes these epochs of its own plan. Both are at least `recipe.floor` steps, times `settings.extension`,
    and at most `settings.most_steps`.

    Args:
        drawn: Rows that the plan draws in an epoch.
        rows: Training rows.
        settings: Of the run.
        steps: A fixed number of steps instead; None: as above.
        rarest: Number of early-stopping rows of their rarest class.
    """
    recipe, counted = settings.recipe, drawn if settings.budget == "epochs" else rows
    per_round = -(-counted // settings.batch_size)  # steps of a pass, rounded up
    patience = settings.patience * per_round if settings.early_stopping and not recipe.cosine else None
    plateau = None if settings.plateau is None else settings.plateau * per_round
    most = max(settings.epochs, -(-recipe.floor // per_round)) * per_round * settings.extension
    most = most if steps is None else steps
    if settings.most_steps is not None:
        most = min(most, settings.most_steps)
        per_round = min(per_round, most)
    return Limits(
        steps=most,
        round_steps=per_round,
        patience=patience,
        batch_size=settings.batch_size,
        plateau=plateau,
        min_steps=recipe.min_steps,
        smoothing=recipe.smoothing,
        margin=recipe.margin_for(rarest),
        stop_on=recipe.stop_on,
        average=recipe.decay(per_round),
        cosine=recipe.cosine,
    )

"""Strategies and folds to jobs: which network is trained on what, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterpoise.core.errors import ModelError, OptionError, error_text
from counterpoise.core.records import Examples, Fold, Job, Limits, Member
from counterpoise.core.seeds import integer
from counterpoise.core.structure import take
from counterpoise.engines.finishing import check_finish
from counterpoise.engines.mixing import check_mixable
from counterpoise.engines.objective import Objective
from counterpoise.engines.run import make_job
from counterpoise.engines.sklearn_fit import stops_early
from counterpoise.networks.network import Network
from counterpoise.networks.recipe import PLAIN, Recipe, whole
from counterpoise.strategies.single_pass import in_one_pass
from counterpoise.strategies.strategy import Strategy, no_constants
from counterpoise.targets import target_of

#: (strategy, fold).
Key = tuple[str, int]
#: Jobs to members by job id, by whatever executor.
TrainAll = Callable[[Iterable[Job]], Mapping[str, Member]]

#: Fold number of a training on all rows, so that its seeds are its own.
ALL_ROWS_FOLD = 1_000_000


#: Where no number of epochs is asked for: steps to stay within, and passes that are made all the same.
AUTO_STEPS, LEAST_PASSES = 15_000, 30


@dataclass(frozen=True)
class Settings:
    """How networks are trained, equal for all strategies (see `compare` for each name).

    `epochs`, `batch_size` and `recipe` may be "auto" until `on` a network. `most_steps` bounds the steps of every
    network; `extension` is how many times the budget may be taken, which `extend` allows to be raised where networks
    are cut off (see `pipeline.budget`). `tune` trials look for the values of a strategy's hyperparameters by
    `tune_metric`, each network with `tune_steps` at most.
    """

    epochs: Any = 30
    batch_size: Any = 256
    budget: str = "steps"
    early_stopping: bool = True
    patience: int = 10
    seed: int = 0
    engine: str = "auto"
    plateau: int | None = None
    most_steps: int | None = None
    tune: int = 0
    tune_steps: int | None = None
    tune_metric: str = "average_precision"
    recipe: Any = PLAIN
    init_bias: bool = True
    extend: bool = False
    extension: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "plateau", "most_steps", "tune_steps"):
            value = getattr(self, name)
            later = value == "auto" if name in ("epochs", "batch_size") else value is None and name != "patience"
            if not later:
                object.__setattr__(self, name, whole(name, value, 1))
        if self.budget not in ("steps", "epochs"):
            raise OptionError(f'budget is {self.budget!r}; expected "steps" or "epochs".')
        if self.recipe != "auto" and not isinstance(self.recipe, Recipe):
            raise OptionError(f'recipe is {self.recipe!r}; expected "auto" or a cp.Recipe.')
        if not isinstance(self.init_bias, bool):
            raise OptionError(f"init_bias is {self.init_bias!r}; expected True or False.")
        for name in ("seed", "tune"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 0))

    def on(self, network: Network, rows: int, passes: int, extend: bool = False) -> Settings:
        """These settings for a network and a number of rows, nothing left "auto".

        `passes` are the most epochs of those who asked for none: fewer on many rows, where they would make more than
        `AUTO_STEPS` steps, but `LEAST_PASSES` at least; then the recipe's floor of steps holds too, and the budget may
        be extended if `extend`.
        """
        recipe = network.recipe if self.recipe == "auto" else self.recipe
        batch = recipe.batch_size(rows) if self.batch_size == "auto" else self.batch_size
        if self.epochs != "auto":
            return replace(self, recipe=replace(recipe, floor=0), batch_size=batch)
        epochs = min(passes, max(LEAST_PASSES, AUTO_STEPS * batch // rows))
        return replace(self, recipe=recipe, batch_size=batch, epochs=epochs, extend=extend)


def on_network(strategy: Strategy, network: Network) -> Strategy:
    """The strategy as this network trains it: under its loss, and all members in one pass where it can.

    Raises:
        ModelError: a part has a loss of its own, and the model computes its loss itself.
    """
    return in_one_pass(under_loss_of(strategy, network), network)


def under_loss_of(strategy: Strategy, network: Network) -> Strategy:
    """The strategy, parts without a loss of their own training with the loss of the compiled model.

    Raises:
        ModelError: a part has a loss of its own, and the model computes its loss itself.
    """
    if network.user_loss is None and network.own_step is None:
        return strategy
    parts = tuple(_under_loss_of(part, network) for part in strategy.parts())
    return replace(strategy, members=parts) if strategy.members else parts[0]


def _under_loss_of(part: Strategy, network: Network) -> Strategy:
    if part.is_external:
        return part
    own = part.loss != "cross_entropy"
    if own and network.own_step == "compute_loss":
        raise ModelError(
            f"strategy {part.name!r} trains with a loss of its own, but the model computes its loss itself "
            "(compute_loss); choose a strategy that draws or weighs rows, for example class_weight or oversample."
        )
    rigid = network.own_step is not None or (network.user_loss is not None and network.user_loss.form == "codes")
    if part.mix and rigid:
        raise ModelError(
            f"strategy {part.name!r} mixes rows and their labels, but the model's own step or loss takes one class for "
            "each row; leave the strategy out, or compile the model with a loss that takes one-hot labels."
        )
    if own:
        network.tell(
            f"strategy {part.name!r} trains with its own loss {part.loss!r} in place of the model's{network.loss_label}"
        )
    return part if own or network.user_loss is None else replace(part, loss="model", constants=no_constants)


def jobs_of(
    strategy: Strategy, examples: Examples, fold: Fold, settings: Settings, network: Network | None = None,
    stopping: Examples | None = None,
) -> list[Job]:  # fmt: skip
    """The jobs of a strategy's members on one fold, as a network trains it (see `on_network`).

    `stopping` are the rows that `fold.stop` numbers, where these are others (a scan).
    """
    strategy = strategy if network is None else on_network(strategy, network)
    return [
        job_of(part, examples, fold, settings, member, stopping=stopping)
        for part, member in zip(strategy.parts(), member_numbers(strategy), strict=True)
    ]


def jobs_by_fold(
    strategies: Sequence[Strategy],
    examples: Examples,
    folds: Sequence[Fold],
    settings: Settings,
    network: Network,
    versions: Mapping[Key, Strategy] | None = None,
) -> tuple[dict[Key, list[Job]], dict[str, str]]:
    """The jobs of (strategy, fold), and why a strategy cannot be carried out on these rows and this network.

    `versions` holds what is trained in place of a strategy on a fold (after tuning). What fails is left out of the
    first. It is raised where nothing would be left to compare: the untouched model, or
    the only strategy.
    """
    jobs: dict[Key, list[Job]] = {}
    failures: dict[str, str] = {}
    for strategy in strategies:
        try:
            of_fold = [(versions or {}).get((strategy.name, f), strategy) for f in range(len(folds))]
            made = [
                jobs_of(version, examples, fold, settings, network)
                for version, fold in zip(of_fold, folds, strict=True)
            ]
            _check_trainable(strategy, made[0], network)
        except Exception as error:  # a user's own plan may raise anything; the others race on
            if strategy.name == "none" or len(strategies) == 1:
                raise
            failures[strategy.name] = error_text(error)
        else:
            jobs |= {(strategy.name, f): group for f, group in enumerate(made)}
    return jobs, failures


def _check_trainable(strategy: Strategy, jobs: Sequence[Job], network: Network) -> None:
    """Raise what the training or the finishing of a strategy's members would raise for any rows."""
    for part, job in zip(on_network(strategy, network).parts(), jobs, strict=True):
        if job.estimator is None:
            check_finish(part.finish, network)
            Objective(job).loss(network)


def leave_out_failed(jobs: dict[Key, list[Job]], members: Mapping[str, Member], failures: dict[str, str]) -> None:
    """Move strategies that have a failed member from the jobs to the failures."""
    for (name, _), group in list(jobs.items()):
        if said := next((members[job.id].error for job in group if members[job.id].error), ""):
            failures.setdefault(name, said)
    for key in [key for key in jobs if key[0] in failures]:
        del jobs[key]


def check_some_left(strategies: Sequence[Strategy], failures: Mapping[str, str]) -> None:
    """Raise a ModelError with the reasons where every strategy failed."""
    if strategies and all(s.name in failures for s in strategies):
        reasons = "; ".join(dict.fromkeys(failures[s.name].rstrip(".") for s in strategies))
        raise ModelError(f"Every training failed, so there is nothing to judge: {reasons}.")


def job_of(
    part: Strategy, examples: Examples, fold: Fold, settings: Settings, member: int = 0, steps: int | None = None,
    stopping: Examples | None = None,
) -> Job:  # fmt: skip
    """One job; `steps` fixes the number of steps (a re-fit), else the budget decides.

    A plan that looks at features (synthesis, cleaning) is carried out here, on the training rows of the fold alone. An
    estimator that does not stop early is fitted on the stopping rows too, unless these were given.
    """
    stops = settings.early_stopping and stops_early(part.estimator) if part.is_external else True
    if not stops and examples.split is None:
        fold = fold.whole()
    y = examples.y[fold.train]
    place = (fold.repeat, fold.index, member)
    target, n = target_of(examples), len(examples.classes)
    counts = target.counts(y, n)
    if part.mix:
        check_mixable(examples, part.name)
    plan = part.make_plan(target, y, n, examples.weights_of(fold.train))
    stop_y = (examples if stopping is None else stopping).y[fold.stop]
    rarest = int(target.counts(stop_y, n).min())
    limits = limits_of(len(plan), len(y), settings, steps, rarest)
    if part.warm:
        limits = annealed(limits, 1 if steps else part.sequence)
    if plan.needs_features:
        plan = plan.realize(take(examples.x, fold.train), integer(settings.seed, "synthesis", *place))
    return make_job(
        plan,
        fold.train,
        fold.stop,
        fold.test,
        loss=part.make_loss(counts),
        seed=settings.seed,
        place=place,
        limits=limits,
        mix=part.make_mix(counts),
        estimator=part.estimator,
        init_bias=settings.init_bias,
        kind=examples.kind,
    )


def limits_of(drawn: int, rows: int, settings: Settings, steps: int | None = None, rarest: int = 0) -> Limits:
    """Steps of a job: as many as `none` takes in `epochs` (budget "steps"), or its own epochs; `steps` if given.

    `rarest` is the number of stopping rows of their rarest class.
    """
    recipe, counted = settings.recipe, drawn if settings.budget == "epochs" else rows
    per_round = -(-counted // settings.batch_size)
    patience = settings.patience * per_round if settings.early_stopping else None
    plateau = None if settings.plateau is None else settings.plateau * per_round
    most = max(settings.epochs, -(-recipe.floor // per_round)) * per_round * settings.extension
    most = most if steps is None else steps
    if settings.most_steps is not None:
        most = min(most, settings.most_steps)
        per_round = min(per_round, most)
    return Limits(
        most, per_round, patience, settings.batch_size, plateau, recipe.min_steps, recipe.smoothing,
        recipe.margin_for(rarest), recipe.stop_on, recipe.decay(per_round),
    )  # fmt: skip


def annealed(limits: Limits, parts: int) -> Limits:
    """One of equal parts of the steps, over which the learning rate falls to 0."""
    steps = max(1, limits.steps // parts)
    return replace(limits, steps=steps, round_steps=min(limits.round_steps, steps), anneal=True)


def member_numbers(strategy: Strategy) -> Iterator[int]:
    """Number members of the same strategy 0, 1, ...: equal first members are the same job everywhere."""
    seen: dict[str, int] = {}
    for part in strategy.parts():
        yield seen.get(part.name, 0)
        seen[part.name] = seen.get(part.name, 0) + 1

"""What a user asks to be trained -> the models of a run, and each strategy with the model that trains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.engines.sklearn_fit import ExternalModel
from counterpoise.forests.model import KINDS, TreeModel
from counterpoise.networks.frozen_body import network_for
from counterpoise.pipeline.trainer import Learner
from counterpoise.strategies.blend import Blend
from counterpoise.strategies.external import External
from counterpoise.strategies.resolve import resolved, suits
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of


def models_of(
    wanted: Any, strategies: Sequence[Strategy], examples: Examples, **options: Any
) -> tuple[dict[str, Learner], tuple[Strategy, ...], dict[str, str]]:
    """The learners by their keys, every strategy as every model trains it, and why a strategy cannot be trained.

    Strategies of the first model keep their names; those of the others are called `MODEL:STRATEGY`. Strategies that
    trees cannot train are left out where there are several.

    Args:
        wanted: A network (see `fit`), `cp.trees(...)` or the name of trees, `cp.blend([...])`, or a list of these.
        strategies: Simplest first.
        examples: The rows.
        **options: Of `networks.frozen_body.network_for`.

    Raises:
        OptionError: an empty list. ModelError: a network that does not fit the rows, or nothing that its model can
            train.
    """
    several = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    if not several:
        raise OptionError('The list of models is empty. Expected at least one, for example ["tabular", "boosted"].')
    learners: dict[str, Learner] = {}
    specs: dict[str, Any] = {}

    def key_of(spec: Any) -> str:
        """The key of a model, which is made where it is new."""
        for key, known in specs.items():
            if known is spec or (isinstance(spec, (str, TreeModel)) and known == spec):
                return key
        learner = _learner(spec, examples, options)
        key = "" if not specs else _free(learner.model.label, learners)
        specs[key], learners[key] = spec, learner
        return key

    chosen: list[Strategy] = []
    for number, spec in enumerate(several):
        chosen += _of_model(spec, strategies, key_of, learners, prefixed=number > 0)
    for strategy in strategies:
        if isinstance(strategy, External):
            _check_target(examples, strategy.name)
            learners[strategy.name] = Learner(ExternalModel(strategy.name, strategy.estimator), examples)
            chosen.append(replace(strategy, model=strategy.name))
    return learners, *_resolved(chosen, learners)


def _resolved(
    strategies: Sequence[Strategy], learners: dict[str, Learner]
) -> tuple[tuple[Strategy, ...], dict[str, str]]:
    """Strategies as their models train them, and the reason of each that cannot be trained."""
    models = {key: learner.model for key, learner in learners.items()}
    ready: list[Strategy] = []
    refused: dict[str, str] = {}
    for strategy in strategies:
        try:
            ready.append(resolved(strategy, models))
        except ModelError as error:
            if strategy.name == "none" or len(strategies) == 1:
                raise
            refused[strategy.name] = str(error)
    return tuple(ready), refused


def _of_model(
    spec: Any, strategies: Sequence[Strategy], key_of: Any, learners: dict[str, Learner], prefixed: bool
) -> list[Strategy]:
    own = [strategy for strategy in strategies if not isinstance(strategy, External)]
    if isinstance(spec, Blend):
        keys = [key_of(member) for member in spec.models]
        made: list[Strategy] = [spec.under(strategy, keys) for strategy in own]
        able = [all(suits(strategy, learners[key].model) for key in keys) for strategy in own]
    else:
        key = key_of(spec)
        made = [strategy.with_model(key) for strategy in own]
        able = [suits(strategy, learners[key].model) for strategy in own]
    kept = [strategy for strategy, can in zip(made, able, strict=True) if can or len(own) == 1]
    label = spec.label if isinstance(spec, Blend) else learners[key].model.label
    return [replace(strategy, name=f"{label}:{strategy.name}") if prefixed else strategy for strategy in kept]


def _learner(spec: Any, examples: Examples, options: dict[str, Any]) -> Learner:
    if isinstance(spec, str) and spec in KINDS:
        spec = TreeModel(spec)
    if isinstance(spec, TreeModel):
        _check_target(examples, spec.label)
        return Learner(spec, examples)
    return Learner(*network_for(spec, examples, **options))


def _check_target(examples: Examples, name: str) -> None:
    """Raise a ModelError where a model that is no network would have to learn several labels."""
    if target_of(examples).independent:
        raise ModelError(
            f"{name!r} takes one class per row, but these rows have several labels. Choose a network, for example "
            '"tabular", or train it on one label at a time.'
        )


def _free(label: str, taken: dict[str, Learner]) -> str:
    """A key that no other model has."""
    number, key = 2, label
    while key in taken:
        key, number = f"{label}_{number}", number + 1
    return key

"""From the user's model and strategies to the models of a run (learners by key), and each strategy with its models.

Keys of models are part of job ids, and labels of names in the leaderboard ("MODEL:STRATEGY").
"""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.model import Model
from counterpoise.core.structure import leaves
from counterpoise.engines.sklearn_fit import ExternalModel
from counterpoise.forests.model import KINDS, TreeModel
from counterpoise.networks.augmentation import asked_for
from counterpoise.networks.built_in import BUILT_IN, name_for
from counterpoise.networks.frozen_body import network_for
from counterpoise.networks.input_spec import spec_of
from counterpoise.networks.network import Network
from counterpoise.pipeline.options import DEFAULTS
from counterpoise.pipeline.trainer import Learner
from counterpoise.strategies.blend import Blend
from counterpoise.strategies.external import External
from counterpoise.strategies.resolve import resolved, suits
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of

#: What "auto" pools on tables: see `docs/explanation/measurements.md` for what was measured.
AUTO = Blend(("tabular", "boosted", "forest", "extra_trees"), adapts=True)
#: Names of other libraries -> the model that an error suggests.
MEANT = {
    **dict.fromkeys(("rf", "random_forest", "randomforest"), "forest"),
    **dict.fromkeys(("et", "extratrees", "extra_tree"), "extra_trees"),
    **dict.fromkeys(("lightgbm", "lgbm", "xgboost", "xgb", "catboost", "gbm", "gbdt"), "boosted"),
    **dict.fromkeys(("nn", "dnn", "dense"), "mlp"),
}
#: Arguments of `fit` and `compare` that only networks use.
OF_NETWORKS = (
    "epochs", "batch_size", "optimizer", "patience", "plateau", "recipe", "output", "initial_weights", "init_bias",
    "clone", "engine",
)  # fmt: skip
#: Most numbers in a table (rows times columns) on which "auto" grows forests: more take minutes, and gain nothing.
FOREST_NUMBERS = 1_000_000


def model_for(wanted: Any, examples: Examples, strategies: Sequence[Strategy] = (), network_alone: bool = False) -> Any:
    """Replace "auto" by the default model for these rows; return any other model unchanged.

    Tables and rows of numbers: the blend `AUTO`, on large ones without its forests. Its network alone where trees
    cannot train any of the strategies, and with `network_alone`. Pictures and texts: the network for them.

    Args:
        wanted: As `fit` takes it.
        examples: The rows.
        strategies: What is to be trained; none: any.
        network_alone: Whether something was asked for that only a network has.

    Raises:
        ModelError: no model takes such rows.
    """
    if not isinstance(wanted, str) or wanted != "auto":
        return wanted
    name = name_for(spec_of(examples), examples.schema is not None)
    if name != "tabular" or network_alone or target_of(examples).per_element:
        return name
    trainable = not strategies or any(suits(strategy, TreeModel()) for strategy in strategies)
    if not trainable:
        return name
    numbers = len(examples) * sum(int(np.prod(part.shape[1:])) for part in leaves(examples.x))
    return AUTO if numbers <= FOREST_NUMBERS else replace(AUTO, models=AUTO.models[:2])


def warn_of_unused(wanted: Any, given: Mapping[str, Any]) -> None:
    """Warn about arguments for networks that have no effect, because only trees are trained.

    Args:
        wanted: The models, as `fit` and `compare` take them.
        given: Arguments by name; those at their default count as not given.

    Example:
        >>> warn_of_unused("mlp", {"epochs": 3})
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as noticed:
        ...     warn_of_unused("boosted", {"epochs": 3, "optimizer": None})
        >>> str(noticed[0].message).partition(". ")[0]
        'epochs=3 has no effect, because no network is trained'
    """
    several = wanted.models if isinstance(wanted, Blend) else wanted if isinstance(wanted, (list, tuple)) else [wanted]
    if not all(isinstance(spec, TreeModel) or (isinstance(spec, str) and spec in KINDS) for spec in several):
        return
    for name in OF_NETWORKS:
        if name in given and given[name] is not DEFAULTS[name] and given[name] != DEFAULTS[name]:
            warnings.warn(
                f"{name}={given[name]!r} has no effect, because no network is trained. To set the number of trees, "
                'pass n_estimators, for example cp.trees("boosted", n_estimators=500).',
                UserWarning,
                stacklevel=3,
            )


def models_of(
    wanted: Any, strategies: Sequence[Strategy], examples: Examples, **options: Any
) -> tuple[dict[str, Learner], tuple[Strategy, ...], dict[str, str]]:
    """Make the models of a run, and match every strategy with them.

    The result is: the learners by key; every strategy as every model trains it; and strategy -> reason, for those
    that cannot be trained.

    Strategies of the first model keep their names; those of the others are called `MODEL:STRATEGY`. Strategies that
    trees cannot train are left out where there are several.

    Args:
        wanted: A network (see `fit`), `cp.trees(...)` or the name of trees, `cp.blend([...])`, "auto", or a list of
            these.
        strategies: Simplest first.
        examples: The rows.
        **options: Of `networks.frozen_body.network_for`.

    Raises:
        OptionError: an empty list. ModelError: a network that does not fit the rows, or nothing that its model can
            train.
    """
    several = list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
    if not several:
        raise OptionError(
            'The list of models is empty. Expected at least one model, for example ["tabular", "boosted"].'
        )
    asked, several = several, [model_for(spec, examples, strategies) for spec in several]
    automatic = [made for spec, made in zip(asked, several, strict=True) if isinstance(spec, str) and spec == "auto"]
    _check_different(several, "the list of models", automatic)
    learners: dict[str, Learner] = {}
    specs: dict[str, Any] = {}

    def key_of(spec: Any) -> str:
        """Return the key of a model, after making the model if it is new; the first key is ""."""
        for key, known in specs.items():
            if _are_equal(known, spec):
                return key
        learner = _make_learner(spec, examples, options)
        key = "" if not specs else unused_label(learner.model.label, learners)
        specs[key], learners[key] = spec, learner
        return key

    chosen: list[Strategy] = []
    labels: list[str] = []
    for spec in several:
        blend = spec if isinstance(spec, Blend) else Blend((spec,))
        _check_different(blend.models, "the blend")
        if examples.split is not None:  # given stopping rows ended the trainings: they weigh no model
            blend = replace(blend, pooling="equal")
        keys = [key_of(member) for member in blend.models]
        label = unused_label(spec.label if isinstance(spec, Blend) else learners[keys[0]].model.label, labels)
        under = _trainable_by(blend, {key: learners[key] for key in keys}, strategies)
        chosen += [replace(strategy, name=f"{label}:{strategy.name}") if labels else strategy for strategy in under]
        labels.append(label)
    for strategy in strategies:
        if isinstance(strategy, External):
            _check_one_class_per_row(examples, strategy.name)
            learners[strategy.name] = Learner(ExternalModel(strategy.name, strategy.estimator), examples)
            chosen.append(replace(strategy, model=strategy.name))
    changes = asked_for(options)
    if changes and not any(isinstance(learner.model, Network) for learner in learners.values()):
        raise OptionError(
            f"{changes}= changes images while a network trains, but none of the models is a network. Leave {changes} "
            'out, or choose a network such as "cnn".'
        )
    return learners, *_resolve_all(chosen, learners)


def _are_equal(one: Any, other: Any) -> bool:
    """Return whether two models are trained alike: one object, or equal names, trees or blends of these."""
    one, other = (TreeModel(spec) if isinstance(spec, str) and spec in KINDS else spec for spec in (one, other))
    return one is other or (isinstance(one, (str, TreeModel, Blend)) and type(one) is type(other) and one == other)


def _check_different(models: Sequence[Any], where: str, automatic: Sequence[Any] = ()) -> None:
    """Raise an OptionError if two models are equal: with the same seed, they would be one training.

    `automatic` are those that "auto" became, which the message names.

    Example:
        >>> _check_different(["mlp", "boosted"], "the blend")
    """
    for number, spec in enumerate(models):
        if any(_are_equal(spec, other) for other in models[:number]):
            name = spec if isinstance(spec, str) else spec.label if hasattr(spec, "label") else type(spec).__name__
            chosen = ' (it is the model of "auto" for these rows)' if spec in automatic else ""
            raise OptionError(
                f"The model {name!r} is listed twice in {where}{chosen}, but it would be trained only once. List each "
                "model once. To average several trainings of one network, pass a strategy such as "
                'cp.ensemble(["none", "none"]).'
            )


def _resolve_all(
    strategies: Sequence[Strategy], learners: dict[str, Learner]
) -> tuple[tuple[Strategy, ...], dict[str, str]]:
    """Return the strategies as their models train them (see `strategies.resolve`), and strategy -> reason for others.

    An error of the baseline, or of the only strategy, is raised instead.
    """
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


def _trainable_by(blend: Blend, learners: Mapping[str, Learner], strategies: Sequence[Strategy]) -> list[Strategy]:
    """Return the strategies that a blend can train, each with the keys of its models.

    `learners` has the models of the blend only. If the blend adapts, a strategy keeps the models that can train it.
    Otherwise all models must be able to, except that a single strategy is kept, so that its error is raised later.
    """
    own = [strategy for strategy in strategies if not isinstance(strategy, External)]
    kept: list[Strategy] = []
    for strategy in own:
        able = [key for key, learner in learners.items() if suits(strategy, learner.model)]
        if len(own) == 1 and not blend.adapts:
            able = list(learners)  # the reason is raised later
        if able and (blend.adapts or len(able) == len(learners)):
            if len(able) > 1:
                _warn_of_unused_vote(strategy, blend)
            kept.append(blend.under(strategy, able) if len(able) > 1 else strategy.with_model(able[0]))
    return kept


def _warn_of_unused_vote(strategy: Strategy, blend: Blend) -> None:
    """Warn about a vote or weights of an ensemble, which a blend replaces by its own weights of all members."""
    vote, weights = strategy.pooling
    if weights is None and vote in ("soft", "weighted" if blend.pooling == "learned" else "soft"):
        return
    what = f"vote={vote!r}" if weights is None else "weights="
    warnings.warn(
        f"{what} of the strategy {strategy.name!r} has no effect, because a blend gives {blend.pooling} weights to all "
        'members of all its models. To use it, choose one model, for example "tabular".',
        UserWarning,
        stacklevel=3,
    )


def _make_learner(spec: Any, examples: Examples, options: dict[str, Any]) -> Learner:
    """Return the model that `spec` describes, with the rows in the form that it needs.

    Raises:
        OptionError: There is no model of this name. ModelError: The model cannot learn labels of this kind.
    """
    if isinstance(spec, str) and spec in KINDS:
        spec = TreeModel(spec)
    if isinstance(spec, str) and spec not in BUILT_IN:
        names = ["auto", *BUILT_IN, *KINDS]
        hint = f" Did you mean {MEANT[spec]!r}?" if spec in MEANT else did_you_mean(spec, names)
        raise OptionError(f"There is no model {spec!r}.{hint}")
    if isinstance(spec, TreeModel) and (spec.name == "balanced_forest" or target_of(examples).per_element):
        _check_one_class_per_row(examples, spec.label)
    if isinstance(spec, Model):
        return Learner(spec, examples)
    return Learner(*network_for(spec, examples, **options))


def _check_one_class_per_row(examples: Examples, name: str) -> None:
    """Raise a ModelError if rows have more than one class, which only networks can learn."""
    if (target := target_of(examples)).many_per_row:
        advice = '"unet"' if target.per_element else f'"tabular", or train {name!r} on one label at a time'
        raise ModelError(
            f"{name!r} takes one class per row, but these rows have {target.what}. Choose a network, for example "
            f"{advice}."
        )


def unused_label(label: str, taken: Container[str]) -> str:
    """Return the label, with the suffix _2, _3 and so on if it is already taken."""
    number, key = 2, label
    while key in taken:
        key, number = f"{label}_{number}", number + 1
    return key

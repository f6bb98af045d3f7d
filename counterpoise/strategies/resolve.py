"""A strategy as its models train it, worked out by `pipeline.models` before jobs are made.

Strategies and kinds of models meet only here: a strategy that a model cannot train is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core.errors import ModelError
from counterpoise.core.model import Model
from counterpoise.engines.finishing import check_finish
from counterpoise.networks.network import Network
from counterpoise.networks.user_loss import known_term
from counterpoise.strategies.single_pass import in_single_pass
from counterpoise.strategies.strategy import Single, Strategy, no_constants
from counterpoise.strategies.successive import Successive


def resolved(strategy: Strategy, models: Mapping[str, Model]) -> Strategy:
    """Return the strategy as its models train it.

    A compiled network trains with its own loss, unless the strategy has one. Members are trained in one pass if
    possible.

    Args:
        strategy: A strategy that has the key of a model in each `Single`.
        models: The models of the run, by their keys.

    Raises:
        ModelError: a model cannot train its `Single`.
    """
    _check_trees_can_train(strategy, models)
    ready = strategy.mapped(lambda single: _with_network_loss(single, models[single.model]))
    keys = {single.model for single in ready.singles}
    model = models[ready.singles[0].model]
    return in_single_pass(ready, model) if len(keys) == 1 and isinstance(model, Network) else ready


def suits(strategy: Strategy, model: Model) -> bool:
    """Return whether a model of this kind can train a strategy; only trees cannot train all."""
    return model.kind != "trees" or not any(map(_what_trees_lack, strategy.units))


def _check_trees_can_train(strategy: Strategy, models: Mapping[str, Model]) -> None:
    """Raise a ModelError if a member of the strategy would train trees, but needs a network."""
    for unit in strategy.units:
        if models[unit.singles[0].model].kind == "trees" and (reason := _what_trees_lack(unit)):
            raise ModelError(
                f"Strategy {unit.name!r} {reason}, which trees cannot do. Choose a strategy that draws or weights "
                f"rows, for example class_weight, oversample or undersample."
            )


def _changes_weights_during_training(single: Single) -> bool:
    """Return whether a plan changes its weights during training; False if that cannot be found out.

    A plan of four labels is made to see. It may fail, for example if it needs more than labels; `pipeline.jobs` checks
    the real plan again.
    """
    with suppress(Exception):
        return bool(single.plan(np.array([0, 0, 1, 1]), **single.options).deferred)
    return False


def _what_trees_lack(unit: Strategy) -> str:
    """Return what trees lack to train a member, as the middle of an error message; "" if trees can train it."""
    single = unit.singles[0]
    needs = {
        f"trains with the loss {single.loss!r}": single.loss != "cross_entropy",
        "mixes the rows of batches": bool(single.mix),
        "changes the last layer of a network": bool(single.finish),
        "changes the learning rate": isinstance(unit, Successive) and unit.warm,
        "changes its plan during training": _changes_weights_during_training(single),
    }
    return next((text for text, needed in needs.items() if needed), "")


def _with_network_loss(single: Single, network: Model) -> Single:
    """Return a `Single` for its model, with the loss of a compiled network.

    A `Single` with a loss of its own keeps it. A model that is no network changes nothing. Raise a ModelError if the
    loss or the training step of the network rules out the loss or the mixing of the strategy. A strategy that
    replaces the loss of the network causes a warning.
    """
    if not isinstance(network, Network):
        return single
    check_finish(single.finish, network)
    if network.user_loss is None and network.custom_train_step is None:
        return single
    # Cross-entropy is the default, so it does not count as a loss of the strategy.
    own = single.loss != "cross_entropy"
    if own and network.custom_train_step == "compute_loss":
        raise ModelError(
            f"Strategy {single.name!r} has its own loss, but the model computes its loss itself (compute_loss). "
            f"Choose a strategy that draws or weights rows, for example class_weight or oversample."
        )
    # `rigid`: training takes one class code per row, so mixed labels are not possible.
    rigid = network.custom_train_step is not None or (
        network.user_loss is not None and network.user_loss.form == "codes"
    )
    if single.mix and rigid:
        raise ModelError(
            f"Strategy {single.name!r} mixes rows and their labels, but the model's own training step or loss takes "
            "one class for each row. Leave the strategy out, or compile the model with a loss that takes one-hot "
            "labels."
        )
    if own:
        network.warn_once(
            f"strategy {single.name!r} trains with its own loss {single.loss!r} instead of the model's loss"
            f"{network.loss_label}"
        )
    if own or network.user_loss is None:
        return single
    # A training step of the model's own may use its loss in another way.
    term = None if network.custom_train_step else known_term(network.given_loss, network.target.shape(network.classes))
    return replace(single, loss="model", constants=no_constants if term is None else partial(_with_term, term))


def without_known_term(single: Single) -> Single:
    """Return a `Single` as if the term of the model's own loss were not known, because it changes during training."""
    return replace(single, constants=no_constants) if single.loss == "model" else single


def _with_term(term: list[Any], counts: np.ndarray) -> Mapping[str, Any]:
    """Return the constants of the model's own loss: the term that it leaves in the logits (see `known_term`)."""
    return {"additive": term}

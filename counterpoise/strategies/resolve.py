"""A strategy as the models of its parts train it: under a network's own loss, in one pass, or refused in one line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from counterpoise.core.errors import ModelError
from counterpoise.core.model import Model
from counterpoise.networks.network import Network
from counterpoise.strategies.single_pass import in_single_pass
from counterpoise.strategies.strategy import Strategy, no_constants


def resolved(strategy: Strategy, models: Mapping[str, Model]) -> Strategy:
    """The strategy as its models train it.

    Args:
        strategy: With the key of a model in each part.
        models: The models of the run.

    Raises:
        ModelError: a model cannot train its part.
    """
    parts = tuple(_for_model(part, models[part.model]) for part in strategy.parts())
    ready = replace(strategy, members=parts) if strategy.members else parts[0]
    keys = {part.model for part in parts}
    model = models[parts[0].model]
    return in_single_pass(ready, model) if len(keys) == 1 and isinstance(model, Network) else ready


def suits(strategy: Strategy, model: Model) -> bool:
    """Whether a model of this kind can train a strategy at all."""
    try:
        for part in strategy.parts():
            if model.kind == "trees":
                _check_trees(part)
    except ModelError:
        return False
    return True


def _for_model(part: Strategy, model: Model) -> Strategy:
    if isinstance(model, Network):
        return _under_loss_of(part, model)
    if model.kind == "trees":
        _check_trees(part)
    return part


def _deferred(part: Strategy) -> bool:
    """Whether the plan of a part changes its weights during training; one that needs more than labels does not say."""
    with suppress(Exception):
        return bool(part.plan(np.array([0, 0, 1, 1]), **part.options).deferred)
    return False


def _check_trees(part: Strategy) -> None:
    """Raise a ModelError where a part needs what only networks have."""
    needs = {
        f"trains with the loss {part.loss!r}": part.loss != "cross_entropy",
        "mixes the rows of batches": bool(part.mix),
        "changes the last layer of a network": bool(part.finish),
        "lowers and raises a learning rate": part.warm,
        "changes its weights during training": _deferred(part),
    }
    if reason := next((text for text, needed in needs.items() if needed), ""):
        raise ModelError(
            f"strategy {part.name!r} {reason}, which trees cannot do. Choose a strategy that draws or weighs rows, for "
            "example class_weight, oversample or undersample."
        )


def _under_loss_of(part: Strategy, network: Network) -> Strategy:
    """A part without a loss of its own trains with the loss of the compiled model."""
    if network.user_loss is None and network.custom_train_step is None:
        return part
    own = part.loss != "cross_entropy"
    if own and network.custom_train_step == "compute_loss":
        raise ModelError(
            f"strategy {part.name!r} trains with a loss of its own, but the model computes its loss itself "
            "(compute_loss); choose a strategy that draws or weighs rows, for example class_weight or oversample."
        )
    rigid = network.custom_train_step is not None or (
        network.user_loss is not None and network.user_loss.form == "codes"
    )
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

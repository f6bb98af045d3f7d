"""Where the constant of a network's output sits, and whether a training may set it.

Name and type of a layer do not show which one that is: a normalization may stand behind it, or it may be used twice.
So the bias is moved by a little, and it counts when the logits move by exactly that, in prediction and in training.
Used by `Network` alone; functions for models of users find the head by its type (`networks.head`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from counterpoise.core.structure import mapped
from counterpoise.networks.weights import fed, set_state, state_of, variable_indices

if TYPE_CHECKING:
    from counterpoise.networks.network import Network

Array = np.ndarray

#: Layers that are tried, from the output on.
TRIED = 3
#: What the logits may differ by from what the bias was moved by: 16-bit layers round.
TOLERANCE = 0.02
#: Initializers that give a fixed value, so that a changed one can be seen.
_FIXED_STARTS = (keras.initializers.Zeros, keras.initializers.Ones, keras.initializers.Constant)


@dataclass(frozen=True)
class OutputBias:
    """The output bias of a network.

    Attributes:
        index: Index of the variable among the network's; None: it is left as it is.
        layer: Name of its layer, or "".
        given: Whether the model brings a value of its own.
        reason: Why it is left as it is, or "".
    """

    index: int | None = None
    layer: str = ""
    given: bool = False
    reason: str = ""

    def note(self) -> str:
        """Return a note for the user on what becomes of the model's bias, or ""."""
        if self.reason:
            return (
                f"The output bias of the model was kept, because {self.reason}. Strategies that need another bias "
                f"use their first steps to learn it."
            )
        if not self.given:
            return ""
        return (
            f"The model's own output bias (layer {self.layer!r}) was replaced. For a fair comparison, each strategy "
            "starts at the output bias that minimizes its own loss. To keep the bias of the model, pass "
            "init_bias=False."
        )


def find_output_bias(network: Network) -> OutputBias:
    """Return the output bias of a network, or the reason why it has to be left as it is.

    The model is only tried out: its weights are restored.
    """
    if network.keep and network.was_trained:
        return OutputBias(reason="the model was trained before and its weights are kept")
    if network.custom_train_step == "compute_loss":
        return OutputBias(reason="the model computes its loss itself (compute_loss)")
    model = network.spare(keep=True)
    # At most `TRIED` layers with a bias of the right shape, from the output on.
    tried = [layer for _, layer in zip(range(TRIED), _bias_layers(model, network), strict=False)]
    head = next((layer for layer in tried if _moves_the_logits(model, layer, network)), None)
    if head is None:
        return OutputBias(reason=_why_none(tried))
    # Weights that were loaded show in a changed bias along with another changed variable; a bias alone was set.
    others = ((layer, variable) for layer, variable in _layer_variables(model) if variable is not head.bias)
    if _left_its_start(head, head.bias) and any(_left_its_start(*other) for other in others):
        return OutputBias(reason="the weights of the model were loaded or trained")
    given = bool(np.any(np.asarray(keras.ops.convert_to_numpy(head.bias)) != 0))
    return OutputBias(variable_indices(model, [head.bias])[0], str(head.name), given)


def _bias_layers(model: keras.Model, network: Network) -> Iterator[Any]:
    """Yield layers whose trainable bias has the shape of the output, the last first.

    The shape is (units,), or (members, units) of several networks in one.
    """
    shape = (network.units,) if network.n_members == 1 else (network.n_members, network.units)
    for layer in reversed(list(model._flatten_layers())):
        bias = getattr(layer, "bias", None)
        if isinstance(bias, keras.Variable) and bias.trainable and tuple(bias.shape) == shape:
            yield layer


def _moves_the_logits(model: keras.Model, layer: Any, network: Network) -> bool:
    """Return whether the logits move by what is added to the bias of a layer.

    They must do so in prediction and in training.

    With several units a constant in addition does not matter.

    False for a layer that is called more than once, whatever becomes of its outputs: its bias is no constant then.
    The weights of the model are restored.
    """
    state, rows = state_of(model), fed(_trial_rows(network))
    # What is added differs from unit to unit, so that units in another order show.
    index, step = variable_indices(model, [layer.bias])[0], np.linspace(0.5, 1.0, layer.bias.shape[-1])

    def logits(training: bool, added: Any) -> Array:
        # Logits of the trial rows with `added` (units,) or 0 on the bias.
        set_state(model, [value + added if i == index else value for i, value in enumerate(state)])
        return np.asarray(keras.ops.convert_to_numpy(model(rows, training=training)), dtype=np.float64)

    try:
        with _counted_calls(layer) as calls:
            gaps = [logits(training, step) - logits(training, 0.0) - step for training in (False, True)]
    except Exception:  # a layer of the user's may refuse rows that are none
        return False
    finally:
        set_state(model, state)
    # With several units, gaps are compared with that of the first unit.
    off = [gap - (gap[..., :1] if gap.shape[-1] > 1 else 0.0) for gap in gaps]
    # The layer must be called once in each of the four passes.
    return len(calls) == 2 * len(gaps) and all(np.all(np.abs(one) < TOLERANCE) for one in off)


@contextlib.contextmanager
def _counted_calls(layer: Any) -> Iterator[list[None]]:
    """Yield a list that gets one entry for each call of a layer within the `with` block."""
    original, own, calls = layer.call, "call" in vars(layer), list[None]()

    def counted(*args: Any, **how: Any) -> Any:
        # In place of `layer.call`: note the call, and make it.
        calls.append(None)
        return original(*args, **how)

    layer.call = counted
    try:
        yield calls
    finally:
        if own:
            layer.call = original
        else:
            del layer.call  # the method of its class again


def _trial_rows(network: Network) -> Any:
    """Return two rows in the form of the data to try the network on: random numbers, ones, or a letter."""
    rng = np.random.default_rng(0)

    def example_rows(tensor: Any) -> Array:
        # Unknown sizes become 1.
        shape, kind = (2, *(n or 1 for n in tensor.shape[1:])), str(tensor.dtype)
        if kind == "string":
            return np.full(shape, "a")
        return rng.normal(size=shape).astype(np.float32) if "float" in kind else np.ones(shape, kind)

    return mapped(example_rows, network.raw_spec.inputs())


def _why_none(tried: list[Any]) -> str:
    """Return the reason why no bias is set, for the sentence of `OutputBias.note`."""
    if not tried:
        return "its output layer has no bias that can be trained (for example, because of use_bias=False)"
    return (
        f"the bias of layer {tried[0].name!r} does not reach the logits unchanged (for example, because a "
        "normalization follows, or because the layer is used twice)"
    )


def _layer_variables(model: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Yield each variable of a model along with the layer that holds it."""
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            yield layer, variable


def _left_its_start(layer: Any, variable: Any) -> bool:
    """Return whether a variable of a layer no longer has the fixed value that it starts at (`_FIXED_STARTS`).

    False for a variable that starts at random, because that cannot be seen.
    """
    start = getattr(layer, f"{variable.name}_initializer", None)
    if not isinstance(start, _FIXED_STARTS):
        return False
    now, then = (keras.ops.convert_to_numpy(one) for one in (variable, start(variable.shape, dtype=variable.dtype)))
    return not np.allclose(now, then)

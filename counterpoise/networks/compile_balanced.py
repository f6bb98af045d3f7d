"""Compile any Keras model with weights for its rare classes: one line, no `class_weight`.

The public function is `cp.compile_balanced`; nothing here trains. Weights are those of `plans.weight_table`, and
losses those of `losses.weighted`, which saved models name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.per_class import in_class_order, in_unit_order
from counterpoise.losses.base import Loss
from counterpoise.losses.weighted import ClassWeighted, LabelWeighted
from counterpoise.networks.cloning import activation_of, keras_text, last_activation, plain
from counterpoise.networks.head import init_output_bias
from counterpoise.plans.weight_table import weights_from_counts

#: Arguments that may have an entry for each output.
_PER_OUTPUT = ("counts", "scheme", "rows", "loss", "ignore_class")


def compile_balanced(
    model: keras.Model,
    counts: Any,
    scheme: Any = "balanced",
    *,
    rows: Any = None,
    loss: Any = None,
    optimizer: Any = "adam",
    output: str = "auto",
    ignore_class: Any = None,
    init_bias: bool = False,
    **compile_options: Any,
) -> keras.Model:
    """Compile a model with a loss that weights its classes.

    `fit`, validation, and `sample_weight` work as before.

    The class weights are part of the loss. They therefore work for steps (N, T), pixels (N, H, W), independent labels
    and several outputs. `val_loss` uses the same weights as `loss`, and sample weights are multiplied with them. The
    mean of the class weights over the rows is 1.

    Args:
        model: A built model with logits or probabilities, (N, ..., units).
        counts: Number of elements of each class (C,), two numbers for one unit, in code order or by code (a dict,
            `value_counts()`). With `rows`, the number of rows with each label (L,). For several outputs, a dict by
            output name, or a list in the order of the outputs. None for an output means no weights.
        scheme: As in `class_weight`; "none" for a loss that already balances the classes.
        rows: Number of rows, if the units are independent labels.
        loss: A loss of `cp.losses` with one value per element, which is then weighted. None is cross-entropy. `output`
            determines whether the loss receives logits or probabilities. For an output without counts, any loss that
            `compile` accepts.
        optimizer: As in `compile`.
        output: "logits", "probabilities", or "auto" (the last activation).
        ignore_class: Code of elements that are ignored (padding, "void"). With `rows`, the code of a missing label.
        init_bias: Whether to set the output bias from the counts (one output; see `init_output_bias`).
        **compile_options: Arguments of `model.compile`: metrics, weighted_metrics, jit_compile ... With several
            outputs, `scheme`, `rows`, `loss` and `ignore_class` can be dicts or lists, like `counts`.

    Returns:
        The same model, compiled. To switch the weights on late, see `cp.callbacks.Deferred`.

    Raises:
        ModelError: The outputs do not fit the counts, or cannot be identified as logits or probabilities.
        OptionError: The counts or the scheme do not fit the model.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
        >>> compile_balanced(model, counts=[90, 10]).loss.weights.round(4).tolist()
        [0.5556, 5.0]
    """
    structure = _symbolic_outputs(model)
    outputs = _named_outputs(model, structure)
    options = {"counts": counts, "scheme": scheme, "rows": rows, "loss": loss, "ignore_class": ignore_class}
    keyed = _options_by_output(options, [name for name, _ in outputs])
    losses = {name: _output_loss(tensor, output=output, **keyed[name]) for name, tensor in outputs}
    if init_bias:
        if len(outputs) > 1:
            raise OptionError(
                "init_bias=True supports only one output, but the model has several. Call init_output_bias with "
                "layer= once per output."
            )
        init_output_bias(model, counts, rows=rows)
    model.compile(optimizer=optimizer, loss=_in_structure(structure, losses), **compile_options)
    return model


def _symbolic_outputs(model: keras.Model) -> Any:
    """Return the outputs of the model as symbolic tensors in their structure.

    A subclassed model is called on symbolic inputs of the shapes it was built with.

    Raises:
        ModelError: The model is not built, or its call fails.
    """
    if model.built and hasattr(model, "outputs"):
        return getattr(model, "_outputs_struct", model.outputs)
    shapes = (model.get_build_config() or {}) if model.built else {}
    input_shapes = list(shapes.get("shapes_dict", shapes).values())
    if not input_shapes:
        raise ModelError(f"The model {model.name!r} is not built. Add keras.Input, or call the model once.")
    try:
        return model(*map(_symbolic, input_shapes))
    except Exception as error:
        raise ModelError(f"The outputs of the model {model.name!r} cannot be computed: {keras_text(error)}") from error


def _symbolic(shape: Any) -> Any:
    """Return symbolic tensors for shapes in any structure; the first axis has any length."""
    if isinstance(shape, Mapping):
        return {name: _symbolic(inner) for name, inner in shape.items()}
    if shape and isinstance(shape[0], (tuple, list)):
        return [_symbolic(inner) for inner in shape]
    return keras.KerasTensor((None, *shape[1:]))


def _named_outputs(model: keras.Model, structure: Any) -> list[tuple[str, Any]]:
    """Return (name, tensor) of each output; the names are numbered if the model has none."""
    if isinstance(structure, Mapping):
        return list(structure.items())
    tensors = list(structure) if isinstance(structure, (list, tuple)) else [structure]
    names = getattr(model, "output_names", None) or [f"output_{i}" for i in range(len(tensors))]
    return list(zip(names, tensors, strict=True))


def _in_structure(structure: Any, losses: Mapping[str, Any]) -> Any:
    """Return the losses in the structure of the outputs: a dict, a list, or the only one."""
    if isinstance(structure, Mapping):
        return dict(losses)
    return list(losses.values()) if len(losses) > 1 else next(iter(losses.values()))


def _options_by_output(options: Mapping[str, Any], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return output name -> its options.

    Counts of a single output go to the first one; several outputs then raise an OptionError. If `counts` has an entry
    for each output, the other options may have one too (see `_option_of_output`).
    """
    counts = options["counts"]
    per_output = list(counts.values()) if isinstance(counts, Mapping) else counts
    if not (isinstance(per_output, (list, tuple)) and len(per_output) > 0 and all(map(_is_for_output, per_output))):
        if len(names) > 1:
            raise OptionError(
                f"The model has outputs {list(names)}. Expected counts for each output, as a dict or list."
            )
        return {names[0]: dict(options)}
    return {
        name: {word: _option_of_output(word, options[word], name, i, names) for word in _PER_OUTPUT}
        for i, name in enumerate(names)
    }


def _is_for_output(counts: Any) -> bool:
    """Return whether an entry of `counts` is for a whole output (or None), not for one class."""
    return counts is None or isinstance(counts, Mapping) or np.ndim(counts) > 0


def _option_of_output(word: str, option: Any, name: str, index: int, names: Sequence[str]) -> Any:
    """Return the value of an option for one of several outputs.

    A dict is read by output name, and a list by `index`. Any other value is the same for all outputs.

    Raises:
        OptionError: A dict names an unknown output or lacks required counts or schemes, or a list has another length.
    """
    if isinstance(option, Mapping):
        strange = [k for k in option if k not in names]
        if strange:
            raise OptionError(f"{word} names output {strange[0]!r}.{did_you_mean(strange[0], names)}")
        if name not in option and word in ("counts", "scheme"):
            raise OptionError(f"{word} has no entry for output {name!r}.")
        return option.get(name)
    if isinstance(option, (list, tuple)):
        if len(option) != len(names):
            raise OptionError(f"{word} has {len(option)} entries. Expected {len(names)}, one for each output.")
        return option[index]
    return option


def _output_loss(tensor: Any, *, counts: Any, scheme: Any, rows: Any, loss: Any, ignore_class: Any, output: str) -> Any:
    """Return the loss of one output: weighted by class or label, or without counts the user's.

    The options are those of `compile_balanced` for this output, and `tensor` is the output.

    Raises:
        OptionError: There is neither a loss nor counts, or both a loss and `rows`.
        ModelError: The counts do not fit the units of the output.
    """
    if counts is None:
        if loss is None:
            raise OptionError(
                "counts= is None for an output, so this output needs a loss. Pass the loss of this output, for example "
                'loss={"price": "mse"}.'
            )
        return keras.losses.get(loss)
    units = tensor.shape[-1]
    counts = in_class_order(counts, "counts", fill=0) if rows is None else in_unit_order(counts, "counts")
    wanted = units if rows is not None or units > 1 else 2
    if np.shape(counts) != (wanted,):
        what, given = "labels" if rows is not None else "classes", np.size(counts)
        raise ModelError(
            f"counts are for {given} {what}, but the output has {units} unit(s). Expected {wanted} counts, for example "
            "np.bincount(y)."
        )
    weights = weights_from_counts(counts, scheme, rows)
    options = {"from_logits": _is_logits(tensor, output), "ignore_class": ignore_class}
    if rows is not None:
        if loss is not None:
            raise OptionError(
                "With rows=, the loss is the weighted binary cross-entropy of each label. Leave loss out."
            )
        return LabelWeighted(weights, **options)
    return ClassWeighted(weights, None if loss is None else _with_options(loss, options), **options)


def _with_options(loss: Any, options: Mapping[str, Any]) -> Any:
    """Return a loss of `cp.losses` again with these options (logits or not, ignored class).

    Other losses are returned as they are; `ClassWeighted` refuses them.
    """
    if not isinstance(loss, Loss):
        return loss
    ignored = options["ignore_class"] if options["ignore_class"] is not None else loss.ignore_class
    return loss.from_config({**loss.get_config(), **options, "ignore_class": ignored})


def _is_logits(tensor: Any, output: str) -> bool:
    """Return whether an output is logits: as the user says, or by the last activation.

    Raises:
        OptionError: `output` is unknown.
        ModelError: It is "auto", and the activation is none of "linear", "sigmoid" and "softmax".
    """
    if output not in ("auto", "logits", "probabilities"):
        raise OptionError(f'output is {output!r}. Expected "auto", "logits" or "probabilities".')
    if output != "auto":
        return output == "logits"
    layer = tensor._keras_history.operation
    activation = _model_activation(layer, tensor) if isinstance(layer, keras.Model) else activation_of(layer)
    if activation in ("softmax", "sigmoid"):
        return False
    if activation == "linear":
        return True
    raise ModelError(
        f"Counterpoise cannot determine whether layer {layer.name!r} returns logits or probabilities. Pass "
        'output="logits" or output="probabilities".'
    )


def _model_activation(model: keras.Model, tensor: Any) -> str | None:
    """Return the activation at the end of a model, or None if it is not certain.

    In a subclass, the layer that was made last counts as the last one if its units are those of the only output.
    """
    if plain(model):
        return last_activation(model)
    last, alone = model.layers[-1] if model.layers else None, len(model._inbound_nodes[-1].outputs) == 1
    return last_activation(model) if alone and getattr(last, "units", None) == tensor.shape[-1] else None

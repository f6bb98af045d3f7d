"""The loss that a user compiled a model with, on class codes and logits.

Inside, targets are codes and outputs are logits. A loss of the user's expects the targets that their own code gave it
(one-hot rows, a column, codes) and what their own model puts out (probabilities or logits): `ModelLoss` hands it both.
Both engines, metrics of the compiled model, and training steps of its own class take the form of targets from here.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.losses.base import LabelLoss, Loss
from counterpoise.losses.weighted import LabelWeighted
from counterpoise.networks.cloning import keras_text

#: Keras losses that strategies may replace, and their names as functions.
_CROSS_ENTROPIES = {
    keras.losses.BinaryCrossentropy: "binary_crossentropy",
    keras.losses.CategoricalCrossentropy: "categorical_crossentropy",
    keras.losses.SparseCategoricalCrossentropy: "sparse_categorical_crossentropy",
}


class ModelLoss(keras.losses.Loss):
    """A model's own loss as a function of class codes (N,), or shares of classes, and logits (N, units).

    Args:
        loss: A Keras loss, or a function (y_true, y_pred).
        units: Width of the output.
        activation: What turns our logits into what the model puts out: "sigmoid", "softmax" or "linear".

    Raises:
        ModelError: the loss takes targets in no shape that class labels have.
    """

    def __init__(self, loss: Any, units: int, activation: str = "linear") -> None:
        self.inner = as_loss(loss)
        super().__init__(name=self.inner.name, reduction=self.inner.reduction)
        self.units, self.activation = units, keras.activations.get(activation)
        self.form = target_form(self.inner, units)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss of codes or shares and logits, weighted and reduced as the inner loss."""
        return self.inner(self._targets(y_true), self.activation(y_pred), sample_weight=sample_weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of the rows, before weights and reduction."""
        return self.inner.call(self._targets(y_true), self.activation(y_pred))

    def _targets(self, y: Any) -> Any:
        """Targets in the form of the inner loss; shares (N, units) of mixed rows stay as they are."""
        y = ops.convert_to_tensor(y)
        shares = len(y.shape) == 2 and self.units > 1 and y.shape[-1] == self.units
        return y if shares else shaped(ops.reshape(y, (-1,)), self.form, self.units)


class LabelModelLoss(keras.losses.Loss):
    """A model's own loss as a function of labels (N, L), zeros and ones, and logits (N, L).

    Weights (N, L) count label by label: the loss is then the mean over the labels of the loss of each column. A loss of
    `cp.losses` takes them as they are, because it may have a number for each label.

    Args:
        loss: A Keras loss, or a function (y_true, y_pred).
        units: Number of labels.
        activation: What turns our logits into what the model puts out: "sigmoid" or "linear".
    """

    form = "labels"

    def __init__(self, loss: Any, units: int, activation: str = "linear") -> None:
        self.inner = as_loss(loss)
        super().__init__(name=self.inner.name, reduction=self.inner.reduction)
        self.units, self.activation = units, keras.activations.get(activation)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the loss of a batch; weights are (N,) or (N, L), unknown labels (-1) are 0."""
        y, p = shaped(ops.maximum(ops.convert_to_tensor(y_true), 0), self.form, self.units), self.activation(y_pred)
        if sample_weight is None or len(sample_weight.shape) < 2 or isinstance(self.inner, LabelLoss):
            return self.inner(y, p, sample_weight=sample_weight)
        columns = [
            self.inner(y[..., i : i + 1], p[..., i : i + 1], sample_weight=sample_weight[..., i])
            for i in range(self.units)
        ]
        return sum(columns) / self.units

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses of the rows, before weights and reduction."""
        return self.inner.call(shaped(y_true, self.form, self.units), self.activation(y_pred))


class ElementModelLoss(ModelLoss):
    """A model's own loss as a function of the classes of elements (N, ...), -1 ignored, and logits (N, ..., units).

    Args:
        loss: A Keras loss, or a function (y_true, y_pred), with a value per element or per row.
        units: Width of the output.
        activation: What turns our logits into what the model puts out: "sigmoid", "softmax" or "linear".
        elements: Shape of the elements of a row.

    Raises:
        ModelError: the loss takes targets in no shape that classes of elements have.
    """

    def __init__(self, loss: Any, units: int, activation: str, elements: tuple[int, ...]) -> None:
        self.inner = as_loss(loss)
        keras.losses.Loss.__init__(self, name=self.inner.name, reduction=self.inner.reduction)
        self.units, self.activation = units, keras.activations.get(activation)
        self.form, self._n_axes = target_form(self.inner, units, elements), len(elements)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the mean loss of the elements that are not ignored, or the mean over rows.

        Which of them depends on whether the inner loss gives a value per element or per row. Weights are (N,).
        """
        y, p = ops.convert_to_tensor(y_true), self.activation(y_pred)
        losses = self.inner.call(self._targets(ops.maximum(y, 0)), p)
        weight = 1.0 if sample_weight is None else ops.cast(ops.convert_to_tensor(sample_weight), losses.dtype)
        per_element = len(losses.shape) == 1 + self._n_axes
        if sample_weight is not None and per_element:
            weight = ops.reshape(weight, (-1, *[1] * self._n_axes))
        if not per_element:
            return ops.mean(losses * weight)
        counted = ops.cast(y >= 0, losses.dtype)
        return ops.divide_no_nan(ops.sum(losses * counted * weight), ops.sum(counted))

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The losses before weights and reduction."""
        return self.inner.call(self._targets(ops.maximum(y_true, 0)), self.activation(y_pred))

    def _targets(self, y: Any) -> Any:
        """Return targets in the form of the inner loss, for elements as for rows."""
        return shaped(y, self.form, self.units)


def returns_one_number(loss: Any, elements: tuple[int, ...] = ()) -> bool:
    """Return whether a loss of this module returns one number for a whole batch, in which no row can have a weight.

    It is tried on a few rows. `elements` is the shape of the elements of a row; (): the row has one output.
    """
    shape = (loss.units,) if loss.form == "labels" else elements
    labels = ops.zeros((loss.units + 2, *shape), "int32")
    return tuple(loss.call(labels, ops.zeros((loss.units + 2, *elements, loss.units))).shape) == ()


class FunctionLoss(keras.losses.Loss):
    """A function (y_true, y_pred) of a user as a Keras loss, reduced as `compile` reduces it."""

    def __init__(self, function: Any) -> None:
        super().__init__(name=re.sub(r"\W", "", loss_label(function)))  # "<lambda>" is no name to TensorFlow
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the function's own value."""
        return self.function(y_true, y_pred)


def as_loss(loss: Any) -> keras.losses.Loss:
    """Return a loss as `compile` takes it (name, function, object) as a Keras loss.

    Raises:
        ModelError: It is no Keras loss.
    """
    known = _keras_loss(loss)
    return known if isinstance(known, keras.losses.Loss) else FunctionLoss(known)


def _keras_loss(loss: Any) -> Any:
    """Return what Keras makes of a name, a function or an object: a loss object or a function."""
    try:
        return keras.losses.get(loss)
    except ValueError as error:
        raise ModelError(
            f"The model is compiled with the loss {loss!r:.80}, which is not a Keras loss. Pass the name of a loss "
            f"in keras.losses, or the loss object."
        ) from error


def shaped(codes: Any, form: str, units: int) -> Any:
    """Return codes (N, ...) in a form of `target_form`; labels (N, L) in the form "labels".

    "codes" and "labels" keep the shape, "column" adds an axis of length 1, and "one_hot" one of length `units`. All but
    "codes" are float32.
    """
    if form == "codes":
        return codes
    if form == "labels":
        return ops.cast(codes, "float32")
    if form == "column":
        return ops.expand_dims(ops.cast(codes, "float32"), -1)
    return ops.one_hot(ops.cast(codes, "int32"), units, dtype="float32")


def compiled_form(loss: Any, units: int, elements: tuple[int, ...] = ()) -> str:
    """Return the form of targets (see `target_form`) for what a model was compiled with.

    That is a loss, a function, a name or None. None and Keras's short names of cross-entropy take column or codes, by
    the units.
    """
    inner = single(loss)
    if inner is None or (isinstance(inner, str) and inner.lower() in ("crossentropy", "ce")):
        return "column" if units == 1 else "codes"
    return target_form(as_loss(inner), units, elements)


def target_form(loss: keras.losses.Loss, units: int, elements: tuple[int, ...] = ()) -> str:
    """Return the form of targets that a loss takes, tried on a few rows.

    One unit: "column", else "codes". Several: "one_hot", else "codes"; a loss for the other form does not broadcast.

    Args:
        loss: The loss.
        units: Width of the output.
        elements: Shape of the elements of a row; (): the row has one output.

    Raises:
        ModelError: The loss takes none of these.
    """
    # Another number of rows than any axis has, so that a loss of wrong form cannot pass by broadcasting.
    rows, faults = 2 + max(units, *elements) if elements else units + 2, []
    outputs = ops.full((rows, *elements, units), 1.0 / (units + 1))
    number = np.arange(rows * int(np.prod(elements)))
    codes = ops.convert_to_tensor((number % max(2, units)).astype("int32").reshape(rows, *elements))
    for form in ("column", "codes") if units == 1 else ("one_hot", "codes"):
        try:
            value = loss.call(shaped(codes, form, units), outputs)
            if tuple(value.shape)[:1] in ((), (rows,)):  # one value for all, or one for each row
                return form
            faults.append(f"{form}: a loss of shape {tuple(value.shape)} for {rows} rows")
        except Exception as error:
            faults.append(f"{form}: {keras_text(error):.120}")
    raise ModelError(
        f"The model's loss {loss.name!r} does not accept class labels in any known shape ({'; '.join(faults)}). "
        f"Expected a "
        "column, codes or one-hot rows. Compile the model with a loss for one of these."
    )


def single(loss: Any) -> Any:
    """Return the loss of the one output, out of the list or dict that `compile` takes.

    Anything else is returned as it is, and so is a list or dict of several losses.
    """
    losses = (
        list(loss.values()) if isinstance(loss, dict) else list(loss) if isinstance(loss, (list, tuple)) else [loss]
    )
    return losses[0] if len(losses) == 1 else loss


def from_logits(loss: Any) -> bool | None:
    """Return whether a loss expects logits; None if it has no such setting.

    A name of a Keras cross-entropy stands for a loss of probabilities.
    """
    if isinstance(loss, str):
        return False if "crossentropy" in loss.lower().replace("_", "") else None
    config = loss.get_config() if hasattr(loss, "get_config") else {}
    value = config.get("from_logits", getattr(loss, "from_logits", None))
    return None if value is None else bool(value)


def is_cross_entropy(loss: Any, units: int, independent: bool = False) -> bool:
    """Return whether a compiled loss is the cross-entropy that strategies start from.

    No loss (None) counts as that.

    `independent` units are those of labels, whose cross-entropy is the binary one.
    """
    if loss is None or (isinstance(loss, str) and loss.lower() in ("crossentropy", "ce")):
        return True
    known = _keras_loss(loss)
    # An object is recognized by its type, unless it smooths labels; a function by its name, if it is Keras's own.
    if isinstance(known, keras.losses.Loss):
        name = "" if known.get_config().get("label_smoothing") else _CROSS_ENTROPIES.get(type(known), "")
    else:
        name = known.__name__ if getattr(known, "__module__", "").startswith("keras.") else ""
    if independent:
        return name == "binary_crossentropy"
    return name in _CROSS_ENTROPIES.values() and (units == 1 or name != "binary_crossentropy")


def known_term(loss: Any, shape: tuple[int, ...]) -> list[Any] | None:
    """Return the term that a compiled loss of `cp.losses` leaves in the logits, as lists of the shape of a shift.

    The shape is (C,), or (L, 2) of labels. The term is minus the log of class weights (`compile_balanced`), or the log
    of class proportions (`Loss.additive`). None if there is none, or if it is not known.
    """
    inner, term = _keras_loss(loss), None
    if isinstance(inner, LabelWeighted):
        term = -np.log(inner.weights)
    elif isinstance(inner, Loss) and len(shape) == 1:
        with contextlib.suppress(OptionError):  # counts of another number of classes, which training reports
            term = inner.additive(np.ones(shape))
    return None if term is None or term.shape != shape or not np.any(term) else term.tolist()


def loss_label(loss: Any) -> str:
    """Return the name of a compiled loss in messages."""
    return loss if isinstance(loss, str) else str(getattr(loss, "__name__", type(loss).__name__))

"""Second stages of training: keep the features of the network, and train or rescale only its head.

A network trained on the original data has good features, but its head favors the large classes. The two functions
here do not change the features, take milliseconds, and report how the prior changed:

- `retrain_head` (cRT): a fresh head, trained on class-balanced rows; with `scale_only` (LWS) one factor for each class.
- `tau_normalize`: class weights of the head divided by their own length to the power tau; nothing is trained.

`engines.finishing` applies both to trained members, so the order of random draws here decides results of comparisons.

Source: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition" (ICLR 2020).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import ModelError
from counterpoise.core.structure import rows_in, take
from counterpoise.losses.pointwise import CrossEntropy
from counterpoise.networks.head import find_head
from counterpoise.plans.class_plans import Plan, oversample

Array = np.ndarray


@dataclass(frozen=True)
class HeadChange:
    """The result of a second training stage.

    Attributes:
        layer: Name of the head.
        log_shift: float64 (C,), the shift of the logits by the training rows of the head. Subtract it to get corrected
            probabilities. None after tau-normalization, whose outputs are scores that need a calibrator.
        steps: Number of optimizer steps.
    """

    layer: str
    log_shift: Array | None
    steps: int = 0


def head_inputs(model: keras.Model, x: Any, layer: str | None = None, batch_size: int = 1024) -> Array:
    """Return the input of the head for each row, (N, d), or (N, ..., d) for steps and pixels.

    The model runs as in prediction (no dropout, stored batch statistics). Inner and subclassed models are supported
    too.
    """
    # The head is watched while the model runs: its `call` also appends each input to `seen`.
    head, seen = find_head(model, layer), []
    original = head.call

    def watch(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the inputs of the head, and call it as usual."""
        seen.append(keras.ops.convert_to_numpy(inputs))
        return original(inputs, *args, **kwargs)

    head.call = watch
    try:
        for start in range(0, rows_in(x), batch_size):
            model(take(x, slice(start, start + batch_size)), training=False)  # only `seen` is needed
    finally:
        head.call = original
    return np.concatenate(seen)


def retrain_head(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    scale_only: bool = False,
    layer: str | None = None,
    epochs: int = 10,
    batch_size: int = 256,
    learning_rate: float = 1e-2,
    seed: int = 0,
    sample_weight: Any = None,
) -> HeadChange:
    """Train a new head on class-balanced rows, with frozen features (cRT).

    The model is changed in place.

    Formula with `scale_only` (LWS): logit_c = f_c (w_c h + b_c), f from 1, everything else frozen.

    Args:
        model: A trained classifier with a Dense head (`find_head`).
        x: Rows. y: class codes 0..C-1 (N,), every class present.
        scale_only: Keep the weights of the head and learn only one factor for each class. The head needs C units.
        layer: Name of the head, if it cannot be found automatically.
        epochs: Passes over the class-balanced rows, which are drawn again in each pass.
        batch_size: Rows per step.
        learning_rate: Learning rate of Adam.
        seed: Seed of the new weights of the head and of the order of the rows.
        sample_weight: Your own weights (N,). None: all weights are 1.

    Returns:
        HeadChange, with the shift of the balanced rows.

    Raises:
        ModelError: The model has no Dense head, or the head does not fit the classes.

    Example:
        >>> x, y = np.array([[0.0], [0.2], [0.1], [1.0]]), np.array([0, 0, 0, 1])
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(4), keras.layers.Dense(2, name="top")])
        >>> change = retrain_head(model, x, y, epochs=2)
        >>> change.layer, change.log_shift.round(3).tolist()
        ('top', [-0.549, 0.549])
    """
    head = dense_head(model, layer)
    plan = oversample(y, classes=range(max(2, int(head.units))), sample_weight=sample_weight)
    if scale_only and head.units < 2:
        raise _one_unit_error(head, "Learnable scaling")
    kernel, *bias = head.get_weights()
    features = head_inputs(model, x, layer)
    top: Any = _ClassScale()
    if scale_only:
        features = (features @ kernel + (bias[0] if bias else 0.0)).astype(np.float32)
    else:
        start = keras.initializers.GlorotUniform(seed=seeds.integer(seed, "head"))
        top = keras.layers.Dense(head.units, use_bias=bool(bias), kernel_initializer=start)
    steps = _train_head(top, features, np.asarray(y), plan, epochs, batch_size, learning_rate, seed)
    trained = top.get_weights()  # kernel and bias of the new head; with `scale_only` the factors (C,)
    head.set_weights([values * trained[0] for values in (kernel, *bias)] if scale_only else trained)
    return HeadChange(str(head.name), plan.log_shift, steps)


def tau_normalize(
    model: keras.Model, tau: float = 1.0, *, layer: str | None = None, keep_bias: bool = False
) -> HeadChange:
    """Divide the head's weights of each class by their norm to the power tau.

    The model is changed in place.

    Formula: w_c / ||w_c||^tau, the bias dropped as in the paper. tau = 0 with `keep_bias` changes nothing.

    Args:
        model: A trained classifier with a Dense head of C units.
        tau: From 0 to 1; the paper tunes it on validation rows.
        layer: Name of the head, if it cannot be found automatically.
        keep_bias: Whether to leave the bias as it is.

    Raises:
        ModelError: The head has one unit, so there are no norms of classes to compare.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, name="top")])
        >>> model.get_layer("top").set_weights([np.array([[4.0, 0.25]]), np.zeros(2)])
        >>> tau_normalize(model, 0.5).layer, model.get_layer("top").get_weights()[0].tolist()
        ('top', [[2.0, 0.5]])
    """
    head = dense_head(model, layer)
    tau = check_range(tau, "tau", low=0.0)
    if head.units < 2:
        raise _one_unit_error(head, "Tau normalization")
    kernel, *bias = head.get_weights()
    length = np.maximum(np.linalg.norm(kernel, axis=0), np.finfo(np.float32).tiny)
    head.set_weights([kernel / length**tau, *(b if keep_bias else np.zeros_like(b) for b in bias)])
    return HeadChange(str(head.name), None)


class _ClassScale(keras.layers.Layer):
    """Multiplies logits (..., C) by one trained factor per class, which starts at 1."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")

    def call(self, z: Any) -> Any:
        return z * self.factor


def _train_head(
    top: Any, features: Array, y: Array, plan: Plan, epochs: int, batch_size: int, rate: float, seed: int
) -> int:
    """Train the layer `top` on frozen features (N, d), and return the number of steps.

    The class-balanced rows of `plan` are drawn again in each epoch. A `ModelError` is raised unless there is one row of
    features per label.
    """
    check_int(epochs, "epochs")
    if features.ndim != 2 or len(features) != len(y):
        raise ModelError(
            f"The head receives inputs of shape {features.shape} for {len(y)} labels. Expected one row per label."
        )
    model = keras.Sequential([keras.Input(features.shape[1:]), top])
    model.compile(keras.optimizers.Adam(rate), CrossEntropy())
    steps = -(-len(plan) // batch_size)  # rounded up
    batches = _plan_batches(features, y, plan, batch_size, seed)
    # One call: each call of `fit` takes longer than the steps of a small epoch.
    model.fit(batches, epochs=epochs, steps_per_epoch=steps, shuffle=False, verbose=0)
    return epochs * steps


def _plan_batches(features: Array, y: Array, plan: Plan, batch_size: int, seed: int) -> Iterator[tuple[Array, ...]]:
    """Yield (features, labels) or (features, labels, weights) of each batch of the plan, epoch after epoch."""
    columns = (features, y) if plan.sample_weight is None else (features, y, plan.weights())
    for epoch in itertools.count():
        rows = plan.rows(epoch, seed)
        for first in range(0, len(rows), batch_size):
            batch = rows[first : first + batch_size]
            yield tuple(column[batch] for column in columns)


def dense_head(model: keras.Model, layer: str | None = None) -> Any:
    """Return the head of a model (`find_head`), which must be a Dense layer to be retrained or rescaled.

    `engines.finishing` calls it before any training, so that a model without such a head is refused at once.

    Raises:
        ModelError: The head is another kind of layer, or the model has no head.
    """
    head = find_head(model, layer)
    if not isinstance(head, keras.layers.Dense):
        raise ModelError(f"The head {head.name!r} is {type(head).__name__}. Expected a Dense layer.")
    return head


def _one_unit_error(head: Any, step: str) -> ModelError:
    """Return (not raise) the error for a head with one unit; `step` is what needs more, in words."""
    return ModelError(
        f"The head {head.name!r} has one unit. {step} needs one unit per class. Change the last layer of the model."
    )

"""Models whose class has its own `train_step` or `compute_loss`, in the `fit` engine (see `keras_fit`).

The step is the user's; rows, weights and early stopping are ours. The user's model is trained as they would train it,
with its own compiled loss, on what it puts out. The network around it (encoder in front, logits behind) shares its
variables and only computes logits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import CounterpoiseError, ModelError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.core.structure import take
from counterpoise.engines.batch_order import Order
from counterpoise.engines.compiled_metrics import metrics_of
from counterpoise.engines.objective import Objective
from counterpoise.networks.cloning import keras_text
from counterpoise.networks.network import Assembled, Network
from counterpoise.networks.user_loss import compiled_form, shaped, single
from counterpoise.networks.weights import fed

Array = np.ndarray


class CustomStepModel:
    """The user's model inside a network, compiled once per loss and used for job after job.

    Attributes:
        assembled: The network and the models in it; the caller sets its variables.
        inner: The user's model, whose `fit` calls its own step.
        form: The form of the labels that its loss takes (see `networks.user_loss`).
    """

    def __init__(self, network: Network, objective: Objective) -> None:
        self.assembled, self.units = network.assembled(0), network.units
        self.inner = compiled(self.assembled, network, objective)
        self.form = "labels" if network.target.independent else compiled_form(self.inner.loss, self.units)
        # A class may have several optimizers, as a GAN has.
        self._optimizers = [v for v in vars(self.inner).values() if isinstance(v, keras.optimizers.Optimizer)]
        for optimizer in self._optimizers:
            if not optimizer.built:
                optimizer.build(self.inner.trainable_variables)
        self._initial_optimizer_values = [np.array(keras.ops.convert_to_numpy(v)) for v in self._optimizer_variables()]

    def batches(self, job: Job, examples: Examples) -> CustomStepBatches:
        """Return the batches of a job, and reset its optimizers to their initial state."""
        for variable, value in zip(self._optimizer_variables(), self._initial_optimizer_values, strict=True):
            variable.assign(value)
        return CustomStepBatches(job, encoder_output(self.assembled, examples.x), examples.y, self.form, self.units)

    def _optimizer_variables(self) -> list[Any]:
        """Return the variables of all its optimizers, always in the same order."""
        return [v for optimizer in self._optimizers for v in optimizer.variables]


def compiled(assembled: Assembled, network: Network, objective: Objective) -> keras.Model:
    """Return the user's model inside a network, ready for `fit` under the loss of a job.

    The loss with which the user compiled the model is used, unless the strategy has another one.

    Raises:
        ModelError: its class has its own `compile`, which cannot be repeated on a copy.
    """
    inner, users_model = assembled.inner, network.model
    # theirs: the strategy brings no loss, so the loss of the user's model is used if it has one.
    theirs, was_compiled = objective.name in ("cross_entropy", "model"), network.given and users_model.compiled
    if theirs and inner.compiled:
        return inner
    if type(inner).compile is not keras.Model.compile:
        return _compile_as_users_model(inner, users_model if theirs and was_compiled else None)
    loss = single(users_model.loss) if theirs and was_compiled else None
    if loss is None:
        loss = objective.target.losses[objective.name](
            **{**objective.constants, "from_logits": not network.probabilities}
        )
    metrics = metrics_of(network)
    inner.compile(
        network.optimizer(), loss, loss_weights=network.loss_factor, jit_compile=False,
        run_eagerly=was_compiled and users_model.run_eagerly, **(metrics.copies() if metrics else {}),
    )  # fmt: skip
    return inner


def _compile_as_users_model(inner: keras.Model, users_model: keras.Model | None) -> keras.Model:
    """Compile the copy `inner` as `users_model` was, by the model's own `compile`, and return it.

    Raises:
        ModelError: `users_model` is None (it was not compiled, or the strategy has another loss), or the class cannot
            repeat `compile`.
    """
    if users_model is None:
        raise ModelError(
            f"{type(inner).__name__} has its own compile(), which does not take a loss. Expected a compiled "
            "model and a strategy without a loss of its own. Compile the model, and choose for example class_weight or "
            "oversample."
        )
    inner.compile_from_config(users_model.get_compile_config())
    if not inner.compiled:
        raise ModelError(
            f"{type(inner).__name__} has its own compile(), which a copy cannot repeat. Give the class "
            "get_compile_config() and compile_from_config(), or pass clone=False to train the object itself."
        )
    return inner


@contextlib.contextmanager
def step_errors(inner: keras.Model, batches: CustomStepBatches) -> Iterator[None]:
    """In the block, turn what the user's own step raises into a ModelError that names the model's class."""
    try:
        yield
    except CounterpoiseError:
        raise
    except Exception as error:
        weights = " The rows have weights. Unpack them with keras.utils.unpack_x_y_sample_weight(data)."
        raise ModelError(
            f"The training step of {type(inner).__name__} failed: {keras_text(error)}"
            + (weights if batches.weighted else "")
        ) from error


class CustomStepBatches(keras.utils.PyDataset):
    """The steps of one job as the user's step expects them: (x, y), or (x, y, weight) where weights differ.

    y has the form that the compiled loss takes: a column, one-hot rows or codes. Rows and weights are those of
    `batch_order`; `order` and `start` are used as those of `keras_fit.Batches`.

    Raises:
        ModelError: Each label has its own weight, which a custom training step cannot take.
    """

    num_batches = None

    def __init__(self, job: Job, x: Any, y: Array, form: str, units: int) -> None:
        super().__init__()
        self.job, self.x, self.y, self.order, self.start = job, x, y, Order(job), 0
        self.form, self.units = form, units
        weights = [plan.weights() for plan in job.plan.stages]
        self.weighted = any(np.ptp(w) > 0 for w in weights)
        if self.weighted and any(w.ndim > 1 for w in weights):
            raise ModelError(
                "The model's own training step takes one weight per row, but here each label has its own weight. The "
                "weights differ because of the strategy or because of missing labels. Use a model without its own "
                'training step, or use strategy="none" on rows without missing labels.'
            )

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return the batch of step `start` + `index`; set `start` before each call of `fit`."""
        rows, weights = self.order.step(self.start + index)
        y = keras.ops.convert_to_numpy(shaped(self.y[rows], self.form, self.units))
        x = fed(take(self.x, rows))
        return (x, y, weights) if self.weighted else (x, y)


def encoder_output(assembled: Assembled, x: Any) -> Any:
    """Return the input of the user's model: encoded rows of a table, otherwise x itself.

    The encoder must already have the variables of the job, which its training rows teach. The result is therefore not
    kept for another job.
    """
    return x if assembled.encoder is None else assembled.encoder.predict(x, batch_size=8192, verbose=0)

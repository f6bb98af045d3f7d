"""Callbacks that change the loss while a model trains: deferred weights and gamma decay.

They set a variable of the loss (`mix` or `gamma`), which the compiled training step reads. TensorFlow therefore does
not trace the model again (JAX traces it once for each change). The epochs at which it changes decide results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import ModelError


def losses_of(model: keras.Model) -> list[Any]:
    """Return the loss objects of a compiled model, and the losses that they wrap.

    A wrapper names the wrapped loss in its attribute `loss`. Losses given as text are left out. The list is empty if
    the model is not compiled.
    """
    loss = model.loss if model.compiled else None
    compiled = loss.values() if isinstance(loss, Mapping) else loss if isinstance(loss, (list, tuple)) else [loss]
    losses: list[Any] = []
    for inner in compiled:
        while inner is not None and not isinstance(inner, str):
            losses.append(inner)
            inner = getattr(inner, "loss", None)
    return losses


def _losses_with(model: keras.Model, name: str, caller: str) -> list[Any]:
    """Return the losses of a model that have the attribute `name`.

    Raises:
        ModelError: No loss has it. The message names the callback `caller`.
    """
    losses = [loss for loss in losses_of(model) if hasattr(loss, name)]
    if not losses:
        raise ModelError(
            f"{caller} needs a compiled loss with {name!r}, but the model was compiled with {model.loss!r}. Compile "
            f"it with compile_balanced, or with {_LOSS_WITH[name]}."
        )
    return losses


#: Attribute that a callback changes -> the loss of Counterpoise that has it, for the message.
_LOSS_WITH = {"mix": "cp.losses.ClassWeighted", "gamma": "cp.losses.Focal"}


def epoch_of(at: float, epochs: int) -> int:
    """Return the epoch, counted from 0, that a number of epochs or a share of all epochs means.

    A value above 0 and below 1 is a share of `epochs`. Any other value must be a whole number of 0 or more.

    Example:
        >>> epoch_of(0.8, 10), epoch_of(3, 10)
        (8, 3)
    """
    if 0 < at < 1:
        return round(at * epochs)
    return check_int(int(at) if at == int(at) else at, "at", 0)


def _epoch_count(callback: keras.callbacks.Callback) -> int:
    """Return the number of epochs of the running `fit`; 1 if Keras does not report it."""
    return int((callback.params or {}).get("epochs") or 1)


def _set_variables(model: keras.Model, variables: Iterable[Any], value: float) -> None:
    """Set all these variables, which the losses of the model read, to one value.

    With JAX, a changed value needs a new trace of the training step.
    """
    for variable in variables:
        changed = float(keras.ops.convert_to_numpy(variable.value)) != value
        variable.assign(value)
        if changed and keras.backend.backend() == "jax":
            # JAX compiles what does not belong to the model into the step as a constant.
            _trace_again(model)


def _trace_again(model: keras.Model) -> None:
    """Make Keras trace the training and test steps of the model again, with the present values of the loss."""
    model.make_train_function(force=True)
    model.make_test_function(force=True)


class Deferred(keras.callbacks.Callback):
    """Train without class weights first, and switch the class weights on late.

    The network learns features from the original data, and the last epochs move the decision boundary.

    Args:
        at: First epoch with class weights: a number of epochs, or a share of all epochs between 0 and 1.
        over: Number of epochs in which the weights change linearly from 1 to their full values; 0: at once. `at=0,
            over=5` is a warm-up.
        then: Function that is called once with the model at epoch `at`, for example to lower the learning rate, as in
            the paper.

    Raises:
        ModelError: Training starts with a loss that has no deferred weights (see `compile_balanced`).

    Example:
        >>> import numpy as np
        >>> from counterpoise.networks.compile_balanced import compile_balanced
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> history = compile_balanced(model, [3, 1]).fit(
        ...     np.zeros((4, 1)), np.array([0, 0, 0, 1]), epochs=5, callbacks=[Deferred(at=0.8)], verbose=0)
        >>> float(model.loss.mix.value)
        1.0
        >>> [Deferred(at=1, over=4).share(epoch, 10) for epoch in range(6)]
        [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss" (NeurIPS 2019).
    """

    def __init__(self, at: float = 0.8, over: int = 0, then: Callable[[keras.Model], None] | None = None) -> None:
        super().__init__()
        self.at, self.over, self.then = check_range(at, "at", low=0.0), check_int(over, "over", 0), then

    def share(self, epoch: int, epochs: int) -> float:
        """Return how much of the class weights counts in one epoch, from 0 to 1."""
        after = epoch - epoch_of(self.at, epochs)
        return min(1.0, max(0.0, after / self.over)) if self.over else float(after >= 0)

    def on_train_begin(self, logs: Any = None) -> None:
        """Find the losses with deferred weights."""
        self._losses = _losses_with(self.model, "mix", "Deferred")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Call `then` at epoch `at`, and set the share of the class weights for this epoch."""
        epochs = _epoch_count(self)
        if self.then is not None and epoch == epoch_of(self.at, epochs):
            self.then(self.model)
        _set_variables(self.model, [loss.mix for loss in self._losses], self.share(epoch, epochs))


class GammaDecay(keras.callbacks.Callback):
    """Change gamma of a focal loss linearly from one value to another.

    With `end` = 0, training ends with cross-entropy, whose probabilities need no correction by `inverse`.

    Args:
        start: gamma of epoch 0. None: the gamma of the loss.
        end: gamma of the last epoch.

    Raises:
        ModelError: The compiled loss has no gamma.

    Example:
        >>> decay = GammaDecay(2.0, 0.0)
        >>> tuple(decay.value(epoch, 5) for epoch in range(5))
        (2.0, 1.5, 1.0, 0.5, 0.0)
    """

    def __init__(self, start: float | None = None, end: float = 0.0) -> None:
        super().__init__()
        self.start = None if start is None else check_range(start, "start", low=0.0)
        self.end = check_range(end, "end", low=0.0)
        # The loss and its variable. They are kept between trainings, because a traced step reads this variable.
        self._variables: dict[int, tuple[Any, keras.Variable]] = {}

    def value(self, epoch: int, epochs: int) -> float:
        """Return the gamma of an epoch, counted from 0. If there is only one, it is `end`."""
        # Before training, the gamma of the loss is not known: the default of `Focal` stands for it.
        start = 2.0 if self.start is None else self.start
        return start + (self.end - start) * (epoch / (epochs - 1) if epochs > 1 else 1.0)

    def on_train_begin(self, logs: Any = None) -> None:
        """Replace gamma of each loss by a variable, which can change without a new trace."""
        self._losses = _losses_with(self.model, "gamma", "GammaDecay")
        if self.start is None:
            self.start = float(self._losses[0].gamma)
        for loss in self._losses:
            if id(loss) not in self._variables:
                new = keras.Variable(self.start, trainable=False, dtype="float32", name="gamma")
                self._variables[id(loss)] = loss, new
            loss.gamma = self._variables[id(loss)][1]
            loss.gamma.assign(self.start)
        # A step traced before would have gamma as a constant.
        _trace_again(self.model)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set gamma of each loss for this epoch."""
        _set_variables(self.model, [loss.gamma for loss in self._losses], self.value(epoch, _epoch_count(self)))

    def on_train_end(self, logs: Any = None) -> None:
        """Make gamma of each loss a plain number again, with its last value."""
        for loss in self._losses:
            loss.gamma = float(keras.ops.convert_to_numpy(loss.gamma.value))

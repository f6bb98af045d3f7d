"""Optimizers and Keras callbacks of the user, and which of them may set the learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from counterpoise.core.errors import OptionError, did_you_mean

#: Share of its largest value below which a learning rate counts as almost 0.
AT_REST = 0.05
#: Keras callbacks that set the learning rate.
SETTERS = (keras.callbacks.ReduceLROnPlateau, keras.callbacks.LearningRateScheduler)


def check_callbacks(callbacks: Any) -> tuple[Any, ...]:
    """Return callbacks as a tuple; a single callback becomes a tuple of one.

    Raises:
        OptionError: something is no Keras callback.
    """
    listed = tuple(callbacks) if isinstance(callbacks, Iterable) else (callbacks,)
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise OptionError(f"callbacks contains {type(callback).__name__}. Expected Keras callbacks.")
    return listed


def check_rate(optimizer: keras.optimizers.Optimizer, plateau: int | None, callbacks: Iterable[Any] = ()) -> None:
    """Raise an OptionError when `plateau` or a callback would set a rate that a schedule sets.

    Example:
        >>> check_rate(keras.optimizers.SGD(0.1), plateau=5)
    """
    setters = [type(c).__name__ for c in callbacks if isinstance(c, SETTERS)]
    setters = ["plateau"] * (plateau is not None) + setters
    rate = _rate(optimizer)
    if setters and isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise OptionError(
            f"{setters[0]} sets the learning rate, but the learning rate of the optimizer is a schedule "
            f"({type(rate).__name__}). Use an optimizer with a fixed learning rate, or leave the callback out."
        )


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether a schedule decides the learning rate of an optimizer.

    Example:
        >>> decay = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=100)
        >>> has_schedule(keras.optimizers.SGD(decay)), has_schedule(keras.optimizers.SGD(0.1))
        (True, False)
    """
    return isinstance(_rate(optimizer), keras.optimizers.schedules.LearningRateSchedule)


def _rate(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return the learning rate of an optimizer, a variable or a schedule, also inside a `LossScaleOptimizer`."""
    return getattr(optimizer, "inner_optimizer", optimizer)._learning_rate


def schedule_ends_near_zero(optimizer: keras.optimizers.Optimizer, steps: int) -> bool:
    """Return whether a schedule has lowered the learning rate to almost 0 after this number of steps.

    A loss that no longer falls then is no evidence that more steps would not have helped.

    Example:
        >>> decay = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=100)
        >>> [schedule_ends_near_zero(keras.optimizers.SGD(rate), 100) for rate in (decay, 0.1)]
        [True, False]
    """
    if not has_schedule(optimizer):
        return False
    schedule = _rate(optimizer)
    # At 21 steps, from the first to the last: the largest rate need not be the first, because of a warm-up.
    rates = [float(keras.ops.convert_to_numpy(schedule(round(steps * twentieth / 20)))) for twentieth in range(21)]
    return rates[-1] < AT_REST * max(rates)


def fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return a new optimizer with the same settings, in its initial state.

    Variables that `exclude_from_weight_decay(var_names=...)` names keep their exception, which is not in the
    configuration.

    Raises:
        OptionError: Variables are excluded by `var_list=`. They are those of another network.

    Example:
        >>> optimizer = keras.optimizers.AdamW(0.1)
        >>> optimizer.exclude_from_weight_decay(var_names=["bias"])
        >>> fresh_optimizer(optimizer)._exclude_from_weight_decay_pattern.pattern
        'bias'
    """
    new = type(optimizer).from_config(optimizer.get_config())
    old, inner = (getattr(one, "inner_optimizer", one) for one in (optimizer, new))
    if getattr(old, "_exclude_from_weight_decay", None):
        raise OptionError(
            "The optimizer excludes variables of one model from weight decay (var_list=), but each network has "
            'variables of its own. Name the variables, for example exclude_from_weight_decay(var_names=["bias"]).'
        )
    inner._exclude_from_weight_decay_pattern = getattr(old, "_exclude_from_weight_decay_pattern", None)
    return new


def checked_optimizer(optimizer: Any) -> Any:
    """Return an optimizer unchanged, make one from its name, or return None for None.

    Raises:
        OptionError: It is neither a Keras optimizer nor a known name.
    """
    if optimizer is None or isinstance(optimizer, keras.optimizers.Optimizer):
        return optimizer
    names = [name for name, value in vars(keras.optimizers).items() if isinstance(value, type)]
    if not isinstance(optimizer, str):
        raise OptionError(f"optimizer is {type(optimizer).__name__}. Expected a Keras optimizer or its name.")
    try:
        return keras.optimizers.get(optimizer)
    except ValueError:
        raise OptionError(f"There is no optimizer {optimizer!r}.{did_you_mean(optimizer, names)}") from None

"""Devices and backends that cannot train our networks, refused before any training."""

from __future__ import annotations

import sys
from typing import Any

import keras

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.structure import leaves


def check_one_device() -> None:
    """Refuse to train where Keras spreads each network over devices: ours are trained side by side, each on one.

    Raises:
        OptionError: inside the scope of a `tf.distribute` strategy, or with a `keras.distribution`.
    """
    tf = sys.modules.get("tensorflow")
    if tf is not None and tf.distribute.has_strategy():
        where = f"in the scope of a {type(tf.distribute.get_strategy()).__name__}", "outside of that scope"
    elif keras.distribution.distribution() is not None:
        kind = type(keras.distribution.distribution()).__name__
        where = f"with a keras.distribution.{kind}", "after keras.distribution.set_distribution(None)"
    else:
        return
    raise OptionError(
        f"Counterpoise was called {where[0]}, which distributes a network over devices. Counterpoise trains each "
        f"network on one device. Call Counterpoise {where[1]}, or train with model.fit, cp.compile_balanced and "
        "cp.batches there."
    )


def check_undistributed(model: keras.Model) -> None:
    """Refuse to train an object itself whose variables are on several devices.

    Raises:
        OptionError: a model that was made in the scope of a `tf.distribute` strategy.
    """
    if any("distribute" in type(variable.value).__module__ for variable in model.variables):
        raise OptionError(
            "clone=False trains the model itself, but the model was made in the scope of a tf.distribute strategy. "
            "Leave clone out to train a copy on one device, or make the model outside of the scope."
        )


def check_text(dtypes: Any) -> None:
    """Refuse text where the backend of Keras cannot hold it.

    Args:
        dtypes: dtype of each input, in any structure.

    Raises:
        ModelError: an input takes text, and the backend is not TensorFlow.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow" and "string" in leaves(dtypes):
        raise ModelError(
            f"An input of the network is text, which Keras supports only on TensorFlow; the backend is {backend!r}. "
            "Set KERAS_BACKEND=tensorflow before Keras is imported, or convert text to numbers first."
        )

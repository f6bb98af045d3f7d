"""Where networks cannot be trained: on several devices at once; and models that were made for that."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_networks import DENSE, examples, net, trained

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.networks.network import Network
from counterpoise.networks.placement import check_text


def test_in_the_scope_of_a_strategy_one_line_says_where_to_call():
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        with pytest.raises(OptionError, match=r"scope of a MirroredStrategy.*outside of that scope"):
            Network("mlp", examples())
        inputs = keras.Input((4,))
        model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(OptionError, match=r"clone=False.*made in the scope"):
        Network(model, examples(), clone=False)
    data = examples()
    (member,) = trained(Network(model, data), data, "none")
    assert (member.engine, np.isfinite(member.logits).all()) == ("program", True)


def test_with_a_keras_distribution_too():
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        with pytest.raises(OptionError, match=r"keras.distribution.DataParallel.*set_distribution\(None\)"):
            Network(net(*DENSE), examples())
    finally:
        keras.distribution.set_distribution(before)


def test_text_needs_tensorflow(monkeypatch):
    check_text({"a": "string", "b": "float32"})
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    check_text(("int32", "float32"))
    with pytest.raises(ModelError, match=r"backend is 'jax'.*KERAS_BACKEND=tensorflow"):
        check_text({"a": "string", "b": "float32"})

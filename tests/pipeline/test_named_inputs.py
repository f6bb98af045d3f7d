"""A Keras model with one input per column: trained, asked and saved by the names of the columns."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import counterpoise as cp

RNG = np.random.default_rng(0)
Y = (RNG.random(120) < 0.25).astype(int)
FRAME = pd.DataFrame(
    {"age": RNG.normal(50, 10, 120) + 8 * Y, "code": RNG.integers(0, 3, 120) * 1000, "sex": np.where(Y, "f", "m")}
)
L = keras.layers


def net(in_list=False):
    """Inputs in another order than the columns, and not sorted."""
    inputs = {
        "sex": keras.Input((1,), name="sex", dtype="string"),
        "code": keras.Input((1,), name="code", dtype="int64"),
        "age": keras.Input((1,), name="age"),
    }
    known = L.IntegerLookup(vocabulary=[0, 1000, 2000], output_mode="one_hot")
    sexes = L.StringLookup(vocabulary=["f", "m"], output_mode="one_hot")
    parts = [L.Rescaling(0.02)(inputs["age"]), known(inputs["code"]), sexes(inputs["sex"])]
    keras.utils.set_random_seed(1)
    out = L.Dense(1, activation="sigmoid")(L.Concatenate()(parts))
    model = keras.Model(list(inputs.values()) if in_list else inputs, out)
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    return model


def test_frames_dicts_and_datasets_of_dicts_train_the_same_model(tmp_path, caplog):
    columns = {name: FRAME[name].to_numpy() for name in FRAME}
    dataset = tf.data.Dataset.from_tensor_slices((columns, Y))
    how = {"epochs": 4, "batch_size": 32, "verbose": 0}
    with caplog.at_level(logging.ERROR, logger="counterpoise"):
        clf = cp.fit(net(), FRAME.assign(ill=Y), "ill", **how)
        others = [cp.fit(net(in_list=True), columns, Y, **how), cp.fit(net(), dataset, **how)]
    proba = clf.predict_proba(FRAME)
    assert proba[Y == 1, 1].min() > proba[Y == 0, 1].max(), "the text input decides"
    for other in others:
        assert np.allclose(other.predict_proba(columns), proba, atol=1e-6)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.allclose(again.predict_proba(FRAME[["sex", "age", "code"]]), proba)
    with pytest.raises(cp.CounterpoiseError, match="lacks the column 'age'"):
        clf.predict(FRAME.drop(columns="age"))
    with pytest.raises(cp.CounterpoiseError, match="named inputs"):
        clf.predict(tuple(columns.values()))


def test_numbers_go_through_the_program():
    inputs = {name: keras.Input((1,), name=name) for name in ("code", "age")}
    out = L.Dense(1)(L.Rescaling(0.01)(L.Concatenate()(list(inputs.values()))))
    clf = cp.fit(keras.Model(inputs, out), FRAME, Y, output="logits", epochs=1, verbose=0, engine="program")
    assert clf.predict_proba(FRAME).shape == (120, 2)

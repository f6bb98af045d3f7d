"""Several trainings at once in threads of the caller: the numbers of each are those that it has alone, bit by bit.

They may be: a program's arithmetic does not depend on who else runs one, and every draw is a function of its place.
"""

from __future__ import annotations

import random
import threading

import keras
import numpy as np

import counterpoise as cp

Y = (np.arange(240) % 6 == 0).astype(int)
X = (np.random.default_rng(0).normal(size=(240, 4)) + Y[:, None]).astype("float32")
L = keras.layers


def build(spec, n_classes):
    inputs = spec.inputs()
    return keras.Model(inputs, L.Dense(1)(L.Dropout(0.3)(L.Dense(8, "relu")(inputs))))


def compiled():
    model = keras.Sequential([keras.Input((4,)), L.Dense(8, "relu"), L.Dense(1, activation="sigmoid")])
    model.compile("adam", keras.losses.BinaryFocalCrossentropy())
    return model


def at_once(calls):
    """What each call returns, all started at the same moment."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def work(index):
        barrier.wait()
        try:
            results[index] = calls[index]()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def fitted(model, **how):
    return lambda: cp.fit(model, X, Y, epochs=2, batch_size=32, verbose=0, **how).predict_proba(X)


def assert_as_alone(calls):
    alone = {}
    for together, call in zip(at_once(calls), calls, strict=True):
        assert not isinstance(together, Exception), together
        if call not in alone:
            alone[call] = call()
        assert np.array_equal(together, alone[call])


def test_four_equal_fits():
    """One seed, one builder, and so one compiled program for all of them."""
    assert_as_alone([fitted(build, strategy="oversample")] * 4)


def test_three_fits_of_one_model_object_and_its_own_loss():
    """The object is shared and only read; its loss is its own, so that it has to be seen as compiled all the time."""
    model = compiled()
    calls = [fitted(model, initial_weights="fresh", seed=seed) for seed in (0, 1)]
    assert_as_alone([calls[0], *calls])


def test_unlike_fits_on_both_engines():
    calls = [
        fitted(build, strategy="smote"),
        fitted(build, strategy="focal", seed=1),
        fitted(build, engine="fit"),
    ]
    assert_as_alone(calls)


def test_a_thread_that_draws_meanwhile_draws_its_own_numbers():
    random.seed(1)
    want = [random.random() for _ in range(200_000)]
    random.seed(1)
    alone = fitted(build)()
    assert random.random() == want[0], "fit leaves the caller's state as it was"
    random.seed(1)
    weights, drawn = at_once([fitted(build), lambda: [random.random() for _ in range(200_000)]])
    assert np.array_equal(weights, alone)
    assert drawn == want

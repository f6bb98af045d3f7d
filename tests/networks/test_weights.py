"""Seeds of a thread's own: nothing global is read or changed."""

from __future__ import annotations

import random
import threading

import keras
import numpy as np

from counterpoise.networks.weights import seeded

L = keras.layers


def kernel():
    return np.array(L.Dense(2)(keras.Input((3,)))._keras_history.operation.kernel)


def test_the_same_seed_draws_the_same_weights_and_masks():
    def drawn(seed):
        with seeded(seed):
            return kernel(), int(np.array(L.Dropout(0.5).seed_generator.state)[0]), np.array(keras.random.normal((2,)))

    assert all(np.array_equal(a, b) for a, b in zip(drawn(3), drawn(3), strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(drawn(3), drawn(4), strict=True))


def test_nothing_global_is_read_or_changed():
    keras.utils.set_random_seed(5)
    want = random.random(), np.random.random(), np.array(keras.random.normal((2,)))
    keras.utils.set_random_seed(5)
    with seeded(0):
        first = kernel()
        keras.random.normal((2,))
    assert (random.random(), np.random.random()) == want[:2]
    assert np.array_equal(keras.random.normal((2,)), want[2])
    keras.utils.set_random_seed(6)
    with seeded(0):
        assert np.array_equal(kernel(), first)


def test_threads_do_not_disturb_each_other():
    barrier, drawn = threading.Barrier(4), {}

    def draw(name, seed):
        with seeded(seed):
            barrier.wait()
            drawn[name] = [kernel() for _ in range(20)]

    threads = [threading.Thread(target=draw, args=(n, n % 2)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(drawn[0], drawn[2], strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(drawn[1], drawn[3], strict=True))
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_seeds_may_be_nested():
    with seeded(1):
        a = kernel()
        with seeded(2):
            kernel()
        b = kernel()
    with seeded(1):
        assert np.array_equal(a, kernel())
        assert np.array_equal(b, kernel())

"""Averages of weights, against a loop and on both engines."""

import keras
import numpy as np
import pytest

from counterpoise import plans
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Limits
from counterpoise.engines.run import run
from counterpoise.engines.weight_averaging import Average
from counterpoise.networks.network import Network

RNG = np.random.default_rng(3)
Y = np.repeat([0, 1], [60, 20]).astype(np.int32)
X = (RNG.normal(size=(80, 3)) + Y[:, None]).astype(np.float32)
STOP, TRAIN = np.arange(0, 80, 4), np.setdiff1d(np.arange(80), np.arange(0, 80, 4))
EXAMPLES = Examples(X, Y, (0, 1))


def plain(spec, n_classes):
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(4, activation="relu")(inputs)))


def job(steps=12, average=0.6, min_steps=0):
    limits = Limits(steps=steps, round_steps=3, patience=None, batch_size=16, average=average, min_steps=min_steps)
    return Job.of(
        plan=plans.uniform(Y[TRAIN]), train=TRAIN, stop=STOP, score=STOP, loss=("cross_entropy", {}), seed=1,
        counters=(0, 0, 0), limits=limits,
    )  # fmt: skip


def test_average_is_the_loop_of_its_formula():
    states = [[RNG.normal(size=(2, 3)).astype(np.float32), np.array(t), RNG.normal(size=4)] for t in range(9)]
    average, loop = Average(0.7, indices=[0, 2]), None
    for t, state in enumerate(states, 1):
        averaged = average.with_average(state)
        stays = min(0.7, (t - 1) / t)
        now = [state[0].astype(float), state[2].astype(float)]
        loop = now if loop is None else [stays * a + (1 - stays) * b for a, b in zip(loop, now, strict=True)]
        np.testing.assert_allclose(averaged[0], loop[0], rtol=1e-6)
        np.testing.assert_allclose(averaged[2], loop[1])
        assert averaged[0].dtype == np.float32
        assert averaged[1] is state[1]


def test_after_few_rounds_it_is_their_mean_and_restarts():
    average = Average(0.99, indices=[0])
    seen = [float(average.with_average([np.array(w)])[0]) for w in (1.0, 2.0, 6.0)]
    assert seen == pytest.approx([1.0, 1.5, 3.0])
    average.restart()
    assert float(average.with_average([np.array(5.0)])[0]) == 5.0


@pytest.mark.parametrize("engine", ["program", "fit"])
def test_statistics_of_batch_normalization_are_averaged_with_the_weights(engine):
    def normalized(spec, n_classes):
        inputs = spec.inputs()
        h = keras.layers.BatchNormalization(momentum=0.5)(keras.layers.Dense(4)(inputs))
        return keras.Model(inputs, keras.layers.Dense(1)(h))

    network = Network(normalized, EXAMPLES)
    jobs = job(3, 0.0, min_steps=3), job(6, 0.0, min_steps=6), job(6, 0.9, min_steps=6)
    *ends, kept = (next(iter(dict(run([one], EXAMPLES, network, engine=engine)).values())) for one in jobs)
    assert ends[1].best_step == kept.best_step == 6
    for first, second, mean in zip(ends[0].weights, ends[1].weights, kept.weights, strict=True):
        np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)


@pytest.fixture(scope="module")
def network():
    return Network(plain, EXAMPLES)


def test_both_engines_keep_the_same_average(network):
    trained = {engine: dict(run([job()], EXAMPLES, network, engine=engine)) for engine in ("program", "fit")}
    ours, theirs = (next(iter(members.values())) for members in trained.values())
    assert ours.best_step == theirs.best_step
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-5)
    np.testing.assert_allclose(ours.history["stop_loss"], theirs.history["stop_loss"], atol=1e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_is_kept_is_the_average_of_the_ends_of_rounds_and_training_goes_on_from_its_own(network):
    ends = [next(iter(dict(run([job(steps, 0.0)], EXAMPLES, network)).values())) for steps in (3, 6)]
    kept = next(iter(dict(run([job(6, 0.9)], EXAMPLES, network)).values()))
    assert ends[1].best_step == kept.best_step == 6
    for first, second, mean in zip(ends[0].weights, ends[1].weights, kept.weights, strict=True):
        np.testing.assert_allclose(mean, (first + second) / 2, atol=1e-6)
    assert kept.history["loss"] == pytest.approx(ends[1].history["loss"], rel=1e-5)

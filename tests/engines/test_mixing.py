"""Jobs that mix batches: the mixture of the layers of `feed`, a function of the step, labels that a network takes."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import DataError, ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Limits
from counterpoise.engines.keras_fit import Batches
from counterpoise.engines.mixing import Mixed, check_mixable
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.plans.class_plans import uniform
from counterpoise.strategies.resolve import resolved
from counterpoise.strategies.select import Strategy, find

N = 60
Y = (np.arange(N) % 6 == 0).astype(np.int32)
#: Row i is its own number, so that a mixture tells its parts.
X = np.eye(N, dtype=np.float64)
ROWS = np.arange(N)
COUNTS = {"counts": [50, 10], "alpha": 1.0}


def job_of(mix, counters=(0, 0, 0), seed=0):
    return Job.of(
        plan=uniform(Y), train=ROWS, stop=ROWS[:0], score=ROWS, loss=("cross_entropy", {}), seed=seed,
        counters=counters, limits=Limits(steps=3, round_steps=3, patience=None, batch_size=20), mix=mix,
    )  # fmt: skip


MIXUP, REMIX = ("mixup", {"classes": 2, "alpha": 0.5}), ("remix", COUNTS)


@pytest.mark.parametrize("mix", [MIXUP, REMIX], ids=lambda mix: mix[0])
def test_rows_labels_and_weights_are_averaged_as_the_formula_says(mix):
    weights = np.where(Y == 1, 3.0, 1.0).astype(np.float32)
    x, y, w = Mixed(job_of(mix), 2).batch(0, X, Y, weights)
    own = np.diag(x).copy()
    partner = (x - np.diag(own)).argmax(axis=1)
    np.testing.assert_allclose(x.sum(axis=1), 1, atol=1e-6)
    share = own if mix is MIXUP else remixed(own, partner)
    onehot = np.eye(2)[Y]
    alone = own == 1  # met itself
    want = share[:, None] * onehot + (1 - share[:, None]) * onehot[partner]
    np.testing.assert_allclose(y, np.where(alone[:, None], onehot, want), atol=1e-5)
    np.testing.assert_allclose(w[~alone], (share * weights + (1 - share) * weights[partner])[~alone], atol=1e-5)
    one_unit = Mixed(job_of(mix), 1).batch(0, X, Y, weights)[1]
    np.testing.assert_array_equal(one_unit, y[:, 1])


def remixed(own, partner):
    ratio = np.array([50, 10])[Y] / np.array([50, 10])[Y[partner]]
    share = np.where((ratio >= 3) & (own < 0.5), 0.0, own)
    return np.where((ratio <= 1 / 3) & (1 - own < 0.5), 1.0, share)


def test_a_mixture_is_a_function_of_seed_place_and_step():
    def first(step=0, **how):
        return Mixed(job_of(MIXUP, **how), 2).batch(step, X, Y, np.ones(N, np.float32))[0]

    np.testing.assert_array_equal(first(), first())
    for other in (first(1), first(counters=(0, 1, 0)), first(seed=1)):
        assert not np.array_equal(first(), other)


def test_levels_come_from_the_row_with_the_larger_share():
    x = {"numeric": X, "categorical": np.arange(N, dtype=np.int32)[:, None]}
    mixed = Mixed(job_of(MIXUP), 2).batch(0, x, Y, np.ones(N, np.float32))[0]
    assert mixed["categorical"].dtype == np.int32
    np.testing.assert_array_equal(mixed["categorical"][:, 0], mixed["numeric"].argmax(axis=1))


def test_the_id_of_a_job_covers_its_mix():
    made = [None, MIXUP, ("mixup", {"classes": 2, "alpha": 0.6}), REMIX, ("remix", {**COUNTS, "counts": [40, 10]})]
    assert len({job_of(mix).id for mix in made}) == len(made)


def test_the_loss_is_taken_of_soft_labels_by_the_fit_engine():
    """Zero weights and no learning: the loss of a mixed batch is that of its soft labels, log 2."""
    model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    examples = Examples(X, Y, (0, 1))
    network = Network(model, examples, output="logits", optimizer=keras.optimizers.SGD(0.0))
    ((_, member),) = run([job_of(MIXUP).having(init_bias=False)], examples, network)
    assert member.engine == "fit"
    assert member.needs_calibration
    np.testing.assert_allclose(member.history["loss"], np.log(2), rtol=1e-5)
    with pytest.raises(OptionError, match="cannot mix or crop"):
        list(run([job_of(MIXUP)], examples, network, engine="program"))


@pytest.mark.parametrize(
    "x", [np.arange(N)[:, None], np.array(["a"] * N), {"image": X, "tokens": np.ones((N, 3), int)}]
)
def test_rows_without_a_mean_are_refused(x):
    with pytest.raises(DataError, match="Expected floating-point numbers or uint8"):
        check_mixable(Examples(x, Y, (0, 1)), "mixup")
    check_mixable(Examples(np.zeros((N, 2, 2, 1), np.uint8), Y, (0, 1)), "mixup")


def test_rows_with_several_labels_are_refused():
    several = Examples(X, np.stack([Y, 1 - Y], axis=1), ("a", "b"), kind="labels")
    with pytest.raises(DataError, match="these rows have several labels"):
        check_mixable(several, "remix")


def test_both_are_compared_with_the_baseline():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [120, 30])
    x = (rng.normal(size=(150, 3)) + 2 * y[:, None]).astype(np.float32)
    comparison = cp.compare(
        "mlp", x, y, strategies="mixup,remix", folds=2, epochs=8, refit=False, batch_size=32, verbose=0
    )
    rows = comparison.leaderboard
    assert {row["strategy"] for row in rows} == {"none", "mixup", "remix"}
    assert {row["status"] for row in rows} == {"ok"}
    assert min(row["scores"]["roc_auc"]["mean"] for row in rows) > 0.9
    assert min(row["scores"]["calibration_slope"]["mean"] for row in rows) > 0


def test_settings_of_the_mix_are_the_users():
    mild = replace(find("mixup"), name="mild", mixing={"alpha": 0.05})
    assert mild.make_mix(np.array([5, 5])) == ("mixup", {"classes": 2, "alpha": 0.05})
    with pytest.raises(OptionError, match="mix is 'stir'"):
        Strategy("mine", mix="stir")


def compiled_with(loss):
    model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", loss)
    return Network(model, Examples(X, Y, (0, 1)))


@pytest.mark.parametrize("name", ["mixup", "remix"])
def test_a_loss_of_codes_refuses_mixed_labels(name):
    def sparse(y, p):
        return 2.0 * keras.losses.sparse_categorical_crossentropy(y, p)

    with pytest.raises(ModelError, match="mixes rows and their labels"):
        resolved(find(name), {"": compiled_with(sparse)})
    strategy = resolved(find(name), {"": compiled_with(keras.losses.CategoricalFocalCrossentropy())})
    assert (strategy.loss, strategy.mix) == ("model", name)


def test_a_loss_of_one_hot_rows_is_handed_the_shares():
    def seen(y, p):
        return keras.ops.max(y, axis=-1) + 0.0 * keras.ops.sum(p, axis=-1)  # 1 for whole labels, less for shares

    examples, job = Examples(X, Y, (0, 1)), replace(job_of(MIXUP), loss=("model", {}))
    ((_, member),) = run([job], examples, compiled_with(seen))
    mixed = Batches(job, examples, 2)
    want = [mixed[step][1].max(axis=1).mean() for step in range(3)]
    assert max(want) < 1
    np.testing.assert_allclose(member.history["loss"], np.mean(want), rtol=1e-5)


def test_the_refusal_reaches_whoever_calls_fit():
    model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", lambda y, p: 2.0 * keras.losses.sparse_categorical_crossentropy(y, p))
    with pytest.raises(ModelError, match="compile the model with a loss that takes one-hot labels"):
        cp.fit(model, X, Y, strategy="mixup", epochs=1, verbose=0)

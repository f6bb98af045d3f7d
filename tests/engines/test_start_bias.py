"""Both engines start each strategy at the constant that minimizes its own loss on the rows of its own plan."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_networks import DENSE, examples, net
from trainers import jobs_of

import counterpoise as cp
from counterpoise.core.folds import Fold
from counterpoise.data.split import make_folds
from counterpoise.engines.objective import Objective
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find, names
from counterpoise.strategies.strategy import Single

TWO, THREE = examples(), examples(classes=3)
STILL = keras.optimizers.SGD(0.0)
SHORT = Settings(epochs=1, batch_size=64, early_stopping=False)


def prior(data, weights=None):
    counts = np.bincount(data.y, weights=weights, minlength=data.n_classes)
    return counts / counts.sum()


def everything(data):
    return Fold(0, 0, np.arange(len(data)), np.arange(0), np.arange(0))


def starts(data, network, strategies, engine):
    """strategy -> the output bias after a training that moves nothing."""
    jobs = {name: jobs_of(find(name), data, everything(data), SHORT, network)[0] for name in strategies}
    members = dict(run(jobs.values(), data, network, engine=engine))
    return {name: members[job.id].weights[network.output_bias.index] for name, job in jobs.items()}


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_the_plan_and_the_loss_decide(engine):
    network = Network(net(*DENSE), TWO, optimizer=STILL)
    (_, p) = prior(TWO)
    odds = np.log(p / (1 - p))
    wanted = {"none": odds, "oversample": 0.0, "class_weight": 0.0, "balanced_softmax": 0.0, "drw": odds}
    if engine == "fit":  # where each loss is traced by itself; the constants are those of the other engine
        wanted = {"none": odds, "oversample": 0.0}
    biases = starts(TWO, network, [*wanted, "focal"], engine)
    assert biases.pop("focal") > odds + 0.5  # leans towards one half
    for name, value in wanted.items():
        np.testing.assert_allclose(biases[name], [value], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_a_softmax_starts_at_the_log_of_the_shares(engine):
    network = Network(net(*DENSE, units=3), THREE, optimizer=STILL)
    biases = starts(THREE, network, ["none", "undersample", "balanced_softmax"], engine)
    np.testing.assert_allclose(biases["none"], np.log(prior(THREE)), atol=1e-5)
    np.testing.assert_allclose(biases["undersample"], np.log(np.full(3, 1 / 3)), atol=1e-5)
    np.testing.assert_allclose(biases["balanced_softmax"], 0.0, atol=1e-5)


def test_weights_of_the_user_count():
    weights = np.where(TWO.y == 1, 3.0, 1.0)
    network = Network(net(*DENSE), TWO, optimizer=STILL)
    q = prior(TWO, weights)[1]
    biases = starts(replace(TWO, sample_weight=weights), network, ["none"], "fit")
    np.testing.assert_allclose(biases["none"], [np.log(q / (1 - q))], atol=1e-5)


def test_members_of_one_network_start_at_their_own_plans():
    network = Network("tabular", TWO)
    (job,) = jobs_of(find("resampling_ensemble"), TWO, everything(TWO), SHORT, network)
    p = prior(TWO)[1]
    wanted = [[np.log(p / (1 - p))], [0.0], [0.0]] * 3
    np.testing.assert_allclose(Objective(job).initial_bias(network), wanted[: network.n_members], atol=1e-5)
    (alone,) = jobs_of(find("none"), TWO, everything(TWO), SHORT, network)
    assert Objective(alone).initial_bias(network).shape == (1,)
    state = network.initial_state(0, TWO.x, alone.train, bias=Objective(alone).initial_bias(network))
    np.testing.assert_allclose(state[network.output_bias.index], [wanted[0]] * network.n_members, atol=1e-5)


def test_the_job_says_whether_and_its_id_with_it():
    network = Network(net(*DENSE), TWO)
    (job,) = jobs_of(find("none"), TWO, everything(TWO), SHORT, network)
    (other,) = jobs_of(find("none"), TWO, everything(TWO), replace(SHORT, init_bias=False), network)
    assert other.id == job.having(init_bias=False).id != job.id
    assert Objective(other).initial_bias(network) is None
    assert job.having().id == job.id


def test_mixed_labels_start_at_what_they_are_on_average():
    network = Network(net(*DENSE), TWO)
    jobs = {name: jobs_of(find(name), TWO, everything(TWO), SHORT, network)[0] for name in ("none", "mixup", "remix")}
    start = {name: float(Objective(job).initial_bias(network)[0]) for name, job in jobs.items()}
    assert start["mixup"] == pytest.approx(start["none"], abs=1e-6)
    name, constants = jobs["remix"].mix
    from counterpoise.engines.mixing import MIXES, GeneratorDraws

    y = np.repeat([0, 1], (prior(TWO) * 150_000).astype(int))
    draws = GeneratorDraws(np.random.default_rng(0))
    _, soft, _ = MIXES[name](**constants).mix(draws, np.zeros((len(y), 1), "f4"), np.eye(2, dtype="f4")[y], None)
    share = float(np.asarray(soft)[:, 1].mean())
    assert start["remix"] == pytest.approx(np.log(share / (1 - share)), abs=0.02)


@pytest.mark.parametrize("name", [n for n in names() if isinstance(find(n), Single)])
def test_every_plan_states_the_shares_that_its_rows_weigh(name):
    """What the start rests on: `prior` of the first stage is the class shares of one epoch's weights."""
    fold = make_folds(TWO, 2)[0]
    plan = jobs_of(find(name), TWO, fold, SHORT)[0].plan.stages[0]
    rows = np.concatenate([plan.rows(epoch, 0) for epoch in range(3)])
    seen = np.bincount(plan.codes[rows], weights=plan.weights()[rows].astype(float), minlength=2)
    np.testing.assert_allclose(plan.prior, seen / seen.sum(), atol=1e-6)


def test_a_users_bias_changes_nothing_unless_asked_for(caplog):
    def builder(bias):
        def build(spec, n_classes):
            inputs = spec.inputs()
            return keras.Model(
                inputs, keras.layers.Dense(1, bias_initializer=keras.initializers.Constant(bias))(inputs)
            )

        return build

    how = {
        "strategies": ["none", "oversample"],
        "folds": 2,
        "epochs": 2,
        "refit": False,
        "verbose": 0,
    }
    comparisons = [cp.compare(builder(bias), TWO.x, TWO.y, **how) for bias in (0.0, -1.5)]
    assert [sum("was replaced" in w for w in comparison.record["warnings"]) for comparison in comparisons] == [0, 1]
    for a, b in zip(comparisons[0].fold_results, comparisons[1].fold_results, strict=True):
        np.testing.assert_array_equal(a.proba, b.proba)
    kept = cp.compare(builder(-1.5), TWO.x, TWO.y, init_bias=False, **how)
    assert not any("was replaced" in w for w in kept.record["warnings"])
    assert any(np.any(a.proba != b.proba) for a, b in zip(comparisons[1].fold_results, kept.fold_results, strict=True))
    count = caplog.text.count("was replaced")
    cp.fit(builder(-1.5), TWO.x, TWO.y, epochs=1, verbose=0)
    assert (count, caplog.text.count("was replaced")) == (1, 2)

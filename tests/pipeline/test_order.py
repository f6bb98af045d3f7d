"""Fit and cross-validation: the prior-shift law, no leak, shared jobs, noise shows no gain."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from sklearn import metrics
from trainers import cross_validate, jobs_of

import counterpoise as cp
from counterpoise.core import logits as lg
from counterpoise.core.errors import OptionError, SplitError
from counterpoise.core.examples import Examples
from counterpoise.data.split import make_folds
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import ensemble, find, select

QUICK = Settings(epochs=3, batch_size=64)


def gaussians(n, priors, seed=0):
    """Classes with equal covariance: the true posterior is a softmax of linear functions."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0], [1.6, 0.4], [-0.5, 1.8]])[: len(priors)]
    y = rng.choice(len(priors), n, p=priors).astype(np.int32)
    x = (means[y] + rng.normal(size=(n, 2))).astype("float32")
    z = np.log(priors) + x @ means.T - 0.5 * (means**2).sum(axis=1)
    true = np.exp(z - z.max(axis=1, keepdims=True))
    return x, y, true / true.sum(axis=1, keepdims=True)


def linear(units):
    def build(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, keras.layers.Dense(units)(inputs))

    return build


@pytest.mark.parametrize("strategy", ["oversample", "undersample", "class_weight"])
@pytest.mark.parametrize(("units", "priors"), [(1, [0.93, 0.07]), (2, [0.93, 0.07]), (3, [0.85, 0.1, 0.05])])
def test_corrected_probabilities_are_the_true_posterior(strategy, units, priors):
    """A linear model can express the posterior, so plan prior and shift must give back the unweighted optimum."""
    x, y, true = gaussians(6000, priors)
    clf = cp.fit(
        linear(units),
        x,
        y,
        strategy=strategy,
        epochs=40,
        batch_size=256,
        optimizer=keras.optimizers.Adam(0.03),
        verbose=0,
    )
    bare = dataclasses.replace(clf.rule, intercept=None)
    proba = clf.with_rule(bare).predict_proba(x)
    assert np.abs(proba - true).mean() < 0.012
    assert metrics.log_loss(y, proba) < metrics.log_loss(y, true) + 0.004


def test_weighted_and_baseline_stop_within_a_few_rounds():
    """The stopping score is the log loss of the corrected output; the raw one would follow the shift instead."""
    rounds = {"none": [], "class_weight": []}
    for seed in range(2):
        x, y, _ = gaussians(2000, [0.9, 0.1], seed)
        for name, stopped in rounds.items():
            optimizer = keras.optimizers.Adam(0.01)
            clf = cp.fit("mlp", x, y, strategy=name, epochs=40, patience=5, optimizer=optimizer, seed=seed, verbose=0)
            stopped.append(clf.card["steps"][0] / -(-1600 // 256))
    assert abs(np.mean(rounds["none"]) - np.mean(rounds["class_weight"])) < 6


def data(n=400, classes=2, seed=0, noise=False):
    rng = np.random.default_rng(seed)
    shares = [0.85, 0.15] if classes == 2 else [0.7, 0.2, 0.1]
    y = rng.choice(classes, n, p=shares).astype(np.int32)
    x = rng.normal(size=(n, 3)).astype("float32") + (0 if noise else 1.2 * y[:, None])
    return Examples(x.astype("float32"), y, tuple(range(classes)))


def test_jobs_are_shared_between_strategies():
    examples = data()
    fold = make_folds(examples, 2)[0]
    ids = {s.name: [j.id for j in jobs_of(s, examples, fold, QUICK)] for s in select("default")}
    assert ids["none"] == ids["threshold"]
    assert ids["resampling_ensemble"] == ids["none"] + ids["oversample"] + ids["undersample"]
    bag = jobs_of(ensemble(["undersample"] * 3), examples, fold, QUICK)
    assert len({j.id for j in bag}) == 3
    assert bag[0].id == ids["undersample"][0]


def test_budget_in_steps_is_equal_and_in_epochs_is_the_plans_own():
    examples = data()
    fold = make_folds(examples, 2)[0]
    for budget, equal in (("steps", True), ("epochs", False)):
        settings = dataclasses.replace(QUICK, budget=budget, batch_size=16)
        steps = {
            n: jobs_of(find(n), examples, fold, settings)[0].limits.steps for n in ("none", "undersample", "oversample")
        }
        assert (len(set(steps.values())) == 1) is equal
    assert steps["undersample"] < steps["none"] < steps["oversample"]


def outcome_of(examples, strategies="default", **how):
    return cross_validate(examples, select(strategies), Network(linear(1), examples), QUICK, **how)


def test_each_row_is_judged_once_and_cells_are_complete():
    examples = data()
    outcome = outcome_of(examples, folds=3)
    assert len(outcome.fold_results) == 6 * 3
    for name in ("none", "resampling_ensemble"):
        results = [c for c in outcome.fold_results if c.strategy == name]
        assert np.array_equal(np.sort(np.concatenate([c.rows for c in results])), np.arange(len(examples)))
        assert all(np.allclose(c.proba.sum(axis=1), 1) for c in results)
    ensemble = next(c for c in outcome.fold_results if c.strategy == "resampling_ensemble")
    assert ensemble.fits == 3
    pooled = np.log(np.mean(ensemble.member_proba, axis=0)) + (
        0 if ensemble.rule.intercept is None else ensemble.rule.intercept
    )
    assert np.allclose(ensemble.proba, np.exp(lg.log_softmax(pooled)), atol=1e-9)
    assert ensemble.seconds_shared == pytest.approx(ensemble.seconds)


def test_the_labels_of_a_fold_never_enter_its_rule():
    examples = data()
    fold = make_folds(examples, 3)[0]
    before = outcome_of(examples, folds=3)
    from counterpoise.pipeline.fold_results import cross_fitted_rule

    folds = make_folds(examples, 3)
    y = examples.y.copy()
    y[fold.test] = np.random.default_rng(1).permutation(y[fold.test])
    changed = dataclasses.replace(examples, y=y)
    strategy = find("threshold")
    from counterpoise.core.job import Member

    blank = [Member("", (), np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(2), 1, 1, 1, 0.0)]
    rules = [cross_fitted_rule(strategy, e, folds, 0, before.log_p["threshold"], blank) for e in (examples, changed)]
    assert rules[0].threshold == rules[1].threshold


def test_pure_noise_shows_no_gain():
    """Labels that nothing predicts: no strategy may rank, or decide, better than chance beyond its error."""
    gains, precisions = [], []
    for seed in range(4):
        examples = data(500, seed=seed, noise=True)
        share = (examples.y == 1).mean()
        for result in outcome_of(examples, "threshold,oversample", folds=3).fold_results:
            y = examples.y[result.rows]
            gains.append(metrics.average_precision_score(y, result.proba[:, 1]) - share)
            if result.decision.any():
                precisions.append(y[result.decision == 1].mean() - share)
    assert abs(np.mean(precisions)) < 3 * np.std(precisions) / np.sqrt(len(precisions)) + 0.02
    # AP of a random ranking lies a little above the share in small samples.
    assert np.mean(gains) < 0.05


def test_three_classes_and_every_vote():
    examples = data(classes=3)
    ensembles = [ensemble(["none", "oversample"], vote=v, name=v) for v in ("soft", "log", "hard", "weighted")]
    outcome = cross_validate(examples, [find("none"), *ensembles], Network(linear(3), examples), QUICK, folds=2)
    for result in outcome.fold_results:
        assert result.proba.shape == (len(result.rows), 3)
        assert set(np.unique(result.decision)) <= {0, 1, 2}
    weights = next(c.rule.weights for c in outcome.fold_results if c.strategy == "weighted")
    assert weights.sum() == pytest.approx(1)


def test_time_and_groups_run():
    timed = dataclasses.replace(data(), time=np.arange(400))
    assert len(outcome_of(timed, "none", folds=3).fold_results) == 3
    grouped = dataclasses.replace(data(), groups=np.arange(400) // 4)
    outcome = outcome_of(grouped, "none", folds=3)
    assert len(outcome.fold_results) == 3


def test_fit_with_folds_trains_on_all_rows():
    examples = data()
    clf = cp.fit(linear(1), examples, strategy="oversample", folds=3, epochs=2, engine="fit", verbose=0)
    assert "trained on all 400 rows" in clf.card["rule"]
    assert len(clf.scores["y"]) == 400


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"budget": "time"}, "budget= is 'time'"),
        ({"seed": -1}, "seed is -1"),
        ({"strategy": "oversampel"}, "Did you mean 'oversample'"),
        ({"clone": False, "folds": 3}, "clone=False"),
        ({"engine": "jet"}, "engine is 'jet'"),
    ],
)
def test_options_out_of_range(how, words):
    with pytest.raises(OptionError, match=words):
        cp.fit(linear(1), data(), verbose=0, **{"epochs": 1, **how})


def test_the_recipe_equals_plain_keras():
    """Given the same rows in the same order and the same start, training is `fit`."""
    examples = data(192)
    settings = Settings(epochs=2, batch_size=32, early_stopping=False, engine="fit")
    network = Network(linear(1), examples, optimizer=keras.optimizers.SGD(0.1))
    fold = make_folds(examples, 2)[0]
    job = jobs_of(find("class_weight"), examples, fold, settings)[0]
    from counterpoise.core import seeds
    from counterpoise.engines.batch_order import Order
    from counterpoise.engines.run import run
    from counterpoise.networks.weights import set_state

    member = dict(run([job], examples, network, engine="fit"))[job.id]
    model = network.fresh(seeds.integer(job.seed, "initial", *job.counters))
    start = [w.copy() for w in model.get_weights()]
    model.compile(keras.optimizers.SGD(0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    order = Order(job)
    for step in range(job.limits.steps):
        rows, weights = order.step(step)
        model.train_on_batch(examples.x[rows], examples.y[rows].astype("float32")[:, None], sample_weight=weights)
    assert not np.allclose(start[0], model.get_weights()[0])
    reference = network.fresh(0)
    set_state(reference, member.weights)
    best_is_last = member.best_step == job.limits.steps
    if best_is_last:
        assert np.allclose(reference.get_weights()[0], model.get_weights()[0], atol=1e-5)


def test_callbacks_reach_the_last_training_too():
    begun = []
    callback = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: begun.append(1))
    cp.fit(linear(1), data(), folds=2, epochs=1, batch_size=64, engine="fit", callbacks=[callback], verbose=0)
    assert len(begun) == 3


def test_the_object_itself_is_trained_and_stays_usable():
    examples = data()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    before = model.get_weights()[0].copy()
    clf = cp.fit(model, examples, strategy="oversample", epochs=3, clone=False, engine="fit", verbose=0)
    assert not np.allclose(model.get_weights()[0], before)
    raw = clf.raw(clf.encoded_logits(examples.x))[:, 1]
    assert np.allclose(model.predict(examples.x, verbose=0)[:, 0], raw, atol=1e-5)
    model.fit(examples.x, examples.y, epochs=1, verbose=0)


def test_a_class_that_cannot_be_held_out_is_named():
    x, y = np.zeros((40, 2), "float32"), np.array([0] * 38 + [1] * 2)
    with pytest.raises(SplitError, match=r"class 1 has 2 rows, of which 0 are among the held-out rows"):
        cp.fit(linear(1), x, y, epochs=1, engine="fit", verbose=0)


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_no_part_of_a_rule_moves_when_its_own_fold_does(vote):
    """Every fold, every repeat: threshold, intercept, calibrator, weights and prior are those of the other folds."""
    from counterpoise.core.job import Member
    from counterpoise.decide.rule_fields import rule_to_dict
    from counterpoise.pipeline.fold_results import cross_fitted_rule

    rng, examples = np.random.default_rng(0), data(600)
    folds = make_folds(examples, 4, repeats=2)
    strategy = ensemble(["oversample", "undersample"], vote=vote)
    log_p = lg.log_softmax(rng.normal(size=(2, 2, 600, 2)) + np.array([0.0, 1.0]) * examples.y[:, None])
    shift = np.array([-1.0, 1.0])
    members = [Member("", (), np.zeros((1, 1)), np.zeros((1, 1)), shift, 1, 1, 1, 0.0) for _ in range(2)]
    for index, fold in enumerate(folds):
        y, moved = examples.y.copy(), log_p.copy()
        y[fold.test] = rng.permutation(y[fold.test])
        moved[:, :, fold.test] = lg.log_softmax(rng.normal(size=(2, 2, len(fold.test), 2)))
        rule = cross_fitted_rule(strategy, examples, folds, index, log_p, members)
        other = cross_fitted_rule(strategy, dataclasses.replace(examples, y=y), folds, index, moved, members)
        assert rule_to_dict(rule) == rule_to_dict(other)

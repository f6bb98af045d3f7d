"""Every strategy runs, and what it says is true: known posteriors come back out of trained networks."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from trainers import jobs_of, train_all, trainer_of

import counterpoise as cp
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.data.read import read
from counterpoise.engines.finishing import apply_finish, check_finish
from counterpoise.networks.network import Network
from counterpoise.pipeline.fold_results import corrected_log_p
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import trained_members
from counterpoise.strategies.select import find, names
from counterpoise.strategies.strategy import Single
from counterpoise.targets.kinds import target_of

SINGLE = [name for name in names() if isinstance(find(name), Single)]


def blobs(shares: list[float], rows: int = 240, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(len(shares)), np.rint(np.array(shares) * rows).astype(int))
    rng.shuffle(y)
    return (rng.normal(size=(len(y), 3)) + 1.5 * np.eye(3)[y]).astype("float32"), y


def linear(spec: cp.InputSpec, n_classes: int) -> keras.Model:
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(1 if n_classes == 2 else n_classes)(inputs))


@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.8, 0.125, 0.075]], ids=["binary", "three classes"])
def test_every_strategy_runs_in_a_comparison(shares, monkeypatch):
    """Both folds have equal counts, so that what is computed from counts is computed once."""
    monkeypatch.setattr("counterpoise.report.bands.RESAMPLES", 20)
    x, y = blobs(shares)
    comparison = cp.compare(
        linear, x, y, strategies=SINGLE, folds=2, epochs=2, refit=False, optimizer="adam", verbose=0
    )
    failed = {row["strategy"]: row["error"] for row in comparison.leaderboard if row["status"] != "ok"}
    # One unit has no class lengths to compare: the row says so, and the comparison goes on.
    assert set(failed) == ({"tau_norm"} if len(shares) == 2 else set())
    assert "needs one unit per class" in failed.get("tau_norm", "needs one unit per class")
    assert [row["strategy"] for row in comparison.leaderboard if row["strategy"] in SINGLE]
    for result in comparison.fold_results:
        np.testing.assert_allclose(result.proba.sum(axis=1), 1, atol=1e-6)
        assert np.all(np.isfinite(result.proba))
        assert set(np.unique(result.decision)) <= set(range(len(shares)))


CELLS = {
    2: np.array([[0.9, 0.1], [0.6, 0.4], [0.98, 0.02], [0.95, 0.05]]),
    3: np.array([[0.9, 0.06, 0.04], [0.4, 0.35, 0.25], [0.96, 0.02, 0.02], [0.7, 0.1, 0.2]]),
}


def cells(classes: int, per_cell: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """One-hot inputs of four cells whose class shares are known exactly: a linear model can express them."""
    counts = np.rint(CELLS[classes] * per_cell).astype(int)
    y = np.concatenate([np.repeat(np.arange(classes), n) for n in counts])
    return np.eye(4, dtype="float32")[np.repeat(np.arange(4), per_cell)], y


def train(name: str, x: np.ndarray, y: np.ndarray, steps: int, rate: float = 0.1):
    examples, everything = read(x, y=y, table=False), np.arange(len(y))
    network = Network(linear, examples, optimizer=keras.optimizers.Adam(rate))
    settings = Settings(epochs=steps, batch_size=len(y), early_stopping=False)
    strategy = find(name)
    jobs = jobs_of(strategy, examples, Fold(0, 0, everything, everything[:0], everything[:0]), settings)
    jobs = [job.having(score=everything[:: len(y) // 4]) for job in jobs]
    members = train_all(jobs, examples, network, settings)
    return trained_members(strategy, jobs, members, trainer_of(examples, settings, network))[0], network


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("focal", 2),
        ("balanced_softmax", 2),
        ("focal", 3),
        ("class_balanced_focal", 3),
        ("logit_adjusted", 3),
    ],
)
def test_a_known_posterior_comes_back(name, classes):
    x, y = cells(classes)
    member, _ = train(name, x, y, steps=200, rate=0.3)
    np.testing.assert_allclose(np.exp(corrected_log_p(target_of("one_of"), member)), CELLS[classes], atol=5e-3)


def test_the_baseline_starts_at_the_log_prior():
    """Trained by hand with Keras from that bias, step by step."""
    x, y = cells(3, per_cell=50)
    member, network = train("none", x, y, steps=25)
    model = network.fresh(0)
    kernel = model.trainable_variables[0]
    start = train("none", x, y, steps=1, rate=1e-12)[0].weights
    kernel.assign(start[0])
    assert cp.networks.init_output_bias(model, np.bincount(y)) == model.layers[1].layers[-1].name
    prior = np.log(np.bincount(y) / len(y))
    np.testing.assert_allclose(start[1], prior, atol=1e-5)
    model.compile(keras.optimizers.Adam(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=len(y), epochs=25, verbose=0)
    by_hand = keras.ops.convert_to_numpy(keras.ops.log_softmax(model(x[::50])))
    np.testing.assert_allclose(corrected_log_p(target_of("one_of"), member), by_hand, atol=1e-4)
    np.testing.assert_array_equal(member.log_shift, 0)


def test_a_saved_focal_classifier_says_what_the_rule_says(tmp_path):
    x, y = blobs([0.8, 0.2])
    clf = cp.fit("mlp", x, y, strategy="focal", epochs=3, verbose=0)
    assert clf.rule.gammas.tolist() == [2.0]
    again = cp.load(clf.save(tmp_path / "m.keras"))
    np.testing.assert_allclose(again.predict_proba(x), clf.predict_proba(x), atol=1e-6)
    whole = again.keras_model()
    out = whole({f"x{i}": x[:, i : i + 1] for i in range(3)} if isinstance(whole.input, dict) else x)
    np.testing.assert_allclose(np.asarray(out["probability"]), clf.predict_proba(x), atol=1e-4)


@pytest.mark.parametrize("name", ["crt", "tau_norm"])
def test_several_networks_in_one_have_no_single_head(name):
    with pytest.raises(ModelError, match=f"'{name}' changes the last layer .* is 8 networks in one. Use a single"):
        check_finish(name, Network("tabular", Examples(*blobs([0.9, 0.1]), (0, 1))))


def test_an_unknown_finishing_step_is_refused():
    with pytest.raises(OptionError, match="Did you mean 'tau_norm'"):
        apply_finish("tau_nor", None, None, None, None)


def test_names_are_in_order_of_simplicity():
    assert names()[:5] == ("none", "threshold", "class_weight", "oversample", "undersample")
    assert names()[-7:-4] == ("resampling_ensemble", "mixup_ensemble", "easy_ensemble")
    assert names()[-4:-2] == ("balanced_bagging", "snapshot_ensemble")


def test_a_network_without_a_dense_head_fails_that_strategy_alone():
    def convolution(spec: cp.InputSpec, n_classes: int) -> keras.Model:
        inputs = spec.inputs()
        h = keras.layers.Conv1D(1, 3)(keras.layers.Reshape((3, 1))(inputs))
        return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(h))

    x, y = blobs([0.8, 0.2], rows=60)
    comparison = cp.compare(
        convolution, x, y, strategies="crt", folds=2, epochs=1, engine="fit", refit=False, verbose=0
    )
    status = {row["strategy"]: row["status"] for row in comparison.leaderboard}
    assert status == {"none": "ok", "crt": "failed"}


def test_a_deferred_strategy_reaches_its_last_stage():
    x, y = cells(2, per_cell=50)
    member, _ = train("drw", x, y, steps=50)
    assert member.needs_calibration
    np.testing.assert_allclose(member.log_shift, cp.plans.effective_number(y).log_shift)


def test_tau_norm_brings_the_class_weights_to_like_lengths():
    x, y = blobs([0.8, 0.12, 0.08])
    data = read(x, y=y, table=False)
    network = Network(linear, data, optimizer="adam")
    fold = Fold(0, 0, np.arange(0, 200), np.arange(200, 230), np.arange(230, 240))
    jobs = jobs_of(find("tau_norm"), data, fold, Settings(epochs=20, engine="fit"))
    before = train_all(jobs, data, network, Settings(engine="fit"))[jobs[0].id]
    after = apply_finish("tau_norm", before, jobs[0], data, network)
    kernels = [next(w for w in m.weights if w.ndim == 2) for m in (before, after)]
    spread = [np.ptp(np.linalg.norm(k, axis=0)) / np.linalg.norm(k, axis=0).mean() for k in kernels]
    assert spread[1] < spread[0]
    assert after.needs_calibration
    assert np.all(next(w for w in after.weights if w.ndim == 1) == 0)


def test_a_head_retrained_after_focal_loss_has_no_gamma_and_uses_the_weights_of_rows():
    x, y = blobs([0.8, 0.2], rows=60)
    data, rows = read(x, y=y, table=False), np.arange(60)
    network, settings = Network(linear, data, optimizer="adam"), Settings(epochs=1, early_stopping=False)
    job = jobs_of(find("focal"), data, Fold(0, 0, rows[:50], rows[:0], rows[50:]), settings)[0]
    before = train_all([job], data, network, settings)[job.id]
    assert apply_finish("", before, job, data, network).gamma == 2.0
    after = apply_finish("crt", before, job, data, network)
    assert after.gamma == 0.0
    weighted = apply_finish("crt", before, job, replace(data, sample_weight=1.0 + (x[:, 0] > 0)), network)
    assert not np.array_equal(weighted.logits, after.logits)

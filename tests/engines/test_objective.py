"""The stopping score is the log loss of the corrected output; a loss's own term goes into the shift."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import log_loss

from counterpoise import plans
from counterpoise.core.errors import OptionError
from counterpoise.core.job import Job, Limits
from counterpoise.engines.objective import Objective, focal_gamma
from counterpoise.plans.label_plan import label_plan
from counterpoise.targets.one_of import LOSSES

Y = np.repeat([0, 1, 2], [60, 30, 10]).astype(np.int32)
NONE = np.empty(0, np.int64)


def job(plan, loss=("cross_entropy", {})):
    return Job(
        "id",
        plan,
        np.arange(len(Y)),
        NONE,
        NONE,
        loss,
        0,
        (0, 0, 0),
        Limits(steps=1, round_steps=1, patience=None, batch_size=8),
    )


def probabilities(z, shift):
    odds = np.exp(z - shift)
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("make", [plans.uniform, plans.oversample, plans.undersample, plans.class_weight])
def test_the_score_is_scikit_learns_log_loss_after_the_shift(make):
    plan, z = make(Y), np.random.default_rng(0).normal(size=(100, 3))
    objective = Objective(job(plan))
    assert objective.log_shift == pytest.approx(plan.log_shift)
    assert stopping_score(objective, z, Y) == pytest.approx(log_loss(Y, probabilities(z, plan.log_shift)))


def stopping_score(objective, logits, y):
    return objective.target.log_loss(objective.stopping_log_p(logits, y), y)


def test_one_unit_is_scored_as_two_classes():
    y, z = (Y == 2).astype(int), np.random.default_rng(1).normal(size=(100, 1))
    plan = plans.oversample(y)
    p = 1 / (1 + np.exp(-(z[:, 0] - np.log(9))))
    objective = Objective(job(plan))
    assert stopping_score(objective, z, y) == pytest.approx(log_loss(y, p))
    two = np.concatenate([np.zeros_like(z), z], axis=1)
    assert stopping_score(objective, two, y) == pytest.approx(stopping_score(objective, z, y))


def test_a_shifted_network_scores_best_under_the_plan_that_shifted_it():
    """A network that says exactly what training under the plan asks for: the raw score would prefer another."""
    rng = np.random.default_rng(2)
    true = rng.dirichlet(np.ones(3), 5000)
    y = np.array([rng.choice(3, p=p) for p in true])
    plan = plans.oversample(Y)
    shifted = np.log(true) + plan.log_shift
    own, raw = stopping_score(Objective(job(plan)), shifted, y), Objective(job(plans.uniform(Y)))
    assert own == pytest.approx(stopping_score(raw, np.log(true), y))
    assert own < stopping_score(raw, shifted, y) - 0.1


@pytest.mark.parametrize(
    ("kind", "constants", "units"),
    [
        ("one_of", {"gamma": 2.0, "alpha": 0.8}, 1),
        ("one_of", {"gamma": 0.5, "alpha": [0.2, 3.0]}, 2),
        ("one_of", {"gamma": 1.0, "alpha": [0.2, 1.0, 3.0]}, 3),
        ("elements", {"gamma": 2.0, "weights": [0.6, 5.0]}, 1),
        ("elements", {"gamma": 2.0, "weights": [0.6, 2.0, 5.0], "alpha": [0.2, 1.0, 3.0]}, 3),
        ("labels", {"gamma": 2.0, "alpha": 0.8}, 2),
        ("labels", {"gamma": 1.0, "alpha": [0.8, 0.3]}, 2),
    ],
)
def test_the_class_weights_of_a_focal_loss_are_in_the_shift(kind, constants, units):
    """The best constant output of the loss, corrected, has the shares of the rows."""
    classes = max(2, units)
    y = np.arange(100) % classes
    plan = label_plan(np.eye(2, dtype=int)[y], np.ones((2, 2))) if kind == "labels" else plans.uniform(y)
    objective = Objective(dataclasses.replace(job(plan, ("focal", constants)), kind=kind))
    shares = np.array([[0.9, 0.1], [0.6, 0.4]]) if kind == "labels" else np.array([0.7, 0.2, 0.1][:classes])
    shares = shares / shares.sum(axis=-1, keepdims=True)
    logits = objective.target.start(objective._loss, shares, units)
    log_p = objective.target.log_p(logits[None], objective.log_shift, objective.gamma)
    assert np.exp(log_p[0]) == pytest.approx(shares, abs=2e-3)
    assert not objective.needs_calibration


def test_the_term_inside_the_softmax_is_taken_off_the_shift():
    """Balanced softmax on n_c rows trains z + log n_c: the true logits are z + log pi."""
    loss = ("balanced_softmax", {"counts": [60, 30, 10]})
    true = np.log([0.6, 0.3, 0.1])
    assert Objective(job(plans.uniform(Y), loss)).log_shift == pytest.approx(-(true - true.mean()))


def test_scores_that_need_a_calibrator_do_not_depend_on_a_constant_per_class():
    objective = Objective(job(plans.uniform(Y), ("ldam", {"counts": [60, 30, 10], "max_margin": 0.5, "scale": 1.0})))
    assert objective.needs_calibration
    z = np.random.default_rng(3).normal(size=(100, 3))
    assert stopping_score(objective, z + np.array([3.0, 0.0, -2.0]), Y) == pytest.approx(
        stopping_score(objective, z, Y), abs=1e-6
    )


def test_focal_loss_is_inverted_before_it_is_scored():
    objective = Objective(job(plans.uniform(Y), ("focal", {"gamma": 2.0})))
    assert (objective.gamma, focal_gamma(("focal", {})), focal_gamma(("cross_entropy", {}))) == (2.0, 2.0, 0.0)
    z = np.random.default_rng(4).normal(size=(100, 3))
    q = probabilities(z, 0.0)
    h = q / ((1 - q) ** 2 - 2 * (1 - q) * q * np.log(q))
    assert stopping_score(objective, z, Y) == pytest.approx(log_loss(Y, h / h.sum(axis=1, keepdims=True)), rel=1e-6)


def test_keys_separate_constants_and_families_do_not_separate_counts():
    def of(counts, **more):
        return Objective(job(plans.uniform(Y), ("balanced_softmax", {"counts": counts, **more})))

    a, b = of([60, 30, 10]), of([50, 30, 20])
    assert a.key != b.key
    assert a.family == b.family
    assert a.key == of(np.array([60, 30, 10])).key


def test_unknown_names_and_new_ones(monkeypatch):
    with pytest.raises(OptionError, match=r"no loss 'focl'. Did you mean 'focal'"):
        Objective(job(plans.uniform(Y), ("focl", {})))
    monkeypatch.setitem(LOSSES, "tests own", dataclasses.make_dataclass("Own", []))
    assert Objective(job(plans.uniform(Y), ("tests own", {}))).log_shift == pytest.approx(np.zeros(3))

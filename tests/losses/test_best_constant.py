"""The constant of a loss is the minimum that NumPy and SciPy find by themselves, on rows written out one by one."""

from __future__ import annotations

import keras
import loss_reference as ref
import numpy as np
import pytest
from loss_cases import effective
from scipy.optimize import minimize

from counterpoise import losses as L
from counterpoise.losses.best_constant import best_constant
from counterpoise.networks.user_loss import ModelLoss

N2, N3 = [950, 50], [700, 250, 50]
SEEN2, SEEN3 = np.array([36, 4]), np.array([28, 8, 4])  # rows of each class that the plan draws


def cases(n):
    return {
        "cross_entropy": (L.CrossEntropy(), ref.cross_entropy),
        "focal": (L.Focal(2.0), ref.focal(2.0)),
        "focal alpha": (L.Focal(0.6, [0.2, 1.0, 3.0][-len(n) :]), ref.focal(0.6, [0.2, 1.0, 3.0][-len(n) :])),
        "class_balanced_focal": (
            L.ClassWeighted(effective(n, 0.97), L.Focal(2.0)),
            ref.class_balanced(ref.focal(2.0), n, 0.97),
        ),
        "logit_adjusted": (L.LogitAdjusted(n, 1.3), ref.adjusted(n, 1.3)),
        "balanced_softmax": (L.LogitAdjusted(n), ref.adjusted(n, 1.0)),
        "ldam": (L.LDAM(n, 0.5, 1.0), ref.ldam(n, 0.5, 1.0)),
        "ldam, steep": (L.LDAM(n, 0.5, 10.0), ref.ldam(n, 0.5, 10.0)),
        "vector_scaling": (L.VectorScaling(n, 1.2, 0.3), ref.vector_scaling(n, 1.2, 0.3)),
        "label_smoothing": (L.LabelSmoothing(n, 0.1, 0.0), ref.smoothed(n, 0.1, 0.0)),
    }


def by_hand(reference, seen, units):
    """The least mean of a reference over the rows, each class as often as it is seen."""
    y = np.repeat(np.arange(len(seen)), seen)
    free = units if units == 1 else units - 1  # the first logit of a softmax stays at 0

    def value(v):
        row = v if units == 1 else np.concatenate([[0.0], v])
        return reference(y, np.tile(row, (len(y), 1)))

    start = np.log(seen[1:] / seen[0])[:free]
    return minimize(value, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 4000}).x


@pytest.mark.parametrize("name", cases(N2))
def test_one_unit(name):
    loss, reference = cases(N2)[name]
    assert best_constant(loss, SEEN2, 1) == pytest.approx(by_hand(reference, SEEN2, 1), abs=1e-4)


@pytest.mark.parametrize("name", [name for name in cases(N3) if name != "vector_scaling"])
def test_three_units_up_to_a_constant_of_all(name):
    loss, reference = cases(N3)[name]
    constant = best_constant(loss, SEEN3, 3)
    assert constant[1:] - constant[0] == pytest.approx(by_hand(reference, SEEN3, 3), abs=1e-4)


def test_a_loss_that_a_constant_of_all_classes_changes():
    loss, reference = cases(N3)["vector_scaling"]
    y = np.repeat(np.arange(3), SEEN3)
    least = minimize(lambda z: reference(y, np.tile(z, (len(y), 1))), np.zeros(3), method="Nelder-Mead").fun
    assert reference(y, np.tile(best_constant(loss, SEEN3, 3), (len(y), 1))) == pytest.approx(least, abs=1e-7)


def test_asymmetric_loss_label_by_label():
    loss, reference = L.Asymmetric(4.0, 1.0, 0.05), ref.asymmetric(4.0, 1.0, 0.05)
    constant = best_constant(loss, SEEN3, 3)
    for code, seen in enumerate(SEEN3):
        y = np.repeat([[0], [1]], [SEEN3.sum() - seen, seen], axis=0)
        alone = minimize(lambda v, y=y: reference(y, np.tile(v, (len(y), 1))), [0.0], method="Nelder-Mead").x
        assert constant[code] == pytest.approx(alone[0], abs=1e-3)


@pytest.mark.parametrize("share", [0.5, 0.05, 0.0017, 1e-6])
def test_closed_forms(share):
    odds, shares = np.log(share / (1 - share)), np.array([1 - share, share])
    assert best_constant(L.CrossEntropy(), shares, 1) == pytest.approx([odds], abs=1e-6)
    assert best_constant(L.CrossEntropy(), shares, 2) == pytest.approx(np.log(shares), abs=1e-6)
    assert best_constant(L.LogitAdjusted(shares), shares, 2) == pytest.approx([0, 0], abs=1e-6)
    assert best_constant(L.LogitAdjusted(shares, 0.5), shares, 1) == pytest.approx([odds / 2], abs=1e-6)


@pytest.mark.parametrize(
    "loss",
    [
        L.SmoothAP(), L.AUCMargin(), L.PairwiseAUC(), L.Tversky(), L.GeneralizedDice(),
        L.ExpectedCost([[0, 1], [9, 0]]),
        ModelLoss(keras.losses.MeanAbsoluteError(), 1, "sigmoid"), ModelLoss(keras.losses.Dice(), 1, "sigmoid"),
    ],
    ids=lambda loss: getattr(loss, "inner", loss).name,
)  # fmt: skip
def test_losses_that_know_no_constant(loss):
    assert best_constant(loss, [0.9, 0.1], 1) is None


def test_a_class_that_weighs_nothing_has_no_constant():
    assert best_constant(L.CrossEntropy(), [1.0, 0.0], 1) is None


def heavy(y_true, y_pred):
    """A user's own: positives count nine times."""
    return keras.losses.binary_crossentropy(y_true, y_pred) * (1.0 + 8.0 * y_true[:, 0])


@pytest.mark.parametrize(
    ("loss", "activation", "odds"),
    [
        (keras.losses.MeanSquaredError(), "sigmoid", 1 / 9),  # the Brier score: the shares
        (keras.losses.BinaryCrossentropy(label_smoothing=0.2), "sigmoid", (0.08 + 0.1) / (0.72 + 0.1)),
        (heavy, "sigmoid", 1.0),
        (keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True), "linear", None),
    ],
)
def test_losses_of_keras_and_of_users(loss, activation, odds):
    constant = best_constant(ModelLoss(loss, 1, activation), [0.9, 0.1], 1)
    wanted = best_constant(L.Focal(2.0), [0.9, 0.1], 1) if odds is None else [np.log(odds)]
    assert constant == pytest.approx(wanted, abs=2e-3)


def test_many_classes_of_very_unequal_sizes():
    shares = np.random.default_rng(0).dirichlet(np.full(60, 0.5)) + 1e-6
    shares /= shares.sum()
    constant = best_constant(L.LabelSmoothing(shares * 1e6, 0.1, 0.0), shares, 60)
    q = np.exp(constant - constant.max())
    back = L.LabelSmoothing(shares * 1e6, 0.1, 0.0).inverse(q / q.sum())
    assert back == pytest.approx(shares, abs=1e-5)


class Heavier(L.Focal):
    """A user's own, whose configuration does not say all about it."""

    def per_element(self, t, z):
        return super().per_element(t, z) * (1.0 + 8.0 * t[..., 1])


def test_a_constant_is_remembered_by_all_that_it_depends_on(monkeypatch):
    searched = []
    monkeypatch.setattr("counterpoise.losses.best_constant._constants", {})
    monkeypatch.setattr(
        "counterpoise.losses.best_constant.minimize", lambda *a, **k: searched.append(1) or minimize(*a, **k)
    )
    first = best_constant(L.Focal(2.0), [0.9, 0.1], 1)
    kept = first.copy()
    first += 1.0  # what was handed out is the caller's
    cases = [(2.0, [0.9, 0.1]), (2.0, [0.9, 0.1]), (1.0, [0.9, 0.1]), (2.0, [0.8, 0.2])]
    again = [best_constant(L.Focal(gamma), shares, 1) for gamma, shares in cases]
    assert again[0] == again[1] == kept
    assert len({float(one[0]) for one in again}) == 3
    assert len(searched) == 3
    best_constant(Heavier(2.0), [0.9, 0.1], 1)
    best_constant(Heavier(2.0), [0.9, 0.1], 1)
    assert len(searched) == 5

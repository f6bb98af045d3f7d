"""What holds for every loss: limits, weights, masks, extremes, types, compiled runs, shapes that do not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import CASES, HOT, IDS, MASK3, N3, Y2, Y3, Z1, Z3, ZL, ZM1, ZM3, effective, tables

from counterpoise import losses as L
from counterpoise.core.errors import ModelError, OptionError

LIMITS = [
    L.Focal(0.0),
    L.LogitAdjusted(N3, tau=0.0),
    L.VectorScaling(N3, tau=0.0, gamma=0.0),
    L.LDAM(N3, max_margin=0.0, scale=1.0),
    L.LabelSmoothing(N3, head=0.0, tail=0.0),
    L.ClassWeighted(effective(N3, 0.0)),
    L.LogitAdjusted([5, 5, 5], tau=2.0),
]
BINARY_LIMITS = [
    L.MultiLabelFocal(0.0),
    L.Asymmetric(0.0, 0.0, 0.0),
    L.DistributionBalanced([10, 20, 30], 100, shift=0.5, slope=0.0, scale=1.0, kappa=0.0),
]
RANKING = [L.PairwiseAUC(), L.PartialAUC(), L.AUCMargin(), L.SmoothAP()]


@pytest.mark.parametrize("loss", LIMITS, ids=lambda loss: loss.name)
def test_limit_is_cross_entropy(loss):
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(Y3, Z3)
    np.testing.assert_allclose(loss(Y3, Z3), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", BINARY_LIMITS, ids=lambda loss: loss.name)
def test_limit_is_binary_cross_entropy(loss):
    expected = keras.losses.BinaryCrossentropy(from_logits=True)(HOT, ZL)
    np.testing.assert_allclose(loss(HOT, ZL), expected, rtol=1e-5)


def test_one_unit_is_the_pair_of_zero_and_it():
    y, z = np.array([0, 1, 0, 1, 0.3, 1]), np.array([[-3.0], [0.5], [90.0], [-90.0], [1.0], [17.0]])
    of = {"reduction": None, "dtype": "float64"}
    by_hand = y * np.logaddexp(0, -z[:, 0]) + (1 - y) * np.logaddexp(0, z[:, 0])
    np.testing.assert_allclose(L.CrossEntropy(**of)(y, z), by_hand, rtol=1e-12)
    pair = L.CrossEntropy(**of)(np.stack([1 - y, y], axis=1), np.concatenate([np.zeros_like(z), z], axis=1))
    np.testing.assert_allclose(pair, by_hand, rtol=1e-7)  # log-softmax rounds more
    assert float(L.CrossEntropy(reduction=None)(y[-1:], z[-1:])[0]) == pytest.approx(np.exp(-17.0), rel=1e-4)


def test_focal_equals_keras_where_keras_has_it():
    ours, theirs = L.Focal(2.0), keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0, from_logits=True)
    np.testing.assert_allclose(ours(Y3, Z3), theirs(np.eye(3)[Y3], Z3), rtol=1e-5)
    binary = keras.losses.BinaryFocalCrossentropy(True, alpha=0.25, gamma=2.0, from_logits=True)
    np.testing.assert_allclose(L.Focal(2.0, alpha=0.25)(Y2, Z1), binary(Y2[:, None], Z1), rtol=1e-5)


def test_equal_smoothing_is_that_of_keras():
    """Keras spreads e over all C classes, the paper over the C - 1 others."""
    ours = L.LabelSmoothing([7, 7, 7], head=0.2)
    theirs = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2 * 3 / 2)
    np.testing.assert_allclose(ours(Y3, Z3), theirs(np.eye(3)[Y3], Z3), rtol=1e-5)


def test_region_limits():
    dice = keras.losses.Dice(axis=(1, 2, 3))
    p, t = tf.sigmoid(ZM1), (MASK3[..., None] > 1).astype(float)
    np.testing.assert_allclose(L.Tversky(0.5, 0.5, smooth=1e-7)(t, ZM1), dice(t, p), rtol=1e-5)
    near = L.Tversky(0.6, 0.2, gamma=1 + 1e-6)(t, ZM1)
    np.testing.assert_allclose(near, L.Tversky(0.6, 0.2)(t, ZM1), rtol=1e-5)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)(t, ZM1)
    np.testing.assert_allclose(2 * L.Combo(mix=1.0, beta=0.5)(t, ZM1), entropy, rtol=1e-5)


def test_ranking_limits():
    flat = L.PartialAUC(temperature=1e6, dtype="float64")
    np.testing.assert_allclose(flat(Y2, Z1), L.PairwiseAUC()(Y2, Z1), rtol=1e-5)
    from sklearn.metrics import average_precision_score

    near = float(L.SmoothAP(temperature=1e-3)(Y2, Z1))
    assert near == pytest.approx(1 - average_precision_score(Y2, Z1[:, 0]), abs=1e-6)


@pytest.mark.parametrize(("make", "y", "z"), [(c[1], c[3], c[4]) for c in CASES], ids=IDS)
class TestEveryLoss:
    def test_extreme_logits_have_finite_loss_and_gradient(self, make, y, z):
        for sign in (1.0, -1.0):
            extreme = tf.constant(np.where(z > 0, 1e4, -1e4) * sign, "float32")
            loss = make()
            with tf.GradientTape() as tape:
                tape.watch(extreme)
                value = loss(y, extreme)
            assert np.isfinite(value)
            assert np.all(np.isfinite(tape.gradient(value, extreme)))

    def test_halves_are_computed_in_float32(self, make, y, z):
        for dtype in ("float16", "bfloat16"):
            half = tf.cast(z, dtype)
            value = make(dtype=dtype)(y, half)
            assert value.dtype == tf.float32
            np.testing.assert_allclose(value, make()(y, tf.cast(half, "float32")), rtol=1e-6)

    def test_column_of_labels_is_the_same(self, make, y, z):
        column = y if y.ndim == z.ndim else y[..., None]
        np.testing.assert_allclose(make()(column, z), make()(y.astype("int32"), z), rtol=1e-6)

    def test_weight_zero_is_a_row_left_out_and_weight_two_a_row_twice(self, make, y, z):
        loss = make(reduction="mean_with_sample_weight", dtype="float64")
        weight = np.ones(len(y))
        weight[0], weight[1] = 0.0, 2.0
        rows = [1, *range(1, len(y))]
        np.testing.assert_allclose(loss(y, z, weight), loss(y[rows], z[rows]), rtol=1e-9)

    def test_permuted_rows_change_nothing(self, make, y, z):
        order = np.random.default_rng(0).permutation(len(y))
        np.testing.assert_allclose(make()(y[order], z[order]), make()(y, z), rtol=1e-5)

    def test_config_round_trip(self, make, y, z):
        import json

        loss = make()
        config = keras.saving.serialize_keras_object(loss)
        again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
        assert type(again) is type(loss)
        assert again.get_config() == loss.get_config()
        np.testing.assert_array_equal(again(y, z), loss(y, z))


def test_compiled_by_xla_agrees():
    """Each loss once, on one unit and on three by turns."""
    entries = [made[turn % len(made)] for turn, made in enumerate(tables().values())]
    made = [(make(), y, tf.constant(z, "float32")) for make, _, y, z in entries]

    @tf.function(jit_compile=True)
    def all_losses(outputs):
        return [loss(y, z) for (loss, y, _), z in zip(made, outputs, strict=True)]

    compiled = all_losses([z for _, _, z in made])
    np.testing.assert_allclose(compiled, [loss(y, z) for loss, y, z in made], rtol=2e-5)


def test_mask_of_the_outputs_leaves_elements_out():
    z, y = tf.constant(ZM3[:, 0], "float32"), MASK3[:, 0]
    mask = np.array([[True, True, False, True], [False, True, True, True]])
    kept = L.CrossEntropy()(y[mask], ZM3[:, 0][mask])
    z._keras_mask = tf.constant(mask)
    np.testing.assert_allclose(L.CrossEntropy()(y, z), kept, rtol=1e-6)
    np.testing.assert_allclose(L.PairwiseAUC()(y, z), L.PairwiseAUC()(y[mask], ZM3[:, 0][mask]), rtol=1e-5)


@pytest.mark.parametrize("loss_type", [L.CrossEntropy, L.PairwiseAUC, L.Asymmetric])
def test_ignored_label_is_no_part_of_the_mean(loss_type):
    y = np.array([0, 255, 2, 1, 255, 0, 1])
    kept = y != 255
    np.testing.assert_allclose(loss_type(ignore_class=255)(y, Z3), loss_type()(y[kept], Z3[kept]), rtol=1e-5)


@pytest.mark.parametrize("loss", [L.CrossEntropy(), L.Focal(), L.LDAM(N3), L.Asymmetric(), L.PairwiseAUC()])
def test_unknown_label_cannot_pass_unseen(loss):
    assert np.isnan(loss(np.array([0, 3, 1, 0, 0, 2, 1]), Z3))


@pytest.mark.parametrize("loss", RANKING, ids=lambda loss: loss.name)
def test_batch_of_one_class_has_loss_and_gradient_zero(loss):
    for label in (0, 1):
        z = tf.constant(Z1, "float32")
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = loss(np.full(7, label), z)
        assert value == 0
        np.testing.assert_array_equal(tape.gradient(value, z), 0)


def test_probabilities_give_the_same_loss():
    for loss_type in (L.CrossEntropy, L.Focal, L.PairwiseAUC):
        p, q = tf.sigmoid(Z1), tf.nn.softmax(Z3)
        np.testing.assert_allclose(loss_type(from_logits=False)(Y2, p), loss_type()(Y2, Z1), rtol=1e-5)
        np.testing.assert_allclose(loss_type(from_logits=False)(Y3, q), loss_type()(Y3, Z3), rtol=1e-5)


def test_weights_per_row_spread_over_elements_and_pixels():
    weight = np.array([1.0, 3.0])
    spread = np.broadcast_to(weight[:, None, None], MASK3.shape)
    np.testing.assert_allclose(L.Focal()(MASK3, ZM3, weight), L.Focal()(MASK3, ZM3, spread), rtol=1e-6)
    each = L.Tversky(reduction=None)(MASK3, ZM3)
    np.testing.assert_allclose(L.Tversky()(MASK3, ZM3, weight), np.mean(weight * each), rtol=1e-6)


def test_pixel_of_weight_zero_is_left_out_of_a_region():
    weight = np.ones(MASK3.shape)
    weight[:, -1] = 0
    for loss in (L.Tversky(), L.GeneralizedDice(), L.Combo()):
        np.testing.assert_allclose(loss(MASK3, ZM3, weight), loss(MASK3[:, :-1], ZM3[:, :-1]), rtol=1e-5)


@pytest.mark.parametrize("loss", [L.CrossEntropy(), L.Focal(), L.Asymmetric(), L.PairwiseAUC(), L.Tversky()])
@pytest.mark.parametrize(("y", "z"), [((7, 2), (7, 3)), ((6,), (7, 1)), ((7, 3), (7, 1)), ((7,), (7,))])
def test_shapes_that_do_not_fit_are_refused(loss, y, z):
    with pytest.raises(ModelError, match=r"(?i)expected"):
        loss(np.zeros(y), np.zeros(z))


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match=r"Sample weights of shape \(4,\)"):
        L.CrossEntropy()(Y3, Z3, np.ones(4))
    with pytest.raises(ModelError, match="per row"):
        L.Focal()(MASK3, ZM3, np.ones((2, 4)))


def test_counts_of_another_number_of_classes_are_refused():
    for loss in (L.LogitAdjusted(N3), L.LDAM(N3), L.LabelSmoothing(N3), L.VectorScaling(N3)):
        with pytest.raises(ModelError, match="3 classes but the model has 2 outputs"):
            loss(Y2, Z1)
    with pytest.raises(ModelError, match="3 classes"):
        L.ExpectedCost(np.ones((3, 3)))(Y2, Z1)


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: L.LogitAdjusted([5, 0]), "class 1"),
        (lambda: L.LDAM([[5, 1]]), "one number per class"),
        (lambda: L.LabelSmoothing([5, 1], head=0.5), "head"),
        (lambda: L.Focal(-1.0), "gamma"),
        (lambda: L.Focal(2.0, alpha=1.5), "alpha"),
        (lambda: L.MultiLabelFocal(2.0, alpha=[0.5, 1.0]), "alpha"),
        (lambda: L.ClassWeighted(N3, L.PairwiseAUC()), "one value per element"),
        (lambda: L.Asymmetric(clip=1.0), "clip"),
        (lambda: L.ExpectedCost([[0, 1]]), "costs"),
        (lambda: L.DistributionBalanced([5, 100], rows=100), "100 of 100 rows"),
        (lambda: L.LogitAdjusted([5, 1]).additive([0.2, 0.3, 0.5]), "3 classes"),
    ],
)
def test_bad_constants_are_refused(build, word):
    with pytest.raises(OptionError, match=word):
        build()


def test_a_wrapper_reduces_as_the_loss_that_it_wraps():
    total = L.ClassWeighted(np.ones(3), L.Focal(1.5, reduction="sum"))(Y3, Z3)
    np.testing.assert_allclose(total, L.Focal(1.5, reduction="sum")(Y3, Z3), rtol=1e-6)

"""What counts in a loss: unknown labels are NaN, masked and ignored elements are as if they were not there."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from loss_cases import CASES, HOT, MASK3, Y2, Y3, Z1, Z3, ZL, ZM3

import counterpoise as cp
from counterpoise import losses as L
from counterpoise.core.errors import ModelError
from counterpoise.losses.base import LabelLoss
from counterpoise.losses.weighted import LabelWeighted

RNG = np.random.default_rng(3)
W3, WL = [0.5, 1.0, 4.0], [[0.5, 2.0], [1.0, 3.0], [0.2, 1.0]]
#: name, make(**options), labels, outputs
LOSSES = [
    *((name, make, y, z) for name, make, _, y, z in CASES),
    ("ClassWeighted", lambda **o: L.ClassWeighted(W3, **o), Y3, Z3),
    ("ClassWeighted.label", lambda **o: L.ClassWeighted(W3, L.MultiLabelFocal(**o)), Y3, Z3),
    ("LabelWeighted", lambda **o: LabelWeighted(WL, **o), HOT, ZL),
    ("LabelWeighted.codes", lambda **o: LabelWeighted(WL, **o), Y3, Z3),
    ("Asymmetric.unit", lambda **o: L.Asymmetric(**o), Y2, Z1),
    ("AUCMinimax", lambda **o: L.AUCMinimax(0.3, **o), Y2, RNG.normal(size=(7, 4))),
]
IDS = [case[0] for case in LOSSES]
every_loss = pytest.mark.parametrize(("make", "y", "z"), [case[1:] for case in LOSSES], ids=IDS)


def test_every_loss_stands_in_the_table():
    assert {name for name in vars(L) if name[0].isupper()} - {"MinimaxHead"} <= {
        type(make()).__name__ for _, make, *_ in LOSSES
    }


def wrong_labels(y, z, exclusive=True):
    """The labels with one element wrong, in every way that it can be."""
    units = 2 if z.shape[-1] == 4 else max(2, z.shape[-1])
    index = (1,) + (0,) * (y.ndim - 1)
    odd = [-1, units, np.nan, 1.5] if y.ndim < z.ndim else [-1, 2, np.nan]
    for value in [*odd, *([0.5] if y.ndim < z.ndim and z.shape[-1] == 3 else [])]:
        bad = y.astype(float)
        bad[index] = value
        yield value, bad
    if y.ndim < z.ndim and z.shape[-1] == 3 and exclusive:  # the same as shares per class
        for row in ([-1, 1, 1], [0, 0, 0], [1, 0, 1], [np.nan, 0, 1], [2, -1, 0]):
            bad = np.eye(3)[y]
            bad[index] = row
            yield row, bad


@every_loss
def test_a_label_outside_the_classes_is_nan(make, y, z):
    loss, wrong = make(), list(wrong_labels(y, z, not isinstance(make(), LabelLoss)))
    for value, bad in wrong:
        assert np.isnan(np.sum(loss(bad, z))), value
    for value, bad in (wrong[0], wrong[-1]):  # a code, and shares where the loss takes them
        assert np.isnan(np.sum(make(from_logits=False)(bad, 1 / (1 + np.exp(-z))))), value
        assert np.isnan(np.sum(make(reduction=None).call(tf.constant(bad, "float32"), tf.constant(z, "float32")))), (
            value
        )
        assert np.isnan(np.sum(loss(bad, z, np.ones(len(y))))), value
    ok = np.eye(3)[y] if z.shape[-1] == 3 and y.ndim < z.ndim else y
    assert np.isfinite(np.sum(make()(ok, z)))


def test_a_label_outside_the_classes_is_nan_when_compiled():
    """One loss of each way to the targets: no compiler takes the NaN out again."""
    names = ("CrossEntropy-1d-1", "Focal-1d-3", "MultiLabelFocal-2d-3", "Asymmetric.unit", "GeneralizedDice-3d-3",
             "PartialAUC-1d-3", "ClassWeighted", "LabelWeighted.codes", "AUCMinimax")  # fmt: skip
    table = {name: case for name, *case in LOSSES}
    wrong = [(table[name][0](), next(wrong_labels(*table[name][1:]))[1], table[name][2]) for name in names]

    @tf.function(jit_compile=True)
    def values(labels):
        return [tf.reduce_sum(loss(y, z)) for (loss, _, z), y in zip(wrong, labels, strict=True)]

    losses = dict(zip(names, values([tf.constant(y, "float32") for _, y, _ in wrong]), strict=True))
    assert not [name for name, value in losses.items() if not np.isnan(value)]


@every_loss
def test_a_wrong_label_of_weight_zero_is_not_seen(make, y, z):
    """Loss and slope are those of any other label there, and of any output."""
    bad, out, weight = y.astype(float), z.copy(), np.ones(len(y))
    bad[1], out[1], weight[1] = np.nan, np.nan, 0.0
    z_bad = tf.constant(out, "float32")
    with tf.GradientTape() as tape:
        tape.watch(z_bad)
        value = tf.reduce_sum(make()(bad, z_bad, weight))
    np.testing.assert_allclose(value, np.sum(make()(y, z, weight)), rtol=1e-5)
    slope = tape.gradient(value, z_bad).numpy()
    assert np.all(np.isfinite(slope))
    assert not slope[1].any()


@every_loss
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_masked_and_ignored_rows_are_as_if_they_were_not_there(make, y, z, reduction):
    kept = np.ones(len(y), bool)
    if len(y) > 2:  # images: pixels are left out below
        kept[[1, -1]] = False
    want, ignoring = make(reduction=reduction)(y[kept], z[kept]), make(reduction=reduction, ignore_class=-1)
    bad = np.where(kept.reshape(-1, *[1] * (y.ndim - 1)), y, -1)
    half = tf.constant(z, "float32")
    half._keras_mask = tf.constant(kept | (np.arange(len(y)) == 1))  # the mask and the label each hide one
    np.testing.assert_allclose(ignoring(bad, half), want, rtol=1e-5)
    if reduction == "sum":  # counting is the same code for all reductions: each hiding alone under the others
        return
    masked = tf.constant(z, "float32")
    masked._keras_mask = tf.constant(kept)
    np.testing.assert_allclose(make(reduction=reduction)(y, masked), want, rtol=1e-5)
    np.testing.assert_allclose(ignoring(bad, z), want, rtol=1e-5)
    if reduction == "mean_with_sample_weight":
        np.testing.assert_allclose(ignoring(bad, masked), want, rtol=1e-5)


def test_masked_and_ignored_pixels_are_as_if_they_were_not_there():
    hidden = np.zeros(MASK3.shape, bool)
    hidden[:, -1] = True
    bad = np.where(hidden, 255, MASK3)
    for make in (L.Tversky, partial(L.Tversky, gamma=4 / 3), L.GeneralizedDice, L.Combo):
        np.testing.assert_allclose(make(ignore_class=255)(bad, ZM3), make()(MASK3[:, :-1], ZM3[:, :-1]), rtol=1e-5)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", None])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_that_of_keras(reduction, masked, ignored, weighted):
    y, z = (
        np.where(RNG.random((5, 4)) < 0.3, -1 if ignored else 0, RNG.integers(0, 3, (5, 4))),
        RNG.normal(size=(5, 4, 3)),
    )
    options = {"reduction": reduction, **({"ignore_class": -1} if ignored else {})}
    theirs, ours = tf.constant(z, "float32"), tf.constant(z, "float32")
    if masked:
        theirs._keras_mask = ours._keras_mask = tf.constant(RNG.random((5, 4)) < 0.7)
    weight = RNG.random((5, 4)) if weighted else None
    want = keras.losses.SparseCategoricalCrossentropy(from_logits=True, **options)(y, theirs, weight)
    np.testing.assert_allclose(L.CrossEntropy(**options)(y, ours, weight), want, rtol=1e-5)


def test_nothing_that_counts_is_loss_zero():
    for loss in (L.CrossEntropy(ignore_class=-1), L.Asymmetric(ignore_class=-1), L.PairwiseAUC(ignore_class=-1)):
        assert float(loss(np.full(7, -1), Z3)) == 0
    assert float(LabelWeighted(WL, ignore_class=-1)(np.full(HOT.shape, -1), ZL)) == 0


def tagger():
    """Steps of word 0 are masked; two units."""
    keras.utils.set_random_seed(0)
    steps = keras.Input((6,), dtype="int32")
    return keras.Model(steps, keras.layers.Dense(2)(keras.layers.Embedding(9, 4, mask_zero=True)(steps)))


@pytest.mark.parametrize("loss", [L.CrossEntropy, lambda **o: L.ClassWeighted([0.5, 3.0], **o)])
def test_padding_masked_by_the_embedding_and_ignored_by_the_loss_counts_once(loss):
    words = RNG.integers(1, 9, (40, 6)) * (np.arange(6) < RNG.integers(2, 7, (40, 1)))
    tags = np.where(words == 0, -1, RNG.random((40, 6)) < 0.2)
    model = tagger()
    z = np.asarray(model(words))
    want = float(loss()(tags[words > 0], z[words > 0]))
    for options in ({"ignore_class": -1}, {}):
        model.compile(keras.optimizers.SGD(0.0), loss(**options))
        log = model.fit(words, tags, batch_size=40, verbose=0, validation_data=(words, tags)).history
        assert [log["loss"][0], log["val_loss"][0]] == pytest.approx([want, want], rel=1e-5)


def test_compile_balanced_with_rows_refuses_labels_of_minus_one():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="sigmoid")])
    cp.compile_balanced(model, [2, 3, 1], rows=5)
    assert np.isnan(model.evaluate(np.zeros((5, 2)), 2 * HOT - 1, verbose=0))
    cp.compile_balanced(model, [2, 3, 1], rows=5, ignore_class=-1)
    assert np.isfinite(model.evaluate(np.zeros((5, 2)), np.where(HOT > 0, 1, -1), verbose=0))


class TestLabelByLabel:
    """Weights (N, L) on independent labels, and missing entries."""

    WEIGHT = RNG.random((5, 3)) + 0.2

    @staticmethod
    def each(y, z, w=WL):
        """Weighted binary cross-entropy of each entry."""
        return np.where(y == 1, *np.array(w).T[::-1]) * np.logaddexp(0, np.where(y == 1, -z, z))

    def test_weights_multiply_each_label(self):
        want = self.each(HOT, ZL) * self.WEIGHT
        loss = LabelWeighted(WL)
        np.testing.assert_allclose(loss(HOT, ZL, self.WEIGHT), want.mean(), rtol=1e-5)
        for reduction, value in {
            "sum": want.mean(1).sum(), "mean_with_sample_weight": want.sum() / self.WEIGHT.sum(), None: want.mean(1),
        }.items():  # fmt: skip
            loss = LabelWeighted(WL, reduction=reduction)(HOT, ZL, self.WEIGHT)
            np.testing.assert_allclose(loss, value, rtol=1e-5)

    @pytest.mark.parametrize("make", [lambda **o: LabelWeighted(WL, **o), L.MultiLabelFocal, L.Asymmetric])
    def test_equal_weights_are_a_weight_of_the_row(self, make):
        row = RNG.random(5)
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
            loss = make(reduction=reduction)
            np.testing.assert_allclose(loss(HOT, ZL, np.repeat(row[:, None], 3, 1)), loss(HOT, ZL, row), rtol=1e-5)

    def test_a_missing_entry_is_as_if_it_were_not_there(self):
        there = RNG.random((5, 3)) < 0.6
        want = self.each(HOT, ZL)[there].mean()
        y = np.where(there, HOT, -1)
        np.testing.assert_allclose(LabelWeighted(WL, ignore_class=-1)(y, ZL), want, rtol=1e-5)
        y = np.where(there, HOT, np.nan)
        weight = there / there.mean()
        np.testing.assert_allclose(LabelWeighted(WL)(y, ZL, weight), want, rtol=1e-5)
        mean = L.MultiLabelFocal(0.0, reduction="mean_with_sample_weight")(y, ZL, there)
        np.testing.assert_allclose(mean, self.each(HOT, ZL, np.ones((3, 2)))[there].mean(), rtol=1e-5)

    def test_a_model_learns_from_weights_of_labels(self):
        """`fit` with arrays and with tf.data: the loss is the mean of weight x loss over rows and labels."""
        x = RNG.normal(size=(5, 2)).astype("float32")
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        model.compile(keras.optimizers.SGD(0.0), L.MultiLabelFocal(0.0))
        y = np.where(self.WEIGHT > 0.6, np.nan, HOT)
        weights = cp.weight_map(y, "none", mask=~np.isnan(y), kind="multi_label")
        there = ~np.isnan(y)
        want = self.each(HOT, np.asarray(model(x)), np.ones((3, 2)))[there].sum() / y.size
        assert model.evaluate(x, y, sample_weight=there.astype("float32"), verbose=0) == pytest.approx(want, rel=1e-5)
        data = tf.data.Dataset.from_tensor_slices((x, y, there.astype("float32"))).batch(5)
        assert model.evaluate(weights.wrap(data), verbose=0) == pytest.approx(want, rel=1e-5)
        assert model.fit(weights.wrap(data), verbose=0).history["loss"][0] == pytest.approx(want, rel=1e-5)


def test_ignoring_needs_codes_where_classes_exclude_each_other():
    for loss in (L.CrossEntropy, L.Tversky, L.SmoothAP):
        with pytest.raises(ModelError, match="ignore_class= requires labels that are class codes"):
            loss(ignore_class=-1)(np.eye(3)[Y3], Z3)


def test_class_weights_of_another_shape_are_refused():
    with pytest.raises(ModelError, match=r"Sample weights of shape \(7, 3\)"):
        L.CrossEntropy()(Y3, Z3, np.ones((7, 3)))

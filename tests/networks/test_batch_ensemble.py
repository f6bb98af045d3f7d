"""Several networks in one: the pooled output and the loss on members against NumPy; one network behind both engines."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy.special import expit, logit, softmax

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.core.examples import Examples
from counterpoise.data.read import read
from counterpoise.losses.pointwise import CrossEntropy, Focal
from counterpoise.losses.ranking import AUCMargin
from counterpoise.networks.batch_ensemble import BatchEnsembleLoss, MemberDense, MemberHead, PoolMembers, n_members
from counterpoise.networks.network import Network

RNG = np.random.default_rng(0)


def test_members_share_a_matrix_and_differ_in_scale_and_bias():
    layer = MemberDense(4, 3, "random")
    x = RNG.normal(size=(5, 6)).astype("float32")
    out = np.asarray(layer(x))
    kernel, scale, bias = (np.asarray(v) for v in (layer.kernel, layer.scale, layer.bias))
    assert out.shape == (5, 3, 4)
    assert set(np.unique(scale)) == {-1.0, 1.0}
    for v in range(3):
        assert np.allclose(out[:, v], (x @ kernel) * scale[v] + bias[v], atol=1e-5)
    again = MemberDense(2, 3)(out)  # rows of members stay with their member
    assert again.shape == (5, 3, 2)


def test_each_member_has_a_head_of_its_own():
    layer, h = MemberHead(2), RNG.normal(size=(4, 3, 5)).astype("float32")
    out, kernel = np.asarray(layer(h)), np.asarray(layer.kernel)
    assert np.allclose(out, np.stack([h[:, v] @ kernel[v] for v in range(3)], 1), atol=1e-5)


@pytest.mark.parametrize("units", [1, 3])
def test_pooled_is_the_mean_probability_once_each_shift_is_removed(units):
    layer, z = PoolMembers(), (4 * RNG.normal(size=(6, 5, units))).astype("float32")
    assert np.array_equal(np.asarray(layer(z, training=True)), z)
    shift = RNG.normal(size=(5, max(2, units))).astype("float32")
    layer.log_shifts.assign(shift)
    pooled = np.asarray(layer(z))
    if units == 1:
        p = expit(z[..., 0].astype(float) - (shift[:, 1] - shift[:, 0])).mean(1)
        assert np.allclose(pooled[:, 0], logit(p), atol=1e-4)
    else:
        p = softmax(z.astype(float) - shift, axis=-1).mean(1)
        assert np.allclose(softmax(pooled, axis=-1), p, atol=1e-5)


def test_pooling_stays_finite_far_out():
    z = np.array([[[1e4], [-1e4]], [[1e4], [1e4]]], "float32")
    assert np.isfinite(np.asarray(PoolMembers()(z))).all()


@pytest.mark.parametrize("inner", [CrossEntropy(), Focal(2.0), AUCMargin()])
@pytest.mark.parametrize("units", [1, 2])
def test_the_loss_on_views_is_the_mean_of_the_losses_of_each_view(inner, units):
    z = RNG.normal(size=(8, 3, units)).astype("float32")
    y, w = np.array([0, 1, 0, 1, 0, 0, 1, 0]), RNG.random(8).astype("float32")
    alone = np.mean([float(inner(y, z[:, v], w)) for v in range(3)])
    assert float(BatchEnsembleLoss(inner)(y, z, w)) == pytest.approx(alone, rel=1e-5)


@pytest.mark.parametrize("members", [2, 3])
def test_shares_of_the_classes_hold_for_every_view(members):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(6, members, 3)).astype(np.float32)
    soft = rng.dirichlet([1, 1, 1], 6).astype(np.float32)
    log_p = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
    by_hand = -(soft[:, None] * log_p).sum(axis=-1).mean()
    assert float(BatchEnsembleLoss(CrossEntropy())(soft, z)) == pytest.approx(by_hand, rel=1e-5)


def table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype("int32")
    x = rng.normal(size=(n, 3)).astype("float32")
    x[:, 0] += 2 * y
    return x, y


def test_tabular_trains_alike_on_both_engines_and_ships_as_one_model(tmp_path):
    x, y = table()
    proba = {}
    for engine in ("program", "fit"):
        clf = cp.fit("tabular", x, y, strategy="class_weight", epochs=3, engine=engine, verbose=0)
        proba[engine] = clf.predict_proba(x)
    assert np.allclose(proba["program"], proba["fit"], atol=1e-4)
    clf.save(tmp_path / "m.keras")
    assert np.allclose(cp.load(tmp_path / "m.keras").predict_proba(x), clf.predict_proba(x), atol=1e-6)


def test_tabular_has_its_own_optimizer_and_bins():
    examples = read(table()[0], y=table()[1], table=True)
    network = Network("tabular", examples)
    assert float(network.optimizer().learning_rate) == pytest.approx(2e-3)
    assert network.n_members == n_members(network.fresh(0)) > 1
    assert network.fresh(0).get_layer("encoder").width == 3 * (1 + 16)
    assert Network("mlp", examples).n_members == 1


def test_pictures_are_refused_by_name():
    examples = Examples(np.zeros((4, 3, 3), "float32"), np.array([0, 1, 0, 1], "int32"), (0, 1))
    with pytest.raises(ModelError, match="'tabular' is for tables"):
        Network("tabular", examples)


def test_the_loss_of_pooled_logits_is_that_of_rows():
    """As Keras asks for it before training on JAX and PyTorch."""
    rng = np.random.default_rng(0)
    y, z, w = np.array([0, 2, 1, 0]), rng.normal(size=(4, 3)).astype("float32"), rng.random((4, 5), "float32")
    want = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, z, w.mean(axis=1))
    assert float(BatchEnsembleLoss(CrossEntropy())(y, z, w)) == pytest.approx(float(want), rel=1e-5)

"""Mixtures lie where they should, labels follow the formulas, seeds fix them, and models train on them."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import stats

from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.feed.batching import batches
from counterpoise.feed.mixing import BatchSMOTE, Mixup, Remix

RNG = np.random.default_rng(0)
N = 400
Y = RNG.choice(3, N, p=[0.8, 0.15, 0.05])
#: Row i is its own number, so that a mixture tells its parts.
X = np.eye(N, dtype="float32")
LAYERS = [Mixup(3, seed=1), Remix([80, 15, 5], seed=1), BatchSMOTE(3, seed=1)]


def parts(x):
    """Partner and own share of each mixture of rows of the identity."""
    own = np.diag(x).copy()
    rest = x - np.diag(own)
    return rest.argmax(axis=1), own


def arrays(batch):
    return [np.asarray(part) for part in batch]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_mixtures_are_convex_and_weights_follow_labels(layer):
    x, y, w = arrays(layer(X, Y, np.full(N, 2.0, "float32")))
    np.testing.assert_allclose(x.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-5)
    assert x.min() >= 0
    np.testing.assert_allclose(w, 2, atol=1e-5)
    assert layer.needs_calibration


def test_mixup_mixes_labels_as_inputs():
    x, y = arrays(Mixup(3, alpha=0.7, seed=2)(X, Y))
    partner, own = parts(x)
    want = own[:, None] * np.eye(3)[Y] + (1 - own)[:, None] * np.eye(3)[Y[partner]]
    np.testing.assert_allclose(y, want, atol=1e-5)


@pytest.mark.parametrize("way", ["layer", "over"])
@pytest.mark.parametrize("alpha", [0.2, 1.5])
def test_shares_are_beta(way, alpha):
    layer = Mixup(3, alpha=alpha, seed=4)
    data = tf.data.Dataset.from_tensors((X, Y)).repeat(5)
    batches = [layer(X, Y) for _ in range(5)] if way == "layer" else list(data.apply(layer.over))
    own = np.concatenate([parts(np.asarray(x))[1][parts(np.asarray(x))[0] != np.arange(N)] for x, _ in batches])
    own = own[own < 1]  # a row that met itself
    assert stats.kstest(own, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_remix_is_the_formula_of_the_paper():
    counts, kappa, tau = np.array([80.0, 15.0, 5.0]), 3.0, 0.4
    x, y = arrays(Remix(counts.astype(int).tolist(), kappa=kappa, tau=tau, seed=3)(X, Y))
    partner, own = parts(x)
    for i in range(N):
        n_i, n_j = counts[Y[i]], counts[Y[partner[i]]]
        share = own[i]
        if n_i / n_j >= kappa and share < tau:
            share = 0.0
        elif n_i / n_j <= 1 / kappa and 1 - share < tau:
            share = 1.0
        np.testing.assert_allclose(y[i], share * np.eye(3)[Y[i]] + (1 - share) * np.eye(3)[Y[partner[i]]], atol=1e-5)


def test_smote_stays_in_its_class_and_among_neighbors():
    x = RNG.normal(size=(60, 2, 3)).astype("float32") * 100 + 1000
    y = RNG.choice(2, 60)
    new, labels = arrays(BatchSMOTE(2, neighbors=3, seed=5)(x, y))
    assert np.array_equal(labels.argmax(axis=1), y)
    for i in range(60):
        same = np.flatnonzero((y == y[i]) & (np.arange(60) != i))
        near = same[np.argsort(((x[same] - x[i]) ** 2).sum(axis=(1, 2)))[:3]]
        step = (new[i] - x[i]).ravel()
        lines = (x[near] - x[i]).reshape(len(near), -1)
        u = lines @ step / (lines**2).sum(axis=1)
        gaps = np.abs(u[:, None] * lines - step).max(axis=1)
        assert gaps.min() < 0.05
        assert 0 <= u[gaps.argmin()] <= 1


def test_smote_leaves_lonely_rows_and_other_classes():
    y = np.array([0, 1, 1, 2, 2])
    x = np.arange(5, dtype="float32")[:, None]
    new = np.asarray(BatchSMOTE(3, only=[0, 2])(x, y)[0])[:, 0]
    assert np.array_equal(new[:3], x[:3, 0])
    assert np.all((new[3:] >= 3) & (new[3:] <= 4))
    assert np.array_equal(np.asarray(BatchSMOTE(3, share=0.0)(x, y)[0]), x)
    assert np.asarray(BatchSMOTE(2)(x[:1], y[:1])[0]).tolist() == [[0.0]]


@pytest.mark.parametrize("kind", [Mixup, BatchSMOTE])
def test_a_seed_fixes_every_pass_and_passes_differ(kind):
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(64)
    one, two = data.apply(kind(3, seed=8).over), data.apply(kind(3, seed=8).over)
    passes = [np.concatenate([x.numpy() for x, _ in d]) for d in (one, one, two, two)]
    assert np.array_equal(passes[0], passes[2])
    assert np.array_equal(passes[1], passes[3])
    assert not np.array_equal(passes[0], passes[1])


def test_structures_columns_and_single_units():
    x = {"image": (X[:, :16].reshape(N, 4, 4, 1) * 255).astype("uint8"), "row": (X,)}
    y = (Y > 0).astype("int32")[:, None]
    new, target = Mixup(2, one_hot=False)(x, y)
    assert target.shape == (N, 1)
    partner, own = parts(np.asarray(new["row"][0]))
    np.testing.assert_allclose(np.asarray(target)[:, 0], own * y[:, 0] + (1 - own) * y[partner, 0], atol=1e-5)
    np.testing.assert_allclose(
        np.asarray(new["image"])[:, 0, 0, 0],
        own * 255 * (np.arange(N) == 0) + (1 - own) * 255 * (partner == 0),
        atol=1e-3,
    )


def test_not_training_changes_nothing_but_the_form():
    x, y = arrays(Mixup(3)(X, Y, training=False))
    assert np.array_equal(x, X)
    assert np.array_equal(y, np.eye(3)[Y])


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_model_trains_through_map_and_config_comes_back(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(64).map(again).prefetch(2)
    model = keras.Sequential([keras.Input((N,)), keras.layers.Dense(3)])
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.fit(data, verbose=0).history["loss"][0])


def test_smote_on_quota_batches_of_a_feed():
    y = (Y == 2).astype("int32")
    x = {"image": RNG.normal(size=(N, 4, 4, 1)).astype("float32"), "row": X}
    feed = batches(x, y, quota={0: 8, 1: 8})
    for batch, labels in feed.as_dataset(epochs=1).apply(BatchSMOTE(2, only=[1], seed=1).over):
        rare = labels.numpy()[:, 1] == 1
        assert rare.sum() == 8
        assert np.array_equal(batch["row"].numpy()[rare][:, y == 0], np.zeros((8, (y == 0).sum())))
        assert set(np.unique(batch["row"].numpy()[~rare])) == {0.0, 1.0}
        assert batch["image"].shape == (16, 4, 4, 1)


def test_counts_that_name_their_classes_are_read_by_them():
    assert Remix(pd.Series([1] * 9 + [0] * 2).value_counts()).counts == [2.0, 9.0]


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="int32"):
        Mixup(2)(np.zeros((4, 3), "int32"), np.array([0, 1, 0, 1]))
    with pytest.raises(DataError, match="Expected codes"):
        Mixup(3)(X[:4], np.zeros((4, 5), "float32"))
    with pytest.raises(OptionError, match="two classes"):
        Mixup(3, one_hot=False)
    with pytest.raises(OptionError, match="alpha"):
        Mixup(3, alpha=0)
    with pytest.raises(TargetError, match="counts"):
        Remix([5, 0])
    with pytest.raises(OptionError, match="only"):
        BatchSMOTE(2, only=[2])

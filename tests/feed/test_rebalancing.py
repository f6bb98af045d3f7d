"""Shares, determinism, what is stated about the prior, and refusals."""

import numpy as np
import pytest
import tensorflow as tf

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.feed.rebalancing import rebalance

N = 20_000
Y = (np.random.default_rng(0).random(N) < 0.02).astype(np.int64) + (np.arange(N) % 5 == 0)


def stream(y=Y):
    return tf.data.Dataset.from_tensor_slices((np.arange(len(y)), y))


def drawn(dataset):
    """All (row, label) pairs of one pass."""
    parts = list(dataset.batch(1000).as_numpy_iterator())
    return np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])


def test_shares_are_those_asked_for_and_stated():
    target = [0.5, 0.2, 0.3]
    rebalanced = rebalance(stream(), target, seed=1)
    rows, y = drawn(rebalanced.dataset)
    np.testing.assert_allclose(rebalanced.prior, target)
    np.testing.assert_allclose(np.bincount(y) / len(y), target, atol=0.03)
    np.testing.assert_allclose(len(y), N, rtol=0.05)
    assert np.array_equal(Y[rows], y)
    assert not rebalanced.estimated


def test_elements_come_floor_or_ceil_of_their_multiplicity():
    rebalanced = rebalance(stream(), seed=1)
    rows, _ = drawn(rebalanced.dataset)
    times = np.bincount(rows, minlength=N)
    m = rebalanced.multiplicity[Y]
    assert np.all((times == np.floor(m)) | (times == np.floor(m) + 1))


def test_shift_is_that_of_the_prior():
    rebalanced = rebalance(stream(), {0: 0.4, 1: 0.4, 2: 0.2})
    raw = np.log(rebalanced.prior / rebalanced.base_prior)
    np.testing.assert_allclose(rebalanced.log_shift, raw - raw.mean(), atol=1e-12)


def test_a_seed_fixes_every_pass_and_passes_differ():
    one, two = rebalance(stream(), seed=5), rebalance(stream(), seed=5)
    passes = [drawn(d)[0] for d in (one.dataset, one.dataset, two.dataset, two.dataset)]
    assert np.array_equal(passes[0], passes[2])
    assert np.array_equal(passes[1], passes[3])
    assert not np.array_equal(np.sort(passes[0])[:5000], np.sort(passes[1])[:5000])
    assert not np.array_equal(passes[0], drawn(rebalance(stream(), seed=6).dataset)[0])


def test_odds_move_by_the_stated_shift_wherever_x_is():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 4, 200_000)
    y = (rng.random(len(x)) < np.array([0.01, 0.03, 0.1, 0.2])[x]).astype(int)
    rebalanced = rebalance(tf.data.Dataset.from_tensor_slices((x, y)), buffer=0, seed=1)
    x_seen, y_seen = drawn(rebalanced.dataset)
    shift = rebalanced.log_shift[1] - rebalanced.log_shift[0]
    for cell in range(4):
        seen, true = y_seen[x_seen == cell].mean(), y[x == cell].mean()
        assert np.log(seen / (1 - seen)) - shift == pytest.approx(np.log(true / (1 - true)), abs=0.05)


def test_a_plan_is_a_target():
    plan = plans.oversample(Y)
    rebalanced = rebalance(stream(), plan)
    np.testing.assert_allclose(rebalanced.prior, plan.prior)
    assert np.array_equal(rebalanced.counts, plan.counts)


def test_the_limit_lowers_all_multiplicities_alike():
    free, held = rebalance(stream()), rebalance(stream(), most=1.0)
    np.testing.assert_allclose(held.prior, free.prior)
    assert held.multiplicity.max() == pytest.approx(1.0)
    assert np.bincount(drawn(held.dataset)[0]).max() == 1


def test_counts_of_a_sample_are_called_estimates():
    rebalanced = rebalance(stream(), sample=2000)
    assert rebalanced.estimated
    assert rebalanced.counts.sum() < N
    np.testing.assert_allclose(rebalanced.base_prior, np.bincount(Y) / N, atol=0.03)


def test_generators_and_dicts_with_one_hot_labels():
    def rows():
        for k in range(3000):
            yield {"x": np.float32(k), "y": np.eye(2, dtype="float32")[int(k % 10 == 0)]}

    spec = {"x": tf.TensorSpec((), tf.float32), "y": tf.TensorSpec((2,), tf.float32)}
    data = tf.data.Dataset.from_generator(rows, output_signature=spec)
    rebalanced = rebalance(data, label=lambda element: tf.argmax(element["y"], -1))
    y = np.array([element["y"].argmax() for element in rebalanced.dataset.as_numpy_iterator()])
    assert abs(y.mean() - 0.5) < 0.06


@pytest.mark.parametrize("label", [None, lambda x, y: y, lambda x, y, w: y])
def test_a_weight_travels_along(label):
    weight = np.arange(N, dtype="float32")
    rebalanced = rebalance(tf.data.Dataset.from_tensor_slices((np.arange(N), Y, weight)), label=label, seed=1)
    parts = list(rebalanced.dataset.batch(1000).as_numpy_iterator())
    rows, weights = (np.concatenate([part[i] for part in parts]) for i in (0, 2))
    assert np.array_equal(weight[rows], weights)
    assert np.array_equal(rows, drawn(rebalance(stream(), seed=1).dataset)[0])


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="single examples"):
        rebalance([(1, 0)])
    with pytest.raises(DataError, match="unbatch"):
        rebalance(stream().batch(8))
    with pytest.raises(DataError, match="integer class code"):
        rebalance(tf.data.Dataset.from_tensor_slices((Y, Y.astype("float32"))))
    with pytest.raises(DataError, match="no element"):
        rebalance(stream().take(0))
    with pytest.raises(TargetError, match="two classes"):
        rebalance(stream(np.zeros(10, int)))
    with pytest.raises(TargetError, match="class 1"):
        rebalance(stream(), classes=3, counts=[5, 0, 5])
    with pytest.raises(OptionError, match="share above 0"):
        rebalance(stream(), [0.5, 0.5])
    with pytest.raises(OptionError, match="sum to"):
        rebalance(stream(), [0.5, 0.5, 0.5])
    with pytest.raises(OptionError, match="target"):
        rebalance(stream(), "balanced")

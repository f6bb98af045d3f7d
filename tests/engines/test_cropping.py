"""Training on parts of images: which pixels a batch has, what they weigh, and networks that take them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small_networks import trained

import counterpoise as cp
from counterpoise.core.errors import ModelError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Limits
from counterpoise.engines.cropping import CropBatches
from counterpoise.networks.cropped import cropped
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings
from counterpoise.plans.element_plan import crops_of_masks, element_counts, element_plan
from counterpoise.strategies.select import find

L = keras.layers
RNG = np.random.default_rng(0)
Y = np.zeros((12, 20, 16), np.int8)
Y[::3, 4:7, 9:12], Y[1, :5] = 1, -1
X = RNG.normal(size=(12, 20, 16, 1)).astype(np.float32) + 2 * (Y == 1)[..., None]
DATA = Examples(X, Y, (0, 1), kind="elements")


def network(spec, n_classes):
    h = L.Conv2D(4, 3, padding="same", activation="relu")(inputs := spec.inputs())
    return keras.Model(inputs, L.Conv2D(spec.units(n_classes), 1)(h))


def job(batch_size=4, user=None):
    plan = element_plan(element_counts(Y, 2), sample_weight=user, crops=0.5)
    nothing = np.empty(0, np.int64)
    limits = Limits(steps=9, round_steps=3, patience=None, batch_size=batch_size)
    return Job.of(
        plan=plan, train=np.arange(12), stop=nothing, score=nothing, loss=("cross_entropy", {}), seed=0,
        counters=(0, 0, 0), limits=limits, kind="elements",
    )  # fmt: skip


def test_batches_are_parts_of_the_images_and_weigh_as_all_pixels():
    batches = CropBatches(job(12), DATA, (10, 8))
    seen, weight = [], []
    for step in range(100):
        x, y, w = batches[step]
        assert x.shape == (12, 10, 8, 1)
        assert (w[y < 0] == 0).all()
        seen.append(y)
        weight.append(w)
    y, w = np.stack(seen), np.stack(weight)
    known = y >= 0
    assert (y[known] == 1).mean() > 2 * (Y[Y >= 0] == 1).mean()
    assert np.average(y[known], weights=w[known]) == pytest.approx((Y[Y >= 0] == 1).mean(), rel=0.1)
    assert w.mean() == pytest.approx(1, abs=0.05)
    again = CropBatches(job(12), DATA, (10, 8))
    np.testing.assert_array_equal(again[7][0], batches[7][0])  # a pure function of the step


def test_the_users_weights_multiply_in():
    user = np.linspace(1, 2, 12)
    plain, own = CropBatches(job(), DATA, (10, 8)), CropBatches(job(user=user), DATA, (10, 8))
    ratio = own[0][2] / np.where(plain[0][2] > 0, plain[0][2], np.nan)
    image = own._epoch_crops[0][:4]
    np.testing.assert_allclose(np.nanmax(ratio, axis=(1, 2)), user[image] / user.mean(), rtol=1e-5)


def test_a_network_on_parts_has_the_same_weights():
    model = keras.Sequential([keras.Input((20, 16, 1)), L.Conv2D(2, 3, padding="same"), L.Conv2D(1, 1)])
    part = cropped(keras.Model(inputs := keras.Input((20, 16, 1)), model(inputs)))
    assert part.output.shape == (None, 10, 8, 1)
    model.set_weights([value + 1 for value in model.get_weights()])
    x = RNG.normal(size=(2, 20, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(part(x[:, :10, :8])[:, 1:8, 1:6], model(x)[:, 1:8, 1:6], rtol=1e-5)


def test_networks_that_take_one_size_alone_are_refused_in_one_line():
    inputs = keras.Input((20, 16, 1))
    fixed = keras.Model(inputs, L.Reshape((20, 16, 1))(L.Dense(320)(L.Flatten()(inputs))))
    with pytest.raises(ModelError, match="images of 20 x 16 pixels, so it cannot train"):
        cp.fit(fixed, X, Y, strategy="crops", output="logits", epochs=1, verbose=0)
    own = keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(inputs))
    own.compile("adam", "mse")
    with pytest.raises(ModelError, match="compiled with another loss"):
        cp.fit(own, X, Y, strategy="crops", epochs=1, verbose=0)


def test_it_trains_and_is_judged_on_whole_images():
    settings = Settings(epochs=8, batch_size=4, early_stopping=False)
    (member,) = trained(Network(network, DATA), DATA, "crops", "auto", settings)
    assert member.engine == "fit"
    assert member.needs_calibration
    assert member.logits.shape[1:] == (320, 1)
    assert np.ptp(member.logits) > 1
    assert find("crops").plan is crops_of_masks

"""Transfer: what is kept, what moves and when, and any form of pictures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.networks.input_spec import InputSpec
from counterpoise.networks.transfer import LateAndSlow

RNG = np.random.default_rng(0)
L = keras.layers


def body():
    pixels = keras.Input((8, 8, 3))
    h = L.BatchNormalization(name="norm")(L.Conv2D(4, 3, activation="relu", name="first")(pixels))
    return keras.Model(pixels, L.Conv2D(6, 3, activation="relu", name="second")(h), name="body")


def kernels(model):
    """Variables by the name of their layer and their own."""
    return {" ".join(v.path.split("/")[-2:]): np.array(v) for v in model.variables}


@pytest.mark.parametrize("shape", [(8, 8, 3), (12, 10, 3), (8, 8, 1), (9, 9)])
def test_pictures_of_any_form_reach_the_backbone(shape):
    given = body()
    model = cp.transfer(given)(InputSpec(shape, peak=255.0), 3)
    assert model.output.shape == (None, 3)
    assert len(model.trainable_variables) == 2, "the head alone"
    inner = model.get_layer("body")
    assert all(np.array_equal(a, b) for a, b in zip(given.get_weights(), inner.get_weights(), strict=True))
    assert inner is not given


def test_pixels_arrive_as_the_backbone_was_taught():
    seen = {}
    bytes_, floats = InputSpec((8, 8, 3), peak=255.0), InputSpec((8, 8, 3))
    for name, spec, pixels in (("bytes", bytes_, [0.0, 255.0]), ("floats", floats, [0.0, 1.0])):
        for how, preprocess in (("none", None), ("own", lambda x: x + 1.0)):
            flat = keras.Model(i := keras.Input((8, 8, 3)), i)
            model = cp.transfer(flat, preprocess=preprocess)(spec, 2)
            before = keras.Model(model.input, model.layers[-3].output)  # the mean over places
            x = np.broadcast_to(np.array(pixels)[:, None, None, None], (2, 8, 8, 3)).astype("float32")
            seen[name, how] = np.asarray(before(x))[:, 0].round(3).tolist()
    assert seen["bytes", "none"] == seen["floats", "none"] == [-1, 1]
    assert seen["bytes", "own"] == seen["floats", "own"] == [1, 256]


def test_last_layers_stand_still_and_then_move_slowly():
    model = cp.transfer(body(), last=2)(InputSpec((8, 8, 3)), 2)
    assert {v.path.split("/")[-2] for v in model.trainable_variables} == {"second", "logits"}, "never the normalization"
    model.compile(LateAndSlow(0.01, still=2, rate=0.1), keras.losses.BinaryCrossentropy(from_logits=True))
    x, y = RNG.random((16, 8, 8, 3)).astype("float32"), (np.arange(16) % 2)[:, None]
    moved = []
    for _ in range(3):
        before = kernels(model)
        model.train_on_batch(x, y)
        moved.append({k: np.abs(v - before[k]).max() for k, v in kernels(model).items()})
    frozen, still, head = (f"{layer} kernel" for layer in ("first", "second", "logits"))
    assert [m[frozen] for m in moved] == [0, 0, 0]
    assert [m[still] > 0 for m in moved] == [False, False, True]
    assert 0 < moved[2][still] <= 0.1 * 0.01 * 1.5
    assert moved[0][head] == pytest.approx(0.01, rel=0.05), "Adam's first step is the learning rate"


@pytest.mark.parametrize("sequential", [True, False])
def test_last_layers_of_a_frozen_backbone_move_slowly_too(sequential):
    given = keras.Sequential([keras.Input((8, 8, 3)), L.Conv2D(4, 3), L.Conv2D(6, 3)]) if sequential else body()
    given.trainable = False
    model = cp.transfer(given, last=1)(InputSpec((8, 8, 3)), 2)
    slow = [getattr(v, "slow", False) for v in model.trainable_variables]
    assert slow == [True, True, False, False], "kernel and bias of the last layer, and those of the head"


@pytest.mark.parametrize("engine", ["fit", "program"])
def test_a_classifier_of_it_is_trained_and_saved(engine, tmp_path):
    y = (RNG.random(80) < 0.3).astype(int)
    x = (RNG.integers(0, 100, (80, 8, 8, 3)) + 100 * y[:, None, None, None]).astype("uint8")
    given = body()
    model = cp.transfer(given, last=1, still=4, learning_rate=0.01)
    clf = cp.fit(model, x, y, strategy="oversample", epochs=4, batch_size=16, engine=engine, verbose=0)
    loaded = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.allclose(loaded.predict_proba(x), clf.predict_proba(x), atol=1e-6)
    kept, now = kernels(given), kernels(clf.members.get_layer("member_0").get_layer("transfer").get_layer("body"))
    same = {name for name in kept if np.array_equal(kept[name], now[name])}
    assert set(kept) - same == {"second kernel", "second bias"}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: cp.transfer("mobilenet"), ModelError, "backbone is str. Expected a built Keras model"),
        (lambda: cp.transfer(body(), rate=0), OptionError, "rate is 0"),
        (lambda: cp.transfer(body(), rate="a"), OptionError, "rate is 'a'"),
        (lambda: cp.transfer(body(), learning_rate=-1), OptionError, "learning_rate is -1"),
        (lambda: cp.transfer(body(), last=-1), OptionError, "last is -1"),
        (lambda: cp.transfer(body())(InputSpec((5,)), 2), ModelError, "Expected images"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()

"""Built-in networks: the picture network takes any size and scales bytes itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.engines import program_rules
from counterpoise.networks.built_in import BUILT_IN, CNN_SIDE, cnn, mlp
from counterpoise.networks.input_spec import InputSpec
from counterpoise.networks.network import Network


def pictures(n=120, shape=(12, 12), dtype="uint8", seed=0):
    """The rare class is brighter on the left."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.25).astype(np.int32)
    x = rng.integers(0, 128, (n, *shape)).astype("float64")
    x[y == 1, :, : shape[1] // 2] += 100
    return (x if dtype == "uint8" else x / 255).astype(dtype), y


@pytest.mark.parametrize("shape", [(5, 5, 3), (28, 28, 1), (28, 28), (64, 40, 3), (1, 9, 1)])
@pytest.mark.parametrize(("classes", "units"), [(2, 1), (3, 3)])
def test_pictures_of_any_size_become_logits(shape, classes, units):
    model = BUILT_IN["cnn"](InputSpec(shape, peak=255.0), classes)
    assert model.output.shape == (None, units)
    assert model.predict_on_batch(np.zeros((2, *shape), "float32")).shape == (2, units)
    flat = next(layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    assert min(flat.input.shape[1:3]) <= CNN_SIDE


def test_bytes_and_their_shares_of_one_say_the_same():
    x, y = pictures()
    known = Network("cnn", Examples(x, y, (0, 1))), Network("cnn", Examples((x / 255).astype("float32"), y, (0, 1)))
    outputs = [net.fresh(3).predict_on_batch(rows) for net, rows in zip(known, (x, x / 255), strict=True)]
    assert np.allclose(*outputs, atol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (3, 3, 3, 3), {"a": (3,)}, ((3,), (2,))])
def test_what_is_no_picture_is_refused(shape):
    kinds = dict.fromkeys(shape, "float32") if isinstance(shape, dict) else ("float32",) * len(shape)
    spec = InputSpec(shape, kinds if isinstance(next(iter(shape)), (str, tuple)) else "float32")
    with pytest.raises(ModelError, match="'cnn' is for images"):
        cnn(spec, 1)


def test_pictures_are_no_table():
    with pytest.raises(ModelError, match="Use 'cnn' for images"):
        mlp(InputSpec((8, 8, 1)), 1)


def test_the_program_trains_it():
    x, y = pictures()
    examples = Examples(x, y, (0, 1))
    assert program_rules.why_not_program(Network("cnn", examples), examples) is None
    layers = program_rules.opened_layers(Network("cnn", examples).fresh(0))
    assert {type(layer).__name__ for layer in layers} <= program_rules.ROW_WISE | {"Dropout", "SmallMoves"}


def test_a_picture_classifier_learns_and_is_saved(tmp_path):
    x, y = pictures(400)
    clf = cp.fit("cnn", x, y, strategy="oversample", epochs=8, batch_size=32, verbose=0)
    fresh, truth = pictures(200, seed=1)
    assert (clf.predict(fresh) == truth).mean() > 0.9
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.allclose(again.predict_proba(fresh), clf.predict_proba(fresh), atol=1e-6)


def test_auto_is_the_network_that_suits_the_rows():
    x, y = pictures(40)
    assert Network("auto", Examples(x, y, (0, 1))).label == "cnn"
    assert Network("auto", Examples(np.zeros((40, 3), "float32"), y, (0, 1))).label == "tabular"
    with pytest.raises(ModelError, match=r"shape \(2, 2, 2, 2\)"):
        Network("auto", Examples(np.zeros((40, 2, 2, 2, 2), "float32"), y, (0, 1)))
    with pytest.raises(OptionError, match="received no rows"):
        cp.fit()

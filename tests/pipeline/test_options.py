"""The arguments that the signatures of `fit` and `compare` group."""

from __future__ import annotations

import inspect
import re

import keras
import numpy as np
import polars as pl
import pytest
from PIL import Image

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.pipeline.options import DEFAULTS, GROUPED, SETTINGS, options_of, settings_of


def test_every_argument_has_a_default_and_its_settings():
    both = {name for group in GROUPED.values() for name in group.__annotations__}
    assert both == set(DEFAULTS) >= {*SETTINGS}
    assert settings_of(options_of(cp.fit, {"patience": 3}), seed=5).patience == 3
    assert options_of(cp.compare, {"epochs": 2})["epochs"] == 2


@pytest.mark.parametrize("function", [cp.fit, cp.compare])
def test_signatures_are_short_and_help_shows_every_argument_once(function):
    listed = {p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD}
    grouped = set(GROUPED[function.__name__].__annotations__)
    assert len(listed) <= 14
    assert not listed & grouped
    arguments = inspect.getdoc(function).partition("\n\nArgs:\n")[2].partition("\n\nReturns:")[0]
    assert sorted(re.findall(r"^    (\w+): ", arguments, re.MULTILINE)) == sorted(listed | grouped)
    text = arguments.partition("    **options: ")[2]
    assert [name for name in grouped if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (cp.fit, {"target": "ill"}, r"fit has no argument 'target'\. Pass the labels, or the name of their column"),
        (cp.compare, {"out": "run"}, r"compare has no argument 'out'\. Pass the folder of the run as store="),
        (cp.fit, {"epoch": 3}, r"fit has no argument 'epoch'\. Did you mean 'epochs'"),
        (cp.fit, {"sample_weights": [1, 1]}, r"fit has no argument 'sample_weights'\. Did you mean 'sample_weight'"),
        (cp.compare, {"stratgies": "none"}, r"compare has no argument 'stratgies'\. Did you mean 'strategies'"),
        (cp.compare, {"repeat": 2}, r"compare has no argument 'repeat'\. Did you mean 'repeats'"),
        (cp.compare, {"clone": False}, "clone= is an argument of fit, not of compare"),
        (cp.fit, {"early_stopping": False}, "early_stopping= is an argument of compare, not of fit"),
    ],
)
def test_an_argument_that_there_is_not_is_named(function, given, words):
    with pytest.raises(OptionError, match=words):
        function("mlp", [[0.0], [1.0]], [0, 1], **given)


def test_the_former_name_of_initial_weights_still_works():
    with pytest.warns(DeprecationWarning, match="Use the new name"):
        assert options_of(cp.fit, {"weights": "fresh"})["initial_weights"] == "fresh"


def test_an_old_name_beside_the_new_one_is_refused():
    with pytest.raises(OptionError, match="weights= and initial_weights= were both passed"):
        cp.fit("mlp", np.zeros((4, 1)), [0, 1, 0, 1], initial_weights="fresh", weights="keep")


@pytest.fixture(name="scans")
def _scans(tmp_path):
    """36 pictures: 20 ill, 10 well, 6 odd."""
    names = [f"{kind}/{i}.png" for kind, count in (("ill", 20), ("well", 10), ("odd", 6)) for i in range(count)]
    rng = np.random.default_rng(0)
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (4, 4)).astype(np.uint8)).save(tmp_path / name)
    return tmp_path, pl.DataFrame({"scan": names, "age": rng.random(36), "dx": [name.split("/")[0] for name in names]})


def linear(spec, n_classes):
    inputs = spec.inputs()
    return keras.Model(inputs, keras.layers.Dense(n_classes)(keras.layers.Flatten()(inputs)))


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ({"one_vs_rest": "ill"}, ["not ill", "ill"]),
        ({"merge_rare": ["odd", "well"]}, ["ill", "odd+well"]),
        ({"merge_rare": ["odd", "well"], "positive": "ill"}, ["odd+well", "ill"]),
    ],
)
def test_classes_are_named_alike_for_tables_arrays_and_images(scans, given, classes):
    root, table = scans
    images = cp.images(table, 4, images="scan", root=root, target="dx")
    how = {"epochs": 1, "verbose": 0, **given}
    for model, data in (
        ("mlp", (table.drop("scan"), "dx")),
        (linear, (images.load(), table["dx"])),
        (linear, (images,)),
    ):
        assert cp.fit(model, *data, **how).classes_.tolist() == classes
    cmp = cp.compare("boosted", table.drop("scan"), "dx", strategies="none", folds=2, refit=False, verbose=0, **given)
    assert [c["label"] for c in cmp.record["data"]["classes"]] == classes

"""What a model file may name: every public layer of Keras is listed or refused, and operations that call functions are
out."""

from __future__ import annotations

import importlib
import inspect

import keras
import pytest

from counterpoise.classifier import allowed
from counterpoise.core.errors import OptionError
from counterpoise.core.saved_names import SAVED

LAYERS = {name: value for name, value in vars(keras.layers).items() if inspect.isclass(value)}


def test_every_public_layer_is_listed_or_refused_with_a_reason():
    for name, layer in LAYERS.items():
        listed, refused = ("keras.layers", name) in allowed.keras_classes(), layer.__name__ in allowed.REFUSED_LAYERS
        assert listed != refused, f"{name}: list it in LAYERS, or in REFUSED_LAYERS with the reason"
    assert all(allowed.REFUSED_LAYERS.values())


def test_no_listed_layer_is_given_functions_or_paths():
    """But for functions that are activations, and for vocabularies, which are looked at by themselves."""
    paths = "filepath path file filename directory url module init_fn call_fn"
    asked = {*allowed.FUNCTION_ARGUMENTS, *paths.split()}
    for name in allowed.LAYERS & set(LAYERS):
        for base in LAYERS[name].__mro__:
            if base.__module__.startswith("keras.src.layers") and "__init__" in vars(base):
                assert not asked & set(inspect.signature(base.__init__).parameters), name


@pytest.mark.parametrize("module", [*allowed.OPERATION_MODULES, "core"])
def test_operations_are_listed_but_for_those_that_call_functions(module):
    space = f"keras.src.ops.{module}"
    for name, value in vars(importlib.import_module(space)).items():
        if inspect.isclass(value) and issubclass(value, keras.Operation) and value.__module__ == space:
            assert ((space, name) in allowed.keras_classes()) != allowed.takes_functions(value), name


@pytest.mark.parametrize(
    "pair",
    [
        ("keras.layers", "Lambda"), ("keras.layers", "TFSMLayer"), ("keras.src.ops.core", "Switch"),
        ("keras.src.ops.core", "Map"), ("keras.utils", "FeatureSpace"), ("keras.callbacks", "ModelCheckpoint"),
        ("keras.utils", "PyDataset"), ("keras.saving", "KerasFileEditor"), ("keras.quantizers", "GPTQConfig"),
        ("keras.layers", "OfALaterVersion"), ("keras", "Layer"), ("os", "system"), ("builtins", "eval"),
    ],
)  # fmt: skip
def test_what_runs_fetches_or_writes_is_not_listed(pair):
    assert pair not in allowed.keras_classes()


def test_functions_are_activations_losses_and_metrics():
    names = allowed.keras_functions()
    assert {"relu", "softmax", "swish", "binary_crossentropy", "mean_squared_error"} <= names
    assert not names & {"get", "deserialize", "serialize", "get_file", "load_data", "set_floatx", "load_model"}


def test_our_own_classes_are_found_by_the_name_that_they_are_registered_under():
    for module, names in SAVED.items():
        home = importlib.import_module(f"counterpoise.{module}")
        assert all(allowed.own_class(f"counterpoise>{name}") is getattr(home, name) for name in names)
    assert allowed.own_class("counterpoise>Popen") is None


def test_trusted_objects_are_known_by_both_their_names():
    @keras.saving.register_keras_serializable("zoo")
    class Owl(keras.layers.Layer):
        pass

    assert allowed.trusted_objects({"Bird": Owl}) == {"Bird": Owl, "zoo>Owl": Owl}
    assert allowed.trusted_objects(None) == {}
    for wrong in ([Owl], {"Owl": "owl"}, {1: Owl}):
        with pytest.raises(OptionError, match="Expected a mapping from names to classes or functions"):
            allowed.trusted_objects(wrong)

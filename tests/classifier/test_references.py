"""A file decides nothing about code: each kind of gadget is refused before Keras sees it, wherever it stands."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import check_refusal, run_command
from keras import layers, ops

import counterpoise as cp
from counterpoise.classifier import allowed, references
from counterpoise.classifier import archive as zipped
from counterpoise.classifier.references import check_references, custom_objects_of
from counterpoise.core.errors import ArtifactError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 2)).astype("float32")
Y = (np.arange(80) % 4 == 0).astype(int)
ROWS = "a,b,ill\n" + "".join(f"{a},{b},{'yes' if y else 'no'}\n" for (a, b), y in zip(X, Y, strict=True))


def named(module, class_name, config=None, **more):
    return {"module": module, "class_name": class_name, "config": config or {}, "registered_name": None, **more}


def function(module, name):
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def layer(module, class_name, config=None, *arguments, **more):
    """A layer as it stands in the list of a functional model, called with a tensor and `arguments`."""
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 2], "dtype": "float32",
                                                           "keras_history": ["x", 0, 0]}}  # fmt: skip
    nodes = [{"args": [tensor, *arguments], "kwargs": more.pop("kwargs", {})}]
    return named(module, class_name, config, name="odd", inbound_nodes=nodes, **more)


DENSE = {"units": 1, "name": "dense", "trainable": True}
GET_FILE = function("keras.utils", "get_file")
TFSM = named("keras.layers", "TFSMLayer", {"filepath": "evil", "name": "tfsm", "trainable": False})

#: What is wrong -> the layer, and what the refusal says.
GADGETS = {
    "an operation with functions as arguments": (
        layer("keras.src.ops.core", "Switch", {}, [GET_FILE], registered_name="Switch"), "'Switch'"),
    "an operation with a layer as argument": (layer("keras.src.ops.core", "Switch", {}, [TFSM]), "'Switch'"),
    "a map over a function": (layer("keras.src.ops.core", "Map", {}, GET_FILE), "'Map'"),
    "a vectorized map": (layer("keras.src.ops.core", "VectorizedMap", {"function": GET_FILE}), "'VectorizedMap'"),
    "a loop": (layer("keras.src.ops.core", "WhileLoop", {"cond": GET_FILE, "body": GET_FILE}), "'WhileLoop'"),
    "a derivative of a function": (layer("keras.src.ops.linalg", "JVP", {}, GET_FILE), "'JVP'"),
    "a function among arguments": (layer("keras.src.ops.numpy", "Add", {}, GET_FILE), "'get_file'"),
    "a function among named arguments": (
        layer("keras.src.ops.numpy", "Add", {}, kwargs={"deep": {"er": [GET_FILE]}}), "'get_file'"),
    "a function of the data sets": (
        layer("keras.src.ops.numpy", "Add", {}, function("keras.datasets.mnist", "load_data")), "'load_data'"),
    "a TensorFlow program": (layer("keras.layers", "TFSMLayer", {"filepath": "evil"}), "a TensorFlow program"),
    "its path inside Keras": (layer("keras.src.export.tfsm_layer", "TFSMLayer"), "a TensorFlow program"),
    "code": (layer("keras.layers", "Lambda", {"function": {"class_name": "__lambda__", "config": {}}}), "Lambda layer"),
    "code in an argument": (layer("keras.layers", "Dense", {**DENSE, "activation": {
        "class_name": "__lambda__", "config": {"value": "4wEAAA"}, "module": "x"}}), "code"),
    "a pickle": (layer("keras.layers", "TorchModuleWrapper", {"module": "gASV"}), "a pickle"),
    "functions of JAX": (layer("keras.layers", "JaxLayer", {"call_fn": GET_FILE}), "calls functions"),
    "inside a wrapper": (layer("keras.layers", "TimeDistributed", {"layer": TFSM, "name": "t", "trainable": True}),
                         "'TFSMLayer' of Keras in the layer 'tfsm'"),
    "inside two wrappers": (layer("keras.layers", "Bidirectional", {"layer": named(
        "keras.layers", "RNN", {"cell": named("keras.layers", "StackedRNNCells", {"cells": [TFSM]})})}), "'TFSMLayer'"),
    "inside a model": (layer("keras", "Sequential", {"layers": [TFSM]}), "'TFSMLayer'"),
    "inside a loss of ours": (layer("keras.layers", "Dense", {**DENSE, "kernel_regularizer": named(
        "counterpoise.losses.prior", "LogitAdjusted", {"loss": GET_FILE},
        registered_name="counterpoise>LogitAdjusted")}), "'get_file'"),
    "as an activation": (layer("keras.layers", "Dense", {**DENSE, "activation": GET_FILE}), "'get_file'"),
    "as an activation by a short name": (
        layer("keras.layers", "Dense", {**DENSE, "activation": function("builtins", "get")}), "'get'"),
    "as an initializer": (layer("keras.layers", "Dense", {**DENSE, "kernel_initializer": function(
        "keras.config", "set_floatx")}), "'set_floatx'"),
    "as a data type": (layer("keras.layers", "Dense", {**DENSE, "dtype": named("keras.callbacks", "CSVLogger")}),
                       "'CSVLogger'"),
    "in what it was built with": (layer("keras.layers", "Dense", DENSE, build_config={"input_shape": GET_FILE}),
                                  "'get_file'"),
    "in what it was compiled with": (layer("keras", "Sequential", {"layers": []}, compile_config={
        "optimizer": named("keras.optimizers", "Adam", {"learning_rate": GET_FILE})}), "'get_file'"),
    "as a loss": (layer("keras", "Sequential", {"layers": []}, compile_config={"loss": TFSM}), "'TFSMLayer'"),
    "as a metric": (layer("keras", "Sequential", {"layers": []}, compile_config={
        "metrics": [named("keras.metrics", "MeanMetricWrapper", {"fn": GET_FILE})]}), "'get_file'"),
    "a plot of Keras": (layer("keras.layers", "Dense", {**DENSE, "activation": function(
        "keras.visualization", "plot_image_gallery")}), "'plot_image_gallery'"),
    "a class of Python": (layer("subprocess", "Popen", {"args": "id"}), "'Popen'"),
    "a function of Python": (layer("keras.layers", "Dense", {**DENSE, "activation": function("os", "system")}),
                             "'system'"),
    "a class that is a function": (layer("keras.utils", "get_file", {"origin": "http://x"}), "'get_file'"),
    "a class of another library": (layer("keras_hub.models", "Backbone", {}, registered_name="keras_hub>Backbone"),
                                   "custom_objects={'Backbone': Backbone} (command line: --trust keras_hub.models:Ba"),
    "a known class with a foreign registration": (
        layer("keras.layers", "Dense", DENSE, registered_name="zoo>Wolf"), "'Dense'"),
    "a class of ours under another name": (
        layer("os", "system", {}, registered_name="counterpoise>RuleLayer"), "'system'"),
    "a function with two names": (layer("keras.layers", "Dense", {**DENSE, "activation": {
        **function("keras.activations", "relu"), "registered_name": "tanh"}}), "two names"),
    "a registered object by its name alone": (layer("keras.src.ops.numpy", "Add", {}, "zoo>wolf"), "'wolf'"),
    "a registered object under a trusted module": (layer("keras.layers", "Dense", {**DENSE, "activation": {
        **function("keras.activations", "zoo>wolf")}}), "'wolf'"),
    "a layer without a module, as old files have": (
        {"class_name": "Lambda", "config": {}, "name": "odd", "inbound_nodes": []}, "without its module"),
    "a vocabulary on the disk": (layer("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}), "vocabulary"),
    "a vocabulary on the disk, deeper": (layer("keras.layers", "TimeDistributed", {"layer": named(
        "keras.layers", "TextVectorization", {"vocabulary": "/etc/passwd"})}), "vocabulary"),
    "a call that is carried out at once": (named("keras.src.ops.numpy", "Full", {"shape": [10**6, 10**6]}, name="odd",
                                                 inbound_nodes=[{"args": [1.0], "kwargs": {}}]), "receives no input"),
    "a call without anything": (named("keras.layers", "Dense", DENSE, name="odd", inbound_nodes=[[]]),
                                "receives no input"),
    "very many unknown words": (layer("keras.layers", "StringLookup", {"vocabulary": [], "num_oov_indices": 10**9}),
                                "1,000,000,000 indices for unknown words"),
    "very long n-grams": (layer("keras.layers", "TextVectorization", {"ngrams": 10**9}),
                          "1,000,000,000 words in an n-gram"),
    "very many thresholds": (layer("keras", "Sequential", {"layers": []}, compile_config={
        "metrics": [named("keras.metrics", "AUC", {"num_thresholds": 1e9})]}), "1,000,000,000.0 thresholds"),
    "very many classes": (layer("keras", "Sequential", {"layers": []}, compile_config={
        "metrics": [named("keras.metrics", "MeanIoU", {"num_classes": 10**6})]}), "1,000,000 classes in a metric"),
    "very many parts": (layer("keras.src.ops.numpy", "Split", {"indices_or_sections": 10**8}), "100,000,000 parts"),
    "a specification of types": (layer("tensorflow", "__typespec__", {}, spec_name="TensorSpec"), "'__typespec__'"),
    "a class name that is not text": (layer("keras.layers", ["Dense"]), "not text"),
    "a module that is not text": (layer(7, "Dense"), "not text"),
    "a function name that is not text": (
        layer("keras.layers", "Dense", {**DENSE, "activation": named("builtins", "function", {"a": 1})}), "not text"),
    "a plain value without a value": (layer("keras.src.ops.numpy", "Add", {}, {"class_name": "__numpy__"}), "without"),
}  # fmt: skip


@keras.saving.register_keras_serializable("zoo", name="wolf")
def howl(x):
    raise AssertionError("a file called a function")


@keras.saving.register_keras_serializable("zoo")
class Gate(layers.Layer):
    """x times sigmoid(x)."""

    def call(self, x):
        return x * ops.sigmoid(x)


class Loose(Gate):
    """Not registered."""


#: A module of a user, with a layer that is registered.
MODULE = """
import keras

@keras.saving.register_keras_serializable({!r})
class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


def gated(gate):
    inputs = keras.Input((2,))
    return keras.Model(inputs, layers.Dense(1, "sigmoid")(gate(inputs)))


@pytest.fixture(scope="module", name="saved")
def _saved(tmp_path_factory):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "sigmoid")])
    return cp.wrap(model, X, Y).save(tmp_path_factory.mktemp("saved") / "m.keras")


def with_layer(source: Path, target: Path, odd) -> Path:
    """The archive with a layer more."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for part in old.namelist():
            content = old.read(part)
            if part == zipped.CONFIG:
                config = json.loads(content)
                config["config"]["layers"].append(odd)
                content = json.dumps(config)
            new.writestr(part, content)
    return target


@pytest.mark.parametrize("case", GADGETS)
def test_a_gadget_is_refused_and_named(case):
    odd, words = GADGETS[case]
    network = {"module": "keras", "class_name": "Functional", "config": {"layers": [odd]}, "registered_name": None}
    with pytest.raises(ArtifactError) as refused:
        check_references(network, {})
    assert words in str(refused.value)
    assert "safe_mode" not in str(refused.value)


def test_keras_sees_nothing_of_a_refused_file(saved, tmp_path, monkeypatch):
    def seen(*_, **__):
        raise AssertionError("Keras was handed a file with a gadget")

    for owner in (keras.models, keras.saving):
        monkeypatch.setattr(owner, "load_model", seen)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", seen)
    for case, (odd, words) in GADGETS.items():
        bad = with_layer(saved, tmp_path / "bad.keras", odd)
        with pytest.raises(ArtifactError, match=r"bad\.keras' cannot be read: ") as refused:
            cp.load(bad)
        assert words in str(refused.value), case


def test_the_command_line_refuses_a_gadget_in_a_model_to_be_trained(tmp_path):
    keras.Sequential([keras.Input((2,)), layers.Dense(1)]).save(tmp_path / "plain.keras")
    odd = {**GADGETS["an operation with functions as arguments"][0], "inbound_nodes": []}
    bad = with_layer(tmp_path / "plain.keras", tmp_path / "bad.keras", odd)
    (tmp_path / "rows.csv").write_text(ROWS)
    for command, out in (("train", "m.keras"), ("compare", "run")):
        strategy = ("--strategy", "none") if command == "train" else ()
        done = run_command(
            command, tmp_path / "rows.csv", "--target", "ill", "--model", bad, *strategy, "--out", tmp_path / out
        )
        check_refusal(done, "bad.keras cannot be read as a Keras model", "'Switch'")
    for command in (("predict", bad, tmp_path / "rows.csv"), ("evaluate", bad, tmp_path / "rows.csv")):
        check_refusal(run_command(*command), "was not saved by Counterpoise")


def test_networks_of_keras_s_own_layers_and_operations_pass():
    x, words = keras.Input((4, 3)), keras.Input((), dtype="string")
    table = layers.StringLookup(vocabulary=["a", "b"])(words)
    h = layers.Bidirectional(layers.LSTM(2, return_sequences=True))(x)
    h = layers.TimeDistributed(layers.Dense(3, keras.activations.gelu, kernel_regularizer="l2"))(h)
    h = ops.where(h > 0, h, -np.inf) + ops.relu(x)[:, 1:, :2].shape[-1] * ops.ones_like(h)
    h = ops.concatenate([h, ops.expand_dims(ops.sum(h, axis=1), 1)], axis=1)
    inner = keras.Sequential([keras.Input((5, 3)), layers.Flatten(), layers.Dense(2, activation="swish")])
    out = layers.Dense(1, kernel_initializer=keras.initializers.HeNormal(seed=3))(inner(h))
    model = keras.Model([x, words], [out, ops.cast(table, "float32") / 2])
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    model.compile(keras.optimizers.AdamW(schedule), ["mse", keras.losses.huber], metrics=[["auc"], ["mae"]])
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    assert check_references(config, {}) is False
    assert custom_objects_of(model) == {}


def test_networks_of_keras_applications_pass():
    for module, name in (("convnext", "LayerScale"), ("inception_resnet_v2", "CustomScaleLayer")):
        layer_class = getattr(importlib.import_module(f"keras.src.applications.{module}"), name)
        inner = layer_class(0.5, 3) if name == "LayerScale" else layer_class(0.5)
        assert custom_objects_of(keras.Sequential([keras.Input((3,)), inner])) == {}


def test_a_layer_of_a_later_keras_is_saved_and_has_to_be_trusted(tmp_path, monkeypatch):
    clf = cp.wrap(gated(layers.Rescaling(2.0)), X, Y)
    with monkeypatch.context() as patch:
        known = {pair: value for pair, value in allowed.keras_classes().items() if value is not layers.Rescaling}
        patch.setattr(allowed, "keras_classes", lambda: known)
        path = clf.save(tmp_path / "m.keras")
        with pytest.raises(ArtifactError, match=r"'Rescaling' of Keras in .*custom_objects=\{'Rescaling': Rescaling\}"):
            cp.load(path)
        again = cp.load(path, {"Rescaling": layers.Rescaling})
        assert np.array_equal(pickle.loads(pickle.dumps(again)).predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("loss", [cp.losses.LogitAdjusted([9, 1]), cp.losses.Focal(), cp.losses.LDAM([9, 1])])
def test_models_compiled_with_our_losses_and_metrics_pass(loss):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("adam", loss, metrics=[cp.metrics.AveragePrecision(100)])
    assert check_references(json.loads(json.dumps(keras.saving.serialize_keras_object(model))), {}) is False


def test_a_layer_of_the_user_s_own_goes_by_custom_objects(tmp_path):
    clf = cp.wrap(gated(Gate()), X, Y)
    path = clf.save(tmp_path / "m.keras")
    with pytest.raises(ArtifactError, match=r"the class 'Gate' in the layer 'gate.*custom_objects=\{'Gate': Gate\}"):
        cp.load(path)
    with pytest.raises(ArtifactError, match="'Gate'"):
        cp.load(path, custom_objects={"Gate": Loose})  # another class of that name
    for names in ({"Gate": Gate}, {"zoo>Gate": Gate}):
        assert np.array_equal(cp.load(path, custom_objects=names).predict_proba(X), clf.predict_proba(X))


def test_a_pickle_brings_its_own_classes(tmp_path, monkeypatch):
    (tmp_path / "zoo_layers.py").write_text(MODULE.format("zoo_of_pickles"))
    monkeypatch.syspath_prepend(tmp_path)
    clf = cp.wrap(gated(importlib.import_module("zoo_layers").Twice()), X, Y)
    assert np.array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lambda: gated(Loose()), r"the class 'Loose' in the layer 'loose.* is not registered.*@keras\.saving"),
        (lambda: gated(layers.Lambda(lambda x: x)), "it contains a Lambda layer .*Write it as a layer class"),
        (lambda: gated(layers.Dense(2, activation=lambda x: x)), "a layer contains a lambda, .*a function with a name"),
    ],
)
def test_what_could_not_be_read_again_is_found_before_a_file_is_written(model, words, tmp_path):
    clf = cp.wrap(model(), X, Y)
    with pytest.raises(ArtifactError, match=rf"m\.keras' cannot be written: .*{words}"):
        clf.save(tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_class_may_be_registered_after_the_training(tmp_path):
    class Late(Gate):
        pass

    clf = cp.wrap(gated(Late()), X, Y)
    with pytest.raises(ArtifactError, match=r"register_keras_serializable\(\)\(Late\)"):
        clf.save(tmp_path / "m.keras")
    keras.saving.register_keras_serializable("zoo")(Late)
    assert len(cp.load(clf.save(tmp_path / "m.keras"), {"Late": Late}).predict_proba(X)) == len(X)


def test_what_a_network_was_compiled_with_stays_out_of_the_file(tmp_path):
    def odd_loss(y, p):
        return keras.losses.binary_crossentropy(y, p)

    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, "sigmoid")])
    model.compile("adam", odd_loss)
    clf = cp.fit(model, X, Y, epochs=1, clone=False, verbose=0)
    path = clf.save(tmp_path / "m.keras")
    assert model.compiled
    assert np.array_equal(cp.load(path).predict_proba(X), clf.predict_proba(X))
    with zipfile.ZipFile(path) as archive:
        assert b"odd_loss" not in archive.read(zipped.CONFIG)


def test_trust_on_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(MODULE.format("shop"))
    monkeypatch.chdir(tmp_path)
    from counterpoise.cli.trust import trusted_objects

    twice = trusted_objects(["my_layers:Twice"])["Twice"]
    model = gated(twice())
    model.save("plain.keras")
    Path("rows.csv").write_text(ROWS)
    train = ("train", "rows.csv", "--target", "ill", "--strategy", "none", "--epochs", "1", "--out", "m.keras")
    check_refusal(run_command(*train, "--model", "plain.keras"), "--trust my_layers:Twice")
    trust = ("--trust", "my_layers:Twice")
    assert run_command(*train, "--model", "plain.keras", *trust).code == 0
    check_refusal(run_command("predict", "m.keras", "rows.csv"), "--trust my_layers:Twice")
    done = run_command("predict", "m.keras", "rows.csv", *trust)
    assert (done.code, done.out.count("\n")) == (0, 81)
    check_refusal(run_command("predict", "m.keras", "rows.csv", "--trust", "my_layers"), "Expected module:Class")
    check_refusal(run_command("predict", "m.keras", "rows.csv", "--trust", "my_layers:Twic"), "Did you mean 'Twice'")
    check_refusal(run_command("predict", "m.keras", "rows.csv", "--trust", "no_layers:Twice"), "no module 'no_layers'")
    check_refusal(run_command(*train, "--model", "mlp", *trust), "does not read a file, so --trust has no effect")


def test_a_builder_s_model_that_cannot_be_saved_is_refused_before_the_training(tmp_path, monkeypatch):
    (tmp_path / "loose_layers.py").write_text(
        "import keras\n"
        "class Loose(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
        "def build(spec, n_classes):\n"
        "    inputs = spec.inputs()\n"
        "    return keras.Model(inputs, keras.layers.Dense(1)(Loose()(inputs)))\n"
    )
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(ROWS)
    train = ("train", "rows.csv", "--target", "ill", "--strategy", "none", "--out", "m.keras")
    done = run_command(*train, "--model", "loose_layers:build")
    check_refusal(done, "loose_layers:build", "'Loose'", "@keras.saving.register_keras_serializable()")


def test_walking_leaves_the_configuration_as_it_is():
    config = keras.saving.serialize_keras_object(gated(Gate()))
    before = copy.deepcopy(config)
    check_references(config, {"zoo>Gate": Gate})
    assert config == before


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (named("keras.layers", "Permute", {"dims": [1] * 100}), "contains 10. numbers, lists and mappings"),
        (named("keras.layers", "EinsumDense", {"equation": "a" * 101}), "a text of 101 characters"),
        ({"kept": [[i, []] for i in range(34)]}, "Expected at most 100"),
    ],
)
def test_lists_and_texts_that_no_model_has_are_refused(config, match, monkeypatch):
    check_references(config, {})
    monkeypatch.setattr(references, "MOST_VALUES", 100)
    monkeypatch.setattr(references, "LONGEST", 100)
    with pytest.raises(ArtifactError, match=match):
        check_references(config, {})
    check_references({"vocabulary": ["word"] * 101}, {})

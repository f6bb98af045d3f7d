"""Files that were damaged, changed or made by others: each is refused in one line, and nothing large is unpacked."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import random
import struct
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

import counterpoise as cp
from counterpoise.classifier import archive as zipped
from counterpoise.classifier import loading
from counterpoise.classifier.archive import CARD, CONFIG, METADATA, SCORES, WEIGHTS
from counterpoise.classifier.arrays import arrays_of_npz, npz_bytes
from counterpoise.classifier.contents import check_description, check_scores
from counterpoise.classifier.weights_file import check_weights
from counterpoise.core.errors import ArtifactError, ModelError

RNG = np.random.default_rng(0)
Y = (np.arange(120) % 4 == 0).astype(int)
X = {"age": (RNG.normal(size=120) + Y).tolist(), "sex": [None if i % 17 == 0 else "mf"[i % 2] for i in range(120)]}


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.fit("mlp", X, Y, epochs=1, verbose=0)


@pytest.fixture(scope="module", name="parts")
def _parts(clf, tmp_path_factory):
    """The members of a saved classifier, by name."""
    with zipfile.ZipFile(clf.save(tmp_path_factory.mktemp("saved") / "m.keras")) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_loading_leaves_the_random_state_of_the_caller(parts, tmp_path):
    keras.utils.set_random_seed(5)
    want = random.random(), np.random.random(), float(keras.random.normal(()))
    keras.utils.set_random_seed(5)
    cp.load(written(tmp_path / "a.keras", parts))
    assert (random.random(), np.random.random(), float(keras.random.normal(()))) == want


def written(path: Path, parts, method=zipfile.ZIP_STORED, mode="w", **marks) -> Path:
    with zipfile.ZipFile(path, mode, method) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            for mark, value in marks.items():
                setattr(info, mark, value)
            archive.writestr(info, content)
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(ArtifactError, match=words) as error:
        cp.load(path)
    assert str(error.value).startswith(f"{str(path)!r} cannot be read: ")
    assert "\n" not in str(error.value)
    assert "safe_mode" not in str(error.value)


def changed(content: bytes, *path, to) -> bytes:
    """JSON with one value replaced."""
    values = json.loads(content)
    part = values
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    return json.dumps(values).encode()


def test_the_members_put_together_again_are_read(clf, parts, tmp_path):
    again = cp.load(written(tmp_path / "a.keras", parts))
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert cp.load(written(tmp_path / "b.keras", parts, zipfile.ZIP_DEFLATED)).classes_.tolist() == [0, 1]
    with_folders = {**parts, "assets/": b""}
    assert cp.load(written(tmp_path / "c.keras", with_folders)).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    "name",
    ["../evil.py", "/etc/passwd", "C:\\evil", "assets/../../evil", "assets\\..\\evil", "evil.py", "assets//x",
     "assets/./x", "assets/\x1b[2J", "assets/" + "a" * 1000, "assets/" * 80 + "x", "counterpoise.json/x", "assets/..",
     "model.weights.npz"],
)  # fmt: skip
def test_members_that_no_model_file_has(parts, tmp_path, name):
    refused(written(tmp_path / "m.keras", {**parts, name: b"x"}), "which no model file has")
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS, CARD, SCORES])
def test_members_that_are_absent_or_there_twice(parts, tmp_path, name):
    rest = {k: v for k, v in parts.items() if k != name}
    path = written(tmp_path / "m.keras", rest)
    if name in (CARD, SCORES):
        refused(path, "it was not saved by Counterpoise. Pass a plain Keras model to fit")
    elif name != METADATA:
        refused(path, f"it lacks the part '{name}'")
    with pytest.warns(UserWarning, match="Duplicate"):
        refused(written(written(path, parts), {name: b"{}"}, mode="a"), "two parts with the same name")
    written(path, {**parts, name.upper(): b""})
    refused(path, "which no model file has|two parts with the same name")


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ({"external_attr": 0o120777 << 16}, "is not a regular file"),
        ({"external_attr": 0o020666 << 16}, "is not a regular file"),
    ],
)
def test_members_that_are_no_files(parts, tmp_path, marks, words):
    refused(written(tmp_path / "m.keras", parts, **marks), words)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_of_packing_that_are_not_taken(parts, tmp_path, method):
    refused(written(tmp_path / "m.keras", parts, method), f"packed by the method {method}, which is not supported")


@pytest.mark.parametrize(("offset", "value", "words"), [(10, 93, "the method 93"), (8, 1, "is encrypted")])
def test_marks_in_the_list_of_members(parts, tmp_path, offset, value, words):
    path = written(tmp_path / "m.keras", parts)
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\x01\x02") + offset] = value
    path.write_bytes(content)
    refused(path, words)


def test_bytes_before_after_and_missing(parts, tmp_path):
    path = written(tmp_path / "m.keras", parts)
    whole = path.read_bytes()
    cut = [b"", b"PK", whole[:-1], whole[:-30], whole[: len(whole) // 2], whole[:30] + whole[-60:], os.urandom(500)]
    for content in (*cut, whole + b"\0", b"#!/bin/sh\n" + whole, whole[:-2] + b"\x05\0hello"):
        path.write_bytes(content)
        refused(path, "damaged or not a .keras file|more parts than a model file may have")


def test_a_list_of_very_many_members_is_not_read(tmp_path):
    path = tmp_path / "m.keras"
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, 100, 100, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(200) + end)
    refused(path, "more parts than a model file may have")
    long_form = b"PK\x06\x07" + bytes(16)  # the list that zip has for files of 4 GB
    path.write_bytes(
        b"PK\x03\x04" + bytes(200) + long_form + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 3, 3, 9, 9, 0)
    )
    refused(path, "more parts than a model file may have")


@pytest.mark.parametrize("name", [CONFIG, CARD, WEIGHTS, "assets/vocabulary.txt"])
def test_a_bomb_is_not_unpacked(parts, tmp_path, name):
    path = written(tmp_path / "m.keras", {**parts, name: bytes(80_000_000)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 500_000
    tracemalloc.start()
    refused(path, "bytes packed and 80,.* at most 20 unpacked bytes")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_bomb_in_the_scores_is_not_unpacked(parts, tmp_path):
    inner = io.BytesIO()
    np.savez_compressed(inner, y=np.zeros(120, int), log_p=np.zeros((1, 120, 80_000)))
    refused(
        written(tmp_path / "m.keras", {**parts, SCORES: inner.getvalue()}),
        "far larger than their compressed size allows",
    )


def test_json_that_grows_when_it_is_read(parts, tmp_path):
    for content, words in (
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
        (b"[" + b"[]," * 2_500_000 + b"0]", "values"),
    ):
        for name in (CARD, CONFIG):
            refused(written(tmp_path / "m.keras", {**parts, name: content}), words)


def test_a_network_larger_than_its_weights_is_not_built(tmp_path):
    from counterpoise.cli.builders import resolve_model

    dense = keras.layers.Dense
    keras.Sequential([keras.Input((4,)), dense(128), dense(128), dense(1)]).save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as archive:
        plain = {name: archive.read(name) for name in archive.namelist()}

    def grown(value):
        if isinstance(value, dict):
            return {k: grown(v) for k, v in value.items()}
        return [grown(v) for v in value] if isinstance(value, list) else 300_000 if value == 128 else value

    wide = json.dumps(grown(json.loads(plain[CONFIG])))
    path = written(tmp_path / "m.keras", {**plain, CONFIG: wide})
    with pytest.raises(ModelError, match=r"its layers need 360,\d+,\d+,\d+ bytes of weights, but the file contains"):
        resolve_model(str(path))
    inputs = keras.Input((2,))  # Keras makes room for variables that it owes when it next infers a shape
    assert keras.layers.Rescaling(2.0)(inputs).shape == (None, 2)


def test_a_mean_that_is_spread_over_a_long_axis_counts_as_a_weight(tmp_path):
    from counterpoise.cli.builders import resolve_model

    inputs, path = keras.Input((4, 3)), tmp_path / "plain.keras"
    scaled = keras.layers.Normalization(mean=0.5, variance=2.0)(inputs)
    keras.Model(inputs, keras.layers.Dense(1)(keras.ops.mean(scaled, axis=-1))).save(path)
    resolve_model(str(path))
    with zipfile.ZipFile(path) as archive:
        plain = {name: archive.read(name) for name in archive.namelist()}
    wide = written(tmp_path / "m.keras", {**plain, CONFIG: plain[CONFIG].replace(b"3]", b"1000000000]")})
    with pytest.raises(ModelError, match=r"its layers need \d+,\d+,\d+,\d+ bytes of weights, but the file contains"):
        resolve_model(str(wide))


# The weights


def h5(path: Path, make) -> Path:
    with h5py.File(path, "w") as file:
        make(file)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda f: f.update({"a": h5py.ExternalLink("/etc/other.h5", "/x")}), "refer to another file or group"),
        (lambda f: f.create_group("g").update({"a": h5py.SoftLink("/b")}), "refer to another file or group"),
        (lambda f: f.create_dataset("a", (4,), "f4", external=[("/tmp/other.raw", 0, 16)]), "are in another file"),
        (lambda f: f.create_dataset("a", (30_000, 30_000), "f4", chunks=(100, 100), compression="gzip"), "claim 3,600"),
        (lambda f: f.create_dataset("a", (10_000_000,), "f4", fillvalue=1.0, chunks=True), "claim"),
        (lambda f: f.create_dataset("a", data=["text"], dtype=h5py.string_dtype()), "are not numbers"),
        (lambda f: f.create_dataset("a", data=np.zeros(9), chunks=(9,), compression="lzf"), "packed by lzf"),
        (lambda f: f.update({"a": np.dtype("f4")}), "is not an array"),
        (lambda f: f.create_dataset("a", data=h5py.Empty("f4")), "are not numbers"),
    ],
    ids=["external link", "soft link", "external data", "sparse", "filled", "text", "filter", "type", "empty"],
)  # fmt: skip
def test_weights_that_are_no_plain_arrays_of_the_file(tmp_path, make, words):
    with pytest.raises(ArtifactError, match=words):
        check_weights(h5(tmp_path / "w.h5", make))


def test_virtual_weights_and_circles(tmp_path):
    layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape=(4,))
    with pytest.raises(ArtifactError, match="are in another file"):
        check_weights(h5(tmp_path / "v.h5", lambda f: f.create_virtual_dataset("a", layout)))

    def circle(file):
        group = file.create_group("g")
        group["again"] = file
        group["x"] = np.zeros((2, 3), "f4")

    assert check_weights(h5(tmp_path / "c.h5", circle)) == 24


def test_weights_of_another_network(parts, tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        content = archive.read(WEIGHTS)
    refused(written(tmp_path / "m.keras", {**parts, WEIGHTS: content}), "Keras cannot build its network")
    refused(written(tmp_path / "m.keras", {**parts, WEIGHTS: b"no weights"}), "its weights are damaged")


# Description, labels, scores


DESCRIBED = [
    (("format",), 99, "its format is 99, but this version of counterpoise reads format 2. Install the version"),
    (("format",), 1, "its format is 1, but .* Train and save the model again."),
    (("format",), "1", "the description.format is '1'"),
    (("kind",), {}, "it has a target of kind {}. Expected one of"),
    (("classes",), ["no"], "it has 1 labels"),
    (("classes",), ["no", "no"], "it has the label 'no' twice"),
    (("classes",), [1, True], "it has the label 1 twice"),
    (("classes",), [1, 1.0], "it has the label 1 twice"),
    (("classes",), [1, "1"], "it has the label '1' twice"),
    (("classes",), ["no", None], "label 2 is None. Expected text, a number, or true or false"),
    (("classes",), ["no", ["yes"]], "label 2 is a list"),
    (("classes",), ["a", "b", "c"], "it has 3 labels, but its decision rule is for 2 classes"),
    (("classes",), {}, "the description.classes is a mapping"),
    (("schema",), None, "its columns do not fit its schema"),
    (("schema",), [], "the schema is a list"),
    (("schema", "columns", 0, "name"), "size", "do not fit its schema"),
    (("schema", "columns", 1, "levels"), ["m"], "do not fit its schema"),
    (("schema", "columns", 1, "levels"), ["m", "m"], "lists a category of the column 'sex' twice"),
    (("schema", "columns", 1, "levels"), "mf", "Expected a list"),
    (("schema", "columns", 1, "levels"), [1, 2], "entry 1 is 1. Expected text"),
    (("schema", "columns", 1, "kind"), "strange", "Expected one of numeric"),
    (("schema", "columns", 0, "missing"), -1, "Expected a whole number"),
    (("schema", "columns", 0, "levels"), ["a"], "which is numeric"),
    (("schema", "columns", 1, "name"), "age", "two columns with the same name"),
    (("card",), [], "the model card is a list"),
    (("card",), {}, "the model card lacks 'counterpoise'"),
    (("card", "threshold"), 0.5, "the model card.threshold is 0.5. Expected a mapping"),
    (("card", "threshold", "value"), 9, "the model card.threshold.value is 9"),
    (("card", "threshold", "value"), [0.5], "the model card.threshold.value is a list"),
    (("card", "threshold", "value"), 0.123, "model card has the threshold 0.123, but its decision rule has"),
    (("card", "threshold", "text"), 5, "Expected text"),
    (("card", "metrics", "average_precision", "value"), 9.0, "is 9.0. Expected a finite number from"),
    (("card", "metrics", "average_precision"), "good", "is 'good'. Expected a mapping"),
    (("card", "classes", 0, "share"), 7, "the model card.classes, entry 1.share is 7"),
    (("card", "classes"), [], "has 0 classes"),
    (("card", "rows"), "many", "Expected a whole number"),
    (("card", "members"), "none", "Expected a list"),
    (("card", "text_column"), 5, "Expected text"),
    (("card", "anything"), {"deep": [math.nan]}, "NaN is not a JSON number"),
]


@pytest.mark.parametrize(
    ("path", "value", "words"), DESCRIBED, ids=[f"{'.'.join(map(str, p))}: {v!r:.30}" for p, v, _ in DESCRIBED]
)
def test_a_description_that_was_changed(parts, tmp_path, path, value, words):
    refused(written(tmp_path / "m.keras", {**parts, CARD: changed(parts[CARD], *path, to=value)}), words)


@pytest.mark.parametrize("name", ["format", "classes", "schema", "card"])
def test_a_description_that_lacks_a_field(parts, tmp_path, name):
    values = json.loads(parts[CARD])
    del values[name]
    refused(written(tmp_path / "m.keras", {**parts, CARD: json.dumps(values)}), f"the description lacks '{name}'")


def refusal_of(description, rule) -> str:
    """What is said of a description, or nothing."""
    try:
        check_description(description, rule)
    except ArtifactError as error:
        return str(error)
    return ""


def test_options_of_labels_in_the_schema_are_those_of_files_of_earlier_versions(clf, parts):
    schema = {"target": "a, b", "columns": [], "label_options": {"missing": "absent"}}
    classes, _, card = check_description({**json.loads(parts[CARD]), "schema": schema}, clf.rule)
    assert (len(classes), card["label_options"]) == (2, {"missing": "absent"})


def test_no_type_in_any_place_of_a_description_gives_a_foreign_error(clf, parts):
    values = json.loads(parts[CARD])

    def places(part, path=()):
        inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, value in inside:
            yield (*path, key)
            yield from places(value, (*path, key))

    for path in places(values):
        for wrong in (None, True, -1, 9, 0.5, "x", [], {}, [[]], [None], {"a": None}, 10**30, math.nan):
            other = copy.deepcopy(values)
            part = other
            for key in path[:-1]:
                part = part[key]
            part[path[-1]] = wrong
            assert "\n" not in refusal_of(other, clf.rule)


def test_the_rule_in_the_configuration(parts, tmp_path):
    config = json.loads(parts[CONFIG])
    index = next(i for i, layer in enumerate(config["config"]["layers"]) if layer["name"] == "rule")
    path = ("config", "layers", index, "config", "rule")
    for field, value, words in (
        ("threshold", math.nan, "the rule.threshold is nan"), ("threshold", 9, "is 9"), ("threshold", [1], "is a list"),
        ("prior", [0.5, 0.25, 0.25], "x 3 numbers"), ("calibrator", {"kind": 5}, "lacks"),
        ("vote", None, "Expected one"), ("log_shifts", [[0, 0], [0, 0]], "the rule.weights is a list. Expect"),
    ):  # fmt: skip
        content = changed(parts[CONFIG], *path, field, to=value)
        card = changed(parts[CARD], "card", "threshold", "value", to=value) if field == "threshold" else parts[CARD]
        refused(
            written(tmp_path / "m.keras", {**parts, CONFIG: content, CARD: card}), f"{words}|NaN is not a JSON number"
        )
    for wrong in ({}, [], "rule", None, {"config": None}, {"config": {"layers": [None]}}):
        refused(
            written(tmp_path / "m.keras", {**parts, CONFIG: json.dumps(wrong)}),
            "lacks the decision rule|describes no model",
        )


SCORED = {
    "a shape": ({"log_p": lambda a: a[..., :1]}, "stored log_p has shape"),
    "a type": ({"log_p": lambda a: a.astype("i4")}, "stored log_p has shape"),
    "text": ({"y": lambda a: a.astype("U3")}, "not a list of the 2 class codes"),
    "codes": ({"y": lambda a: a + 5}, "not a list of the 2 class codes"),
    "negative codes": ({"y": lambda a: a - 1}, "not a list of the 2 class codes"),
    "no rows": ({"y": lambda a: a[:0]}, "not a list of the 2 class codes"),
    "other rows": ({"y": lambda a: a[:-1]}, "stored log_p has shape"),
    "a number": ({"y": lambda a: np.array(5)}, "not a list of the 2 class codes"),
    "above one": ({"log_p": lambda a: a + 1}, "are not probabilities of classes"),
    "nan": ({"log_p": lambda a: a * np.nan}, "are not probabilities of classes"),
    "infinite": ({"log_p": lambda a: a - np.inf}, "are not probabilities of classes"),
    "weights": ({"weight": lambda a: np.full(len(Y) // 5, -1.0)}, "stored weight is not a list of numbers"),
    "members": ({"member_outputs": lambda a: np.zeros((2, 3))}, "stored member_outputs has shape"),
    "more": ({"evil": lambda a: np.zeros(3)}, "Expected log_p and y"),
}  # fmt: skip


@pytest.mark.parametrize("case", SCORED)
def test_scores_that_were_changed(clf, case):
    changes, words = SCORED[case]
    scores = {**clf.scores, **{name: change(clf.scores.get(name)) for name, change in changes.items()}}
    with pytest.raises(ArtifactError, match=words):
        check_scores(scores, clf.rule)


def test_scores_without_a_part(clf):
    for name in ("log_p", "y"):
        with pytest.raises(ArtifactError, match="Expected log_p and y"):
            check_scores({k: v for k, v in clf.scores.items() if k != name}, clf.rule)
    check_scores({}, clf.rule)


def npy(array, **header) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    content = stream.getvalue()
    for old, new in header.values():
        content = content.replace(old, new)
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (npy(np.array([{}], dtype=object)), "not a plain array of the expected size"),
        (npy(np.zeros(9), shape=(b"(9,), } ", b"(10**9,)")), "damaged|not a plain array"),
        (npy(np.zeros(9), shape=(b"(9,), }      ", b"(900000000,)}")), "not a plain array of the expected size"),
        (npy(np.zeros(9))[:-8], "not a plain array of the expected size"),
        (npy(np.zeros(9)) + b"more", "not a plain array of the expected size"),
        (npy(np.zeros(9), key=(b"'descr'", b"'descR'")), "damaged"),
        (npy(np.zeros(9), quote=(b"'<f8'", b"'<f8 ")), "damaged"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "unknown layout|damaged"),
        (b"", "damaged"),
        (b"text", "damaged"),
    ],
)
def test_arrays_that_are_not_what_their_head_says(content, words):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("y.npy", content)
    with pytest.raises(ArtifactError, match=words):
        arrays_of_npz(buffer.getvalue())


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_arrays_come_back_bit_for_bit_however_well_they_pack(scale):
    arrays = {
        "log_p": scale * RNG.normal(size=(1, 300_000, 4)).astype("f4"),
        "y": np.arange(5)[::-1].T,
        "n": np.zeros(()),
    }
    again = arrays_of_npz(npz_bytes(arrays))
    assert {k: (v.dtype, v.shape) for k, v in again.items()} == {k: (v.dtype, v.shape) for k, v in arrays.items()}
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)


# Writing


@pytest.mark.parametrize("label", [None, b"no", math.nan, (1, 2)])
def test_labels_that_no_file_holds_are_refused_before_it_is_written(clf, tmp_path, label):
    from counterpoise.classifier.classifier import Classifier

    odd = Classifier(clf.members, clf.rule, [label, "yes"], clf.schema, {})
    with pytest.raises(ArtifactError, match=r"m\.keras' cannot be written: label 1 is"):
        odd.save(tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_card_may_hold_numbers_of_numpy_and_none_that_are_not_finite(clf, tmp_path):
    from counterpoise.classifier.classifier import Classifier

    needed = {key: clf.card[key] for key in ("counterpoise", "strategy", "network", "log_shifts", "rule")}
    card = {"mine": (np.float32(0.5), math.inf, np.arange(2)), "seed": np.int64(3)}
    odd = Classifier(clf.members, clf.rule, ["no", "yes"], clf.schema, needed | card)
    again = cp.load(odd.save(tmp_path / "m.keras"))
    assert again.card == needed | {"mine": [0.5, None, [0, 1]], "seed": 3}
    with pytest.raises(TypeError, match="A model card is read-only"):
        again.card["seed"] = 4
    with pytest.raises(TypeError, match="A model card is read-only"):
        clf.card["threshold"].update(value=0.1)


def test_loading_leaves_nothing_behind(clf, tmp_path, monkeypatch):
    path = clf.save(tmp_path / "m.keras")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(loading, "scratch", lambda: tmp_path / "temporary")
    cp.load(path)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_an_absent_temporary_folder_is_reported(clf, tmp_path, monkeypatch):
    path = clf.save(tmp_path / "m.keras")
    monkeypatch.setattr(loading, "scratch", lambda: tmp_path / "absent")
    refused(path, "No such file or directory")


def test_a_model_to_be_trained_keeps_what_it_was_compiled_with(tmp_path):
    from counterpoise.cli.builders import resolve_model

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1, "sigmoid")])
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, 100)
    model.compile(keras.optimizers.AdamW(schedule), "binary_crossentropy", metrics=["auc", "accuracy"])
    x = RNG.normal(size=(40, 2))
    model.fit(x, (x[:, 0] > 0).astype(int), epochs=2, verbose=0)
    model.save(tmp_path / "plain.keras")
    again = resolve_model(str(tmp_path / "plain.keras"))
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) > 0
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_vocabulary_that_was_adapted_comes_back(tmp_path):
    from counterpoise.cli.builders import resolve_model

    words = keras.layers.TextVectorization(output_sequence_length=4)
    words.adapt(["one two", "two three"])
    inputs = keras.Input((), dtype="string")
    keras.Model(inputs, words(inputs)).save(tmp_path / "plain.keras")
    with zipfile.ZipFile(tmp_path / "plain.keras") as archive:
        assert any(name.startswith(zipped.ASSETS) for name in archive.namelist())
    again = resolve_model(str(tmp_path / "plain.keras"))
    assert np.array_equal(again(np.array(["two one four"])), words(np.array(["two one four"])))

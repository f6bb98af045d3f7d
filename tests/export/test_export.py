"""An export says what its classifier says, in a process without Counterpoise; and it refuses what it must."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core.errors import ArtifactError, DataError, MissingExtraError, ModelError, OptionError
from counterpoise.data.schema import encode_rows
from counterpoise.export import FORMATS
from counterpoise.export import write as write_module
from counterpoise.export.probe import describe_difference, probe_rows


def frame(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.2
    return pl.DataFrame(
        {
            "Net.Sales": rng.normal(size=n) + 2 * y,
            "age in years": [None if i % 11 == 0 else float(v) for i, v in enumerate(rng.normal(50, 9, n))],
            "kind": [
                ["a", "b", "", "d", "e", "rare"][i] or None
                for i in np.where(rng.random(n) < 0.02, 5, rng.integers(0, 5, n))
            ],
            "smoker": rng.random(n) < 0.3,
            "ill": np.where(y, "yes", "no"),
        }
    )


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.fit("mlp", frame(), "ill", strategy="resampling_ensemble", epochs=2, verbose=0)


PLAIN = """
import json, sys, numpy as np, tensorflow as tf
folder, rows = sys.argv[1], json.loads(sys.argv[2])
serve = tf.saved_model.load(folder).signatures["serve"]
schema = json.load(open(folder + "/schema.json"))
given = {n: tf.constant(rows[i["column"]], getattr(tf, i["dtype"])) for n, i in schema["inputs"].items()}
output = serve(**given)
assert "counterpoise" not in sys.modules
print(json.dumps([output["probability"].numpy().tolist(), [t.decode() for t in output["label"].numpy()]]))
"""


@pytest.mark.processes
def test_a_saved_model_needs_nothing_but_tensorflow(clf, tmp_path):
    rows = frame(6, seed=1)
    folder = clf.export(tmp_path / "served")
    plain = {
        "Net.Sales": rows["Net.Sales"].to_list(),
        "age in years": [float("nan") if v is None else v for v in rows["age in years"]],
        "kind": [v or "" for v in rows["kind"]],
        "smoker": ["true" if v else "0" for v in rows["smoker"]],
    }
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(folder), json.dumps(plain)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    proba, labels = json.loads(done.stdout.splitlines()[-1])
    assert np.allclose(proba, clf.predict_proba(rows), atol=1e-5)
    assert labels == clf.predict(rows).tolist()


def test_a_signature_takes_vectors_and_columns(clf, tmp_path):
    tf = pytest.importorskip("tensorflow")
    serve = tf.saved_model.load(str(clf.export(tmp_path / "served"))).signatures["serve"]
    columns = {"net_sales": [1.0, 2.0], "age_in_years": [30.0, 40.0], "kind": ["a", "b"], "smoker": ["True", "False"]}
    flat = serve(**{k: tf.constant(v) for k, v in columns.items()})
    tall = serve(**{k: tf.constant([[item] for item in v]) for k, v in columns.items()})
    assert np.array_equal(flat["probability"], tall["probability"])
    assert set(flat) == {"probability", "decision", "label"}


def test_onnx_runs_with_ids_as_the_schema_says(clf, tmp_path):
    ort = pytest.importorskip("onnxruntime")
    file = clf.export(tmp_path, format="onnx")
    assert file == tmp_path / "model.onnx"
    schema = json.loads((tmp_path / "schema.json").read_text())
    rows = frame(9, seed=2)
    numbers = [rows[c].fill_null(float("nan")).to_list() for c in schema["inputs"]["numeric"]["columns"]]
    ids = []
    for c in schema["inputs"]["categorical"]["columns"]:
        known = {text: index + 1 for index, text in enumerate(c["levels"])} | {None: c["missing"]}
        ids.append([known.get(None if v is None else str(v), c["unseen"]) for v in rows[c["column"]].to_list()])
    given = {"numeric": np.array(numbers, "float32").T, "categorical": np.array(ids, "int32").T}
    session = ort.InferenceSession(str(file))
    proba, decision = session.run(["probability", "decision"], given)
    assert np.allclose(proba, clf.predict_proba(rows), atol=1e-5)
    assert [schema["classes"][d] for d in decision] == clf.predict(rows).tolist()
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["no", "yes"]


def test_litert_runs_one_row(clf, tmp_path):
    lite = pytest.importorskip("ai_edge_litert.interpreter")
    file = clf.export(tmp_path / "m.tflite", format="litert")
    run = lite.Interpreter(model_path=str(file)).get_signature_runner()
    for row in range(5):
        one = frame(20, seed=3)[row]
        output = run(**encode_rows(clf.schema, one))
        assert np.allclose(output["probability"], clf.predict_proba(one), atol=1e-5)


def spelled(rows):
    """Rows of `frame` as the probe spells them: numbers, and texts or None."""
    out = {name: rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in rows.columns[:2]}
    out["kind"] = np.array(rows["kind"].to_list(), dtype=object)
    return out | {"smoker": np.array([str(v) for v in rows["smoker"]], dtype=object)}


@pytest.mark.parametrize(
    ("format", "aim"),
    [*((format, {"recall_floor": 0.7, "confidence": 0.8}) for format in FORMATS), ("litert", {"f1": True})],
)
def test_a_row_on_the_threshold_is_decided_as_the_classifier_does(clf, tmp_path, format, aim):
    writer, ending = write_module.__globals__["WRITERS"][format]
    rows, sure = frame(), clf.decide(**aim)
    run = writer(sure, tmp_path / f"m{ending}")
    given = spelled(rows) if format == "saved_model" else encode_rows(clf.schema, rows)
    wanted = sure.predict(rows)
    assert np.array_equal(sure.classes_[np.asarray(run(given)["decision"])], wanted)
    proba = sure.predict_proba(rows)[:, 1]
    lowest = int(np.argmin(np.where(wanted == "yes", proba, 2.0)))
    if "recall_floor" in aim:
        assert 0 < proba[lowest] - sure.rule.threshold < 1e-4
    assert run({k: v[[lowest]] for k, v in given.items()})["decision"].tolist() == [1]


def test_a_network_that_reads_text_is_served_with_its_words(tmp_path):
    tf = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    words = np.array(["free", "prize", "lunch", "home", "late", "please"])
    y = rng.random(300) < 0.3
    x = np.array([" ".join(rng.choice(words[:4] if hit else words[2:], 5)) for hit in y])

    def build(spec, n_classes):
        inputs = keras.Input((), dtype="string")
        read = keras.layers.TextVectorization(max_tokens=30, output_mode="multi_hot")
        read.adapt(x)
        return keras.Model(inputs, keras.layers.Dense(1)(read(inputs)))

    clf = cp.fit(build, x, y, strategy="class_weight", epochs=2, verbose=0)
    folder = clf.export(tmp_path / "served")
    schema = json.loads((folder / "schema.json").read_text())
    ((name, column),) = schema["inputs"].items()
    assert column["dtype"] == "string"
    output = tf.saved_model.load(str(folder)).signatures["serve"](**{name: tf.constant(x[:20])})
    assert np.allclose(output["probability"], clf.predict_proba(x[:20]), atol=1e-5)
    assert output["label"].numpy().tolist() == clf.predict(x[:20]).tolist()


def test_a_text_model_is_refused_in_one_line_where_a_format_has_no_text(tmp_path, capfd):
    x = np.array(["win a prize", "see you at home", "free prize now", "lunch is late"] * 20)
    clf = cp.fit("text", x, np.arange(80) % 2, epochs=1, verbose=0)
    capfd.readouterr()
    for format in ("litert", "onnx"):
        with pytest.raises(ModelError, match=r"reads text .*--format saved_model"):
            clf.export(tmp_path / format, format=format)
    assert capfd.readouterr().err == ""
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_operations_that_a_format_lacks_are_named_in_one_line(tmp_path, capfd, format):
    def build(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, keras.layers.Dense(1)(keras.ops.erfinv(keras.ops.tanh(inputs))))

    x = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
    clf = cp.fit(build, x, np.arange(60) % 2, epochs=1, verbose=0)
    capfd.readouterr()
    with pytest.raises(ModelError, match=f"operations that {format} lacks: Erfinv") as caught:
        clf.export(tmp_path, format=format)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_columns_with_names_that_signatures_refuse(tmp_path):
    tf = pytest.importorskip("tensorflow")
    names = ["class", "self", "rule", "members", "is", "2nd", "größe", "a b", "a_b", "l" * 300]
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({name: rng.normal(size=60) for name in names[2:]})
    rows = rows.with_columns(pl.Series(n, rng.choice(["u", "v"], 60)) for n in names[:2])
    clf = cp.fit("mlp", rows, np.arange(60) % 2, epochs=1, verbose=0)
    clf = cp.load(clf.save(tmp_path / "m.keras"))
    folder = clf.export(tmp_path / "served")
    inputs = json.loads((folder / "schema.json").read_text())["inputs"]
    assert sorted(i["column"] for i in inputs.values()) == sorted(names)
    assert inputs["a_b"]["column"] == "a_b"
    assert inputs["c_class"]["column"] == "class"
    given = {name: tf.constant(rows[i["column"]].to_list(), i["dtype"]) for name, i in inputs.items()}
    output = tf.saved_model.load(str(folder)).signatures["serve"](**given)
    assert np.allclose(output["probability"], clf.predict_proba(rows), atol=1e-5)


OWN = {
    "one": (lambda: keras.Input((3,), name="pixels"), ["pixels"]),
    "none": (lambda: keras.Input((3,)), ["x"]),
    "two": (lambda: [keras.Input((3,), name="left"), keras.Input((3,), name="class")], ["left", "c_class"]),
    "an output's": (lambda: keras.Input((3,), name="decision"), ["decision_input"]),
    "ours": (lambda: keras.Input((3,), name="rule"), ["x"]),
}


@pytest.mark.parametrize(
    ("format", "case"), [*(("saved_model", case) for case in OWN), ("onnx", "one"), ("onnx", "two")]
)
def test_inputs_keep_the_names_of_the_model(tmp_path, case, format):
    make, wanted = OWN[case]
    inputs = make()
    joined = keras.layers.Concatenate()(inputs) if isinstance(inputs, list) else inputs
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(joined))
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    clf = cp.fit(model, (x, x) if len(wanted) == 2 else x, np.arange(40) % 2, epochs=1, verbose=0)
    clf.save(tmp_path / "m.keras")
    written = clf.export(tmp_path / "out", format=format)
    schema = json.loads(((written if written.is_dir() else written.parent) / "schema.json").read_text())
    assert list(schema["inputs"]) == wanted
    if format == "onnx":
        ort = pytest.importorskip("onnxruntime")
        assert [given.name for given in ort.InferenceSession(str(written)).get_inputs()] == wanted


@pytest.mark.parametrize("name", ["a/b", "", "rule", "members"])
def test_inputs_with_names_that_keras_or_we_refuse(name):
    def build(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()(list(inputs.values()))))

    x = np.zeros((20, 2), "float32")
    with pytest.raises(DataError, match="Rename the key"):
        cp.fit(build, {name: x, "more": x}, np.arange(20) % 2, verbose=0)


RULES = {
    "isotonic and log": {
        "calibrator": {"kind": "isotonic", "x": [[-3.0, -1.0, 0.5]], "y": [[-4.0, -2.0, 1.0]]}, "vote": "log",
    },
    "platt": {"calibrator": {"kind": "platt", "slopes": [0.5, 0.5], "intercepts": [0.1, -0.1], "after": [0.0, -1.0]}},
    "hard": {"vote": "hard", "member_thresholds": np.array([0.2, 0.3, 0.4])},
}  # fmt: skip


@pytest.mark.parametrize("change", RULES)
@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_every_kind_of_rule_ships(clf, tmp_path, change, format):
    clf.with_rule(replace(clf.rule, **RULES[change])).export(tmp_path, format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_several_classes_and_several_arrays(tmp_path, format):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 200)
    x = {
        "picture": rng.normal(size=(200, 6, 6, 1)).astype("float32"),
        "more": rng.normal(size=(200, 3)).astype("float32"),
    }

    def build(spec, n_classes):
        inputs = spec.inputs()
        seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(inputs["picture"]))
        h = keras.layers.BatchNormalization()(keras.layers.Concatenate()([seen, inputs["more"]]))
        return keras.Model(inputs, keras.layers.Dense(n_classes)(h))

    clf = cp.fit(build, x, y, strategy="class_weight", epochs=1, verbose=0)
    written = clf.export(tmp_path / "out", format=format)
    schema = json.loads(((written if written.is_dir() else written.parent) / "schema.json").read_text())
    assert schema["inputs"]["picture"]["shape"] == ["rows", 6, 6, 1]


@pytest.mark.parametrize("format", FORMATS)
def test_means_of_an_adapted_layer_ship(tmp_path, format):
    """They are tensors that the layer holds, and neither weights nor inputs."""
    rng = np.random.default_rng(0)
    x, y = (50 + 9 * rng.normal(size=(100, 3))).astype("float32"), np.arange(100) % 4 == 0
    norm = keras.layers.Normalization()
    norm.adapt(x)
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1, "sigmoid")])
    clf = cp.fit(model, x, y, epochs=1, verbose=0)
    file = clf.export(tmp_path / "out", format=format)
    if format == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(str(file))
        assert [given.name for given in session.get_inputs()] == ["x"]
        outputs = session.run(["probability"], {"x": x})[0]
        assert outputs == pytest.approx(clf.predict_proba(x), abs=1e-5)


def test_an_export_that_says_something_else_is_refused_and_leaves_nothing(clf, tmp_path, monkeypatch):
    def lies(clf, draft):
        draft.mkdir()
        return lambda rows: {"probability": np.full((len(rows["smoker"]), 2), 0.5), "decision": [0]}

    monkeypatch.setitem(write_module.__globals__["WRITERS"], "saved_model", (lies, ""))
    with pytest.raises(ArtifactError, match="a probability differs"):
        clf.export(tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits", [8, 32])
def test_exports_of_images_are_compared_from_black_to_white(tmp_path, bits):
    rng, low, kind = np.random.default_rng(0), {8: 0, 32: -1000}[bits], {8: np.uint8, 32: np.int32}[bits]
    for number in range(24):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray((low + rng.integers(0, 256, (4, 4))).astype(kind)).save(folder / f"{number}.tif")
    pixels, _ = probe_rows(cp.fit(of_pictures, cp.images(tmp_path, 4), epochs=1, verbose=0))
    assert (pixels.min(), pixels.max()) == pytest.approx((low, low + 255), abs=8)


def test_a_wrong_decision_or_label_is_seen(clf):
    raw, _ = probe_rows(clf)
    true = {"probability": clf.predict_proba(raw), "decision": (clf.predict(raw) == "yes").astype(int)}

    def difference(**changes):
        return describe_difference(clf, raw, lambda rows: {**true, **changes}, slice(None), None, 1e-5)

    assert difference() == ""
    assert "decided differently" in difference(decision=1 - true["decision"])
    assert "labels" in difference(label=np.array(["no"] * len(true["decision"])))


def test_missing_packages_are_named(clf, tmp_path, monkeypatch):
    for name in ("tf2onnx", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"counterpoise\[onnx\]"):
        clf.export(tmp_path, format="onnx")
    with pytest.raises(MissingExtraError, match=r"counterpoise\[litert\]"):
        clf.export(tmp_path, format="litert")


def test_refusals(clf, tmp_path):
    with pytest.raises(OptionError, match="Did you mean 'litert'"):
        clf.export(tmp_path, format="liter")
    with pytest.raises(OptionError, match="does not end in"):
        clf.export(tmp_path / "m.bin", format="onnx")
    for ending, name in ((".onnx", "onnx"), (".tflite", "litert"), (".ONNX", "onnx")):
        with pytest.raises(OptionError, match=rf"ends in {ending}, but a SavedModel is a folder. .*format='{name}'"):
            clf.export(tmp_path / f"m{ending}")
    (tmp_path / "own.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="contains other files"):
        clf.export(tmp_path)
    (tmp_path / "schema.json").write_text("{}")
    with pytest.raises(ArtifactError, match="was not written by Counterpoise"):
        clf.export(tmp_path, format="onnx")


@pytest.mark.parametrize("offset", [1.7e9, 1.7e12, 4e15, -1.7e9, 19_723.0, 123_456.789, 2.0**31])
def test_litert_subtracts_offsets_as_float64_does(offset):
    tf = pytest.importorskip("tensorflow")
    from counterpoise.export.litert import centered

    rng = np.random.default_rng(0)
    near = offset * (1 + rng.choice([-1, 1], 3_000) * 10.0 ** rng.uniform(-12, -0.4, 3_000))
    x = np.concatenate([near, [offset, 0.0, -offset, np.nan]])
    want = (x - offset).astype(np.float32)
    got = np.asarray(centered(tf.constant(np.stack([x, x], axis=1)), np.array([offset, 0.0])))
    assert np.array_equal(got[:, 0], want, equal_nan=True)
    assert np.array_equal(got[:, 1], x.astype(np.float32), equal_nan=True)


def stamped(seed):
    """Rows whose label lies in the hour; seconds and account numbers are too large for float32."""
    rng = np.random.default_rng(seed)
    seconds = rng.integers(0, 100 * 86_400, 300)
    y = seconds // 3600 % 24 >= 18
    when = np.datetime64("2024-01-01", "us") + seconds.astype("m8[s]")
    return pl.DataFrame({"when": when, "sec": 1.7e9 + seconds % 600, "acct": 4 * 10**15 + seconds % 400, "late": y})


@pytest.fixture(scope="module", name="dated")
def _dated():
    return cp.fit("mlp", stamped(0), "late", epochs=3, verbose=0)


@pytest.mark.parametrize("format", FORMATS)
def test_numbers_beyond_float32_go_into_an_export_as_they_are(dated, tmp_path, format):
    rows = stamped(1)
    want = dated.predict_proba(rows)
    days = rows["when"].dt.epoch("us").to_numpy() / 86_400e6
    raw = {"when": days, "sec": rows["sec"].to_numpy(), "acct": rows["acct"].to_numpy().astype(float)}
    file = dated.export(tmp_path / "out", format=format)
    inputs = json.loads((tmp_path / "out" / "schema.json").read_text())["inputs"]
    if format == "saved_model":
        tf = pytest.importorskip("tensorflow")
        given = {name: tf.constant(raw[i["column"]], i["dtype"]) for name, i in inputs.items()}
        got = tf.saved_model.load(str(file)).signatures["serve"](**given)["probability"].numpy()
        assert inputs["when"]["unit"] == "days since 1970-01-01 00:00 UTC"
    else:
        numbers = np.stack([raw[c] for c in inputs["numeric"]["columns"]], axis=1).astype(inputs["numeric"]["dtype"])
        assert inputs["numeric"]["units"] == {"when": "days since 1970-01-01 00:00 UTC"}
        if format == "onnx":
            session = pytest.importorskip("onnxruntime").InferenceSession(str(file))
            got = session.run(["probability"], {"numeric": numbers})[0]
        else:
            lite = pytest.importorskip("ai_edge_litert.interpreter")
            got = lite.Interpreter(model_path=str(file)).get_signature_runner()(numeric=numbers)["probability"]
    assert np.abs(got - want).max() < 1e-5


@pytest.mark.parametrize("format", FORMATS)
def test_a_cost_column_ships_next_to_numbers_beyond_float32(format, tmp_path):
    """`export` runs the file, and compares decisions. LiteRT cannot slice float64, which such numbers are."""
    rng = np.random.default_rng(0)
    rows = stamped(0).with_columns(amount=pl.Series(np.exp(rng.normal(3, 1, 300))))
    clf = cp.fit(cp.trees("forest", n_estimators=3), rows, "late", verbose=0).decide(cost_column="amount", cost_fp=9.0)
    assert clf.export(tmp_path / "out", format=format).exists()


def test_made_up_rows_reach_the_leaves_of_trees():
    """Without an encoder, numbers lie near the thresholds; rows of one leaf would compare next to nothing."""
    y = np.arange(300) % 4 == 0
    x = np.random.default_rng(0).normal(5_000.0, 1.0, (300, 1)) + 2 * y[:, None]
    x[::5] = np.nan  # such trees also have tests only for missing values
    clf = cp.fit(cp.trees("forest", n_estimators=9), pl.DataFrame({"u": x[:, 0]}), y, verbose=0)
    raw, _ = probe_rows(clf)
    assert 4_980 < np.nanmean(raw["u"]) < 5_020
    assert len(np.unique(clf.predict_proba(raw))) > 10  # at 0 all rows would be in one leaf of each tree

"""Columns that a model is given beside the image: learned from training rows, alike in files, exports and heat maps."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core.errors import ColumnError, DataError, OptionError
from counterpoise.data.image_rows import image_examples, warn_of_shared_images
from counterpoise.data.images import images

SIDE, N = 8, 90


@pytest.fixture(scope="module", name="table")
def _table(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("scans"), np.random.default_rng(0)
    for i in range(N):
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)).save(root / f"{i:03}.png")
    sex = rng.choice(["f", "m"], N)
    frame = pl.DataFrame(
        {"scan": [f"{i:03}" for i in range(N)], "sex": sex, "age": rng.normal(60, 9, N), "dx": (sex == "m").astype(int),
         "use": ["train"] * 60 + ["test"] * 30}
    ).with_columns(pl.when(pl.int_range(N) == 4).then(None).otherwise(pl.col("age")).alias("age"))  # fmt: skip
    return frame, root


def scans(table, **how):
    frame, root = table
    return images(how.pop("frame", frame), SIDE, images="scan", root=root, **{"features": ["age", "sex"], **how})


def test_rows_are_pixels_and_columns(table):
    examples = image_examples(scans(table, target="dx"))
    assert list(examples.x) == ["image", "numeric", "categorical"]
    assert examples.x["image"].shape == (N, SIDE, SIDE, 1)
    assert np.isnan(examples.x["numeric"][4, 0])
    assert [column.name for column in examples.schema.columns] == ["age", "sex"]


def test_kinds_and_levels_are_those_of_the_training_rows(table):
    frame, _ = table
    odd = frame.with_columns(pl.when(pl.int_range(N) == 89).then(pl.lit("x")).otherwise(pl.col("sex")).alias("sex"))
    examples = image_examples(scans(table, frame=odd, target="dx", split="use"))
    assert sorted(examples.schema.categorical[0].levels) == ["f", "m"]
    assert examples.x["categorical"][89, 0] == 3, "unseen"


def test_a_network_uses_them_and_its_file_exports_and_heat_maps_have_them(table, tmp_path):
    given = scans(table, target="dx")
    import keras

    fast = keras.optimizers.Adam(0.005)
    clf = cp.fit("auto", given, epochs=20, batch_size=16, optimizer=fast, seed=1, verbose=0)
    proba = clf.predict_proba(given)[:, 1]
    men = (given.y == 1) == (clf.classes_[1] == 1)
    assert proba[men].mean() > proba[~men].mean() + 0.3, "pixels are noise, the columns are not"
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert again.predict_proba(scans(table))[:, 1] == pytest.approx(proba, abs=1e-6)
    frame, _ = table
    raw = {"image": given.load(), "age": frame["age"], "sex": frame["sex"]}
    assert clf.predict_proba(raw)[:, 1] == pytest.approx(proba, abs=1e-6)
    assert clf.explain(given).shape == (N, SIDE, SIDE)
    clf.export(tmp_path / "serve")
    import tensorflow as tf

    served = tf.saved_model.load(str(tmp_path / "serve")).signatures["serve"](
        image=tf.constant(raw["image"], tf.float32), sex=tf.constant(frame["sex"].to_list()),
        age=tf.constant(frame["age"].fill_null(float("nan")).to_numpy(), tf.float32),
    )  # fmt: skip
    assert served["probability"].numpy()[:, 1] == pytest.approx(proba, abs=1e-5)


def test_validation_images_are_encoded_as_the_training_images(table):
    frame, _ = table
    train, rest = (scans(table, frame=part, target="dx") for part in (frame[:60], frame[60:]))
    clf = cp.fit(of_pictures, train, validation=rest, epochs=2, verbose=0)
    assert clf.card["split"] == {"training": 60, "validation": 30, "test": 0}


def test_weights_of_validation_images_count(table):
    frame, own = table[0], np.arange(N) % 4 + 0.5
    parts = [scans(table, frame=part, target="dx") for part in (frame[:60], frame[60:])]
    weighted = scans(table, frame=frame.with_columns(w=pl.Series(own))[60:], target="dx", sample_weight="w")
    clf, plain = (cp.fit(of_pictures, parts[0], validation=rest, epochs=1, verbose=0) for rest in (weighted, parts[1]))
    assert clf.scores["weight"] == pytest.approx(own[60:] * clf.scores["weight"][0] / own[60])
    assert "weight" not in plain.scores or np.ptp(plain.scores["weight"]) == 0


def test_what_does_not_fit_is_named(table):
    frame, _ = table
    clf = cp.fit(of_pictures, scans(table, target="dx"), epochs=1, verbose=0)
    with pytest.raises(DataError, match="columns age, sex for each image"):
        clf.predict(scans(table, features=()))
    with pytest.raises(DataError, match=r"x is ndarray\. Expected images with columns"):
        clf.predict(np.zeros((3, SIDE, SIDE, 1)))
    plain = cp.fit(of_pictures, scans(table, target="dx", features=()), epochs=1, verbose=0)
    with pytest.raises(DataError, match="was trained on images without features"):
        plain.predict(scans(table))
    with pytest.raises(ColumnError, match="'height' is not a column"):
        scans(table, features=["height"])
    with pytest.raises(ColumnError, match="No column of features= can be used"):
        image_examples(scans(table, frame=frame.with_columns(one=pl.lit(1)), target="dx", features=["one"]))
    twice = pl.concat([frame, frame[:1].with_columns(age=pl.lit(3.0))])
    with pytest.raises(ColumnError, match="two values in column 'age'"):
        scans(table, frame=twice, target="dx")


def test_pixels_on_another_scale_than_in_training_are_reported(table):
    given, plain = scans(table, target="dx"), scans(table, target="dx", features=())
    x, frame = plain.load(), table[0]
    clf, with_columns = (cp.fit(of_pictures, rows, epochs=1, verbose=0) for rows in (plain, given))
    on_arrays = cp.fit(of_pictures, (x / 255).astype(np.float32), plain.y, epochs=1, verbose=0)
    for wrong in (x / 255, x / 127.5 - 1, (x * 257.0)):
        with pytest.warns(UserWarning, match="pixels on another scale"):
            clf.predict_proba(wrong)
    with pytest.warns(UserWarning, match="pixels on another scale"):
        with_columns.predict({"image": x / 255, "age": frame["age"], "sex": frame["sex"]})
    with pytest.warns(UserWarning, match=r"trained on arrays.*0 to 255"):
        on_arrays.predict(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for right in (x, x.astype(np.float32), np.zeros_like(x, np.float32), plain):
            clf.predict(right)


def test_validation_pixels_on_another_scale_than_in_training_are_reported(table):
    plain = scans(table, target="dx", features=())
    pixels = plain.load().astype(np.float32)
    deep = replace(plain, deep=True)  # pixels of 16-bit files are float32 from 0 to 255
    with pytest.warns(UserWarning, match="pixels on another scale"):
        cp.fit(of_pictures, deep, validation=(pixels / 255, plain.y), epochs=1, verbose=0)
    with pytest.warns(UserWarning, match=r"trained on arrays.*0 to 255"):
        cp.fit(of_pictures, pixels / 255, plain.y, validation=plain, epochs=1, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for right in ((pixels, plain.y), plain.at(np.arange(60, N))):
            cp.fit(of_pictures, deep.at(np.arange(60)), validation=right, epochs=1, verbose=0)


@pytest.mark.parametrize(
    ("rows", "groups", "words"),
    [
        ((slice(0, 12), slice(12, 20)), "patient", None),
        ((slice(0, 12), slice(8, 20)), None, r"have 4 files in common.*Pass other images as"),
        ((slice(0, 12, 2), slice(1, 12, 2)), "patient", r"have \d+ groups? in common.*Pass images of other groups"),
    ],
    ids=["different", "files", "patients"],
)
def test_patients_and_files_in_training_and_validation_are_reported(table, rows, groups, words):
    frame = table[0].with_columns(patient=pl.Series([f"p{i // 2}" for i in range(len(table[0]))]))
    parts = [scans(table, frame=frame, target="dx", features=(), groups=groups).at(np.arange(24)[r]) for r in rows]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_shared_images(*parts)
    texts = [str(one.message) for one in caught]
    assert len(texts) == (words is not None)
    assert not texts or re.search(words, texts[0])


def test_images_are_pooled_as_in_training(table):
    frame, _ = table
    pairs = frame.with_columns(eye=pl.int_range(N) // 2, dx=(pl.int_range(N) // 4) % 2)
    clf = cp.fit(of_pictures, scans(table, frame=pairs, features=(), target="dx", unit="eye"), epochs=1, verbose=0)
    other = scans(table, frame=pairs, features=(), target="dx", unit="eye", aggregate="max")
    for use in (clf.predict_units, lambda rows: cp.evaluate(clf, rows, resamples=2)):
        with pytest.raises(OptionError, match="aggregate= is 'max', but the model was trained with 'mean'"):
            use(other)


def test_a_model_of_your_own_gets_both_by_name(table):
    import keras

    def model(spec, n_classes):
        inputs = spec.inputs()
        assert spec.shape["image"] == (SIDE, SIDE, 1)
        flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs["image"]))
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([flat, inputs["columns"]])))

    clf = cp.fit(model, scans(table, target="dx"), epochs=2, verbose=0)
    assert clf.predict_proba(scans(table)).shape == (N, 2)


def test_a_comparison_diagnoses_and_shows_them(table):
    cmp = cp.compare(of_pictures, scans(table, target="dx"), strategies="oversample", folds=2, epochs=1, verbose=0)
    assert any(kind["shown"] and kind["shown"][0]["heat"] for kind in cmp.pictures)
    assert cmp.record["data"]["columns"] == 2

"""One file: what is saved is what is loaded, in this process and in another; no pickle; clear refusals."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys
import zipfile

import keras
import numpy as np
import polars as pl
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise.core.errors import ArtifactError, ColumnError, DataError, OptionError
from counterpoise.data.columns import safe_names
from counterpoise.decide.rule import fit_rule
from counterpoise.targets.thresholds import choose


def frame(n=300, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.random(n) < 0.2
    return pl.DataFrame(
        {
            "age": [None if i % 13 == 0 else float(v) for i, v in enumerate(rng.normal(50, 9, n) + 12 * y)],
            "Net.Sales": rng.lognormal(2, 1, n),
            "sex": [None if i % 17 == 0 else "mf"[int(v)] for i, v in enumerate(rng.random(n) < 0.5)],
            "smoker": [bool(v) for v in rng.random(n) < 0.3],
            "ill": ["yes" if v else "no" for v in y],
        }
    )


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.fit("mlp", frame(), "ill", strategy="resampling_ensemble", epochs=3, verbose=0)


def test_load_gives_identical_predictions(clf, tmp_path):
    again = cp.load(clf.save(tmp_path / "m.keras"))
    fresh = frame(seed=1)
    assert np.array_equal(again.predict_proba(fresh), clf.predict_proba(fresh))
    assert np.array_equal(again.predict(fresh), clf.predict(fresh))
    assert again.classes_.tolist() == ["no", "yes"]
    assert again.card == clf.card
    assert again.rule.notes == clf.rule.notes


@pytest.mark.processes
def test_a_fresh_process_says_the_same(clf, tmp_path):
    clf.save(tmp_path / "m.keras")
    frame(seed=1).write_parquet(tmp_path / "new.parquet")
    code = (
        "import sys, numpy as np, counterpoise as cp; "
        "np.save(sys.argv[3], cp.load(sys.argv[1]).predict_proba(sys.argv[2]))"
    )
    arguments = [tmp_path / "m.keras", tmp_path / "new.parquet", tmp_path / "p.npy"]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True)
    assert np.allclose(np.load(tmp_path / "p.npy"), clf.predict_proba(frame(seed=1)), atol=1e-6)


def test_the_file_takes_raw_columns_and_holds_no_pickle(clf, tmp_path):
    path = clf.save(tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        assert {"counterpoise.json", "counterpoise.npz", "config.json"} <= set(archive.namelist())
        assert not any(name.endswith((".pkl", ".pickle")) for name in archive.namelist())
    model = keras.models.load_model(path, safe_mode=True)
    import tensorflow as tf

    rows = frame(seed=1)
    names = safe_names(["age", "Net.Sales", "sex", "smoker"])
    raw = {
        names["age"]: tf.constant(rows["age"].fill_null(float("nan")).to_numpy()[:, None], tf.float32),
        names["Net.Sales"]: tf.constant(rows["Net.Sales"].to_numpy()[:, None], tf.float32),
        names["sex"]: tf.constant([[v or ""] for v in rows["sex"]]),
        names["smoker"]: tf.constant([[str(v)] for v in rows["smoker"]]),
    }
    out = model(raw)
    assert np.allclose(out["probability"], clf.predict_proba(rows), atol=1e-5)
    assert np.mean(clf.classes_[np.asarray(out["decision"])] == clf.predict(rows)) > 0.995


def test_pickling_goes_through_the_file(clf):
    again = pickle.loads(pickle.dumps(clf))
    assert np.array_equal(again.predict_proba(frame(seed=2)), clf.predict_proba(frame(seed=2)))


def test_predict_frame(clf):
    output = clf.predict_frame(frame(seed=1))
    assert output.columns == ["probability", "decision"]
    assert output["probability"].to_numpy() == pytest.approx(clf.predict_proba(frame(seed=1))[:, 1])
    assert set(output["decision"]) <= {"no", "yes"}


def test_a_new_prior_moves_probabilities_by_the_formula(clf):
    rows = frame(seed=1)
    p, moved = clf.predict_proba(rows)[:, 1], clf.predict_proba(rows, prior=0.01)[:, 1]
    old = clf.rule.prior[1]
    odds = p / (1 - p) * (0.01 / 0.99) / (old / (1 - old))
    assert moved == pytest.approx(odds / (1 + odds), rel=1e-6)
    assert np.array_equal(clf.predict_proba(rows, prior=0.01), clf.predict_proba(rows, prior=[0.99, 0.01]))


def test_deciding_again_trains_nothing(clf):
    floor = clf.decide(recall_floor=0.95)
    assert floor.members is clf.members
    y, log_p = clf.scores["y"], np.log(np.exp(clf.scores["log_p"]).mean(axis=0))
    assert (np.exp(log_p)[y == 1, 1] >= floor.rule.threshold - 0.05).mean() > 0.8
    assert clf.decide(threshold=0.2).rule.threshold == 0.2
    assert clf.decide(cost=(1, 9)).rule.threshold == pytest.approx(0.1)
    with pytest.raises(OptionError, match="exactly one aim"):
        clf.decide()
    with pytest.raises(OptionError, match="no aim 'recal_floor'"):
        clf.decide(recal_floor=0.9)


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ({"threshold": 1.2}, r"threshold is 1\.2\. Expected a probability"),
        ({"threshold": True}, "threshold is True. Expected a probability"),
        ({"threshold": "0.2"}, "threshold is '0.2'. Expected a probability"),
        ({"threshold": 0.2, "confidence": 0.95}, "confidence= cannot be combined with threshold="),
        ({"given": True}, r"decide\(threshold=0\.2\)"),
    ],
)
def test_a_threshold_by_hand_is_checked(clf, aim, message):
    with pytest.raises(OptionError, match=message):
        clf.decide(**aim)


def test_a_threshold_by_hand_is_that_of_every_vote():
    y = np.arange(40) % 2
    z = [2.0 * y - 1.0, 0.5 * y]
    rule = fit_rule([v[:, None] for v in z], y, [np.zeros(2)] * 2, vote="hard")
    voting = choose(rule, {}, {"threshold": 0.3}, None, [0, 1])
    assert voting.threshold == 0.3
    assert voting.member_thresholds.tolist() == [0.3, 0.3]
    three = fit_rule([np.eye(3)[[0, 1, 2, 0, 1, 2]]], np.array([0, 1, 2, 0, 1, 2]), [np.zeros(3)])
    with pytest.raises(OptionError, match="there are 3"):
        choose(three, {}, {"threshold": 0.3}, None, [0, 1, 2])


@pytest.mark.parametrize("labels", [[0, 1], ["a", "b"], [False, True], [3, 7, 9]])
def test_labels_keep_their_type(labels, tmp_path):
    rng = np.random.default_rng(0)
    code = rng.integers(0, len(labels), 120)
    x = rng.normal(size=(120, 2)) + code[:, None]
    y = np.array(labels)[code]
    clf = cp.fit("mlp", x, y, strategy="oversample", epochs=1, verbose=0)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert again.classes_.dtype == np.array(labels).dtype
    assert set(again.predict(x)) <= set(labels)
    if len(labels) == 3:
        assert again.predict_frame(x).columns == ["probability_3", "probability_7", "probability_9", "decision"]


@pytest.mark.parametrize("vote", ["soft", "log", "hard", "weighted"])
def test_every_vote_is_one_keras_model(vote):
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(int)
    x = (rng.normal(size=(200, 2)) + y[:, None]).astype("float32")
    clf = cp.fit("mlp", x, y, strategy=cp.ensemble(["none", "oversample"], vote=vote), epochs=2, verbose=0)
    names = safe_names(["x0", "x1"])
    out = clf.keras_model()({names["x0"]: x[:, :1], names["x1"]: x[:, 1:]})
    assert np.allclose(out["probability"], clf.predict_proba(x), atol=1e-5)
    assert np.mean(clf.classes_[np.asarray(out["decision"])] == clf.predict(x)) > 0.98


def test_images_need_no_schema(tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random(80) < 0.3).astype(int)
    x = (rng.random((80, 6, 6, 1)) + y[:, None, None, None]).astype("float32")
    model = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    clf = cp.fit(model, x, y, strategy="class_weight", epochs=2, verbose=0)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict_proba(x), clf.predict_proba(x))
    assert np.allclose(again.keras_model()(x)["probability"], clf.predict_proba(x), atol=1e-5)


def test_files_that_are_not_ours(clf, tmp_path):
    with pytest.raises(ArtifactError, match="there is no file"):
        cp.load(tmp_path / "absent.keras")
    (tmp_path / "text.keras").write_text("no archive")
    with pytest.raises(ArtifactError, match=r"damaged or not a \.keras file"):
        cp.load(tmp_path / "text.keras")
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    plain.save(tmp_path / "plain.keras")
    with pytest.raises(ArtifactError, match="was not saved by Counterpoise"):
        cp.load(tmp_path / "plain.keras")
    whole = clf.save(tmp_path / "m.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        cp.load(tmp_path / "half.keras")


def test_saving_is_whole_or_not_at_all(clf, tmp_path):
    with pytest.raises(ArtifactError, match=r"does not end in .keras"):
        clf.save(tmp_path / "model.h5")
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="file' is a file"):
        clf.save(tmp_path / "file" / "m.keras")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_clock_before_1980_is_one_line(clf, tmp_path, monkeypatch):
    def early(*_, **__):
        raise ValueError("ZIP does not support timestamps before 1980")

    monkeypatch.setattr("keras.Model.save", early)
    with pytest.raises(ArtifactError, match="clock of this machine is before 1980"):
        clf.save(tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_be_bytes_and_must_be_one(clf, tmp_path):
    clf.save(os.fsencode(tmp_path / "m.keras"))
    assert cp.load(os.fsencode(tmp_path / "m.keras")).classes_.tolist() == clf.classes_.tolist()
    for name in (None, 3, "", "a\0.keras", ["m.keras"], "a" * 300):
        for use in (clf.save, clf.export, cp.load):
            with pytest.raises(OptionError, match="path is"):
                use(name)


def test_rows_that_do_not_fit(clf):
    with pytest.raises(ColumnError, match=r"lacks the column 'age'"):
        clf.predict_proba(frame().drop("age"))
    with pytest.raises(ColumnError, match="age"):
        clf.predict_proba(frame().with_columns(age=pl.lit("old")))
    assert len(clf.predict_proba(frame().drop("ill"))) == 300
    assert "members=3" in repr(clf)


def test_no_byte_of_a_file_can_be_flipped_into_a_foreign_error(clf, tmp_path):
    whole = clf.save(tmp_path / "m.keras").read_bytes()
    for offset in range(0, len(whole), len(whole) // 12):
        damaged = bytearray(whole)
        damaged[offset] ^= 0xFF
        (tmp_path / "d.keras").write_bytes(damaged)
        with contextlib.suppress(ArtifactError):
            cp.load(tmp_path / "d.keras")


@pytest.fixture(scope="module", name="plain")
def _plain():
    """A classifier of arrays, without columns."""
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(int)
    x = (rng.normal(size=(200, 3)) + y[:, None]).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, "sigmoid")])
    return cp.fit(model, x, y, strategy="oversample", epochs=2, verbose=0)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (np.zeros((0, 3)), r"x has shape \(0, 3\), so it has no rows"),
        (np.zeros((4, 7)), r"x has shape \(4, 7\), but this classifier needs shape \(N, 3\)"),
        (np.zeros(3), r"x has shape \(3,\), but this classifier needs shape \(N, 3\)"),
        ((np.zeros((4, 3)), np.zeros((4, 3))), r"x has 2 inputs, but this classifier needs 1"),
    ],
)
def test_arrays_that_do_not_fit(plain, rows, words):
    with pytest.raises(DataError, match=words):
        plain.predict_proba(rows)
    with pytest.raises(DataError, match=r"has no elements\. Expected at least one row"):
        plain.predict_proba(tf.data.Dataset.from_tensor_slices(np.zeros((4, 3))).take(0))


def test_history_stays_with_another_threshold(plain):
    assert plain.decide(threshold=0.3).history == plain.history
    assert len(plain.history[0]["step"]) == 2


@pytest.mark.parametrize("vote", ["soft", "log", "hard", "weighted"])
def test_the_keras_model_of_three_classes_and_each_vote(vote, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.choice(3, 240, p=[0.6, 0.25, 0.15])
    x = (rng.normal(size=(240, 2)) + 1.5 * y[:, None]).astype("float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
    ensemble = cp.ensemble(["none", "oversample", "undersample"], vote=vote)
    clf = cp.fit(model, x, np.array(["a", "b", "c"])[y], strategy=ensemble, epochs=2, verbose=0)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict_proba(x), clf.predict_proba(x))
    assert np.array_equal(again.predict(x), clf.predict(x))
    out = clf.keras_model()(x)
    assert np.allclose(out["probability"], clf.predict_proba(x), atol=1e-5)
    assert np.mean(clf.classes_[np.asarray(out["decision"])] == clf.predict(x)) > 0.99


@pytest.mark.parametrize("form", ["dict", "tuple", "list"])
def test_several_inputs_go_through_the_file(form, tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random(160) < 0.25).astype(int)
    table, image = rng.normal(size=(160, 3)) + y[:, None], rng.normal(size=(160, 4, 4)) + y[:, None, None]
    table, image = table.astype("float32"), image.astype("float32")
    inputs = {"image": keras.Input((4, 4), name="image"), "table": keras.Input((3,), name="table")}
    parts = [keras.layers.Flatten()(inputs["image"]), inputs["table"]]
    out = keras.layers.Dense(1, "sigmoid")(keras.layers.Concatenate()(parts))
    model = keras.Model(inputs if form == "dict" else (inputs["image"], inputs["table"]), out)
    x = {"table": table, "image": image} if form == "dict" else (image, table) if form == "tuple" else [image, table]
    clf = cp.fit(model, x, y, strategy="oversample", epochs=2, verbose=0)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict_proba(x), clf.predict_proba(x))
    output = clf.keras_model()(x)["probability"]
    assert np.allclose(output, clf.predict_proba(x), atol=1e-5)
    if form == "list":  # as Keras takes inputs
        assert np.array_equal(clf.predict_proba(x), clf.predict_proba(tuple(x)))
        assert cp.evaluate(clf, x, y, resamples=3) == cp.evaluate(clf, tuple(x), y, resamples=3)
        how = {"strategies": "none", "folds": 2, "epochs": 1, "verbose": 0}
        scores = [cp.compare(model, rows, y, **how).leaderboard[0]["scores"] for rows in (x, tuple(x))]
        assert scores[0] == scores[1]
        cp.fit(model, x, y, validation=([image[:40], table[:40]], y[:40]), epochs=1, verbose=0)
        assert cp.diagnose(x, y, quick=False).record.rows == 160
        with pytest.raises(DataError, match="input 0 has 160, input 1 has 159"):
            cp.fit(model, [image, table[1:]], y, epochs=1)


def test_the_keras_model_holds_an_isotonic_calibrator(plain, tmp_path):
    calibrator = {"kind": "isotonic", "x": [[-3.0, -1.0, 0.5, 2.0]], "y": [[-4.0, -2.0, -1.0, 3.0]]}
    clf = plain.with_rule(dataclasses.replace(plain.rule, calibrator=calibrator))
    x = np.random.default_rng(1).normal(size=(200, 3)).astype("float32") * 2
    assert not np.allclose(clf.predict_proba(x), plain.predict_proba(x))
    output = clf.keras_model()(x)
    assert np.allclose(output["probability"], clf.predict_proba(x), atol=1e-5)
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert np.array_equal(again.predict(x), clf.predict(x))

"""Tables of images on the command line: columns beside the image, units of several columns, several labels."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_networks import least

import counterpoise as cp


@pytest.fixture(scope="module", autouse=True)
def _network():
    with least("cnn"):
        yield


@pytest.fixture(scope="module", name="folder")
def _root(tmp_path_factory):
    """160 images of 40 patients; ill is who has a spot and is a man."""
    root, rng, n = tmp_path_factory.mktemp("scans"), np.random.default_rng(0), 160
    sex, spot = rng.choice(["f", "m"], n), rng.random(n) < 0.5
    for i in range(n):
        pixels = rng.integers(60, 120, (12, 12))
        pixels[3:8, 3:8] += 100 * spot[i]
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"s{i:03}.png")
    ages = [None if i % 17 == 3 else 40 + i % 45 for i in range(n)]
    table = {
        "scan": [f"s{i:03}" for i in range(n)],
        "sex": sex,
        "age": ages,
        "patient": [f"p{i // 4}" for i in range(n)],
    }
    labels = {"dx": ((sex == "m") & spot).astype(int), "mass": spot.astype(int), "edema": (np.arange(n) % 3 == 0) * 1}
    frame = pl.DataFrame({**table, "eye": ["l", "r"] * (n // 2), **labels})
    frame = frame.with_columns(pl.when(pl.int_range(n) % 11 == 5).then(None).otherwise(pl.col("edema")).alias("edema"))
    frame.write_csv(root / "scans.csv")
    frame.drop("dx", "mass", "edema").write_csv(root / "new.csv")
    return root


QUICK = ("--images", "scan", "--size", 12, "--epochs", 3, "--batch-size", 32)


@pytest.fixture(scope="module", name="model")
def _model(folder, counterpoise):
    out = folder / "m.keras"
    run = counterpoise(
        "train", folder / "scans.csv", *QUICK, "--target", "dx", "--features", "age,sex", "--groups", "patient",
        "--unit", "patient,eye", "--aggregate", "max", "--strategy", "threshold", "--out", out,
        "--flip", "horizontal", "--contrast", 0.1,
    )  # fmt: skip
    assert run.code == 0, run.err
    assert "for units (patient + eye)" in run.out + run.err
    return out


def test_units_are_predicted_from_a_table_without_labels(counterpoise, folder, model):
    table = ("predict", model, folder / "new.csv", "--images", "scan")
    run = counterpoise(*table)
    rows = pl.read_csv(io.StringIO(run.out))
    assert rows.height == 160
    # The threshold of units was tuned, and rows have their own: that is said.
    assert "! The model decides units (patient + eye), but each row is decided by itself" in run.err
    assert "To decide units, add --unit patient,eye." in " ".join(run.err.split())
    pl.read_csv(folder / "new.csv").drop("eye").write_csv(folder / "rows.csv")
    run = counterpoise("predict", model, folder / "rows.csv", "--images", "scan")
    assert "add the columns of the units to rows.csv, and pass --unit" in " ".join(run.err.split())
    run = counterpoise(*table, "--unit", "patient,eye")
    assert "decides units" not in run.err
    units = pl.read_csv(io.StringIO(run.out))
    assert units.columns == ["patient", "eye", "rows", "probability", "decision"]
    assert units.height == 80
    assert units["rows"].to_list() == [2] * 80
    largest = rows["probability"].to_numpy().reshape(40, 2, 2).max(axis=1).ravel()
    order = np.argsort(largest, kind="stable")
    assert np.all(np.diff(units["probability"].to_numpy()[order]) >= -1e-9), "calibration keeps the order"


def test_rows_and_files_that_are_left_out_are_named(counterpoise, folder, model, tmp_path):
    frame = pl.read_csv(folder / "scans.csv")
    (folder / "broken.png").write_bytes(b"no image")
    more = pl.concat([frame[:30], frame[:2], frame[30:33].with_columns(scan=pl.Series(["gone", "broken", "s040"]))])
    more.write_csv(tmp_path / "more.csv")
    table = (model, tmp_path / "more.csv", "--images", "scan", "--root", folder, "--skip-bad")
    runs = [
        counterpoise("predict", *table),
        counterpoise("evaluate", *table, "--target", "dx"),
        counterpoise("explain", *table, "--out", tmp_path / "maps"),
    ]
    for run in runs:
        assert run.code == 0, run.err
        text = " ".join(run.err.split())
        assert "! Left out row 33, because" in text
        assert "! 2 rows repeat the image of an earlier row" in text
        assert "! 1 file was left out:" in text
        assert "broken.png: not an image" in text
    assert pl.read_csv(io.StringIO(runs[0].out)).height == 31
    (folder / "broken.png").unlink()


def test_what_a_table_lacks_is_named(counterpoise, folder, model, tmp_path):
    pl.read_csv(folder / "new.csv").drop("age").write_csv(folder / "no_age.csv")
    assert "'age' is not a column" in counterpoise("predict", model, folder / "no_age.csv", "--images", "scan").err
    assert "The model needs the columns" in counterpoise("predict", model, folder, "--skip-bad").err
    run = counterpoise("train", folder / "scans.csv", *QUICK, "--target", "dx", "--features", "dx", "--strategy",
                       "none", "--out", tmp_path / "x.keras")  # fmt: skip
    assert "'dx' cannot be a feature" in run.err
    for option, odd in (("--flip", "sideways"), ("--contrast", 2)):
        run = counterpoise("train", folder / "none.csv", *QUICK, "--target", "dx", "--strategy", "none", option, odd,
                           "--out", tmp_path / "x.keras")  # fmt: skip
        assert run.err.startswith(f"counterpoise: {option[2:]}"), "before anything is read"
        assert f" is {odd!r}" in run.err


def test_the_features_of_the_model_file_may_be_typed_again_and_no_others(counterpoise, folder, model):
    table = ("predict", model, folder / "new.csv", "--images", "scan")
    assert counterpoise(*table, "--features", "sex,age").out == counterpoise(*table).out
    run = counterpoise(*table, "--features", "age")
    assert run.code == 2
    assert "the model was trained with age, sex. Remove --features." in run.err


def test_scores_of_units_are_shown_beside_those_of_images(counterpoise, folder, model, tmp_path):
    run = counterpoise("evaluate", model, folder / "scans.csv", "--images", "scan", "--target", "dx",
                       "--out", tmp_path / "scores.json")  # fmt: skip
    assert run.code == 0, run.err
    assert "Unit: patient + eye" in run.out
    record = json.loads((tmp_path / "scores.json").read_text())
    assert (record["rows"], record["units"]["count"]) == (160, 80)
    assert record["units"]["aggregate"] == "max"


def test_heat_maps_of_a_table_of_images(counterpoise, folder, model, tmp_path):
    run = counterpoise("explain", model, folder / "new.csv", "--images", "scan", "--out", tmp_path / "heat")
    assert run.code == 0, run.err
    assert len(list((tmp_path / "heat").iterdir())) == 160


def test_several_labels_of_images_from_the_table_to_the_scores(counterpoise, folder, tmp_path):
    how = ("--images", "scan", "--target", "mass,edema")
    run = counterpoise("compare", folder / "scans.csv", *QUICK, *how[2:], "--groups", "patient", "--strategies",
                       "threshold", "--folds", 2, "--out", tmp_path / "run")  # fmt: skip
    assert run.code == 0, run.err
    board = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert board["data"]["kind"] == "labels"
    assert [c["label"] for c in board["data"]["classes"]] == ["mass", "edema"]
    assert board["data"]["classes"][1]["known"] == 160 - len(range(5, 160, 11))
    model = tmp_path / "run" / "model.keras"
    rows = pl.read_csv(io.StringIO(counterpoise("predict", model, folder / "new.csv", "--images", "scan").out))
    assert rows.columns[2:] == ["probability_mass", "decision_mass", "probability_edema", "decision_edema"]
    scores = counterpoise("evaluate", model, folder / "scans.csv", *how, "--out", tmp_path / "s.json")
    assert scores.code == 0, scores.err
    assert [one["label"] for one in json.loads((tmp_path / "s.json").read_text())["labels"]] == ["mass", "edema"]


def test_an_empty_label_of_an_image_may_mean_that_it_is_absent(counterpoise, folder, tmp_path):
    run = counterpoise("diagnose", folder / "scans.csv", "--images", "scan", "--size", 12, "--target", "mass,edema",
                       "--missing", "absent", "--json")  # fmt: skip
    assert run.code == 0, run.err
    edema = json.loads(run.out)
    assert "edema" in run.out
    assert edema


@pytest.mark.parametrize("options", [(), ("--target", "edema,mass"), ("--target", "mass,edema", "--uncertain", "one")])
def test_labels_of_images_are_scored_as_they_were_trained(counterpoise, folder, absent, tmp_path, options):
    run = counterpoise("evaluate", absent, folder / "scans.csv", "--images", "scan", *options, "--out",
                       tmp_path / "s.json")  # fmt: skip
    assert run.code == 0, run.err
    assert [one["known"] for one in json.loads((tmp_path / "s.json").read_text())["classes"]] == [160, 160]


def test_labels_of_images_that_were_read_in_another_way_are_reported(folder, absent):
    table = {"source": folder / "scans.csv", "size": 12, "images": "scan"}
    clf, names = cp.load(absent), ["mass", "edema"]
    with pytest.warns(UserWarning, match=r"not read as in training \(missing='absent'\)"):
        cp.evaluate(clf, cp.images(**table, target=names), resamples=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        cp.evaluate(clf, cp.images(**table, target=cp.labels(names, missing="absent")), resamples=2)


@pytest.fixture(scope="module", name="absent")
def _absent(folder, counterpoise):
    run = counterpoise("train", folder / "scans.csv", *QUICK, "--epochs", 1, "--target", "mass,edema", "--missing",
                       "absent", "--out", folder / "absent.keras")  # fmt: skip
    assert run.code == 0, run.err
    return folder / "absent.keras"

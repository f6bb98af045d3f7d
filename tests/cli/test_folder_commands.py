"""Folders of images on the command line: refused with every bad file named, compared, used, scored."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_networks import least

import counterpoise as cp
from counterpoise.classifier.evaluation import evaluate


@pytest.fixture(scope="module", autouse=True)
def _network():
    with least("cnn"):
        yield


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    """Two classes of 6 x 5 gray pictures, the rare one brighter, and one damaged file."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("pictures")
    for name, count in (("normal", 60), ("ill", 18)):
        (root / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 128, (6, 5)) + 90 * (name == "ill")
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{i}.png")
    whole = (root / "ill" / "0.png").read_bytes()
    (root / "ill" / "cut.png").write_bytes(whole[: len(whole) // 2])
    return root


QUICK = ("--positive", "ill", "--model", "cnn", "--size", 6, "--epochs", 2, "--batch-size", 16)


def test_a_damaged_file_is_named_before_training(counterpoise, folder, tmp_path):
    run = counterpoise("compare", folder, *QUICK, "--out", tmp_path / "run")
    assert run.code == 2
    assert "cut.png: damaged" in run.err
    assert "--skip-bad" in run.err
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module", name="model")
def _model(folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.keras"
    cp.fit("cnn", cp.images(folder, 6, skip_bad=True), epochs=4, batch_size=16, verbose=0).save(path)
    return path


def test_a_folder_is_compared_without_it(counterpoise, folder, tmp_path):
    run = counterpoise(
        "compare", folder, *QUICK, "--strategies", "oversample", "--folds", 2, "--skip-bad", "--out", tmp_path / "run"
    )
    assert run.code == 0, run.err
    made = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"leaderboard.json", "leaderboard.csv", "report.html", "model.keras"} <= made
    record = json.loads((tmp_path / "run" / "leaderboard.json").read_text())
    assert record["data"]["rows"] == 78
    assert record["data"]["positive"] == "ill"
    assert any("cut.png" in warning for warning in record["warnings"])


def test_predict_writes_path_probability_and_decision(counterpoise, folder, model, tmp_path):
    refused = counterpoise("predict", model, folder)
    assert refused.code == 2
    assert "cut.png" in refused.err
    out = tmp_path / "said.csv"
    run = counterpoise("predict", model, folder, "--skip-bad", "--out", out)
    assert (run.code, "! 1 file was left out" in run.err) == (0, True), run.err
    output = pl.read_csv(out)
    assert output.columns == ["path", "probability", "decision"]
    assert output.height == 78
    assert set(output["decision"]) <= {"ill", "normal"}
    assert output["path"].str.ends_with(".png").all()
    image_set, clf = cp.images(folder, 6, skip_bad=True), cp.load(model)
    by_path = dict(zip(image_set.paths, clf.predict_proba(image_set)[:, 1], strict=True))
    assert all(abs(by_path[path] - p) < 1e-6 for path, p in output["path", "probability"].iter_rows())


def test_options_of_a_table_of_images_need_its_column(counterpoise, folder, model, tmp_path):
    for command in (("predict",), ("evaluate",), ("explain", "--out", tmp_path / "maps")):
        run = counterpoise(command[0], model, folder, "--skip-bad", "--root", folder, *command[1:])
        assert (run.code, "--root requires --images" in run.err) == (2, True), run.err
    (tmp_path / "rows.csv").write_text("a\n1\n")
    assert "--skip-bad is for images" in counterpoise("predict", model, tmp_path / "rows.csv", "--skip-bad").err


def test_evaluate_takes_the_sub_folders_as_labels(counterpoise, folder, model, tmp_path):
    for name in ("ill", "normal"):
        (tmp_path / name).mkdir()
        for path in list((folder / name).glob("[1-9].png")):
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    run = counterpoise("evaluate", model, tmp_path, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["rows"] == 18
    assert counterpoise("evaluate", model, tmp_path, "--unlabeled", "--json").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--size", 6, "--target", "y"), ("--target", "one sub-folder per class")),
        (("--size", 6, "--groups", "patient"), ("--groups", "one sub-folder per class")),
        (("--size", 6, "--root", "x"), ("--root", "one sub-folder per class")),
        ((), ("--size",)),
        (("--size", 6, "--model", "mlp", "--skip-bad"), ("'mlp' is for tables", "'cnn'")),
        (("--size", 6, "--positive", "well", "--skip-bad"), ("well", "ill")),
    ],
)
def test_options_that_do_not_go_with_folders(counterpoise, folder, tmp_path, arguments, words):
    run = counterpoise("compare", folder, *arguments, "--out", tmp_path / "run")
    assert run.code == 2
    for word in words:
        assert word in run.err


@pytest.fixture(scope="module", name="labels")
def _labels(folder):
    """A table of the same pictures: two of each patient, the last patients for the test."""
    names = [f"{kind}/{i}" for kind, count in (("normal", 60), ("ill", 18)) for i in range(count)]
    table = pl.DataFrame({"scan": names, "dx": [n.split("/")[0] for n in names]}).with_row_index("patient")
    part = pl.when(pl.col("patient") % 40 < 24).then(pl.lit("train")).otherwise(pl.lit("test"))
    table = table.with_columns(pl.col("patient") // 2, part=part)
    table.write_csv(folder.parent / "labels.csv")
    return folder.parent / "labels.csv"


def test_a_table_of_images_through_every_command(counterpoise, folder, labels, tmp_path):
    table = (labels, "--images", "scan", "--root", folder, "--target", "dx", "--groups", "patient")
    quick = ("--positive", "ill", "--size", 6)
    run = counterpoise("diagnose", *table, *quick, "--no-model", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["groups"] == 39
    out, made = tmp_path / "run", tmp_path / "m.keras"
    how = ("--epochs", 2, "--batch-size", 16)
    run = counterpoise("compare", *table, *quick, *how, "--split", "part", "--strategies", "none", "--out", out)
    assert run.code == 0, run.err
    assert json.loads((out / "leaderboard.json").read_text())["rows"][0]["status"] == "ok"
    run = counterpoise("train", *table, *quick, *how, "--strategy", "oversample", "--out", made)
    assert run.code == 0, run.err
    output = tmp_path / "said.csv"
    run = counterpoise("predict", made, labels, "--images", "scan", "--root", folder, "--out", output)
    assert run.code == 0, run.err
    scans = cp.images(labels, 6, images="scan", root=folder, target="dx", groups="patient")
    predicted, clf = pl.read_csv(output), cp.load(made)
    assert predicted.columns == ["scan", "path", "probability", "decision"]
    assert predicted["scan"].to_list() == pl.read_csv(labels)["scan"].to_list()
    assert predicted["path"].to_list() == list(scans.paths)
    assert np.allclose(predicted["probability"], clf.predict_proba(scans)[:, 1], atol=1e-6)
    run = counterpoise("evaluate", made, labels, "--images", "dx", "--target", "dx")
    assert (run.code, "are not in" in run.err, "--skip-bad" in run.err) == (2, True, True)
    run = counterpoise("evaluate", made, *table, "--skip-bad", "--json")
    assert run.code == 0, run.err
    record = json.loads(run.out)
    assert (record["rows"], record["groups"]) == (78, 39)
    assert abs(record["metrics"]["roc_auc"]["value"] - evaluate(clf, scans)["metrics"]["roc_auc"]["value"]) < 1e-9


def test_a_range_is_learned_or_taken(counterpoise, tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("normal", 30), ("ill", 9)):
        (tmp_path / name).mkdir()
        for i in range(count):
            values = rng.normal(-200 + 300 * (name == "ill"), 100, (4, 4)).astype("float32")
            Image.fromarray(values).save(tmp_path / name / f"{i}.tif")
    run = counterpoise("diagnose", tmp_path, "--size", 4, "--no-model")
    assert (run.code, "99.5th percentile" in " ".join((run.out + run.err).split())) == (0, True), run.out + run.err
    run = counterpoise("diagnose", tmp_path, "--size", 4, "--range", -1000, 400, "--no-model", "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["rows"] == 39


def test_size_is_for_folders_and_models_of_tables_take_no_images(counterpoise, table, folder, tmp_path):
    for option in (("--size", 6), ("--range", 0, 1)):
        run = counterpoise("diagnose", table, "--target", "ill", *option)
        assert (run.code, option[0] in run.err) == (2, True)
    made = tmp_path / "m.keras"
    how = ("--target", "ill", "--model", "mlp", "--strategy", "none", "--epochs", 1, "--out", made)
    assert counterpoise("train", table, *how).code == 0
    run = counterpoise("predict", made, folder)
    assert (run.code, "not trained on images" in run.err) == (2, True)


def test_heat_maps_are_written_for_each_image(counterpoise, folder, tmp_path):
    model = tmp_path / "m.keras"
    run = counterpoise("train", folder, *QUICK, "--strategy", "none", "--skip-bad", "--out", model)
    assert run.code == 0, run.err
    run = counterpoise("explain", model, folder, "--skip-bad", "--out", tmp_path / "heat")
    assert run.code == 0, run.err
    written = sorted((tmp_path / "heat").iterdir())
    assert len(written) == 78
    assert written[0].name == "ill_0.png.png"
    assert np.asarray(Image.open(written[0])).shape == (6, 6, 3)
    assert "--out is required for images" in counterpoise("explain", model, folder).err
    assert "--target is for tables" in counterpoise("explain", model, folder, "--target", "x", "--out", tmp_path).err


def test_two_images_do_not_write_the_same_heat_map(counterpoise, model, tmp_path):
    for name in ("a/b_c.png", "a_b/c.png"):
        path = tmp_path / "new" / name
        path.parent.mkdir(parents=True)
        Image.fromarray(np.zeros((6, 5), np.uint8)).save(path)
    run = counterpoise("explain", model, tmp_path / "new", "--out", tmp_path / "heat")
    assert (run.code, "would have the same name, a_b_c.png.png" in run.err) == (2, True)
    assert not list((tmp_path / "heat").glob("*"))


def test_a_folder_of_tables_is_named_as_such(counterpoise, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("age,ill\n31,no\n62,yes\n")
    run = counterpoise("train", tmp_path, "--target", "ill", "--out", tmp_path / "m.keras")
    assert run.code == 2
    assert "is a folder with the table a.csv and 1 more. Expected one table" in run.err

"""Folders of images and masks on the command line: trained, scored, and new masks written."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_networks import least


@pytest.fixture(scope="module", autouse=True)
def _network():
    with least("unet"):
        yield


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    """Pictures of 14 x 10 with a bright square in most of them, two of each patient."""
    rng, root = np.random.default_rng(0), tmp_path_factory.mktemp("scans")
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(30):
        pixels, mask = rng.integers(0, 120, (10, 14)), np.zeros((10, 14))
        if number % 3:
            row, column = rng.integers(0, 7, 2)
            mask[row : row + 3, column : column + 3] = 255
        name = f"p{number // 2}_{number}.png"
        Image.fromarray((pixels + 0.5 * mask).astype(np.uint8)).save(root / "images" / name)
        mask[0] = 128  # void
        Image.fromarray(mask.astype(np.uint8)).save(root / "masks" / name)
    return root


def test_what_masks_do_not_have_is_refused_before_the_training(counterpoise, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.pipeline.fit.fit", None)
    for more, words in (
        (("--review-alpha", 0.1), "--review-alpha needs one class per row"),
        (("--recall-floor", 0.8, "--confidence", 0.95), "--confidence needs independent rows"),
    ):
        run = counterpoise("train", folder, "--size", 12, "--ignore", 128, *more, "--out", tmp_path / "m.keras")
        assert (run.code, words in run.err) == (2, True), run.err


def test_masks_from_training_to_prediction(counterpoise, folder, tmp_path):
    model = tmp_path / "m.keras"
    run = counterpoise(
        "train", folder, "--strategy", "class_weight", "--size", 12, "--epochs", 2, "--batch-size", 8,
        "--groups-from", r"(?P<patient>p\d+)_", "--ignore", 128, "--out", model,
    )  # fmt: skip
    assert run.code == 0, run.err
    assert "unet" in run.out + run.err
    assert f"Score it on new images: counterpoise evaluate {model} IMAGES" in " ".join((run.out + run.err).split())

    run = counterpoise("evaluate", model, folder, "--ignore", 128, "--out", tmp_path / "scores.json")
    assert run.code == 0, run.err
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["rows"] == 30
    assert 0 <= record["metrics"]["lesion_recall"]["value"] <= 1

    run = counterpoise("predict", model, folder, "--out", tmp_path / "new")
    assert run.code == 0, run.err
    table = pl.read_csv(tmp_path / "new" / "areas.csv")
    assert table.columns == ["path", "pixels_0", "pixels_255", "regions_255"]
    assert len(table) == 30
    for path, area in zip(table["path"], table["pixels_255"], strict=True):
        mask = np.asarray(Image.open(tmp_path / "new" / path))
        assert mask.shape == (10, 14)
        assert set(np.unique(mask)) <= {0, 255}
        assert (mask == 255).sum() == area

    printed = counterpoise("predict", model, folder / "images")
    assert printed.out.splitlines()[0] == "path,pixels_0,pixels_255,regions_255"
    assert counterpoise("predict", model, folder, "--out", tmp_path / "new.csv").code == 2
    for ignored in (("--unit", "patient"), ("--spreadsheet",)):
        assert f"{ignored[0]}" in counterpoise("predict", model, folder, *ignored).err
    inside = counterpoise("predict", model, folder, "--out", folder / "new")
    assert inside.code == 2
    assert "the folder of the images" in inside.err


def test_the_imbalance_of_masks_is_measured(counterpoise, folder):
    run = counterpoise("diagnose", folder, "--size", 12, "--ignore", 128)
    assert run.code == 0, run.err
    lines = " ".join(run.out.split())
    assert "% of the pixels or steps of 30 rows (" in lines
    assert "Rows with each class: '0' 30, '255' 20." in lines
    assert "finds no '255' pixels or steps." in lines
    assert "255" in run.out

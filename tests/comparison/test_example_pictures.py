"""The report shows the most confident errors out of fold, by the names of their files; or none, when told so."""

from __future__ import annotations

import numpy as np
from PIL import Image
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.comparison.example_pictures import example_pictures
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult

RNG = np.random.default_rng(0)


def results(proba, threshold=0.5):
    """Two folds of every other row, and a second repeat that says something else."""
    fold_results = []
    for repeat, p in ((0, proba), (1, 1 - proba)):
        for fold in (0, 1):
            rows = np.arange(fold, len(p), 2)
            both = np.stack([1 - p[rows], p[rows]], axis=1).astype(np.float32)
            decision = (p[rows] >= threshold).astype(np.int32)
            fold_results.append(FoldResult("none", repeat, fold, rows, both, both, decision))
    return fold_results


def test_the_most_confident_errors_go_first():
    y = np.array([1, 1, 1, 0, 0, 0, 1, 0])
    proba = np.array([0.1, 0.9, 0.3, 0.8, 0.2, 0.6, 0.45, 0.95])
    names = np.array([f"{i}.png" for i in range(8)])
    x = RNG.integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    missed, alarms, doubtful = example_pictures(results(proba), Examples(x, y, ("well", "ill"), names=names))
    assert [p["name"] for p in missed["shown"]] == ["0.png", "2.png", "6.png"]
    assert [p["name"] for p in alarms["shown"]] == ["7.png", "3.png", "5.png"]
    assert (missed["count"], missed["shown"][0]["label"], missed["shown"][0]["decided"]) == (3, "ill", "well")
    assert doubtful["shown"][0]["name"] == "7.png", "labeled well, and most confidently like an ill one"
    numbered = example_pictures(results(proba), Examples({"a": np.zeros(8), "b": x[..., 0]}, y, ("well", "ill")))
    assert [p["name"] for p in numbered[1]["shown"]] == ["row 8", "row 4", "row 6"]
    assert example_pictures(results(proba), Examples(np.zeros((8, 3)), y, ("well", "ill"))) == []


def test_of_several_labels_the_rarest_is_shown():
    y = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [1, 1], [1, 0], [1, 1]])
    proba = np.stack([np.full(8, 0.9), np.array([0.8, 0.1, 0.9, 0.2, 0.3, 0.7, 0.6, 0.4])], axis=1)
    rows = np.arange(8)
    result = FoldResult("none", 0, 0, rows, proba, proba, (proba >= 0.5).astype(np.int32))
    x = RNG.integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
    missed, alarms, _ = example_pictures([result], Examples(x, y, ("mass", "edema"), kind="labels"))
    assert missed["title"].startswith("Missed cases: 'edema'")
    assert [p["name"] for p in missed["shown"]] == ["row 2", "row 8"]
    assert [p["name"] for p in alarms["shown"]] == ["row 1", "row 7"]
    assert alarms["shown"][0]["label"] == "not edema"


def test_heat_maps_stand_beside_the_pictures_of_a_saved_model():
    y = (np.arange(60) % 4 == 0).astype(int)
    x = RNG.integers(0, 200, (60, 8, 8, 1), dtype=np.uint8)
    cmp = cp.compare(of_pictures, x, y, strategies="threshold", folds=2, epochs=1, verbose=0)
    shown = [p for kind in cmp.pictures for p in kind["shown"]]
    assert shown
    assert all(p["heat"].startswith("data:image/png") and p["heat"] != p["src"] for p in shown)
    page = cmp.html()
    assert all(p["heat"] in page for p in shown)
    assert "Orange pixels increase the probability of" in page
    assert len(page) < 5_000_000


def test_a_page_holds_them_and_shows_none_when_it_is_asked_to(tmp_path):
    for name, count in (("well", 40), ("ill <b>", 12)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = RNG.integers(0, 200, (6, 6), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    how = {"strategies": "threshold", "folds": 2, "epochs": 1, "refit": False, "verbose": 0}
    cmp = cp.compare(of_pictures, cp.images(tmp_path, 6), **how)
    errors = [p for kind in cmp.pictures for p in kind["shown"]]
    assert errors  # noise cannot be separated
    page = cmp.html()
    assert all(p["src"] in page for p in errors)
    assert "ill <b>" not in page
    assert "pictures" not in cmp.record
    quiet = cp.compare(of_pictures, cp.images(tmp_path, 6), show_pictures=False, **how)
    assert "data:image/png" not in quiet.html()

"""The page of a finished run, rendered again."""

from __future__ import annotations

import numpy as np

import counterpoise as cp


def test_the_page_comes_back_as_it_was(counterpoise, tmp_path):
    rng = np.random.default_rng(0)
    y = (rng.random(160) < 0.25).astype(int)
    x = rng.normal(size=(160, 2)) + 2 * y[:, None]
    kept = {"folds": 2, "epochs": 1, "batch_size": 64, "verbose": 0, "refit": False, "store": tmp_path / "run"}
    comparison = cp.compare("mlp", x, y, strategies="threshold", **kept)
    comparison.save(tmp_path / "run")
    before = (tmp_path / "run" / "report.html").read_text()
    (tmp_path / "run" / "report.html").unlink()
    done = counterpoise("report", tmp_path / "run")
    assert (done.code, done.err) == (0, "")
    assert done.out.strip() == str(tmp_path / "run" / "report.html")
    assert (tmp_path / "run" / "report.html").read_text() == before
    assert "Leakage checks" in before
    assert counterpoise("report", tmp_path / "run", "--out", tmp_path / "else" / "page.html").code == 0
    assert (tmp_path / "else" / "page.html").read_text() == before


def test_a_folder_without_a_run_is_refused(counterpoise, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        done = counterpoise("report", folder)
        assert done.code == 2
        assert "--out folder of `counterpoise compare`" in done.err

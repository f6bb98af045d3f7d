"""Every Python block of README and docs runs, page by page, in one process; a page's blocks share their names.

A block that is not meant to run says so with ```python { .no-run }; shell blocks are not run here (the tests of the
command line cover them).
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from counterpoise.strategies.select import names

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python[ ]*(?P<how>[^\n]*)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line number and code of each block that should run."""
    text = page.read_text(encoding="utf-8")
    numbered = [
        (text[: m.start("code")].count("\n"), m["code"]) for m in BLOCK.finditer(text) if "no-run" not in m["how"]
    ]
    return numbered


@pytest.mark.pages
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pictures_exist_and_fences_are_understood_by_the_site(page):
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert [name for name in pictures if not (page.parent / name).is_file()] == []
    assert re.findall(r"^ *```\w+ +[^{\s].*$", text, re.MULTILINE) == []


@pytest.mark.parametrize("name", names())
def test_every_strategy_has_a_page_of_its_own_that_the_site_shows(name):
    page = (ROOT / "docs" / "strategies" / f"{name}.md").read_text(encoding="utf-8")
    parts = ("Formula", "Probabilities", "When", "When not", "Source")
    assert f'`strategy="{name}"`' in page
    assert all(f"**{part}.**" in page for part in parts)
    assert f"strategies/{name}.md" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"]({name}.md)" in (ROOT / "docs" / "strategies" / "index.md").read_text(encoding="utf-8")

"""Guards of the public surface: names, laziness, import cost."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import counterpoise as cp

ROOT = Path(__file__).parents[1]
HEAVY = ("tensorflow", "keras", "sklearn", "polars", "pandas", "imblearn", "scipy")


def test_every_public_name_is_found_and_listed():
    for name in cp.__all__:
        assert getattr(cp, name) is not None
        assert name in dir(cp)


@pytest.mark.parametrize("space", [cp, *(getattr(cp, name) for name in cp._NAMESPACES)], ids=lambda m: m.__name__)
def test_a_namespace_lists_its_public_names_and_nothing_else(space):
    """What an editor offers: no imports, no modules that hold the names, nothing private."""
    for name in (names := dir(space)):
        assert name[0] != "_"
        assert (space is cp and name in cp._NAMESPACES) or not inspect.ismodule(getattr(space, name))
        assert name not in ("annotations", "TYPE_CHECKING")
    assert names
    assert set(getattr(space, "__all__", names)) <= set(names)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cp.nonsense


def test_a_name_that_moved_still_works_and_says_where_it_is():
    for name, path in cp._MOVED.items():
        room, _, inner = path.rpartition(".")
        with pytest.warns(DeprecationWarning, match=rf"Use cp\.{re.escape(path)}\."):
            assert getattr(cp, name) is getattr(getattr(cp, room) if room else cp, inner)
        assert name not in dir(cp)


@pytest.mark.parametrize(
    "package",
    [cp, cp.feed, cp.metrics, cp.networks, cp.strategies],
    ids=lambda package: package.__name__,
)
def test_type_checkers_see_every_name_that_is_loaded_late(package):
    """By `import name as name`: a checker takes any other import for private."""
    late = package._SHOWN if package is cp.metrics else package._HOME
    shown = {}
    for part in ast.parse(Path(package.__file__).read_text(encoding="utf-8")).body:
        if isinstance(part, ast.If) and isinstance(part.test, ast.Name):  # if TYPE_CHECKING
            shown |= {name.asname: line.module for line in part.body for name in line.names if name.asname == name.name}
    assert shown == {**late, **(dict.fromkeys(cp._NAMESPACES, "counterpoise") if package is cp else {})}


def test_every_lazy_name_is_the_same_after_importing_every_submodule():
    """Python binds a submodule over a function of the same name; so none may exist."""
    spaces = [cp, *(getattr(cp, name) for name in cp._NAMESPACES)]
    before = {(space, name): getattr(space, name) for space in spaces for name in dir(space)}
    for module in pkgutil.walk_packages(cp.__path__, "counterpoise."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert [name for (space, name), value in before.items() if getattr(space, name) is not value] == []
    for name in cp.__all__:
        value = getattr(cp, name)
        if name in cp._NAMESPACES:
            assert inspect.ismodule(value)
        else:
            assert callable(value), f"{name} is {value!r}"


def test_importing_pulls_in_nothing_heavy():
    code = f"import sys, counterpoise; print([m for m in {HEAVY} if m in sys.modules])"
    # What the command line asks before it silences TensorFlow.
    code += "; import counterpoise.pipeline.reading; print([m for m in ('keras', 'tensorflow') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]", "[]"]


def public() -> Iterator[tuple[str, object]]:
    """Every public function and class, by the name that a user types."""
    for name in sorted(set(cp.__all__) - set(cp._NAMESPACES)):
        yield f"cp.{name}", getattr(cp, name)
    for space in cp._NAMESPACES:
        module = getattr(cp, space)
        for name in dir(module):
            value = getattr(module, name)
            if callable(value) and value.__module__.startswith("counterpoise.") and not name.startswith("_"):
                yield f"cp.{space}.{name}", value


def in_reference(value: object, entries: set[str]) -> bool:
    """Whether the object, or a module that holds it, has an entry."""
    parts = f"{value.__module__}.{value.__qualname__}".split(".")
    return any(".".join(parts[:end]) in entries for end in range(2, len(parts) + 1))


def test_every_public_name_has_an_example_and_a_place_in_the_reference():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    entries = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    names = dict(public())
    assert len(names) < 115
    assert [name for name, value in names.items() if ">>>" not in (inspect.getdoc(value) or "")] == []
    assert [name for name, value in names.items() if not in_reference(value, entries)] == []


def test_the_first_line_of_a_docstring_is_understood_at_once():
    """One sentence of at most 88 characters, for functions, classes, and their public methods."""
    named = dict(public())
    for name, value in list(named.items()):
        members = vars(value).items() if inspect.isclass(value) else ()
        named |= {f"{name}.{key}": one for key, one in members if key[0] != "_" and inspect.isroutine(one)}
    lines = {name: text.split("\n")[0] for name, value in named.items() if (text := inspect.getdoc(value) or "")}
    assert {name: line for name, line in lines.items() if len(line) > 88 or ";" in line or line[-1] != "."} == {}


def test_the_page_on_versions_lists_every_public_name():
    page = (ROOT / "docs" / "reference" / "versions.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(cp[.\w]*)` \| (.*) \|$", page, re.MULTILINE))
    spaces = {"cp": cp, **{f"cp.{name}": getattr(cp, name) for name in cp._NAMESPACES}}
    listed = {space: sorted(set(dir(module)) - set(cp._NAMESPACES)) for space, module in spaces.items()}
    assert {space: re.findall(r"`(\w+)`", names) for space, names in rows.items()} == listed

"""Guards of the public surface: names, laziness, import cost."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import counterpoise as cp

HEAVY = ("tensorflow", "keras", "sklearn", "polars", "pandas", "imblearn", "scipy")


def test_every_public_name_is_found_and_listed():
    for name in cp.__all__:
        assert getattr(cp, name) is not None
        assert name in dir(cp)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cp.nonsense


def test_no_module_hides_a_public_function():
    """Python binds a submodule over a function of the same name; so none may exist."""
    for found in pkgutil.walk_packages(cp.__path__, "counterpoise."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    for name in cp.__all__:
        value = getattr(cp, name)
        if name in cp._NAMESPACES:
            assert inspect.ismodule(value)
        else:
            assert callable(value), f"{name} is {value!r}"


def test_importing_pulls_in_nothing_heavy():
    code = f"import sys, counterpoise; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_every_public_function_and_class_has_a_docstring_with_an_example_or_says_what_it_is():
    for name in cp.__all__:
        doc = inspect.getdoc(getattr(cp, name)) or ""
        assert len(doc) > 40, name

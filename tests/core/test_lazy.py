"""Names that are loaded when they are first used."""

from __future__ import annotations

import sys
import types

import pytest

from counterpoise.core.lazy import loader


def test_a_name_is_loaded_once_and_listed_before(monkeypatch):
    package = types.ModuleType("a_package")
    monkeypatch.setitem(sys.modules, "a_package", package)
    monkeypatch.setitem(sys.modules, "a_package.space", types.ModuleType("a_package.space"))
    load, names = loader("a_package", {"sqrt": "math", "space": "a_package.space"})
    assert {"sqrt", "space", "__name__"} <= set(names())
    assert load("sqrt")(9) == 3
    assert package.sqrt(9) == 3
    assert load("space") is sys.modules["a_package.space"]
    with pytest.raises(AttributeError, match="'a_package' has no attribute 'cbrt'"):
        load("cbrt")

"""Names and extras that are imported when they are first used."""

from __future__ import annotations

import sys
import types

import pytest

from counterpoise.core.errors import MissingExtraError
from counterpoise.core.lazy import loader, needed


def test_a_name_is_loaded_once_and_listed_before(monkeypatch):
    package = types.ModuleType("a_package")
    monkeypatch.setitem(sys.modules, "a_package", package)
    monkeypatch.setitem(sys.modules, "a_package.space", types.ModuleType("a_package.space"))
    load, names = loader("a_package", {"sqrt": "math", "space": "a_package.space"})
    assert names() == ["space", "sqrt"]
    assert load("sqrt")(9) == 3
    assert package.sqrt(9) == 3
    assert load("space") is sys.modules["a_package.space"]
    with pytest.raises(AttributeError, match="'a_package' has no attribute 'cbrt'"):
        load("cbrt")


def test_an_extra_is_imported_or_named_with_its_command():
    assert needed("xml.dom", "images", "Reading images").__name__ == "xml.dom"
    with pytest.raises(MissingExtraError, match=r"Reading images needs the package 'no-such'.*counterpoise\[images\]"):
        needed("no_such.part", "images", "Reading images", "no-such")
    with pytest.raises(MissingExtraError, match="package 'no_such'"):
        needed("no_such.part", "images", "Reading images")

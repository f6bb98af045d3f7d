"""Importing TensorFlow prints nothing where nobody wants its log, and what it raises is raised."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from counterpoise.core import hush as hush_module
from counterpoise.core.hush import hush

NOISY = "import os\nos.write(2, b'noise')\n"


@pytest.fixture(name="module")
def _module(tmp_path, monkeypatch):
    """A module that prints, in TensorFlow's place."""

    def make(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.setattr(hush_module, "NAME", name)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
        return name

    return make


def test_the_first_import_is_silent(module, monkeypatch, capfd):
    name = module("noisy_once", NOISY + "value = 3\n")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    hush()
    found = importlib.import_module(name)
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"
    assert found.value == 3
    assert found.__spec__.loader.get_source(name) == NOISY + "value = 3\n"


def test_who_wants_the_log_gets_it(module, monkeypatch, capfd):
    name = module("noisy_wanted", NOISY)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    hush()
    importlib.import_module(name)
    assert capfd.readouterr().err == "noise"


def test_what_is_raised_is_raised_and_standard_error_comes_back(module, monkeypatch, capfd):
    name = module("noisy_broken", NOISY + "raise ImportError('no such library')\n")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    hush()
    with pytest.raises(ImportError, match="no such library"):
        importlib.import_module(name)
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"

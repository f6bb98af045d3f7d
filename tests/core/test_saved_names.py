"""Saved files open wherever counterpoise was imported: every registered name has its stand-in."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import keras

import counterpoise as cp
from counterpoise.core.saved_names import SAVED, StandIn, register_stand_ins


def test_the_table_names_every_class_that_is_registered():
    for submodule in pkgutil.walk_packages(cp.__path__, "counterpoise."):
        if not submodule.name.endswith("__main__"):
            importlib.import_module(submodule.name)
    known = {
        name.removeprefix("counterpoise>"): value
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith("counterpoise>")
    }
    listed = {name for names in SAVED.values() for name in names}
    assert set(known) == listed, "enter what is registered with Keras in counterpoise.core.saved_names.SAVED"
    for module, names in SAVED.items():
        home = importlib.import_module(f"counterpoise.{module}")
        assert all(getattr(home, name) is known[name] for name in names)


def test_a_stand_in_builds_what_the_class_builds():
    config = cp.losses.LDAM([9, 1]).get_config()
    assert StandIn("losses", "LDAM").from_config(config).get_config() == config


def test_names_are_entered_where_keras_is_and_nothing_is_replaced(monkeypatch):
    known = keras.saving.get_custom_objects()
    monkeypatch.setitem(known, "counterpoise>Focal", mine := object())
    monkeypatch.delitem(known, "counterpoise>LDAM")
    register_stand_ins()
    assert known["counterpoise>Focal"] is mine
    assert isinstance(known["counterpoise>LDAM"], StandIn)
    monkeypatch.delitem(sys.modules, "keras")
    register_stand_ins()


def test_importing_counterpoise_changes_no_other_import():
    """No finder, no backend: a program that imports Keras next finds what it would have found."""
    code = """
import os, sys
finders, surroundings = list(sys.meta_path), dict(os.environ)
import counterpoise
assert sys.meta_path == finders and dict(os.environ) == surroundings
"""
    subprocess.run([sys.executable, "-c", code], check=True)

"""Saved files open wherever counterpoise was imported: every registered name has its stand-in."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from importlib.util import find_spec

import keras
import pytest

import counterpoise as cp
from counterpoise.core.errors import MissingExtraError
from counterpoise.core.saved_names import SAVED, Hook, StandIn


def test_the_table_names_every_class_that_is_registered():
    for found in pkgutil.walk_packages(cp.__path__, "counterpoise."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
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


def test_the_hook_acts_once_after_the_import_and_leaves_other_modules_alone(tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("done = True")
    said: list[bool] = []
    hook = Hook(lambda: said.append(sys.modules["keras"].done))
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "keras")
        patch.setattr(sys, "meta_path", [hook, *sys.meta_path])
        patch.syspath_prepend(tmp_path)
        assert hook.find_spec("json") is None
        assert find_spec("keras") is not None  # looking is not importing
        assert said == []
        importlib.import_module("keras")
        assert said == [True]
        assert hook not in sys.meta_path
    assert sys.modules["keras"] is keras


def test_a_backend_that_is_missing_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    file = tmp_path / "keras.py"
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "keras")
        patch.setattr(sys, "meta_path", [Hook(lambda: None), *sys.meta_path])
        patch.syspath_prepend(tmp_path)
        file.write_text("raise ModuleNotFoundError('no jax', name='jax')")
        with pytest.raises(
            MissingExtraError, match=r"Keras needs the package 'jax'.*pip install 'counterpoise\[jax\]'"
        ):
            importlib.import_module("keras")
        file.write_text("import a_part_of_somebody_else")
        importlib.invalidate_caches()
        with pytest.raises(ModuleNotFoundError, match="a_part_of_somebody_else"):
            importlib.import_module("keras")

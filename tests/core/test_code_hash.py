"""A hash of the user's code changes with what the code computes, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import pytest

from counterpoise.core.code_hash import code_hash, is_user_code

SCALE = 2.0


def scaled(y, p):
    return SCALE * (y - p) ** 2


def calls(y, p):
    return scaled(y, p).mean()


def within(power):
    def loss(y, p):
        return (y - p) ** power

    return loss


class Own(keras.losses.Loss):
    def __init__(self, width=1.0):
        super().__init__()
        self.width = width

    def get_config(self):
        return {"width": self.width}

    def call(self, y_true, y_pred):
        return abs(y_true - y_pred) * self.width


def test_what_a_function_reads_counts(monkeypatch):
    before = code_hash(scaled), code_hash(calls)
    assert (code_hash(scaled), code_hash(calls)) == before
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert code_hash(scaled) != before[0]
    assert code_hash(calls) != before[1], "through the function that it calls"


def test_variables_defaults_and_partial_functions_count():
    assert code_hash(within(2)) == code_hash(within(2)) != code_hash(within(3))
    assert code_hash(partial(within, 2)) != code_hash(within)
    assert code_hash(lambda y, p, w=1: y * w) != code_hash(lambda y, p, w=2: y * w)
    assert code_hash(np.arange(3)) != code_hash(np.arange(4))
    assert code_hash({0: np.float32(1)}) != code_hash({0: np.float32(2)})
    assert (
        code_hash(partial(map, str.split)) == code_hash(partial(map, str.split)) != code_hash(partial(map, str.strip))
    )


def test_settings_and_methods_of_a_class_count(monkeypatch):
    before = code_hash(Own())
    assert before == code_hash(Own()) != code_hash(Own(2.0))
    monkeypatch.setattr(Own, "call", lambda self, y, p: (y - p) ** 2)
    assert code_hash(Own()) != before


class Counted(keras.losses.Loss):
    """Has no configuration of its own, and a name that Keras counts up."""

    def __init__(self, width):
        super().__init__()
        self.width = width


class Callable:
    def __init__(self, width):
        self.width = width

    def __call__(self, y, p):
        return abs(y - p) * self.width

    def loss(self, y, p):
        return self(y, p)


@dataclass(slots=True)
class Slots:
    """Has no `__dict__`."""

    width: float


@pytest.mark.parametrize(
    "make", [Counted, Callable, Slots, lambda width: Callable(width).loss], ids=["loss", "call", "slots", "method"]
)
def test_attributes_of_the_users_objects_count_and_counted_names_do_not(make):
    assert code_hash(make(2.0)) == code_hash(make(2.0)) != code_hash(make(3.0))


class Layer(keras.layers.Layer):
    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 1))

    def call(self, x):
        return x @ self.w


def test_what_a_layer_becomes_in_use_does_not_count():
    """Its number, and whether it is built, differ from process to process."""
    layer = Layer()
    before = code_hash(layer), code_hash(lambda y, p: layer(p))
    layer(np.ones((1, 2)))
    assert (code_hash(layer), code_hash(lambda y, p: layer(p))) == before
    assert code_hash(Layer()) == before[0]


@pytest.mark.parametrize("part", [keras.losses.BinaryCrossentropy(), np.mean, keras.layers.Dense, len])
def test_code_of_packages_counts_by_name(part):
    assert code_hash(part) == code_hash(part)
    assert not is_user_code(part if hasattr(part, "__qualname__") else type(part))


def test_the_hash_is_the_same_in_another_process(tmp_path):
    text = "def loss(y, p):\n    names = {'a', 'b', 'c', 'd'}\n    return (y - p) if str(y) in names else p\n"
    (tmp_path / "mine.py").write_text(text)
    code = "import mine; from counterpoise.core.code_hash import code_hash; print(code_hash(mine.loss))"
    texts = set()
    for seed in ("1", "2"):
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]), "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
        texts.add(done.stdout)
    assert len(texts) == 1


EDITS = {
    "a default that equals another": "def f(y, p, a=1, b=2, c={}): return a * y + b * p + c",
    "a constant of a class": "class f:\n  G = {}\n  def call(self, a): return a * self.G",
    "a static method": "class f:\n  @staticmethod\n  def s(a): return a * {}",
    "a class method": "class f:\n  @classmethod\n  def s(cls, a): return a * {}",
    "a property": "class f:\n  @property\n  def s(self): return {}",
    "a global of an inner function": "G = {}\ndef f(a):\n  def inner(c): return c * G\n  return inner(a)",
    "a function in a dict": "def u(a): return a * {}\nD = dict(u=[u])\ndef f(a): return D['u'][0](a)",
}


@pytest.mark.parametrize("source", EDITS.values(), ids=EDITS)
def test_each_edit_counts(source, monkeypatch):
    def hash_with(value):
        module = types.ModuleType("edited")
        monkeypatch.setitem(sys.modules, "edited", module)
        exec(source.replace("{}", str(value)), module.__dict__)
        return code_hash(module.f)

    assert hash_with(1) == hash_with(1) != hash_with(2)

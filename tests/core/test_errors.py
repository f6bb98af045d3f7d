"""The tree of errors, and the hints in their messages."""

from __future__ import annotations

import pickle

import pytest

from counterpoise.core import errors as e

OWN = [v for v in vars(e).values() if isinstance(v, type) and issubclass(v, e.CounterpoiseError)]


def test_the_tree_is_the_one_drawn_in_the_module():
    for error in OWN:
        assert error.__name__ in e.__doc__ or error is e.CounterpoiseError
        kind = {e.MissingExtraError: ImportError, e.ForkError: RuntimeError}.get(error, ValueError)
        assert issubclass(error, kind) or error is e.CounterpoiseError
    assert all(issubclass(error, e.DataError) for error in (e.ColumnError, e.TargetError, e.SplitError))
    assert not issubclass(e.OptionError, e.DataError)


@pytest.mark.parametrize("error", [v for v in OWN if v is not e.MissingExtraError])
def test_errors_cross_a_process(error):
    again = pickle.loads(pickle.dumps(error("what was got")))
    assert (type(again), str(again)) == (error, "what was got")


def test_a_missing_extra_says_what_to_install():
    error = e.MissingExtraError("onnxruntime", "onnx", "the ONNX export")
    assert "pip install 'counterpoise[onnx]'" in str(error)
    assert "onnxruntime" in str(error)
    assert (error.package, error.extra) == ("onnxruntime", "onnx")


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("undersampel", ["oversample", "undersample"], " Did you mean 'undersample'?"),
        ("AGE", ["age", "sex"], " Did you mean 'age'?"),
        ("age", ["Age", "AGE"], " Did you mean 'Age'?"),
        (3, [1, 2], " There are: 1, 2."),
        ("zzz", [], ""),
        ("zzz", range(20), " There are: 0, 1, 2, 3, 4, 5, 6, 7, ... (20 in all)."),
        ("ab", iter(["abc"]), " Did you mean 'abc'?"),
    ],
)
def test_hints(name, known, words):
    assert e.did_you_mean(name, known) == words

"""Forked children: what would hang for ever is one line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.core import fork_guard
from counterpoise.core.errors import ForkError
from counterpoise.data.read import read

Y = np.arange(60) % 4 == 0
X = np.random.default_rng(0).normal(size=(60, 2)) + Y[:, None]


@pytest.fixture
def child(monkeypatch):
    """A process that was forked from one in which the given library had been used."""
    monkeypatch.setattr(fork_guard, "_left_behind", set())
    monkeypatch.setattr(fork_guard, "_used", set())

    def forked(library):
        fork_guard.use(library)
        fork_guard._mark_left_behind()

    return forked


def test_what_a_parent_used_a_child_cannot_use(child):
    child("TensorFlow")
    fork_guard.use("Polars")
    with pytest.raises(ForkError, match=r"a process that had used TensorFlow.*get_context\('spawn'\)"):
        fork_guard.use("TensorFlow")
    fork_guard._mark_left_behind()
    assert fork_guard._left_behind == {"TensorFlow", "Polars"}, "a grandchild lacks what both had"


def test_every_door_to_a_library_is_guarded(child, tmp_path):
    clf = cp.fit("mlp", X, Y, epochs=1, verbose=0)
    file = clf.save(tmp_path / "m.keras")
    examples = read(X, y=Y)
    child("TensorFlow")
    for call in (
        lambda: cp.fit("mlp", examples, verbose=0),
        lambda: cp.compare("mlp", examples, verbose=0, folds=2),
        lambda: clf.predict(X),
        lambda: cp.load(file),
        lambda: clf.export(tmp_path / "out"),
    ):
        with pytest.raises(ForkError):
            call()
    assert cp.plans.oversample(Y).prior.tolist() == [0.5, 0.5], "what needs no threads goes on"
    assert clf.decide(threshold=0.3).rule.threshold == 0.3


@pytest.mark.parametrize("call", [lambda: read(X, y=Y), lambda: cp.diagnose(X, Y)])
def test_tables_are_guarded(child, call):
    child("Polars")
    with pytest.raises(ForkError, match="Polars"):
        call()


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads are named in /proc only")
def test_what_the_user_put_to_work_is_seen(child):
    import polars as pl
    import tensorflow as tf

    pl.DataFrame({"a": [2, 1]}).sort("a")
    tf.constant(1) + 1
    fork_guard._note_used_libraries()
    assert fork_guard._used >= {"Polars", "TensorFlow"}


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("used", [True, False])
def test_a_real_fork_ends_in_seconds(used):
    script = f"""
        import os, signal, sys
        import numpy as np
        import counterpoise as cp

        y = np.arange(60) % 4 == 0
        x = np.random.default_rng(0).normal(size=(60, 2)) + y[:, None]
        def work():
            clf = cp.fit("mlp", x, y, epochs=1, verbose=0)
            return clf.predict(x)
        import keras, polars  # imported is not yet used
        if {used}:
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).predict(x, verbose=0)
        if os.fork() == 0:
            signal.alarm(60)
            try:
                work()
                os._exit(0)
            except cp.CounterpoiseError as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(3)
        sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == (3 if used else 0), run.stderr
    assert ("forked from a process that had used TensorFlow" in run.stderr) == used

"""The guarantee for the JAX backend, where JAX is installed (see `jax_backend`)."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("jax_backend.py")


@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_what_is_guaranteed_on_jax():
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["losses", "metrics", "schedules", "feeds", "fits", "False"]

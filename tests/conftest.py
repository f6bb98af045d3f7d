"""TensorFlow, quiet, with few threads."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

# a script for machines with JAX (see CONTRIBUTING.md); `test_jax.py` runs it where JAX is importable
collect_ignore = ["jax_backend.py"]

# Machines are shared and noisy: a slow example is not a wrong one.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Lets every test import the helpers that lie beside this file.
sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Ray reads the second one once, at its first import, wherever that is; a cluster of one machine needs no tokens.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_health_check_period_ms", "1000")  # a killed node is believed dead after 5 s, not 15


#: Rooms and modules whose tests are of what is around a network: "mlp" is the least one there, and the bands of a
#: report and the intervals of grouped rows have few draws. `make docs`, `make demo`, other rooms, and modules with
#: `AS_SHIPPED = True` have the real ones.
AROUND = {"classifier", "cli", "comparison", "export", "pipeline", "targets", "test_bad_input", "test_guarantees"}


@pytest.fixture(scope="module", autouse=True)
def _sooner(request):
    if AROUND.isdisjoint((request.path.parent.name, request.path.stem)) or getattr(request.module, "AS_SHIPPED", False):
        yield
        return
    from small_networks import least

    from counterpoise.comparison import block_draws

    paired = partial(block_draws.paired_draws, resamples=200)
    few = mock.patch("counterpoise.report.bands.RESAMPLES", 40)
    with least("mlp"), few, mock.patch("counterpoise.comparison.judging.paired_draws", paired):
        yield


def pytest_collection_finish(session):
    """Spare the garbage collector what the libraries keep for ever: it took an eighth of the time."""
    import keras  # noqa: F401
    import sklearn  # noqa: F401
    import tensorflow  # noqa: F401

    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 10)


def pytest_sessionfinish(session, exitstatus):
    """On machines that must have a browser, a skipped page test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("COUNTERPOISE_NEED_BROWSER"):  # none in a worker
        return
    skipped = [r.nodeid for r in reporter.stats.get("skipped", []) if "browser" in r.keywords]
    if skipped:
        print(f"\nbrowser tests were skipped, but COUNTERPOISE_NEED_BROWSER is set: {skipped}")
        session.exitstatus = 1

"""A comparison of two models, killed three times, ends with the scores of one that was not (`make soak` kills more)."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from forked import runner
from soak import FITS, board, command_of, moments, ordeal, undisturbed, write_table

from counterpoise.comparison.store import Store

pytestmark = [pytest.mark.processes, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


def test_a_comparison_that_is_killed_again_and_again_ends_as_if_it_was_not(tmp_path):
    table, out = write_table(tmp_path / "table.csv"), tmp_path / "killed"
    with runner(tmp_path) as run:
        seconds, wanted = undisturbed(run, table, tmp_path / "whole")
        when = sorted(moments(np.random.default_rng(int(time.time())), FITS + 1, seconds)[:3])
        codes = ordeal(run, table, out, when)
        assert codes[-1] == 0, run.log.read_text()
        assert set(codes[:-1]) <= {-signal.SIGKILL, 0}, f"killed after {when}"
        assert board(out) == wanted, f"killed after {when} of {seconds} s"
        with Store.writing(out):
            assert run.run(*command_of(table, out)) == 2
        assert f"Process {os.getpid()} on " in run.log.read_text()

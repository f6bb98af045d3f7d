"""A pool of processes: the results of this process bit for bit, also when a worker is killed at work."""

from __future__ import annotations

import os
import signal

import keras
import numpy as np
import pytest
from small_jobs import same, world

from counterpoise.core.errors import ModelError, OptionError
from counterpoise.engines.run import run
from counterpoise.scale.messages import Shared, pickled
from counterpoise.scale.processes import pool
from counterpoise.scale.work import cut_batches


@pytest.mark.processes
def test_the_scores_are_those_of_this_process_though_a_worker_is_killed():
    examples, network, jobs = world()
    ours = dict(run(jobs, examples, network))
    theirs = {}
    with pool(2) as executor:
        for job_id, member in executor([*jobs, jobs[0]], examples, network):
            if not theirs:
                os.kill(executor._workers[0].process.pid, signal.SIGKILL)
            theirs[job_id] = member
        shared = executor._data[2].path
        assert os.path.exists(shared)
        # the end of a call that was not read to the end ends its workers
        half = executor(jobs, examples, network)
        next(half)
        half.close()
        assert executor._workers == []
    assert not os.path.exists(shared)
    assert set(theirs) == set(ours)
    assert all(same(ours[job_id], member) for job_id, member in theirs.items())


def test_jobs_are_cut_by_family_and_made_rows_come_last():
    examples, network, jobs = world()
    cut = cut_batches(jobs, examples, network, 2, "auto", ())
    assert sorted(job.id for batch in cut for job in batch.jobs) == sorted(job.id for job in jobs)
    assert len({batch.family for batch in cut}) == 2
    made = [batch.jobs[0].plan.new is not None for batch in cut]
    assert made == sorted(made)
    assert all(batch.compile_modes == network.compile_modes and batch.compile_modes for batch in cut)


def test_arrays_are_mapped_and_cannot_be_written():
    value = {"x": np.arange(1000.0).reshape(10, 100), "none": np.empty((0, 3)), "text": ["a"]}
    shared = Shared.of(value)
    try:
        assert len(shared.content) < 1000, "the numbers are in the file"
        again = shared.load()
        assert np.array_equal(again["x"], value["x"])
        assert again["none"].shape == (0, 3)
        with pytest.raises(ValueError, match="read-only"):
            again["x"][0] = 1
    finally:
        shared.remove()


def test_what_cannot_leave_this_process_is_refused():
    examples, network, jobs = world(("none",))
    with pytest.raises(OptionError, match="Expected at least one process"):
        pool(0)
    with pytest.raises(OptionError, match="work only in this process"):
        list(pool(1)(jobs, examples, network, callbacks=[keras.callbacks.Callback()]))
    with pytest.raises(ModelError, match="cannot be sent to another process"):
        pickled(i for i in range(3))

"""Two Ray nodes on this machine, one of them killed in the middle: every fit arrives, equal to this process."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from command_line import check_refusal, run_command
from small_jobs import same, world

from counterpoise.core.errors import OptionError
from counterpoise.engines.run import run
from counterpoise.scale.cluster import _batch_to_retry
from counterpoise.scale.cluster import ray as cluster
from counterpoise.scale.work import cut_batches

core = pytest.importorskip("ray")


@pytest.fixture(name="nodes")
def _nodes():
    """A cluster whose head trains nothing, and its two working nodes."""
    from ray.cluster_utils import Cluster

    size = {"include_dashboard": False, "object_store_memory": 100 << 20}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **size})
    try:
        yield made, [made.add_node(num_cpus=1, object_store_memory=100 << 20) for _ in range(2)]
    finally:
        core.shutdown()
        made.shutdown()


@pytest.mark.processes
def test_a_node_that_is_killed_costs_no_fit(nodes):
    made, working = nodes
    examples, network, jobs = world(("none", "smote"))
    ours = dict(run(jobs, examples, network))
    theirs = {}
    with cluster(made.address) as executor:
        for job_id, member in executor(jobs, examples, network):
            if not theirs:
                made.remove_node(working[0], allow_graceful=False)
            theirs[job_id] = member
    assert not core.is_initialized()
    assert set(theirs) == set(ours)
    assert all(same(ours[job_id], member) for job_id, member in theirs.items())


def test_what_a_dead_worker_owes_is_sent_out_again_and_reported(caplog):
    examples, network, jobs = world(("none",))
    (batch,) = cut_batches(jobs, examples, network, 1, "auto", ())[:1]
    tries, death = Counter(), RuntimeError("the node is gone")
    assert _batch_to_retry(batch, [job.id for job in batch.jobs], tries, 1, death) is None
    assert caplog.text == ""
    assert _batch_to_retry(batch, [], tries, 1, death).jobs == batch.jobs
    assert "A worker of the cluster died (RuntimeError)" in caplog.text
    with pytest.raises(OptionError, match="lost 2 times"):
        _batch_to_retry(batch, [], tries, 1, death)


def test_without_ray_one_line_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    table = tmp_path / "table.csv"
    table.write_text("a,y\n" + "".join(f"{i},{int(i % 4 == 0)}\n" for i in range(40)))
    command = ("compare", table, "--target", "y", "--ray", "auto", "--out", tmp_path / "run")
    check_refusal(run_command(*command), "pip install 'counterpoise[ray]'")
    check_refusal(run_command(*command, "--jobs", 2), "--jobs and --ray cannot be combined")


def test_addresses_and_numbers_that_cannot_be():
    with pytest.raises(OptionError, match="ray job submit"):
        cluster("ray://head:10001")
    with pytest.raises(OptionError, match="cpus, gpus and retries"):
        cluster(cpus=0)

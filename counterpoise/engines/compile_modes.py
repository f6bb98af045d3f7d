"""The compile mode of each loss family: decided once, from all jobs, before any of them is.

A mode that depends on the number of steps must not change when only some of the jobs are at hand (in a worker, after a
resume), because XLA rounds differently. So it is written into the network, which carries it along.
"""

from __future__ import annotations

from collections.abc import Iterable

from counterpoise.core.job import Job
from counterpoise.engines.objective import Objective
from counterpoise.engines.program_rules import CompileMode, compile_mode
from counterpoise.networks.network import Network


def jobs_by_family(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Return the jobs by loss family: those of one family share a trace."""
    by_family: dict[str, list[Job]] = {}
    for job in jobs:
        by_family.setdefault(Objective(job).family, []).append(job)
    return by_family


def decide_compile_modes(jobs: Iterable[Job], network: Network) -> dict[str, CompileMode]:
    """Return the compile mode of each loss family, and store new ones in the network.

    They are decided by the steps of all `jobs`, so pass all jobs of a run before the first is trained.
    """
    for family, group in jobs_by_family(jobs).items():
        if family not in network.compile_modes:
            limits = [job.limits for job in group]
            # keep=True leaves the network in place for others: it is only looked at.
            network.compile_modes[family] = compile_mode(
                network.spare(keep=True), Objective(group[0]).loss(network), limits
            )
    return network.compile_modes

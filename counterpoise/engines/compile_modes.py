"""The compile mode of each loss family: decided once, from all jobs of a run, before the first is trained.

A mode depends on the number of steps. It must not change when only some of the jobs are left (in a worker, after a
resume), because XLA rounds differently. So it is kept in the network, which carries it to other processes. A store of
`compare` saves it under the name of the family (see `comparison.resume`).
"""

from __future__ import annotations

from collections.abc import Iterable

from counterpoise.core.job import Job
from counterpoise.engines.objective import Objective
from counterpoise.engines.program_rules import CompileMode, compile_mode
from counterpoise.networks.network import Network


def jobs_by_family(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Return the jobs by loss family (`Objective.family`); jobs of one family share a trace of the program."""
    by_family: dict[str, list[Job]] = {}
    for job in jobs:
        by_family.setdefault(Objective(job).family, []).append(job)
    return by_family


def decide_compile_modes(jobs: Iterable[Job], network: Network) -> dict[str, CompileMode]:
    """Decide the compile modes of loss families that have none yet; return `network.compile_modes` with all of them.

    The steps of all `jobs` decide, so pass all jobs of a run before the first is trained. A mode that the network
    already has never changes here. Nothing is compiled yet.
    """
    for family, group in jobs_by_family(jobs).items():
        if family not in network.compile_modes:
            limits = [job.limits for job in group]
            # keep=True leaves the spare model in the network for others: it is only looked at.
            network.compile_modes[family] = compile_mode(
                network.spare(keep=True), Objective(group[0]).loss(network), limits
            )
    return network.compile_modes

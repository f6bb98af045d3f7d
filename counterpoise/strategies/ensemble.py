"""The class of strategies whose members are trained independently, corrected, and pooled (see `select.ensemble`).

Jobs, members and weights are in the order of `singles`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.strategies.strategy import Single, Strategy


@dataclass(frozen=True)
class Ensemble(Strategy):
    """An average of members with any strategy and any model (made by `cp.ensemble`).

    Attributes:
        members: The members, each a `Single` or a `Successive`.
        vote: "soft", "log", "hard", "weighted" or "greedy" (see `cp.ensemble`).
        weights: One weight for each model, with the sum 1. None: equal weights, or learned weights for "weighted" and
            "greedy".
        single_pass: Whether a batch ensemble may train all members at once (see `single_pass.in_single_pass`).

    Raises:
        OptionError: There are no members, or the members are names.

    Example:
        >>> pair = Ensemble("pair", members=(Strategy("one"), Strategy("two")))
        >>> pair.member_names, pair.pooling
        (('one', 'two'), ('soft', None))
    """

    members: tuple[Strategy, ...] = ()
    vote: str = "soft"
    weights: tuple[float, ...] | None = None
    single_pass: bool = True

    def __post_init__(self) -> None:
        """Check the members, and replace ensembles among them by their own members."""
        if not self.members or not all(isinstance(member, Strategy) for member in self.members):
            raise OptionError(
                f"members= is {self.members!r:.80}. Expected strategy objects. To pass names of "
                "strategies, call cp.ensemble([...])."
            )
        # `object.__setattr__`, because the dataclass is frozen.
        object.__setattr__(self, "members", tuple(unit for member in self.members for unit in member.units))

    @property
    def singles(self) -> tuple[Single, ...]:
        """The parts that are trained, member by member."""
        return tuple(single for member in self.members for single in member.singles)

    @property
    def units(self) -> tuple[Strategy, ...]:
        return self.members

    @property
    def pooling(self) -> tuple[str, tuple[float, ...] | None]:
        return self.vote, self.weights

    @property
    def n_stages(self) -> int:
        return max(member.n_stages for member in self.members)

    def mapped(self, function: Callable[[Single], Single]) -> Ensemble:
        return replace(self, members=tuple(member.mapped(function) for member in self.members))

    def in_several_passes(self) -> Ensemble:
        return replace(self, single_pass=False)

    def jobs(self, make: Callable[[Single], Job], *, timed: bool = False) -> list[Job]:
        return [job for member in self.members for job in member.jobs(make, timed=timed)]

    def due(self, stage: int, jobs: Sequence[Job], members: Mapping[str, Member], examples: Examples) -> dict[int, Job]:
        """Return the jobs of a stage by their index in `jobs` (see `Strategy.due`)."""
        due: dict[int, Job] = {}
        for member, start, own in self._members_with_jobs(jobs):
            due |= {start + i: job for i, job in member.due(stage, own, members, examples).items()}
        return due

    def outputs(self, jobs: Sequence[Job], members: Mapping[str, Member]) -> list[Member]:
        """Return the outputs of all members, in the order of `jobs` (see `Strategy.outputs`)."""
        return [output for member, _, own in self._members_with_jobs(jobs) for output in member.outputs(own, members)]

    def _members_with_jobs(self, jobs: Sequence[Job]) -> Iterator[tuple[Strategy, int, Sequence[Job]]]:
        """Yield each member, the index of its first job, and its jobs.

        `jobs` are in the order of `singles`.
        """
        start = 0
        for member in self.members:
            end = start + len(member.singles)
            yield member, start, jobs[start:end]
            start = end

"""Successive halving: which strategies continue if the steps (or the seconds) of a comparison are limited.

Rung by rung all networks of the remaining strategies are trained for the same number of steps, each rung longer than
the one before; the half with the better stopping score continues (`none`, and what shares its network, always does).
Only early-stopping rows decide, which belong to the training fold: test rows are used for the final scores of those
that are left. (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", 2016.)
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Member
from counterpoise.engines.run import Executor, Trained
from counterpoise.networks.network import Network
from counterpoise.pipeline.budget import MOST_EXTENSION
from counterpoise.pipeline.jobs import FoldKey, jobs_by_fold, leave_out_failed
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import train_in_stages
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.select import Strategy


@dataclass(frozen=True)
class Limit:
    """How much a comparison may train: optimizer steps over all networks, or seconds.

    Attributes:
        amount: Above 0.
        seconds: Whether it is time; then results depend on the machine.
    """

    amount: float
    seconds: bool = False

    @classmethod
    def of(cls, given: Any) -> Limit | None:
        """Read a limit from a number of steps or text ("20000" steps, "600s" seconds).

        None and a `Limit` are returned unchanged. Anything else raises an `OptionError`.

        Example:
            >>> Limit.of("600s"), Limit.of(20000)
            (Limit(amount=600.0, seconds=True), Limit(amount=20000.0, seconds=False))
        """
        if given is None or isinstance(given, cls):
            return given
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s?)\s*", str(given))
        if match is None or float(match[1]) <= 0 or (not match[2] and float(match[1]) % 1):
            raise OptionError(f'limit= is {given!r}. Expected a number of steps above 0, or seconds as in "600s".')
        return cls(float(match[1]), bool(match[2]))


@dataclass
class Rungs:
    """The strategies that are left after the rungs; `compare` trains them to the end with these settings.

    Attributes:
        strategies: Those that are left.
        settings: Settings of the last rung.
        stopped: strategy -> {"steps": most steps of each of its networks, "score": mean stopping score, "best": the
            best score of the strategies then}.
        cut: Whether the limit ended the comparison before its last rung, or shortened a network.
    """

    strategies: list[Strategy]
    settings: Settings
    stopped: dict[str, dict[str, float]] = field(default_factory=dict)
    cut: bool = False


class RememberingExecutor:
    """An executor that keeps every trained member in memory, so that no job is trained twice in one comparison."""

    def __init__(self, executor: Executor) -> None:
        self.executor, self.members = executor, dict[str, Member]()

    def __call__(self, jobs: Iterable[Job], examples: Examples, model: Any, **how: Any) -> Trained:
        """Yield (job id, member) of all jobs, first of those that were trained before."""
        wanted = {job.id: job for job in jobs}
        yield from [(job_id, self.members[job_id]) for job_id in wanted if job_id in self.members]
        fresh = [job for job_id, job in wanted.items() if job_id not in self.members]
        if fresh:
            for job_id, member in self.executor(fresh, examples, model, **how):
                self.members[job_id] = member
                yield job_id, member


def run_rungs(strategies: Sequence[Strategy], trainer: Trainer, limit: Limit, folds: Sequence[Fold]) -> Rungs:
    """Run all rungs before the last one; return the strategies that are left, and the settings of the last rung.

    The caller trains the last rung. The executor should be a `RememberingExecutor`, because that rung may repeat jobs.
    Only networks take steps. Strategies without a network therefore continue without rungs, and blends of networks and
    trees continue or stop by the scores of their networks.
    """
    settings = trainer.settings
    networks = [part for s in strategies if (part := _network_part(s, trainer)) is not None]
    if not networks:
        return Rungs(list(strategies), settings)
    jobs, _ = jobs_by_fold(networks, trainer, folds)
    most = max(job.limits.steps for group in jobs.values() for job in group)
    # Without the limit, a network may get an extended budget, and a second training on its early-stopping rows.
    longest = most * (1 + 2 * MOST_EXTENSION if settings.extend else 2)
    if not limit.seconds and limit.amount >= longest * len({job.id for group in jobs.values() for job in group}):
        return Rungs(list(strategies), settings)  # the limit is never reached
    # Each rung halves the strategies but the baseline, so their logarithm is the number of rungs.
    rung_count = max(1, math.floor(math.log2(max(1, len(networks) - 1))) + 1)
    remaining, budget_left = Rungs(networks, settings), limit.amount
    for rung in range(rung_count):
        per_job = _steps_per_network(remaining, jobs, budget_left, rung_count - rung, most, limit)
        remaining.settings = replace(settings, most_steps=per_job)
        if rung == rung_count - 1 or per_job >= most:
            break
        started = time.perf_counter()
        ranked, spent = _train_rung(remaining, folds, replace(trainer, settings=remaining.settings, progress=None))
        used = time.perf_counter() - started
        budget_left -= used if limit.seconds else spent
        if limit.seconds and budget_left < 2 * used:  # the next rung takes about twice as long
            remaining.cut = True
            break
        _stop_worse_half(remaining, ranked, per_job)
    remaining.cut = remaining.cut or (remaining.settings.most_steps or most) < most
    remaining.strategies = [s for s in strategies if s.name not in remaining.stopped]
    return remaining


def _network_part(strategy: Strategy, trainer: Trainer) -> Strategy | None:
    """Return the strategy without the members of an ensemble that are no networks; None if no network is left."""
    networks = [isinstance(trainer.models[single.model], Network) for single in strategy.singles]
    if all(networks) or not any(networks):
        return strategy if all(networks) else None
    assert isinstance(strategy, Ensemble)  # only the members of a blend have different models
    parts = [part for member in strategy.members if (part := _network_part(member, trainer)) is not None]
    return replace(strategy, members=tuple(parts), weights=None)


def _steps_per_network(
    remaining: Rungs, jobs: Mapping[FoldKey, list[Job]], left: float, rungs_left: int, most: int, limit: Limit
) -> int:
    """Return the steps of each network on this rung, from 1 to `most`.

    A limit in steps is divided equally among the `rungs_left` and their networks; `left` is the rest of the limit.
    With a limit in seconds, the steps double from rung to rung, and the last rung has `most`.
    """
    if limit.seconds:  # each shift by one bit halves `most`
        return max(1, most >> (rungs_left - 1))
    names = {s.name for s in remaining.strategies}
    count = len({job.id for (name, _), group in jobs.items() if name in names for job in group})
    return int(np.clip(left / rungs_left / max(1, count), 1, most))


def _train_rung(remaining: Rungs, folds: Sequence[Fold], trainer: Trainer) -> tuple[dict[str, float], int]:
    """Train one rung, with the steps that the settings of `trainer` allow; return scores and the number of steps.

    The result is the mean stopping score of each strategy, and the steps of all networks together.
    The score is the log loss on the early-stopping rows, so lower is better. Failed strategies have no score.
    """
    jobs, failures = jobs_by_fold(remaining.strategies, trainer, folds)
    by_name = {s.name: s for s in remaining.strategies}
    jobs, members = train_in_stages(jobs, {key: by_name[key[0]] for key in jobs}, trainer, failures)
    # Only out of `jobs`: the strategies stay in `remaining`, to fail on the last rung.
    leave_out_failed(jobs, members, failures)
    scores: dict[str, list[float]] = {}
    for (name, _), group in jobs.items():
        scores.setdefault(name, []).extend(np.nanmin(members[job.id].history["stop_loss"]) for job in group)
    return {name: float(np.mean(v)) for name, v in scores.items()}, sum(m.steps for m in members.values())


def _stop_worse_half(remaining: Rungs, score: Mapping[str, float], per_job: int) -> None:
    """Move the worse half of the strategies of `remaining` to `remaining.stopped`, in place.

    `score` is the mean log loss of each strategy after `per_job` steps. The strategies that share the baseline's
    network always stay, and so do strategies without a score.
    """
    always_kept = [s for s in remaining.strategies if s.name in ("none", "threshold")]
    others = [s for s in remaining.strategies if s not in always_kept and s.name in score]
    others.sort(key=lambda s: score[s.name])
    kept = {s.name for s in (*always_kept, *others[: -(-len(others) // 2)])}  # half, rounded up
    best = min(score.values(), default=math.inf)
    for s in remaining.strategies:
        if s.name not in kept and s.name in score:
            remaining.stopped[s.name] = {"steps": per_job, "score": score[s.name], "best": best}
    remaining.strategies = [s for s in remaining.strategies if s.name not in remaining.stopped]


def stopped_text(stop: Mapping[str, float]) -> str:
    """Return why a strategy was stopped: the "error" of its row in the leaderboard. `stop` is as in `Rungs.stopped`.

    Example:
        >>> stopped_text({"steps": 120, "score": 0.31, "best": 0.25})
        'stopped at 120 steps per network: its log loss on the early-stopping rows was 0.3100 (best strategy: 0.2500)'
    """
    return (
        f"stopped at {stop['steps']:,.0f} steps per network: its log loss on the early-stopping rows was "
        f"{stop['score']:.4f} (best strategy: {stop['best']:.4f})"
    )

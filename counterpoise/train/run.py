"""Jobs to members: one call for every engine, pool and cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.records import Examples, Job, Limits, Member
from counterpoise.train.fit_engine import FitEngine, Progress
from counterpoise.train.network import Network

Array = np.ndarray

ENGINES = ("auto", "fit", "program")


def run(
    jobs: Iterable[Job],
    examples: Examples,
    network: Network,
    *,
    engine: str = "auto",
    callbacks: Iterable[Any] = (),
    progress: Progress | None = None,
) -> Iterator[tuple[str, Member]]:
    """Train jobs and yield (job id, member) in order of completion; jobs with the same id are trained once.

    Args:
        jobs: What to train.
        examples: The rows that the jobs number.
        network: The recipe of the network.
        engine: "fit", "program" or "auto".
        callbacks: Keras callbacks for the `fit` engine.
        progress: Called with (job id, steps done, steps at most) after each round.
    """
    if engine not in ENGINES:
        raise OptionError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}.")
    distinct = list({job.id: job for job in jobs}.values())
    trainer = FitEngine(examples, network, tuple(callbacks))
    for job in distinct:
        yield job.id, trainer.train(job, progress)


def make_job(
    plan: Any,
    train: Array,
    stop: Array,
    score: Array,
    *,
    loss: tuple[str, Mapping[str, Any]],
    seed: int,
    place: tuple[int, int, int],
    limits: Limits,
) -> Job:
    """A job whose id is a hash of everything that decides its result."""
    parts = [plan.name, plan.draw, plan.redraw, plan.drawn, plan.class_weights, plan.sample_weight, plan.codes]
    parts += [train, stop, score, loss[0], sorted(loss[1].items()), seed, place, limits]
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        digest.update(b"|")
    return Job(digest.hexdigest(), plan, train, stop, score, loss, seed, place, limits)

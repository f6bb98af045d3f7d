"""What both executors share: jobs are cut into batches, and a worker takes over settings and trains a batch.

Sums of floats are split by the number of threads of an operation, and XLA rounds in its own order. So a worker takes
the driver's number of threads and the compile modes that the driver decided, and its results are those of the driver
bit for bit on processors of the same kind.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.keras_import import import_keras_quietly

#: Batches of a loss family for each worker: enough to balance the load, few enough to compile rarely.
SHARES = 2


class ClosingExecutor:
    """Base class of executors that a `with` block closes at its end."""

    def close(self) -> None:
        """Free what the executor opened, such as processes; subclasses define how."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class WorkerSettings:
    """The settings that a worker process must share with the driver.

    Attributes:
        path: Where Python looks for modules.
        environment: Names and values of environment variables to set before TensorFlow is imported.
        policy: Keras dtype policy. floatx, image_data_format: Keras's defaults.
    """

    path: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    policy: str
    floatx: str
    image_data_format: str


@dataclass(frozen=True)
class Batch:
    """Jobs for one worker, with how they are trained.

    Attributes:
        jobs: Jobs of one loss family.
        family: Its name: a worker that has compiled it once is given more of it.
        compile_modes: The compile modes of the network (see `engines.compile_modes`).
        engine: As in `engines.run.run`.
    """

    jobs: tuple[Job, ...]
    family: str
    compile_modes: dict[str, Any]
    engine: str

    @property
    def steps(self) -> int:
        """The most optimizer steps of all jobs together."""
        return sum(job.limits.steps for job in self.jobs)


def process_settings(threads: int | None = None) -> WorkerSettings:
    """Return the settings of this process for its workers.

    `threads` is the number of threads of one operation in a worker. None: as many as in this process.
    """
    import keras

    wanted = threads or _threads_here()
    environment = {
        "KERAS_BACKEND": keras.backend.backend(),
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
        "TF_NUM_INTRAOP_THREADS": str(wanted),
        "TF_FORCE_GPU_ALLOW_GROWTH": os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH", "true"),
    }
    path = tuple(os.getcwd() if entry == "" else entry for entry in sys.path)
    policy = keras.config.dtype_policy().name
    return WorkerSettings(
        path, tuple(environment.items()), policy, keras.config.floatx(), keras.config.image_data_format()
    )


def apply_settings(settings: WorkerSettings) -> None:
    """Give this worker process the settings of the driver.

    Call this before anything imports TensorFlow.
    """
    os.environ.update(settings.environment)
    sys.path += [entry for entry in settings.path if entry not in sys.path]
    import_keras_quietly()
    import keras

    keras.config.set_floatx(settings.floatx)
    keras.config.set_image_data_format(settings.image_data_format)
    keras.config.set_dtype_policy(settings.policy)
    logging.getLogger("counterpoise").setLevel(logging.ERROR)  # the driver has logged it once


def train_batch(
    batch: Batch, examples: Examples, network: Any, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[tuple[str, Member]]:
    """Train a batch in this process, one job after the other, and yield (job id, member).

    The compile modes of the batch are added to those of `network`, which changes.
    """
    from counterpoise.engines.run import run

    if batch.compile_modes:
        network.compile_modes |= batch.compile_modes
    return run(batch.jobs, examples, network, engine=batch.engine, progress=progress, threads=1)


def cut_batches(
    jobs: Iterable[Job], examples: Examples, network: Any, workers: int, engine: str, callbacks: Iterable[Any]
) -> list[Batch]:
    """Return jobs in batches of one loss family, those with most steps first and those with synthetic rows last.

    The batches decide how long training takes, and not its results. Compile modes depend on all jobs, so they are
    decided here. A reason to train with `fit` is logged. Each job of a model that is no network is a batch.

    Raises:
        OptionError: There are Keras callbacks, or a network that is trained in place; both work only in this process.
    """
    from counterpoise.engines.compile_modes import decide_compile_modes, jobs_by_family
    from counterpoise.engines.program_rules import why_not_program
    from counterpoise.engines.run import logger

    distinct = {job.id: job for job in jobs}
    if network.kind != "network":
        return [Batch((job,), "", {}, engine) for job in distinct.values()]
    if tuple(callbacks) or not network.clone:
        raise OptionError("Keras callbacks and clone=False work only in this process. Leave the executor out.")
    compile_modes = decide_compile_modes(distinct.values(), network)
    if engine == "auto" and (reason := why_not_program(network, examples)):
        logger.warning('Training uses engine="fit", because %s. Training may take longer.', reason)
    groups = jobs_by_family(distinct.values())
    grouped = {id(job) for group in groups.values() for job in group}
    others = [job for job in distinct.values() if id(job) not in grouped]
    cut = [Batch((job,), "", {}, engine) for job in others]
    for family, group in groups.items():
        cut += [Batch(share, family, compile_modes, engine) for share in _cut_shares(group, workers)]
    return sorted(cut, key=lambda batch: (_has_synthetic_rows(batch.jobs[0]), -batch.steps))


def unfinished_part(batch: Batch, done: Iterable[str]) -> Batch | None:
    """Return the batch without the jobs whose ids are in `done`; None if no job remains."""
    finished = set(done)
    left = tuple(job for job in batch.jobs if job.id not in finished)
    return replace(batch, jobs=left) if left else None


def _cut_shares(jobs: Sequence[Job], workers: int) -> list[tuple[Job, ...]]:
    """Cut jobs into shares of about equal size, at most 2 per worker.

    Jobs with synthetic rows have shares of their own, at most 1 per worker.
    """
    shares: list[tuple[Job, ...]] = []
    for synthetic, count in ((False, SHARES * workers), (True, workers)):
        mine = [job for job in jobs if _has_synthetic_rows(job) == synthetic]
        # Division that rounds up; 0 if there are no such jobs.
        size = -(-len(mine) // count)
        shares += [tuple(mine[i : i + size]) for i in range(0, len(mine), size or 1)]
    return shares


def _has_synthetic_rows(job: Job) -> bool:
    """Return whether the plan of a job contains synthetic rows."""
    return job.plan.new is not None


def _threads_here() -> int:
    """Return the number of threads of one TensorFlow operation in this process.

    It is the value that was set in TensorFlow or its environment variable, otherwise the number of processors.
    """
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "0")
    if "tensorflow" in sys.modules:
        configured = sys.modules["tensorflow"].config.threading.get_intra_op_parallelism_threads()
        given = str(configured) if configured else given
    own = int(given) if given.isdigit() else 0
    return own or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

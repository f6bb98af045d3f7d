"""Training on a Ray cluster: several fits to a task, the rows once in the object store, results to the driver.

A task streams its members one by one. If a node dies, only the fits in progress on it are lost, and they are sent
again. Members are equal to those of `engines.run.run` bit for bit on processors of the same kind (`scale.work`).
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.lazy import needed
from counterpoise.scale.messages import pickled, unpickled
from counterpoise.scale.work import (
    Batch,
    ClosingExecutor,
    WorkerSettings,
    apply_settings,
    cut_batches,
    process_settings,
    train_batch,
    unfinished_part,
)

logger = logging.getLogger("counterpoise")

#: Seconds between two checks of the cluster while nothing arrives.
LOOK = 1.0


def ray(
    address: str | None = None, *, cpus: float = 1, gpus: float = 0, retries: int = 3, threads: int | None = None,
    **init: Any,
) -> Cluster:  # fmt: skip
    """Train on a Ray cluster: `compare(..., executor=cp.scale.ray("auto"))`.

    A task contains several fits, so a worker imports TensorFlow once and compiles once. The rows are put into the
    object store once. The driver writes finished fits into the store of the run. If a node dies, only the fits in
    progress on this node are lost. An interrupt cancels all tasks. On processors of the same kind, scores are equal to
    training in this process, bit for bit. On other processors, they agree up to the rounding of floats.

    Args:
        address: "auto" for the cluster of this node, HOST:PORT, or None ("local") for a cluster on this machine only.
        cpus: Processor cores of a task. gpus: GPUs of a task; a fraction is allowed.
        retries: How often a fit is sent again after its node or worker died.
        threads: Number of threads of one operation. None: as many as in this process.
        **init: Other arguments of `ray.init`, for example `runtime_env`.

    Returns:
        Cluster: an executor. `close()` or the end of a `with` block closes a connection that the executor opened.

    Raises:
        MissingExtraError: Ray is not installed.
        OptionError: The address is of the Ray client (ray://), which cannot stream results.

    Example:
        >>> ray("ray://head:10001")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: address is 'ray://head:10001'. Expected auto, HOST:PORT or local. Run ...
    """
    if (address or "").startswith("ray://"):
        raise OptionError(
            f"address is {address!r}. Expected auto, HOST:PORT or local. Run the command on a node of the cluster, "
            f"for example by `ray job submit`."
        )
    if cpus <= 0 or gpus < 0 or retries < 0:
        raise OptionError(
            f"cpus, gpus and retries are {cpus}, {gpus} and {retries}. Expected cpus above 0, and gpus and retries of "
            "0 or more."
        )
    _import_ray()
    return Cluster(address or "local", {"num_cpus": cpus, "num_gpus": gpus}, retries, threads, init)


class Cluster(ClosingExecutor):
    """An executor over a Ray cluster; made by `ray`."""

    def __init__(
        self, address: str, wants: dict[str, float], retries: int, threads: int | None, init: dict[str, Any]
    ) -> None:
        self.address, self.wants, self.retries, self.threads, self.init = address, wants, retries, threads, init
        self._opened = False
        self._data: list[Any] = []  # examples, network, and the reference of both

    def __repr__(self) -> str:
        return f"Cluster(address={self.address!r})"

    def close(self) -> None:
        """Close the connection, if this object opened it."""
        self._data.clear()
        if self._opened:
            self._opened = False
            _import_ray().shutdown()

    def __call__(
        self,
        jobs: Iterable[Job],
        examples: Examples,
        network: Any,
        *,
        engine: str = "auto",
        callbacks: Iterable[Any] = (),
        progress: Callable[[str, int, int], None] | None = None,
        threads: int | None = None,
    ) -> Generator[tuple[str, Member], None, None]:
        """Train jobs like `engines.run.run`, and yield (job id, member) as they finish.

        `progress` is not called, and `threads` has no effect here (see `ray`).
        """
        ray_module = _import_ray()
        self._connect()
        workers = max(1, int(ray_module.cluster_resources().get("CPU", 1) // self.wants["num_cpus"]))
        todo = cut_batches(jobs, examples, network, workers, engine, callbacks)
        if todo:
            task = ray_module.remote(**self.wants, max_retries=0, num_returns="streaming")(_ray_task)
            order = TaskOrder(task, self._stored_reference(examples, network), process_settings(self.threads))
            yield from _gather_results(ray_module, order, todo, self.retries)

    def _connect(self) -> None:
        """Connect to the cluster, or start one on this machine; nothing happens if the process is connected already.

        A cluster that does not answer is an OptionError. Only a connection that is made here is closed by `close`.
        """
        ray_module = _import_ray()
        if ray_module.is_initialized():
            return
        how = {"log_to_driver": False, "logging_level": logging.ERROR, **self.init}
        if self.address == "local":
            how = {"include_dashboard": False, **how}
        try:
            ray_module.init(address=self.address, **how)
        except Exception as error:  # Ray has no class of its own for a cluster out of reach
            why = str(error).strip().partition("\n")[0]
            raise OptionError(
                f"No Ray cluster answers at {self.address!r} ({why}). Start it with `ray start --head`, and run the "
                f"command on one of its nodes."
            ) from error
        self._opened = True

    def _stored_reference(self, examples: Examples, network: Any) -> Any:
        """Return the reference of the rows and the network in the object store, where they are put once."""
        if not self._data or self._data[0] is not examples or self._data[1] is not network:
            self._data[:] = [examples, network, _import_ray().put((examples, pickled(network)))]
        return self._data[2]


@dataclass(frozen=True)
class TaskOrder:
    """What every task receives in addition to its jobs.

    Attributes:
        task: The remote function of Ray.
        data: The reference of examples and network in the object store.
        settings: The settings of the driver.
    """

    task: Any
    data: Any
    settings: WorkerSettings

    def send(self, batch: Batch) -> Any:
        """Start a task for a batch, and return the stream of its results."""
        return self.task.remote(pickled(batch), [self.data], self.data.hex(), self.settings)


def _gather_results(
    ray_module: Any, order: TaskOrder, todo: list[Batch], retries: int
) -> Generator[tuple[str, Member], None, None]:
    """Send batches to the cluster, and yield (job id, member) as results arrive.

    If a worker dies, the jobs that it has not finished are sent again. An exception of the task itself is raised.
    At the end, also after an interrupt, tasks that still run are canceled.
    """
    # Stream of results -> its batch, and the ids of the jobs that have arrived.
    running: dict[Any, tuple[Batch, list[str]]] = {order.send(batch): (batch, []) for batch in todo}
    tries: Counter[str] = Counter()
    try:
        while running:
            ready, _ = ray_module.wait(list(running), num_returns=1, timeout=LOOK)
            for stream in ready:
                batch, done = running[stream]
                try:
                    job_id, member = ray_module.get(next(stream))
                except StopIteration:
                    del running[stream]
                except ray_module.exceptions.RayTaskError as error:  # the task itself raised: it would again
                    raise error.cause or error from None
                except ray_module.exceptions.RayError as error:
                    del running[stream]
                    left = _batch_to_retry(batch, done, tries, retries, error)
                    if left is not None:
                        running[order.send(left)] = left, []
                else:
                    done.append(job_id)
                    yield job_id, member
    finally:
        for stream in running:
            with suppress(Exception):
                ray_module.cancel(stream, force=True)


def _batch_to_retry(batch: Batch, done: list[str], tries: Counter[str], retries: int, error: Exception) -> Batch | None:
    """Return the unfinished jobs of a batch whose worker died, to send them again; None if all jobs are done.

    If the first of them was lost more than `retries` times, the message of `error` goes into an OptionError.
    """
    left = unfinished_part(batch, done)
    if left is None:
        return None
    tries[left.jobs[0].id] += 1
    if tries[left.jobs[0].id] > retries:
        first = str(error).strip().splitlines()[0]
        raise OptionError(
            f"A fit was lost {retries + 1} times on the cluster ({type(error).__name__}: {first}). Check the memory of "
            "the nodes, or raise retries=."
        )
    logger.warning(
        "A worker of the cluster died (%s). Counterpoise sends its unfinished fits to the cluster again.",
        type(error).__name__,
    )
    return left


#: In a worker of Ray: the examples and the network that came last, by the name of their reference.
_LAST_DATA: dict[str, tuple[Examples, Any]] = {}


def _ray_task(
    content: bytes, data: list[Any], name: str, settings: WorkerSettings
) -> Generator[tuple[str, Member], None, None]:
    """Train a batch in a worker of Ray, and yield (job id, member); the function of all tasks.

    `content` is the pickled batch. `data` has one entry, the reference of examples and network, and `name` is its hex
    id. The list keeps Ray from fetching the data before they are needed.
    """
    apply_settings(settings)
    if name not in _LAST_DATA:
        examples, network = _import_ray().get(data[0])
        _LAST_DATA.clear()
        _LAST_DATA[name] = examples, unpickled(network)
    yield from train_batch(unpickled(content), *_LAST_DATA[name])


def _import_ray() -> Any:
    """Import and return the package Ray, with its usage statistics turned off.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return needed("ray", "ray", "Training on a cluster")

"""A pool of processes on this machine: each imports TensorFlow once and trains batches of jobs.

Workers are started as new processes (never forked: TensorFlow does not survive that) and without running the main
script again, so a script needs no `if __name__ == "__main__"`. The rows are once in a file that all of them map.
Members are equal to those of `engines.run.run` bit for bit, also after a worker died (`tests/scale/test_pool.py`).
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.scale.messages import Shared, pickled, receive, send
from counterpoise.scale.work import (
    Batch,
    ClosingExecutor,
    WorkerSettings,
    cut_batches,
    process_settings,
    unfinished_part,
)

#: Seconds that a worker is given to end by itself.
PATIENCE = 5.0
#: How often a job may take its worker down before the run ends.
DEATHS = 2


def pool(processes: int | None = None, *, threads: int | None = None) -> Pool:
    """Train in several processes of this machine: `compare(..., executor=cp.scale.pool(4))`.

    Every process loads TensorFlow (about 0.5 GB), and all processes map the same rows. If `threads` is None, the scores
    of a job are equal to training in this process, bit for bit. One process already trains two jobs at a time. A pool
    therefore saves time only with about four cores or more, or if networks use the `fit` engine.

    Args:
        processes: Number of processes. None: one for each core.
        threads: Number of threads of one operation. None: as many as in this process. Another number changes the
            rounding of sums (in the seventh digit of a logit for small networks, in the fifth digit for wide networks).

    Returns:
        Pool: an executor. It starts its processes at its first use and keeps them. `close()`, the end of a `with`
        block, or the end of the program stops them.

    Raises:
        OptionError: `processes` is below 1.

    Example:
        >>> pool(2)
        Pool(processes=2)
    """
    wanted = os.cpu_count() or 1 if processes is None else processes
    if wanted < 1 or (threads is not None and threads < 1):
        raise OptionError(
            f"processes= is {processes} and threads= is {threads}. Expected at least one process and one "
            "thread, or None."
        )
    return Pool(wanted, threads)


class Pool(ClosingExecutor):
    """An executor over processes of this machine; made by `pool`."""

    def __init__(self, processes: int, threads: int | None = None) -> None:
        self.processes, self.threads = processes, threads
        self._workers: list[Worker] = []
        self._messages: queue.SimpleQueue[tuple[Worker, tuple[Any, ...]]] = queue.SimpleQueue()
        self._data: list[Any] = []  # examples, network, and both as `Shared`
        # Ends the processes when the pool is deleted or the program ends. It must not refer to the pool itself.
        self._end = weakref.finalize(self, _end_workers, self._workers, self._data)

    def __repr__(self) -> str:
        return f"Pool(processes={self.processes})"

    def close(self) -> None:
        """End the processes; a later use starts new ones."""
        _end_workers(self._workers, self._data)

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
    ) -> Any:
        """Train jobs as `engines.run.run` does, and yield (job id, member) as they finish.

        `threads` is ignored, because the pool has its own. After an error or an interrupt, the processes are ended.
        """
        todo = cut_batches(jobs, examples, network, self.processes, engine, callbacks)
        if not todo:
            return
        shared = self._shared_file(examples, network)
        finished = False
        try:
            yield from self._train_on_workers(todo, shared, progress)
            finished = True
        finally:
            if not finished:  # an interrupt or an error: what is in work is not wanted any more
                self.close()

    def _train_on_workers(self, todo: list[Batch], shared: Shared, progress: Any) -> Any:
        """Hand out all batches to workers, and yield (job id, member) as they report them.

        `todo` is emptied. An error in a worker is raised here. The batch of a worker that died is handed out again.
        """
        deaths: Counter[str] = Counter()
        while todo or any(worker.batch for worker in self._workers):
            self._hand_out(todo, shared)
            try:
                worker, (kind, *content) = self._messages.get(timeout=0.2)  # a bound, so that an interrupt is seen
            except queue.Empty:
                continue
            if worker not in self._workers:
                continue  # the last message of one that was ended
            if kind == "member":
                worker.done.append(content[0])
                yield content[0], content[1]
            elif kind == "progress" and progress:
                progress(*content)
            elif kind == "done":
                worker.batch = None
            elif kind == "failed":
                content[0].add_note(f"in a worker process:\n{content[1]}")
                raise content[0]
            elif kind == "ended":
                self._requeue(worker, todo, deaths)

    def _hand_out(self, todo: list[Batch], shared: Shared) -> None:
        """Give every idle worker a batch from `todo`, and start new workers up to the number of processes."""
        idle = [worker for worker in self._workers if not worker.batch]
        while todo and (idle or len(self._workers) < self.processes):
            if not idle:
                idle.append(Worker(process_settings(self.threads), self._messages))
                self._workers.append(idle[-1])
            idle.pop().take_batch(todo, shared)

    def _requeue(self, worker: Worker, todo: list[Batch], deaths: Counter[str]) -> None:
        """Put the unfinished jobs of a dead worker back into `todo`.

        `deaths` counts by job id how many workers died while training it. At `DEATHS`, raise an `OptionError`.
        """
        self._workers.remove(worker)
        code = worker.process.wait()
        left = unfinished_part(worker.batch, worker.done) if worker.batch else None
        if left is None:
            return
        deaths[left.jobs[0].id] += 1
        if deaths[left.jobs[0].id] >= DEATHS:
            raise OptionError(
                f"{DEATHS} worker processes ended with code {code} while training the same network. Memory may be "
                "short. Use fewer processes (--jobs) or a smaller batch size."
            )
        todo.insert(0, left)

    def _shared_file(self, examples: Examples, network: Any) -> Shared:
        """Return the file with rows and network that all workers read; a new one if they differ from the last ones."""
        if not self._data or self._data[0] is not examples or self._data[1] is not network:
            for old in self._data[2:]:
                old.remove()
            self._data[:] = [examples, network, Shared.of((examples, network))]
        shared: Shared = self._data[2]
        return shared


class Worker:
    """A worker process and what it is doing.

    Attributes:
        batch: What it was given and has not finished, or None. done: Ids of the jobs of it that are finished.
    """

    def __init__(self, settings: WorkerSettings, messages: queue.SimpleQueue[Any]) -> None:
        """Start the process, and a thread that puts its messages into the queue."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(settings.path), **dict(settings.environment)}
        command = [sys.executable, "-P", "-m", "counterpoise.scale.worker"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.batch: Batch | None = None
        self.done: list[str] = []
        self._families: set[str] = set()  # loss families that the process has compiled
        self._data_sent: Shared | None = None  # the rows and network that the process has
        threading.Thread(target=self._queue_messages, args=(messages,), daemon=True).start()
        self._send("settings", settings)

    def take_batch(self, todo: list[Batch], shared: Shared) -> None:
        """Take a batch out of `todo`, and send it to the process.

        It is the first batch of a loss family that this process has compiled already, else the first, which is the
        largest. The rows are sent only if they differ from the last ones.
        """
        compiled = (i for i, batch in enumerate(todo) if batch.family in self._families)
        self.batch, self.done = todo.pop(next(compiled, 0)), []
        self._families.add(self.batch.family)
        if self._data_sent is not shared:
            self._data_sent = shared
            self._send("data", shared)
        self._send("batch", pickled(self.batch))

    def end(self) -> None:
        """End the process even if it is at work; kill it if it does not end within `PATIENCE` seconds."""
        with suppress(OSError):
            self.process.stdin.close()  # type: ignore[union-attr]
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _send(self, kind: str, content: Any) -> None:
        """Send an order to the process: "settings", "data" or "batch", with its content (see `scale.worker`)."""
        with suppress(BrokenPipeError):  # `_listen` reports its end
            send(self.process.stdin, (kind, content))  # type: ignore[arg-type]

    def _queue_messages(self, messages: queue.SimpleQueue[Any]) -> None:
        """Put (this worker, message) into the queue until the process ends.

        The last message is ("ended",). This function runs in a thread.
        """
        while (message := receive(self.process.stdout)) is not None:  # type: ignore[arg-type]
            messages.put((self, pickle.loads(message)))
        messages.put((self, ("ended",)))


def _end_workers(workers: list[Worker], data: list[Any]) -> None:
    """End all workers, remove the shared file, and clear both lists."""
    for worker in workers:
        with suppress(OSError):
            worker.process.stdin.close()  # type: ignore[union-attr]
    for worker in workers:  # after all got the message to end, so that they end at the same time
        worker.end()
    workers.clear()
    for shared in data[2:]:
        shared.remove()
    data.clear()

"""A few threads that work through tasks, for `program_engine`; their events arrive in the caller's thread.

The caller's thread makes the tasks, receives all events (so that callbacks never run in two threads) and is the only
one that an interrupt reaches: it then stops the workers and waits for them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Task = TypeVar("Task")
Event = TypeVar("Event")

#: Work on one task in one thread: yields events, looks at the flag between pieces of work.
Work = Callable[[Task, threading.Event], Iterator[Event]]

#: Seconds that an interrupted run waits for its threads.
PATIENCE = 5.0


def work_through(tasks: Iterable[Task], work: Work[Task, Event], threads: int) -> Iterator[Event]:
    """Yield the events of all tasks, in order of arrival; an exception of a task is raised here.

    Args:
        tasks: Made one by one, a little ahead of the workers.
        work: Called with (task, stop) in a worker; it should end soon after `stop` is set.
        threads: Number of workers; 1 works in the caller's thread.

    Example:
        >>> sorted(work_through([1, 2, 3], lambda task, stop: iter([task, 10 * task]), threads=2))
        [1, 2, 3, 10, 20, 30]
    """
    stop = threading.Event()
    if threads <= 1:
        for task in tasks:
            yield from work(task, stop)
        return
    todo: queue.Queue[Task | None] = queue.Queue()
    events: queue.Queue[tuple[str, Event | BaseException | None]] = queue.Queue()
    workers = [threading.Thread(target=_serve, args=(todo, events, work, stop), daemon=True) for _ in range(threads)]
    try:
        yield from _exchange(iter(tasks), todo, events, workers)
    finally:
        stop.set()
        for _ in workers:
            todo.put(None)
        for worker in workers:
            if worker.ident is not None:
                worker.join(PATIENCE)


def _exchange(
    tasks: Iterator[Task],
    todo: queue.Queue[Task | None],
    events: queue.Queue[tuple[str, Event | BaseException | None]],
    workers: list[threading.Thread],
) -> Iterator[Event]:
    """Hand out tasks, one more than there are workers, and pass on the events of the workers.

    A worker starts when there is a task for it. An exception of a worker is raised here.
    """
    open_tasks, more = 0, True
    while more or open_tasks:
        while more and open_tasks <= len(workers):
            try:
                todo.put(next(tasks))
            except StopIteration:
                more = False
                break
            if open_tasks < len(workers) and workers[open_tasks].ident is None:
                workers[open_tasks].start()
            open_tasks += 1
        if not open_tasks:
            return
        try:
            kind, content = events.get(timeout=0.1)  # a bound, so that an interrupt is seen
        except queue.Empty:
            continue
        if kind == "failed":
            assert isinstance(content, BaseException)
            raise content
        if kind == "done":
            open_tasks -= 1
        else:
            yield content  # type: ignore[misc]


def _serve(
    todo: queue.Queue[Task | None],
    events: queue.Queue[tuple[str, Event | BaseException | None]],
    work: Work[Task, Event],
    stop: threading.Event,
) -> None:
    """Work on tasks until None comes or `stop` is set; an error is reported, and ends it."""
    while (task := todo.get()) is not None and not stop.is_set():
        try:
            for event in work(task, stop):
                events.put(("event", event))
            events.put(("done", None))
        except BaseException as error:
            events.put(("failed", error))
            return

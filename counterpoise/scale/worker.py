"""A worker process: `python -m counterpoise.scale.worker`, started by `scale.processes`.

It imports TensorFlow once, compiles once for each kind of job, and ends as soon as its driver does, whatever ended the
driver. Its standard output is the stream of messages, so nothing may print to it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO

from counterpoise.core.temporary import leave_scratch
from counterpoise.scale.messages import Shared, receive, send
from counterpoise.scale.work import apply_settings, train_batch

#: Seconds between two messages about the steps of a training.
PAUSE = 0.2


def main() -> None:
    """Carry out the orders of the driver until its end of the pipe is closed.

    An order is (kind, content): "settings", "data", or another kind with a pickled batch to train. Answers are
    "progress", "member", "done" and "failed".
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints must not get between the messages
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides when to stop
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    data: list[Shared] = []
    threading.Thread(target=_queue_orders, args=(sys.stdin.buffer, orders, data), daemon=True).start()
    answer = lambda *message: send(out, message)  # noqa: E731
    examples: Any = None
    network: Any = None
    while True:
        kind, content = pickle.loads(orders.get())
        try:
            if kind == "settings":
                apply_settings(content)
            elif kind == "data":
                data[:] = [content]
                examples, network = content.load()
            else:
                for job_id, member in train_batch(pickle.loads(content), examples, network, _progress_reporter(answer)):
                    answer("member", job_id, member)
                answer("done")
        except BaseException as error:
            answer("failed", _picklable_error(error), traceback.format_exc())


def _queue_orders(stream: BinaryIO, orders: queue.SimpleQueue[bytes], data: list[Shared]) -> None:
    """Put orders into the queue as they arrive.

    When the stream ends, remove the shared files, and end the process.
    """
    while (order := receive(stream)) is not None:
        orders.put(order)
    for shared in data:  # the driver may have been killed
        shared.remove()
    leave_scratch()
    os._exit(0)


def _progress_reporter(answer: Callable[..., None]) -> Callable[[str, int, int], None]:
    """Return a progress callback that sends at most one message in `PAUSE` seconds."""
    # A list, so that `report` can change the time of the last message.
    last = [0.0]

    def report(job_id: str, step: int, most: int) -> None:
        if time.monotonic() - last[0] >= PAUSE:
            last[0] = time.monotonic()
            answer("progress", job_id, step, most)

    return report


def _picklable_error(error: BaseException) -> BaseException:
    """Return the error if it can be pickled and restored.

    Otherwise return a RuntimeError with its text.
    """
    try:
        same: Any = pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return same


if __name__ == "__main__":
    main()

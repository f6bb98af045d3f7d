"""Runs of `counterpoise` in processes that may be killed, at the price of one import of TensorFlow.

A helper process imports everything and computes nothing; each run is a fork of it. Forking is safe until TensorFlow
has started its threads, which it does with the first operation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Runner:
    """The helper process; made by `runner`."""

    def __init__(self, process: subprocess.Popen[str], logs: Path) -> None:
        self._process, self._logs, self._count = process, logs, 0

    def start(self, *arguments: object) -> int:
        """Begin a run; its process id. `finish` has to follow."""
        self._count += 1
        self._process.stdin.write(json.dumps([str(self.log), *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def finish(self) -> int:
        """Wait for the run; its exit code, negative for a signal."""
        return int(self._process.stdout.readline())

    def run(self, *arguments: object) -> int:
        self.start(*arguments)
        return self.finish()

    @property
    def log(self) -> Path:
        """Where the output of the last run is."""
        return self._logs / f"run-{self._count}.log"


@contextmanager
def runner(logs: Path) -> Iterator[Runner]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        yield Runner(process, logs)
        process.stdin.close()


def serve() -> None:
    from counterpoise.cli.main import main

    for line in sys.stdin:
        log, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(log, arguments, main)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(log: str, arguments: Sequence[str], main: object) -> None:
    code = 1
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["counterpoise", *arguments]
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()

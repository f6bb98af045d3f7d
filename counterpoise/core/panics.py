"""Panics of Rust libraries such as polars: raised as errors, and not also printed with a backtrace.

Reading of tables calls polars inside `without_panics`. The command line turns the error into one line by `panic_text`.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import suppress
from typing import IO

from counterpoise.core.errors import refusal_in, system_text


class _HeldBackStderr:
    """Keeps back what is printed to standard error (descriptor 2) while a block runs.

    The first thread that enters owns the redirection, which ends when this thread leaves its outermost block. Then the
    text is printed, or dropped if the block of any thread ended with a panic.
    """

    def __init__(self) -> None:
        self._lock, self._panicked = threading.RLock(), False
        self._owner: int | None = None
        self._depth = 0
        self._stderr_copy: int | None = None
        self._held_text: IO[bytes] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._owner is None:
                self._owner = threading.get_ident()
                self._redirect()
            self._depth += self._owner == threading.get_ident()  # nested blocks of the owner alone count

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._panicked |= kind is not None and is_panic(kind)
            self._depth -= self._owner == threading.get_ident()
            if self._owner == threading.get_ident() and not self._depth:
                self._owner = None
                self._restore()

    def _redirect(self) -> None:
        """Redirect descriptor 2 to a temporary file; leave it as it is if this is impossible."""
        self._panicked, self._stderr_copy = False, None
        with suppress(OSError):  # no standard error, or no file to hold it in
            copy = os.dup(2)  # first: a file opened before it could get the number of a closed standard error
            try:
                self._held_text = tempfile.TemporaryFile()  # noqa: SIM115
            except OSError:
                os.close(copy)
                raise
            self._stderr_copy = copy
            os.dup2(self._held_text.fileno(), 2)

    def _restore(self) -> None:
        """Restore descriptor 2, and print what was kept back unless a block had a panic."""
        if self._stderr_copy is None or self._held_text is None:
            return
        os.dup2(self._stderr_copy, 2)
        os.close(self._stderr_copy)
        with self._held_text as text:
            start = 0
            for _ in range(0 if self._panicked else 2):  # what another thread was about to write comes second
                while part := _read_part(text.fileno(), start):
                    os.write(2, part)
                    start += len(part)
                time.sleep(0)  # lets such a thread run


def _read_part(descriptor: int, start: int) -> bytes:
    """Read up to 64 KiB of a file from `start` on; b"" at its end.

    Where the system has `pread`, the position at which other threads write does not move.
    """
    if hasattr(os, "pread"):
        return os.pread(descriptor, 1 << 16, start)
    os.lseek(descriptor, start, os.SEEK_SET)
    return os.read(descriptor, 1 << 16)


#: `with without_panics:` - a panic of polars is raised and not printed; all else is printed at the end.
without_panics = _HeldBackStderr()


def panic_text(fault: BaseException) -> str:
    """Return one line of text about a panic; its cause is often that the operating system refused something."""
    refused = refusal_in(str(fault))
    return system_text(refused) if refused else f"{(str(fault).splitlines() or [type(fault).__name__])[0]:.200}."


def is_panic(kind: type[BaseException]) -> bool:
    """Return whether an error is a panic of Rust code, which is not an `Exception`."""
    return kind.__name__ == "PanicException"

"""What libraries print to file descriptor 2 by themselves, held back.

TensorFlow prints while it is imported (two of its libraries report oneDNN, whatever the level of its log is set to),
and polars where it stops at a fault of a file.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO

NAME = "tensorflow"


def hush() -> None:
    """Let the first import of TensorFlow in this process print nothing, unless its log is wanted.

    Wanted is what TF_CPP_MIN_LOG_LEVEL says: 0 leaves everything as it is; where nothing is said, errors count (3).
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0" and NAME not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Answers once, for TensorFlow, with its own spec and a loader that holds its tongue."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != NAME:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(NAME)
        if spec is not None and spec.loader is not None:
            spec.loader = _Silent(spec.loader)
        return spec


class _Silent(Loader):
    """Runs a module as its own loader does, with nothing on standard error but what is raised."""

    def __init__(self, own: Loader) -> None:
        self.own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self.own
        if module.__spec__ is not None:
            module.__spec__.loader = self.own
        with _no_stderr():
            self.own.exec_module(module)


@contextmanager
def _no_stderr() -> Iterator[None]:
    """What libraries write to file descriptor 2 goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _HeldBack:
    """Holds back what is printed to descriptor 2 while any thread is inside."""

    def __init__(self) -> None:
        self._lock, self._inside, self._panicked = threading.Lock(), 0, False
        self._kept: int | None = None
        self._text: IO[bytes] | None = None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            self._panicked |= kind is not None and is_panic(kind)
            if not self._inside:
                self._end()

    def _begin(self) -> None:
        self._panicked, self._kept = False, None
        with suppress(OSError):  # no standard error, or no file to hold it in
            self._text = tempfile.TemporaryFile()  # noqa: SIM115
            self._kept = os.dup(2)
            os.dup2(self._text.fileno(), 2)

    def _end(self) -> None:
        if self._kept is None or self._text is None:
            return
        os.dup2(self._kept, 2)
        os.close(self._kept)
        with self._text as text:
            text.seek(0)
            while not self._panicked and (some := text.read(1 << 16)):
                os.write(2, some)


#: `with without_panics:` - a panic of polars is raised and not printed; all else is printed at the end.
without_panics = _HeldBack()


def is_panic(kind: type[BaseException]) -> bool:
    """Whether an error is what Rust code raises where it stops at a fault of its own; it is no `Exception`."""
    return kind.__name__ == "PanicException"

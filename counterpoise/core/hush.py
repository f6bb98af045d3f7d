"""TensorFlow without the lines that it prints while it is imported: two of its libraries tell each time that they
use oneDNN, whatever the level of its log is set to."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

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
        with no_stderr():
            self.own.exec_module(module)


@contextmanager
def no_stderr() -> Iterator[None]:
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

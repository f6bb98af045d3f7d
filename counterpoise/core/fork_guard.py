"""Forked processes in which a library would wait for ever for threads that only its parent has.

A fork copies the memory of a process, but only the thread that forks. TensorFlow, Polars and scikit-learn then believe
in threads that do not exist, and the first call that needs one never returns. So code that is about to use such a
library calls `use` first. In a child whose parent had already used the library, that is a ForkError.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

from counterpoise.core.errors import ForkError

#: Pattern of the beginning of a thread's name (Linux only) -> the library. The thread that Polars starts when it is
#: imported ("polars-ooc-...") only removes files, so it does not count.
THREADS = {r"polars-\d": "Polars", "tf_": "TensorFlow"}

#: Libraries in use in this process, and those whose threads only a process above it has.
_used: set[str] = set()
_left_behind: set[str] = set()


def use(library: str) -> None:
    """Note that a library is put to work in this process; call it before the library is used.

    Raises:
        ForkError: its threads were left behind by a fork.

    Example:
        >>> use("TensorFlow")
    """
    if library in _left_behind:
        raise ForkError(
            f"{library} cannot work in this process, because it was forked from a process that had used {library}. "
            "Its threads exist only in that process. Start processes with "
            "multiprocessing.get_context('spawn'), or fork before you read, train, or predict anything."
        )
    _used.add(library)


def watch() -> None:
    """Note at every later fork which libraries are in use; called once, at import."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
        os.register_at_fork(before=_note_used_libraries, after_in_child=_mark_left_behind)


def _note_used_libraries() -> None:
    """Add the libraries that the user has put to work without `use`; called before each fork.

    They are recognized by the names of their threads (Linux alone), and TensorFlow also by its context.
    """
    with contextlib.suppress(OSError):  # a thread that ends meanwhile, or a system without /proc
        for task in Path("/proc/self/task").iterdir():
            name = (task / "comm").read_text()
            _used.update(library for start, library in THREADS.items() if re.match(start, name))
    context = getattr(sys.modules.get("tensorflow.python.eager.context"), "_context", None)
    if getattr(context, "_context_handle", None) is not None:
        _used.add("TensorFlow")


def _mark_left_behind() -> None:
    """Mark the libraries of the parent as left behind, so that `use` refuses them; called in each forked child."""
    _left_behind.update(_used)
    _used.clear()

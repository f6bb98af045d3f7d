"""Temporary folders that do not outlive their process: drafts of files next to their targets, and a scratch folder.

A folder `counterpoise-????????.part` is locked by the operating system for as long as its process lives. The process
that makes the next one in the same place removes what a killed process has left. Nothing is removed that has another
name, is locked, or belongs to another user.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and nothing is swept
    fcntl = None  # type: ignore[assignment]

PREFIX, SUFFIX = "counterpoise-", ".part"
#: Exactly the names that `tempfile` makes of them.
_OURS = re.compile(rf"\.?{PREFIX}[a-z0-9_]{{8}}{re.escape(SUFFIX)}")
#: In such a folder: what is being replaced, where two folders cannot be swapped.
REPLACED = f".{PREFIX}replaced"
#: Process -> its scratch folder, and what removes it (a forked process makes its own).
_SCRATCH: dict[int, tuple[Path, ExitStack]] = {}


def scratch() -> Path:
    """Return the folder for temporary files of this process: removed at its end, or by the next process.

    Example:
        >>> scratch() == scratch(), scratch().parent == Path(tempfile.gettempdir())
        (True, True)
    """
    owner = os.getpid()
    if owner not in _SCRATCH:
        parent, end = Path(tempfile.gettempdir()), ExitStack()
        remove_abandoned(parent)
        _SCRATCH[owner] = end.enter_context(own_folder(parent)), end
        atexit.register(leave_scratch)
    return _SCRATCH[owner][0]


def leave_scratch() -> None:
    """Remove the scratch folder of this process, if there is one; called when it exits."""
    if os.getpid() in _SCRATCH:
        _SCRATCH.pop(os.getpid())[1].close()


@contextmanager
def own_folder(parent: Path, hidden: bool = False) -> Iterator[Path]:
    """Yield a new, locked folder in `parent`, and remove it at the end of the block.

    A `hidden` folder has a name that begins with a dot.

    Example:
        >>> with own_folder(Path(tempfile.gettempdir())) as folder:
        ...     remove_abandoned(folder.parent), folder.exists()
        (None, True)
        >>> folder.exists()
        False
    """
    prefix, owner = "." * hidden + PREFIX, os.getpid()
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=SUFFIX, dir=parent))
        lock = _lock(folder)
        if folder.exists():  # else it was swept before it was locked
            break
        _unlock(lock)
    try:
        yield folder
    finally:
        if os.getpid() == owner:  # not in a forked process that ends
            shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


def is_own_folder(folder: Path) -> bool:
    """Return whether a folder is one of ours, by its name.

    Example:
        >>> is_own_folder(Path("/tmp/.counterpoise-w0k_9abc.part")), is_own_folder(Path("/tmp/counterpoise-notes.part"))
        (True, False)
    """
    return _OURS.fullmatch(folder.name) is not None


def remove_abandoned(parent: Path) -> None:
    """Remove this user's temporary folders in `parent` whose process has ended.

    A folder that another process still locks stays. Files that such a process was replacing are moved back first.
    Errors of the operating system are ignored.
    """
    with suppress(OSError), os.scandir(parent) as entries:
        ours = [Path(entry.path) for entry in entries if is_own_folder(Path(entry.path))]
        for folder in ours:
            lock = _lock(folder)
            if lock is not None and os.fstat(lock).st_uid == os.geteuid():
                _restore_replaced(folder / REPLACED, parent)
                shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder and return its open file descriptor.

    Return None if another process holds the lock, or if the system has no locks.
    """
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _unlock(handle)
        return None
    return handle


def _unlock(lock: int | None) -> None:
    """Close the descriptor that `_lock` returned, which ends the lock; None: there is nothing to do."""
    if lock is not None:
        os.close(lock)


def _restore_replaced(replaced: Path, parent: Path) -> None:
    """Move what a killed process was replacing from `replaced` back to `parent`, and overwrite nothing."""
    with suppress(OSError):
        for old in list(replaced.iterdir()):
            if not (parent / old.name).exists():
                os.rename(old, parent / old.name)

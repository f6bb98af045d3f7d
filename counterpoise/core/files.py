"""Files that appear whole or not at all: the one way in which anything is written, and checks before work is done.

A file is written in a temporary folder next to its target and is renamed when it is complete. The next run
removes what a killed run has left (`core.temporary`). Devices and pipes are written to, never replaced.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from counterpoise.core.errors import ArtifactError, system_text
from counterpoise.core.temporary import REPLACED, is_own_folder, own_folder, remove_abandoned, scratch

#: Endings of what our commands write: in a folder of images these are earlier results.
_OUTPUT_ENDINGS = (".csv", ".html", ".json", ".keras")


@contextmanager
def drafted(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path to write to; when the block ends well, that becomes `target` (a file or a folder).

    A link is followed. A file that is replaced hands on its permissions; those of a new one follow the umask.

    Raises:
        ArtifactError: the operating system refused something.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with drafted(path) as draft:
        ...     _ = draft.write_text("whole"), path.exists()
        >>> path.read_text(), len(list(path.parent.iterdir()))
        ('whole', 1)
    """
    path = Path(target)
    if is_own_folder(path.parent):  # already inside a folder of `drafts`, which moves the file at its end
        yield path
        return
    with _named_errors(path):
        if not is_stream(path):
            path = Path(os.path.realpath(path))
            with _draft_folder(path.parent) as folder:
                yield folder / path.name
            return
        with tempfile.TemporaryDirectory(dir=scratch()) as folder_name:
            draft = Path(folder_name) / (path.name or "draft")
            yield draft
            with draft.open("rb") as new, _open_stream(path) as out:
                shutil.copyfileobj(new, out)


@contextmanager
def drafts(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder; when the block ends well, its contents appear in `folder`, each at once.

    Raises:
        ArtifactError: the operating system refused something.
    """
    with _named_errors(Path(folder)), _draft_folder(Path(folder)) as draft:
        yield draft


@contextmanager
def _draft_folder(folder: Path) -> Iterator[Path]:
    """Yield the draft of a folder as `drafts` does, but raise errors of the operating system as they are."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_abandoned(folder)
    with own_folder(folder, hidden=True) as draft:
        yield draft
        for new in sorted(draft.iterdir()):
            _move_to(new, folder / new.name, draft / REPLACED)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write text to a file as UTF-8, whole or not at all; lone surrogates are escaped.

    Raises:
        ArtifactError: the operating system refused.
    """
    with drafted(target) as draft:
        draft.write_bytes(text.encode("utf-8", "backslashreplace"))


def is_stream(target: Path) -> bool:
    """Return whether a path is a device, a pipe, or an open file of this process, which have no content to replace.

    Example:
        >>> is_stream(Path("/dev/null")), is_stream(Path("/dev/stdout")), is_stream(Path("rows.csv"))
        (True, True, False)
    """
    if _descriptor_of(target) is not None:
        return True
    try:
        kind = target.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def is_standard_output(target: Path | None) -> bool:
    """Return whether a path leads to the standard output of this process.

    Example:
        >>> is_standard_output(Path("/dev/stdout")), is_standard_output(None)
        (True, False)
    """
    return target is not None and _descriptor_of(target) == 1


def check_output(target: Path, inputs: Iterable[Path] = ()) -> None:
    """Raise an ArtifactError for a file that cannot be written, or that the same command reads.

    Call this before any work is done.

    Args:
        target: The file to write.
        inputs: What the command reads: files, and folders of images.

    Raises:
        ArtifactError: it is a folder or an input, or its folder cannot be written.

    Example:
        >>> check_output(Path("/"))
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: Cannot write to '/': it is a folder. Name a file.
    """
    with _named_errors(target):
        if target.is_dir():
            raise ArtifactError(f"Cannot write to {str(target)!r}: it is a folder. Name a file.")
        if is_stream(target):
            _refuse_disk(target)
            if _descriptor_of(target) is None and not os.access(target, os.W_OK):
                raise ArtifactError(f"Cannot write to {str(target)!r}: no permission. Name another file.")
            return
        for read in inputs:
            if _is_same_file(target, read) or (
                _is_within(target, read) and target.suffix.lower() not in _OUTPUT_ENDINGS
            ):
                raise ArtifactError(
                    f"Cannot write to {str(target)!r}: this command reads that file. Write to another file."
                )
        check_folder(Path(os.path.realpath(target)).parent)


def check_folder(folder: Path) -> None:
    """Raise an ArtifactError for a folder that cannot be made or written into.

    Call this before any work is done.

    Raises:
        ArtifactError: a file has its name, or permission is lacking.
    """
    with _named_errors(folder):
        existing = folder
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir():
            raise ArtifactError(f"Cannot write to {str(folder)!r}: {str(existing)!r} is a file. Name a folder.")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise ArtifactError(
                f"Cannot write to {str(folder)!r}: no permission to write in {str(existing)!r}. Name another folder."
            )


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into an `ArtifactError` that names the file.

    A `BrokenPipeError` stays as it is: the reader of a pipe has gone away, which is no fault.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ArtifactError(f"Cannot write {str(path)!r}: {system_text(error)}") from error


def _refuse_disk(target: Path) -> None:
    """Raise an `ArtifactError` if a path is a block device, such as a disk."""
    if target.is_block_device():
        raise ArtifactError(f"Cannot write to {str(target)!r}: it is a whole disk. Name a file.")


def _is_same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, which need not exist; links are followed."""
    with suppress(OSError):
        return one.samefile(other)
    return os.path.realpath(one) == os.path.realpath(other)  # where a folder on the way does not exist yet


def _is_within(target: Path, folder: Path) -> bool:
    """Return whether an existing file lies below a folder; links are followed."""
    return target.exists() and folder.is_dir() and folder.resolve() in target.resolve().parents


def _descriptor_of(target: Path) -> int | None:
    """Return the number of the open file that a path such as /dev/stdout means, or None."""
    name = os.path.abspath(target)
    for _ in range(8):  # /dev/stdout -> /proc/self/fd/1, which is itself a link to the file behind
        if match := re.fullmatch(rf"/(?:dev|proc/(?:self|{os.getpid()}))/fd/(\d+)", name):
            return int(match[1])
        try:
            name = os.path.join(os.path.dirname(name), os.readlink(name))
        except OSError:
            return None
    return None


def _open_stream(target: Path) -> BinaryIO:
    """Open a device, a pipe or an open file of this process for bytes.

    Text that was printed before is written first, so that the order stays.

    Raises:
        ArtifactError: The path is a block device, such as a disk.
    """
    number = _descriptor_of(target)
    _refuse_disk(target)
    if number is None:
        return target.open("wb")
    for printed in (sys.stdout, sys.stderr):
        if printed is not None:
            printed.flush()
    return os.fdopen(os.dup(number), "wb")


def _move_to(new: Path, target: Path, replaced: Path) -> None:
    """Move a file or folder to its target, in place of what is there.

    A file takes the permissions of the file that it replaces. If two folders cannot be swapped, the old one is moved
    into `replaced` first, and back if the second move fails.
    """
    if not new.is_dir():
        with suppress(FileNotFoundError):
            os.chmod(new, stat.S_IMODE(target.stat().st_mode))
        os.replace(new, target)
    elif not target.exists():
        os.rename(new, target)
    elif not _swap_folders(new, target):
        replaced.mkdir()
        os.rename(target, replaced / target.name)
        try:
            os.rename(new, target)
        except OSError:
            os.rename(replaced / target.name, target)
            raise


def _swap_folders(one: Path, other: Path) -> bool:
    """Swap two folders in one step, and return True; return False if this is impossible.

    After a swap, there was no moment without `other`. Only Linux can swap.
    """
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # no such call: an old libc, macOS, Windows
        return False
    return bool(renameat2(here, os.fsencode(one), here, os.fsencode(other), swap) == 0)

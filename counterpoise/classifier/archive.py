"""The zip archive that a `.keras` file is: its members and their sizes are checked before anything is unpacked.

`checked_archive` is the only way to open one. The names of members are saved in files. A file may come from a stranger,
so every reader here raises an `ArtifactError` whose message completes "FILE cannot be read: ".
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from counterpoise.core.errors import ArtifactError

CONFIG, METADATA, WEIGHTS, ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets/"
#: What we add to the archive that Keras writes: the description, and the stored scores.
CARD, SCORES = "counterpoise.json", "counterpoise.npz"

#: Members may unpack to this many bytes together, plus so many times what they take in the file. Keras stores members
#: uncompressed; a file that was packed again with compression stays far below.
FREE_BYTES, MOST_EXPANSION = 4 << 20, 20
#: Most members, and most bytes of their list at the end of the file.
MOST_MEMBERS, LONGEST_LIST = 20_000, 16 << 20
#: From this size on an archive may hold the longer list that zip has for large files.
LARGE = 0xFFFFFFFF

END_RECORD = b"PK\x05\x06"
MEMBER_NAME = re.compile(r"[\w .,()+@=~^\-]+(/[\w .,()+@=~^\-]+){0,60}/?")


@contextmanager
def checked_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive of a file and check its members, for a `with` block.

    Raises:
        ArtifactError: It is no archive as Keras writes one, is damaged, or unpacks to too much. The message completes
            "FILE cannot be read: ".
    """
    with ExitStack() as stack:
        with errors_as_damage():
            file = stack.enter_context(open(path, "rb"))
            size = os.fstat(file.fileno()).st_size
            _check_end(file, size)
            archive = stack.enter_context(zipfile.ZipFile(file))
            check_members(archive.infolist(), size)
        yield archive


@contextmanager
def errors_as_damage(what: str = "it is damaged or not a .keras file") -> Iterator[None]:
    """Turn every error of a `with` block into an `ArtifactError`, whose message completes "FILE cannot be read: ".

    An `ArtifactError` passes unchanged. An error of the system keeps its text. Any other error, as damaged bytes
    cause, becomes `what` with the text of the error behind it.
    """
    try:
        yield
    except ArtifactError:
        raise
    except OSError as error:
        raise ArtifactError(f"{error.strerror or ' '.join(str(error).split())}.") from error
    except Exception as error:  # a reader of an old format knows a dozen kinds
        raise ArtifactError(f"{what} ({' '.join(str(error).split())[:200] or type(error).__name__}).") from error


def _check_end(file: BinaryIO, size: int) -> None:
    """Check the first and last bytes of an archive, before the list of its members is read into memory.

    Args:
        file: The open file, at its first byte. size: Bytes of the file.

    Raises:
        ArtifactError: No archive begins at the first byte or ends at the last, or its list of members is too long.
    """
    if file.read(4) != b"PK\x03\x04":
        raise ArtifactError("it is damaged or not a .keras file (no archive begins at its first byte).")
    # The last 42 bytes: the 20 of a locator for large archives, if there is one, and the 22 of the end record.
    file.seek(max(0, size - 42))
    end = file.read()
    if len(end) < 42 or end[20:24] != END_RECORD or end[40:] != b"\0\0":
        raise ArtifactError("it is damaged or not a .keras file (no archive ends at its last byte).")
    # In the end record: number of members at byte 10, bytes of their list at byte 12, length of a comment at byte 20.
    members, length = int.from_bytes(end[30:32], "little"), int.from_bytes(end[32:36], "little")
    long_form = end[:4] == b"PK\x06\x07" and size <= LARGE
    if long_form or members > MOST_MEMBERS or (length > LONGEST_LIST and size <= LARGE):
        raise ArtifactError(f"it lists more parts than a model file may have (at most {MOST_MEMBERS:,}).")


def check_members(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Refuse members that no model file has, or that unpack to too many bytes.

    Args:
        members: All members of the archive. size: Bytes of the file.

    Raises:
        ArtifactError: Too many members, two with one name, a member of another kind, too many bytes unpacked, or data
            before the first member.
    """
    names = [member.filename for member in members]
    if len(names) > MOST_MEMBERS:
        raise ArtifactError(f"it lists more parts than a model file may have (at most {MOST_MEMBERS:,}).")
    distinct = {name.lower() for name in names}  # compared without regard to case
    if len(distinct) < len(names):
        raise ArtifactError("it contains two parts with the same name.")
    for member in members:
        _check_member(member)
    packed = sum(member.compress_size for member in members)
    unpacked = sum(member.file_size for member in members)
    if packed > size or unpacked > FREE_BYTES + MOST_EXPANSION * packed:
        raise ArtifactError(
            f"its parts have {min(packed, size):,} bytes packed and {unpacked:,} bytes unpacked. Expected "
            f"at most {MOST_EXPANSION} unpacked bytes per packed byte."
        )
    if members and min(member.header_offset for member in members) != 0:
        raise ArtifactError("it contains data before its first part.")


def _check_member(member: zipfile.ZipInfo) -> None:
    """Raise an `ArtifactError` for a member that no model file has.

    Its name, encryption, type and packing are checked.
    """
    name = member.filename
    known = name in (CONFIG, METADATA, WEIGHTS, CARD, SCORES) or name.startswith(ASSETS)
    pieces = name.rstrip("/").split("/")
    # A piece of a path that is "", "." or ".." is refused: it could lead out of the folder.
    if not known or not MEMBER_NAME.fullmatch(name) or len(name) > 1000 or any(set(piece) <= {"."} for piece in pieces):
        raise ArtifactError(f"it contains the part {name!r:.80}, which no model file has.")
    kind = member.external_attr >> 16  # the Unix file mode; its type is 0 where none was stored
    if member.flag_bits & 0x1:
        raise ArtifactError(f"its part {name!r:.80} is encrypted.")
    if stat.S_IFMT(kind) not in (0, stat.S_IFREG, stat.S_IFDIR) or (member.is_dir() and member.file_size):
        raise ArtifactError(f"its part {name!r:.80} is not a regular file.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArtifactError(
            f"its part {name!r:.80} is packed by the method {member.compress_type}, which is not supported."
        )


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return the bytes of a member, by its name in the archive.

    Raises:
        ArtifactError: It is absent or damaged.
    """
    if name not in archive.namelist():
        raise ArtifactError(f"it lacks the part {name!r}.")
    with errors_as_damage():
        return archive.read(name)


def unpack_member(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Write a member to the file `target`, in pieces of 1 MB.

    Raises:
        ArtifactError: It is absent or damaged, or the file cannot be written.
    """
    if name not in archive.namelist():
        raise ArtifactError(f"it lacks the part {name!r}.")
    with errors_as_damage(), archive.open(name) as packed, open(target, "wb") as out:
        shutil.copyfileobj(packed, out, 1 << 20)


def add_member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add bytes as a member: uncompressed as Keras does, and with a fixed date."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def add_file_member(archive: zipfile.ZipFile, name: str, path: str | os.PathLike[str]) -> None:
    """Add the file at `path` as a member, uncompressed."""
    archive.write(path, name)


def asset_names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the members that are files of layers, such as vocabularies."""
    return [m.filename for m in archive.infolist() if m.filename.startswith(ASSETS) and not m.is_dir()]

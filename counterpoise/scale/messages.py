"""Messages between processes of one run: objects with their length in front, and large arrays in a file that all map.

Objects are pickled in memory, and no pickle is ever read from a file. Functions and classes of a script or a notebook
go by value (cloudpickle), so that a builder defined there works. The file contains only the bytes of arrays.
"""

from __future__ import annotations

import mmap
import os
import pickle
import struct
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cloudpickle

from counterpoise.core.errors import ModelError
from counterpoise.core.temporary import scratch

#: Arrays begin at multiples of this many bytes in the file.
ALIGNED = 64
#: Length of a message, as the bytes in front of it.
_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message: its length in 8 bytes, then the pickled object; `receive` reads it."""
    content = pickled(message)
    stream.write(_LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """Return the next message, still pickled, or None if the stream ends before or within it."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    content = stream.read(_LENGTH.unpack(head)[0])
    return content if len(content) == _LENGTH.unpack(head)[0] else None


def pickled(value: Any, buffers: list[Any] | None = None) -> bytes:
    """Return a value as bytes; with `buffers`, its arrays are appended to this list instead.

    Raises:
        ModelError: The value, usually the network, cannot leave the process.
    """
    try:
        return bytes(cloudpickle.dumps(value, protocol=5, buffer_callback=None if buffers is None else buffers.append))
    except Exception as error:
        raise ModelError(
            f"The network or a plan cannot be sent to another process ({type(error).__name__}: {error}). Pass a "
            "builder function of a module, or leave the executor out."
        ) from error


def unpickled(content: bytes, buffers: Sequence[Any] = ()) -> Any:
    """Return the value that `pickled` made into `content`, with its arrays from `buffers`.

    Only for content from a process of this run.

    Raises:
        ModelError: It cannot be made again in this process.
    """
    try:
        return pickle.loads(content, buffers=buffers)
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:300]
        raise ModelError(
            f"The network cannot be restored in another process ({type(error).__name__}: {first}). Register its "
            "classes (keras.saving.register_keras_serializable), or pass a builder function instead of the model."
        ) from error


@dataclass(frozen=True)
class Shared:
    """A value whose arrays are in a temporary file, which the driver removes, or a worker if it was killed.

    Attributes:
        content: The value without its arrays. path: The file. spans: Where each array begins, and its bytes.
    """

    content: bytes
    path: str
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, value: Any) -> Shared:
        """Return the record of a value, whose arrays are written to a new temporary file."""
        buffers: list[Any] = []
        content = pickled(value, buffers)
        with tempfile.NamedTemporaryFile(dir=scratch(), suffix=".arrays", delete=False) as file:
            spans = tuple(_write_array(file, buffer) for buffer in buffers)
        return cls(content, file.name, spans)

    def load(self) -> Any:
        """Return the value, with its arrays mapped read-only."""
        return unpickled(self.content, _map_arrays(self.path, self.spans))

    def remove(self) -> None:
        """Delete the file; nothing happens if it does not exist."""
        with suppress(OSError):
            Path(self.path).unlink()


def _write_array(file: Any, buffer: Any) -> tuple[int, int]:
    """Write an array, and return its start in the file and its size in bytes.

    The start is the next multiple of `ALIGNED` bytes.
    """
    start = -(-file.tell() // ALIGNED) * ALIGNED
    file.seek(start)
    raw = buffer.raw()
    file.write(raw)
    return start, raw.nbytes


def _map_arrays(path: str, spans: Sequence[tuple[int, int]]) -> list[memoryview]:
    """Return read-only views of the arrays in a file, which the system reads when they are used.

    An empty file cannot be mapped. Its arrays are empty.
    """
    if not any(size for _, size in spans):
        return [memoryview(b"") for _ in spans]
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size, access=mmap.ACCESS_READ))
    return [mapped[start : start + size] for start, size in spans]

"""Pixels of image files as a source: decoded by all cores when rows are taken, and kept once they were.

Pixels are kept in one file in the temporary folder, if it has twice the room. Otherwise they are decoded at every draw.
Fixed: rows are the same in both. The file is read and written in rows, not mapped, because pages of a map would count
as memory of this process. After the pixels of each row comes its record, with their checksum once they are there. So
worker processes share the file, and later runs a file in a folder of the user (see `kept_pixels`, whose `VERSION` has
to rise if the form of the file changes).
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
import weakref
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from counterpoise.core.sources import Source
from counterpoise.core.temporary import scratch

Array = np.ndarray

#: Share of the free space of the temporary folder that kept pixels may take.
DISK_SHARE = 0.5
#: Bytes of the record of a row: the checksum of its pixels, then a note of whoever wrote them.
RECORD, CHECKSUM = 16, struct.Struct("<I")
#: Rows that one thread decodes at a time.
CHUNK = 8


class Decoded(Source):
    """Rows that a function decodes one by one, kept on disk once they were.

    It can be sent to other processes of this machine, which share the cache.

    Args:
        decode: Row number -> array of one row; can be pickled.
        shape: (N, ...) of all rows.
        dtype: Their type.
        cache: Where decoded rows are kept: a `PixelCache` of this form, or some rows of one; None: nowhere.
    """

    def __init__(
        self, decode: Callable[[int], Array], shape: tuple[int, ...], dtype: np.dtype, cache: Cache | None
    ) -> None:
        self.decode, self.shape, self.dtype, self.cache = decode, shape, np.dtype(dtype), cache

    def take(self, rows: Array) -> Array:
        """Return rows by number (n,) in the given order, decoded in chunks by several threads."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
        # The loop waits for all chunks, and raises the error of a thread here.
        for _ in _decoding_threads(os.getpid()).map(lambda chunk: self._fill(out[chunk], rows[chunk]), chunks):
            pass
        return out

    def _fill(self, out: Array, rows: Array) -> None:
        """Fill `out` (n, ...) with rows by number, from the cache if they are there, else decoded and then kept."""
        for index, row in enumerate(rows.tolist()):
            if self.cache is None or not self.cache.read(row, out[index]):
                out[index] = self.decode(row)
                if self.cache is not None:
                    self.cache.write(row, out[index])


class Cache(Protocol):
    """Rows that are kept: `PixelCache`, or `kept_pixels.KeptPixels` for some of its rows."""

    def read(self, row: int, out: Array) -> bool:
        """Fill `out` with a row, and return whether the row was there; otherwise `out` means nothing."""

    def write(self, row: int, values: Array) -> None:
        """Keep a row; if it cannot be kept, do nothing."""


def checksum(pixels: Any) -> bytes:
    """Return the CRC of pixels as 4 bytes, not all 0: zeros mark a row that was not written.

    Files in a folder of the user contain it.
    """
    return CHECKSUM.pack(zlib.crc32(pixels) or 1)


class PixelCache:
    """Rows of one shape in a file, each written once and read often, by several threads and processes.

    Args:
        path: The file, which stays; None makes one in the temporary folder, which is removed with the cache.
        shape: (N, ...) of all rows. dtype: Their type.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, path: str | None = None) -> None:
        self.shape, self.dtype = shape, dtype
        self.row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
        # _sound: rows that this process wrote or checked. _full: writing failed, so nothing more is kept.
        self._sound, self._full = np.zeros(shape[0], bool), False
        if path is None:
            self._handle, self.path = tempfile.mkstemp(prefix="pixels-", dir=scratch())
            os.truncate(self._handle, shape[0] * (self.row_bytes + RECORD))
        else:
            self.path = path
            # -1: another machine has the file. Nothing is read or written here.
            self._handle = os.open(path, os.O_RDWR) if os.path.exists(path) else -1
        weakref.finalize(self, _close_and_remove, self._handle, self.path if path is None else None, os.getpid())

    @classmethod
    def with_room(cls, shape: tuple[int, ...], dtype: np.dtype, path: Path | None = None) -> PixelCache | None:
        """Return a cache for these rows, or None if there is too little room for them.

        None on Windows too, where rows cannot be read. Without `path` the file is a temporary one. A file of the right
        size at `path` is used as it is, else made.
        """
        size = shape[0] * (int(np.prod(shape[1:])) * dtype.itemsize + RECORD)
        if not hasattr(os, "preadv"):  # Windows
            return None
        if path is None or not (path.exists() and path.stat().st_size == size):
            if size > DISK_SHARE * shutil.disk_usage(scratch() if path is None else path.parent).free:
                return None
            if path is not None:
                with open(path, "ab") as file:
                    file.truncate(size)
        return cls(shape, dtype, None if path is None else str(path))

    def read(self, row: int, out: Array) -> bool:
        """Fill `out` with a row, and return whether the row is there and not damaged.

        `out` is C-contiguous, in the shape and type of one row. Its values mean nothing if the result is False.
        """
        if self._handle < 0 or not (self._sound[row] or self._record(row)):
            return False
        if os.preadv(self._handle, [out.data], self._offset(row)) != self.row_bytes:
            return False
        if not self._sound[row]:  # another process wrote it, which may have been killed
            self._sound[row] = checksum(out.data) == self._record(row)[: CHECKSUM.size]
        return bool(self._sound[row])

    def write(self, row: int, values: Array, note: bytes = b"") -> None:
        """Keep a row and its note of at most `RECORD` - 4 bytes.

        After an error of the system, such as a full disk, nothing more is kept, and no error is raised.
        """
        if self._handle < 0 or self._full:
            return
        try:
            raw = np.ascontiguousarray(values).data
            record = (checksum(raw) + note).ljust(RECORD, b"\0")
            if os.pwritev(self._handle, [raw, record], self._offset(row)) == self.row_bytes + RECORD:
                self._sound[row] = True
        except OSError:
            self._full = True

    def note(self, row: int) -> bytes:
        """Return the note of a row, as `write` got it and zeros behind it; empty if the row is not there."""
        return self._record(row)[CHECKSUM.size :] if self._handle >= 0 else b""

    def _record(self, row: int) -> bytes:
        """Return the checksum and the note of a row, `RECORD` bytes; empty if the row is not there."""
        record = os.pread(self._handle, RECORD, self._offset(row) + self.row_bytes)
        return record if any(record[: CHECKSUM.size]) else b""

    def _offset(self, row: int) -> int:
        """Return the position of a row in the file: its pixels, then its record."""
        return row * (self.row_bytes + RECORD)

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to share the file: shape, type and path."""
        return {"shape": self.shape, "dtype": self.dtype, "path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Share the file in another process of this machine; elsewhere there is none, and rows are decoded."""
        self.__init__(**state)  # type: ignore[misc]


def _close_and_remove(handle: int, path: str | None, owner: int) -> None:
    """Close the file of a cache, and remove it if `path` is given; forked processes leave both alone."""
    if os.getpid() == owner:
        if handle >= 0:
            os.close(handle)
        if path is not None and os.path.exists(path):
            os.unlink(path)


@lru_cache(maxsize=1)
def _decoding_threads(process: int) -> ThreadPoolExecutor:
    """Return the threads that decode in this process; a forked one makes its own.

    More threads than cores are slower.
    """
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")

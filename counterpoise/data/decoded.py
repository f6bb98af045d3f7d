"""Pixels of image files as a source: decoded by all cores when rows are taken, and kept once they were.

Where the pixels go: into memory, if all of them fit there (`core.sources.IN_MEMORY`); else into one file in the
temporary folder, if it has twice the room; else they are decoded at every draw. Rows are the same in all three. The
file is read and written in rows, not mapped: pages of a map would count as memory of this process. It holds a byte for
each row, which is 1 once its pixels are there, so that worker processes share it. It is gone with its process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from counterpoise.core.sources import Source
from counterpoise.core.temporary import scratch

Array = np.ndarray

#: Share of the free space of the temporary folder that kept pixels may take.
DISK_SHARE = 0.5
#: Rows that one thread decodes at a time.
CHUNK = 8


class Decoded(Source):
    """Rows that a function decodes one by one, kept on disk once they were.

    Args:
        decode: Row number -> array of one row; can be pickled.
        shape: (N, ...) of all rows.
        dtype: Their type.
        keep: Whether to keep decoded rows on disk.
    """

    def __init__(
        self, decode: Callable[[int], Array], shape: tuple[int, ...], dtype: np.dtype, keep: bool = True
    ) -> None:
        self.decode, self.shape, self.dtype = decode, shape, np.dtype(dtype)
        self._cache = PixelCache.with_room(shape, self.dtype) if keep else None

    def take(self, rows: Array) -> Array:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
        for _ in _pool(os.getpid()).map(lambda chunk: self._fill(out[chunk], rows[chunk]), chunks):
            pass
        return out

    def _fill(self, out: Array, rows: Array) -> None:
        for index, row in enumerate(rows.tolist()):
            if self._cache is None or not self._cache.read(row, out[index]):
                out[index] = self.decode(row)
                if self._cache is not None:
                    self._cache.write(row, out[index])


class PixelCache:
    """Rows of one shape in a file, each written once and read often, by several threads and processes.

    Args:
        path: The file; None makes one in the temporary folder, which is removed with the shelf.
        shape: (N, ...) of all rows. dtype: Their type.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, path: str | None = None) -> None:
        self.shape, self.dtype = shape, dtype
        self.row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
        self._here, self._full = np.zeros(shape[0], bool), False
        if path is None:
            self._handle, self.path = tempfile.mkstemp(prefix="pixels-", dir=scratch())
            os.truncate(self._handle, shape[0] * (self.row_bytes + 1))
        else:
            self.path = path
            self._handle = os.open(path, os.O_RDWR) if os.path.exists(path) else -1
        weakref.finalize(self, _leave, self._handle, self.path if path is None else None, os.getpid())

    @classmethod
    def with_room(cls, shape: tuple[int, ...], dtype: np.dtype) -> PixelCache | None:
        """A shelf for these rows; None where the temporary folder has too little room, or rows cannot be read there."""
        need = int(np.prod(shape)) * dtype.itemsize
        if not hasattr(os, "pread") or need > DISK_SHARE * shutil.disk_usage(scratch()).free:  # Windows has no pread
            return None
        return cls(shape, dtype)

    def read(self, row: int, out: Array) -> bool:
        """Fill in a row if it is there."""
        if not self._here[row]:
            if self._handle < 0 or os.pread(self._handle, 1, self._flag(row)) != b"\1":
                return False
            self._here[row] = True
        raw = os.pread(self._handle, self.row_bytes, row * self.row_bytes)
        out[...] = np.frombuffer(raw, self.dtype).reshape(out.shape)
        return True

    def write(self, row: int, values: Array) -> None:
        """Keep a row; a full disk ends the keeping and nothing else."""
        if self._handle < 0 or self._full:
            return
        try:
            raw = np.ascontiguousarray(values).tobytes()
            if os.pwrite(self._handle, raw, row * self.row_bytes) == len(raw):
                os.pwrite(self._handle, b"\1", self._flag(row))
                self._here[row] = True
        except OSError:
            self._full = True

    def _flag(self, row: int) -> int:
        return self.shape[0] * self.row_bytes + row

    def __getstate__(self) -> dict[str, Any]:
        return {"shape": self.shape, "dtype": self.dtype, "path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Share the file in another process of this machine; elsewhere there is none, and rows are decoded."""
        self.__init__(**state)  # type: ignore[misc]


def _leave(handle: int, path: str | None, owner: int) -> None:
    if os.getpid() == owner:
        if handle >= 0:
            os.close(handle)
        if path is not None and os.path.exists(path):
            os.unlink(path)


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads that decode in this process; a forked one makes its own."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")

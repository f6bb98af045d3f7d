"""Pixels of image files as a source: decoded by all cores when rows are taken, and kept once they were.

Where the pixels go: into one file in the temporary folder, if it has twice the room; else they are decoded at every
draw. Rows are the same in both. The file is read and written in rows, not mapped: pages of a map would count as memory
of this process. It holds a byte for each row, which is 1 once its pixels are there, so that worker processes share it.
It is gone with its process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Protocol

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
        cache: Where decoded rows are kept: a `PixelCache` of this form, or some rows of one; None: nowhere.
    """

    def __init__(
        self, decode: Callable[[int], Array], shape: tuple[int, ...], dtype: np.dtype, cache: Cache | None
    ) -> None:
        self.decode, self.shape, self.dtype, self.cache = decode, shape, np.dtype(dtype), cache

    def take(self, rows: Array) -> Array:
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(rows), CHUNK)]
        for _ in _pool(os.getpid()).map(lambda chunk: self._fill(out[chunk], rows[chunk]), chunks):
            pass
        return out

    def _fill(self, out: Array, rows: Array) -> None:
        for index, row in enumerate(rows.tolist()):
            if self.cache is None or not self.cache.read(row, out[index]):
                out[index] = self.decode(row)
                if self.cache is not None:
                    self.cache.write(row, out[index])


class Cache(Protocol):
    """Rows that are kept."""

    def read(self, row: int, out: Array) -> bool:
        """Fill in a row if it is there."""

    def write(self, row: int, values: Array) -> None:
        """Keep a row."""


class PixelCache:
    """Rows of one shape in a file, each written once and read often, by several threads and processes.

    Args:
        path: The file; None makes one in the temporary folder, which is removed with the cache.
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
        """A cache for these rows; None where the temporary folder has too little room, or rows cannot be read there."""
        need = int(np.prod(shape)) * dtype.itemsize
        if not hasattr(os, "preadv") or need > DISK_SHARE * shutil.disk_usage(scratch()).free:  # Windows has no preadv
            return None
        return cls(shape, dtype)

    def read(self, row: int, out: Array) -> bool:
        """Fill in a row, C-contiguous and of this form, if it is there."""
        if not self._here[row]:
            if self._handle < 0 or os.pread(self._handle, 1, self._flag(row)) != b"\1":
                return False
            self._here[row] = True
        return os.preadv(self._handle, [out.data], row * self.row_bytes) == self.row_bytes

    def write(self, row: int, values: Array) -> None:
        """Keep a row; a full disk ends the keeping and nothing else."""
        if self._handle < 0 or self._full:
            return
        try:
            raw = np.ascontiguousarray(values).data
            if os.pwrite(self._handle, raw, row * self.row_bytes) == self.row_bytes:
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

"""How much memory a piece of work took: the process's highest resident memory while it ran.

A thread measures it every few milliseconds, as long as a `Peak` is open. Two pieces of work that run at the same time
in one process see each other's memory: the figure is what a machine must provide, not what a single network needs. The
engines measure it for `Member.memory`.
"""

from __future__ import annotations

import sys
import threading
import time

#: Seconds between two measurements.
EVERY = 0.02


def resident() -> int:
    """Return the resident memory of this process in bytes.

    Without /proc (not on Linux), this is the highest value so far. On Windows it is 0.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return _highest_resident()
    import resource

    return pages * resource.getpagesize()


def _highest_resident() -> int:
    """Return the highest resident memory of this process so far in bytes; 0 on Windows."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most  # bytes on macOS, else KiB


class Peak:
    """Highest resident memory between entry and exit.

    Attributes:
        bytes: The highest seen so far.

    Example:
        >>> with Peak() as peak:
        ...     _ = bytearray(1000)
        >>> peak.bytes > 1000
        True
    """

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> Peak:
        _WATCHER.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        _WATCHER.remove(self)

    def raise_to(self, value: int) -> None:
        """Raise the peak to a measured value."""
        self.bytes = max(self.bytes, value)


class _PeakWatcher:
    """One thread that measures the memory for all open peaks; it ends when there is none."""

    def __init__(self) -> None:
        self.open: set[Peak] = set()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def add(self, peak: Peak) -> None:
        """Open a peak with the memory of now, and start the thread if it does not run."""
        with self.lock:
            self.open.add(peak)
            self._raise_peaks(resident())
            if self.thread is None:
                self.thread = threading.Thread(target=self._watch, daemon=True, name="memory")
                self.thread.start()

    def remove(self, peak: Peak) -> None:
        """Measure the memory a last time, and close a peak."""
        with self.lock:
            self._raise_peaks(resident())
            self.open.discard(peak)

    def _raise_peaks(self, value: int) -> None:
        """Pass a measured value to all open peaks; the caller must have the lock.

        All peaks get the value, so an outer peak is never below a peak that was opened inside it.
        """
        for peak in self.open:
            peak.raise_to(value)

    def _watch(self) -> None:
        """Measure the memory every `EVERY` seconds until no peak is open.

        This function runs in the thread.
        """
        while True:
            time.sleep(EVERY)
            value = resident()
            with self.lock:
                if not self.open:
                    self.thread = None
                    return
                self._raise_peaks(value)


_WATCHER = _PeakWatcher()

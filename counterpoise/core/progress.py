"""A progress bar on standard error, with time left; silent when nobody watches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

#: Called with (what, done, total).
Progress = Callable[[str, int, int], None]


@contextlib.contextmanager
def bar(verbose: Any = "auto") -> Iterator[Progress | None]:
    """Yield a function to report progress to, or None when silent.

    Args:
        verbose: 0 or False is silent, 1 or True always shows; "auto" shows when standard error is a terminal.
    """
    if not (sys.stderr.isatty() if verbose == "auto" else verbose):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} steps"), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield report

"""The progress of long work for the user: a bar on standard error, and the rounds of each network as lines of text.

`fit`, `compare`, `distill` and `predict --reasons` show the bar; `fit(verbose=2)` prints `rounds_text`. What is
reported changes no result.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from counterpoise.core.checks import check_choice
from counterpoise.core.terminal_text import terminal_text

#: A function that is called with (what is done, steps or rows done, and how many there are).
Progress = Callable[[str, int, int], None]
#: Characters of a line from which the bar also shows the time so far.
ROOMY = 80


def rounds_text(history: Sequence[Mapping[str, Sequence[float]]], labels: Sequence[Any]) -> list[str]:
    """Return one line per network and round of its history.

    A line contains the loss and, with early-stopping rows, their loss, the recall of each class, and the metrics.

    Example:
        >>> history = {"step": [7.0], "loss": [0.5], "stop_loss": [0.4], "recall 0": [0.9], "recall 1": [0.2]}
        >>> rounds_text([history], "ny")
        ['network 1, step 7: loss 0.5000, corrected early-stopping loss 0.4000, recall n 0.90, y 0.20']
    """
    lines = []
    for number, member in enumerate(history, 1):
        for i, step in enumerate(member["step"]):
            line = f"network {number}, step {step:.0f}: loss {member['loss'][i]:.4f}"
            if member.get("stop_loss"):
                recalls = [f"{terminal_text(label)} {member[f'recall {c}'][i]:.2f}" for c, label in enumerate(labels)]
                line += f", corrected early-stopping loss {member['stop_loss'][i]:.4f}, recall {', '.join(recalls)}"
                line += "".join(f", {k} {_number_text(v[i])}" for k, v in member.items() if k.startswith("val_"))
            lines.append(line)
    return lines


def _number_text(value: float | Sequence[float]) -> str:
    """Return a value with four decimals; several values, one per threshold, are separated by "/"."""
    return f"{value:.4f}" if isinstance(value, float) else "/".join(map(_number_text, value))


@contextlib.contextmanager
def progress_bar(verbose: Any = "auto", unit: str = "steps") -> Iterator[Progress | None]:
    """Yield a function to report progress to, or None when silent.

    Args:
        verbose: 0 or False is silent; 1, 2 or True always shows; "auto" shows when standard error is a terminal.
        unit: What is counted.
    """
    check_choice(verbose, "verbose", (0, 1, 2, "auto"))
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

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn(f"{{task.completed:.0f}} of {{task.total:.0f}} {unit}"),
        *([TimeElapsedColumn()] if console.width >= ROOMY else []), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield report

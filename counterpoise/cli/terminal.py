"""Printing: no character of the data can control the terminal or fail because of its encoding.

Commands print text with `print_line` and `Terminal`, and data with `write_data`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from counterpoise.cli.wording import as_typed
from counterpoise.core.errors import OptionError
from counterpoise.core.terminal_text import terminal_text


def print_line(text: object, error: bool = False) -> None:
    """Print a line, on standard error when asked for.

    Arguments of Python become options (see `wording`). A terminal gets the line broken between words. A line with a
    command stays whole, so that the command can be copied.
    """
    stream, line = sys.stderr if error else sys.stdout, terminal_text(as_typed(str(text)))
    if stream is not None and stream.isatty() and "counterpoise " not in line:
        width = get_terminal_size().columns
        line = "\n".join(fill(part, width, break_long_words=False, break_on_hyphens=False) for part in line.split("\n"))
    print(line, file=stream)


def _worded(shown: Any) -> Any:
    """Return a text with options in the place of the arguments of Python; tables stay as they are."""
    if isinstance(shown, Text):
        return shown if (plain := as_typed(shown.plain)) == shown.plain else Text(plain, style=shown.style)
    return as_typed(shown) if isinstance(shown, str) else shown


class Terminal(Console):
    """A console that prints text literally: no markup, no emoji, no control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `Console.print` does, with sentences in the words of the command line (see `wording`)."""
        super().print(*map(_worded, objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text as `Console.render_str` does, but write out control characters.

        Tables use this text to measure the width of their cells.
        """
        return super().render_str(terminal_text(text), **options)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as `Console.render` does, but write out control characters in texts."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else terminal_text(text), style, control)


def escape_unencodable() -> None:
    """Let standard output and error escape characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def write_data(text: str) -> None:
    """Write data to standard output as UTF-8, whatever the locale.

    A terminal gets text in which characters that would control it are written out.

    Raises:
        OptionError: Standard output is closed.
    """
    if sys.stdout is None:
        raise OptionError("Standard output is closed. Name a file with --out.")
    raw = getattr(sys.stdout, "buffer", None)  # the bytes below the text; None if output is captured as text
    if raw is None or sys.stdout.isatty():
        sys.stdout.write(terminal_text(text, keep="\n\t") if sys.stdout.isatty() else text)
        return
    sys.stdout.flush()
    raw.write(text.encode("utf-8", "surrogateescape"))

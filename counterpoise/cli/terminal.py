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
from rich.text import Span, Text

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


def _worded(shown: Text) -> Text:
    """Return a sentence with options in the place of the arguments of Python, and any other text, such as a cell.

    Styles before the first change stay, and those up to the end of the text. Others, such as those of numbers, would be
    at other characters, and are left out.
    """
    if not shown.plain.rstrip().endswith(".") or (plain := as_typed(shown.plain)) == shown.plain:
        return shown
    worded = shown.copy()
    worded.plain = plain
    both = enumerate(zip(shown.plain, plain, strict=False))
    same = next((i for i, (before, after) in both if before != after), min(len(shown), len(plain)))
    ends = {**{end: end for end in range(same + 1)}, len(shown): len(plain)}
    worded.spans = [Span(s.start, ends[s.end], s.style) for s in shown.spans if s.start <= same and s.end in ends]
    return worded


class Terminal(Console):
    """A console that prints text literally: no markup, no emoji, no control characters.

    Sentences, also those of tables, are in the words of the command line (see `wording`).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Make text as `Console.render_str` does, but write out control characters.

        Tables use this text to measure the width of their cells.
        """
        return super().render_str(terminal_text(text), **options)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as `Console.render` does, but word sentences, and write out control characters in texts."""
        shown = _worded(renderable) if isinstance(renderable, Text) else renderable
        for text, style, control in super().render(shown, options):
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

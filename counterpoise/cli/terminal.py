"""What is printed: no character of the data can steer the terminal, and none is too much for its encoding."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

from counterpoise.core.errors import OptionError

#: Control characters, line separators, marks that turn the direction of writing, and bytes that are no text.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: object, keep: str = "\n") -> str:
    r"""Text of a user's data for the terminal: characters that steer it are written out.

    Args:
        text: Any text, such as a label or the name of a file.
        keep: Characters that stay.

    Example:
        >>> print(shown("a\x1b[31m b\udcff"), shown("two\nlines", keep=""))
        a\x1b[31m b\xff two\x0alines
    """
    return _STEERING.sub(lambda found: found[0] if found[0] in keep else _written_out(found[0]), str(text))


def _written_out(character: str) -> str:
    code = ord(character)
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code  # a byte of a name that is not UTF-8
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def say(text: object, error: bool = False) -> None:
    """Print a line, on standard error when asked for."""
    print(shown(text), file=sys.stderr if error else sys.stdout)


class Terminal(Console):
    """A console that takes text as it is: no markup, no emoji, nothing that steers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """As `Console.render_str`; the cells of a table are as wide as what is written out."""
        return super().render_str(shown(text), **options)

    def render(self, renderable: Any, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console.render`, with what would steer the terminal written out."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else shown(text), style, control)


def lenient() -> None:
    """Let standard output and error write out what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def write_data(text: str) -> None:
    """Write data to standard output: as UTF-8, whatever the locale; at a terminal, with what would steer it written
    out."""
    if sys.stdout is None:
        raise OptionError("Standard output is closed. Name a file with --out.")
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None or sys.stdout.isatty():
        sys.stdout.write(shown(text, keep="\n\t") if sys.stdout.isatty() else text)
        return
    sys.stdout.flush()
    raw.write(text.encode("utf-8", "surrogateescape"))

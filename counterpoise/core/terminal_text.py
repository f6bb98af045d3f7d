"""Text of a user's data for the terminal, without characters that could steer it.

Labels, names of files and messages of errors pass through here before they are printed.
"""

from __future__ import annotations

import re

#: Control characters, line separators, marks that turn the direction of writing, and bytes that are no text.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def terminal_text(text: object, keep: str = "\n") -> str:
    r"""Return text for the terminal: control characters in it are replaced by escapes.

    Args:
        text: Any text, such as a label or the name of a file.
        keep: Control characters that are not replaced.

    Example:
        >>> print(terminal_text("a\x1b[31m b\udcff"), terminal_text("two\nlines", keep=""))
        a\x1b[31m b\xff two\x0alines
    """
    return _CONTROL.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), str(text))


def _escape(character: str) -> str:
    """Return the escape of a character in hexadecimal digits.

    A byte that is not text gives the escape of the byte.
    """
    code = ord(character)
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code  # a byte of a name that is not UTF-8
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

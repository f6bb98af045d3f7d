"""The end of a command: an error is one line on standard error, and no unfinished file remains.

A fault of Counterpoise shows its traceback instead. The exit codes are public. `main` runs every command by `run`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import typer

from counterpoise.cli.terminal import escape_unencodable, print_line
from counterpoise.core.errors import CounterpoiseError, refusal_in, system_text
from counterpoise.core.panics import is_panic, panic_text
from counterpoise.core.temporary import leave_scratch, scratch

#: What a wrong option raises: Typer's own error, or before 0.28 that of Click, on which it was built.
USAGE_ERROR: type[Exception] = getattr(typer, "TyperException", typer.BadParameter.__mro__[2])
#: Signals that end a command as Ctrl-C does, unless the caller has them ignored (as nohup does).
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run(app: Callable[[], Any]) -> NoReturn:
    """Run a command line and end the process with its exit code.

    0: done. 2: bad input, or the system refused something; one line says which. 128 + the signal's number: stopped.
    """
    _open_standard_streams()
    escape_unencodable()
    # Without this, a panic of polars prints its trace.
    os.environ["RUST_BACKTRACE"] = "0"
    signals: list[int] = []
    with _interrupted_by(signals), _temporary_files_in_scratch(), _notes_as_lines():
        try:
            code = app() or 0
            if code == 130:  # an interrupt, as Typer reports it
                raise KeyboardInterrupt
            if sys.stdout is not None:
                sys.stdout.flush()
        except BaseException as error:
            code = _print_error(error)
    if signals:  # what still computes in other threads is not waited for
        leave_scratch()
        if sys.stderr is not None:
            sys.stderr.flush()
        os._exit(128 + signals[0])
    raise SystemExit(code)


def _print_error(error: BaseException) -> int:
    """Print an error as one line for the user, and return the exit code.

    0: a reader closed the pipe; 130: an interrupt; 2: any other error of the user or the system. A SystemExit keeps its
    code. A fault of the program is raised again.
    """
    if isinstance(error, SystemExit):  # it was reported
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has enough
        _drop_output()
        return 0
    code, text = (130, "stopped.") if isinstance(error, (typer.Abort, KeyboardInterrupt)) else (2, _error_text(error))
    if text is None:
        raise error
    if isinstance(error, OSError):  # what is left to be printed would fail again
        _drop_output()
    if text.strip():  # empty when the help text was shown because nothing was asked for
        print_line(f"counterpoise: {' '.join(text.split())}", error=True)
    return code


def _error_text(error: BaseException) -> str | None:
    """Return the message for an error of the user or of the system, or None for a fault of the program."""
    if isinstance(error, CounterpoiseError):
        return str(error)
    if isinstance(error, USAGE_ERROR):  # usage: an unknown option, a value out of range
        return _usage_text(error)
    if isinstance(error, OSError):  # a full disk, a file that may not be read
        return f"{error.filename or 'Reading or writing failed'}: {system_text(error)}"
    if isinstance(error, MemoryError):
        return "There is not enough memory. Use fewer rows or columns, or a machine with more memory."
    if isinstance(error, UnicodeEncodeError):
        return (
            f"The text {error.object!r:.80} cannot be encoded as {error.encoding}. Rename the file, column, "
            "or label that contains it."
        )
    if is_panic(type(error)):
        return f"polars stopped: {panic_text(error)}"
    refused = refusal_in(str(error))  # of the system, reported by a library in an error of its own
    return None if refused is None else f"Reading or writing failed: {system_text(refused)}"


def _usage_text(error: Exception) -> str:
    """Return what was typed wrongly, and the command that shows the right spelling.

    The text is "" when help was shown instead. A message that ends in a question mark stays as it is.
    """
    message: str = getattr(error, "format_message", error.__str__)().strip()
    context = getattr(error, "ctx", None)
    if not message or context is None:
        return message
    return f"{message.rstrip('.')}. See: {context.command_path} --help" if not message.endswith("?") else message


def _drop_output() -> None:
    """Send the rest of standard output to the null device, so that no later flush fails."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_standard_streams() -> None:
    """Open each closed standard stream (0, 1 or 2) on the null device.

    Otherwise the next file that is opened would take its number, and printed text would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def _interrupted_by(signals: list[int]) -> Iterator[None]:
    """In a `with` block, raise KeyboardInterrupt at the signals of `ENDING`.

    The number of each signal is appended to `signals`. Signals that are ignored or handled already stay so. Outside the
    main thread nothing changes.
    """

    def end(number: int, _: Any) -> None:
        """Note the signal, and raise what Ctrl-C raises."""
        signals.append(number)
        raise KeyboardInterrupt

    before = {}
    with suppress(ValueError):  # not in the main thread
        before = {s: signal.signal(s, end) for s in ENDING if signal.getsignal(s) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _temporary_files_in_scratch() -> Iterator[None]:
    """In a `with` block, let libraries put temporary files into our scratch folder.

    If this process is killed, the next one removes the folder. Without a writable folder nothing changes.
    """
    before = tempfile.tempdir
    with suppress(OSError):  # no folder for temporary files can be written
        tempfile.tempdir = str(scratch())
    try:
        yield
    finally:
        tempfile.tempdir = before


class _Lines(logging.Handler):
    """Prints each message of a log as one line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the message of a record."""
        print_line(" ".join(record.getMessage().split()), error=True)


@contextmanager
def _notes_as_lines() -> Iterator[None]:
    """In a `with` block, print each UserWarning, and each message of our log, as one line on standard error.

    Other warnings are printed as usual.
    """
    before, log, lines = warnings.showwarning, logging.getLogger("counterpoise"), _Lines(logging.WARNING)

    def show(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
        if category is UserWarning:
            print_line(f"counterpoise: warning: {' '.join(str(message).split())}", error=True)
        else:
            before(message, category, *where, **how)

    warnings.showwarning = show
    log.addHandler(lines)
    try:
        yield
    finally:
        warnings.showwarning = before
        log.removeHandler(lines)

"""The command `counterpoise`.

Bad input ends with exit code 2 and one clear line on standard error. Heavy imports happen inside the commands, so that
`--help` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from counterpoise.cli import compare, demo, diagnose, evaluate, export, predict, report, resample, strategies, train
from counterpoise.core.errors import CounterpoiseError
from counterpoise.core.version import version

app = typer.Typer(
    name="counterpoise",
    help="Train Keras classifiers when one class is rare: every remedy, a fair race, true probabilities, one file.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (diagnose, strategies, compare, report, train, predict, evaluate, resample, export, demo):
    app.command(command.NAME)(command.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"counterpoise {version()}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the whole program."""


def main() -> NoReturn:
    """Run the command line; the entry point of the installed script."""
    warnings.showwarning = _show_warning
    try:
        code = app(prog_name="counterpoise", standalone_mode=False)  # also as `python -m counterpoise`
    except CounterpoiseError as error:
        _stop(str(error))
    except typer.TyperException as error:  # usage: an unknown option, a value out of range
        _stop(_usage(error))
    except (typer.Abort, KeyboardInterrupt):
        _stop("stopped.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:  # a full disk, a file that may not be read
        _stop(f"{error.filename or 'the system'}: {error.strerror or error}.")
    if code == 130:  # an interrupt, as Typer tells it
        _stop("stopped.", code)
    raise SystemExit(code or 0)


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **how: Any) -> None:
    """A warning to the user as one line, without the place in the program."""
    if category is UserWarning:
        print(f"counterpoise: warning: {' '.join(str(message).split())}", file=sys.stderr)
    else:
        _show_python_warning(message, category, *place, **how)


_show_python_warning = warnings.showwarning


def _usage(error: typer.TyperException) -> str:
    """What was typed wrongly, and where the right spelling stands; empty when help was shown instead."""
    said = getattr(error, "format_message", error.__str__)().strip()
    context = getattr(error, "ctx", None)
    if not said or context is None:
        return said
    return f"{said.rstrip('.')}. See: {context.command_path} --help" if not said.endswith("?") else said


def _stop(message: str, code: int = 2) -> NoReturn:
    if message.strip():  # empty when the help text was shown because nothing was asked for
        print(f"counterpoise: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()

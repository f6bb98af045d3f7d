"""The command `counterpoise`: lists the commands and runs the one that was typed. A new command gets a line here.

Bad input ends with exit code 2 and one clear line on standard error. Heavy imports happen inside the commands, so that
`--help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from counterpoise.cli import (
    card,
    compare,
    demo,
    diagnose,
    evaluate,
    explain,
    export,
    predict,
    report,
    resample,
    strategies,
    train,
)
from counterpoise.cli.ending import run
from counterpoise.cli.wording import set_command
from counterpoise.core.version import version

app = typer.Typer(
    name="counterpoise",
    help="Train and compare Keras classifiers on imbalanced data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (diagnose, strategies, compare, report, train, predict, evaluate, explain, resample, export, card, demo):
    app.command(command.NAME)(command.command)


def _print_version(wanted: bool) -> None:
    """Print the version and end the program, if `--version` was passed."""
    if wanted:
        print(f"counterpoise {version()}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the whole program."""
    commands: dict[str, Any] = dict(getattr(context.command, "commands", {}))
    if (running := commands.pop(context.invoked_subcommand or "", None)) is not None:
        set_command(running, commands.values(), sys.argv[1:])


def main() -> NoReturn:
    """Run the command line; the entry point of the installed script."""
    run(lambda: app(prog_name="counterpoise", standalone_mode=False))  # also as `python -m counterpoise`


if __name__ == "__main__":
    main()

"""`counterpoise report`: the page of a finished run, rendered again from the record in its folder (`run.sqlite`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.core.errors import ArtifactError, CounterpoiseError
from counterpoise.core.keras_import import import_keras_quietly

NAME = "report"


def command(
    folder: Annotated[Path, typer.Argument(help="Output folder of `compare`.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="File to write. Default: report.html in the folder.", show_default=False)
    ] = None,
) -> None:
    """Write report.html of a finished run again."""
    import_keras_quietly()
    from counterpoise.cli import options as o
    from counterpoise.comparison.store_file import FILE
    from counterpoise.report import page

    target = folder / "report.html" if out is None else out
    record = finished_record(folder)
    o.check_file(target, ".html", [folder / FILE])
    with errors_of_rendering(folder):
        o.print_note(str(page.write(record, target)), target)


@contextmanager
def errors_of_rendering(folder: Path) -> Iterator[None]:
    """Raise an unexpected error in the `with` block as an ArtifactError that names the folder and the fix.

    Errors that already have a message for users (OSError, CounterpoiseError) pass unchanged.
    """
    try:
        yield
    except (OSError, CounterpoiseError):
        raise
    except Exception as error:
        raise ArtifactError(
            f"The report of {str(folder)!r} cannot be rendered from its stored run ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}). The run was changed, or written by another version. Run the "
            "same `counterpoise compare` command again, with another --out folder or --restart."
        ) from error


def finished_record(folder: Path) -> dict[str, Any]:
    """Return the record of a finished run.

    Raises:
        ArtifactError: the folder contains no run, or the run has not finished.
    """
    from counterpoise.comparison.store import Store

    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise ArtifactError(f"{str(folder)!r} {what}. Pass the --out folder of `counterpoise compare`.")
    with Store.reading(folder) as store:
        record = store.record
    if record is None:
        raise ArtifactError(
            f"The run in {str(folder)!r} has not finished. Run the same `counterpoise compare` command again to resume "
            "it."
        )
    return record

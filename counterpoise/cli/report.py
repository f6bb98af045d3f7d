"""`counterpoise report`: the page of a finished run, rendered again from what its folder keeps."""

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
    folder: Annotated[Path, typer.Argument(help="Folder that `compare` wrote.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Where to write; else report.html in the folder.")] = None,
) -> None:
    """Render report.html again from what a run keeps: after an update, or where the page was lost."""
    import_keras_quietly()
    from counterpoise.cli import options as o
    from counterpoise.comparison.store_file import FILE
    from counterpoise.report import page

    target = folder / "report.html" if out is None else out
    record = finished_record(folder)
    o.check_file(target, ".html", [folder / FILE])
    with drawable(folder):
        o.note(str(page.write(record, target)), target)


@contextmanager
def drawable(folder: Path) -> Iterator[None]:
    """Say in one line that what a run keeps is not what a report is drawn from, whatever drawing runs into."""
    try:
        yield
    except (OSError, CounterpoiseError):
        raise
    except Exception as error:
        raise ArtifactError(
            f"the report of {str(folder)!r} cannot be drawn from what the run keeps ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); it was changed, or written by another version. Run the same "
            "`counterpoise compare` command again, in another folder or with --restart."
        ) from error


def finished_record(folder: Path) -> dict[str, Any]:
    """What the report of a finished run is drawn from.

    Raises:
        ArtifactError: no run is kept there, or it has not finished.
    """
    from counterpoise.comparison.store import Store

    if not folder.is_dir():
        raise ArtifactError(f"there is no folder {str(folder)!r}; expected the --out folder of a compare.")
    with Store.reading(folder) as store:
        record = store.record
    if record is None:
        raise ArtifactError(
            f"the run in {str(folder)!r} has not finished, so there is nothing to report. The same `counterpoise "
            "compare` command goes on where it stopped."
        )
    return record

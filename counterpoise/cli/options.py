"""Options that several commands share, and what they become."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from counterpoise.core.records import Examples

Data = Annotated[Path, typer.Argument(help="CSV or Parquet file, or a folder of images.", show_default=False)]
Target = Annotated[str | None, typer.Option(help="Column that holds the class.", rich_help_panel="Data")]
Positive = Annotated[
    str | None, typer.Option(help="Label of the positive class (two classes).", rich_help_panel="Data")
]
OneVsRest = Annotated[str | None, typer.Option(help="Label to hold against all others.", rich_help_panel="Data")]
MergeRare = Annotated[str | None, typer.Option(help="Labels to merge into one class: a,b,...", rich_help_panel="Data")]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out: a,b,...", rich_help_panel="Data")]
Groups = Annotated[str | None, typer.Option(help="Column of groups that are never split.", rich_help_panel="Data")]
Time = Annotated[str | None, typer.Option(help="Column of times: train on the past only.", rich_help_panel="Data")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out damaged rows or files.", rich_help_panel="Data")]
Size = Annotated[
    int | None, typer.Option(help="Side of an image in pixels, for a folder of images.", rich_help_panel="Data")
]

Model = Annotated[
    str,
    typer.Option(
        help="mlp, tabular, cnn, text, auto (tabular or, for images, cnn), FILE.keras, or module:function (a builder).",
        rich_help_panel="Model",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="At most this many passes over the training rows.  [default: the network's]", rich_help_panel="Model"
    ),
]
BatchSize = Annotated[
    int | None, typer.Option(help="Rows per step.  [default: the network's]", rich_help_panel="Model")
]
Seed = Annotated[int, typer.Option(help="Same seed, same result.", rich_help_panel="Model")]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def or_auto(number: int | None) -> int | str:
    """A number that was given, else what leaves it to the network."""
    return "auto" if number is None else number


def split_names(text: str | None) -> tuple[str, ...]:
    """Names separated by commas.

    Example:
        >>> split_names("a, b")
        ('a', 'b')
    """
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def read_table(data: Path, target: str | None, size: int | None = None, **options: Any) -> Examples:
    """Read the file or the folder of images that a command names, with its data options."""
    from counterpoise.core.errors import ColumnError, OptionError
    from counterpoise.data.read import read

    if data.is_dir():
        return _read_folder(data, target, size, **options)
    if size is not None:
        raise OptionError(f"--size is for folders of images; {data.name} is none.")
    if target is None:
        raise ColumnError(f"a table needs --target: which column of {data.name} holds the class?")
    used = {"--target": target, "--groups": options["groups"], "--time": options["time"]}
    for option, column in used.items():
        if column in options["drop"]:
            raise OptionError(f"column {column!r} is named by {option} and by --drop; leave it out of --drop.")
    return read(data, target=target, **options)


def _read_folder(data: Path, target: str | None, size: int | None, **options: Any) -> Examples:
    from counterpoise.core.errors import OptionError
    from counterpoise.data.folder import read_images

    options.pop("text", None)
    options.pop("inputs", None)
    columns = {"--target": target, **{f"--{name}": options.pop(name) for name in ("drop", "groups", "time")}}
    for option, value in columns.items():
        if value:
            raise OptionError(
                f"{option} names a column; {data} is a folder of images, its sub-folders are the classes."
            )
    if size is None:
        raise OptionError(f"{data} is a folder of images: --size says to how many pixels a side they are brought.")
    return read_images(data, size, **options)


def picture_form(clf: Any) -> tuple[tuple[int, int], str]:
    """Size and color of the images that a classifier takes.

    Raises:
        OptionError: it takes something else.
    """
    from counterpoise.core.errors import OptionError

    shape: tuple[Any, ...] = getattr(clf.members.input, "shape", ())
    if clf.schema is not None or len(shape) != 4 or shape[-1] not in (1, 3):
        raise OptionError("the model was not trained on images; give it a file like the one it was trained on.")
    return (int(shape[1]), int(shape[2])), "gray" if shape[-1] == 1 else "rgb"


def data_options(
    positive: str | None, one_vs_rest: str | None, merge_rare: str | None, drop: str | None, groups: str | None,
    time: str | None, skip_bad: bool,
) -> dict[str, Any]:  # fmt: skip
    """The data options of the command line as arguments of `read`."""
    return {
        "positive": positive,
        "one_vs_rest": one_vs_rest,
        "merge_rare": split_names(merge_rare),
        "drop": split_names(drop),
        "groups": groups,
        "time": time,
        "skip_bad": skip_bad,
    }


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot be written, before any work is done."""
    import os

    from counterpoise.core.errors import ArtifactError

    place = out
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        raise ArtifactError(f"cannot write to {str(out)!r}: {str(place)!r} is a file; give a folder.")
    if not os.access(place, os.W_OK):
        raise ArtifactError(f"cannot write to {str(out)!r}: no permission to write in {str(place)!r}.")


def check_file(out: Path, ending: str = "") -> None:
    """Refuse a file that cannot be written, before any work is done."""
    from counterpoise.core.errors import ArtifactError

    if not out.name.endswith(ending):
        raise ArtifactError(f"--out {out}: expected a file name that ends in {ending}.")
    if out.is_dir():
        raise ArtifactError(f"--out {out} is a folder; expected the name of a file.")
    check_folder(out.parent)


def write_text(out: Path, text: str) -> None:
    """Write a file whole or not at all."""
    from counterpoise.core.errors import ArtifactError

    draft = out.with_name(f".{out.name}.writing")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ArtifactError(f"cannot write {str(out)!r}: {error.strerror or error}.") from error


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end what runs inside as an error would, so that it clears away its half-written files.

    The process then ends at once, with the code that shells use: what still computes in other threads is not waited
    for.
    """
    import os
    import signal
    import sys

    def end(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except SystemExit as error:
        print("counterpoise: stopped.", file=sys.stderr, flush=True)
        os._exit(int(error.code or 0))
    finally:
        signal.signal(signal.SIGTERM, before)

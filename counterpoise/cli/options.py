"""Options that several commands share: their types with help texts, and functions that turn them into arguments.

Commands import this file as `o`. Keras and polars are not imported at its top, so that `--help` answers at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from counterpoise.cli.terminal import print_line
from counterpoise.core.errors import ArtifactError
from counterpoise.core.files import check_output, is_standard_output, is_stream

Data = Annotated[Path, typer.Argument(help="CSV or Parquet file, or folder of images.", show_default=False)]
Target = Annotated[
    str | None,
    typer.Option(help="Column of the class. For several labels per row: columns a,b,c.", rich_help_panel="Data"),
]
LabelsPrefix = Annotated[
    str | None,
    typer.Option(help="Prefix of the names of all label columns, instead of --target.", rich_help_panel="Data"),
]
Separator = Annotated[
    str | None,
    typer.Option(help='Separator of several labels in one --target column, such as "|".', rich_help_panel="Data"),
]
Missing = Annotated[
    str | None, typer.Option(help="Meaning of an empty label: ignore or absent.", rich_help_panel="Data")
]
Uncertain = Annotated[
    str | None, typer.Option(help="Meaning of the label -1: ignore, zero, or one.", rich_help_panel="Data")
]
Positive = Annotated[
    str | None, typer.Option(help="Label of the positive class. Only for two classes.", rich_help_panel="Data")
]
OneVsRest = Annotated[
    str | None,
    typer.Option(
        help="Label of the positive class, if all other classes together are the negative class.",
        rich_help_panel="Data",
    ),
]
MergeRare = Annotated[
    str | None, typer.Option(help="Labels to merge into one class, separated by commas.", rich_help_panel="Data")
]
Drop = Annotated[str | None, typer.Option(help="Columns to ignore, separated by commas.", rich_help_panel="Data")]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Column of groups, such as patients. Rows of a group stay on one side of each split.",
        rich_help_panel="Data",
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(
        help="Column or columns (a,b) of units, such as studies. Each unit gets one decision.", rich_help_panel="Data"
    ),
]
Aggregate = Annotated[
    str | None,
    typer.Option(
        help="Probability of a unit: mean or max of the probabilities of its rows. Default: mean.", show_default=False,
        rich_help_panel="Data",
    ),
]  # fmt: skip
Time = Annotated[
    str | None,
    typer.Option(help="Column of times. Training rows are then earlier than test rows.", rich_help_panel="Data"),
]
LabelDelay = Annotated[
    float | None,
    typer.Option(
        help="Days until a label is known. Training leaves out rows whose labels are unknown when the test period "
        "starts. Requires --time.",
        metavar="DAYS", rich_help_panel="Data", show_default=False,
    ),
]  # fmt: skip
Split = Annotated[
    str | None,
    typer.Option(help="Column that contains train, validation, or test for each row.", rich_help_panel="Data"),
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip damaged rows and files.", rich_help_panel="Data")]
Images = Annotated[
    str | None, typer.Option(help="Column of image file names, for a table of images.", rich_help_panel="Images")
]
Features = Annotated[
    str | None,
    typer.Option(help="Columns a,b that the model reads in addition to the image.", rich_help_panel="Images"),
]
#: Of commands with a model file, which names its columns: the same ones may be typed again.
SameFeatures = Annotated[str | None, typer.Option("--features", hidden=True)]
Root = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the images in the table. Default: the folder of the table.",
        rich_help_panel="Images",
        show_default=False,
    ),
]
GroupsFrom = Annotated[
    str | None,
    typer.Option(
        help="Regular expression that finds the group (patient) in a file name.", metavar="REGEX",
        rich_help_panel="Images",
    ),
]  # fmt: skip
Size = Annotated[
    int | None,
    typer.Option(help="Width and height of the images in pixels. Required for images.", rich_help_panel="Images"),
]
Range = Annotated[
    tuple[float, float] | None,
    typer.Option(
        help="Pixel values that mean black and white. Only for images of more than 8 bits.", metavar="LOW HIGH",
        rich_help_panel="Images",
    ),
]  # fmt: skip

Aspect = Annotated[
    str | None,
    typer.Option(
        help="Treatment of images with another shape: stretch, crop, or pad. Default: stretch.", show_default=False,
        rich_help_panel="Images",
    ),
]  # fmt: skip

Cache = Annotated[
    str | None,
    typer.Option(help="Folder that keeps decoded images for later runs.", show_default=False, rich_help_panel="Images"),
]

Ignore = Annotated[
    list[int] | None,
    typer.Option(help="Value of mask pixels to ignore, such as 255. Repeatable.", rich_help_panel="Images"),
]

Augment = Annotated[
    bool | None,
    typer.Option(
        "--augment/--no-augment", help="Rotate, shift, and zoom images slightly in training. Default: only for cnn.",
        show_default=False, rich_help_panel="Images",
    ),
]  # fmt: skip
Flip = Annotated[
    str | None,
    typer.Option(
        help="Flip half of the images in training: horizontal, vertical, or both.", show_default=False,
        rich_help_panel="Images",
    ),
]  # fmt: skip
Contrast = Annotated[
    float | None,
    typer.Option(
        help="Largest random change of contrast in training. For example, 0.2 is 20%.", show_default=False,
        rich_help_panel="Images",
    ),
]  # fmt: skip

Model = Annotated[
    str,
    typer.Option(
        help="Model. Networks: mlp, tabular, cnn, text. Trees: boosted, forest, extra_trees, balanced_forest. auto is "
        "tabular+boosted+forest+extra_trees for tables, and cnn for images. Your own: FILE.keras, or module:function "
        "(a builder). A plus sign blends models.",
        rich_help_panel="Model",
    ),
]
ComparedModel = Annotated[
    str,
    typer.Option(
        help="Model, or several models separated by commas. For the choices, see `train --help`.",
        rich_help_panel="Model",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(help="Maximum passes over the training rows. Default: chosen by the model.", rich_help_panel="Model"),
]
BatchSize = Annotated[
    int | None, typer.Option(help="Rows per training step. Default: chosen by the model.", rich_help_panel="Model")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random draws.", rich_help_panel="Model")]

Costs = Annotated[
    Path | None, typer.Option(help="JSON file of costs: {true label: {decided label: cost}}.", show_default=False)
]
CostColumn = Annotated[
    str | None,
    typer.Option(
        help="Column with the cost of each missed case, such as an amount. Requires --cost-fp.", show_default=False
    ),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        help="Custom Python class that a model file may load, as module:Class. Repeatable.", rich_help_panel="Model"
    ),
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object to standard output.")]


def or_auto(number: int | None) -> int | str:
    """Return the given number, or "auto", which leaves the choice to the model."""
    return "auto" if number is None else number


def split_names(text: str | None) -> tuple[str, ...]:
    """Split a text at commas into names, without spaces around them; empty names are dropped.

    Example:
        >>> split_names("a, b")
        ('a', 'b')
    """
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def target_named(
    target: str | None, separator: str | None = None, missing: str | None = None, uncertain: str | None = None,
    prefix: str | None = None, data: Path | None = None,
) -> Any:  # fmt: skip
    """Return the target that the command line names: a column, or the columns of several labels.

    Args:
        target: One column, or several separated by commas.
        separator, missing, uncertain: As in `labels`.
        prefix: Common start of the names of the label columns of `data`.
        data: The table.

    Raises:
        OptionError: The options do not belong together, or `prefix` matches fewer than two columns.

    Example:
        >>> target_named("ill"), target_named("edema, mass").columns
        ('ill', ('edema', 'mass'))
    """
    names = split_names(target) if prefix is None else _columns_with_prefix(prefix, target, data)
    several = several_labels(names, separator, missing, uncertain, data)
    return target if several is None else several


def several_labels(
    names: Sequence[str], separator: str | None, missing: str | None, uncertain: str | None, data: Path | None
) -> Any:
    """Return several labels per row in the columns `names`; None if they are one column with one class per row.

    The arguments are those of `target_named`.

    Raises:
        OptionError: The options do not belong together, or a column is named twice.
    """
    from counterpoise.core.errors import OptionError
    from counterpoise.core.label_columns import labels

    if twice := [name for name in names if names.count(name) > 1]:
        raise OptionError(f"--target names the column {twice[0]!r} twice. Name each label column once.")
    if len(names) < 2 and separator is None and not (names and _contains_lists(data, names[0])):
        for option, value in (("--missing", missing), ("--uncertain", uncertain)):
            if value is not None:
                raise OptionError(f"{option} is for several labels per row. Name their columns: --target a,b,c.")
        return None
    if separator is not None and len(names) != 1:
        raise OptionError("--separator is for one column with several labels. Name this column with --target.")
    columns = list(names) if len(names) > 1 else names[0]
    return labels(columns, missing=missing, uncertain=uncertain or "ignore", separator=separator)


def _contains_lists(data: Path | None, column: str) -> bool:
    """Return whether a column of a Parquet file contains lists, such as all labels of a row."""
    import polars as pl

    from counterpoise.data.frames import PARQUET

    if data is None or not data.is_file() or data.suffix.lower() not in PARQUET:
        return False
    try:
        return isinstance(pl.read_parquet_schema(data).get(column), (pl.List, pl.Array))
    except pl.exceptions.PolarsError:
        return False  # a damaged file, which its reader reports


def _columns_with_prefix(prefix: str, target: str | None, data: Path | None) -> tuple[str, ...]:
    """Return the columns of the table `data` whose names start with the prefix.

    Raises:
        OptionError: --target was given too, or fewer than two columns start so.
    """
    from counterpoise.core.errors import OptionError
    from counterpoise.data.stored import stored

    if target is not None:
        raise OptionError("--target and --labels-prefix cannot be combined. Remove one of them.")
    assert data is not None
    columns = stored(data).columns
    names = tuple(name for name in columns if name.startswith(prefix))
    if len(names) < 2:
        raise OptionError(
            f"--labels-prefix {prefix} matches {len(names)} column names of {data.name}. Expected two or more "
            f"matches. The columns are {', '.join(columns[:8])}{' ...' if len(columns) > 8 else ''}."
        )
    return names


def picture_options(
    size: int | None, range: tuple[float, float] | None, images: str | None, root: Path | None,
    groups_from: str | None = None, aspect: str | None = None, features: str | None = None, cache: str | None = None,
    ignore: list[int] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the options of images on the command line as arguments of `images`."""
    return {
        "size": size, "range": range, "images": images, "root": root, "groups_from": groups_from, "aspect": aspect,
        "features": split_names(features) or None, "cache": cache, "ignore": tuple(ignore) if ignore else None,
    }  # fmt: skip


def augmentation_options(augment: bool | None, flip: str | None, contrast: float | None) -> dict[str, Any]:
    """Return the options of augmentation, checked, as arguments of `fit`."""
    from counterpoise.data.image_form import check_contrast, check_flip

    moves = {"flip": check_flip(flip), "contrast": check_contrast(contrast)}
    return {"augment": "auto" if augment else augment, **moves}


def data_options(
    positive: str | None, one_vs_rest: str | None, merge_rare: str | None, drop: str | None, groups: str | None,
    time: str | None, skip_bad: bool, split: str | None = None, unit: str | None = None, aggregate: str | None = None,
    cost_column: str | None = None, by: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the data options of the command line as arguments of `read`."""
    return {
        "positive": positive,
        "one_vs_rest": one_vs_rest,
        "merge_rare": split_names(merge_rare),
        "drop": split_names(drop),
        "groups": groups,
        "time": time,
        "split": split,
        "cost_column": cost_column,
        "by": split_names(by) or None,
        "unit": unit,
        "aggregate": aggregate,
        "skip_bad": skip_bad,
    }


def check_file(out: Path, ending: str = "", reads: Iterable[str | Path | None] = ()) -> None:
    """Refuse an output file that cannot be written, or that the command reads.

    Args:
        out: The file of `--out`; devices and pipes may have any name.
        ending: How the name of the file must end.
        reads: Files and folders that the command reads; None for options that were not given.

    Raises:
        ArtifactError: The file is refused.
    """
    if not out.name.endswith(ending) and not is_stream(out):
        raise ArtifactError(f"--out {out}: the file name must end in {ending}.")
    check_output(out, [Path(read) for read in reads if read is not None])


#: Endings of files of other formats, which no command writes under the name of its own.
_FORMATS = (".csv", ".tsv", ".json", ".html", ".xlsx", ".xls", ".parquet", ".pq", ".svg", ".png", ".pdf", ".keras")


def check_format(out: Path, endings: Iterable[str]) -> None:
    """Refuse a file name that ends as a file of another format.

    Args:
        out: The file of `--out`. Names without an ending, and with one that names no format, are accepted.
        endings: The endings of the formats that the command writes.

    Raises:
        ArtifactError: The file is refused.

    Example:
        >>> check_format(Path("scores.parquet"), [".csv"])
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: --out scores.parquet: the file name must end in .csv.
    """
    known = tuple(endings)
    if out.suffix.lower() in _FORMATS and out.suffix.lower() not in known:
        raise ArtifactError(f"--out {out}: the file name must end in {' or '.join(known)}.")


def print_note(text: str, out: Path) -> None:
    """Print a message about the file `out`; on standard error if the file itself goes to standard output."""
    print_line(text, error=is_standard_output(out))

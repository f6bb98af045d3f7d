"""The rows of a command: read by its options (`read_table`, for training), or in the form that a saved model takes.

The functions from `picture_form` on are for commands with a model file: their rows are read as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.cli.options import split_names

if TYPE_CHECKING:
    from counterpoise.core.examples import Examples, Pictures


def read_table(
    data: Path, target: Any, pictures: Mapping[str, Any], check: Callable[[Examples], object] | None = None,
    **options: Any,
) -> Examples:  # fmt: skip
    """Return the rows that a command names: a table, a folder of images or a table of images.

    `pictures` are the options of images (see `picture_options`). `check` raises what is wrong with the rows; of images
    it is also called before they are decoded.
    """
    from counterpoise.data.read import read
    from counterpoise.data.split import without_rare_labels

    if pictures.get("images") is not None or data.is_dir():
        examples = _read_images(data, target, pictures, check, **options)
    else:
        _check_columns(data, target, pictures, options)
        examples = read(data, target=target, **options)
    # Rows with several labels: leave out, with a warning, the labels that have too few rows to be split.
    examples = without_rare_labels(examples)
    if check is not None:
        check(examples)
    return examples


def _check_columns(data: Path, target: Any, pictures: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Raise an error if options do not go with a table.

    These are options of images, a missing --target, and a column that is named by an option and by --drop as well.

    Raises:
        OptionError, ColumnError: The message names the option.
    """
    from counterpoise.core.errors import ColumnError, OptionError

    for name, value in pictures.items():
        if value is not None:
            raise OptionError(
                f"{_option(name)} is for images, but {data.name} is a table. Remove {_option(name)}. If the table "
                "names image files, name their column with --images."
            )
    if target is None:
        raise ColumnError(f"--target is required for a table. Name the column of {data.name} that contains the class.")
    columns = (target,) if isinstance(target, str) else target.columns
    used = [("--target", name) for name in columns]
    used += [(f"--{name}", options[name]) for name in ("groups", "time", "split")]
    for option, column in used:
        if column in options["drop"]:
            raise OptionError(f"Column {column!r} is in both {option} and --drop. Remove this column from --drop.")


def _read_images(data: Path, target: Any, pictures: Mapping[str, Any], check: Any, **options: Any) -> Examples:
    """Read a folder of images, or a table of images if `pictures` has "images".

    Raises:
        OptionError, ColumnError: An option does not go with images or with a folder, or --target or --size is missing.
    """
    from counterpoise.core.errors import ColumnError, OptionError
    from counterpoise.data.frames import CSV, PARQUET
    from counterpoise.data.images import read_images

    columns: dict[str, Any] = {name: options.get(name) for name in ("groups", "time", "split", "unit", "aggregate")}
    for name in ("cost_column", "by"):
        if options.get(name):
            option = _option(name)
            raise OptionError(f"{option} names columns of a table, but {data} has images. Remove {option}.")
    of_table = {"target": target, **columns, "drop": options["drop"], "root": pictures.get("root")}
    if pictures.get("images") is not None:
        if target is None:
            raise ColumnError(
                f"--target is required for a table of images. Name the column of {data.name} that contains the class."
            )
        if options["drop"]:
            raise OptionError(
                "--drop has no effect on a table of images, because only the columns of --features are used "
                "for training. Remove --drop."
            )
    elif wrong := [name for name, value in of_table.items() if value]:
        if tables := sorted(path.name for path in data.iterdir() if path.suffix.lower() in (*CSV[:2], *PARQUET)):
            raise OptionError(
                f"{data} is a folder with the table {tables[0]}"
                + (f" and {len(tables) - 1} more" if len(tables) > 1 else "")
                + ". Expected one table, or a folder of images. Pass one table, or "
                "join the tables. If the table lists images, add --images."
            )
        raise OptionError(
            f"{_option(wrong[0])} is for a table, but {data} is a folder of images with one sub-folder per "
            f"class. Remove {_option(wrong[0])}."
        )
    if pictures["size"] is None:
        raise OptionError(f"--size is required for images. For example, --size 64 resizes {data} to 64 × 64 pixels.")
    labels = {name: options[name] for name in ("positive", "one_vs_rest", "merge_rare", "skip_bad")}
    given = {name: value for name, value in pictures.items() if value is not None}
    return read_images(data, target=target, check=check, **given, **columns, **labels)


def _option(name: str) -> str:
    """Return the option of an argument as it is typed: "--skip-bad" for "skip_bad"."""
    return "--" + name.replace("_", "-")


def picture_form(clf: Any) -> tuple[tuple[int, int], Pictures]:
    """Return (height, width) and the form of the images that a classifier takes.

    Raises:
        OptionError: The classifier does not take images with one or three channels.
    """
    from counterpoise.core.errors import OptionError
    from counterpoise.core.examples import IMAGE, Pictures

    inputs = clf.members.input
    picture = inputs.get(IMAGE) if isinstance(inputs, dict) else inputs
    shape: tuple[Any, ...] = getattr(picture, "shape", ())
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise OptionError("The model was not trained on images. Pass the same kind of file as in training.")
    color_mode = "grayscale" if shape[-1] == 1 else "rgb"
    return (int(shape[1]), int(shape[2])), replace(clf.pictures or Pictures(color_mode), color_mode=color_mode)


def check_root(root: Path | None, images: str | None) -> None:
    """Raise an OptionError if --root is given without --images: no names are then looked for in a folder."""
    from counterpoise.core.errors import OptionError

    if root is not None and images is None:
        raise OptionError("--root requires --images. Add --images COLUMN, or remove --root.")


def form_options(form: Pictures) -> dict[str, Any]:
    """Return the form of a model's images as arguments of `list_images`."""
    return {"color_mode": form.color_mode, "span": form.range, "aspect": form.aspect, "learned": form.learned}


def feature_options(clf: Any) -> dict[str, Any]:
    """Return the columns that a model takes with its images as arguments of `list_images`, or {}."""
    from counterpoise.data.schema import text_columns

    if clf.schema is None:
        return {}
    return {"features": tuple(column.name for column in clf.schema.columns), "as_text": text_columns(clf.schema)}


def check_features(clf: Any, given: str | None) -> None:
    """Raise an OptionError if the columns of --features are not those that the model file names."""
    from counterpoise.core.errors import OptionError

    names = feature_options(clf).get("features", ())
    if given is not None and set(split_names(given)) != set(names):
        raise OptionError(
            f"--features is {given}, but the model was trained with {', '.join(names[:8]) or 'no columns'}. Remove "
            "--features."
        )


def unit_columns_in(clf: Any, data: Path) -> tuple[str, ...] | None:
    """Return the columns of the units that a model decides, if the table has all of them.

    None if a column is absent, or if the model decides rows.
    """
    from counterpoise.data.stored import stored

    if clf.unit is None or not set(clf.unit.columns) <= set(stored(data).columns):
        return None
    return tuple(clf.unit.columns)


def print_image_notes(images: Any) -> None:
    """Print on standard error what was noticed while images were listed, such as rows and files that are left out."""
    from counterpoise.cli.terminal import print_line
    from counterpoise.data.image_set import left_out_notes

    for note in (*images.notes, *left_out_notes(images.bad)):
        print_line(f"! {note}", error=True)

"""Names of pictures in a column -> files below a folder; and groups that stand in the names of files.

Only for tables of images and for `groups_from=`. The groups decide which images a split keeps together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from counterpoise.core.checks import rows_text
from counterpoise.core.errors import ColumnError, DataError, OptionError
from counterpoise.core.label_names import compose_accents
from counterpoise.data.image_files import ENDINGS, files_below, without_ending


class FileFinder:
    """Finds the files that names mean: with or without ending and sub-folder, in any capitals.

    A whole path below the folder goes before a name alone, a name with its ending before one without, and equal
    capitals before others. Of a path and a file, the shorter list of sub-folders must be the end of the longer one:
    "scans/train/1.png" means "train/1.png", but "train/1.png" never means "test/1.png".

    Args:
        root: The folder, whose files are listed once, when the object is made.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        # One dict for each step of `_add_file`.
        self._files_by_key: list[dict[str, list[str]]] = [{} for _ in range(6)]
        for path in files_below(root):
            self._add_file(path, self._below_root(path))

    def find(self, name: str) -> list[str]:
        """Return the files that a name means: one, none, or several if the name is ambiguous.

        An absolute path, or a path with "..", also finds a file outside the folder.
        """
        if os.path.isabs(name):
            return [name] if os.path.isfile(name) else []
        whole = compose_accents(name.replace("\\", "/"))
        whole = str(PurePosixPath(whole)) if "/" in whole else whole
        last = whole.rpartition("/")[2]
        # One key for each step of `_add_file`, the most exact first: the first step with this key decides.
        asked = (whole, whole, last, last, whole.casefold(), last.casefold())
        for known, key in zip(self._files_by_key, asked, strict=True):
            matches = [path for path in known.get(key, ()) if _folders_agree(whole, self._below_root(path))]
            if matches:
                return _pictures_or_all(matches)
        outside = self.root / whole
        return [os.path.normpath(outside)] if ".." in whole.split("/") and outside.is_file() else []

    def example(self) -> str:
        """Return the path of any file below the folder; "" if it has none."""
        return next(iter(self._files_by_key[0]), "")

    def _below_root(self, path: str) -> str:
        """Return the path of a listed file from the folder on; `files_below` leaves out the folder "."."""
        start = 0 if str(self.root) == "." else len(os.path.join(self.root, ""))
        return compose_accents(path[start:].replace(os.sep, "/"))

    def _add_file(self, path: str, whole: str) -> None:
        """Enter a file under all its names; `whole` is its path below the folder.

        There is one dict for each step of the search. The steps are: path, path without ending, name, name without
        ending, then both paths and both names in any capitals.
        """
        bare = without_ending(whole)
        name, stem = whole.rpartition("/")[2], bare.rpartition("/")[2]
        keys = [{whole}, {bare}, {name}, {stem}]
        keys += [{key.casefold() for key in (whole, bare)}, {key.casefold() for key in (name, stem)}]
        for known, names in zip(self._files_by_key, keys, strict=True):
            for key in names:
                known.setdefault(key, []).append(path)


def _folders_agree(one: str, other: str) -> bool:
    """Return whether the sub-folders of one path are the end of those of the other, in any capitals."""
    folders, others = (path.casefold().split("/")[:-1] for path in (one, other))
    shorter = min(len(folders), len(others))
    return folders[len(folders) - shorter :] == others[len(others) - shorter :]


def _pictures_or_all(paths: list[str]) -> list[str]:
    """Return the paths with the ending of a picture, or all of them if none has one."""
    return [path for path in paths if path.lower().endswith(ENDINGS)] or paths


def image_names_of(column: pl.Series) -> list[str | None]:
    """Return the names in a column as text without surrounding blanks, or None for empty cells.

    Floats that are all whole numbers lose their decimal point, because pandas reads gaps in integers as floats.

    Example:
        >>> image_names_of(pl.Series([10.0, None])), image_names_of(pl.Series([" a.png ", ""]))
        (['10', None], ['a.png', None])
    """
    if column.dtype.is_float():
        column = column.fill_nan(None)
        if (column == column.round()).all():
            column = column.cast(pl.Int64)
    texts = column.cast(pl.String).str.strip_chars()
    return [name or None for name in texts.to_list()]


def locate_images(column: pl.Series, root: Path, skip_bad: bool) -> tuple[list[str | None], list[str]]:
    """Return the file below `root` that each row names, or None, and notes on such rows.

    Raises:
        ColumnError: rows without a name, or names that several files bear.
        DataError: names that no file bears, all of them named at once; with `skip_bad` their files are None.
    """
    asked = image_names_of(column)
    nameless = [row for row, name in enumerate(asked) if name is None]
    if nameless and not skip_bad:
        raise ColumnError(
            f"Column {column.name!r} is empty in {rows_text(nameless)}. Expected the name of an image in "
            "every row. Fill in the names, or leave these rows out with skip_bad=True (--skip-bad)."
        )
    names = FileFinder(root)
    files_of = {name: names.find(name) for name in dict.fromkeys(asked) if name is not None}
    _check_unambiguous(column.name, files_of, root)
    missing = [name for name, files in files_of.items() if not files]
    if missing and not skip_bad:
        raise DataError(
            f"{_names_text(missing)} of column {column.name!r} {'is' if len(missing) == 1 else 'are'} not in "
            f"{root}. Expected one file for each name. {_example_text(names)}Name the folder of the images "
            "with root= (--root), or leave these rows out with skip_bad=True (--skip-bad)."
        )
    notes = [f"Left out {rows_text(nameless)}, because the name of an image is missing there."] if nameless else []
    if missing:
        rows = [row for row, name in enumerate(asked) if name is not None and not files_of[name]]
        notes.append(f"Left out {rows_text(rows)}, because {root} does not contain {_names_text(missing)}.")
    return [files_of[name][0] if name is not None and files_of[name] else None for name in asked], notes


def _check_unambiguous(column: str, files_of: dict[str, list[str]], root: Path) -> None:
    """Raise a ColumnError if a name means several files; `files_of` is name -> files."""
    for name, files in files_of.items():
        if len(files) > 1:
            shown = ", ".join(str(Path(path).relative_to(root)) for path in files[:3])
            raise ColumnError(
                f"{name!r} of column {column!r} matches {len(files)} files ({shown}). Expected one file. Add "
                "the sub-folder and the ending to the names in the column."
            )


def _example_text(names: FileFinder) -> str:
    """Return a sentence with one file that the folder contains, or that it is empty."""
    known = names.example()
    return f"This folder contains, for example, {known!r}. " if known else "This folder contains no files. "


def _names_text(names: Sequence[str], most: int = 20) -> str:
    """Return the number and the first names of images, for a message.

    Example:
        >>> _names_text(["a", "b"]), _names_text(["a"])
        ('2 images (a, b)', '1 image (a)')
    """
    shown = ", ".join(names[:most]) + (f", ... ({len(names):,} in all)" if len(names) > most else "")
    return f"{len(names):,} image{'s' * (len(names) != 1)} ({shown})"


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern of `groups_from`.

    Raises:
        OptionError: no regular expression.
    """
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise OptionError(
            f"groups_from is {pattern!r}: {error}. Expected a regular expression, such as "
            '"(?P<patient>[^_]+)_" (--groups-from).'
        ) from None


def groups_from(pattern: str, paths: Iterable[str], root: Path) -> pl.Series:
    """Return the group of each file as a series of text (N,), by a pattern that finds the group in its name.

    A pattern with a slash is searched in the path below `root`. The group is what the groups of the pattern match, else
    the whole match.

    Raises:
        OptionError: no regular expression.
        DataError: names that it does not match.

    Example:
        >>> groups_from("(?P<patient>[^_]+)_", ["/a/p1_2.png", "/a/p2_1.png"], Path("/a")).to_list()
        ['p1', 'p2']
    """
    search = check_pattern(pattern).search
    whole = "/" in pattern
    names = [os.path.relpath(path, root).replace(os.sep, "/") if whole else os.path.basename(path) for path in paths]
    matches = [search(name) for name in names]
    unmatched = [name for name, match in zip(names, matches, strict=True) if match is None]
    if unmatched:
        raise DataError(
            f"groups_from={pattern!r} does not match {_names_text(unmatched, 5)}. Expected a match in the name of "
            "every image. Correct the pattern (--groups-from)."
        )
    return pl.Series("groups_from", [_matched_group(match) for match in matches])


def _matched_group(match: Any) -> str:
    """Return the matched groups of a match joined by "|", or without groups the whole match."""
    groups = [group for group in match.groups() if group is not None]
    return "|".join(groups) if groups else str(match[0])

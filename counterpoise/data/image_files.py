"""Which files of a folder are images of which class: sub-folders that are classes, and those that are not.

`images` reads the labels and the split of a folder here. The order of the files is that of the rows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from counterpoise.core.errors import DataError

#: Files that a message names at most.
MOST_NAMED = 20
#: Endings of pictures, in small letters.
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm", ".dicom")
#: What systems leave in folders, in small letters; hidden files and folders count neither.
SYSTEM_FILES = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information",
    "lost+found", "icon\r", "#recycle", "@recycle",
}  # fmt: skip
#: Names of the parts of a split -> what they are for.
_PART_WORDS = {
    "train": "train", "training": "train", "trn": "train", "trainval": "train",
    "valid": "validation", "validation": "validation", "validate": "validation", "val": "validation",
    "dev": "validation", "development": "validation",
    "test": "test", "testing": "test", "tst": "test", "eval": "test", "evaluation": "test", "holdout": "test",
}  # fmt: skip
#: A name, and what people write before and after it.
_PART_NAME = re.compile(r"(?:x|images?|imgs?|data)?[\W_\d]*([a-z]+?)[\W_\d]*(?:set|data|split|images?|imgs?)?[\W_\d]*")
_BETWEEN_WORDS = re.compile(r"[\W_\d]+")


def part_of_split(name: str) -> str:
    """Return the part of a split that a folder of this name is, or "" for none.

    The parts are "train", "validation" and "test". Folders of masks are named by the same words (`mask_files`).

    Example:
        >>> [part_of_split(name) for name in ("Train", "test_set", "02-VAL", "train2017", "latest")]
        ['train', 'test', 'validation', 'train', '']
    """
    match = _PART_NAME.fullmatch(name.casefold())
    return _PART_WORDS.get(match[1], "") if match else ""


class FolderLayout(NamedTuple):
    """The images of a folder, with their classes.

    Attributes:
        paths: The files, those of a class one after the other.
        labels: The class of each: the name of its sub-folder.
        split: What each does ("train", "validation" or "test"), where the folder is laid out by that; else None.
        empty: Sub-folders without files.
        inside: The names of the sub-folders of each class, where all have the same ones, two or more; these classes
            may be the parts of a split.
    """

    paths: list[str]
    labels: list[str]
    split: list[str] | None
    empty: list[str]
    inside: list[str]


def labeled_files(root: Path) -> FolderLayout:
    """Return the files of a folder: `CLASS/...`, or `train/CLASS/...`, and so on.

    Raises:
        DataError: There is no such folder, its sub-folders are empty, or the sub-folders are parts of a split without
            sub-folders of classes.
    """
    sub_folders = folders_in(root)
    if not sub_folders:
        raise DataError(
            f"{root} has no sub-folders. Expected one sub-folder for each class, with the name of the class."
        )
    files = {sub_folder: files_below(sub_folder) for sub_folder in sub_folders}
    if not any(files.values()):
        raise DataError(
            f"{root} contains no files in its sub-folders. Expected the images of each class in the "
            "sub-folder of the class."
        )
    filled = [sub_folder for sub_folder in sub_folders if files[sub_folder]]
    files_found = list(_files_of_split(filled))
    if not files_found:
        _refuse_split(root, filled)
        files_found = [(path, sub_folder.name, "") for sub_folder in filled for path in files[sub_folder]]
    empty = [sub_folder.name for sub_folder in sub_folders if not files[sub_folder]]
    roles = [role for _, _, role in files_found]
    split = roles if any(roles) else None
    inside = [] if split else _common_sub_folders(filled)
    return FolderLayout([p for p, _, _ in files_found], [c for _, c, _ in files_found], split, empty, inside)


def _files_of_split(sub_folders: Sequence[Path]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, class, part of the split) if the sub-folders are the parts of one split.

    Yield nothing if a sub-folder is no part, two are the same part, "train" has fewer than two classes, or another
    part has no class or one that "train" lacks.
    """
    roles = _split_parts(sub_folders)
    inside = {sub_folder: {f.name: files_below(f) for f in folders_in(sub_folder)} for sub_folder in sub_folders}
    classes = {sub_folder: {name for name, files in folders.items() if files} for sub_folder, folders in inside.items()}
    train = next((names for sub_folder, names in classes.items() if roles.get(sub_folder) == "train"), set())
    whole = len(roles) == len(sub_folders) == len(set(roles.values())) > 1
    if not whole or len(train) < 2 or any(not names or not names <= train for names in classes.values()):
        return
    for sub_folder in sub_folders:
        for name in sorted(classes[sub_folder]):
            yield from ((path, name, roles[sub_folder]) for path in inside[sub_folder][name])


def without_ending(path: str) -> str:
    """Return a path without the ending of its file name.

    Digits after a point are no ending, but a part of the name: of DICOM identifiers, and of numbered slices.

    Example:
        >>> without_ending("a/scan.png"), without_ending("a/1.2.840.7"), without_ending("a/1.2.840.7.dcm")
        ('a/scan', 'a/1.2.840.7', 'a/1.2.840.7')
    """
    name, ending = os.path.splitext(path)
    return path if ending[1:].isdigit() else name


def files_below(root: Path) -> list[str]:
    """Return the paths of all files below a folder, without hidden and system files, in a fixed order.

    Raises:
        DataError: no such folder.
    """
    return list(_walk_files(str(root)))


def _walk_files(folder: str) -> Iterator[str]:
    """Yield the files below a folder, depth first; links to folders are not followed."""
    for entry in _visible_entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk_files(entry.path)
        elif entry.is_file():
            yield entry.path.removeprefix("./")  # of the folder "."


def folders_in(root: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name."""
    return [Path(entry.path) for entry in _visible_entries(str(root)) if entry.is_dir()]


def _visible_entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, sorted by name, without hidden and system files.

    `os.scandir` is used, because `pathlib` takes a tenth of the time in which the images are decoded. Raise a DataError
    if the folder does not exist or cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except (NotADirectoryError, FileNotFoundError):
        raise DataError(f"{folder} is not a folder.") from None
    except OSError as error:
        raise DataError(f"The folder {folder} cannot be read ({error.strerror}). Check its permissions.") from None
    counted = [e for e in entries if not (e.name.startswith(".") or e.name.casefold() in SYSTEM_FILES)]
    return sorted(counted, key=lambda entry: entry.name)


def _refuse_split(root: Path, sub_folders: Sequence[Path]) -> None:
    """Raise a DataError if sub-folders look like the parts of a split.

    `sub_folders` are the sub-folders of `root`. The folders in each of them are checked too.
    """
    parts = _split_parts(sub_folders)
    if _is_split(parts, [sub_folder for sub_folder in sub_folders if sub_folder not in parts]):
        raise DataError(_split_error_text(root, parts))
    for sub_folder in sub_folders:
        below = _split_parts(folders_in(sub_folder))
        if len(set(below.values())) > 1:
            # The only sub-folder is no class: it just contains the split.
            wrapped = len(sub_folders) == 1
            raise DataError(
                _split_error_text(sub_folder, below) if wrapped else _inner_split_error_text(root, sub_folder, below)
            )


def _common_sub_folders(sub_folders: Sequence[Path]) -> list[str]:
    """Return the names of the sub-folders that all classes have, if these are the same ones, two or more.

    Otherwise, return an empty list. The classes may then be the parts of a split.
    """
    names = {tuple(folder.name for folder in folders_in(sub_folder)) for sub_folder in sub_folders}
    same = names.pop()
    return list(same) if not names and len(sub_folders) > 1 and len(same) > 1 else []


def _split_parts(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the part of a split of each folder that looks like one (`part_of_split`)."""
    parts = _split_parts_of_one_name(folders)
    return {folder: part for folder in folders if (part := part_of_split(folder.name) or parts.get(folder, ""))}


def _split_parts_of_one_name(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the parts of folders whose names differ only in the word for the part.

    The word is the first or the last of the name, as in "seg_train" and "seg_test". A folder
    without such a counterpart is not in the result.
    """
    by_rest: dict[tuple[str, ...], dict[Path, str]] = {}
    for folder in folders:
        first, *words = _BETWEEN_WORDS.split(folder.name.casefold().strip())
        for word, rest in ((first, (*words,)), ((words or [""])[-1], (first, *words[:-1]))):
            if word in _PART_WORDS:
                by_rest.setdefault(rest, {})[folder] = _PART_WORDS[word]
    return {f: part for parts in by_rest.values() if len(set(parts.values())) > 1 for f, part in parts.items()}


def _is_split(parts: dict[Path, str], others: Sequence[Path]) -> bool:
    """Return whether folders are a split: two parts, or no others than those of one part.

    A single folder such as "train" may be the name of a class. It is a part only if it contains two or more folders.
    """
    if len(parts) != 1:
        return len(set(parts.values())) > 1 or bool(parts and not others)
    return len(folders_in(next(iter(parts)))) > 1


def _split_error_text(root: Path, parts: dict[Path, str]) -> str:
    """Return the error message for sub-folders of `root` that look like the parts of a split."""
    names = ", ".join(folder.name for folder in parts)
    one = next((folder for folder, part in parts.items() if part == "train"), next(iter(parts)))
    inside = [folder.name for folder in folders_in(one)]
    holds = f" (it contains {', '.join(inside[:4])}{', ...' if len(inside) > 4 else ''})" if inside else ""
    return (
        f"The sub-folders of {root} ({names}) look like the parts of a split, not like classes. Expected one "
        f"sub-folder for each class. Pass one part, such as {one}{holds}, and keep the other parts for "
        "`evaluate`. If the sub-folders are classes, rename them."
    )


def _inner_split_error_text(root: Path, sub_folder: Path, parts: dict[Path, str]) -> str:
    """Return the error message for a folder of a class that contains a split."""
    names = ", ".join(folder.name for folder in parts)
    one = next((folder.name for folder, part in parts.items() if part == "train"), next(iter(parts)).name)
    return (
        f"The sub-folders of {sub_folder} ({names}) look like the parts of a split, but all of their images would be "
        "read together. Expected only the images of one part. Move these images to a new folder that contains one "
        f"sub-folder for each class. For example, move the images of {sub_folder / one} to "
        f"{root.name}-{one}/{sub_folder.name}. "
        "If the sub-folders are not parts of a split, rename the sub-folders."
    )

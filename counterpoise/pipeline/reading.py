"""What a user holds -> `Examples` for a model: tables, arrays, folders of images, datasets that come in batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.core.errors import OptionError
from counterpoise.core.records import Examples
from counterpoise.data.folder import ImageFolder, in_memory
from counterpoise.data.frames import is_table
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.read import read
from counterpoise.data.split import set_aside
from counterpoise.feed.disk import Scan
from counterpoise.targets.reading import apart, picked, target_columns


def read_for(model: Any, data: Any, y: Any, **options: Any) -> Examples:
    """Read rows for a model: arrays become a table (and get the encoder) only for networks asked for by name.

    `Examples` that were read before pass through; a folder of images (`cp.images`) is decoded, and one pass of a
    dataset read, into memory.
    """
    if isinstance(data, Examples):
        return data
    if isinstance(data, ImageFolder):
        return _read_folder(data, y, options)
    if isinstance(data, Scan):
        raise OptionError("a scan streams its rows; this needs them in memory. Pass the file itself, or use cp.fit.")
    named = isinstance(model, str)
    options["inputs"] = inputs_of(model)
    how = {"table": named, "text": model == "text" if named else False, "pick": picked, **options}
    data, y = apart(data, y)
    target = target_columns(y, is_table(data, named))
    return set_aside(read(data, target=target, **how) if target is not None else read(data, y=y, **how))


def inputs_of(model: Any) -> NamedInputs | None:
    """The named inputs of a user's Keras model: a dict of inputs, or several of them; else None."""
    return NamedInputs.of(getattr(model, "_inputs_struct", None))


def _read_folder(folder: ImageFolder, y: Any, options: Mapping[str, Any]) -> Examples:
    given = [name for name, value in {"y": y, **options}.items() if value is not None]
    if given:
        raise OptionError(f"{given[0]} does not go with a folder of images, whose sub-folders are its classes.")
    return in_memory(folder)

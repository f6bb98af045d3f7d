"""From the arguments `model`, `data` and `y` of a user to `Examples`, with checks of what was passed as which.

The command line imports this file before it silences TensorFlow, so that it must not import Keras at its top
(tests/test_public.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.label_columns import as_labels_if_several, split_off_labels, target_columns
from counterpoise.core.sources import Source
from counterpoise.core.structure import leaves
from counterpoise.data.frames import CSV, FRAME_LIBRARIES, PARQUET, is_table
from counterpoise.data.image_rows import image_examples
from counterpoise.data.image_set import ImageSet
from counterpoise.data.labels import LABEL_OPTIONS
from counterpoise.data.loading import dataset_kind
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.read import read
from counterpoise.data.series import library
from counterpoise.data.split import without_rare_labels
from counterpoise.feed.disk import Scan
from counterpoise.strategies.blend import Blend


def check_argument_order(function: str, model: Any, data: Any) -> None:
    """Raise an OptionError if rows were passed as the model, or if there are no rows.

    Example:
        >>> check_argument_order("fit", np.zeros((4, 2)), [0, 1, 0, 1])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        counterpoise.core.errors.OptionError: The first argument of fit must be the model, but rows ...
    """
    if _looks_like_rows(model):
        labels = repr(data) if isinstance(data, str) else "LABELS"
        raise OptionError(
            f"The first argument of {function} must be the model, but rows were passed ({type(model).__name__}). Pass "
            f"the rows by name: cp.{function}(data=ROWS, y={labels})."
        )
    if data is None:
        raise OptionError(
            f'{function} received no rows. Pass the rows after the model or by name, for example data="loans.csv".'
        )


def _looks_like_rows(model: Any) -> bool:
    """Return whether the first argument is rows: a table, arrays, images, a scan, a dataset, or the name of a file."""
    if isinstance(model, (str, Path)):
        return Path(model).suffix.lower() in (*CSV, *PARQUET)
    kinds = (ImageSet, Scan, Examples, Source, np.ndarray, Mapping)
    frame = library(model) in FRAME_LIBRARIES
    return frame or isinstance(model, kinds) or dataset_kind(model) is not None


def read_for(model: Any, data: Any, y: Any, **options: Any) -> Examples:
    """Return the rows as a model takes them: arrays become a table (with an encoder) only for models named by the user.

    Images (`cp.images`) are decoded, and one pass of a dataset is read, into memory. `Examples` stay as they were read,
    but for rows of weight 0, which are left out of all.
    """
    if isinstance(data, Examples):
        return data.counted()
    if isinstance(data, ImageSet):
        return without_rare_labels(_read_images(data, y, options))
    if isinstance(data, Scan):
        raise OptionError(
            "cp.scan reads rows from disk in parts, but this function needs all rows in memory. Pass the file itself, "
            "or use cp.fit."
        )
    named = _is_named_model(model)
    options["inputs"] = named_inputs_of(model)
    options["row_shape"] = _row_shape(model)
    how = {
        "table": named,
        "text": model == "text" if named else False,
        "pick": partial(as_labels_if_several, sequences=_predicts_steps(model)),
        **options,
    }
    data, y = split_off_labels(data, y)
    target = target_columns(y, is_table(data, named))
    examples = read(data, target=target, **how) if target is not None else read(data, y=y, **how)
    return without_rare_labels(examples)


def _row_shape(model: Any) -> tuple[int | None, ...] | None:
    """Return the shape of a row of the first input of a Keras model, or of "cnn"; None if it is not known."""
    if model == "cnn":
        return (None, None, None)
    return _if_built(model, lambda network: tuple(leaves(network.inputs)[0].shape[1:]))


def _predicts_steps(model: Any) -> bool:
    """Return whether a Keras model has an output for each step of a row."""
    shape = _if_built(model, lambda network: network.output_shape)
    return isinstance(shape, tuple) and len(shape) == 3


def _if_built(model: Any, shape_of: Callable[[Any], Any]) -> Any:
    """Return a shape of a Keras model, or None for other models, and for one that was never called."""
    if hasattr(model, "layers"):
        with suppress(Exception):  # Keras raises errors of several kinds
            return shape_of(model)
    return None


def _is_named_model(model: Any) -> bool:
    """Return whether every model is one of Counterpoise: a name, trees, or a list or blend of these."""
    if isinstance(model, Blend):
        model = model.models
    if isinstance(model, (list, tuple)):
        return all(map(_is_named_model, model))
    return isinstance(model, str) or getattr(model, "kind", "") == "trees"


def augmentation_of(data: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of augmentation: the argument if it was passed, otherwise that of the images (`cp.images`)."""
    from counterpoise.networks.augmentation import OPTIONS  # imports Keras, which a command line has yet to silence

    asked = {name: options[name] for name in OPTIONS}
    brought = asked["augment"] is None and isinstance(data, ImageSet)
    return {**asked, "augment": data.augment} if brought else asked


def named_inputs_of(model: Any) -> NamedInputs | None:
    """Return the named inputs of a user's Keras model with a dict of inputs, or with several inputs; else None."""
    return NamedInputs.of(getattr(model, "_inputs_struct", None))


def _read_images(images: ImageSet, y: Any, options: Mapping[str, Any]) -> Examples:
    """Return the `Examples` of images; options for anything but labels raise an OptionError."""
    given = [name for name, value in {"y": y, **options}.items() if value is not None]
    for name in ("cost_column", "by"):
        if name in given:
            raise OptionError(f"{name} names columns of a table, but the rows are images. Leave {name} out.")
    labels = {name: options[name] for name in given if name in LABEL_OPTIONS}
    if other := [name for name in given if name not in labels]:
        raise OptionError(f"{other[0]} cannot be passed with images. Name its column in cp.images(...).")
    return image_examples(images, **labels)

"""The encoder in front of a network, which learns from the training rows: of a table, of texts or of pictures.

`Network` finds it as the layer "encoder", and saved models contain it with its configuration. It learns from the
training rows of a fold alone, and what it learned is part of the network's variables (see `Network.initial_state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.examples import COLUMNS, IMAGE, Examples
from counterpoise.core.structure import leaves
from counterpoise.data.encode import TableEncoder, encoder_for
from counterpoise.data.inputs import is_text
from counterpoise.data.pixel_range import PixelRange
from counterpoise.data.words import WordIds
from counterpoise.networks.built_in import BuiltIn
from counterpoise.networks.input_spec import InputSpec

#: Most inputs that numbers give an encoded row, bins included: each has its own weights in the first layer.
MOST_NUMBERS = 16_384

Array = np.ndarray
Encoder = TableEncoder | WordIds | PixelRange


def encoder_before(model: Any, examples: Examples) -> Encoder | None:
    """Make the encoder before the user's model, or None.

    Tables have one, texts where the network wants word numbers, and pictures whose files do not define black and white.

    Raises:
        DataError: such pictures with columns: there would be two.
    """
    built_in = model if isinstance(model, BuiltIn) else None
    if examples.schema is not None and examples.pictures is not None and examples.pictures.learned:
        raise DataError(
            "The image files do not define which pixel values are black and white. Counterpoise cannot learn these "
            "values if the images have additional features. Set them with range=(low, high) (--range LOW HIGH)."
        )
    if examples.schema is not None:
        return encoder_for(examples, bins_for(len(examples.schema.numeric), built_in.bins) if built_in else 0)
    if built_in and built_in.words and is_text(leaves(examples.x)[0]):
        return WordIds(built_in.words, name="encoder")
    if examples.pictures is not None and examples.pictures.learned:
        return PixelRange(name="encoder")
    return None


def bins_for(columns: int, wanted: int) -> int:
    """Return how many quantile bins each number gets: `wanted`, or fewer in wide tables.

    A number takes one input and one for each bin. If possible, all numbers of a row take at most `MOST_NUMBERS` inputs.

    Example:
        >>> [bins_for(columns, 16) for columns in (10, 900, 2_000, 10_000)]
        [16, 16, 7, 0]
    """
    return max(0, min(wanted, MOST_NUMBERS // max(1, columns) - 1))


def encoder_of_config(config: Mapping[str, Any]) -> Encoder:
    """Return a new encoder layer from the configuration (`get_config`) of one, whose keys show its class."""
    kind = WordIds if "words" in config else PixelRange if "pictures" in config else TableEncoder
    return kind.from_config(dict(config))


def rows_to_learn_from(encoder: Encoder, rows: Array) -> Array:
    """Return the numbers of the training rows that an encoder learns from.

    `PixelRange` needs only some of them, the other encoders need all.
    """
    return encoder.rows_to_look_at(rows) if isinstance(encoder, PixelRange) else rows


def without_picture(x: Any) -> Any:
    """Return the part of rows that an encoder takes: the columns without the image, or all.

    Example:
        >>> without_picture({"image": 1, "numeric": 2}), without_picture(3)
        ({'numeric': 2}, 3)
    """
    return {key: part for key, part in x.items() if key != IMAGE} if has_picture(x) else x


def has_picture(x: Any) -> bool:
    """Return whether rows (or shapes of a spec) have both a picture and columns of a table."""
    return isinstance(x, Mapping) and IMAGE in x and bool({"numeric", "categorical"} & set(x))


def encoded(encoder: Encoder, inputs: Any) -> Any:
    """Return the input of the user's model: the encoded rows.

    If the rows also have images, return a dict with the images (`IMAGE`) and the encoded columns (`COLUMNS`).
    """
    row = encoder(without_picture(inputs))
    return {IMAGE: inputs[IMAGE], COLUMNS: row} if has_picture(inputs) else row


def spec_behind(row: Any) -> InputSpec:
    """Return the spec of encoded rows, `row` being what `encoded` returned: shapes, dtypes, and `peak`.

    `peak` is 255 for images, alone or with columns, and else 1. `InputSpec.behind` adds the fields of the target.
    """
    if isinstance(row, Mapping):
        shapes = {name: tuple(tensor.shape[1:]) for name, tensor in row.items()}
        return InputSpec(shapes, dict.fromkeys(shapes, "float32"), PixelRange.peak)
    peak = PixelRange.peak if len(row.shape) == 4 else 1.0  # images have four axes
    return InputSpec(tuple(row.shape[1:]), "int32" if str(row.dtype) == "int32" else "float32", peak)

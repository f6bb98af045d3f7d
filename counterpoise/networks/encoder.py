"""What stands in front of a network and learns from the training rows: the encoder of a table, or of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.records import Examples
from counterpoise.core.structure import leaves
from counterpoise.data.encode import TableEncoder, encoder_for
from counterpoise.data.inputs import is_text
from counterpoise.data.words import WordIds
from counterpoise.networks.built_in import BuiltIn, InputSpec

#: Places that numbers take in an encoded row, bins included: each has its own weights in the first layer.
MOST_PLACES = 16_384


def encoder_in_front(model: Any, examples: Examples) -> TableEncoder | WordIds | None:
    """What stands in front of the user's model: for tables, and for texts where the network wants word numbers."""
    built_in = model if isinstance(model, BuiltIn) else None
    if examples.schema is not None:
        return encoder_for(examples, bins_for(len(examples.schema.numeric), built_in.bins) if built_in else 0)
    if built_in and built_in.words and is_text(np.asarray(leaves(examples.x)[0])):
        return WordIds(built_in.words, name="encoder")
    return None


def bins_for(columns: int, wanted: int) -> int:
    """Quantile bins per number: fewer in wide tables, so that a row has no more than `MOST_PLACES` places if it can.

    Example:
        >>> [bins_for(columns, 16) for columns in (10, 900, 2_000, 10_000)]
        [16, 16, 7, 0]
    """
    return max(0, min(wanted, MOST_PLACES // max(1, columns) - 1))


def encoder_of_config(config: Mapping[str, Any]) -> TableEncoder | WordIds:
    """A new encoder layer of a configuration, outside any model."""
    return (WordIds if "words" in config else TableEncoder).from_config(dict(config))


def spec_behind(encoded: Any) -> InputSpec:
    """What a builder is told about rows that come out of the encoder."""
    return InputSpec(tuple(encoded.shape[1:]), "int32" if str(encoded.dtype) == "int32" else "float32")

"""What stands in front of a network and learns from the training rows: the encoder of a table, or of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.core.records import Examples
from counterpoise.core.structure import leaves
from counterpoise.data.encode import TableEncoder, encoder_for
from counterpoise.data.inputs import is_text
from counterpoise.data.words import WordIds
from counterpoise.networks.built_in import BuiltIn, InputSpec


def encoder_in_front(model: Any, examples: Examples) -> TableEncoder | WordIds | None:
    """What stands in front of the user's model: for tables, and for texts where the network wants word numbers."""
    built_in = model if isinstance(model, BuiltIn) else None
    if examples.schema is not None:
        return encoder_for(examples, built_in.bins if built_in else 0)
    if built_in and built_in.words and is_text(leaves(examples.x)[0]):
        return WordIds(built_in.words, name="encoder")
    return None


def encoder_of_config(config: Mapping[str, Any]) -> TableEncoder | WordIds:
    """A new encoder layer of a configuration, outside any model."""
    return (WordIds if "words" in config else TableEncoder).from_config(dict(config))


def spec_behind(encoded: Any) -> InputSpec:
    """What a builder is told about rows that come out of the encoder."""
    return InputSpec(tuple(encoded.shape[1:]), "int32" if str(encoded.dtype) == "int32" else "float32")

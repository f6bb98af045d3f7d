"""Raw columns in front of the model: what a person holds (numbers, text) to what `encode` expects (numbers, ids).

The layer is put in front when a classifier is saved, so that the file takes raw columns, strings included.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.records import Column, Schema
from counterpoise.data.inputs import TRUTH

_BLANKS = r"[\s\v\x{85}\p{Z}]+"
#: Names that no input can have: words of Python and the object of a call, which signatures refuse, and layers of ours.
TAKEN = {*keyword.kwlist, "self", "columns", "members", "rule"}
#: What a number looks like as text.
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def safe_names(columns: Sequence[str]) -> dict[str, str]:
    """Column name -> name that Keras and a serving signature accept (letters, digits, _), all different.

    A name that is accepted as it stands stays, whatever else would be turned into it.

    Example:
        >>> safe_names(["Net.Sales", "net sales", "2nd", "class", "net_sales_2"])
        {'Net.Sales': 'net_sales', 'net sales': 'net_sales_3', '2nd': 'c_2nd', 'class': 'c_class',
         'net_sales_2': 'net_sales_2'}
    """
    plain = {column: _plain(column) for column in columns}
    taken = {column for column in columns if plain[column] == column}
    numbers: dict[str, int] = {}
    names = {}
    for column in columns:
        name = plain[column]
        while name in taken and column != name:
            numbers[plain[column]] = numbers.get(plain[column], 1) + 1
            name = f"{plain[column]}_{numbers[plain[column]]}"
        taken.add(name)
        names[column] = name
    return names


def _plain(column: str) -> str:
    """The name in small letters, digits and _, beginning with a letter; a taken one with c_ before it."""
    plain = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_").lower() or "column"
    return plain if plain[0].isalpha() and plain not in TAKEN else f"c_{plain}"


def raw_inputs(schema: Schema) -> dict[str, Any]:
    """Symbolic inputs (N, 1), one per used column, of the type that `input_type` says."""
    used = [*schema.numeric, *schema.categorical]
    names = safe_names([c.name for c in used])
    return {names[c.name]: keras.Input((1,), dtype=input_type(c), name=names[c.name]) for c in used}


def input_type(column: Column) -> str:
    """The type of a raw column: "string" for levels; "float64" for numbers that need it, else "float32".

    Example:
        >>> input_type(Column("age", "numeric")), input_type(Column("seconds", "numeric", offset=1.7e9))
        ('float32', 'float64')
    """
    if column.kind != "numeric":
        return "string"
    return "float64" if column.offset else "float32"


@keras.saving.register_keras_serializable(package="counterpoise")
class RawColumns(keras.layers.Layer):
    """Columns (N, 1) by safe name to `{"numeric": (N, dn), "categorical": (N, dc) ids}`.

    Args:
        numeric: Safe names of the numeric columns, in order; NaN is missing.
        categorical: Safe names of the text columns, in order; "" is missing.
        levels: The known levels of each text column.
        by_value: For each text column whether its levels were numbers or booleans. Text is then compared by value:
            "3" and "3.0" are one level, and so are "True", "true" and "1".
        offsets: What is subtracted from each numeric column in float64, before it becomes float32.
    """

    def __init__(
        self,
        numeric: Sequence[str],
        categorical: Sequence[str],
        levels: Sequence[Sequence[str]],
        by_value: Sequence[bool] | None = None,
        offsets: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Keras would make float32 of float64 before the offset is gone
        self.numeric, self.categorical = list(numeric), list(categorical)
        self.levels = [list(known) for known in levels]
        self.by_value = [False] * len(self.levels) if by_value is None else [bool(valued) for valued in by_value]
        self.offsets = [0.0] * len(self.numeric) if offsets is None else [float(offset) for offset in offsets]
        self.lookups = [
            None if valued else _lookup(known) for known, valued in zip(self.levels, self.by_value, strict=True)
        ]

    def build(self, shapes: Any) -> None:
        """Nothing to build: the look-up tables are made from the configuration."""
        self.built = True

    def call(self, x: Mapping[str, Any]) -> dict[str, Any]:
        out = {}
        if self.numeric:
            numbers = [less(x[name], offset) for name, offset in zip(self.numeric, self.offsets, strict=True)]
            out["numeric"] = ops.concatenate(numbers, axis=1)
        if self.categorical:
            columns = zip(self.categorical, self.lookups, self.levels, strict=True)
            out["categorical"] = ops.concatenate([self._ids(x[n], look, known) for n, look, known in columns], axis=1)
        return out

    def _ids(self, text: Any, lookup: Any, known: list[str]) -> Any:
        """Ids as of `data.schema.level_ids`: 0 missing, 1.. levels, L + 1 unseen (StringLookup: 0, 2.., 1)."""
        import tensorflow as tf

        text = stripped(text)
        if lookup is None:
            return tf.where(text == "", 0, ids_by_value(text, known))
        found = ops.cast(lookup(text), "int32")
        return ops.where(found == 1, len(known) + 1, ops.maximum(found - 1, 0))

    def compute_output_spec(self, x: Mapping[str, Any]) -> dict[str, Any]:
        rows = next(iter(x.values())).shape[0]
        out = {}
        if self.numeric:
            out["numeric"] = keras.KerasTensor((rows, len(self.numeric)), "float32")
        if self.categorical:
            out["categorical"] = keras.KerasTensor((rows, len(self.categorical)), "int32")
        return out

    def get_config(self) -> dict[str, Any]:
        own = {"numeric": self.numeric, "categorical": self.categorical, "levels": self.levels}
        return {**super().get_config(), **own, "by_value": self.by_value, "offsets": self.offsets}


def less(number: Any, offset: Any) -> Any:
    """Numbers as float32, less their offset, which is subtracted in float64."""
    return ops.cast(ops.cast(number, "float64") - offset if np.any(offset) else number, "float32")


def stripped(text: Any) -> Any:
    """Text without blanks of any kind around it, as `data.levels` names levels."""
    import tensorflow as tf

    return tf.strings.regex_replace(text, rf"^{_BLANKS}|{_BLANKS}$", "")


def _lookup(known: Sequence[str]) -> Any:
    return keras.layers.StringLookup(vocabulary=list(known), mask_token="", num_oov_indices=1, oov_token="\x00unseen")


def ids_by_value(text: Any, known: Sequence[str]) -> Any:
    """Ids of levels that were numbers or booleans, int32; what is no number is no level."""
    import tensorflow as tf

    values = np.array([float(TRUTH.get(level.lower(), level)) for level in known])
    plain = tf.strings.lower(text)
    for word, number in TRUTH.items():
        plain = tf.where(plain == word, number, plain)
    readable = tf.where(tf.strings.regex_full_match(plain, NUMBER), plain, "inf")
    hit = tf.cast(tf.strings.to_number(readable, tf.float64)[..., None] == values, tf.int32)
    place = tf.argmax(hit, axis=-1, output_type=tf.int32) + 1
    return tf.where(tf.reduce_max(hit, axis=-1) > 0, place, len(known) + 1)


def columns_config(schema: Schema) -> dict[str, Any]:
    """What the layer of a schema is made with (see `RawColumns`)."""
    names = safe_names([c.name for c in [*schema.numeric, *schema.categorical]])
    return {
        "numeric": [names[c.name] for c in schema.numeric],
        "categorical": [names[c.name] for c in schema.categorical],
        "levels": [list(c.levels) for c in schema.categorical],
        "by_value": [c.numeric_levels for c in schema.categorical],
        "offsets": [c.offset for c in schema.numeric],
    }


def front(schema: Schema) -> RawColumns:
    """The layer of a schema (see `RawColumns`)."""
    return RawColumns(**columns_config(schema), name="columns")

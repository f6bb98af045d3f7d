"""The layer before the networks of a saved classifier: raw columns (numbers, text) become the rows of `encode_rows`.

Whole models and exports contain it, so they take the columns of a table, strings included. Fixed: for the same row the
result equals that of `data.schema.encode_rows` (tests/data/test_columns.py compares both), so a change of `levels` or
`precision` is made here too. Model files keep the arguments, the name of the class, and the names of the inputs.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.schema import Column, Schema
from counterpoise.data.levels import TRUTH_NUMBERS

_BLANKS = r"[\s\v\x{85}\p{Z}]+"
#: Names that no input can have: words of Python and the object of a call, which signatures refuse, and our layers.
RESERVED_NAMES = {*keyword.kwlist, "self", "columns", "members", "rule"}
#: Most columns that are inputs of their own. Model files and exports with more have one input per kind.
MOST_INPUTS = 256
#: What a number looks like as text, in the regular expressions of TensorFlow.
NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"


def safe_names(columns: Sequence[str]) -> dict[str, str]:
    """Return column -> a name that Keras and a serving signature accept, all different.

    Such a name contains lower-case letters, digits and underscores. A column whose name is accepted keeps it, and other
    columns that would get the same name get a number. Inputs of model files and exports have these names, so another
    name would break calls to them.

    Example:
        >>> safe_names(["Net.Sales", "net sales", "2nd", "class", "net_sales_2"])
        {'Net.Sales': 'net_sales', 'net sales': 'net_sales_3', '2nd': 'c_2nd', 'class': 'c_class',
         'net_sales_2': 'net_sales_2'}
    """
    plain = {column: _ascii_name(column) for column in columns}
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


def safe_name(column: str, taken: Collection[str]) -> str:
    """Return a safe name (see `safe_names`) for one column that differs from all taken names.

    For an input that is not a feature (see `cost_input`, `group_input`).

    Example:
        >>> safe_name("Amount", {"amount"})
        'amount_2'
    """
    plain = name = _ascii_name(column)
    number = 1
    while name in taken:
        number += 1
        name = f"{plain}_{number}"
    return name


def _ascii_name(column: str) -> str:
    """Return the name in lower-case ASCII letters, digits and underscores.

    A name in `RESERVED_NAMES`, or one that does not begin with a letter, gets the prefix "c_". An empty name becomes
    "column".
    """
    plain = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_").lower() or "column"
    return plain if plain[0].isalpha() and plain not in RESERVED_NAMES else f"c_{plain}"


def raw_inputs(schema: Schema) -> dict[str, Any]:
    """Make symbolic Keras inputs by name: one (N, 1) per used column, named by `safe_names`.

    A wide table (see `stacked`) instead gets one input "numeric" (N, dn) and one input "categorical" (N, dc). The types
    are those of `input_type`.
    """
    if stacked(schema):
        groups = {"numeric": schema.numeric, "categorical": schema.categorical}
        wide = {kind: (len(columns), _widest_type(columns)) for kind, columns in groups.items() if columns}
        return {kind: keras.Input((width,), dtype=dtype, name=kind) for kind, (width, dtype) in wide.items()}
    used = [*schema.numeric, *schema.categorical]
    names = safe_names([c.name for c in used])
    return {names[c.name]: keras.Input((1,), dtype=input_type(c), name=names[c.name]) for c in used}


def stacked(schema: Schema) -> bool:
    """Return whether a table is so wide that its columns share one input per kind.

    With one input per column, thousands of columns would take minutes. The inputs of model files and exports depend on
    it.
    """
    return len(schema.numeric) + len(schema.categorical) > MOST_INPUTS


def _widest_type(columns: Sequence[Column]) -> str:
    """Return the input type that holds all of these columns without loss."""
    return max(map(input_type, columns), key=("float32", "float64", "string").index)


def input_type(column: Column) -> str:
    """Return the type of a raw column: "string" for levels, else "float64" or "float32".

    Numbers with an offset are float64, because float32 would lose digits before the offset is subtracted. Inputs of
    model files and exports have this type.

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
        stacked: Whether the columns come side by side, as `{"numeric": (N, dn), "categorical": (N, dc)}`.
    """

    def __init__(
        self,
        numeric: Sequence[str],
        categorical: Sequence[str],
        levels: Sequence[Sequence[str]],
        by_value: Sequence[bool] | None = None,
        offsets: Sequence[float] | None = None,
        stacked: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Keras would make float32 of float64 before the offset is gone
        self.numeric, self.categorical, self.stacked = list(numeric), list(categorical), bool(stacked)
        self.levels = [list(known) for known in levels]
        self.by_value = [False] * len(self.levels) if by_value is None else [bool(valued) for valued in by_value]
        self.offsets = [0.0] * len(self.numeric) if offsets is None else [float(offset) for offset in offsets]
        self.lookup: Any = _level_lookup(self.levels, self.by_value) if self.levels else None

    def build(self, shapes: Any) -> None:
        """Nothing to build: the look-up table is made from the configuration."""
        self.built = True

    def call(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Return numbers, float32 (N, dn), and ids of levels, int32 (N, dc), of raw columns."""
        out = {}
        if self.stacked:
            if self.numeric:
                out["numeric"] = minus_offset_in_graph(x["numeric"], np.array(self.offsets))
        elif self.numeric:
            numbers = [
                minus_offset_in_graph(x[name], offset) for name, offset in zip(self.numeric, self.offsets, strict=True)
            ]
            out["numeric"] = ops.concatenate(numbers, axis=1)
        if self.lookup is not None:
            texts = x["categorical"] if self.stacked else ops.concatenate([x[n] for n in self.categorical], axis=1)
            out["categorical"] = self._level_ids(texts)
        return out

    def _level_ids(self, texts: Any) -> Any:
        """Return int32 ids (N, dc), as `data.levels.match_levels` does.

        0 is missing, 1 to L are the L levels of the column, and L + 1 is a text that is not among them. `_level_lookup`
        numbers the keys.
        """
        import tensorflow as tf

        texts = without_blanks(texts)
        keys = tf.where(self.by_value, _value_keys(texts), texts) if any(self.by_value) else texts
        sizes = np.array([len(known) for known in self.levels], "int32")
        # In the table of all columns, 1 is an unseen text, and the levels of the first column begin at 2.
        position = ops.cast(self.lookup(np.array([f"{j}:" for j in range(len(sizes))]) + keys), "int32")
        ids = tf.where(
            position == 1, sizes + 1, position - 1 - np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype("int32")
        )
        return tf.where(texts == "", 0, ids)

    def compute_output_spec(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """Return the shapes and types of the result of `call`, as symbolic tensors."""
        rows = next(iter(x.values())).shape[0]
        out = {}
        if self.numeric:
            out["numeric"] = keras.KerasTensor((rows, len(self.numeric)), "float32")
        if self.categorical:
            out["categorical"] = keras.KerasTensor((rows, len(self.categorical)), "int32")
        return out

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, which model files keep."""
        own = {"numeric": self.numeric, "categorical": self.categorical, "levels": self.levels}
        own |= {"by_value": self.by_value, "offsets": self.offsets, "stacked": self.stacked}
        return {**super().get_config(), **own}


def minus_offset_in_graph(number: Any, offset: Any) -> Any:
    """Return a tensor of numbers as float32, after their offset is subtracted in float64.

    The counterpart of `data.precision.minus_offset`, for layers and for the ONNX export.
    """
    return ops.cast(ops.cast(number, "float64") - offset if np.any(offset) else number, "float32")


def without_blanks(text: Any) -> Any:
    """Return a string tensor without blanks at the ends, as `data.levels.level_text` strips levels."""
    import tensorflow as tf

    return tf.strings.regex_replace(text, rf"^{_BLANKS}|{_BLANKS}$", "")


def _level_lookup(levels: Sequence[Sequence[str]], by_value: Sequence[bool]) -> Any:
    """Return one look-up layer for all columns.

    Its keys are "j:level" for column j. Unseen keys get 1. The levels of the first column get 2 and so on, and the
    levels of the next columns follow. `RawColumns._level_ids` computes ids from these numbers.
    """
    keys = [
        f"{j}:{_value_key(level) if valued else level}"
        for j, (known, valued) in enumerate(zip(levels, by_value, strict=True))
        for level in known
    ]
    return keras.layers.StringLookup(vocabulary=keys, mask_token="", num_oov_indices=1, oov_token="\x00unseen")


def _value_key(level: str) -> str:
    """Return a level that is compared by value as its key: the spelling that `_value_keys` gives to text."""
    return f"{float(TRUTH_NUMBERS.get(level.lower(), level)) + 0.0:.16e}"


def _value_keys(texts: Any) -> Any:
    """Return a string tensor with each number and truth value in its standard spelling, the key of its level.

    Any other text becomes "inf", which is never a level. The counterpart of `data.levels._level_values`.
    """
    import tensorflow as tf

    plain = tf.strings.lower(texts)
    for word, number in TRUTH_NUMBERS.items():
        plain = tf.where(plain == word, number, plain)
    readable = tf.where(tf.strings.regex_full_match(plain, NUMBER), plain, "inf")
    values = tf.strings.to_number(readable, tf.float64) + 0.0  # 0 and -0 are one
    return tf.strings.as_string(values, precision=16, scientific=True)


def columns_config(schema: Schema) -> dict[str, Any]:
    """Return the arguments of `RawColumns` for the columns of a schema.

    A model file is refused if its layer has other ones (`classifier/file.py`).
    """
    names = safe_names([c.name for c in [*schema.numeric, *schema.categorical]])
    return {
        "numeric": [names[c.name] for c in schema.numeric],
        "categorical": [names[c.name] for c in schema.categorical],
        "levels": [list(c.levels) for c in schema.categorical],
        "by_value": [c.numeric_levels for c in schema.categorical],
        "offsets": [c.offset for c in schema.numeric],
        "stacked": stacked(schema),
    }


def raw_columns(schema: Schema) -> RawColumns:
    """Return the layer `RawColumns` for the columns of a schema.

    Its name "columns" is that of the layer in model files.
    """
    return RawColumns(**columns_config(schema), name="columns")

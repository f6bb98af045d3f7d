"""The TensorFlow functions inside an export: networks and rule, and in front of them the raw columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from counterpoise.core.records import Column
from counterpoise.data.columns import ids_by_value, input_type, less, safe_names, stripped
from counterpoise.export.manifest import from_named, named_inputs, numbers_type


def encoded_signature(clf: Any) -> dict[str, tf.TensorSpec]:
    """Name, shape and dtype of each input of an export that takes numbers and ids."""
    if clf.schema is None:
        return {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, (_, tensor) in named_inputs(clf.members).items()
        }
    widths = {"numeric": len(clf.schema.numeric), "categorical": len(clf.schema.categorical)}
    kinds = {"numeric": tf.as_dtype(numbers_type(clf.schema)), "categorical": tf.int32}
    return {name: tf.TensorSpec((None, width), kinds[name], name) for name, width in widths.items() if width}


def decider(
    clf: Any, centered: Callable[[tf.Tensor, np.ndarray], tf.Tensor] | None = None
) -> Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]:
    """Function of inputs by name giving "probability" and "decision".

    Args:
        clf: The classifier.
        centered: Makes float32 of numbers as they are in the table, given their offsets; None: the inputs are encoded.
    """
    offsets = np.array([c.offset for c in clf.schema.numeric]) if clf.schema is not None else np.zeros(0)
    rule = clf.target.layer(clf.rule)

    def decide(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        x = dict(inputs) if clf.schema is not None else from_named(clf.members, inputs)
        if centered is not None and offsets.any():
            x["numeric"] = centered(x["numeric"], offsets)
        said = rule(clf.members(x, training=False))
        return {"probability": said["probability"], "decision": said["decision"]}

    return decide


class Columns(tf.Module):
    """Raw columns by safe name to `{"numeric", "categorical"}`; the lookup tables belong to the module."""

    def __init__(self, clf: Any) -> None:
        super().__init__(name="columns")
        used = [*clf.schema.numeric, *clf.schema.categorical]
        names = safe_names([c.name for c in used])
        self.numeric = [(names[c.name], c) for c in clf.schema.numeric]
        self.categorical = [(names[c.name], c) for c in clf.schema.categorical]
        self.tables = {name: _table(c) for name, c in self.categorical if not c.numeric_levels}

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Columns of any rank: rows as a vector or as one column."""
        numbers = {name: tf.TensorSpec(None, tf.as_dtype(input_type(c)), name) for name, c in self.numeric}
        return numbers | {name: tf.TensorSpec(None, tf.string, name) for name, _ in self.categorical}

    def __call__(self, x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        out = {}
        if self.numeric:
            numbers = [tf.reshape(less(x[name], column.offset), [-1]) for name, column in self.numeric]
            out["numeric"] = tf.stack(numbers, axis=1)
        if self.categorical:
            ids = [self._ids(name, column, tf.reshape(x[name], [-1])) for name, column in self.categorical]
            out["categorical"] = tf.stack(ids, axis=1)
        return out

    def _ids(self, name: str, column: Column, text: tf.Tensor) -> tf.Tensor:
        """0 missing, 1.. levels, one more for a level not seen (as `data.schema.level_ids`)."""
        clean = stripped(text)
        found = ids_by_value(clean, column.levels) if column.numeric_levels else self.tables[name].lookup(clean)
        return tf.where(clean == "", 0, found)


def _table(column: Column) -> tf.lookup.StaticHashTable:
    levels = tf.constant(column.levels, dtype=tf.string)
    ids = tf.range(1, len(column.levels) + 1, dtype=tf.int32)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(levels, ids), len(column.levels) + 1)


def label_table(clf: Any) -> tf.Tensor:
    """The labels as a tensor to gather from: text, whole numbers, booleans or floats; mixed kinds as text."""
    labels = clf.classes_.tolist()
    if clf.classes_.dtype.kind not in "biuf":
        labels = [str(label) for label in labels]
    return tf.constant(
        labels,
        dtype={"b": tf.bool, "f": tf.float64, "i": tf.int64, "u": tf.int64}.get(clf.classes_.dtype.kind, tf.string),
    )

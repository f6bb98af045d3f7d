"""The TensorFlow functions inside an export: networks and rule, and in front of them the raw columns.

All formats share them. Programs without Counterpoise use the names of inputs and outputs, which are in `manifest`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from counterpoise.core.examples import IMAGE
from counterpoise.data.column_input import read_column_values
from counterpoise.data.columns import raw_columns, raw_inputs, stacked
from counterpoise.data.cost_input import CostInput
from counterpoise.data.group_input import GroupInput
from counterpoise.export.manifest import deciding_input, inputs_from_names, named_inputs, numbers_type
from counterpoise.networks.encoder import has_picture


def encoded_signature(clf: Any) -> dict[str, tf.TensorSpec]:
    """Return name, shape and dtype of each input of an export that takes numbers and ids, in their order."""
    if clf.schema is None:
        return {
            name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, (_, tensor) in named_inputs(clf.members).items()
        }
    widths = {"numeric": len(clf.schema.numeric), "categorical": len(clf.schema.categorical)}
    kinds = {"numeric": tf.as_dtype(numbers_type(clf.schema)), "categorical": tf.int32}
    given, own = deciding_input(clf), {}
    if given is not None and given.own:
        kind = tf.float32 if isinstance(given, CostInput) else tf.int32
        own = {given.name: tf.TensorSpec((None, 1), kind, given.name)}
    columns = {name: tf.TensorSpec((None, width), kinds[name], name) for name, width in widths.items() if width}
    return columns | own | picture_signature(clf)


def picture_signature(clf: Any) -> dict[str, tf.TensorSpec]:
    """Return the type of the pictures that come with the columns of a table; {} without."""
    if not has_picture(clf.members.input):
        return {}
    tensor = clf.members.input[IMAGE]
    return {IMAGE: tf.TensorSpec(tensor.shape, tensor.dtype, IMAGE)}


def deciding_function(
    clf: Any, centered: Callable[[tf.Tensor, np.ndarray], tf.Tensor] | None = None
) -> Callable[..., dict[str, tf.Tensor]]:
    """Return the function from inputs by name, and values of a column, to "probability" and "decision".

    Args:
        clf: The classifier.
        centered: Function of the numbers in the table and their offsets that returns the differences as float32.
            None: the inputs are encoded already.
    """
    offsets = np.array([c.offset for c in clf.schema.numeric]) if clf.schema is not None else np.zeros(0)
    rule, given = clf.target.layer(clf.rule), deciding_input(clf)

    def decide(inputs: Mapping[str, tf.Tensor], column_values: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Return "probability" and "decision"; `column_values` None takes the values from the inputs."""
        x = dict(inputs) if clf.schema is not None else inputs_from_names(clf.members, inputs)
        if given is not None and given.own:
            x.pop(given.name, None)
        if centered is not None and offsets.any():
            x["numeric"] = centered(x["numeric"], offsets)
        if given is not None and column_values is None:
            column_values = read_column_values(given, inputs, x)
        logits = clf.members(x, training=False)
        outputs = rule(logits) if given is None else rule(logits, column_values=column_values)
        return {"probability": outputs["probability"], "decision": outputs["decision"]}

    return decide


class RawColumnEncoder(tf.Module):
    """Encodes raw columns by safe name as `{"numeric", "categorical"}`; pictures that come with them pass unchanged.

    It is a module, because a SavedModel keeps its look-up tables only as attributes of a module.
    """

    def __init__(self, clf: Any) -> None:
        super().__init__(name="columns")
        self.stacked, self.inputs, self.layer = stacked(clf.schema), raw_inputs(clf.schema), raw_columns(clf.schema)
        self.given, self.pictures = deciding_input(clf, encoded=False), picture_signature(clf)
        self.look_up = None if self.given is None else self.given.look_up()

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Return the type of each raw input by name.

        Columns have any rank, so that rows may be a vector or one column, unless columns are stacked.
        """
        columns = {
            name: tf.TensorSpec(given.shape if self.stacked else None, tf.as_dtype(given.dtype), name)
            for name, given in self.inputs.items()
        }
        if self.given is not None and self.given.own:
            columns[self.given.name] = tf.TensorSpec(None, tf.as_dtype(self.given.dtype), self.given.name)
        return columns | self.pictures

    def __call__(self, x: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the encoded columns, and pictures as they are, from raw inputs by name."""
        pictures = {name: x[name] for name in self.pictures}
        columns = {name: x[name] for name in self.inputs}
        if not self.stacked:
            columns = {name: tf.reshape(column, [-1, 1]) for name, column in columns.items()}
        return {**self.layer(columns), **pictures}

    def column_values(self, x: Mapping[str, tf.Tensor], encoded: Mapping[str, tf.Tensor]) -> tf.Tensor | None:
        """Return the amounts float32 (N, 1) or the groups int32 (N, 1) that rows are decided by.

        None if the classifier decides by none. An amount that is missing, negative or infinite stops the run.
        """
        if self.given is None:
            return None
        if isinstance(self.given, GroupInput):
            texts = {self.given.name: tf.reshape(x[self.given.name], [-1, 1])} if self.given.own else {}
            own = None if self.look_up is None else self.look_up(texts)["categorical"]
            return self.given.values(own, encoded)
        amount = tf.reshape(tf.cast(self.given.amounts(x), tf.float32), [-1, 1])
        known = tf.reduce_all((amount >= 0) & (amount < np.inf))
        text = (
            f"{self.given.name}: an amount is missing, negative or infinite. Expected a finite amount of 0 or more in "
            "each row."
        )
        with tf.control_dependencies([tf.debugging.Assert(known, [text])]):
            return tf.identity(amount)


def label_table(clf: Any) -> tf.Tensor:
    """Return the labels by code as a tensor: text, whole numbers, booleans or floats; mixed kinds become text."""
    labels = clf.decisions_.tolist()
    if clf.decisions_.dtype.kind not in "biuf":
        labels = [str(label) for label in labels]
    return tf.constant(
        labels,
        dtype={"b": tf.bool, "f": tf.float64, "i": tf.int64, "u": tf.int64}.get(clf.decisions_.dtype.kind, tf.string),
    )

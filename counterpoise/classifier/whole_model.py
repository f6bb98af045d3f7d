"""A classifier as one Keras model: raw columns in, probability and decision out."""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.core.examples import IMAGE
from counterpoise.data.columns import raw_columns, raw_inputs
from counterpoise.data.cost_input import CostInput
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.input_names import like


def whole_model(clf: Any) -> keras.Model:
    """Preprocessing, networks and rule; a cost column is an input of its own unless it is a numeric feature."""
    layer = clf.target.layer(clf.rule)
    if clf.schema is None:
        given = like(clf.members.input, ("members", "rule"))
        return keras.Model(given, layer(clf.members(given)))
    inputs: dict[str, Any] = raw_inputs(clf.schema)
    encoded = raw_columns(clf.schema)(inputs)
    if has_picture(clf.members.input):
        picture = like(clf.members.input[IMAGE])
        inputs, encoded = {**inputs, IMAGE: picture}, {**encoded, IMAGE: picture}
    logits = clf.members(encoded)
    if clf.rule.cost_column is None:
        return keras.Model(inputs, layer(logits))
    cost = CostInput.of(clf.schema, clf.rule.cost_column.name)
    inputs |= {cost.name: keras.Input((1,), dtype="float32", name=cost.name)} if cost.own else {}
    return keras.Model(inputs, layer(logits, amount=cost.amounts(inputs)))

"""A classifier as one Keras model: raw columns in, probability and decision out.

This model is what `save` writes. `file.read` looks up its layers by the names "members", "rule" and "columns".
"""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.core.examples import IMAGE
from counterpoise.data.column_input import column_input, read_column_values
from counterpoise.data.columns import raw_columns, raw_inputs
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.input_names import like


def whole_model(clf: Any) -> keras.Model:
    """Return one Keras model of preprocessing, networks and rule.

    Its inputs are arrays as the networks take them, or with a schema a dict of raw columns and pictures. A column of
    costs or groups by which rows are decided gets an input of its own, unless it is a feature.

    Its output is {"probability", "decision"}.
    """
    layer = clf.target.layer(clf.rule)
    if clf.schema is None:
        # The names of the two parts inside the model: an input may not bear them too.
        given = like(clf.members.input, ("members", "rule"))
        return keras.Model(given, layer(clf.members(given)))
    inputs: dict[str, Any] = raw_inputs(clf.schema)
    encoded = raw_columns(clf.schema)(inputs)
    if has_picture(clf.members.input):
        picture = like(clf.members.input[IMAGE])
        inputs, encoded = {**inputs, IMAGE: picture}, {**encoded, IMAGE: picture}
    logits = clf.members(encoded)
    given = column_input(clf.schema, clf.rule.column)
    if given is None:
        return keras.Model(inputs, layer(logits))
    raw = dict(inputs)
    if given.own:
        inputs[given.name] = keras.Input((1,), dtype=given.dtype, name=given.name)
        # None: amounts are numbers already. Else a layer turns the texts of groups into ids.
        look_up = given.look_up()
        raw[given.name] = inputs[given.name] if look_up is None else look_up(inputs)["categorical"]
    return keras.Model(inputs, layer(logits, column_values=read_column_values(given, raw, encoded)))

"""The SavedModel export: raw columns in, probability, decision and label out; needs nothing but TensorFlow.

The signature "serve" and the names of inputs and outputs are what programs without Counterpoise use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from counterpoise.data.columns import input_type, raw_inputs, safe_names, stacked
from counterpoise.export.graph import (
    RawColumnEncoder,
    deciding_function,
    encoded_signature,
    label_table,
    picture_signature,
)
from counterpoise.export.manifest import deciding_input, named_inputs
from counterpoise.export.quiet import quiet


def write(clf: Any, folder: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the SavedModel folder and return a function from rows to its outputs by name.

    The signature is "serve", which is also the default one. Its outputs include "label", except for several labels.
    """
    module = tf.Module()
    # What the functions use must be attributes of the module, else its variables are not saved.
    module.members, module.labels = clf.members, label_table(clf)
    module.columns = RawColumnEncoder(clf) if clf.schema is not None else None
    decide = deciding_function(clf)

    def serve(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return probability and decision for raw inputs, and the label for one class per row."""
        columns = module.columns
        if columns is None:
            outputs = decide(inputs)
        else:
            encoded = columns(inputs)
            outputs = decide(encoded, columns.column_values(inputs, encoded))
        if clf.target.independent:
            return outputs
        code = outputs["decision"]
        last = tf.where(code < 0, len(clf.decisions_) - 1, code)  # rows for a human
        return {**outputs, "label": tf.gather(module.labels, last)}

    signature = encoded_signature(clf) if module.columns is None else module.columns.signature()
    module.serve = tf.function(serve, input_signature=[signature])
    with quiet():
        tf.saved_model.save(module, str(folder), signatures={"serve": module.serve, "serving_default": module.serve})
    return _runner(clf, folder)


def _runner(clf: Any, folder: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Load the written folder, and return a function from rows to NumPy outputs by name."""
    loaded = tf.saved_model.load(str(folder))
    run = loaded.signatures["serve"]

    def run_export(raw: Any) -> dict[str, Any]:
        """Run the signature on rows; labels that are bytes become text."""
        outputs = {name: value.numpy() for name, value in run(**_signature_tensors(clf, raw)).items()}
        if "label" in outputs and outputs["label"].dtype == object:
            outputs["label"] = np.array([text.decode() for text in outputs["label"]])
        return outputs

    return run_export


def _signature_tensors(clf: Any, raw: Any) -> dict[str, tf.Tensor]:
    """Return rows as the tensors of the signature, by input name; a missing text is blank.

    `raw` maps columns to their values for tables; else it has the structure of the networks' inputs. Wide tables have
    two stacked inputs, numbers and texts, instead of one for each column.
    """
    if clf.schema is None:
        keys = {name: key for name, (key, _) in named_inputs(clf.members).items()}
        return {name: tf.constant(raw if key is None else raw[key]) for name, key in keys.items()}
    given = deciding_input(clf, encoded=False)
    own = {given.name: _deciding_tensor(given, raw[given.column])} if given is not None and given.own else {}
    own |= {name: tf.constant(raw[name]) for name in picture_signature(clf)}
    numbers = {c.name: tf.constant(raw[c.name], input_type(c)) for c in clf.schema.numeric}
    texts = {c.name: _text_tensor(raw[c.name]) for c in clf.schema.categorical}
    if stacked(clf.schema):
        parts = {"numeric": numbers, "categorical": texts}
        kinds = {name: tensor.dtype for name, tensor in raw_inputs(clf.schema).items()}
        return own | {
            kind: tf.stack([tf.cast(column, dtype) for column in parts[kind].values()], axis=1)
            for kind, dtype in kinds.items()
        }
    names = safe_names([*numbers, *texts])
    return own | {names[column]: values for column, values in (numbers | texts).items()}


def _deciding_tensor(given: Any, values: Any) -> tf.Tensor:
    """Return the values of the column that decisions depend on as a tensor of the type of their input."""
    return _text_tensor(values) if given.dtype == "string" else tf.constant(values, tf.as_dtype(given.dtype))


def _text_tensor(texts: Any) -> tf.Tensor:
    """Return texts as a tensor, in which a missing text (None) is blank, as in the signature."""
    return tf.constant(["" if text is None else text for text in texts])

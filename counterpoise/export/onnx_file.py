"""The ONNX export: numbers and ids in, probability and decision out; labels and model card in its metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from counterpoise.core.lazy import needed
from counterpoise.export.manifest import named_arrays
from counterpoise.export.quiet import quiet
from counterpoise.export.refusals import refuse_text, refuse_unknown
from counterpoise.forests.tree_layer import portable

#: Version of the ONNX operations that the file uses.
OPSET = 17


def write(clf: Any, file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the ONNX file and return a function from rows to its outputs by name.

    Labels and model card are in the metadata of the file.

    Raises:
        MissingExtraError: onnx, onnxruntime or tf2onnx is not installed.
    """
    onnx, onnxruntime, tf2onnx = (
        needed(name, "onnx", "The ONNX export") for name in ("onnx", "onnxruntime", "tf2onnx")
    )
    with quiet(), portable(clf.members):
        model = _onnx_model(clf, tf2onnx)
    # Nodes of other domains are extensions; the others must be operations of the ONNX standard.
    domains = {domain.domain for domain in model.opset_import if domain.domain}
    nodes = [node for node in model.graph.node if node.domain not in domains]
    refuse_unknown([node.op_type for node in nodes if not onnx.defs.has(node.op_type)], "onnx")
    for key, value in {"classes": clf.classes_.tolist(), "counterpoise": clf.card}.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    onnx.save(model, str(file))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda rows: dict(zip(names, session.run(names, named_arrays(clf, rows)), strict=True))


def _onnx_model(clf: Any, tf2onnx: Any) -> Any:
    """Return members and rule, as one TensorFlow function, converted to an ONNX model.

    Its inputs are encoded rows. A classifier that needs text as input is refused with an error.
    """
    import tensorflow as tf

    from counterpoise.data.columns import minus_offset_in_graph
    from counterpoise.export.graph import deciding_function, encoded_signature

    decide, signature = deciding_function(clf, minus_offset_in_graph), encoded_signature(clf)
    refuse_text(signature, "onnx")
    names = list(signature)
    function = tf.function(
        lambda *tensors: decide(dict(zip(names, tensors, strict=True))), input_signature=list(signature.values())
    )
    return tf2onnx.convert.from_function(function, input_signature=list(signature.values()), opset=OPSET)[0]

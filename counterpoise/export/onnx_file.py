"""The ONNX export: numbers and ids in, probability and decision out; labels and model card in its metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        model = _onnx_model(clf, tf2onnx, onnx)
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


def _onnx_model(clf: Any, tf2onnx: Any, onnx: Any) -> Any:
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
    model = tf2onnx.convert.from_function(function, input_signature=list(signature.values()), opset=OPSET)[0]
    _store_constants(model.graph, function.get_concrete_function(), names, onnx)
    return model


def _store_constants(graph: Any, function: Any, names: Sequence[str], onnx: Any) -> None:
    """Store tensors that a layer holds, such as the means of an adapted `Normalization`, in the ONNX graph.

    The converter takes them for inputs. `names` are the real inputs, and `function` is what was converted.
    """
    held = {inside.name: value for value, inside in function.graph.captures}
    used = set(_names_used(graph))
    for given in [one for one in graph.input if one.name not in names and one.name in held]:
        graph.input.remove(given)
        if given.name in used:
            graph.initializer.append(onnx.numpy_helper.from_array(held[given.name].numpy(), given.name))


def _names_used(graph: Any) -> Iterator[str]:
    """Yield the names of the inputs of all nodes of an ONNX graph, also in graphs inside of nodes."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _names_used(attribute.g)

"""LiteRT (TensorFlow Lite): numbers and ids in, probability and decision out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.lazy import needed
from counterpoise.core.temporary import scratch
from counterpoise.export.manifest import named_inputs
from counterpoise.export.quiet import quiet

SIGNATURE = "serve"


def write(clf: Any, file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the file and return what runs it.

    Raises:
        MissingExtraError: ai-edge-litert, which runs it, is not installed.
    """
    interpreter = needed("ai_edge_litert.interpreter", "litert", "The LiteRT export", "ai-edge-litert")
    with quiet(), tempfile.TemporaryDirectory(dir=scratch()) as folder:
        file.write_bytes(_converted(clf, Path(folder) / "draft"))
    run = interpreter.Interpreter(model_path=str(file), num_threads=1).get_signature_runner(SIGNATURE)
    return lambda rows: run(**named_arrays(clf, rows))


def _converted(clf: Any, folder: Path) -> bytes:
    """Weights are frozen first: variables would need an initializer that nobody calls. A SavedModel keeps the names."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from counterpoise.export.graph import decider, encoded_signature

    decide, signature = decider(clf), encoded_signature(clf)
    names = list(signature)
    concrete = tf.function(lambda *tensors: decide(dict(zip(names, tensors, strict=True)))).get_concrete_function(
        *signature.values()
    )
    frozen, outputs = convert_variables_to_constants_v2(concrete), sorted(concrete.structured_outputs)
    module = tf.Module()
    module.serve = tf.function(
        lambda inputs: dict(zip(outputs, frozen(*(inputs[name] for name in names)), strict=True)),
        input_signature=[signature],
    )
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: module.serve})
    return bytes(tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE]).convert())


def named_arrays(clf: Any, rows: Any) -> dict[str, np.ndarray]:
    """Encoded rows by input name."""
    if clf.schema is not None:
        return dict(rows)
    return {name: rows if key is None else rows[key] for name, (key, _) in named_inputs(clf.members).items()}

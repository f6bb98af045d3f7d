"""LiteRT (TensorFlow Lite): numbers and ids in, probability and decision out."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.lazy import needed
from counterpoise.export.manifest import named_inputs
from counterpoise.export.quiet import quiet
from counterpoise.export.refusals import refuse_text, refuse_unknown

SIGNATURE = "serve"
#: How the converter tells of an operation that it cannot write.
UNKNOWN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


def write(clf: Any, file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the file and return what runs it.

    Raises:
        MissingExtraError: ai-edge-litert, which runs it, is not installed.
    """
    interpreter = needed("ai_edge_litert.interpreter", "litert", "The LiteRT export", "ai-edge-litert")
    with quiet(), tempfile.TemporaryDirectory(dir=file.parent) as folder:
        file.write_bytes(_converted(clf, Path(folder) / "draft"))
        run = interpreter.Interpreter(model_path=str(file), num_threads=1).get_signature_runner(SIGNATURE)

    def answer(rows: Any) -> Mapping[str, Any]:
        with quiet():  # the first run tells of its delegate
            return run(**named_arrays(clf, rows))

    return answer


def _converted(clf: Any, folder: Path) -> bytes:
    """Weights are frozen first: variables would need an initializer that nobody calls. A SavedModel keeps the names."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from counterpoise.export.graph import decider, encoded_signature

    decide, signature = decider(clf), encoded_signature(clf)
    refuse_text(signature, "litert")
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
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter has an error of its own, and pages of text in it
        refuse_unknown(UNKNOWN.findall(str(error)), "litert")
        raise


def named_arrays(clf: Any, rows: Any) -> dict[str, np.ndarray]:
    """Encoded rows by input name."""
    if clf.schema is not None:
        return dict(rows)
    return {name: rows if key is None else rows[key] for name, (key, _) in named_inputs(clf.members).items()}

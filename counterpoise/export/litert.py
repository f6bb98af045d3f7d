"""The LiteRT (TensorFlow Lite) export: numbers and ids in, probability and decision out.

The signature "serve" and the names of inputs and outputs are what programs without Counterpoise use.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.lazy import needed
from counterpoise.core.temporary import scratch
from counterpoise.export.manifest import named_arrays
from counterpoise.export.quiet import quiet
from counterpoise.export.refusals import refuse_text, refuse_unknown
from counterpoise.forests.tree_layer import portable

SIGNATURE = "serve"
#: Numbers down to this many powers of two below an offset count as near it.
_BINADES = 4
#: How the converter reports an operation that it cannot write.
MISSING_OPERATION = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


def write(clf: Any, file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the LiteRT file, and return a function that runs it.

    The function takes encoded rows, as `named_arrays` does, and returns the outputs by name.

    Raises:
        MissingExtraError: ai-edge-litert, which runs it, is not installed.
    """
    interpreter = needed("ai_edge_litert.interpreter", "litert", "The LiteRT export", "ai-edge-litert")
    with quiet(), portable(clf.members), tempfile.TemporaryDirectory(dir=scratch()) as folder:
        file.write_bytes(_litert_bytes(clf, Path(folder) / "draft"))
        run = interpreter.Interpreter(model_path=str(file), num_threads=1).get_signature_runner(SIGNATURE)

    def run_export(rows: Any) -> Mapping[str, Any]:
        """Run the export on encoded rows, and return its outputs by name."""
        with quiet():  # the first run prints its delegate
            return run(**named_arrays(clf, rows))

    return run_export


def _litert_bytes(clf: Any, folder: Path) -> bytes:
    """Return the classifier as the content of a LiteRT file.

    `folder` gets a temporary SavedModel.
    Weights become constants first, because variables would need an initializer that is never called. The conversion
    uses a SavedModel, because it keeps the names of inputs and outputs.

    Raises:
        ModelError: An input is text, or the network has an operation that LiteRT lacks.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from counterpoise.export.graph import deciding_function, encoded_signature

    decide, signature = deciding_function(clf, centered), encoded_signature(clf)
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
        refuse_unknown(MISSING_OPERATION.findall(str(error)), "litert")
        raise


def centered(numbers: Any, offsets: np.ndarray) -> Any:
    """Return float64 numbers (N, d) less their offsets (d,), as float32.

    LiteRT has no arithmetic in float64. Between two powers of two the bits of a float64, read as a whole number, count
    equal steps. So the way from the offset to a number near it is summed over the powers of two between them, in whole
    numbers, and rounded once. Far from the offset float32 has digits enough.
    """
    import tensorflow as tf

    size, sign = np.where(offsets == 0, 1.0, np.abs(offsets)), np.where(offsets < 0, -1.0, 1.0).astype(np.float32)
    power = np.exp2(np.frexp(size)[1] - 1)  # the power of two below the offset
    bits = tf.bitcast(numbers, tf.int64) - np.where(offsets < 0, np.iinfo(np.int64).min, 0)
    steps: Any = 0
    for j in range(-_BINADES, 2):
        low, high = (power * 2.0**j).view(np.int64), (power * 2.0 ** (j + 1)).view(np.int64)
        start = np.clip(size.view(np.int64), low, high)
        steps = steps + (tf.minimum(tf.maximum(bits, low), high) - start) * 2 ** (j + _BINADES)
    from_offset = tf.cast(steps, tf.float32) * (sign * power * 2.0 ** (-52 - _BINADES)).astype(np.float32)
    single = tf.cast(numbers, tf.float32)
    least, most = (power * 2.0**-_BINADES).astype(np.float32), (power * 4.0).astype(np.float32)
    near = (offsets != 0) & (single * sign >= least) & (single * sign < most)
    return tf.where(near, from_offset, single - offsets.astype(np.float32))

"""LiteRT (TensorFlow Lite): numbers and ids in, probability and decision out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.lazy import needed
from counterpoise.export.manifest import named_inputs
from counterpoise.export.quiet import quiet

SIGNATURE = "serve"


def write(clf: Any, file: Path) -> Callable[[Any], Mapping[str, Any]]:
    """Write the file and return what runs it.

    Raises:
        MissingExtraError: ai-edge-litert, which runs it, is not installed.
    """
    interpreter = needed("ai_edge_litert.interpreter", "litert", "The LiteRT export", "ai-edge-litert")
    with quiet(), tempfile.TemporaryDirectory(dir=file.parent) as folder:
        file.write_bytes(_converted(clf, Path(folder) / "draft"))
    run = interpreter.Interpreter(model_path=str(file), num_threads=1).get_signature_runner(SIGNATURE)
    return lambda rows: run(**named_arrays(clf, rows))


def _converted(clf: Any, folder: Path) -> bytes:
    """Weights are frozen first: variables would need an initializer that nobody calls. A SavedModel keeps the names."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    from counterpoise.export.graph import decider, encoded_signature

    decide, signature = decider(clf, centered), encoded_signature(clf)
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


def centered(numbers: Any, offsets: np.ndarray) -> Any:
    """float64 numbers (N, d) less their offsets (d,), as float32, without arithmetic in float64, which LiteRT lacks.

    Between two powers of two the bits of a float64, read as a whole number, count equal steps. So a number near its
    offset is as many steps away as their bits differ: half as long below the power of two under the offset, twice as
    long above the next. Far from the offset float32 has digits enough.
    """
    import tensorflow as tf

    given, size = offsets != 0, np.where(offsets == 0, 1.0, np.abs(offsets))
    power, sign = np.exp2(np.frexp(size)[1] - 1), np.where(offsets < 0, -1.0, 1.0).astype(np.float32)
    low, high = power.view(np.int64), (2 * power).view(np.int64)
    bits = tf.bitcast(numbers, tf.int64) - np.where(offsets < 0, np.iinfo(np.int64).min, 0)
    steps = tf.cast(tf.minimum(tf.maximum(bits, low), high) - size.view(np.int64), tf.float32)
    below = tf.cast(tf.minimum(bits, low) - low, tf.float32)
    above = tf.cast(tf.maximum(bits, high) - high, tf.float32)
    apart = (steps + below / 2.0 + above * 2.0) * (sign * power * 2.0**-52).astype(np.float32)
    single = tf.cast(numbers, tf.float32)
    near = given & (single * sign > (power / 2).astype(np.float32)) & (single * sign < (power * 4).astype(np.float32))
    return tf.where(near, apart, single - offsets.astype(np.float32))


def named_arrays(clf: Any, rows: Any) -> dict[str, np.ndarray]:
    """Encoded rows by input name, as the export takes them: with their offsets where it subtracts these itself."""
    if clf.schema is not None:
        offsets = np.array([c.offset for c in clf.schema.numeric])
        whole = {"numeric": rows["numeric"].astype(np.float64) + offsets} if offsets.any() else {}
        return {**rows, **whole}
    return {name: rows if key is None else rows[key] for name, (key, _) in named_inputs(clf.members).items()}

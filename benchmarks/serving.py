"""How fast a classifier answers: one row through its exports, a million rows through `predict_proba`.

python -m benchmarks.serving
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import counterpoise as cp


def seconds(call: Callable[[], object], times: int, repeats: int = 5) -> float:
    """Median over repeats of the mean time of one call."""
    call()
    each = []
    for _ in range(repeats):
        started = time.perf_counter()
        for _ in range(times):
            call()
        each.append((time.perf_counter() - started) / times)
    return float(np.median(each))


def main() -> None:
    """One row through LiteRT and SavedModel (20 numeric columns), many rows through `predict_proba`."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(0)
    y = (rng.random(4000) < 0.1).astype(int)
    x = (rng.normal(size=(4000, 20)) + y[:, None]).astype("float32")
    clf = cp.fit("mlp", x, y, strategy="oversample", epochs=2, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        file = clf.export(Path(folder) / "m.tflite", format="litert")
        interpreter = Interpreter(model_path=str(file), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[:1])
        print(f"LiteRT, one row of 20 numbers: {seconds(interpreter.invoke, 2000) * 1e6:.1f} us (at most 20)")
        serve = tf.saved_model.load(str(clf.export(Path(folder) / "served"))).signatures["serve"]
        row = {f"x{j}": tf.constant(x[:1, j]) for j in range(20)}
        print(f"SavedModel, one row: {seconds(lambda: serve(**row), 200) * 1e3:.3f} ms (at most 1)")
    many = rng.normal(size=(1_000_000, 30)).astype("float32")
    wide = cp.fit("mlp", many[:3000], (many[:3000, 0] > 1.2).astype(int), epochs=1, verbose=0)
    network = wide.members
    bare = tf.function(lambda part: network({"numeric": part}, training=False), reduce_retracing=True)

    def alone() -> None:
        for start in range(0, len(many), 8192):
            bare(tf.constant(many[start : start + 8192]))

    ours, theirs = seconds(lambda: wide.predict_proba(many), 1, 3), seconds(alone, 1, 3)
    print(f"predict_proba, 1M rows x 30: {ours:.2f} s; bare model in batches {theirs:.2f} s: {theirs / ours:.2f} of it")


if __name__ == "__main__":
    main()

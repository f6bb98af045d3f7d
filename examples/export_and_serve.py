"""Ship one artifact: raw columns in, decision out, without Counterpoise in the serving process.

python examples/export_and_serve.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import tensorflow as tf

import counterpoise as cp


def parts(n: int, seed: int) -> pl.DataFrame:
    """Parts from two machines; 5% are defective, more often if hot and loud."""
    rng = np.random.default_rng(seed)
    defect = rng.random(n) < 0.05
    return pl.DataFrame(
        {
            "oven temp": rng.normal(200 + 8 * defect, 6),  # a blank in the name, as in real files
            "noise.db": rng.normal(60 + 4 * defect, 5),
            "machine": rng.choice(["A", "B"], n),
            "defect": np.where(defect, "yes", "no"),
        }
    )


def main(out: Path = Path()) -> None:
    """Train, guarantee a recall, export, serve with plain TensorFlow, compare."""
    table = parts(3000, seed=0)
    clf = cp.fit("mlp", table, "defect", strategy="oversample", guarantee_rows=0.3, epochs=10, verbose=0)
    clf = clf.decide(recall_floor=0.7, confidence=0.9)
    print(clf.card["threshold"]["text"])

    new = parts(500, seed=1).drop("defect")
    with tempfile.TemporaryDirectory() as folder:
        clf.export(Path(folder) / "served", format="saved_model")
        serve = tf.saved_model.load(str(Path(folder) / "served")).signatures["serve"]
        start = time.perf_counter()
        output = serve(
            oven_temp=tf.constant(new["oven temp"].to_numpy()[:, None], tf.float32),
            noise_db=tf.constant(new["noise.db"].to_numpy()[:, None], tf.float32),
            machine=tf.constant(new["machine"].to_numpy()[:, None]),
        )
        print(f"{len(new)} rows in {time.perf_counter() - start:.3f} s; outputs: {', '.join(sorted(output))}")
        served = output["probability"].numpy()
    ours = clf.predict_proba(new)
    ours = ours if served.shape == ours.shape else ours[:, 1].reshape(served.shape)
    print(f"largest difference to the classifier: {np.abs(served - ours).max():.1e}")

    figure, axes = plt.subplots(figsize=(3.6, 3.4), layout="constrained")
    axes.scatter(ours, served, s=8)
    axes.axline((0, 0), slope=1, color="gray", linewidth=1)
    axes.set(xlabel="classifier", ylabel="served model", title="probability of a defect")
    figure.savefig(out / "export_and_serve.png", dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()

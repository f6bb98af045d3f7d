"""The training program against loops of `fit`, side by side, alternating, medians.

    python -m benchmarks.train [--quick] [--data FOLDER]

(F) `fit` with Keras's defaults in a loop, data resampled by imbalanced-learn. (B) the same with `fit`'s best settings
(steps_per_execution=32, jit_compile=True for dense networks, False for convolutions). Imports are excluded.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from counterpoise.core.records import Examples, Fold
from counterpoise.data.read import read
from counterpoise.data.split import make_folds
from counterpoise.jobs import Settings, job_of, jobs_of
from counterpoise.strategies import find
from counterpoise.train.network import Network
from counterpoise.train.program_engine import ProgramEngine
from counterpoise.train.run import run

BATCH = 512


def dense(inputs: int) -> keras.Model:
    layers = [
        keras.Input((inputs,)),
        keras.layers.Dense(128, "relu"),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dense(1),
    ]
    return keras.Sequential(layers)


def cnn() -> keras.Model:
    layers = [keras.Input((28, 28, 1)), keras.layers.Conv2D(16, 3, activation="relu"), keras.layers.MaxPooling2D()]
    layers += [keras.layers.Conv2D(32, 3, activation="relu"), keras.layers.MaxPooling2D(), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(1)])


def compiled(model: keras.Model, best: bool, xla: bool = True) -> keras.Model:
    how: dict[str, Any] = {"steps_per_execution": 32, "jit_compile": xla} if best else {}
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True), **how)
    return model


def table(n: int, d: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.05).astype(np.int32)
    return Examples((rng.normal(size=(n, d)) + 0.5 * y[:, None]).astype("float32"), y, (0, 1))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(work: dict[str, Callable[[], float]], times: int) -> dict[str, float]:
    """Median seconds of each; the peers take turns."""
    found: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(times):
        for name, call in work.items():
            found[name].append(call())
    return {name: float(np.median(values)) for name, values in found.items()}


def whole(examples: Examples) -> Fold:
    nothing = np.empty(0, np.int64)
    return Fold(0, 0, np.arange(len(examples)), nothing, nothing)


def jobs(examples: Examples, members: int, epochs: int, batch: int = BATCH, strategy: str = "none") -> list[Any]:
    settings = Settings(epochs=epochs, batch_size=batch, early_stopping=False)
    fold = whole(examples)  # shared, as the members of an ensemble share theirs
    return [job_of(find(strategy), examples, fold, settings, member) for member in range(members)]


def epoch_seconds(
    examples: Examples, make: Callable[[], keras.Model], members: int, times: int, xla: bool
) -> dict[str, float]:
    """Seconds per epoch and member after compilation (time of 3 epochs less time of 1, halved)."""
    network = Network(make(), examples, weights="fresh")
    ProgramEngine.of(examples, network).prepare(jobs(examples, members, 20))  # the way of a training of 20 epochs
    y = examples.y[:, None].astype("float32")
    fits = {name: compiled(make(), name == "B", xla) for name in "FB"}
    rng = np.random.default_rng(0)

    def fit(model: keras.Model) -> float:
        def member() -> None:
            rows = rng.integers(0, len(y), len(y)) if members > 1 else slice(None)
            model.fit(examples.x[rows], y[rows], batch_size=BATCH, epochs=1, verbose=0)

        return timed(lambda: [member() for _ in range(members)])

    def ours() -> float:
        short, long = (timed(lambda e=e: list(run(jobs(examples, members, e), examples, network))) for e in (1, 3))
        return (long - short) / 2

    for model in fits.values():
        fit(model)
    ours()
    return alternate({"F": lambda: fit(fits["F"]), "B": lambda: fit(fits["B"]), "ours": ours}, times)


def ensemble_seconds(times: int) -> dict[str, float]:
    """3-member resampling ensemble, 5 epochs, compilation and resampling included."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    examples = table(50_000, 30)

    def fit(best: bool) -> float:
        def work() -> None:
            for sampler in (None, RandomOverSampler(random_state=0), RandomUnderSampler(random_state=0)):
                x, y = (examples.x, examples.y) if sampler is None else sampler.fit_resample(examples.x, examples.y)
                compiled(dense(30), best).fit(x, y[:, None].astype("float32"), batch_size=BATCH, epochs=5, verbose=0)

        return timed(work)

    def ours() -> float:
        settings = Settings(epochs=5, batch_size=BATCH, early_stopping=False, budget="epochs")
        work = jobs_of(find("resampling_ensemble"), examples, whole(examples), settings)
        return timed(lambda: list(run(work, examples, Network(dense(30), examples, weights="fresh"))))

    return alternate({"F": lambda: fit(False), "B": lambda: fit(True), "ours": ours}, times)


def race_seconds(data: Path, times: int) -> dict[str, float]:
    """4 strategies x 5 folds x 20 epochs on mammography, batch 256, everything but imports."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler
    from sklearn.utils.class_weight import compute_class_weight

    examples = read(data / "mammography.csv", target="class")
    x = np.ascontiguousarray(examples.x["numeric"])
    x = (x - x.mean(0)) / x.std(0)
    settings = Settings(epochs=20, batch_size=256, early_stopping=False, budget="epochs")
    names = ("none", "oversample", "undersample", "class_weight")

    def fit(best: bool) -> float:
        def work() -> None:
            for fold in make_folds(examples, 5):
                rows = fold.train
                weights = dict(enumerate(compute_class_weight("balanced", classes=np.arange(2), y=examples.y[rows])))
                for name in names:
                    sampler = {"oversample": RandomOverSampler, "undersample": RandomUnderSampler}.get(name)
                    a, b = x[rows], examples.y[rows]
                    if sampler:
                        a, b = sampler(random_state=0).fit_resample(a, b)
                    model = compiled(dense(6), best)
                    how = {"class_weight": weights} if name == "class_weight" else {}
                    model.fit(a, b[:, None].astype("float32"), batch_size=256, epochs=20, verbose=0, **how)
                    model.predict(x[fold.test], verbose=0)

        return timed(work)

    def ours() -> float:
        def work() -> None:
            network = Network("mlp", examples)
            folds = make_folds(examples, 5)
            list(
                run(
                    [j for n in names for f in folds for j in jobs_of(find(n), examples, f, settings)],
                    examples,
                    network,
                )
            )

        return timed(work)

    return alternate({"F": lambda: fit(False), "B": lambda: fit(True), "ours": ours}, times)


def small_seconds(times: int) -> dict[str, float]:
    """One small model on 1,000 rows, 5 epochs, everything included."""
    examples = table(1000, 30)

    def fit() -> float:
        return timed(
            lambda: compiled(dense(30), False).fit(
                examples.x, examples.y[:, None].astype("float32"), epochs=5, verbose=0
            )
        )

    def ours() -> float:
        return timed(
            lambda: list(run(jobs(examples, 1, 5, 32), examples, Network(dense(30), examples, weights="fresh")))
        )

    return alternate({"F": fit, "ours": ours}, times)


def peak_megabytes(members: int) -> float:
    """Peak memory of a child process that trains members on 1M x 30 for one epoch."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train", "--child", str(members)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def child(members: int) -> None:
    examples = table(1_000_000, 30)
    network = Network(dense(30), examples, weights="fresh")
    list(run(jobs(examples, members, 1, 4096), examples, network))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def matmul_peak() -> float:
    """Float32 multiply-adds per second, best of NumPy 4096^3 and TensorFlow 2048^3."""
    import tensorflow as tf

    a = np.random.default_rng(0).random((4096, 4096), "float32")
    b = tf.constant(a[:2048, :2048])
    numpy_rate = 4096**3 / min(timed(lambda: a @ a) for _ in range(3))
    tf_rate = 2048**3 / min(timed(lambda: tf.matmul(b, b).numpy()) for _ in range(5))
    return max(numpy_rate, tf_rate)


def show(work: str, found: dict[str, float], wanted: str, unit: str = "s") -> None:
    ours = found["ours"]
    peers = ", ".join(f"{k} {v:.3g} {unit} ({v / ours:.1f} x)" for k, v in found.items() if k != "ours")
    print(f"| {work} | {ours:.3g} {unit} | {peers} | {wanted} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one turn instead of five")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--child", type=int)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    times = 1 if given.quick else 5
    print(f"{platform.machine()}, {os.cpu_count()} cores, TensorFlow backend; medians of {times}")
    print("| work | ours | peers (time over ours) | wanted |\n|---|---|---|---|")
    examples = table(200_000, 30)
    show("one model, epoch of 200k x 30", epoch_seconds(examples, lambda: dense(30), 1, times, True), "5 x F, 2.2 x B")
    ten = epoch_seconds(examples, lambda: dense(30), 10, times, True)
    show("10 members on bootstrap draws, the same", ten, "7 x F, 3 x B")
    flops = 10 * 200_000 * 3 * (30 * 128 + 128 * 64 + 64)
    print(
        f"| share of the matmul peak, 10 members | {flops / ten['ours'] / matmul_peak():.0%} | | reported |", flush=True
    )
    show("3-member ensemble, 5 epochs, all included", ensemble_seconds(times), "5 x F")
    if given.data.is_dir():
        show(
            "4 strategies x 5 folds x 20 epochs, mammography",
            race_seconds(given.data, 1 if given.quick else 3),
            "10 x F",
        )
    rng = np.random.default_rng(0)
    images = Examples(rng.random((20_000, 28, 28, 1), "float32"), (rng.random(20_000) < 0.1).astype(np.int32), (0, 1))
    show("small CNN, 28 x 28, 20k images, 3 members", epoch_seconds(images, cnn, 3, times, False), "1.4 x F")
    show("one small model, 1,000 rows", small_seconds(times), "at most 1.1 x the time of F")
    one, many = peak_megabytes(1), peak_megabytes(10)
    print(f"| extra peak memory of 10 members over 1, 1M x 30 | {(many - one) / 120:.2f} of the data | | under 0.3 |")


if __name__ == "__main__":
    main()

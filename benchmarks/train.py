"""The training program against loops of `fit`, side by side, alternating, medians.

    python -m benchmarks.train [--rows one,ten,...] [--turns 5] [--peers F|B|FB] [--kept FILE] [--data FOLDER]

(F) `fit` with Keras's defaults in a loop, data resampled by imbalanced-learn. (B) the same with `fit`'s best settings
(steps_per_execution=32, jit_compile=True for dense networks, False for convolutions). Imports are excluded. Each row
is kept in a file as soon as it is measured, and a later call measures only the rows that are missing there; the table
comes at the end, in Markdown.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks._turns import Numbers, Options, alternate, machine, measure, timed
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Holdout
from counterpoise.data.read import read
from counterpoise.data.split import make_folds
from counterpoise.engines import program_cache
from counterpoise.engines.program_engine import ProgramEngine
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import job_of, jobs_of
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.select import find

BATCH = 512


def dense(inputs: int) -> keras.Model:
    layers = [
        keras.Input((inputs,)),
        keras.layers.Dense(128, "relu"),
        keras.layers.Dense(64, "relu"),
        keras.layers.Dense(1),
    ]
    return keras.Sequential(layers)


def with_dropout(widths: tuple[int, ...], inputs: int) -> keras.Model:
    """One Dense 16 is the network of TensorFlow's tutorial on imbalanced data."""
    hidden = [layer for units in widths for layer in (keras.layers.Dense(units, "relu"), keras.layers.Dropout(0.5))]
    return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(1)])


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


def cold(work: Callable[[], object]) -> float:
    """Seconds of a work whose compilation counts: programs of the turn before are forgotten."""
    program_cache.clear()
    return timed(work)


def on_rows(rows: np.ndarray) -> Holdout:
    """Training rows alone, which may repeat."""
    return Holdout(rows, np.empty(0, np.int64))


def whole(examples: Examples) -> Holdout:
    return on_rows(np.arange(len(examples)))


def jobs(
    network: Network, examples: Examples, members: int, epochs: int, batch: int = BATCH, bootstrap: bool = False
) -> list[Any]:
    """Networks on all rows, or each on a bootstrap draw of them."""
    settings = Settings(epochs=epochs, batch_size=batch, early_stopping=False)
    rng, n, shared = np.random.default_rng(0), len(examples), whole(examples)
    folds = [on_rows(rng.integers(0, n, n)) if bootstrap else shared for _ in range(members)]
    trainer = Trainer.of(examples, network, settings)
    return [job_of(find("none"), trainer, fold, member) for member, fold in enumerate(folds)]


def epoch_seconds(
    examples: Examples, make: Callable[[], keras.Model], members: int, options: Options, *, xla: bool, more: int = 2
) -> Numbers:
    """Seconds per epoch of all members after compilation: the time of 1 + `more` epochs less that of 1, over `more`."""
    network = Network(make(), examples, initial_weights="fresh")
    twenty = jobs(network, examples, members, 20)
    ProgramEngine.of(examples, network).prepare(twenty)  # the way of a training of 20 epochs
    y = examples.y[:, None].astype("float32")
    fits = {name: compiled(make(), name == "B", xla) for name in options.peers}
    rng = np.random.default_rng(0)

    def fit(name: str) -> float:
        def member() -> None:
            rows = rng.integers(0, len(y), len(y)) if members > 1 else slice(None)
            fits[name].fit(examples.x[rows], y[rows], batch_size=BATCH, epochs=1, verbose=0)

        return timed(lambda: [member() for _ in range(members)])

    def ours() -> float:
        short, long = (
            timed(lambda e=e: list(run(jobs(network, examples, members, e, bootstrap=members > 1), examples, network)))
            for e in (1, 1 + more)
        )
        return (long - short) / more

    for model in fits.values():
        model.fit(examples.x[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
    work = {"F": lambda: fit("F"), "B": lambda: fit("B"), "ours": ours}
    return alternate(work | {"peak": matmul_peak} if members == 10 else work, options)


def one(options: Options) -> Numbers:
    return epoch_seconds(table(200_000, 30), lambda: dense(30), 1, options, xla=True)


def ten(options: Options) -> Numbers:
    seconds = epoch_seconds(table(200_000, 30), lambda: dense(30), 10, options, xla=True)
    products = 10 * 200_000 * 3 * (30 * 128 + 128 * 64 + 64)
    return seconds | {"share": products / seconds["ours"] / seconds["peak"]}


def cnn_members(options: Options) -> Numbers:
    rng = np.random.default_rng(0)
    images = Examples(rng.random((20_000, 28, 28, 1), "float32"), (rng.random(20_000) < 0.1).astype(np.int32), (0, 1))
    return epoch_seconds(images, cnn, 3, options, xla=False, more=1)


def ensemble(options: Options, n: int = 200_000) -> Numbers:
    """3-member resampling ensemble, 5 epochs, compilation and resampling included."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler

    examples = table(n, 30)

    def fit(best: bool) -> float:
        def work() -> None:
            for sampler in (None, RandomOverSampler(random_state=0), RandomUnderSampler(random_state=0)):
                x, y = (examples.x, examples.y) if sampler is None else sampler.fit_resample(examples.x, examples.y)
                compiled(dense(30), best).fit(x, y[:, None].astype("float32"), batch_size=BATCH, epochs=5, verbose=0)

        return timed(work)

    def ours() -> float:
        settings = Settings(epochs=5, batch_size=BATCH, early_stopping=False, budget="epochs")
        network = Network(dense(30), examples, initial_weights="fresh")
        work = jobs_of(find("resampling_ensemble"), Trainer.of(examples, network, settings), whole(examples))
        return cold(lambda: list(run(work, examples, network)))

    return alternate({"F": lambda: fit(False), "B": lambda: fit(True), "ours": ours}, options)


def comparison(options: Options) -> Numbers:
    """4 strategies x 5 folds x 20 epochs on mammography, batch 256; a turn of a peer is one fold, times 5."""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.under_sampling import RandomUnderSampler
    from sklearn.utils.class_weight import compute_class_weight

    examples = read(options.data / "mammography.csv", target="class")
    x = np.ascontiguousarray(examples.x["numeric"])
    x = (x - x.mean(0)) / x.std(0)
    settings = Settings(epochs=20, batch_size=256, early_stopping=False, budget="epochs")
    names = ("none", "oversample", "undersample", "class_weight")
    turns = {name: iter(range(10**9)) for name in "FB"}

    def fit(name: str) -> float:
        def work() -> None:
            fold = make_folds(examples, 5)[next(turns[name]) % 5]
            rows = fold.train
            weights = dict(enumerate(compute_class_weight("balanced", classes=np.arange(2), y=examples.y[rows])))
            for strategy in names:
                sampler = {"oversample": RandomOverSampler, "undersample": RandomUnderSampler}.get(strategy)
                a, b = x[rows], examples.y[rows]
                if sampler:
                    a, b = sampler(random_state=0).fit_resample(a, b)
                model = compiled(dense(6), name == "B")
                how = {"class_weight": weights} if strategy == "class_weight" else {}
                model.fit(a, b[:, None].astype("float32"), batch_size=256, epochs=20, verbose=0, **how)
                model.predict(x[fold.test], verbose=0)

        return 5 * timed(work)

    def ours() -> float:
        def work() -> None:
            trainer = Trainer.of(examples, Network("mlp", examples), settings)
            trainer.train([j for n in names for f in make_folds(examples, 5) for j in jobs_of(find(n), trainer, f)])

        return cold(work)

    return alternate({"F": lambda: fit("F"), "B": lambda: fit("B"), "ours": ours}, options)


def small(options: Options) -> Numbers:
    """One small model on 1,000 rows, 5 epochs, everything included."""
    examples = table(1000, 30)
    y = examples.y[:, None].astype("float32")

    def fit(best: bool) -> float:
        return timed(lambda: compiled(dense(30), best).fit(examples.x, y, epochs=5, verbose=0))

    def ours() -> float:
        network = lambda: Network(dense(30), examples, initial_weights="fresh")  # noqa: E731
        return cold(lambda: list(run(jobs(network(), examples, 1, 5, 32), examples, network())))

    return alternate({"F": lambda: fit(False), "B": lambda: fit(True), "ours": ours}, options)


def dropout(options: Options, widths: tuple[int, ...] = (16,), batch: int = 2048, epochs: int = 40) -> Numbers:
    """A network with dropout on 100k x 29, everything included."""
    examples = table(100_000, 29)
    y = examples.y[:, None].astype("float32")

    def fit(best: bool) -> float:
        model = compiled(with_dropout(widths, 29), best)
        return timed(lambda: model.fit(examples.x, y, batch_size=batch, epochs=epochs, verbose=0))

    def ours() -> float:
        network = Network(with_dropout(widths, 29), examples, initial_weights="fresh")
        return cold(lambda: list(run(jobs(network, examples, 1, epochs, batch), examples, network)))

    return alternate({"F": lambda: fit(False), "B": lambda: fit(True), "ours": ours}, options)


def memory(options: Options) -> Numbers:
    """Extra peak memory of 10 members over 1, as a share of 1M x 30 numbers."""
    peaks = {
        members: alternate({"peak": lambda m=members: peak_megabytes(m)}, Options(2, "", options.data))["peak"]
        for members in (1, 10)
    }
    return {"share": (peaks[10] - peaks[1]) / 120}


def peak_megabytes(members: int) -> float:
    """Peak memory of a child process that trains members on 1M x 30 for one epoch."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.train", "--child", str(members)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def child(members: int) -> None:
    examples = table(1_000_000, 30)
    network = Network(dense(30), examples, initial_weights="fresh")
    list(run(jobs(network, examples, members, 1, 4096), examples, network))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def matmul_peak() -> float:
    """Float32 multiply-adds per second, best of NumPy 4096^3 and TensorFlow 2048^3."""
    import tensorflow as tf

    a = np.random.default_rng(0).random((4096, 4096), "float32")
    b = tf.constant(a[:2048, :2048])
    numpy_rate = 4096**3 / min(timed(lambda: a @ a) for _ in range(2))
    tf_rate = 2048**3 / min(timed(lambda: tf.matmul(b, b).numpy()) for _ in range(5))
    return max(numpy_rate, tf_rate)


#: name -> (what is measured, what it should be, measurement)
ROWS: dict[str, tuple[str, str, Callable[[Options], Numbers]]] = {
    "one": ("one model, epoch of 200k x 30", "5 x F, 2.2 x B", one),
    "ten": ("10 members on bootstrap draws, the same", "7 x F, 3 x B", ten),
    "ensemble": ("3-member ensemble, 200k x 30, 5 epochs, all included", "5 x F", ensemble),
    "ensemble50": ("the same, 50k x 30", "reported", partial(ensemble, n=50_000)),
    "comparison": ("4 strategies x 5 folds x 20 epochs on mammography, all included", "10 x F", comparison),
    "cnn": ("small CNN, epoch of 20k images 28 x 28, 3 members", "1.4 x F", cnn_members),
    "dropout": ("the tutorial's network: Dense 16, dropout, 100k x 29, batch 2,048, 40 epochs", "3 x F", dropout),
    "dropout128": (
        "Dense 128-64 with dropout, 100k x 29, batch 1,024, 20 epochs",
        "reported",
        partial(dropout, widths=(128, 64), batch=1024, epochs=20),
    ),
    "small": ("one small model, 1,000 rows, all included", "0.9 x F", small),
    "memory": ("extra peak memory of 10 members over 1, 1M x 30", "under 0.3 of the data", memory),
}


def lines(results: dict[str, Numbers]) -> list[str]:
    """The Markdown table."""
    shown = ["| work | ours | peers (their time over ours) | at least |", "|---|---|---|---|"]
    for name, (work, wanted, _) in ROWS.items():
        row = results.get(name)
        if not row:
            continue
        if name == "memory":
            shown.append(f"| {work} | {row['share']:.2f} of the data | | {wanted} |")
            continue
        ours = row["ours"]
        peers = ", ".join(f"{k} {row[k]:.3g} s ({row[k] / ours:.1f} x)" for k in "FB" if k in row)
        shown.append(f"| {work} | {ours:.3g} s | {peers} | {wanted} |")
        if "share" in row:
            shown.append(f"| the same: share of the machine's matmul rate | {row['share']:.0%} | | reported |")
    return shown


def _options(given: argparse.Namespace, wanted: str) -> Options:
    return Options(given.turns, given.peers or ("FB" if "B" in wanted else "F"), given.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="what to measure")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--peers", choices=["F", "B", "FB"], help="default: F, and B where a ratio to B is wanted")
    parser.add_argument("--kept", type=Path, default=Path("build/bench-train.json"), help="results, added to")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    names = [name for name in given.rows.split(",") if name != "comparison" or given.data.is_dir()]
    before = machine()
    rows = {name: partial(ROWS[name][2], _options(given, ROWS[name][1])) for name in names}
    results = measure(rows, given.kept)
    print(f"{before}; medians of {given.turns} in turn\n")
    print("\n".join(lines(results)))


if __name__ == "__main__":
    main()

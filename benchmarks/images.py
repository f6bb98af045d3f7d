"""Image files: how fast pixels come, how much memory a long list takes, and what a comparison waits for.

    python -m benchmarks.images [--rows passes,memory,compare] [--files 20000] [--listed 100000] [--turns 3]

JPEG files of 512 x 512 (quality 90, 4:2:0) are made of the blood cells of the shared sets, enlarged and with noise, and
read at 128 x 128. The peer is `keras.utils.image_dataset_from_directory(...).prefetch(AUTOTUNE)`: TensorFlow decodes
each file in full and takes single pixels of it (bilinear, without antialiasing). Counterpoise has Pillow decode at a
quarter of the sides (a smaller cosine transform, which averages). Both decode on all cores.

- passes: images per second of the first pass and of later ones, in batches of 32 in random order. The first pass of
  Counterpoise has `cp.images` in it, which lists the files and checks each. Images per second of a core do not depend
  on what else the machine does.
- memory: the most memory that a process ever had which lists 100,000 files and reads them once.
- compare: `cp.compare`, default set, 3 folds, on 5,000 files, beside the same trainings (networks, rows, steps, looks
  at the early-stopping rows) as a loop of `fit` over `image_dataset_from_directory`, and over its `.cache(file)`; and
  the share of the time in which pixels are read, where a comparison keeps them out of memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import PIL
from PIL import Image

import counterpoise as cp
from benchmarks._turns import Numbers, Options, alternate, machine, timed
from counterpoise.core import sources
from counterpoise.core.job import Job
from counterpoise.data.decoded import Decoded
from counterpoise.engines.run import run

SIDE, SIZE, BATCH, NOISE, QUALITY = 512, 128, 32, 4.0, 90
#: Files, folds, epochs and batch of the comparison.
COMPARED, FOLDS, EPOCHS, COMPARE_BATCH = 5_000, 3, 3, 64


def make_files(folder: Path, data: Path, count: int) -> None:
    """JPEG files in one sub-folder for each class, the same for the same count."""
    with np.load(data / "blood_cells_bccd.npz") as z:
        pictures, labels = z["images"], z["labels"]
    noise = np.random.default_rng(0).normal(0.0, NOISE, (2 * SIDE, 2 * SIDE, 3)).astype(np.float32)
    for label in np.unique(labels):
        (folder / str(label)).mkdir()

    def make(number: int) -> None:
        rng, row = np.random.default_rng(number), number % len(pictures)
        top, left = rng.integers(0, SIDE, 2)
        large = np.asarray(Image.fromarray(pictures[row]).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
        values = np.clip(large + noise[top : top + SIDE, left : left + SIDE], 0, 255).astype(np.uint8)
        Image.fromarray(values).save(folder / str(labels[row]) / f"{number:06}.jpg", quality=QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, range(count)))
    sizes = [path.stat().st_size for path in folder.glob("*/*.jpg")]
    print(f"{len(sizes):,} files of {np.mean(sizes) / 2**10:.0f} KB\n", flush=True)


# Passes ------------------------------------------------------------------------------------------------------------


def dataset(folder: Path, batch: int = BATCH, shuffle: bool = True) -> Any:
    """What people write."""
    import tensorflow as tf

    images = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIZE, SIZE), batch_size=batch, shuffle=shuffle, verbose=False
    )
    return images.prefetch(tf.data.AUTOTUNE)


def passes(folder: Path, count: int, turns: int) -> Numbers:
    """Images per second, and per second of a core in the first pass: {"first ours": ..., and so on}."""
    later: dict[str, list[float]] = {"ours": [], "peer": []}
    core: dict[str, list[float]] = {"ours": [], "peer": []}

    def one(name: str, listed: Callable[[], Callable[[], object]]) -> float:
        start, processor = time.perf_counter(), time.process_time()
        one_pass = listed()
        one_pass()
        first = time.perf_counter() - start
        core[name].append(count / (time.process_time() - processor))
        later[name].append(count / timed(one_pass))
        return count / first

    def ours() -> Callable[[], object]:
        images = cp.images(folder, SIZE)
        feed = cp.batches(images, batch_size=BATCH)
        epochs = iter(range(99))

        def one_pass() -> None:
            epoch = next(epochs)
            for step in range(feed.num_batches):
                feed.batch(epoch, step)

        return one_pass

    def peer() -> Callable[[], object]:
        batches = dataset(folder)
        return lambda: sum(1 for _ in batches)

    work = {"ours": partial(one, "ours", ours), "peer": partial(one, "peer", peer)}
    first = alternate(work, Options(turns, "", Path()))
    rates = {"first": {name: [value] for name, value in first.items()}, "later": later, "first, per core": core}
    return {f"{which} {name}": float(np.median(v)) for which, by in rates.items() for name, v in by.items()}


# Memory ------------------------------------------------------------------------------------------------------------

READS = """
import sys
from pathlib import Path
import counterpoise as cp
from counterpoise.data.image_rows import examples_of
images = cp.images(sys.argv[1], {size})
listed = Path("/proc/self/status").read_text()
examples = examples_of(images)
for start in range(0, len(examples), 64):
    examples.x[start : start + 64]
for text in (listed, Path("/proc/self/status").read_text()):
    print(next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 2**10)
"""


def memory(folder: Path, listed: int, scratch: Path) -> Numbers:
    """Megabytes that a process had at most after it listed so many files, and after it read them all."""
    paths, many = sorted(folder.glob("*/*.jpg")), scratch / "many"
    for label in {path.parent.name for path in paths}:
        (many / label).mkdir(parents=True)
    for number in range(listed):
        path = paths[number % len(paths)]
        os.link(path, many / path.parent.name / f"{number}.jpg")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", READS.format(size=SIZE), str(many)], check=True, capture_output=True, text=True
    )
    after_list, after_read = map(float, done.stdout.split())
    return {"listed": after_list, "read": after_read, "seconds": time.perf_counter() - start}


# Comparison --------------------------------------------------------------------------------------------------------


def network(spec: Any, n_classes: int) -> keras.Model:
    """Small, so that a step does not hide the time that pixels take."""
    inputs = spec.inputs()
    h = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    h = keras.layers.Conv2D(16, 5, strides=4, padding="same", activation="relu")(h)
    for width in (32, 64):
        h = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(h)
    return keras.Model(inputs, keras.layers.Dense(n_classes)(keras.layers.GlobalAveragePooling2D()(h)))


def compared(folder: Path, jobs: list[Job] | None = None) -> None:
    def executor(given: Any, *rest: Any, **more: Any) -> Any:
        given = list(given)
        if jobs is not None:
            jobs.extend({job.id: job for job in given}.values())
        return run(given, *rest, **more)

    cp.compare(
        network, cp.images(folder, SIZE), folds=FOLDS, epochs=EPOCHS, batch_size=COMPARE_BATCH, refit=False, verbose=0,
        executor=executor, early_stopping=False, show_pictures=False,
    )  # fmt: skip


def looped(folder: Path, scratch: Path, jobs: list[Job], cached: bool) -> None:
    """The trainings of a comparison as a loop of `fit`: each fold is a folder, as `image_dataset_from_directory` asks.

    Rows of a fold are drawn as they are, whatever the plan: it costs the same.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory(dir=scratch) as caches:

        def part(rows: np.ndarray, kind: str, shuffle: bool) -> Any:
            home = _linked(folder, scratch, rows)
            if not cached:
                return dataset(home, COMPARE_BATCH, shuffle)
            images = keras.utils.image_dataset_from_directory(
                home, image_size=(SIZE, SIZE), batch_size=None, shuffle=False, verbose=False
            )
            images = images.cache(f"{caches}/{kind}-{home.name}")
            images = (images.shuffle(1_000) if shuffle else images).batch(COMPARE_BATCH)
            return images.prefetch(tf.data.AUTOTUNE)

        for job in jobs:
            model = network(cp.InputSpec((SIZE, SIZE, 3)), 3)
            model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
            limits = job.limits
            model.fit(
                part(job.train, "train", True).repeat(), steps_per_epoch=limits.round_steps,
                epochs=limits.steps // limits.round_steps, verbose=0, validation_data=part(job.stop, "stop", False),
            )  # fmt: skip
            model.predict(part(job.score, "score", False), verbose=0)


def _linked(folder: Path, scratch: Path, rows: np.ndarray) -> Path:
    """A folder of links to some of the files."""
    home = scratch / f"rows-{abs(hash(rows.tobytes()))}"
    if not home.exists():
        paths = sorted(folder.glob("*/*.jpg"))
        for row in rows:
            (home / paths[row].parent.name).mkdir(parents=True, exist_ok=True)
            (home / paths[row].parent.name / paths[row].name).symlink_to(paths[row])
    return home


@contextmanager
def outside_memory(reads: list[float]) -> Iterator[None]:
    """Pixels stay in the file of the cache, and the seconds of each reading of rows are noted."""
    budget, take = sources.IN_MEMORY, Decoded.take

    def timed_take(self: Decoded, rows: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        taken = take(self, rows)
        reads.append(time.perf_counter() - start)
        return taken

    sources.IN_MEMORY, Decoded.take = 100 * 2**20, timed_take  # type: ignore[method-assign]
    try:
        yield
    finally:
        sources.IN_MEMORY, Decoded.take = budget, take  # type: ignore[method-assign]


def comparison(folder: Path, scratch: Path, turns: int) -> Numbers:
    """Seconds of a comparison and of its peers, and the share of the time in which pixels are read from the cache."""
    jobs: list[Job] = []
    compared(folder, jobs)  # imports and traces are paid for
    distinct = list({job.id: job for job in jobs}.values())
    print(f"{len(distinct)} trainings, {sum(job.limits.steps for job in distinct):,} steps", flush=True)
    reads: list[float] = []

    def from_file() -> float:
        with outside_memory(reads):
            return timed(lambda: compared(folder))

    work = {
        "ours": lambda: timed(lambda: compared(folder)),
        "ours, pixels outside memory": from_file,
        "loop of fit": lambda: timed(lambda: looped(folder, scratch, distinct, False)),
        "loop of fit, cache(file)": lambda: timed(lambda: looped(folder, scratch, distinct, True)),
    }
    seconds = alternate(work, Options(turns, "", Path()))
    return {**seconds, "share of reading": sum(reads) / turns / seconds["ours, pixels outside memory"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="passes,memory,compare")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--listed", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"images: there is no folder {given.data}; give one with --data.")
        return
    print(f"{machine()}; Pillow {PIL.__version__}")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "files").mkdir()
        make_files(scratch / "files", given.data, given.files)
        for row in given.rows.split(","):
            if row == "passes":
                numbers = passes(scratch / "files", given.files, given.turns)
                for which in ("first", "first, per core", "later"):
                    ours, peer = numbers[f"{which} ours"], numbers[f"{which} peer"]
                    print(f"{which}: {ours:,.0f} images/s, peer {peer:,.0f}: {ours / peer:.2f} x", flush=True)
            elif row == "memory":
                numbers = memory(scratch / "files", given.listed, scratch)
                print(
                    f"{given.listed:,} files: {numbers['listed']:,.0f} MB listed, {numbers['read']:,.0f} MB read, in "
                    f"{numbers['seconds']:,.0f} s",
                    flush=True,
                )
            else:
                (scratch / "compared").mkdir()
                make_files(scratch / "compared", given.data, min(COMPARED, given.files))
                numbers = comparison(scratch / "compared", scratch, given.turns)
                for name, value in numbers.items():
                    print(f"{name}: {value:,.3g}", flush=True)


if __name__ == "__main__":
    main()

"""The memory of one process over many small comparisons: what one leaves behind.

    python -m benchmarks.memory [--comparisons 100]

Prints the resident memory after the first comparison and after every tenth. Each has a network, programs and examples
of its own, and a builder that changes shape, so that nothing could be used again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import keras
import numpy as np

import counterpoise as cp


def resident() -> float:
    """Megabytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def compare_once(number: int) -> None:
    """A small comparison of two strategies over two folds, with a network of its own width."""
    rng = np.random.default_rng(number)
    y = np.repeat([0, 1], [160, 40])
    x = rng.normal(size=(200, 4)).astype("float32") + y[:, None]

    def build(spec: cp.InputSpec, n_classes: int) -> keras.Model:
        inputs = spec.inputs()
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(8 + number, "relu")(inputs)))

    cp.compare(build, x, y, strategies=["none", "oversample"], folds=2, epochs=2, refit=False, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=100)
    given = parser.parse_args()
    print("| comparisons | resident memory, MB |\n|---|---|")
    for number in range(1, given.comparisons + 1):
        compare_once(number)
        if number == 1 or number % 10 == 0:
            print(f"| {number} | {resident():.0f} |", flush=True)


if __name__ == "__main__":
    main()

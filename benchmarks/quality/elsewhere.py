"""Estimators of imbalanced-ensemble, whose pins ask for an environment of their own, and the process that runs them.

    python -m venv ENV && ENV/bin/pip install imbalanced-ensemble==0.2.3

`python elsewhere.py` with that environment's Python answers: each line on its input names a file of arrays (x, y, ask),
and it writes the probabilities beside it. Here an `Elsewhere` looks like any other classifier.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

Array = np.ndarray
KINDS = {"self_paced_ensemble": "SelfPacedEnsembleClassifier", "balance_cascade": "BalanceCascadeClassifier"}


class Elsewhere(ClassifierMixin, BaseEstimator):
    """A classifier of imbalanced-ensemble: its rows are kept by `fit` and sent along with each question.

    Args:
        kind: A name of `KINDS`.
        python: The Python of its environment.
        n_estimators: Trees.
        random_state: Seed.
    """

    def __init__(self, kind: str, python: str, n_estimators: int = 50, random_state: int | None = None) -> None:
        self.kind, self.python, self.n_estimators, self.random_state = kind, python, n_estimators, random_state

    def fit(self, x: Array, y: Array) -> Elsewhere:
        """Keep the rows."""
        self.x_, self.y_, self.classes_ = x, y, np.unique(y)
        return self

    def predict_proba(self, x: Array) -> Array:
        """Probabilities (N, C) of a model fitted on the rows kept."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npz"
            np.savez(path, x=self.x_, y=self.y_, ask=x, how=[self.n_estimators, self.random_state or 0])
            server = _server(self.python)
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(f"{self.kind} {path}\n")
            server.stdin.flush()
            if server.stdout.readline().strip() != "done":
                raise RuntimeError(f"{self.python} did not answer; is imbalanced-ensemble installed there?")
            return np.load(f"{path}.proba.npy")


@lru_cache(maxsize=1)
def _server(python: str) -> subprocess.Popen[str]:
    return subprocess.Popen([python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def serve() -> None:
    """Answer until the input ends."""
    import imbens.ensemble

    for line in sys.stdin:
        kind, path = line.split()
        rows: Any = np.load(path)
        trees, seed = rows["how"].tolist()
        model = getattr(imbens.ensemble, KINDS[kind])(n_estimators=trees, random_state=seed)
        np.save(f"{path}.proba.npy", model.fit(rows["x"], rows["y"]).predict_proba(rows["ask"]))
        print("done", flush=True)


if __name__ == "__main__":
    serve()

"""Training on the PyTorch backend, where PyTorch is installed: tables and arrays train and load; text is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

SCRIPT = """
import logging, sys
import keras, numpy as np, pandas as pd, counterpoise as cp
logging.disable()
assert keras.backend.backend() == "torch"
rng = np.random.default_rng(0)
y = (np.arange(120) % 5 == 0).astype(int)
x = (rng.normal(size=(120, 3)) + y[:, None]).astype("float32")
table = pd.DataFrame({"a": x[:, 0], "k": np.where(x[:, 1] > 0, "u", "v")})
for model, rows, strategy in (("mlp", x, "crt"), ("tabular", table, "resampling_ensemble")):
    clf = cp.fit(model, rows, y, strategy=strategy, epochs=2, verbose=0)
    again = cp.load(clf.save(sys.argv[1]))
    np.testing.assert_allclose(again.predict_proba(rows), clf.predict_proba(rows), atol=1e-5)
try:
    cp.fit("text", np.array(["a b", "c"] * 60), y, verbose=0)
except cp.CounterpoiseError as error:
    print(error)
"""


@pytest.mark.skipif(find_spec("torch") is None, reason="PyTorch is not installed")
def test_what_works_on_torch(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "m.keras")],
        env={**os.environ, "KERAS_BACKEND": "torch"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "only on TensorFlow" in done.stdout

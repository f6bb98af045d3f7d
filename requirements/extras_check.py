"""Does an extra bring what it guarantees? Run in an environment that holds the built package.

    extras_check.py EXTRA         does a small job that needs the extra
    extras_check.py --without     where only TensorFlow is installed: each job names its extra and how to install it
    extras_check.py --bare        where no backend is installed: what works, and what training says

`package.sh` runs all three.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import numpy as np

if sys.argv[1:] == ["jax"]:
    os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import counterpoise as cp

RNG = np.random.default_rng(0)
Y = (np.arange(400) % 8 == 0).astype(int)
X = (RNG.normal(size=(400, 3)) + 1.5 * Y[:, None]).astype("float32")


def comparison(strategies: str = "none,threshold", **more: Any) -> cp.Comparison:
    """A comparison of some seconds."""
    return cp.compare("mlp", X, Y, strategies=strategies, folds=2, epochs=2, refit=False, verbose=0, **more)


def trained(**more: Any) -> cp.Classifier:
    """A classifier that says the same after saving and loading."""
    clf = cp.fit("mlp", X, Y, strategy="oversample", epochs=5, verbose=0, **more)
    with tempfile.TemporaryDirectory() as folder:
        again = cp.load(clf.save(Path(folder) / "m.keras"))
    np.testing.assert_allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-6)
    return clf


def jax(_: Path) -> None:
    trained(engine="fit")
    assert "tensorflow" not in sys.modules


def ray(_: Path) -> None:
    with cp.scale.ray("local", num_cpus=1) as cluster:
        there = comparison(executor=cluster)
    assert [row["status"] for row in there.leaderboard] == ["ok", "ok"]


def onnx(out: Path) -> None:
    file = out / "m.onnx"
    clf = trained()
    clf.export(file, format="onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file))
    (rows,) = session.get_inputs()
    outputs = session.run(None, {rows.name: X})
    assert any(np.allclose(p, clf.predict_proba(X), atol=1e-4) for p in outputs if p.shape == (400, 2)), outputs


def litert(out: Path) -> None:
    trained().export(out / "m.tflite", format="litert")  # runs what it wrote and compares
    assert (out / "m.tflite").stat().st_size > 0


def images(out: Path) -> None:
    for row, label in enumerate(Y[:80]):
        (out / str(label)).mkdir(exist_ok=True)
        (out / str(label) / f"{row}.ppm").write_bytes(b"P6 8 8 255 " + bytes([100 * label + row]) * 192)
    clf = cp.fit("cnn", cp.images(out, size=8), epochs=1, verbose=0)
    assert clf.predict_proba(cp.images(out, size=8)).shape == (80, 2)


def pandas(_: Path) -> None:
    frame = comparison().to_frame()
    assert type(frame).__module__.startswith("pandas"), type(frame)
    assert list(frame["strategy"]) != []


def mlflow(out: Path) -> None:
    address = f"sqlite:///{out}/runs.sqlite"
    os.chdir(out)
    comparison().log_to("mlflow", address)
    from mlflow import MlflowClient

    runs = MlflowClient(address).search_runs(["0"])
    assert {"none", "threshold"} <= {run.data.params.get("strategy") for run in runs}


def tune(_: Path) -> None:
    assert comparison("focal", tune=2).leaderboard[0]["status"] == "ok"


def trees(_: Path) -> None:
    assert {row["status"] for row in comparison("none,external:lightgbm").leaderboard} == {"ok"}


def demo(out: Path) -> None:
    subprocess.run([sys.executable, "-m", "counterpoise", "demo", "--epochs", "1", "--out", out / "run"], check=True)
    assert (out / "run" / "report.html").is_file()


def backend(_: Path) -> None:
    trained()


JOBS: dict[str, Callable[[Path], None]] = {
    "tensorflow": backend, "tensorflow-cpu": backend, "jax": jax, "ray": ray, "onnx": onnx, "litert": litert,
    "images": images, "pandas": pandas, "mlflow": mlflow, "tune": tune, "trees": trees, "demo": demo,
}  # fmt: skip
#: Extras without which another one does the work.
REPLACED = ("tensorflow", "tensorflow-cpu", "jax", "pandas")


def refused(job: Callable[[Path], object], extra: str) -> None:
    """The job ends with one line that names the extra."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            job(Path(folder))
        except ImportError as error:
            if f"pip install 'counterpoise[{extra}]'" not in str(error) or "\n" in str(error):
                raise
            print(f"  {error}")
        else:
            raise SystemExit(f"{extra}: its job was done without it")


def without() -> None:
    from counterpoise.cli.demo import loans

    for extra, job in {**JOBS, "demo": lambda _: loans()}.items():
        if extra not in REPLACED:
            refused(job, extra)
    assert type(comparison().to_frame()).__module__.startswith("polars")


def bare() -> None:
    assert len(cp.plans.oversample(Y)) == 700
    assert "imbalance ratio" in str(cp.diagnose(X, Y))
    assert cp.metrics.average_precision(Y, np.stack([1 - Y, Y], axis=1)) == 1
    refused(backend, "tensorflow")
    refused(lambda _: cp.losses.Focal(), "tensorflow")


def versions(extra: str) -> str:
    """What the extra brought."""
    names = [line.split(";")[0].split(">")[0].split("=")[0].split("<")[0].strip()
             for line in requires("counterpoise") or () if line.endswith(f"== '{extra}'")]  # fmt: skip
    return ", ".join(f"{name} {version(name)}" for name in [*names, "keras", "numpy"])


if __name__ == "__main__":
    (asked,) = sys.argv[1:]
    if asked in ("--without", "--bare"):
        {"--without": without, "--bare": bare}[asked]()
    else:
        with tempfile.TemporaryDirectory() as folder:
            JOBS[asked](Path(folder))
        print(f"{asked}: works with {versions(asked)}")

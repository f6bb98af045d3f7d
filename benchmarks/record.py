"""Every number of a set of comparisons, written down; two records compared.

    python -m benchmarks.record write FILE [--data FOLDER]     # a few minutes
    python -m benchmarks.record compare A B [--tolerance T]    # exit status 1 where they differ

For who restructures the package: what was not changed on purpose must stay equal. A record has, for each table and
strategy, every score fold by fold, fits, best steps and a hash of the corrected log-probabilities of the test rows; the
predictions of the retrained classifier on fixed rows, before and after saving; and those of its exports. Write two
records on the old commit first, with the same number of threads: what differs there is the tolerance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

STRATEGIES = "default,smote,focal,easy_ensemble,self_paced_ensemble,mixup,external:random_forest"
#: Table -> (file, target, columns to leave out, model).
TABLES = {
    "mammography": ("mammography.csv", "class", (), "mlp"),
    "wine_quality": ("wine_quality.csv", "quality", (), "tabular"),
    "sick_thyroid": ("sick_thyroid.csv", "Class", (), "mlp"),
}
IMAGES = "pneumonia_mnist_imb.npz"
ROWS, FOLDS, EPOCHS = 3000, 3, 3


def _sets(folder: Path) -> Iterator[tuple[str, str, Any, Any]]:
    """Name, model, rows and labels (or the name of the target) of each set; of large ones some rows."""
    import polars as pl

    for name, (file, target, drop, model) in TABLES.items():
        table = pl.read_csv(folder / file, infer_schema_length=None).drop(drop)
        if name == "wine_quality":
            table = table.with_columns(pl.col(target).clip(4, 8))  # three wines of 9, and thirty of 3
        yield name, model, table.sample(min(ROWS, len(table)), shuffle=True, seed=0), target
    with np.load(folder / IMAGES) as stored:
        x, y = stored["images"], stored["labels"]
    rows = np.random.default_rng(0).permutation(len(y))[:800]
    yield "images", "cnn", x[rows][..., None].astype("float32") / 255.0, y[rows]


def _hash(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def record(folder: Path) -> dict[str, Any]:
    """Every number, by set."""
    import counterpoise as cp

    sets: dict[str, Any] = {}
    for name, model, x, y in _sets(folder):
        chosen = STRATEGIES if name != "images" else "default,focal,mixup"
        how = {"strategies": chosen, "folds": FOLDS, "epochs": EPOCHS, "verbose": 0}
        made = cp.compare(model, x, y, **how)
        rows = {row["strategy"]: _row(row, made) for row in made.leaderboard}
        fixed = x[:50]
        sets[name] = {"rows": rows, "winner": made.verdict.winner, "best": _outputs(made.best, fixed)}
        print(
            name, {key: round(row["scores"]["average_precision"][0], 4) for key, row in rows.items() if row["scores"]}
        )
    return sets


def _row(row: dict[str, Any], made: Any) -> dict[str, Any]:
    results = [result for result in made.fold_results if result.strategy == row["strategy"]]
    return {
        "status": row["status"], "fits": row.get("fits"), "steps": [result.steps for result in results],
        "scores": {key: score["folds"] for key, score in row.get("scores", {}).items()},
        "proba": [_hash(result.proba) for result in results],
        "mean_proba": [float(result.proba[:, -1].mean()) for result in results],
    }  # fmt: skip


def _outputs(classifier: Any, rows: Any) -> dict[str, Any]:
    """Probabilities of fixed rows: as trained, loaded from its file, and from the SavedModel."""
    import counterpoise as cp

    with tempfile.TemporaryDirectory() as folder:
        direct = classifier.predict_proba(rows)
        again = cp.load(classifier.save(Path(folder) / "m.keras")).predict_proba(rows)
        classifier.export(
            Path(folder) / "export", format="saved_model"
        )  # runs the export and holds it to the classifier
    return {"direct": direct[:, -1].tolist(), "loaded": again[:, -1].tolist()}


def differences(a: Any, b: Any, tolerance: float, path: str = "") -> Iterator[str]:
    """Where two records differ: places that one lacks, unequal words, numbers further apart than the tolerance."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            here = f"{path}/{key}"
            if key not in a or key not in b:
                yield f"{here}: only in {'B' if key in b else 'A'}"
            else:
                yield from differences(a[key], b[key], tolerance, here)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from differences(left, right, tolerance, f"{path}/{index}")
    elif isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if not (abs(a - b) <= tolerance or a == b or (a != a and b != b)):
            yield f"{path}: {a} {b}"
    elif a != b and not (tolerance and "/proba/" in path):
        yield f"{path}: {a} {b}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    work = parser.add_subparsers(dest="work", required=True)
    write = work.add_parser("write")
    write.add_argument("file", type=Path)
    write.add_argument("--data", type=Path, default=Path("../shared/data"))
    compare = work.add_parser("compare")
    compare.add_argument("a", type=Path)
    compare.add_argument("b", type=Path)
    compare.add_argument("--tolerance", type=float, default=0.0)
    chosen = parser.parse_args()
    if chosen.work == "write":
        chosen.file.write_text(json.dumps(record(chosen.data), indent=1))
        return
    lines = list(differences(json.loads(chosen.a.read_text()), json.loads(chosen.b.read_text()), chosen.tolerance))
    print("\n".join(lines[:40]) or "equal", f"({len(lines)} differences)" if lines else "")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()

"""The main job on real tables: what correction does to log loss, and what the ensemble does to average precision.

    python -m benchmarks.main_job [--data FOLDER] [--repeats 3]

Prints, per table, average precision of every strategy of the default set, log loss of the balanced strategies relative
to the baseline (corrected and uncorrected), and the ensemble against its best member and its members' average.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import counterpoise as cp
from counterpoise.data.read import read

TABLES = {
    "mammography": ("mammography.csv", "class", ()),
    "oil_spill": ("oil_spill.csv", "class", ("x0",)),
    "stroke": ("stroke.csv", "stroke", ("id",)),
    "sick_thyroid": ("sick_thyroid.csv", "Class", ()),
}
MEMBERS = ("none", "oversample", "undersample")
BALANCED = ("oversample", "undersample", "class_weight")


def mean_scores(folder: Path, name: str, repeats: int) -> dict[str, dict[str, float]]:
    """Mean score per strategy and metric on one table."""
    file, target, drop = TABLES[name]
    examples = read(folder / file, target=target, drop=drop)
    result = cp.compare("mlp", examples, folds=5, repeats=repeats, refit=False, verbose=0)
    keys = ("average_precision", "log_loss", "log_loss_uncorrected", "calibration_slope", "skill")
    return {row["strategy"]: {k: row["scores"][k]["mean"] for k in keys} for row in result.leaderboard}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if not given.data.is_dir():
        print(f"main_job: there is no folder {given.data}; give one with --data.")
        return
    above_best, above_average = [], 0
    for name in TABLES:
        scores = mean_scores(given.data, name, given.repeats)
        ap = {s: row["average_precision"] for s, row in scores.items()}
        members, ours = [ap[m] for m in MEMBERS], ap["resampling_ensemble"]
        above_best.append((ours, max(members)))
        above_average += ours > np.mean(members)
        print(f"\n{name}: average precision " + ", ".join(f"{s} {v:.3f}" for s, v in ap.items()))
        base = scores["none"]["log_loss"]
        for s in BALANCED:
            row = scores[s]
            print(
                f"  {s:<14} log loss {row['log_loss'] / base:5.2f} x none, uncorrected "
                f"{row['log_loss_uncorrected'] / base:5.2f} x; calibration slope {row['calibration_slope']:.2f}"
            )
        print(f"  ensemble {ours:.3f}, best member {max(members):.3f}, members' average {np.mean(members):.3f}")
    ours, best = np.mean(above_best, axis=0)
    print(f"\nmean over tables: ensemble {ours:.4f}, best member of each {best:.4f}, difference {ours - best:+.4f}")
    print(f"above the members' average on {above_average} of {len(TABLES)} tables")


if __name__ == "__main__":
    main()

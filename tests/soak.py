"""Kill comparisons at random moments and hold what they resume to against an undisturbed one.

    python tests/soak.py [--kills 20] [--seed 0]

Every comparison of the first part is killed (SIGKILL) once and then run again to its end: the leaderboard must be that
of the undisturbed comparison but for seconds and memory. A moment is a number of fits on disk, from none to all, and a
random pause after them, so that starting up, each fit, and judging are all met, however fast the machine is. The second
part trains the same jobs on two Ray nodes of this machine: twice in peace (the first time workers have more to
prepare), once with a node killed in the middle. Its extra time must be the fits that died and the restart, so it prints
both: what was in work on the dead node and is trained again, and how long the living node waited after the kill.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from forked import Runner, runner

from counterpoise.comparison.store import Store
from counterpoise.comparison.store_file import FILE
from counterpoise.core.errors import ArtifactError

#: Fits on disk that are waited for, and the pause in seconds after them.
Moment = tuple[int, float]
#: Fits of the comparison: two models under two strategies on two folds, and the winner on all rows.
FITS = 9
#: What differs from run to run on the leaderboard.
COSTS = ("seconds", "seconds_shared", "memory_mb")


def write_table(path: Path, rows: int = 240) -> Path:
    """A small table with a rare class."""
    rng = np.random.default_rng(0)
    y = (rng.random(rows) < 0.25).astype(int)
    x = rng.normal(size=(rows, 3)) + y[:, None]
    np.savetxt(path, np.column_stack([x, y]), delimiter=",", header="a,b,c,y", comments="", fmt="%.5f,%.5f,%.5f,%d")
    return path


def command_of(table: Path, out: Path) -> list[object]:
    """The command of a short comparison of two models."""
    how = ["--strategies", "none,oversample", "--folds", 2, "--epochs", 3, "--batch-size", 32]
    return ["compare", table, "--target", "y", *how, "--model", "mlp,boosted", "--out", out]


def board(out: Path) -> dict[str, Any]:
    """The leaderboard of a run, without what it cost."""
    record = json.loads((out / "leaderboard.json").read_text())
    record["rows"] = [{k: v for k, v in row.items() if k not in COSTS} for row in record["rows"]]
    return record


def moments(rng: np.random.Generator, number: int, seconds: float) -> list[Moment]:
    """Random moments of a comparison that takes so many seconds; all numbers of fits are equally often waited for.

    Pauses after a fit are mostly short: fits follow each other quickly, starting and judging take longer.
    """
    fits = rng.permutation(np.arange(number) % (FITS + 1))
    return [(int(k), float(seconds * (rng.uniform() if k == 0 else rng.uniform() ** 4 / FITS))) for k in fits]


def kept(out: Path) -> int:
    """Fits of a run that are on disk; nothing is opened before its writer has prepared the file."""
    if not (out / f"{FILE}-wal").exists():
        return 0
    with suppress(ArtifactError, sqlite3.Error), Store.reading(out) as store:
        return store.count()
    return 0


def kill(pid: int, out: Path, moment: Moment) -> None:
    """Kill a run at a moment, if it lives so long."""
    fits, pause = moment
    with suppress(ProcessLookupError):
        while fits and kept(out) < fits:
            os.kill(pid, 0)
            time.sleep(0.005)
        time.sleep(pause)
        os.kill(pid, signal.SIGKILL)


def ordeal(run: Runner, table: Path, out: Path, when: Iterable[Moment]) -> list[int]:
    """Start a comparison and kill it at a moment, again and again; then let it end. The exit codes."""
    codes = []
    for moment in when:
        kill(run.start(*command_of(table, out)), out, moment)
        codes.append(run.finish())
    return [*codes, run.run(*command_of(table, out))]


def undisturbed(run: Runner, table: Path, out: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of a whole comparison, and its leaderboard."""
    run.start(*command_of(table, out))
    start = time.perf_counter()
    if run.finish():
        raise RuntimeError(run.log.read_text())
    return time.perf_counter() - start, board(out)


def soak_kills(folder: Path, kills: int, seed: int) -> int:
    """Print each ordeal; the number of comparisons that did not end as they should."""
    rng, table, wrong = np.random.default_rng(seed), write_table(folder / "table.csv"), 0
    with runner(folder) as run:
        seconds, wanted = undisturbed(run, table, folder / "whole")
        print(f"undisturbed: {seconds:.1f} s")
        for number, moment in enumerate(moments(rng, kills, seconds)):
            out = folder / f"killed-{number}"
            codes = ordeal(run, table, out, [moment])
            lines = run.log.read_text().splitlines()
            same = codes[-1] == 0 and board(out) == wanted
            wrong += not same
            resumed = next((line for line in lines if line.startswith("resuming")), "nothing was kept yet")
            print(f"killed {moment[1]:5.2f} s after fit {moment[0]} (exit {codes[0]}): {resumed}; "
                  f"{'identical' if same else 'DIFFERENT'}", flush=True)  # fmt: skip
    return wrong


def soak_ray() -> int:
    """Print seconds with and without the death of a node; 1 when a fit is missing or differs."""
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        print("Ray is not installed: its part is left out.")
        return 0
    from small_jobs import same, world

    from counterpoise import scale
    from counterpoise.engines.run import run as train

    # A node counts as dead when it misses five looks of a second each; Ray's own period is 3 s.
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_health_check_period_ms": "1000",
    }  # fmt: skip
    examples, network, jobs = world(epochs=1000, early_stopping=False)
    ours, store = dict(train(jobs, examples, network)), 100 << 20
    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": store}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=store) for _ in range(2)]
    wrong = 0
    try:
        for deadly in (False, False, True):
            start, members, came, killed = time.perf_counter(), {}, [], None
            with scale.ray(cluster.address) as executor:
                for job_id, member in executor(jobs, examples, network):
                    members[job_id] = member
                    came.append(time.perf_counter() - start)
                    if deadly and len(members) == len(ours) // 2:
                        killed = came[-1]
                        cluster.remove_node(nodes[0], allow_graceful=False)
            good = set(members) == set(ours) and all(same(ours[k], m) for k, m in members.items())
            wrong += not good
            what, word = "one node killed at half" if deadly else "two nodes", "equal" if good else "DIFFERENT"
            when = f"{came[-1]:.1f} s (the first after {came[0]:.1f} s)"
            print(f"{what}: {len(members)} of {len(ours)} fits, {word}, {when}", flush=True)
            if killed is not None:
                print(after_kill([member.seconds for member in members.values()], came, killed), flush=True)
    finally:
        ray.shutdown()
        cluster.shutdown()
    return int(wrong > 0)


def after_kill(seconds: list[float], came: list[float], killed: float) -> str:
    """How the time after the death of one of two nodes was spent, from what each fit took and when it came."""
    late = [took for took, at in zip(seconds, came, strict=True) if at > killed]
    left, again = came[-1] - killed, max(late, default=0.0)
    return (
        f"after the kill {left:.1f} s: {len(late)} fits of {sum(late):.1f} s on one node, at most one of them "
        f"({again:.1f} s) for the second time; {max(0.0, left - sum(late)):.1f} s of waiting"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = soak_kills(Path(folder), given.kills, given.seed)
    wrong += soak_ray()
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

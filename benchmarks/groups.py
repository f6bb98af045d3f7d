"""Do the intervals of groups hold? At score level: labels, probabilities and groups are drawn, nothing is trained.

    python -m benchmarks.groups [--draws 2000]

Three sites with other prevalences, scores and calibration. In `rows` every row stands alone. In `patients` each patient
has one to eight rows, alike by a patient's own deviation, and is seen at one site or at two. Counted is how often the
intervals of a score contain the value of a population of four million rows: of each site alone, and of all differences
from the largest site together. The last lines do the same for two groups.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from counterpoise.metrics.group_scores import COMPARED, GROUP_SCORES, group_scores

Array = np.ndarray
#: Of each site: share of patients, log-odds of the prevalence, log-odds that the scores are too high by.
SITES = np.array([[0.5, -1.7, 0.0], [0.3, -1.2, 0.4], [0.2, -2.0, -0.3]])
THRESHOLD = 0.3


def draw(rng: np.random.Generator, patients: int, sites: int, grouped: bool) -> dict[str, Array]:
    share = SITES[:sites, 0] / SITES[:sites, 0].sum()
    size = rng.integers(1, 9, patients) if grouped else np.ones(patients, int)
    patient = np.repeat(np.arange(patients), size)
    home = rng.choice(sites, patients, p=share)[patient]
    away = rng.choice(sites, patients, p=share)[patient]
    site = np.where(rng.random(len(patient)) < (0.3 if grouped else 0.0), away, home)
    own = (0.8 * rng.normal(size=patients))[patient] if grouped else 0.0
    y = rng.random(len(patient)) < 1 / (1 + np.exp(-(SITES[site, 1] + own)))
    odds = SITES[site, 1] + SITES[site, 2] + 1.5 * (2 * y - 1) + rng.normal(size=len(y)) + 0.5 * own
    p = 1 / (1 + np.exp(-odds))
    return {"y": y.astype(int), "proba": p, "decision": (p >= THRESHOLD).astype(int), "values": site, "groups": patient}


def truth(sites: int, grouped: bool) -> dict[str, Array]:
    """The scores of four million rows, (G,) each."""
    rng = np.random.default_rng(1)
    drawn = [draw(rng, 250_000, sites, grouped) for _ in range(4 if grouped else 16)]
    whole = {key: np.concatenate([one[key] for one in drawn]) for key in drawn[0]}
    result = group_scores(**{**whole, "groups": None}, reference=0)
    return {key: np.array([one["scores"][key]["value"] for one in result["values"]]) for key in GROUP_SCORES}


def held(result: dict[str, Any], true: dict[str, Array]) -> dict[str, list[bool]]:
    """By score: whether the interval of each value holds, and whether those of all differences do."""
    out: dict[str, list[bool]] = {}
    for key in GROUP_SCORES:
        scores = [one["scores"][key] for one in result["values"]]
        out[key] = [bool(s["low"] <= t <= s["high"]) for s, t in zip(scores, true[key], strict=True)]
    for key in COMPARED:
        gaps = [(one["differences"][key], t - true[key][0]) for one, t in zip(result["values"], true[key], strict=True)
                if one["differences"]]  # fmt: skip
        out[f"difference {key}"] = [all(g["low"] <= t <= g["high"] for g, t in gaps)]
    return out


def run(name: str, patients: int, sites: int, grouped: bool, draws: int) -> None:
    true, rng = truth(sites, grouped), np.random.default_rng(0)
    counted: dict[str, list[list[bool]]] = {}
    for _ in range(draws):
        drawn = draw(rng, patients, sites, grouped)
        groups = drawn.pop("groups")
        result = group_scores(**drawn, groups=groups if grouped else None, reference=0)
        for key, each in held(result, true).items():
            counted.setdefault(key, []).append(each)
    print(f"\n{name}: {patients} {'patients' if grouped else 'rows'}, {sites} sites, {draws} draws")
    for key, each in counted.items():
        print(f"  {key:34}", "  ".join(f"{100 * share:.1f}%" for share in np.mean(each, axis=0)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    number = parser.parse_args().draws
    run("rows", 1500, 3, False, number)
    run("patients", 500, 3, True, number)
    run("rows, two groups", 600, 2, False, number)

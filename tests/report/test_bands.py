"""Bands against a plain bootstrap of rows, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from counterpoise.report import bands, curves


@pytest.fixture(scope="module", name="scored")
def _scored():
    rng = np.random.default_rng(0)
    hit = rng.random(1500) < 0.1
    score = 1 / (1 + np.exp(-(1.8 * hit + rng.normal(size=1500) - 3)))
    return hit, np.round(score, 3)


@pytest.fixture(scope="module", name="block")
def _block(scored):
    hit, score = scored
    both = np.stack([1 - score, score], axis=1)
    return curves.curves_of(hit.astype(int), both, both, (score > 0.3).astype(int), ["no", "yes"], 1)


@pytest.fixture(scope="module", name="rowwise")
def _rowwise(scored):
    """Curves of 200 stratified resamples of rows, by scikit-learn and by hand."""
    hit, score = scored
    rng, by_row = np.random.default_rng(1), {"pr": [], "roc": [], "gain": [], "decision": []}
    for _ in range(200):
        rows = np.concatenate([rng.choice(np.flatnonzero(k), k.sum()) for k in (hit, ~hit)])
        y, p = hit[rows], score[rows]
        fpr, tpr, _ = sk.roc_curve(y, p, drop_intermediate=False)
        by_row["roc"].append(np.interp(bands.FINE_GRID + 1e-12, fpr, tpr))
        precision, recall, _ = sk.precision_recall_curve(y, p)
        by_row["pr"].append([precision[np.flatnonzero(recall >= r)[-1]] for r in bands.GRID[1:]])
        order = np.sort(np.unique(p))[::-1]
        looked = [0.0, *(np.mean(p >= t) for t in order)]
        by_row["gain"].append(np.interp(bands.FINE_GRID, looked, [0.0, *(np.mean(p[y] >= t) for t in order)]))
        odds = curves.DECISIONS / (1 - curves.DECISIONS)
        alarm = p[:, None] >= curves.DECISIONS
        by_row["decision"].append(np.mean(alarm & y[:, None], axis=0) - np.mean(alarm & ~y[:, None], axis=0) * odds)
    return {name: np.array(values) for name, values in by_row.items()}


@pytest.mark.parametrize("name", ["pr", "roc", "gain", "decision"])
def test_bands_equal_a_bootstrap_of_rows(block, rowwise, name):
    band, low_high = block[name]["band"], np.percentile(rowwise[name], [2.5, 97.5], axis=0)
    skip = 1 if name == "pr" else 0
    width = np.maximum(low_high[1] - low_high[0], 0.01)
    for end, reference in zip(("low", "high"), low_high, strict=True):
        off = np.abs(np.array(band[end])[skip:] - reference) / width
        assert np.median(off) < 0.12, end
        assert off.max() < 0.7, end


def test_a_curve_lies_in_its_band(block):
    curve = block["decision"]
    low, high = np.array(curve["band"]["low"]), np.array(curve["band"]["high"])
    inside = (np.array(curve["benefit"]) >= low - 1e-9) & (np.array(curve["benefit"]) <= high + 1e-9)
    assert inside.all()


def test_net_benefit_equals_counting(scored, block):
    hit, score = scored
    for t, benefit in zip(block["decision"]["threshold"], block["decision"]["benefit"], strict=True):
        alarm = score >= t
        expected = (np.sum(alarm & hit) - np.sum(alarm & ~hit) * t / (1 - t)) / len(hit)
        assert benefit == pytest.approx(expected)


def test_whole_groups_widen_a_band(scored):
    hit, score = scored
    rungs = np.unique(score)[::-1]
    alone = bands.resample(hit, score, rungs)
    together = bands.resample(np.repeat(hit, 9), np.repeat(score, 9), rungs, groups=np.repeat(np.arange(len(hit)), 9))
    few = bands.resample(np.repeat(hit, 9), np.repeat(score, 9), rungs)
    spread = [np.std(r.tp[:, len(rungs) // 8] / r.tp[:, -1]) for r in (alone, together, few)]
    assert spread[1] == pytest.approx(spread[0], rel=0.25)
    assert spread[2] < 0.6 * spread[1]


def test_too_few_positives_get_no_band():
    p = np.linspace(0.01, 0.9, 40)
    both, y = np.stack([1 - p, p], axis=1), (np.arange(40) >= 37).astype(int)
    assert curves.curves_of(y, both, both, y, ["no", "yes"], 1)["pr"]["band"] is None

"""Data of people: defects, blood results, genes, incomes and forests, where a copy lies beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.data.read import read

DATA = Path(__file__).parents[2] / "shared" / "data"


def stored(name):
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def test_defects_come_in_every_batch_as_often_as_sound_tiles():
    tiles = np.load(stored("magnetic_tile.npz"))
    classes, codes = np.unique(tiles["labels"], return_inverse=True)
    feed = cp.batches(tiles["images"], tiles["labels"], quota="equal", batch_size=4 * len(classes), seed=1)
    for step in (0, 7, feed.num_batches - 1):
        batch = feed.batch(2, step)
        assert np.bincount(batch.y).tolist() == [4] * len(classes)
        assert np.array_equal(batch.y, codes[batch.rows])
        assert np.array_equal(batch.x, tiles["images"][batch.rows])


def test_no_smear_counts_more_because_it_shows_more_cells():
    results = np.load(stored("blood_cells_bccd.npz"))
    labels, smears = results["labels"], results["names"]
    plan = cp.plans.per_group(labels, smears, "oversample")
    times = np.bincount(np.concatenate([plan.rows(epoch, 0) for epoch in range(3)]), minlength=len(labels))
    assert plan.needs_calibration
    for label in plan.classes:
        own = labels == label
        each = [times[own & (smears == smear)].sum() for smear in np.unique(smears[own])]
        assert max(each) - min(each) <= 3  # one row an epoch
        assert sum(each) == pytest.approx(3 * len(plan) / len(plan.classes), rel=0.01)


def test_shares_of_gene_functions_are_those_reported():
    table = pl.read_parquet(stored("yeast_multilabel.parquet"))
    y = table.select(pl.col("^Class.*$").cast(pl.Int8)).to_numpy()
    rare = y.mean(axis=0).argmin()
    for plan in (cp.plans.label_sets(y), cp.plans.clone_labels(y), cp.plans.weigh_labels(y, 0.1)):
        before, after = plan.label_shares
        assert before == pytest.approx(y.mean(axis=0))
        drawn = np.concatenate([plan.rows(epoch, 0) for epoch in range(4)])
        seen = np.average(y[drawn], axis=0, weights=plan.weights()[drawn])
        assert after == pytest.approx(seen, abs=0.01), plan.name
        assert after[rare] > 2 * before[rare]


def test_made_people_hold_levels_that_people_hold():
    table = pl.read_parquet(stored("census_income_kdd.parquet")).sample(1500, seed=0)
    people = read(table, target="label", positive="50000+")
    plan = cp.plans.synthesize(people.y, "smote_nc").realize(people.x)
    fresh, codes = plan.new
    assert np.bincount(np.concatenate([people.y, codes])).tolist() == [len(people.y) - people.y.sum()] * 2
    rich = people.y == 1
    for column in range(fresh["categorical"].shape[1]):
        assert set(fresh["categorical"][:, column]) <= set(people.x["categorical"][rich, column])
    low, high = np.nanmin(people.x["numeric"][rich], axis=0), np.nanmax(people.x["numeric"][rich], axis=0)
    assert np.all((fresh["numeric"] >= low - 1e-3) & (fresh["numeric"] <= high + 1e-3))


def test_a_forest_is_streamed_in_equal_parts():
    rows = cp.scan(stored("cover.parquet"), "y")
    assert rows.counts.tolist() == [283_301, 2_747]
    stream = rows.batches(rows.plan(cp.plans.undersample), batch_size=512)
    labels = np.concatenate([y for _, y in stream])
    assert np.bincount(labels).tolist() == [2747, 2747]

"""A table on disk trains as the same table in memory does, and no held-out row is ever drawn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.feed.disk import scan
from counterpoise.pipeline import scan as scans
from counterpoise.pipeline.jobs import Settings, jobs_of
from counterpoise.strategies.select import find

N = 1200


def table(seed=0):
    rng = np.random.default_rng(seed)
    ill = rng.random(N) < 0.15
    return pl.DataFrame(
        {
            "id": np.arange(N) + 0.5,
            "a": rng.normal(size=N) + 1.5 * ill,
            "town": rng.choice(["Ulm", "Bonn", None], N),
            "ill": np.where(ill, "yes", "no"),
        }
    )


@pytest.fixture(scope="module", name="path")
def _path(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    table().write_parquet(path, row_group_size=300)
    return path


def test_held_rows_are_in_no_epoch_and_every_other_row_is(path):
    rows = scans.opened(scan(path, "ill"), 0.25, seed=3)
    held = rows.examples.x["numeric"][rows.fold.stop, 0] - 0.5
    job = jobs_of(find("none"), rows.labels, rows.fold, Settings(batch_size=64))[0]
    batches = list(rows.stream(job, seed=1).of_epoch(0))
    drawn = np.concatenate([x["numeric"][:, 0] for x, *_ in batches]) - 0.5
    assert sorted(drawn) == sorted(rows.fold.train)
    assert sorted([*drawn, *held]) == list(range(N))
    truth = (table()["ill"] == "yes").to_numpy().astype(int)
    assert np.array_equal(np.concatenate([b[1] for b in batches]), truth[drawn.astype(int)])
    assert np.array_equal(rows.examples.y[rows.fold.stop], truth[held.astype(int)])


@pytest.mark.parametrize("strategy", ["class_weight", "resampling_ensemble"])
def test_it_trains_about_as_the_rows_in_memory_do(path, strategy, caplog, tmp_path):
    how = {"strategy": strategy, "epochs": 4, "batch_size": 64, "verbose": 0}
    clf = cp.fit("mlp", scan(path, "ill", drop=["id"]), **how)
    same = cp.fit("mlp", table().drop("id"), "ill", **how)
    assert clf.card["rows"] == N
    assert clf.card["engines"] == ["fit"]
    assert "the rows are streamed from disk" in caplog.text
    assert clf.history[0]["stop_loss"][-1] == pytest.approx(same.history[0]["stop_loss"][-1], rel=0.25)
    assert clf.predict_proba(table())[:, 1].mean() == pytest.approx(0.15, abs=0.05)
    assert np.array_equal(cp.load(clf.save(tmp_path / "m.keras")).predict(table()), clf.predict(table()))


def test_the_sample_may_be_small(path, monkeypatch):
    monkeypatch.setattr(scans, "MOST_SAMPLED", 100)
    rows = scans.opened(scan(path, "ill"), 0.2, 0)
    assert len(rows.sample) == 100
    assert not set(rows.sample) & set(rows.fold.test)


@pytest.mark.parametrize("strategy", ["smote", "drw", "mixup", "crt"])
def test_strategies_that_need_rows_in_memory_are_refused(path, strategy):
    with pytest.raises(OptionError, match=f"strategy '{strategy}' needs rows in memory"):
        cp.fit("mlp", scan(path, "ill"), strategy=strategy)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"y": "ill"}, "y does not go with a scan"),
        ({"folds": 3}, "folds does not go with a scan"),
        ({"engine": "program", "verbose": 0}, "keeps rows in memory, a scan streams them"),
    ],
)
def test_arguments_that_need_rows_in_memory_are_refused(path, how, words):
    with pytest.raises(OptionError, match=words):
        cp.fit("mlp", scan(path, "ill"), **how)
    with pytest.raises(OptionError, match="a scan streams its rows"):
        cp.compare("mlp", scan(path, "ill"))

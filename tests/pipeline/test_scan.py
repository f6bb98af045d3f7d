"""A table on disk trains as the same table in memory does, and no held-out row is ever drawn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from trainers import jobs_of

import counterpoise as cp
from counterpoise.core.errors import DataError, OptionError
from counterpoise.data import csv_blocks, csv_layout
from counterpoise.data.read import read
from counterpoise.data.schema import encode_rows
from counterpoise.feed.disk import scan
from counterpoise.pipeline import scan as scans
from counterpoise.pipeline.settings import Settings
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
    rows = scans.read_scan(scan(path, "ill"), 0.25, seed=3)
    held = rows.examples.x["numeric"][rows.holdout.stop][:, 0] - 0.5
    job = jobs_of(find("none"), rows.examples, rows.holdout, Settings(batch_size=64))[0]
    batches = list(rows.stream(job, seed=1).of_epoch(0))
    drawn = np.concatenate([x["numeric"][:, 0] for x, *_ in batches]) - 0.5
    assert sorted(drawn) == sorted(rows.holdout.train)
    assert sorted([*drawn, *held]) == list(range(N))
    truth = (table()["ill"] == "yes").to_numpy().astype(int)
    assert np.array_equal(np.concatenate([b[1] for b in batches]), truth[drawn.astype(int)])
    assert np.array_equal(held, rows.holdout.stop)
    assert np.array_equal(rows.examples.y, truth)
    assert set(rows.sample) <= set(rows.holdout.train)


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
    rows = scans.read_scan(scan(path, "ill"), 0.2, 0)
    assert len(rows.sample) == 100
    assert not set(rows.sample) & set(rows.holdout.held)


def test_a_class_that_the_sample_lacks_is_added_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(scans, "MOST_SAMPLED", 30)
    kinds = np.array(["a"] * 600 + ["b"] * 596 + ["c"] * 4)
    for classes, rare in ((("a", "b", "c"), "c"), (("a", "c"), "c")):
        rows = table().with_columns(ill=pl.Series(kinds)).filter(pl.col("ill").is_in(classes))
        rows.write_parquet(tmp_path / "t.parquet")
        more = rows.group_by("ill", maintain_order=True).head(3)
        made = scans.read_scan(scan(tmp_path / "t.parquet", "ill"), more, 0)
        assert set(made.examples.classes) == set(classes)
        code = made.examples.classes.index(rare)
        assert (made.examples.y[made.sample] == code).sum() == 2


def test_a_wrong_share_is_refused_for_long_tables_too(path, monkeypatch):
    monkeypatch.setattr(scans, "MOST_HELD", 100)
    with pytest.raises(OptionError, match=r"validation= is 5\. Expected a share between 0 and 1"):
        scans.read_scan(scan(path, "ill"), 5, 0)


@pytest.mark.parametrize("strategy", ["smote", "drw", "mixup", "crt"])
def test_strategies_that_need_rows_in_memory_are_refused(path, strategy):
    with pytest.raises(OptionError, match=f"Strategy '{strategy}' needs rows in memory"):
        cp.fit("mlp", scan(path, "ill"), strategy=strategy)
    with pytest.raises(OptionError, match="Strategy 'own' needs rows in memory"):
        cp.fit("mlp", scan(path, "ill"), strategy=cp.Strategy("own", plan=cp.plans.quota))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"y": "ill"}, "y cannot be used with a scan"),
        ({"folds": 3}, "folds cannot be used with a scan"),
        ({"engine": "program", "verbose": 0}, "needs all rows in memory, but a scan streams them"),
    ],
)
def test_arguments_that_need_rows_in_memory_are_refused(path, how, words):
    with pytest.raises(OptionError, match=words):
        cp.fit("mlp", scan(path, "ill"), **how)
    with pytest.raises(OptionError, match=r"cp\.scan reads rows from disk"):
        cp.compare("mlp", scan(path, "ill"))


def test_a_csv_file_is_read_as_fit_reads_it(tmp_path, monkeypatch):
    """Separator, missing words, blanks, codes, dates, money: a scan in blocks encodes rows as the whole is encoded."""
    monkeypatch.setattr(csv_blocks, "BLOCK", 2000)
    monkeypatch.setattr(csv_layout, "FIRST", 500)
    n = 300
    rng = np.random.default_rng(0)
    columns = {
        "a": [["NA", "", " 1.5 "][i % 3] if i < 200 else f"{v:.3f}" for i, v in enumerate(rng.normal(size=n))],
        "zip": [f"{i % 9:05d}" if i > 280 else str(10_000 + i % 9) for i in range(n)],
        "flag": [["TRUE", "false", "?"][i % 3] for i in range(n)],
        "day": [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}T{i % 24:02d}:30:00+02:00" for i in range(n)],
        "price": [f"$ {i * 7:,}" for i in range(n)],
        "town": [["Ulm", " Bonn", "N/A"][i % 3] for i in range(n)],
        "ill": [[" no", "yes "][i % 5 == 0] for i in range(n)],
    }
    pl.DataFrame(columns).write_csv(tmp_path / "t.csv", separator=";")
    scanned = scan(tmp_path / "t.csv", "ill")
    rows = scans.read_scan(scanned, 0.2, seed=0)
    whole = read(tmp_path / "t.csv", "ill")
    assert rows.examples.schema.target == "ill"
    assert scanned.classes == whole.classes == ("no", "yes")
    assert np.array_equal(scanned.y, whole.y)
    job = jobs_of(find("none"), rows.examples, rows.holdout, Settings(batch_size=64))[0]
    schema = rows.examples.schema
    assert [(c.name, c.kind) for c in schema.columns] == [(c.name, c.kind) for c in whole.schema.columns]
    wanted = encode_rows(schema, tmp_path / "t.csv")
    parts = [x for x, *_ in rows.stream(job, seed=1).of_epoch(0)]
    for part in ("numeric", "categorical"):
        drawn = np.concatenate([x[part] for x in parts])
        assert sorted(map(str, drawn.tolist())) == sorted(map(str, wanted[part][rows.holdout.train].tolist()))


def test_faults_of_a_file_are_named_by_their_line(tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n1,no\n2\n3,yes\n")
    with pytest.raises(DataError, match=r"line 3: this line has 1 fields\. Expected 2"):
        scan(tmp_path / "t.csv", "y")


def test_validation_rows_of_the_users_own_stand_behind_the_table_as_in_memory(path):
    how = {"epochs": 2, "batch_size": 64, "verbose": 0, "strategy": "class_weight"}
    more = table(seed=1)[:300]
    rows = scans.read_scan(scan(path, "ill"), more, seed=0)
    assert rows.holdout.train.tolist() == list(range(N))
    assert rows.holdout.held.tolist() == list(range(N, N + 300))
    assert np.array_equal(rows.examples.x["numeric"][rows.holdout.held][:, 1], more["a"].cast(pl.Float32).to_numpy())
    clf = cp.fit("mlp", scan(path, "ill", drop=["id"]), validation=more.drop("id"), **how)
    same = cp.fit("mlp", table().drop("id"), "ill", validation=more.drop("id"), **how)
    assert clf.card["split"] == same.card["split"]
    assert clf.card["rows"] == same.card["rows"] == N + 300

"""Tables on disk: counted in a pass, streamed as a plan draws, written again."""

from __future__ import annotations

import keras
import numpy as np
import polars as pl
import pytest

from counterpoise import plans
from counterpoise.core.errors import ArtifactError, ColumnError, DataError, OptionError, TargetError
from counterpoise.core.label_columns import labels
from counterpoise.data import csv_blocks
from counterpoise.data import stored as stored_tables
from counterpoise.feed import disk_stream
from counterpoise.feed.disk import scan
from counterpoise.feed.resampling import resample_file


def frame(n=600, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.05).astype(int)
    return pl.DataFrame({"id": np.arange(n), "a": rng.normal(size=n), "y": np.array(["no", "yes"])[y]})


@pytest.fixture(params=["parquet", "csv", "folder", "pattern"])
def stored(request, tmp_path):
    data = frame()
    if request.param == "parquet":
        data.write_parquet(tmp_path / "rows.parquet", row_group_size=100)
        return tmp_path / "rows.parquet", data
    if request.param == "csv":
        data.write_csv(tmp_path / "rows.csv")
        return tmp_path / "rows.csv", data
    for i in range(3):
        part = data[i * 200 : (i + 1) * 200]
        (part.write_csv if request.param == "pattern" else part.write_parquet)(
            tmp_path / f"part-{i}.{'csv' if request.param == 'pattern' else 'parquet'}"
        )
    return (tmp_path / "part-*.csv" if request.param == "pattern" else tmp_path), data


def drawn(stream, epoch=0):
    parts = list(stream.of_epoch(epoch))
    return np.concatenate([x[:, 0] for x, *_ in parts]).astype(int), np.concatenate([p[1] for p in parts])


def test_classes_are_counted_and_an_epoch_is_what_the_plan_draws(stored):
    path, data = stored
    rows = scan(path, "y")
    assert rows.classes == ("no", "yes")
    assert rows.counts.tolist() == data.group_by("y").len().sort("y")["len"].to_list()
    for make in (plans.undersample, plans.oversample, plans.uniform):
        plan = rows.plan(make)
        stream = rows.batches(plan, batch_size=32, seed=1, window=1000)
        ids, y = drawn(stream, 2)
        assert sorted(ids) == sorted(plan.rows(2, 1))
        assert np.array_equal(np.array(rows.classes)[y], data["y"].to_numpy()[ids])
        sizes = [len(batch[1]) for batch in stream.of_epoch(0)]
        assert len(sizes) == stream.num_batches
        assert set(sizes[:-1]) <= {32}


@pytest.mark.parametrize("most", [7, 64, 100_000])
def test_parts_hold_every_row_as_often_as_it_is_drawn_in_order(stored, monkeypatch, most):
    path, data = stored
    times = np.random.default_rng(1).integers(0, 30, len(data)).astype(np.uint16) * (data["y"].to_numpy() == "yes")
    monkeypatch.setattr(disk_stream, "CHUNK_ROWS", most)
    monkeypatch.setattr(stored_tables, "SLICE_ROWS", 3 * most)
    monkeypatch.setattr(csv_blocks, "BLOCK", 20 * most)
    rows = scan(path, "y")
    parts = list(disk_stream.drawn_chunks(rows.table, ("id", "a"), times))
    wanted = [i for i, often in enumerate(times.tolist()) for _ in range(often)]
    assert np.concatenate([rows_of_part for rows_of_part, _ in parts]).tolist() == wanted
    assert pl.concat([part for _, part in parts])["id"].to_list() == wanted
    assert max(part.height for _, part in parts) <= most


def test_a_small_window_still_gives_every_row_once(tmp_path):
    frame(3000).write_parquet(tmp_path / "rows.parquet", row_group_size=200)
    rows = scan(tmp_path / "rows.parquet", "y")
    ids, _ = drawn(rows.batches(batch_size=16, window=100))
    assert sorted(ids) == list(range(3000))
    assert ids.tolist() != list(range(3000))


def test_epochs_differ_and_repeat_themselves(stored):
    rows = scan(stored[0], "y")
    plan = rows.plan(plans.undersample)
    one, other = rows.batches(plan, seed=3), rows.batches(plan, seed=3)
    first = [batch[0].tolist() for batch in one]
    assert first == [batch[0].tolist() for batch in other.of_epoch(0)]
    assert first != [batch[0].tolist() for batch in one]
    assert one.epoch == 2


def test_weights_travel_along(tmp_path):
    data = frame().with_columns(w=pl.Series(np.random.default_rng(0).uniform(1, 2, 600)))
    data.write_parquet(tmp_path / "rows.parquet")
    rows = scan(tmp_path / "rows.parquet", "y", sample_weight="w")
    assert rows.features == ("id", "a")
    plan = rows.plan(plans.class_weight)
    for x, _, weight in rows.batches(plan):
        assert weight == pytest.approx(plan.weights()[x[:, 0].astype(int)])


def test_columns_of_text_come_as_a_dict(tmp_path):
    frame().with_columns(c=pl.lit("u"), y=pl.col("y") == "yes").write_parquet(tmp_path / "rows.parquet")
    rows = scan(tmp_path / "rows.parquet", "y", drop=["id"])
    x, y = next(iter(rows.batches()))
    assert set(x) == {"a", "c"}
    assert set(x["c"]) == {"u"}
    assert rows.classes == (False, True)
    x, _ = next(iter(rows.batches().as_dataset(epochs=1)))
    assert x["c"].dtype.name == "string"
    assert len(y) == 256


def test_fit_trains_from_a_stream(stored):
    rows = scan(stored[0], "y", drop="id")
    stream = rows.batches(rows.plan(plans.oversample), batch_size=64)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(stream.as_dataset(), epochs=2, steps_per_epoch=stream.num_batches, verbose=0)
    finite = stream.as_dataset(epochs=2)
    assert int(finite.cardinality()) == sum(1 for _ in finite) == 2 * stream.num_batches


def test_dicts_of_a_plan_are_by_label(tmp_path):
    pl.DataFrame({"a": range(8), "y": [0, 0, 1, 1, 1, 1, 1, 1]}).write_csv(tmp_path / "rows.csv")
    rows = scan(tmp_path / "rows.csv", "y")
    assert rows.classes == (1, 0)
    plan = rows.plan(plans.class_weight, scheme={0: 9.0, 1: 1.0})
    assert plan.class_weights.tolist() == [1.0, 9.0]


def test_sorted_files_are_warned_of(tmp_path):
    frame(3000).sort("y").write_parquet(tmp_path / "rows.parquet")
    rows = scan(tmp_path / "rows.parquet", "y")
    with pytest.warns(UserWarning, match="seems to be sorted"):
        rows.batches(rows.plan(plans.oversample), window=500)


@pytest.mark.parametrize("plan", ["undersample", "oversample"])
@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_resampled_files_hold_what_the_plan_draws(stored, tmp_path_factory, plan, name):
    path, data = stored
    out = tmp_path_factory.mktemp("result")
    summary = resample_file(path, "y", out / name, plan, seed=4)
    written = pl.read_csv(out / name) if name.endswith("csv") else pl.read_parquet(out / name)
    rows = scan(path, "y")
    wanted = rows.plan(getattr(plans, plan))
    numbers = written["id"].cast(pl.Int64)
    assert numbers.to_list() == sorted(wanted.rows(0, 4))
    source = "csv" if path.suffix == ".csv" else "parquet"
    assert written.cast(data.schema).equals(data[numbers.to_numpy()])
    assert written.dtypes == (data.dtypes if (source, name) != ("csv", "out.parquet") else [pl.String] * 3)
    assert written.columns == data.columns
    assert written.height == summary["rows"]
    assert [c["after"] for c in summary["classes"]] == written.group_by("y").len().sort("y")["len"].to_list()
    assert summary["log_shift"] == pytest.approx(wanted.log_shift)
    assert [p.name for p in out.iterdir()] == [name]


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path, monkeypatch):
    frame().write_parquet(tmp_path / "rows.parquet")

    def broken(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_csv", broken)
    with pytest.raises(ArtifactError, match=r"out.csv': No space left on device\. Free some space"):
        resample_file(tmp_path / "rows.parquet", "y", tmp_path / "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda p: scan(p / "none.parquet", "y"), DataError, "does not exist"),
        (lambda p: scan(p / "empty", "y"), DataError, "contains no Parquet"),
        (lambda p: scan(p / "rows.xls", "y"), DataError, "unsupported file type"),
        (lambda p: scan(p / "bad.parquet", "y"), DataError, "cannot be read"),
        (lambda p: scan(p / "rows.parquet", "x"), TargetError, "not a column"),
        (lambda p: scan(p / "rows.parquet", "y", drop=["b"]), ColumnError, "not a column"),
        (lambda p: scan(p / "rows.parquet", "a"), TargetError, "numbers that are not classes"),
        (lambda p: scan(p / "one.csv", "y"), TargetError, "one class only"),
        (lambda p: scan(p / "gaps.csv", "y"), TargetError, "missing in row 3"),
        (lambda p: resample_file(p / "rows.parquet", "y", p / "o.txt"), OptionError, "Expected .parquet or .csv"),
        (lambda p: resample_file(p, "y", p / "o.csv"), OptionError, "in the input folder"),
        (lambda p: resample_file(p / "rows.parquet", "y", p / "no" / "o.csv"), OptionError, "does not exist"),
        (lambda p: resample_file(p / "rows.parquet", "y", p / "o.csv", "smote"), OptionError, "plan is 'smote'"),
        (lambda p: _rows(p).batches(plans.uniform([0, 1])), DataError, "made for 2 rows"),
        (lambda p: _rows(p).batches(_rows(p).plan(plans.quota)), OptionError, "with a quota of each class"),
        (lambda p: _rows(p).batches(plans.synthesize(_rows(p).y)), OptionError, "only a window"),
    ],
)
def test_bad_arguments(tmp_path, call, error, words):
    frame().write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "empty").mkdir()
    (tmp_path / "rows.xls").touch()
    (tmp_path / "bad.parquet").write_text("no")
    pl.DataFrame({"a": [1, 2], "y": [0, 0]}).write_csv(tmp_path / "one.csv")
    pl.DataFrame({"a": [1, 2, 3], "y": [0, 1, None]}).write_csv(tmp_path / "gaps.csv")
    with pytest.raises(error, match=words):
        call(tmp_path)


def _rows(path):
    return scan(path / "rows.parquet", "y")


@pytest.mark.parametrize("target", [["a", "b"], ["a"], labels(["a", "b"])], ids=["names", "name", "labels"])
def test_a_scan_of_several_labels_is_refused(target, tmp_path):
    (tmp_path / "t.csv").write_text("x,a,b\n" + "1,0,1\n2,1,0\n" * 4)
    with pytest.raises(TargetError, match="pass the file to cp"):
        scan(tmp_path / "t.csv", target)

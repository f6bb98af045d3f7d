"""The bench of quality: parents, ranks, wins and ties on numbers worked by hand."""

from __future__ import annotations

import json
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score

from benchmarks.quality.backbone import read_weights
from benchmarks.quality.conditions import costs
from benchmarks.quality.hold_out import held_out, parts
from benchmarks.quality.report import write_report
from benchmarks.quality.sets import group_of, parent_of, read_keel, sets
from benchmarks.quality.table import METRICS, against_singles, by_parent, complete, own_choice, ranks, wins
from benchmarks.quality.training_time import lines_of
from benchmarks.quality.wanted import wanted
from counterpoise.core.examples import Examples
from counterpoise.strategies.external import external
from counterpoise.strategies.select import find


def result(ap):
    return {"scores": {m: [ap, ap] for m in METRICS}}


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """Two sets of one parent and one of another; ours is ahead, behind, and tied."""
    for name, parent, ours, rival in (("p-1", "p", 0.5, 0.3), ("p-2", "p", 0.5, 0.6), ("q", "q", 0.704, 0.7)):
        rivals = {"none": result(0.1), "external:forest": result(rival)}
        for piece, rows in (("rivals", rivals), ("tabular", {"none": result(ours)}), ("more", {}), ("mlp", {})):
            network = "tabular" if piece in ("tabular", "more") else "mlp"
            record = {"set": name, "parent": parent, "network": network, "models": rows}
            record |= {"machine": "any", "seconds": 36.0}
            (tmp_path / f"{name}.{piece}.json").write_text(json.dumps(record))
    return tmp_path


def test_a_parent_counts_once_and_small_differences_are_ties(folder):
    parents = by_parent(folder)
    assert parents["p"]["external:forest"]["average_precision"] == pytest.approx(0.45)
    assert ranks(parents, "average_precision") == {
        "tabular none": 1.0, "external:forest": 2.0, "mlp none": 3.0,
    }  # fmt: skip
    assert ranks(parents, "log_loss")["mlp none"] == 1.0
    point, low, high, n = wins(parents, "tabular none", ["external:forest"])
    assert n == 2
    assert point == pytest.approx(0.75)  # one win, one tie
    assert low == 0.5
    assert high == 1.0


def test_the_best_of_several_rivals_counts_and_the_best_single_is_chosen_elsewhere(tmp_path):
    def ap(*folds):
        return {"scores": {m: list(folds) for m in METRICS}}

    rows = {"none": ap(0.9, 0.1), "oversample": ap(0.5, 0.5), "undersample": ap(0.2, 0.2)}
    record = {"set": "s", "parent": "s", "network": "tabular", "models": rows | {"resampling_ensemble": ap(0.6, 0.6)}}
    (tmp_path / "s.tabular.json").write_text(json.dumps(record))
    # even folds choose `none`, which has 0.1 on the odd ones; odd folds choose `oversample`, 0.5 on the even ones
    assert against_singles(tmp_path, "development")[0] == pytest.approx(((0.6 - 0.1) + (0.6 - 0.5)) / 2)
    assert against_singles(tmp_path, "confirmatory")[3] == 0
    parents = {"p": {name: {"average_precision": v} for name, v in (("us", 0.5), ("a", 0.4), ("b", 0.6))}}
    assert wins(parents, "us", ["a"])[0] == 1.0
    assert wins(parents, "us", ["a", "b"])[0] == 0.0


def test_the_choice_of_a_comparison_is_held_against_the_best_strategy(tmp_path):
    for name, chosen in (("a", 0.5), ("b", 0.38), ("c", 0.4)):
        rows = {"none": result(0.4), "oversample": result(0.5)}
        record = {"set": name, "parent": name, "network": "mlp", "models": rows, "choice": {"mean": chosen}}
        (tmp_path / f"{name}.choice.json").write_text(json.dumps(record))
    behind, low, high, parents = own_choice(tmp_path, "development")
    assert (behind, parents) == (pytest.approx(0.1), 3)
    assert low == pytest.approx(0.0)
    assert high == pytest.approx(0.12)
    assert not by_parent(tmp_path)


def test_the_page_says_what_was_not_run(folder, capsys):
    write_report(folder, folder / "RESULTS.md", folder / "time.json")
    page = (folder / "RESULTS.md").read_text()
    assert "Confirmatory parents (0 of 10)" in page
    assert "Not compared with the rivals yet" in page
    assert "external:forest: 75% [50%, 100%] of 2 (not shown)" in page
    write_report(folder / "nowhere", folder / "x.md", folder / "time.json")
    assert "no set with all of its results" in capsys.readouterr().out


def test_seconds_are_those_of_one_training_and_large_sets_are_listed_apart(tmp_path):
    for name, rows, seconds in (("a", 100, 10.0), ("b", 200, 30.0), ("c", 90_000, 50.0)):
        row = result(0.5) | {"seconds": seconds, "memory_mb": seconds}  # two folds
        record = {"set": name, "parent": name, "network": "tabular", "rows": rows, "models": {"none": row}}
        (tmp_path / f"{name}.tabular.json").write_text(json.dumps(record))
    assert "| tabular none | 10.00 | 25.00 | 50 |" in costs(tmp_path)


def test_training_times_are_held_against_what_is_wanted(tmp_path):
    assert lines_of(tmp_path / "time.json") == []
    rows = [("mammography", 31.0, 900), ("cover", 100.0, 2000)]
    times = [{"model": "auto", "set": s, "rows": 9, "columns": 2, "seconds": t, "memory_mb": m} for s, t, m in rows]
    (tmp_path / "time.json").write_text(json.dumps(times))
    words = [line.split("|")[-2].strip() for line in lines_of(tmp_path / "time.json")[-3:-1]]
    assert words == ["not reached", "reached"]


def test_a_set_counts_once_it_has_every_piece(folder):
    assert set(complete(folder)) == {"p-1", "p-2", "q"}
    (folder / "p-2.more.json").unlink()
    assert set(complete(folder)) == {"p-1", "q"}
    assert by_parent(folder)["p"]["external:forest"]["average_precision"] == pytest.approx(0.3)


def test_what_is_asked_for_is_held_against_what_came_out(tmp_path):
    def write(parent, piece, network, rows):
        models = {name: result(ap) | {"seconds": seconds} for name, (ap, seconds) in rows.items()}
        record = {"set": parent, "parent": parent, "network": network, "models": models}
        (tmp_path / f"{parent}.{piece}.json").write_text(json.dumps(record | {"machine": "any", "seconds": 1.0}))

    for parent, ours in (("pima", 0.5), ("zoo", 0.7)):
        plain = {name: (0.5, 2.0) for name in ("oversample", "undersample")}
        write(parent, "tabular", "tabular", {"none": (ours, 2.0), **plain, "resampling_ensemble": (0.49, 5.0)})
        trees = {"external:lightgbm": (0.4, 1.0), "external:balanced_random_forest": (0.6, 1.0)}
        write(parent, "rivals", "mlp", {"none": (0.1, 1.0), **trees})
        write(parent, "more", "tabular", {})
        write(parent, "mlp", "mlp", {})
    lines = wanted(by_parent(tmp_path), tmp_path, "confirmatory")[4:-1]
    results = {line.split("|")[1].strip(): line.split("|")[3:5] for line in lines}
    shown = {name: (got.strip(), word.strip()) for name, (got, word) in results.items()}
    assert shown["wins and half the ties against LightGBM, the better of plain and balanced"][0] == "100% [100%, 100%]"
    trees = shown["wins and half the ties against the best tree ensemble of imbalanced-learn and imbalanced-ensemble"]
    assert trees == ("50% [0%, 100%]", "not reached")
    assert shown["place of `tabular none` by mean rank in roc_auc"][1] == "reached"
    assert shown["its training time by that of `tabular none`, median over parents"] == ("2.50 x", "not reached")
    assert shown["`tabular resampling_ensemble` less its best plan"][1] == "not reached"


def test_large_tables_are_split_into_parts_that_hold_every_class():
    y = np.repeat([0, 1, 2], [700, 250, 50])
    splits = [parts(y, seed) for seed in (0, 1)]
    for fold, rule, judged in splits:
        every = np.concatenate([fold.train, fold.stop, rule, judged])
        assert np.array_equal(np.sort(every), np.arange(1000))
        assert np.array_equal(fold.test, np.concatenate([rule, judged]))
        for rows, size in ((fold.train, 480), (fold.stop, 120), (rule, 200), (judged, 200)):
            assert np.bincount(y[rows]).tolist() == [round(0.7 * size), round(0.25 * size), round(0.05 * size)]
    assert not np.array_equal(splits[0][2], splits[1][2])


def test_a_held_out_comparison_scores_the_judged_rows_alone():
    rng = np.random.default_rng(0)
    y = (rng.random(400) < 0.3).astype(int)
    x = (rng.normal(size=(400, 3)) + 2 * y[:, None]).astype("float32")
    forest = external("forest", RandomForestClassifier(30))
    rows = held_out("mlp", Examples(x, y, (0, 1)), [find("none"), find("oversample"), forest], seeds=(0,))
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "ok")
    _, _, judged = parts(y, 0)
    fold = parts(y, 0)[0]
    alone = RandomForestClassifier(30, random_state=0).fit(x[fold.all_training().train], y[fold.all_training().train])
    by_hand = average_precision_score(y[judged], alone.predict_proba(x[judged])[:, 1])
    assert rows["external:forest"]["scores"]["average_precision"]["folds"] == pytest.approx([by_hand], abs=0.05)


def test_weights_of_the_old_format_are_read_and_nothing_else(tmp_path, monkeypatch):
    torch, utils, storage = ModuleType("torch"), ModuleType("torch._utils"), object()
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    utils._rebuild_tensor_v2 = lambda *given: given
    utils._rebuild_tensor_v2.__module__, utils._rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    class Turned:
        """The second column onwards of a 2 x 4 matrix, turned."""

        def __reduce__(self):
            return utils._rebuild_tensor_v2, (storage, 1, (3, 2), (1, 4), False, OrderedDict())

    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return ("storage", torch.FloatStorage, "7", "cpu", 8, None) if value is storage else None

    path = tmp_path / "w.pth"
    with open(path, "wb") as file:
        for fact in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(fact, file, protocol=2)
        Writer(file, protocol=2).dump(OrderedDict(w=Turned()))
        pickle.dump(["7"], file, protocol=2)
        file.write(np.int64(8).tobytes() + np.arange(8, dtype="<f4").tobytes())
    assert read_weights(path)["w"].tolist() == [[1, 5], [2, 6], [3, 7]]
    path.write_bytes(pickle.dumps(Path("/")))
    with pytest.raises(pickle.UnpicklingError, match="has no place in a file of weights"):
        read_weights(path)


def test_parents_and_raw_files(tmp_path):
    names = ("yeast1", "abalone-17_vs_7-8-9-10", "zoo-3", "vowel0")
    assert {group_of(parent_of(name)) for name in names} == {"confirmatory"}
    path = tmp_path / "made.dat"
    path.write_text("".join(f"{i}.5, {'ab'[i % 2]}, {'positive' if i < 3 else 'negative'}\n" for i in range(12)))
    examples = read_keel(path)
    assert examples.counts.tolist() == [9, 3]
    assert examples.classes[examples.positive] == "positive"
    assert [len(examples.schema.numeric), len(examples.schema.categorical)] == [1, 1]


def test_the_rarest_class_of_a_standard_set_is_positive(tmp_path):
    (tmp_path / "balanced" / "raw").mkdir(parents=True)
    labels = "bbbbaaccddd"  # a and c are equally rare: the first by name
    text = "@relation wine\n" + "".join(f"{i}.5, {label}\n" for i, label in enumerate(labels))
    (tmp_path / "balanced" / "raw" / "wine.dat").write_text(text)
    with pytest.raises(FileNotFoundError, match=r"holds no .dat file; expected the folder `data`"):
        sets(tmp_path, tmp_path)
    (tmp_path / "imbalanced" / "raw").mkdir(parents=True)
    (tmp_path / "imbalanced" / "raw" / "ecoli1.dat").write_text(text)
    other, multiclass = sets(tmp_path, tmp_path)
    assert other.group == "development"
    assert (multiclass.name, multiclass.parent, multiclass.group) == ("wine", "wine", "second")
    examples = multiclass.read()
    assert examples.classes[examples.positive] == "rarest"
    assert np.flatnonzero(examples.y == examples.positive).tolist() == [4, 5]

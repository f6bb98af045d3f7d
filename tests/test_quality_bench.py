"""The bench of quality: parents, ranks, wins and ties on numbers worked by hand."""

from __future__ import annotations

import json

import pytest

from benchmarks.quality.report import write_report
from benchmarks.quality.sets import CONFIRMATORY, parent_of, read_keel
from benchmarks.quality.table import METRICS, against_singles, by_parent, own_choice, ranks, wins


def entrant(ap):
    return {"scores": {m: [ap, ap] for m in METRICS}}


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """Two sets of one parent and one of another; ours is ahead, behind, and tied."""
    for name, parent, ours, rival in (("p-1", "p", 0.5, 0.3), ("p-2", "p", 0.5, 0.6), ("q", "q", 0.704, 0.7)):
        for network, rows in (("mlp", {"none": entrant(0.1), "external:forest": entrant(rival)}),
                              ("tabular", {"none": entrant(ours)})):  # fmt: skip
            record = {"set": name, "parent": parent, "network": network, "entrants": rows}
            record |= {"machine": "any", "seconds": 36.0}
            (tmp_path / f"{name}.{network}.json").write_text(json.dumps(record))
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
    record = {"set": "s", "parent": "s", "network": "tabular", "entrants": rows | {"resampling_ensemble": ap(0.6, 0.6)}}
    (tmp_path / "s.tabular.json").write_text(json.dumps(record))
    # even folds choose `none`, which has 0.1 on the odd ones; odd folds choose `oversample`, 0.5 on the even ones
    assert against_singles(tmp_path, confirmed=False)[0] == pytest.approx(((0.6 - 0.1) + (0.6 - 0.5)) / 2)
    assert against_singles(tmp_path, confirmed=True)[3] == 0
    parents = {"p": {name: {"average_precision": v} for name, v in (("us", 0.5), ("a", 0.4), ("b", 0.6))}}
    assert wins(parents, "us", ["a"])[0] == 1.0
    assert wins(parents, "us", ["a", "b"])[0] == 0.0


def test_the_choice_of_a_race_is_held_against_the_best_strategy(tmp_path):
    for name, chosen in (("a", 0.5), ("b", 0.38), ("c", 0.4)):
        rows = {"none": entrant(0.4), "oversample": entrant(0.5)}
        record = {"set": name, "parent": name, "network": "mlp", "entrants": rows, "choice": {"mean": chosen}}
        (tmp_path / f"{name}.choice.json").write_text(json.dumps(record))
    behind, low, high, parents = own_choice(tmp_path, confirmed=False)
    assert (behind, parents) == (pytest.approx(0.1), 3)
    assert low == pytest.approx(0.0)
    assert high == pytest.approx(0.12)
    assert not by_parent(tmp_path)


def test_the_page_says_what_was_not_run(folder, capsys):
    write_report(folder, folder / "RESULTS.md")
    page = (folder / "RESULTS.md").read_text()
    assert "Confirmatory parents (0 of 10)" in page
    assert "Not raced with the rivals yet" in page
    assert "external:forest: 75% [50%, 100%] of 2 (not shown)" in page
    write_report(folder / "nowhere", folder / "x.md")
    assert "no results" in capsys.readouterr().out


def test_parents_and_raw_files(tmp_path):
    assert {parent_of(n) for n in ("yeast1", "abalone-17_vs_7-8-9-10", "zoo-3", "vowel0")} <= set(CONFIRMATORY)
    path = tmp_path / "made.dat"
    path.write_text("".join(f"{i}.5, {'ab'[i % 2]}, {'positive' if i < 3 else 'negative'}\n" for i in range(12)))
    examples = read_keel(path)
    assert examples.counts.tolist() == [9, 3]
    assert examples.classes[examples.positive] == "positive"
    assert [len(examples.schema.numeric), len(examples.schema.categorical)] == [1, 1]

"""Curves and counts from arrays, against scikit-learn and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from counterpoise.report import curves


@pytest.fixture(name="scored")
def _scored():
    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.15).astype(int)
    p = np.round(1 / (1 + np.exp(-(rng.normal(size=500) + 1.5 * y - 2))), 2)  # rounded: ties
    return y, np.stack([1 - p, p], axis=1)


def test_every_point_that_stays_is_exact(scored):
    y, proba = scored
    block = curves.curves_of(y, proba, proba, (proba[:, 1] > 0.5).astype(int), ["a", "b"], 1)
    fpr, tpr, _ = sk.roc_curve(y, proba[:, 1], drop_intermediate=False)
    exact = {(round(a, 9), round(b, 9)) for a, b in zip(fpr, tpr, strict=True)}
    for point in zip(block["roc"]["fpr"], block["roc"]["tpr"], strict=True):
        assert min(abs(point[0] - a) + abs(point[1] - b) for a, b in exact) < 2e-6


def test_counts_of_the_slider_equal_a_loop(scored):
    y, proba = scored
    block = curves.curves_of(y, proba, proba, (proba[:, 1] > 0.5).astype(int), ["a", "b"], 1)
    for row in block["thresholds"]:
        alarm = proba[:, 1] >= row["threshold"] - 1e-9
        got = (row["tp"], row["fp"], row["fn"], row["tn"])
        want = [
            np.sum(alarm & (y == 1)),
            np.sum(alarm & (y == 0)),
            np.sum(~alarm & (y == 1)),
            np.sum(~alarm & (y == 0)),
        ]
        assert got == tuple(int(v) for v in want)


@pytest.mark.parametrize("threshold", [0.03, 0.2, 0.335, 0.5])
def test_the_slider_can_stand_where_was_decided(threshold):
    rng = np.random.default_rng(1)
    y = (rng.random(3000) < 0.1).astype(int)
    p = 1 / (1 + np.exp(-(rng.normal(size=3000) + 1.5 * y - 3)))
    decision = (p >= threshold).astype(int)
    block = curves.curves_of(y, *[np.stack([1 - p, p], axis=1)] * 2, decision, ["a", "b"], 1, max_points=20)
    (tn, fp), (fn, tp) = sk.confusion_matrix(y, decision)
    assert len(block["thresholds"]) <= 20
    assert [tp, fp, fn, tn] in [[row[key] for key in ("tp", "fp", "fn", "tn")] for row in block["thresholds"]]


def test_confusion_is_scikit_learns(scored):
    y, proba = scored
    decision = (proba[:, 1] > 0.3).astype(int)
    assert curves.confusion(y, decision, ["a", "b"])["matrix"] == sk.confusion_matrix(y, decision).tolist()


def test_reliability_bins_hold_every_row_once(scored):
    y, proba = scored
    bins = curves.reliability(y == 1, proba[:, 1])
    assert sum(b["count"] for b in bins) == len(y)
    assert sum(b["count"] * b["observed"] for b in bins) == pytest.approx(y.sum())
    assert all(b["low"] <= b["observed"] <= b["high"] for b in bins)


def test_thinning_keeps_ends_and_looks():
    x = np.linspace(0, 1, 5000)
    kept = curves.thin_curve(x, np.sqrt(x), 100)
    assert kept[0] == 0
    assert kept[-1] == 4999
    assert np.max(np.abs(np.interp(x, x[kept], np.sqrt(x)[kept]) - np.sqrt(x))) < 0.01


def test_of_many_classes_the_rarest_have_curves_and_all_others_are_one():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(20), np.arange(1, 21))[::-1]
    p = rng.dirichlet(np.ones(20), len(y))
    decision = p.argmax(axis=1)
    labels = [f"c{k}" for k in range(20)]
    block = curves.curves_of(y, p, p, decision, labels, 0)
    rarest = labels[: curves.MOST_CLASSES]
    assert [part["label"] for part in block["pr"]["classes"]] == rarest
    table = block["confusion"]
    assert (table["labels"], table["joined"]) == ([*rarest, "8 other classes"], 8)
    whole = sk.confusion_matrix(y, decision, labels=range(20))
    assert np.array_equal(np.array(table["matrix"])[:12, :12], whole[:12, :12])
    assert table["matrix"][12] == [*whole[12:, :12].sum(axis=0), whole[12:, 12:].sum()]
    assert np.sum(table["matrix"]) == len(y)


def test_curves_of_labels_are_those_of_each_label_alone_and_of_all_cases_together():
    rng = np.random.default_rng(0)
    labels = {}
    for name, share in (("a", 0.2), ("b", 0.05)):
        y = (rng.random(400) < share).astype(int)
        p = np.clip(0.3 * y + 0.5 * rng.random(400), 0, 1)
        both = np.stack([1 - p, p], axis=1)
        labels[name] = (y, both**2, both, (p > 0.4).astype(int))
    block = curves.curves_of_labels(labels)
    for number, (name, own) in enumerate(labels.items()):
        alone = curves.curves_of(*own, ["without", "with"], 1)
        for curve in ("pr", "roc", "gain", "decision"):
            assert block[curve]["classes"][number] == {"label": name, **alone[curve]}
    joined = curves.curves_of(
        *(np.concatenate(part) for part in zip(*labels.values(), strict=True)), ["without", "with"], 1
    )
    for key in ("calibration", "confusion", "confusion_default"):
        assert block[key] == joined[key]
    pairs = dict.fromkeys(labels, np.arange(400) // 2)
    grouped = curves.curves_of_labels(labels, pairs)["pr"]["classes"][1]["band"]
    assert grouped == curves.curves_of(*labels["b"], ["without", "with"], 1, groups=pairs["b"])["pr"]["band"]
    assert grouped != block["pr"]["classes"][1]["band"]

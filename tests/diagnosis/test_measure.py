from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.datasets import load_breast_cancer

from counterpoise.core.duplicates import find_duplicates
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.data.read import read
from counterpoise.diagnosis.advise import advise
from counterpoise.diagnosis.diagnose import diagnose
from counterpoise.diagnosis.guard import leak_checks
from counterpoise.diagnosis.measure import half_width, measure
from counterpoise.diagnosis.neighbors import minority_kinds


@pytest.mark.parametrize("n", [5, 10, 50, 260, 10_000])
def test_half_width_equals_scipy(n):
    interval = binomtest(int(0.8 * n), n).proportion_ci(method="wilson")
    assert half_width(n) == pytest.approx((interval.high - interval.low) / 2)


def test_half_width_without_rows_is_everything():
    assert half_width(0) == 0.5


def test_counts_of_a_real_table():
    x, y = load_breast_cancer(return_X_y=True)
    record = measure(read(x, y=y), folds=10)
    assert [(c.label, c.count) for c in record.classes] == [("1", 357), ("0", 212)]
    assert record.minority == "0"
    assert record.minority_count == 212
    assert record.imbalance_ratio == pytest.approx(357 / 212)
    assert sum(record.prior) == pytest.approx(1)
    assert (record.rows, record.columns, len(record.used)) == (569, 30, 30)
    assert record.positives_per_fold == pytest.approx(21.2)
    assert sum(record.kinds.values()) == 212
    assert record.kinds["safe"] > 150


def test_columns_missing_values_repeats_and_leaks():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [180, 20])
    table = {
        "row": np.arange(200),
        "one": np.ones(200),
        "late": y + rng.random(200) / 2,
        "gap": np.where(np.arange(200) < 50, np.nan, rng.random(200)),
        "void": np.full(200, np.nan),
    }
    record = measure(read(table, y=y, groups=np.arange(200) // 4))
    assert record.excluded.keys() == {"row", "one", "void"}
    assert record.missing == {"gap": 50, "void": 200}
    assert record.leaks.keys() == {"late"}
    assert (record.duplicates, record.conflicting, record.groups) == (0, 0, 50)
    twice = measure(read({"a": [1.5, 1.5, 2, 3]}, y=[0, 1, 0, 0]))
    assert (twice.duplicates, twice.conflicting) == (1, 2)


@pytest.mark.parametrize("several", [False, True])
def test_near_duplicates_of_a_sample_are_not_hidden_by_equal_rows(monkeypatch, several):
    monkeypatch.setattr("counterpoise.diagnosis.measure.MOST_COMPARED", 100)
    images = np.random.default_rng(0).integers(0, 256, (80, 16, 16, 1)).astype(np.float32)
    x = np.concatenate([*[images] * 4, images * 0.9])
    y = np.arange(400) % 5 // 4
    if several:
        examples = Examples(
            x,
            np.stack([y, np.where(y == 1, 0, -1 * (np.arange(400) % 2))], axis=1),
            ("a", "b"),
            kind="labels",
            duplicate_ids=find_duplicates(x),
        )
    else:
        examples = read(x, y=y)
    record = measure(examples, near=True)
    assert (record.duplicates, record.rows, record.compared) == (240, 400, 100)
    assert record.near > record.duplicates
    (check,) = [check for check in leak_checks(record) if check.name == "near-duplicates"]
    assert check.finding.endswith("100 of 400 rows were compared.")
    assert any("of 100 rows have a near-duplicate" in item.reason for item in advise(record))


def test_the_record_is_plain_json():
    plain = measure(read({"a": [1.5, 1.5, 2, 3], "b": list("uvuv")}, y=["n", "y", "n", "n"])).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["prior"] == [0.75, 0.25]


def test_folds_are_checked():
    with pytest.raises(OptionError, match="folds is 1"):
        measure(read({"a": [1.5, 2, 3]}, y=[0, 1, 1]), folds=1)


def brute_kinds(points, y, code):
    tally = dict.fromkeys(("safe", "borderline", "rare", "outlier"), 0)
    for i in np.flatnonzero(y == code):
        distance = np.linalg.norm(points - points[i], axis=1)
        distance[i] = np.inf
        friends = int((y[np.argsort(distance)[:5]] == code).sum())
        tally["safe" if friends >= 4 else "borderline" if friends >= 2 else "rare" if friends else "outlier"] += 1
    return tally


def test_kinds_equal_brute_force():
    rng = np.random.default_rng(1)
    y = (rng.random(400) < 0.2).astype(int)
    x = rng.normal(size=(400, 3)) * [1, 100, 0.01] + y[:, None] * [1, 100, 0]
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    assert minority_kinds(read(x, y=y), 1) == brute_kinds(standard, y, 1)


def test_kinds_of_far_clusters_of_lone_rows_and_of_equal_rows():
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [300, 30])
    separate = rng.normal(size=(330, 2)) + 50 * y[:, None]
    assert minority_kinds(read(separate, y=y), 1) == {"safe": 30, "borderline": 0, "rare": 0, "outlier": 0}
    # All rows equal: neighbors are drawn by lot, so hardly any row of 9% has four of its own.
    equal = read(np.c_[np.zeros(330), np.r_[np.zeros(329), 1]], y=y, table=False)
    assert minority_kinds(equal, 1)["safe"] <= 2


def test_kinds_of_levels_images_and_text():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], [100, 20])
    levels = read({"c": np.where(y == 1, "v", "u"), "d": rng.choice(["p", "q"], 120)}, y=y)
    assert minority_kinds(levels, 1)["safe"] == 20
    images = read(rng.random((120, 32, 32, 1)) + y[:, None, None, None], y=y)
    assert minority_kinds(images, 1)["safe"] == 20
    assert minority_kinds(read(np.array([f"t{i}" for i in range(120)]), y=y), 1) is None


def test_too_small_a_class_has_no_kinds():
    assert minority_kinds(read({"a": np.linspace(0, 1, 50)}, y=[1] * 5 + [0] * 45), 1) is None


@pytest.mark.parametrize("form", [dict, Examples])
def test_rows_count_once_whatever_their_weight_and_a_warning_states_this(form):
    x, y, weight = np.arange(40.0) ** 2, np.arange(40) % 4 == 0, np.arange(40) // 8
    if form is dict:
        some, given, how = {"a": x[8:]}, ({"a": x}, y), {"sample_weight": weight, "quick": False}
    else:
        rows = read({"a": x}, y=y)
        given, how = (replace(rows, sample_weight=weight.astype(np.float32)),), {"quick": False}
        some = rows.subset(np.arange(8, 40))
    with pytest.warns(UserWarning, match="diagnose counts each row once"):
        weighed = diagnose(*given, **how)
    assert weighed.record == diagnose(some, *([y[8:]] if form is dict else []), quick=False).record

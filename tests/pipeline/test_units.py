"""Units: rows of a patient decided together, never split, calibrated on units, and guaranteed by units."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.core.errors import ColumnError, GuaranteeError, OptionError, TargetError
from counterpoise.core.units import Units
from counterpoise.data.read import read
from counterpoise.data.split import make_folds
from counterpoise.pipeline.units import units_of_scores
from counterpoise.targets.kinds import target_of
from tests.leaderboard_schema import check_board


def visits(patients=240, seed=0):
    """Patients with one to five rows, of which those of ill ones are positive now and then."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(patients), rng.integers(1, 6, patients))
    ill = rng.random(patients) < 0.3
    y = (ill[of] & (rng.random(len(of)) < 0.6)).astype(int)
    frame = pd.DataFrame(rng.normal(size=(len(of), 3)) + 1.5 * y[:, None], columns=list("abc"))
    return frame.assign(patient=[f"p{one}" for one in of], eye=rng.choice(["l", "r"], len(of)), ill=y)


def pairs(frame):
    """Rows of a patient's eye, and whether one of them is positive."""
    return frame.groupby(["patient", "eye"])["ill"].agg(["size", "max"])


@pytest.fixture(scope="module", name="kept")
def _kept():
    rows = visits(900).drop(columns="eye")
    return cp.fit("mlp", rows, "ill", unit="patient", folds=2, guarantee_rows=0.4, epochs=15, verbose=0)


def test_a_unit_is_read_as_one_column_or_several_and_never_as_a_feature():
    frame = visits()
    both = read(frame, "ill", unit=["patient", "eye"])
    assert len(both.units) == len(pairs(frame))
    assert both.as_units().y.sum() == pairs(frame)["max"].sum()
    assert [column.name for column in both.schema.columns] == ["a", "b", "c"]
    written = read(frame, "ill", unit="patient, eye").units
    assert np.array_equal(written.codes, both.units.codes)
    assert read(frame[["a", "b"]], y=frame["ill"], unit=frame["patient"]).units.columns == ("unit",)
    mixed = frame.groupby("patient")["ill"].nunique().gt(1).sum()
    assert any(f"{mixed} of 240 units (patient)" in note for note in read(frame, "ill", unit="patient").warnings)


def test_units_join_groups_and_are_never_split():
    frame = visits()
    joined = read(frame, "ill", unit=["patient", "eye"], groups="patient")
    assert len(np.unique(joined.groups)) == 240
    for fold in make_folds(joined, 3):
        parts = [set(frame["patient"].iloc[rows]) for rows in (fold.train, fold.stop, fold.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))


@pytest.mark.parametrize(
    ("how", "error", "match"),
    [
        ({"unit": "patients"}, ColumnError, "Did you mean 'patient'"),
        ({"aggregate": "max"}, OptionError, "no unit was given"),
        ({"unit": "patient", "aggregate": "median"}, OptionError, "aggregate is 'median'"),
        ({"unit": "patient", "time": "a"}, OptionError, "unit= and time="),
    ],
)
def test_what_does_not_go_with_units(how, error, match):
    with pytest.raises(error, match=match):
        read(visits(), "ill", **how)


def test_units_of_three_classes_have_one_class_each():
    frame = visits().assign(ill=lambda f: f["ill"] + (f["eye"] == "l"))
    with pytest.raises(TargetError, match="rows of several classes"):
        read(frame, "ill", unit="patient")
    frame["ill"] = frame["patient"].str[-1].map(int) % 3
    assert read(frame, "ill", unit="patient").as_units().counts.sum() == 240
    with pytest.raises(OptionError, match="two classes or several labels"):
        read(frame, "ill", unit="patient", aggregate="max")


def test_a_unit_without_a_value_is_an_error():
    frame = visits()
    frame.loc[3, "patient"] = None
    with pytest.raises(ColumnError, match="row 4"):
        read(frame, "ill", unit="patient")


def test_rows_that_are_scored_in_two_repeats_are_two_units():
    units = Units(np.array([0, 0, 1]), ("patient",))
    scored = units_of_scores(units, np.array([0, 1, 2, 1, 2, 0]))
    assert len(scored) == 4
    assert scored.codes[[0, 1]].tolist() == [0, 0]
    assert len(set(scored.codes[[0, 3]])) == 2
    assert scored.codes[3] == scored.codes[5]


def test_probabilities_are_aggregated_for_classes_and_for_labels():
    proba, labels = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), np.array([[0.1, 0.7], [0.5, 0.3], [0.8, 0.2]])
    for how, wanted in (("mean", [0.3, 0.8]), ("max", [0.5, 0.8])):
        units = Units(np.array([0, 0, 1]), ("patient",), how)
        assert target_of("one_of").unit_proba(proba, units)[:, 1] == pytest.approx(wanted)
        assert target_of("one_of").unit_proba(proba, units).sum(axis=1) == pytest.approx([1, 1])
    assert target_of("labels").unit_proba(labels, units) == pytest.approx(np.array([[0.5, 0.7], [0.8, 0.2]]))
    log_p = target_of("labels").log_p_of(labels)
    assert np.exp(log_p)[..., 1] == pytest.approx(labels)


def test_the_file_keeps_how_units_are_decided(kept, tmp_path):
    frame = visits(100, seed=1)
    table = kept.predict_units(frame)
    assert table.columns == ["patient", "rows", "probability", "decision"]
    assert table["patient"].to_list() == list(dict.fromkeys(frame["patient"]))
    assert table["rows"].sum() == len(frame)
    again = cp.load(kept.save(tmp_path / "m.keras"))
    assert again.predict_units(frame).equals(table)
    assert again.card["unit"]["columns"] == ["patient"]
    assert np.array_equal(again.predict(frame), kept.predict(frame))
    values = kept.predict_units(frame[["a", "b", "c"]], frame["patient"].to_numpy())
    assert values["probability"].to_list() == pytest.approx(table["probability"].to_list())
    with pytest.raises(OptionError, match="which have no columns"):
        kept.predict_units(frame[["a", "b", "c"]].to_numpy())


def test_an_export_and_a_card_describe_how_units_are_decided(kept, tmp_path):
    from counterpoise.export.manifest import manifest
    from counterpoise.report.card_page import to_markdown

    described = manifest(kept, "saved_model")["unit"]
    assert (described["columns"], described["aggregate"]) == (["patient"], "mean")
    assert described["threshold"] == kept.unit.rule.threshold
    assert json.loads(json.dumps(described))["rule"]["prior"] == pytest.approx(kept.unit.rule.prior.tolist())
    assert "Each unit (patient) gets one decision, by the mean of the probabilities of its rows." in to_markdown(
        kept.card
    )
    tuned = kept.decide(f1=True).card
    assert f"on {tuned['unit']['count']:,} units (patient)" in tuned["unit"]["threshold"]["text"]
    assert "units" not in tuned["threshold"]["text"]


def test_probabilities_of_units_are_calibrated_though_their_mean_is_not(kept):
    frame = visits(3000, seed=2)
    ill = frame.groupby("patient", sort=False)["ill"].max()
    means = frame.assign(p=kept.predict_proba(frame)[:, 1]).groupby("patient", sort=False)["p"].mean()
    assert means.mean() < 0.8 * ill.mean()
    assert kept.predict_units(frame)["probability"].mean() == pytest.approx(ill.mean(), abs=0.04)


def test_a_guarantee_counts_units_and_names_the_floor_that_can_be(kept):
    sure = kept.decide(recall_floor=0.9, confidence=0.95)
    threshold, groups = sure.card["unit"]["threshold"], int(kept.scores["unit_guarantee_y"].sum())
    assert threshold["word"] == "guarantee"
    assert f"guaranteed by {groups} groups" in threshold["text"]
    assert sure.rule.threshold == kept.rule.threshold, "rows are decided as before"
    table, truth = sure.predict_units(visits(2000, seed=3)), visits(2000, seed=3).groupby("patient", sort=False)["ill"]
    assert (table["decision"].to_numpy()[truth.max().to_numpy() == 1] == 1).mean() > 0.9
    with pytest.raises(GuaranteeError, match=rf"with {groups} positive groups\. .* be enough"):
        kept.decide(recall_floor=0.99, confidence=0.95)


def test_of_rows_in_groups_one_of_each_carries_a_guarantee(tmp_path):
    frame = visits(400)
    clf = cp.fit("mlp", frame, "ill", groups="patient", guarantee_rows=0.5, epochs=3, verbose=0)
    y, group = clf.scores["guarantee_y"], clf.scores["guarantee_group"]
    sure = cp.load(clf.decide(recall_floor=0.8, confidence=0.9).save(tmp_path / "m.keras"))
    assert sure.rule.guarantee.rows == len(np.unique(group[y == 1])) < (y == 1).sum()
    assert sure.rule.guarantee.of == "groups"


def test_scores_of_units_stand_beside_those_of_rows(tmp_path):
    frame = visits()
    cmp = cp.compare("mlp", frame, "ill", strategies="threshold", folds=2, epochs=4, unit="patient", verbose=0)
    record = cmp.record
    check_board(json.loads(json.dumps(record)))
    block = record["data"]["units"]
    assert (block["count"], record["data"]["rows"]) == (240, len(frame))
    assert sum(one["count"] for one in block["classes"]) == 240
    for row in cmp.leaderboard:
        assert len(row["units"]["scores"]["average_precision"]["folds"]) == 2
        assert sum(one["support"] for one in row["units"]["per_class"]) == 240
        assert row["scores"]["average_precision"]["mean"] != row["units"]["scores"]["average_precision"]["mean"]
    assert "All numbers are for 240 units (patient)" in cmp.verdict.evidence
    page = cmp.html()
    assert "Single rows" in page
    assert f"240 units (patient) of {len(frame)} rows" in page
    scores = cp.evaluate(cmp.best, visits(150, seed=1), resamples=30)
    assert scores["units"]["count"] == 150
    assert scores["groups"] == 150
    assert scores["units"]["metrics"]["recall"]["low"] <= scores["units"]["metrics"]["recall"]["high"]
    with pytest.raises(OptionError, match="trained without units"):
        cp.fit("mlp", frame.drop(columns="patient"), "ill", epochs=1, verbose=0).predict_units(frame, "patient")


def test_scores_of_units_are_those_of_scikit_learn():
    frame = visits()
    cmp = cp.compare("mlp", frame, "ill", strategies="threshold", folds=2, epochs=2, unit="patient", verbose=0,
                     refit=False)  # fmt: skip
    examples = read(frame, "ill", unit="patient")
    by_hand = []
    for result in (r for r in cmp.fold_results if r.strategy == "none"):
        patients = frame["patient"].iloc[result.rows]
        mean = pd.Series(result.proba[:, 1]).groupby(patients.to_numpy()).mean()
        truth = frame["ill"].iloc[result.rows].groupby(patients).max()
        by_hand.append(average_precision_score(truth.loc[mean.index], mean))
    assert len(examples.units) == 240
    score = next(r for r in cmp.leaderboard if r["strategy"] == "none")["units"]["scores"]["average_precision"]
    assert score["folds"] == pytest.approx(by_hand)


def test_units_of_several_labels_have_a_threshold_for_each(tmp_path):
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(200), rng.integers(1, 5, 200))
    x = rng.normal(size=(len(of), 2))
    y = (rng.random(x.shape) < 1 / (1 + np.exp(1.5 - 2 * x))).astype(float)
    y[::9, 1] = np.nan
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(patient=of, mass=y[:, 0], edema=y[:, 1])
    clf = cp.fit(
        "mlp",
        frame,
        ["mass", "edema"],
        unit="patient",
        aggregate="max",
        guarantee_rows=0.4,
        folds=2,
        epochs=3,
        verbose=0,
    )
    again = cp.load(clf.decide(recall_floor=0.5, confidence=0.9).save(tmp_path / "m.keras"))
    assert [rule.guarantee.of for rule in again.unit.rule.problem_rules] == ["groups", "groups"]
    table = again.predict_units(frame)
    assert table.columns[2:] == ["probability_mass", "decision_mass", "probability_edema", "decision_edema"]
    largest = pd.Series(clf.predict_proba(frame)[:, 1]).groupby(of).max()
    order = np.argsort(largest.to_numpy(), kind="stable")
    assert np.all(np.diff(table["probability_edema"].to_numpy()[order]) >= -1e-9)
    truth = frame.groupby("patient")["mass"].max()
    record = cp.evaluate(again, frame, resamples=5)
    (mass, _), line = record["units"]["labels"], next(x for x in repr(record).splitlines() if x.startswith("mass"))
    ranked = average_precision_score(truth, table["probability_mass"])
    assert mass["metrics"]["average_precision"]["value"] == pytest.approx(ranked)
    assert mass["threshold"] == again.unit.rule.problem_rules[0].threshold
    assert f"{ranked:.2f} (" in line
    assert line.endswith(f"{mass['threshold']:.3f}")
    assert again.scores["unit_y"][:, 0].sum() + again.scores["unit_guarantee_y"][:, 0].sum() == truth.sum()


def test_a_cost_column_is_refused_before_the_training():
    rows = visits(30).assign(amount=1.0)
    with pytest.raises(OptionError, match=r"cost_column= cannot be combined with unit="):
        cp.fit("no such model", rows, "ill", unit="patient", cost_column="amount", cost_fp=1)


def test_units_of_one_class_have_no_scores_and_are_named(kept):
    frame = visits(60)
    ill = frame[frame["patient"].isin(frame.loc[frame["ill"] == 1, "patient"])]
    with pytest.warns(UserWarning, match=r"All units \(patient\) have the same class"):
        record = cp.evaluate(kept, ill, resamples=5)
    assert record["units"] is None
    assert repr(record).startswith(f"{len(ill)} rows")


def test_units_that_go_to_a_human_are_reported(kept):
    frame = visits(200, seed=5)
    clf = kept.decide(review_alpha=0.05)
    record, table = cp.evaluate(clf, frame, resamples=5), clf.predict_units(frame)
    truth = frame.groupby("patient", sort=False)["ill"].max().to_numpy()
    human = (table["decision"] == "review").to_numpy()
    wrong = (table["decision"] == "1").to_numpy() != truth
    assert human.any()
    assert record["units"]["review"]["share"]["value"] == pytest.approx(human.mean())
    assert record["units"]["review"]["error"]["value"] == pytest.approx(wrong[~human].mean())
    assert "Units that go to a human" in repr(record)
    plain = cp.evaluate(kept, frame, resamples=5)["units"]
    assert plain["review"] is None
    assert plain["metrics"]["recall"] == record["units"]["metrics"]["recall"]


def test_only_units_with_a_calibrator_are_called_calibrated(kept):
    from counterpoise.report.card_page import to_markdown

    few = cp.fit("mlp", visits(30).drop(columns="eye"), "ill", unit="patient", epochs=1, verbose=0)
    for clf in (kept, few):
        record = cp.evaluate(clf, visits(60), resamples=5)
        fitted = clf.unit.rule.calibrator is not None
        assert ("probabilities, calibrated)" in repr(record)) == fitted
        assert ("The mean is calibrated on" in to_markdown(clf.card)) == fitted
    assert few.unit.rule.calibrator is None
    assert "(mean of the probabilities, not calibrated)" in repr(record)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"unit": "patient"},
        {"unit": "patient", "aggregate": "max"},
        {"groups": "patient", "strategy": "oversample"},
    ],
)
def test_rows_of_weight_0_are_as_if_they_were_absent(how):
    """A positive row of weight 0 does not make its unit positive, in training and in `evaluate`."""
    frame = visits().assign(w=1.0)
    frame.loc[(frame["ill"] == 1) & (np.arange(len(frame)) % 2 == 0), "w"] = 0.0
    alone = frame[frame["w"] > 0].reset_index(drop=True)
    first, second = (
        cp.fit("mlp", rows, "ill", sample_weight="w", epochs=2, verbose=0, **how) for rows in (frame, alone)
    )
    assert np.array_equal(first.predict_proba(frame), second.predict_proba(frame))
    assert first.card["classes"] == second.card["classes"]
    assert all(np.array_equal(values, second.scores[name]) for name, values in first.scores.items())
    own = {"groups": "patient"} if "groups" in how else {}
    scores, wanted = (
        cp.evaluate(first, rows, "ill", sample_weight="w", by="eye", resamples=10, **own) for rows in (frame, alone)
    )
    assert scores["rows"] == len(alone)
    assert json.dumps(scores, default=str) == json.dumps(wanted, default=str)

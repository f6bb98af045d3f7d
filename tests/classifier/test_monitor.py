"""Rows without labels: a moved share is found and answered, a moved class is refused."""

from __future__ import annotations

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.classifier.monitor import adapted, drift_to_dict
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.units import UnitRule


def scores(n, share, seed, gap=2.0):
    """Log-odds of a model that knows the truth at a share of 0.2."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    z = rng.normal(size=n) + gap * y
    odds = np.log(0.2 / 0.8) + 2.0 * z - 2.0
    return 1 / (1 + np.exp(-odds)), y


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.wrap(*scores(3000, 0.2, 0))


def test_a_moved_share_is_found_and_the_threshold_follows(clf):
    fresh, truth = scores(3000, 0.4, 1)
    drift = cp.monitor(clf, fresh, draws=50)
    assert drift.estimate.pure
    assert drift.estimate.low[1] < truth.mean() < drift.estimate.high[1]
    assert drift.plausible is False
    moved = adapted(clf, drift)
    assert moved.predict_proba(fresh)[:, 1].mean() == pytest.approx(truth.mean(), abs=0.03)
    assert moved.rule.threshold != clf.rule.threshold
    assert moved.card["prior"] == pytest.approx(drift.estimate.prior)


def test_a_classifier_that_was_moved_chooses_and_monitors_at_its_own_prior(clf):
    fresh, truth = scores(20_000, 0.02, 1)
    drift = cp.monitor(clf, fresh, draws=20)
    moved, rate = adapted(clf, drift), np.mean
    assert moved.decide(f1=True).rule.threshold == pytest.approx(drift.rule.threshold)
    assert moved.predict(fresh, prior=drift.estimate.prior).tolist() == moved.predict(fresh).tolist()
    assert rate(moved.decide(alerts=(20, 1000)).predict(fresh)) == pytest.approx(0.02, abs=0.006)
    budgets = moved.decide(recall_floor=0.9, alerts=(500, 1000)).card["threshold"]["budgets"]
    needed = rate(moved.decide(recall_floor=0.9).predict(fresh)) * 1000
    assert float(budgets.split(" needs ")[1].split()[0]) == pytest.approx(needed, rel=0.2)
    to_human = moved.decide(review_budget=(50, 1000)).predict(fresh) == "review"
    assert rate(to_human) == pytest.approx(0.05, abs=0.02)
    alerts = moved.decide(precision_floor=0.6).predict(fresh) == 1
    assert rate(truth[alerts]) > 0.5
    with pytest.raises(GuaranteeError, match="moved to other class proportions"):
        moved.decide(precision_floor=0.6, confidence=0.9)
    again = cp.monitor(moved, fresh, draws=20)
    assert again.estimate.source_prior == pytest.approx(moved.rule.prior)
    assert again.rule is moved.rule
    assert again.flagged_before[1] == pytest.approx(again.flagged_now[1], abs=0.006)
    back = cp.monitor(moved, scores(3000, 0.2, 2)[0], draws=20)
    assert back.rule.prior[1] == pytest.approx(0.2, abs=0.03)


def test_a_threshold_that_was_given_stays_where_it_is(clf):
    fixed, (fresh, truth) = clf.decide(threshold=0.3), scores(3000, 0.4, 1)
    drift = cp.monitor(fixed, fresh, draws=50)
    assert drift.plausible is False
    assert "The threshold is now applied" in drift.notes[1]
    moved = adapted(fixed, drift)
    assert moved.rule.threshold == 0.3
    assert np.array_equal(moved.predict(fresh), (moved.predict_proba(fresh)[:, 1] >= 0.3).astype(int))
    assert fixed.predict(fresh, prior=truth.mean()).mean() == pytest.approx(moved.predict(fresh).mean(), abs=0.05)


def test_the_same_share_changes_nothing(clf):
    drift = cp.monitor(clf, scores(2000, 0.2, 3)[0], draws=50)
    assert drift.plausible is True
    assert drift.estimate.low[1] < 0.2 < drift.estimate.high[1]
    assert drift.rule is clf.rule  # what the estimate has moved by chance would only do harm
    assert "The decision rule stays" in drift.notes[1]


def test_a_class_that_looks_different_is_no_prior_shift(clf):
    drift = cp.monitor(clf, scores(3000, 0.3, 4, gap=0.7)[0], draws=50)
    assert not drift.estimate.pure
    with pytest.raises(OptionError, match="probabilities of these rows cannot be corrected"):
        adapted(clf, drift)
    record = drift_to_dict(clf, drift)
    assert record["threshold_now"] is None
    assert record["pure_prior_shift"] is False


CENTERS = np.array([[0.0, 0.0], [2.5, 0.0], [0.0, 2.5]])
OLD, NEW = np.array([0.6, 0.3, 0.1]), np.array([0.3, 0.25, 0.45])


def three(n, shares, seed, centers=CENTERS):
    """Points of three normal clouds and their true posteriors under the old and the new shares."""
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=shares)
    x = rng.normal(size=(n, 2)) + centers[y]
    density = np.exp(-np.sum((x[:, None] - CENTERS) ** 2, axis=2) / 2)
    posteriors = [density * prior / (density @ prior)[:, None] for prior in (OLD, NEW)]
    return y, *posteriors


def test_three_classes_with_a_known_shift_are_followed():
    y, before, _ = three(3000, OLD, 0)
    clf = cp.wrap(before, np.array(["a", "b", "c"])[y])
    fresh_y, seen, true = three(2000, NEW, 1)
    drift = cp.monitor(clf, seen, draws=40)
    shares = np.bincount(fresh_y) / 2000
    assert drift.estimate.pure
    assert drift.estimate.prior == pytest.approx(shares, abs=0.03)
    assert np.all((drift.estimate.low < NEW) & (drift.estimate.high > NEW))
    assert drift.plausible is False
    moved = adapted(clf, drift)
    assert np.mean(np.abs(moved.predict_proba(seen) - true)) < 0.03
    assert np.mean(np.abs(clf.predict_proba(seen) - true)) > 0.05
    record = drift_to_dict(clf, drift)
    assert [c["label"] for c in record["classes"]] == ["a", "b", "c"]


def test_of_three_classes_one_that_looks_different_is_no_prior_shift():
    y, before, _ = three(3000, OLD, 0)
    _, seen, _ = three(2000, NEW, 1, centers=np.array([[0.0, 0.0], [1.8, 1.8], [0.0, 2.5]]))
    drift = cp.monitor(cp.wrap(before, y), seen, draws=40)
    assert not drift.estimate.pure
    assert drift.rule is None


def test_a_classifier_without_scores_is_refused():
    with pytest.raises(OptionError, match="no stored scores"):
        cp.monitor(cp.wrap(np.array([0.2, 0.8])), np.array([0.5]))


def test_of_several_labels_each_is_watched_by_itself():
    """Every number is that of the label's own classifier on the rows where it was known."""
    from counterpoise.core.rule import LabelRules

    (p, y), (q, z) = scores(2000, 0.2, 8), scores(2000, 0.2, 9)
    known = np.arange(2000) % 4 != 0
    both = cp.wrap(np.stack([p, q], axis=1), np.stack([y, np.where(known, z, -1)], axis=1))
    assert isinstance(both.rule, LabelRules)
    alone = cp.wrap(p, y), cp.wrap(q[known], z[known])
    fresh = scores(2000, 0.2, 10)[0], scores(2000, 0.45, 11)[0]
    drifts = cp.monitor(both, np.stack(fresh, axis=1), draws=30)
    names = [str(name) for name in both.classes_.tolist()]
    assert list(drifts) == names
    for drift, one, new in zip(drifts.values(), alone, fresh, strict=True):
        expected = cp.monitor(one, new, draws=30)
        assert drift.estimate.prior == pytest.approx(expected.estimate.prior, abs=1e-6)
        assert drift.plausible == expected.plausible
        assert drift.score_distance == pytest.approx(expected.score_distance, abs=1e-6)
    moved = adapted(both, drifts)
    assert moved.rule.problem_rules[0] is both.rule.problem_rules[0], "this label's share may be what it was"
    assert moved.rule.problem_rules[1].threshold != both.rule.problem_rules[1].threshold
    record = drift_to_dict(both, drifts)
    assert [label["label"] for label in record["labels"]] == names
    assert record["labels"][1]["classes"][1]["share_now"] == pytest.approx(0.45, abs=0.05)


def test_the_weights_of_the_stored_rows_count(clf):
    y, log_p = clf.scores["y"], clf.scores["log_p"].astype(float)
    decision = clf.target.apply(clf.rule, log_p).decision
    weight = np.where((decision == 1) & (y == 0), 5.0, 1.0)  # false positives count five times
    drift = cp.monitor(clf.with_card({"weight": weight}), scores(300, 0.4, 1)[0], draws=5)
    alerts = np.array([np.average(decision[y == c], weights=weight[y == c]) for c in (0, 1)])
    assert drift.flagged_before[1] == pytest.approx(clf.rule.prior @ alerts)


def test_units_are_compared_by_their_rows_which_is_said(clf):
    units = cp.wrap(*scores(600, 0.2, 0))
    units.unit = UnitRule(("study",), "mean", units.rule)
    fresh, _ = scores(300, 0.2, 1)
    notes = cp.monitor(units, fresh, draws=10).notes
    assert notes[-1].startswith("The classifier decides units (study), but these shares")
    assert not any("units" in note for note in cp.monitor(clf, fresh, draws=10).notes)

"""Costs, two budgets and rows for a human: in `decide`, in the file, and in exports."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.classifier.threshold_spread import threshold_spread
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.review import review_by_budget
from counterpoise.decide.rule_fields import rule_to_dict

COSTS = np.array([[0, 1, 2], [4, 0, 1], [9, 2, -1.0]])


@pytest.fixture(scope="module", name="two")
def _two():
    rng = np.random.default_rng(0)
    y = (rng.random(2000) < 0.2).astype(int)
    p = 1 / (1 + np.exp(-(2 * rng.normal(size=2000) + 3 * y - 3)))
    return cp.wrap(p[:1000], y[:1000]), p, y


@pytest.fixture(scope="module", name="three")
def _three():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 2000)
    y = np.array([rng.choice(3, p=row) for row in p])
    return cp.wrap(p[:1000], y[:1000]), p, y


def same_in_the_layer(clf, x):
    """NumPy, the Keras layer, and the labels that `predict` makes of both."""
    decided = np.asarray(RuleLayer(rule_to_dict(clf.rule))(clf.member_logits(x))["decision"])
    assert np.mean(clf.decisions_[decided] == clf.predict(x)) > 0.999


def test_costs_decide_the_lowest_expected_cost(two, three):
    for clf, p, costs in ((two[0], two[1], [[0, 2], [30, -5]]), (three[0], three[1], COSTS)):
        cheap = clf.decide(costs=costs)
        proba = cheap.predict_proba(p)
        expected = proba @ np.asarray(costs, float)
        paid = np.take_along_axis(expected, cheap.predict(p)[:, None].astype(int), axis=1)[:, 0]
        assert np.allclose(paid, expected.min(axis=1))
        same_in_the_layer(cheap, p)
        assert cheap.card["threshold"]["word"] == "given"
        assert cheap.decide(f1=True).rule.costs is None
    moved = three[0].decide(costs=COSTS).predict_proba(three[1], prior=[0.2, 0.2, 0.6])
    assert (three[0].decide(costs=COSTS).predict(three[1], prior=[0.2, 0.2, 0.6]) == np.argmin(moved @ COSTS, 1)).all()


def test_at_most_alpha_of_each_class_is_decided_wrongly(two, three):
    for clf, p, y, alpha in ((*two, 0.1), (*three, 0.25)):
        careful = clf.decide(review_alpha=alpha)
        scores = cp.evaluate(careful, p[1000:], y[1000:], resamples=2)["review"]
        assert all(c["missed"]["value"] < alpha + 0.05 for c in scores["classes"])
        decision = careful.predict(p[1000:])
        assert scores["share"]["value"] == pytest.approx(np.mean(decision == "review"))
        kept = decision != "review"
        assert scores["error"]["value"] == pytest.approx(np.mean(decision[kept] != y[1000:][kept]))
        same_in_the_layer(careful, p)
    frame = two[0].decide(review_alpha=0.1).predict_frame(two[1])
    assert set(frame["decision"]) == {"0", "1", "review"}
    assert two[0].decide(review_alpha=0.4).rule.review.floors.sum() > 1  # some rows have no possible class
    assert "review" not in two[0].decide(review_alpha=0.4).predict(two[1])  # and the rule decides them


def test_a_budget_sends_the_closest_rows(two, three):
    for clf, p in (two[:2], three[:2]):
        for aim in ({}, {"costs": COSTS} if len(clf.classes_) == 3 else {"recall_floor": 0.9}):
            sent = clf.decide(review_budget=(50, 1000), **aim)
            decision = sent.predict(p[:1000])
            assert np.sum(decision == "review") == 50
            kept = decision != "review"
            plain = clf.decide(**aim) if aim else clf
            assert (decision[kept] == plain.predict(p[:1000])[kept]).all()
            same_in_the_layer(sent, p)


def test_the_file_and_a_new_prior(two, three, tmp_path):
    clf, p, _ = two
    for number, one in enumerate((clf.decide(review_alpha=0.1), three[0].decide(costs=COSTS, review_budget=(5, 100)))):
        rows = p if number == 0 else three[1]
        again = cp.load(one.save(tmp_path / f"{number}.keras"))
        assert (again.predict(rows) == one.predict(rows)).all()
        assert again.card["threshold"]["review"] == one.rule.review.text()
    careful = clf.decide(balanced_accuracy=True, review_alpha=0.1)
    assert (careful.predict(p, prior=0.4) == careful.predict(p)).mean() > 0.99  # recalls stay, so the same rows go
    with pytest.raises(OptionError, match="Predict without prior"):
        three[0].decide(review_alpha=0.2).predict(three[1], prior=[0.2, 0.2, 0.6])


def test_two_budgets(two):
    clf = two[0]
    both = clf.decide(recall_floor=0.8, alerts=(500, 1000))
    assert "500 are allowed" in both.card["threshold"]["budgets"]
    assert both.rule.threshold == clf.decide(recall_floor=0.8).rule.threshold
    assert clf.decide(recall_floor={1: 0.8}, alerts=[500, 1000]).card["threshold"] == both.card["threshold"]
    less = clf.decide(recall_floor=0.99, alerts=(50, 1000))
    assert "would need" in less.card["threshold"]["budgets"]
    assert less.rule.threshold == clf.decide(alerts=(50, 1000)).rule.threshold


def test_served_with_plain_tensorflow(three, tmp_path):
    clf = three[0]
    for format, ending in (("saved_model", ""), ("litert", ".tflite")):
        clf.decide(review_alpha=0.25).export(
            tmp_path / f"m{ending}", format
        )  # compared with `predict` as it is written


def test_refusals(two, three):
    clf = two[0]
    for options, match in (
        ({"costs": [[0, 1], [1, 0]], "f1": True}, "costs determine the decision"),
        ({"review_alpha": 0.1, "review_budget": (1, 2)}, "cannot be combined"),
        ({"review_budget": (3, 2)}, "at most k of n rows"),
        ({"review_budget": 5}, "at most k of n rows"),
        ({"threshold": 0.0, "review_budget": (1, 2)}, "no row is close to it"),
        ({"costs": [[5, 0], [0, 5]]}, "exchanged"),
        ({"review_alpha": 0.001}, "needs 999 rows of each class"),
        ({"review_alpha": "x"}, "review_alpha is 'x'. Expected a finite number"),
        ({"recall_floor": 0.9, "confidence": "0.95"}, "confidence is '0.95'"),
        ({"recall_floor": [0.9], "confidence": 0.95}, r"recall_floor is \[0.9\]"),
        ({"recall_floor": {1: None}}, "recall_floor of 1 is None"),
        ({"alerts": (np.inf, np.inf)}, "both finite"),
    ):
        with pytest.raises((OptionError, GuaranteeError), match=match):
            clf.decide(**options)
    for floors in ("x", [0.9, 0.8]):
        with pytest.raises(OptionError, match=r"must be numbers|has 2 values"):
            three[0].decide(recall_floor=floors, confidence=0.9)
    with pytest.raises(OptionError, match="for two classes"):
        three[0].decide(recall_floor=0.9, alerts=(1, 10))


def test_a_margin_is_finite_where_distances_are_not():
    distance = np.r_[0.1, 0.2, 0.3, np.full(7, np.inf)]
    assert distance[2] < review_by_budget(distance, (3, 10)).margin < np.inf


def test_how_sure_a_threshold_is(two):
    clf, p, y = two[0].decide(f1=True), *two[1:]
    spread = cp.evaluate(clf, p[1000:], y[1000:], resamples=30)["threshold_spread"]
    assert spread["low"]["threshold"] < clf.rule.threshold < spread["high"]["threshold"]
    assert spread["low"]["recall"] >= spread["value"]["recall"] >= spread["high"]["recall"]
    assert spread["low"]["alert_rate"] > spread["high"]["alert_rate"]
    alert = clf.predict(p[1000:]) == 1
    assert spread["value"]["precision"] == pytest.approx(y[1000:][alert].mean())
    for fixed in (clf.decide(costs=[[0, 1], [5, 0]]), clf.decide(threshold=0.2), clf.decide(cost=(1, 5))):
        assert threshold_spread(fixed.rule, fixed.scores) is None


def test_two_costs_are_one_option(two):
    with pytest.raises(
        OptionError, match=r"cost_fn cannot be passed alone\. Pass both costs as cost=\(cost_fp, cost_fn\)"
    ):
        two[0].decide(cost_fn=5, cost_fp=1)


def test_thresholds_and_scores_of_the_card_draw_whole_groups(two):
    """Rows that are repeated in a group are no new evidence: intervals are about as wide as without the copies."""
    times, each = 9, cp.wrap(two[1][:300], two[2][:300]).decide(f1=True)
    copies = {name: np.repeat(each.scores[name], times, axis) for name, axis in (("log_p", 1), ("y", 0))}
    copied = each.with_card(copies)
    grouped = copied.with_card({"group": np.repeat(np.arange(300), times)})
    width = {}
    for name, clf in {"each": each, "copied": copied, "grouped": grouped}.items():
        spread, ap = clf.card["threshold"]["spread"], clf.card["metrics"]["average_precision"]
        width[name] = np.array([spread["high"] - spread["low"], ap["high"] - ap["low"]])
    assert (width["copied"] < 0.7 * width["each"]).all()
    assert (width["grouped"] > 0.7 * width["each"]).all()
    assert (width["grouped"] < 1.4 * width["each"]).all()
    alone = copied.with_card({"group": np.zeros(300 * times, np.int64)})
    assert alone.card["threshold"]["spread"] == copied.card["threshold"]["spread"]


def test_the_spread_of_a_threshold_leaves_out_rows_of_weight_0(two):
    clf = two[0].decide(f1=True)
    n = len(clf.scores["y"])
    twice = {name: np.concatenate([clf.scores[name]] * 2, axis) for name, axis in (("log_p", 1), ("y", 0))}
    doubled = {**twice, "weight": np.r_[np.ones(n), np.zeros(n)]}
    weighed = {**clf.scores, "weight": np.ones(n)}
    assert threshold_spread(clf.rule, doubled) == threshold_spread(clf.rule, weighed)


def test_a_guarantee_of_rows_with_weights_is_reported(two):
    weight = np.r_[np.zeros(100), np.full(900, 2.0)]
    clf = two[0].with_card({"weight": weight})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.decide(recall_floor=0.8, confidence=0.9)
    clf = clf.with_card({"weight": np.r_[weight[:-1], 3.0]})
    for how in ({"recall_floor": 0.8, "confidence": 0.9}, {"review_alpha": 0.2}):
        with pytest.warns(UserWarning, match="counts each of these rows once"):
            clf.decide(**how)


def test_the_card_states_whether_its_rows_chose_the_present_threshold(two, tmp_path):
    clf, yes, no = two[0], "1000 rows given to wrap(); the threshold was tuned on these rows", "was not tuned on"
    assert clf.card["rule"] == clf.card["metrics_of"] == yes
    for given in ({"threshold": 0.3}, {"cost": (1, 5)}, {"costs": [[0, 1], [5, 0]]}):
        decided = clf.decide(**given)
        assert no in decided.card["rule"]
        assert no in decided.card["metrics_of"]
        again = cp.load(decided.save(tmp_path / "m.keras")).decide(recall_floor=0.8)
        assert again.card["rule"] == again.card["metrics_of"] == yes
    guaranteed = clf.decide(recall_floor=0.8, confidence=0.9)
    assert (no in guaranteed.card["rule"]) is (guaranteed.card["threshold"]["word"] == "guarantee")


def test_a_threshold_that_follows_from_costs_is_no_estimate(two, three):
    entry = two[0].decide(cost=(1, 20)).card["threshold"]
    assert (entry["word"], entry["value"]) == ("given", pytest.approx(1 / 21))
    assert entry["text"] == "The threshold follows from the costs: a false positive costing 1 and a missed case 20."
    assert three[0].decide(cost=(1, 2, 3)).card["threshold"]["word"] == "given"
    assert two[0].decide(f1=True).card["threshold"]["word"] == "estimate"

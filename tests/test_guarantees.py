"""A guarantee comes from rows kept out of everything, or the word is estimate; the card says which."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import counterpoise as cp
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.data.split import hold_out
from counterpoise.decide.new_prior import rule_at_prior
from counterpoise.pipeline.division import _set_aside_for_guarantees
from counterpoise.pipeline.reading import read_for
from counterpoise.targets.thresholds import choose


def rows(n=3000, seed=0, share=0.15):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    return rng.normal(size=(n, 3)) + 1.2 * y[:, None], y


@pytest.fixture(scope="module", name="clf")
def _clf():
    x, y = rows()
    return cp.fit("mlp", x, y, strategy="undersample", epochs=2, guarantee_rows=0.3, verbose=0)


def test_kept_rows_guarantee_and_the_guarantee_survives_the_file(clf, tmp_path):
    sure = cp.load(clf.decide(recall_floor=0.9, confidence=0.95).save(tmp_path / "m.keras"))
    threshold = sure.card["threshold"]
    assert threshold["word"] == "guarantee"
    assert threshold["value"] == sure.rule.threshold
    assert "Recall is at least 0.9 with 95% confidence" in threshold["text"]
    # The scores of the card are of rows that chose this threshold, which the card says once.
    assert sure.card["metrics_of"] == f"{clf.card['metrics_of']}; the guarantee chose the threshold on them"
    assert sure.decide(f1=True).card["metrics_of"] == clf.card["metrics_of"]
    assert sure.rule.guarantee.threshold == threshold["value"]
    x, y = rows(20_000, seed=1)
    assert np.mean(sure.predict(x)[y == 1] == 1) > 0.9


def test_the_kept_rows_are_in_no_other_part():
    x, y = rows(400)
    examples = read_for("mlp", x, y)
    rest, kept = _set_aside_for_guarantees(examples, 0.25, seed=3)
    first, second, every = (one.x["numeric"][:, 0] for one in (rest, kept, examples))
    assert sorted([*first, *second]) == sorted(every), "each row is in one of them"
    assert len(kept) == 100
    assert not np.array_equal(second, every[hold_out(examples, 0.25, 3)[1]])


def test_the_card_measures_on_the_kept_rows(clf):
    assert clf.card["guarantee_rows"] == len(clf.scores["guarantee_y"]) == 900
    assert len(clf.history[0]["step"]) == 2
    assert clf.card["metrics_of"].startswith("900 rows not used for training")
    recall = clf.card["metrics"]["recall"]
    assert recall["low"] < recall["value"] < recall["high"]
    assert clf.card["prior"] == pytest.approx(clf.rule.prior.tolist())
    assert clf.card["versions"]["keras"]


def test_the_card_measures_the_rule_as_it_is(clf):
    """Another threshold, another recall; another prior, another precision and the same recall."""
    high = clf.decide(recall_floor=0.95)
    y = clf.scores["guarantee_y"]
    assert high.card["metrics"]["recall"]["value"] > clf.card["metrics"]["recall"]["value"]
    flagged = high.card["metrics"]["recall"]["value"] * y.sum() / high.card["metrics"]["precision"]["value"]
    assert flagged == pytest.approx(round(flagged), abs=1e-6)
    moved = high.with_rule(rule_at_prior(high.rule, 0.02)).card["metrics"]
    assert moved["recall"]["value"] == pytest.approx(high.card["metrics"]["recall"]["value"])
    assert moved["precision"]["value"] < high.card["metrics"]["precision"]["value"]


def test_what_cannot_be_guaranteed_is_refused_with_what_can_be(clf):
    with pytest.raises(GuaranteeError, match=r"The highest recall that these rows support is 0\.9"):
        clf.decide(recall_floor=0.999, confidence=0.95)


def test_without_kept_rows_the_word_is_estimate():
    x, y = rows()
    plain = cp.fit("mlp", x, y, strategy="none", epochs=1, verbose=0)
    assert plain.card["threshold"]["word"] == "default"
    assert plain.decide(recall_floor=0.8).card["threshold"]["word"] == "estimate"
    assert plain.decide(threshold=0.3).card["threshold"]["word"] == "given"
    threshold = plain.decide(recall_floor=0.8, confidence=0.9).card["threshold"]
    assert threshold["word"] == "estimate"
    assert "The correction was fitted on the same rows" in threshold["text"]


def test_a_second_decision_replaces_the_first_guarantee(clf):
    again = clf.decide(recall_floor=0.8, confidence=0.9).decide(f1=True)
    assert again.card["threshold"]["word"] == "estimate"
    assert again.rule.guarantee is None
    sure = clf.decide(precision_floor=0.5, confidence=0.9)
    assert rule_at_prior(sure.rule, 0.02).guarantee is None, "a precision is for the class proportions of its rows"


def test_precision_is_guaranteed_too(clf):
    sure = clf.decide(precision_floor=0.5, confidence=0.9)
    assert "Precision is at least 0.5 with 90% confidence" in sure.card["threshold"]["text"]


def test_what_does_not_go_together(clf):
    with pytest.raises(OptionError, match="confidence= cannot be combined with f1="):
        clf.decide(f1=True, confidence=0.95)
    with pytest.raises(OptionError, match="exactly one aim"):
        clf.decide(confidence=0.95)
    with pytest.raises(OptionError, match=r"guarantee_rows is 1\.5"):
        cp.fit("mlp", *rows(100), guarantee_rows=1.5, verbose=0)


def test_folds_and_guarantee_rows_go_together():
    x, y = rows(600)
    clf = cp.fit("mlp", x, y, strategy="none", epochs=1, folds=2, guarantee_rows=0.5, verbose=0)
    assert len(clf.scores["y"]) == 300
    assert clf.decide(recall_floor=0.5, confidence=0.9).card["threshold"]["word"] == "guarantee"


def test_after_a_refit_guarantees_hold_as_often_as_they_say():
    """One scorer of the whole path; the rows that carry the guarantee are drawn again and again."""
    clf = cp.fit("mlp", *rows(900), strategy="oversample", epochs=2, folds=2, guarantee_rows=0.4, verbose=0)
    assert clf.decide(recall_floor=0.9, confidence=0.9).card["threshold"]["word"] == "guarantee"
    x, y = rows(20_000, seed=1, share=1.0)
    truth = clf.predict_proba(x)[:, 1]
    x, y = rows(300 * 200, seed=2, share=0.3)
    log_p, draws, kept = clf.log_p(clf.member_logits(x)), np.arange(len(y)).reshape(300, 200), 0
    for take in draws:
        scores = {**clf.scores, "guarantee_log_p": log_p[:, take], "guarantee_y": y[take]}
        cut = choose(clf.rule, scores, {"recall_floor": 0.9}, 0.9, [0, 1]).threshold
        kept += np.mean(truth >= cut) >= 0.9
    assert binom.ppf(0.001, 300, 0.9) <= kept < 300


def test_treated_networks_are_calibrated_without_a_change_of_ranking(clf):
    calibrator = clf.rule.calibrator
    assert calibrator is None or calibrator["kind"] in ("platt", "temperature")


def test_several_classes_are_guaranteed_together(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], size=2400, p=[0.7, 0.15, 0.15])
    x = rng.normal(size=(2400, 2)) + np.array([[0, 0], [2.5, 0], [0, 2.5]])[np.searchsorted(["a", "b", "c"], y)]
    clf = cp.fit("mlp", x, y, strategy="class_weight", epochs=4, guarantee_rows=0.4, verbose=0)
    sure = cp.load(clf.decide(recall_floor={"b": 0.7, "c": 0.6}, confidence=0.9).save(tmp_path / "m.keras"))
    threshold = sure.card["threshold"]
    assert threshold["word"] == "guarantee"
    assert "0.7 for b, 0.6 for c with 90% confidence. This is guaranteed by" in threshold["text"]
    guess = clf.decide(recall_floor={"b": 0.7})
    assert guess.card["threshold"]["word"] == "estimate"
    assert np.mean(guess.predict(x)[y == "b"] == "b") > 0.6
    assert np.array_equal(sure.predict(x, prior=[0.2, 0.3, 0.5]), sure.predict(x))
    with pytest.raises(OptionError, match="no class 'd'"):
        clf.decide(recall_floor={"d": 0.7})
    with pytest.raises(OptionError, match="only recall_floor= can be guaranteed"):
        clf.decide(precision_floor=0.7, confidence=0.9)


def test_guarantees_per_patient_hold_as_often_as_they_say():
    """Scores of several images per patient, those of one patient alike; one group counts once."""
    from benchmarks.guarantees import PATIENT_FLOOR, draw_patients, patients

    fresh = patients(np.random.default_rng(3), 3000, 1.0)
    draws = [draw_patients(number, fresh) for number in range(150)]
    held = {name: sum(one[name] >= PATIENT_FLOOR for one in draws) for name in draws[0]}
    least = binom.ppf(0.001, 150, 0.95)
    assert min(held["patients, mean"], held["patients, max"], held["images, one of each patient"]) >= least
    assert held["images as if independent"] < held["images, one of each patient"]

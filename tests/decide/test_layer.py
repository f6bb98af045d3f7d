"""The rule as a Keras layer says what the rule in NumPy says."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from counterpoise.classifier.model_card import stored_scores
from counterpoise.core.rule import Rule
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.prior import corrected_log_proba
from counterpoise.decide.rule import apply_rule
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict
from counterpoise.targets.thresholds import choose

N = 300
PLATT = {"kind": "platt", "slopes": [0.7, 0.7], "intercepts": [0.2, -0.1]}
ISOTONIC = {"kind": "isotonic", "x": [[-4.0, -1.0, 2.0]], "y": [[-3.0, -0.5, 2.5]]}
STEP = {"kind": "isotonic", "x": [[0.5]], "y": [[-1.0]]}
AFTER = {**PLATT, "after": [0.3, -0.3]}


def make(classes, members, vote, calibrator, seed, units=None):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(members))
    binary = classes == 2
    cuts = rng.uniform(0.2, 0.8, members) if binary else rng.normal(size=(members, classes))
    return Rule(
        log_shifts=rng.normal(size=(members, classes)),
        prior=rng.dirichlet(np.ones(classes)),
        vote=vote,
        weights=weights,
        intercept=rng.normal(size=classes) * 0.3,
        calibrator=calibrator,
        threshold=0.37 if binary else None,
        offsets=None if binary else rng.normal(size=classes),
        member_thresholds=cuts if vote == "hard" else None,
    ), [rng.normal(size=(N, units or classes)).astype("float32") * 3 for _ in range(members)]


CASES = [
    *itertools.product([2], [1, 3], ["soft", "log", "hard", "weighted"], [None, PLATT, ISOTONIC, STEP, AFTER], [1, 2]),
    *itertools.product([4], [1, 3], ["soft", "log", "hard"], [None], [4]),
    (3, 2, "soft", {"kind": "vector", "slopes": [0.5, 1.0, 1.2], "intercepts": [0.1, 0.0, -0.4]}, 3),
    (3, 2, "soft", {"kind": "isotonic", "x": [[-2.0, 0.0, 1.0]] * 3, "y": [[-3.0, -1.0, 2.0]] * 3}, 3),
]


@pytest.mark.parametrize(("classes", "members", "vote", "calibrator", "units"), CASES)
def test_layer_and_numpy_agree(classes, members, vote, calibrator, units):
    rule, logits = make(classes, members, vote, calibrator, seed=members, units=units)
    want = apply_rule(rule, logits)
    got = RuleLayer(rule_to_dict(rule))(logits)
    assert np.allclose(got["probability"], want.proba, atol=2e-6)
    sure = np.abs(want.proba[:, 1] - 0.37) > 1e-5 if classes == 2 else np.ones(N, bool)
    assert np.array_equal(np.asarray(got["decision"])[sure], want.decision[sure])


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
@pytest.mark.parametrize("calibrator", [None, PLATT, ISOTONIC])
def test_a_row_on_a_guaranteed_threshold_is_flagged_in_float32_too(scale, calibrator):
    rng = np.random.default_rng(0)
    z, y = (scale * rng.normal(size=(200, 1))).astype("float32"), np.ones(200, int)
    rule = Rule(np.array([[-1.0, 1.1]]), np.array([0.5, 0.5]), calibrator=calibrator, threshold=0.5)
    scores = stored_scores(corrected_log_proba(z, rule.log_shifts[0])[None], y)
    for floor in np.linspace(0.05, 0.95, 31):
        cut = choose(rule, scores, {"recall_floor": floor}, 0.9, [0, 1])
        want = apply_rule(cut, [z]).decision
        decision = np.asarray(RuleLayer(rule_to_dict(cut))([z])["decision"])
        assert want.mean() >= floor
        assert decision[want == 1].all()
        # Where float64 itself rounds to 1, float32 logits still separate rows.
        assert np.array_equal(decision, want) or scale == 30


@pytest.mark.parametrize("threshold", [0.0, 1e-12, 1 - 1e-12, 1.0, np.nextafter(1.0, 2.0)])
def test_thresholds_at_the_ends(threshold):
    rule = Rule(np.zeros((1, 2)), np.array([0.5, 0.5]), threshold=threshold)
    logits = [np.array([[-30.0], [-3.0], [3.0], [30.0], [37.0], [38.0], [80.0]], "float32")]
    decision = RuleLayer(rule_to_dict(rule))(logits)["decision"]
    assert np.asarray(decision).tolist() == apply_rule(rule, logits).decision.tolist()


def test_a_rule_survives_its_dict_and_a_saved_model(tmp_path):
    rule, logits = make(2, 2, "soft", AFTER, 0, units=1)
    again = checked_rule(rule_to_dict(rule))
    assert np.array_equal(apply_rule(again, logits).proba, apply_rule(rule, logits).proba)
    inputs = [keras.Input((1,)), keras.Input((1,))]
    model = keras.Model(inputs, RuleLayer(rule_to_dict(rule))(inputs))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    assert np.array_equal(loaded(logits)["probability"], model(logits)["probability"])


def random_rule(seed):
    """Any rule that `fit_rule` could make, and some at the edge of that."""
    rng = np.random.default_rng(seed)
    classes, members = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    binary = classes == 2
    weights = rng.dirichlet(np.ones(members)) * (rng.random(members) < 0.8)
    weights = weights / weights.sum() if weights.sum() else np.eye(members)[0]
    x = np.sort(rng.normal(size=(1 if binary else classes, 6)) * 3, axis=1)
    slopes = rng.uniform(0.3, 1.5, classes)
    calibrator = [
        None,
        {"kind": "temperature", "slopes": [slopes[0]] * classes, "intercepts": [0.0] * classes},
        {"kind": "vector", "slopes": slopes.tolist(), "intercepts": rng.normal(size=classes).tolist()},
        {"kind": "isotonic", "x": x.tolist(), "y": np.sort(rng.normal(size=x.shape) * 2, axis=1).tolist()},
    ][rng.integers(4)]
    if calibrator is not None and rng.random() < 0.5:
        calibrator["after"] = rng.normal(size=classes).tolist()
    vote = ("soft", "log", "hard", "weighted")[rng.integers(4)]
    cuts = [0.0, 1.0, *rng.random(4)]
    own = rng.choice(cuts, members) if binary else rng.normal(size=(members, classes))
    return Rule(
        log_shifts=rng.normal(size=(members, classes)) * 2,
        prior=rng.dirichlet(np.ones(classes)),
        vote=vote,
        weights=weights if rng.random() < 0.7 else None,
        intercept=rng.normal(size=classes) if rng.random() < 0.5 else None,
        calibrator=calibrator,
        threshold=float(rng.choice(cuts)) if binary and rng.random() < 0.8 else None,
        offsets=rng.normal(size=classes) if not binary and rng.random() < 0.8 else None,
        member_thresholds=own if vote == "hard" else None,
    ), [
        (rng.normal(size=(N, 1 if binary and rng.random() < 0.5 else classes)) * 4).astype("float32")
        for _ in range(members)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_any_rule_says_the_same_in_both(seed):
    rule, logits = random_rule(seed)
    want, got = apply_rule(rule, logits), RuleLayer(rule_to_dict(rule))(logits)
    assert np.allclose(got["probability"], want.proba, atol=5e-6)
    # A row on the cut itself may fall on either side in float32.
    assert np.mean(np.asarray(got["decision"]) == want.decision) >= 1 - 2 / N

"""The rule as a layer equals the rule in NumPy for members of focal loss, at any size of the logits."""

from __future__ import annotations

import json

import numpy as np
import pytest

from counterpoise.core.rule import Rule
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.rule import apply_rule
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("gammas", [[0.5, 0.0], [2.0, 5.0], [1.0, 1.0]])
def test_layer_equals_apply_rule(units, gammas):
    classes = max(2, units)
    rng = np.random.default_rng(0)
    members = [rng.normal(size=(500, units)) * rng.choice([1, 5, 20], size=(500, 1)) for _ in range(2)]
    rule = Rule(
        log_shifts=rng.normal(size=(2, classes)),
        prior=np.full(classes, 1 / classes),
        threshold=0.3 if classes == 2 else None,
        gammas=np.array(gammas),
    )
    stored = checked_rule(json.loads(json.dumps(rule_to_dict(rule))))
    want = apply_rule(stored, members)
    got = RuleLayer(rule_to_dict(rule))([m.astype("float32") for m in members])
    np.testing.assert_allclose(np.asarray(got["probability"]), want.proba, atol=2e-5)
    top = np.sort(want.proba, axis=1)
    clear = np.abs(want.proba[:, 1] - 0.3 if classes == 2 else top[:, -1] - top[:, -2]) > 1e-3
    np.testing.assert_array_equal(np.asarray(got["decision"])[clear], want.decision[clear])


def test_extreme_logits_stay_finite():
    rule = Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.5, 0.5]), threshold=0.5, gammas=np.array([2.0]))
    out = RuleLayer(rule_to_dict(rule))([np.array([[-1e4], [-200.0], [200.0], [1e4]], "float32")])
    np.testing.assert_allclose(np.asarray(out["probability"])[:, 1], [0, 0, 1, 1], atol=1e-6)


def test_a_rule_stored_before_focal_members_existed_still_loads():
    values = rule_to_dict(Rule(log_shifts=np.zeros((1, 2)), prior=np.array([0.5, 0.5]), threshold=0.5))
    del values["gammas"]
    assert checked_rule(values).gammas is None
    RuleLayer(values)([np.zeros((1, 1), "float32")])

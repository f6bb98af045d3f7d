"""A rule from a file: every field is typed, finite and of the shape that members and classes ask for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from counterpoise.core.errors import ArtifactError
from counterpoise.core.guarantee import ClassGuarantee, Guarantee
from counterpoise.core.rule import Rule
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict

TWO = rule_to_dict(
    Rule(
        log_shifts=np.array([[0.0, 0.0], [-0.7, 0.7]]), prior=np.array([0.8, 0.2]), weights=np.array([0.5, 0.5]),
        threshold=0.3, aim="f1", notes=("a note",), vote="hard", member_thresholds=np.array([0.2, 0.4]),
        calibrator={"kind": "isotonic", "x": [[-1.0, 1.0]], "y": [[-2.0, 2.0]], "after": [0.0, 0.1]},
        guarantee=Guarantee(0.3, "recall", 0.9, 0.95, 100, 0.96),
    )
)  # fmt: skip
THREE = rule_to_dict(
    Rule(
        log_shifts=np.zeros((1, 3)), prior=np.array([0.5, 0.3, 0.2]), offsets=np.array([0.0, 1.0, 2.0]),
        aim="cost(1, 2, 3)", gammas=np.array([2.0]), intercept=np.zeros(3),
        calibrator={"kind": "vector", "slopes": [1.0, 1.0, 1.0], "intercepts": [0.0, 0.0, 0.0]},
        guarantee=ClassGuarantee(np.zeros(3), np.array([0, 0.9, 0]), 0.95, np.array([9, 99, 5]), np.ones(3)),
    )
)  # fmt: skip


@pytest.mark.parametrize("values", [TWO, THREE], ids=["two classes", "three classes"])
def test_what_is_written_is_read(values):
    assert rule_to_dict(checked_rule(values)) == values
    assert RuleLayer(values).get_config()["rule"] == values


WRONG = [
    (TWO, "threshold", math.nan, "the rule.threshold is nan. Expected a finite number from 0 to 1"),
    (TWO, "threshold", 9, "is 9"),
    (TWO, "threshold", [0.5], "is a list"),
    (TWO, "threshold", "0.5", "is '0.5'"),
    (TWO, "threshold", True, "is True"),
    (TWO, "offsets", [0.0, 0.0], "offsets are for three classes or more"),
    (TWO, "vote", "loud", "Expected one of soft"),
    (TWO, "vote", None, "Expected one of soft"),
    (TWO, "guarantee", {**TWO["guarantee"], "reached": 1.5}, "is 1.5"),
    (TWO, "guarantee", THREE["guarantee"], "guarantee"),
    (TWO, "weights", [1.0], "Expected 2 numbers"),
    (TWO, "weights", [-1.0, 2.0], "is -1.0"),
    (TWO, "weights", [0.0, 0.0], "are all 0"),
    (TWO, "prior", [0.9, 0.9], "sums to 1.8. Expected 1"),
    (TWO, "prior", [0.9], "one class"),
    (TWO, "prior", "ab", "Expected n numbers"),
    (TWO, "log_shifts", [[0.0], [1.0]], "Expected 2 x 2 numbers"),
    (TWO, "log_shifts", [[0.0, 0.0], [1.0, math.inf]], "finite"),
    (TWO, "log_shifts", {}, "Expected n x n numbers"),
    (TWO, "member_thresholds", [0.2], "Expected 2 numbers"),
    (TWO, "member_thresholds", [0.2, 7.0], "is 7.0"),
    (TWO, "intercept", [1.0, None], "Expected 2 numbers"),
    (TWO, "aim", "fame", "There is no aim"),
    (TWO, "aim", 1, "Expected text"),
    (TWO, "notes", "a note", "Expected a list"),
    (TWO, "notes", [1], "entry 1 is 1"),
    (TWO, "gammas", [-1.0, 0.0], "is -1.0"),
    (TWO, "calibrator", {"kind": "magic"}, "lacks 'slopes'"),
    (TWO, "calibrator", {"kind": "isotonic", "x": [[1.0, 1.0]], "y": [[0.0, 0.0]]}, "a decreasing curve"),
    (TWO, "calibrator", {"kind": "isotonic", "x": [[1.0, 2.0]], "y": [[0.0]]}, "as many x as y values"),
    (TWO, "calibrator", {"kind": "isotonic", "x": [[1.0], [2.0]], "y": [[0.0], [0.0]]}, "Expected 1, with as many x"),
    (TWO, "calibrator", {"kind": "platt", "slopes": [1.0, -1.0], "intercepts": [0.0, 0.0]}, "is -1.0"),
    (TWO, "calibrator", {"kind": "platt", "slopes": [1.0], "intercepts": [0.0, 0.0]}, "Expected 2 numbers"),
    (TWO, "calibrator", {"kind": "platt", "slopes": [1.0, 1.0]}, "lacks 'intercepts'"),
    (TWO, "calibrator", [], "is a list"),
    (TWO, "more", 1, "contains 'more'"),
    (THREE, "threshold", 0.5, "a threshold is for two classes"),
    (THREE, "offsets", [0.0, 1.0], "Expected 3 numbers"),
    (THREE, "offsets", [0.0, 1.0, math.nan], "is nan"),
]


@pytest.mark.parametrize(("values", "field", "wrong", "words"), WRONG, ids=[f"{f}: {w!r:.40}" for _, f, w, _ in WRONG])
def test_a_field_that_is_wrong_is_named(values, field, wrong, words):
    with pytest.raises(ArtifactError, match=words):
        checked_rule({**values, field: wrong})


@pytest.mark.parametrize("field", ["log_shifts", "prior"])
def test_a_field_that_is_absent_is_named(field):
    with pytest.raises(ArtifactError, match=f"lacks '{field}'"):
        checked_rule({k: v for k, v in TWO.items() if k != field})


@pytest.mark.parametrize("values", [None, [], 5, "rule"])
def test_what_is_no_rule(values):
    with pytest.raises(ArtifactError, match="the rule is"):
        checked_rule(values)

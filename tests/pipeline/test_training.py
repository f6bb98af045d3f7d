"""The arguments that `fit` and `compare` share."""

from __future__ import annotations

import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.pipeline.training import DEFAULTS, ONLY, SETTINGS, Training, settings_of, training_of


def test_every_argument_has_a_default_and_its_settings():
    assert set(Training.__annotations__) == set(DEFAULTS) >= {*SETTINGS, *ONLY}
    assert settings_of(training_of(cp.fit, {"patience": 3}), seed=5).patience == 3
    assert training_of(cp.compare, {"epochs": 2})["epochs"] == 2


@pytest.mark.parametrize(
    ("function", "given", "words"),
    [
        (cp.fit, {"epoch": 3}, r"fit has no argument 'epoch'\. Did you mean 'epochs'"),
        (cp.compare, {"stratgies": "none"}, r"compare has no argument 'stratgies'\. Did you mean 'strategies'"),
        (cp.compare, {"clone": False}, "clone= is an argument of fit, not of compare"),
        (cp.fit, {"early_stopping": False}, "early_stopping= is an argument of compare, not of fit"),
    ],
)
def test_an_argument_that_there_is_not_is_named(function, given, words):
    with pytest.raises(OptionError, match=words):
        function("mlp", [[0.0], [1.0]], [0, 1], **given)


def test_the_former_name_of_initial_weights_still_works():
    with pytest.warns(DeprecationWarning, match="Use that name"):
        assert training_of(cp.fit, {"weights": "fresh"})["initial_weights"] == "fresh"

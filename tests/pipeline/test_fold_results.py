"""The rule that a strategy gets from scores of rows that trained nothing."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from counterpoise.pipeline.fold_results import fit_rule
from counterpoise.strategies.select import find
from counterpoise.targets.kinds import target_of


@pytest.mark.parametrize("several", [False, True], ids=["one_of", "labels"])
def test_probabilities_of_a_loss_of_unknown_effect_get_the_share_if_no_calibrator_helps(several):
    """Too few rows for a calibrator: what remains is the intercept, also for the baseline."""
    rng = np.random.default_rng(0)
    y = (rng.random(60) < 0.2).astype(np.int64)
    p = np.full(60, 0.45) + 0.05 * rng.random(60)  # about 0.47 where 0.2 is right
    log_p, codes = np.log(np.stack([1 - p, p], axis=1))[None], y
    if several:
        log_p, codes = np.stack([log_p, log_p], axis=2), np.stack([y, y], axis=1)
    target, shape = target_of("labels" if several else "one_of"), (2, 2) if several else (2,)

    def mean_of(unknown):
        member = SimpleNamespace(
            needs_calibration=unknown, log_shift=np.zeros(shape), member_shifts=None, gamma=0.0
        )  # fmt: skip
        rule = fit_rule(target, find("none"), log_p, codes, [member])
        return target.apply(rule, log_p).proba.mean(axis=0)[-1]

    assert mean_of(unknown=True) == pytest.approx(y.mean(), abs=0.01)
    assert mean_of(unknown=False) == pytest.approx(p.mean()), "the baseline is left as it is"

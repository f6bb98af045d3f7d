"""The bootstrap over images against drawing them one by one."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import DataError
from counterpoise.metrics.image_draws import image_draws
from counterpoise.metrics.region_scores import dice, pooled


def counts(n: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 30, (n, 3))


def test_draws_have_the_distribution_of_drawn_images():
    c, rng = counts(), np.random.default_rng(1)
    slow = [dice(c[rng.integers(0, 40, 40)].sum(axis=0)) for _ in range(2000)]
    fast = image_draws(lambda weight: dice(pooled(c, weight)), 40, resamples=2000)
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.004)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.1)


def test_images_of_a_patient_come_together():
    groups = np.repeat(["a", "b", "c"], [5, 2, 3])
    weights = image_draws(lambda weight: weight, 10, groups=groups, resamples=50)
    for patient in "abc":
        assert (weights[:, groups == patient] == weights[:, groups == patient][:, :1]).all()
    assert (weights[:, [0, 5, 7]].sum(axis=1) == 3).all()


def test_the_same_seed_pairs_two_models():
    c = counts()
    a, b = (image_draws(lambda weight: dice(pooled(c, weight)), 40, resamples=150, seed=3) for _ in range(2))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, image_draws(lambda weight: dice(pooled(c, weight)), 40, resamples=150, seed=4))


def test_too_few_or_other_images_are_refused():
    with pytest.raises(DataError, match="There is 1 group"):
        image_draws(lambda weight: weight, 3, groups=[7, 7, 7])
    with pytest.raises(DataError, match="2 entries for 3 images"):
        image_draws(lambda weight: weight, 3, groups=[7, 8])

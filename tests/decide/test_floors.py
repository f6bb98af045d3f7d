"""Recall floors of several classes: the binomial test by hand, and their keeping over many draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.decide.floors import floor_offsets, floor_path, guarantee_floors, recalls
from counterpoise.decide.offsets import choose_offsets
from counterpoise.decide.prior import log_softmax

CENTERS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
PRIOR = np.array([0.7, 0.1, 0.1, 0.1])


def draw(n: int, seed: int, sharp: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of four normal clouds, or with `sharp` above 1 what an over-confident network says."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, size=n, p=PRIOR)
    x = rng.normal(size=(n, 2)) + CENTERS[y]
    log_density = -0.5 * ((x[:, None] - CENTERS) ** 2).sum(axis=2)
    return log_softmax(sharp * (log_density + np.log(PRIOR))), y


@pytest.mark.parametrize(
    ("floors", "sharp"), [([0, 0.8, 0, 0], 1.0), ([0, 0.65, 0.7, 0], 3.0), ([0.5, 0.4, 0.5, 0.4], 1.0)]
)
def test_floors_are_kept_over_draws(floors: list[float], sharp: float) -> None:
    wanted, draws = np.array(floors), 120
    fitted, labels = draw(1000, 10_000, sharp)
    path = floor_path(fitted, labels, wanted, choose_offsets(fitted, labels, "f1"))
    fresh, truth = draw(20_000, 20_000, sharp)
    known = np.stack([recalls(fresh, truth, b) for b in path])
    failures = used = 0
    for seed in range(draws):
        try:
            got = guarantee_floors(*draw(1000, seed, sharp), wanted, path)
        except GuaranteeError:
            continue  # nothing was guaranteed
        index = int(np.flatnonzero((path == got.offsets).all(axis=1))[0])
        failures += bool(np.any(known[index] < wanted))
        used += index
    assert failures <= binom.ppf(0.999, draws, 0.05)
    assert used / draws > 20  # and it does not stay where only the named classes are ever decided


def test_the_last_offsets_before_the_first_failure() -> None:
    lp, y = draw(1200, 1)
    floors = np.array([0, 0.7, 0.6, 0])
    path = floor_path(lp, y, floors, np.zeros(4))
    expected = -1
    for index, b in enumerate(path):
        decided = np.argmax(lp + b, axis=1)
        tests = [binom.cdf(np.sum(decided[y == c] != c), np.sum(y == c), 1 - floors[c]) for c in (1, 2)]
        if max(tests) > 0.1:
            break
        expected = index
    got = guarantee_floors(lp, y, floors, path, 0.9)
    assert 0 < expected < len(path) - 1
    np.testing.assert_array_equal(got.offsets, path[expected])
    assert got.rows.tolist() == np.bincount(y).tolist()
    assert "0.7 for b, 0.6 for c with 90% confidence. This is guaranteed" in got.text(list("abcd"))


def test_the_path_is_balanced_and_ends_where_no_floor_is() -> None:
    lp, y = draw(3000, 2)
    floors = np.array([0, 0.8, 0.6, 0.0])
    path = floor_path(lp, y, floors, np.array([0.1, 0.2, 0.3, 0.4]))
    np.testing.assert_allclose(path[-1], [0.1, 0.2, 0.3, 0.4])
    missed = 1 - recalls(lp, y, path[0])
    assert missed[1] / 0.2 == pytest.approx(missed[2] / 0.4, abs=0.05)


def test_estimates_reach_the_floors_on_their_rows_and_not_more_than_they_must() -> None:
    lp, y = draw(4000, 3)
    b = choose_offsets(lp, y, "recall_floor(0, 0.8, 0, 0)")
    assert 0.8 <= recalls(lp, y, b)[1] < 0.84
    with pytest.raises(GuaranteeError, match="cannot all be reached"):
        floor_offsets(lp, y, np.full(4, 0.95), np.zeros(4))


def test_bad_input() -> None:
    lp, y = draw(60, 4)
    path = np.zeros((1, 4))
    with pytest.raises(GuaranteeError, match=r"0\.9 for class 1 with \d+ rows \(at best 0\.\d\d\)"):
        guarantee_floors(lp, y, np.array([0, 0.9, 0, 0]), path)
    with pytest.raises(GuaranteeError, match=r"class 3 with 0 rows \(at best 0\.00\)"):
        guarantee_floors(lp, np.zeros(60, int), np.array([0, 0, 0, 0.5]), path)
    for floors in ([0.0] * 4, [1.0, 0, 0, 0], [0.5]):
        with pytest.raises(OptionError, match="Expected 4 numbers of 0"):
            guarantee_floors(lp, y, np.array(floors), path)
    with pytest.raises(OptionError, match=r"0\.95"):
        guarantee_floors(lp, y, np.array([0.5, 0, 0, 0]), path, 95)

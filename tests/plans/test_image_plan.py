"""Plans over images: what they draw, and that weights by inclusion give the pixels of the data back."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.core.errors import DataError, OptionError
from counterpoise.plans.class_plans import oversample, undersample
from counterpoise.plans.image_plan import image_classes, image_plan, inclusion, pixel_shares


def pixels(seed: int, n: int = 60, classes: int = 2) -> np.ndarray:
    """Pixels of each class: the first everywhere, each further one in fewer images."""
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 40, (n, classes))
    table[:, 0] += 200
    for c in range(1, classes):
        table[rng.random(n) > 0.25**c, c] = 0
    table[0], table[1, :] = 50, [100] + [0] * (classes - 1)
    return table


def natural(table: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    total = table.sum(axis=0) if weight is None else weight @ table
    return total / total.sum()


def seen(plan, table: np.ndarray, epochs: int) -> np.ndarray:
    """Weighted pixels of each class in some epochs, as shares."""
    total = np.zeros(table.shape[1])
    for number in range(epochs):
        rows, weights = plan.epoch(number, seed=5)
        total += weights.astype(np.float64) @ table[rows]
    return total / total.sum()


MAKES = [oversample, undersample, partial(oversample, draw="replacement"), partial(undersample, ratio=0.5)]


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("classes", [2, 4])
def test_weights_by_inclusion_give_the_shares_of_the_data(make, classes):
    table = pixels(1, classes=classes)
    plan = image_plan(table, make, weighted=True)
    assert np.allclose(pixel_shares(plan, table), natural(table))
    assert np.allclose(seen(plan, table, 400), natural(table), rtol=0.04, atol=1e-4)
    assert plan.log_shift == pytest.approx(0)
    assert not plan.needs_calibration
    assert np.mean([plan.epoch(number, 0)[1].mean() for number in range(20)]) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("make", MAKES)
def test_without_weights_the_rare_class_is_seen_more_often(make):
    table = pixels(2)
    plan = image_plan(table, make)
    assert pixel_shares(plan, table)[1] > 1.03 * natural(table)[1]
    assert np.allclose(seen(plan, table, 300), pixel_shares(plan, table), rtol=0.03)
    assert plan.needs_calibration


@pytest.mark.parametrize("make", MAKES)
def test_inclusion_is_how_often_images_come(make):
    table = pixels(3)
    plan = image_plan(table, make)
    times = np.mean([np.bincount(plan.rows(number, 0), minlength=len(table)) for number in range(600)], axis=0)
    assert np.allclose(times, inclusion(plan), atol=0.25)
    assert times.sum() == pytest.approx(len(plan))


def test_images_with_and_without_become_equal():
    table = pixels(4)
    has = table[:, 1] > 0
    assert 0 < has.sum() < len(has) / 2
    rows = image_plan(table).rows()
    assert has[rows].sum() == (~has[rows]).sum() == (~has).sum()
    rows = image_plan(table, undersample).rows()
    assert has[rows].sum() == (~has[rows]).sum() == has.sum()


def test_user_weights_define_the_data():
    table, weight = pixels(5), np.random.default_rng(0).random(60) + 0.2
    plan = image_plan(table, weighted=True, sample_weight=weight)
    assert np.allclose(pixel_shares(plan, table), natural(table, weight))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_an_image_is_of_the_rarest_class_that_it_contains(seed, classes):
    table = pixels(seed, n=30, classes=classes)
    table[2] = 0  # nothing counts
    images, own = (table > 0).sum(axis=0), image_classes(table)
    for row, code in zip(table, own, strict=True):
        if row.any():
            assert row[code] > 0
            assert images[code] == images[row > 0].min()
    assert images[own[2]] == images.max()
    order = np.random.default_rng(seed).permutation(30)
    assert np.array_equal(image_classes(table[order]), own[order])


def test_the_same_content_for_the_same_images():
    table = pixels(6)
    one, other = (
        b"".join(np.asarray(v).tobytes() for v in image_plan(t).content() if v is not None) for t in (table, table)
    )
    assert one == other
    changed = table.copy()
    changed[1, 1] = 5
    assert one != b"".join(np.asarray(v).tobytes() for v in image_plan(changed).content() if v is not None)


def test_images_that_all_contain_the_class_are_refused():
    with pytest.raises(OptionError, match="All 3 images contain class 'tumor' and no rarer class"):
        image_plan([[5, 1], [5, 2], [5, 1]], classes=("none", "tumor"))


@pytest.mark.parametrize("counts", [[1, 2], [[0.5, 1]], [[0, 0]], [[-1, 2]], np.zeros((0, 2), int)])
def test_what_is_no_table_of_counts_is_refused(counts):
    with pytest.raises(DataError, match=r"Expected shape \(images, classes\): the number of pixels of each class"):
        image_plan(counts)

"""Near copies that were planted are grouped; different rows are not joined."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.errors import DataError
from counterpoise.diagnosis.near import near_duplicates


@pytest.fixture(scope="module", name="images")
def _images():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (120, 8, 8, 3)).astype(float)
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


def test_copies_that_were_brightened_and_made_noisy_are_found(images):
    rng = np.random.default_rng(1)
    near = np.clip(0.8 * images[:40].astype(float) + 20 + rng.normal(0, 3, images[:40].shape), 0, 255).astype(np.uint8)
    groups = near_duplicates(np.concatenate([images, near]))
    assert groups[120:].tolist() == groups[:40].tolist()
    assert len(np.unique(groups)) == 120


def test_a_mirrored_image_is_another_image(images):
    groups = near_duplicates(np.concatenate([images, images[:, :, ::-1]]))
    assert len(np.unique(groups)) == 240


def test_flat_images_are_not_joined():
    flat = np.zeros((5, 20, 20)) + np.arange(5)[:, None, None]
    assert near_duplicates(flat).tolist() == [0, 1, 2, 3, 4]


def test_texts_that_differ_in_numbers_or_a_word_are_found():
    long = "please call our customer service about the prize that you have won this week it is waiting for you now"
    texts = [
        long + " 555",
        "something else entirely was written here by someone",
        long.upper() + " 777",
        long[:-4] + " ok",
    ]
    groups = near_duplicates(texts)
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_near_texts_equal_the_exact_jaccard_similarity():
    rng = np.random.default_rng(2)
    words = np.array([f"w{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(20)])
    base = [rng.choice(words, 30) for _ in range(60)]
    changed = [
        np.where(rng.random(30) < rate, rng.choice(words, 30), b) for b, rate in zip(base, [0, 0.5] * 30, strict=True)
    ]
    groups = near_duplicates([" ".join(t) for t in (*base, *changed)])
    for i in range(60):
        a, b = ({tuple(t[k : k + 3]) for k in range(28)} for t in (base[i], changed[i]))
        exact = len(a & b) / len(a | b)
        if exact > 0.95 or exact < 0.6:
            assert (groups[i] == groups[60 + i]) == (exact > 0.95)


def test_tables_are_not_compared_and_nothing_is_refused():
    assert near_duplicates(np.zeros((5, 3))) is None
    with pytest.raises(DataError, match="no rows"):
        near_duplicates([])

"""Bootstrap over images, or over patients with all their images, for scores of masks.

A resample contains one number for each image: how often it was drawn. Scores that depend on a few numbers per image
(`region_scores.pixel_counts`, `lesions.find_lesions`) are computed for many resamples at once. Rows of a class per
element are such images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.errors import DataError
from counterpoise.core.seeds import generator
from counterpoise.metrics.arrays import Array
from counterpoise.metrics.bootstrap import group_draws

#: Resamples that are scored at once.
_BLOCK = 100


def image_draws(
    score: Callable[[Array], Array], n_images: int, *, groups: Any = None, resamples: int = 1000, seed: int = 0
) -> Array:
    """Score resamples of images, or of whole groups of images.

    The draws depend only on `groups` and `seed`. Two models scored on the same images therefore have the same
    resamples, and the difference of their draws is a paired bootstrap.

    Args:
        score: Function of weights float64 (b, N) to scores (b, ...).
        n_images: N.
        groups: (N,), the patient of each image. None: each image is its own group.
        resamples: B. seed: Seed of the draws.

    Returns:
        (B, ...), the results of `score`.

    Raises:
        DataError: The groups do not fit, or there are fewer than two images or groups.

    Example:
        >>> from counterpoise.metrics.region_scores import dice, pooled
        >>> counts = np.array([[5, 0, 5], [5, 5, 0], [5, 0, 5]])
        >>> image_draws(lambda weight: dice(pooled(counts, weight)), 3, resamples=4).round(2).tolist()
        [0.67, 0.67, 0.67, 0.67]
    """
    check_int(resamples, "resamples")
    group = np.arange(n_images) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    if len(group) != n_images:
        raise DataError(f"groups has {len(group)} entries for {n_images} images. Expected one group for each image.")
    count = int(group.max(initial=-1)) + 1
    if count < 2:
        what = "image" if groups is None else "group"
        raise DataError(f"There is {count} {what}. A bootstrap needs at least 2, and about 20 to be reliable.")
    rng = generator(seed, "bootstrap images")
    blocks = (part for drawn in group_draws(count, resamples, rng) for part in _split_draws(drawn))
    return np.concatenate([np.asarray(score(block[:, group])) for block in blocks])


def _split_draws(drawn: Array) -> Iterator[Array]:
    """Yield parts of at most `_BLOCK` resamples, so that `score` gets few at once."""
    for start in range(0, len(drawn), _BLOCK):
        yield drawn[start : start + _BLOCK]

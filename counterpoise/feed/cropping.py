"""Crops of images and masks for a `fit` of your own (`cp.feed.crops`): around the rare classes, with pixel weights.

Which crops are drawn and what their pixels weigh is in `plans.crop_plan`; `engines.cropping` follows it in `cp.fit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.core.checks import check_int, check_lengths
from counterpoise.core.errors import DataError
from counterpoise.plans.crop_plan import crop_plan, cut

Array = np.ndarray


class CropFeed(keras.utils.PyDataset):
    """Batches of crops for `model.fit`; made by `crops`.

    A batch is (x, y, weights): x (B, h, w, channels) as the images have it, y int32 (B, h, w, 1), 0 where a pixel does
    not count, and weights float32 (B, h, w).
    """

    def __init__(self, x: Any, plan: Any, batch_size: int, seed: int) -> None:
        super().__init__()
        self.x, self.plan, self.batch_size, self.seed = x, plan, batch_size, seed
        self._begin_epoch(0)

    def _begin_epoch(self, number: int) -> None:
        """Draw the images, corners and weights of all crops of an epoch."""
        self.number, self._drawn = number, self.plan.epoch(number, self.seed)

    def __len__(self) -> int:
        return -(-len(self.plan) // self.batch_size)

    def on_epoch_end(self) -> None:
        """Draw the crops of the next epoch; Keras calls it."""
        self._begin_epoch(self.number + 1)

    def __getitem__(self, step: int) -> tuple[Array, Array, Array]:
        """Return batch `step` of this epoch as (x, y, weights); see the class."""
        # Indexing a range raises an IndexError for a step beyond the epoch.
        start = range(0, len(self.plan), self.batch_size)[step]
        image, corner, weights = (column[start : start + self.batch_size] for column in self._drawn)
        size = self.plan.size
        y = cut(self.plan.masks[image], corner, size)
        return cut(np.asarray(self.x[image]), corner, size), np.maximum(y, 0).astype(np.int32)[..., None], weights


def crops(
    x: Any,
    masks: Any,
    size: int | Sequence[int],
    *,
    share: float = 0.5,
    crops: int | None = None,
    batch_size: int = 16,
    seed: int = 0,
) -> CropFeed:
    """Return Keras batches of crops, many of them around the rare classes.

    Each epoch draws new crops of images and masks.

    Crops contain background near the rare classes more often than the data do. Each batch therefore contains weights of
    pixels, 1 / inclusion (how often a pixel is drawn on average). With these weights, the expected loss equals the loss
    over all pixels, so probabilities need no correction. The loss must be a loss of pixels, such as cross-entropy. A
    fully convolutional network that was trained on crops can predict whole images: build it again for their size, and
    copy the weights.

    Args:
        x: Images (N, H, W) or (N, H, W, channels), or sequences (N, T, ...); an array, or an object that reads images
            when it is indexed.
        masks: Class codes, int (N, H, W) or (N, T). Pixels with a code below 0 are ignored.
        size: Side of a crop in pixels, or (height, width).
        share: Share of the crops that are drawn around a rare class, from 0 to below 1.
        crops: Number of crops in an epoch. None: N.
        batch_size: Number of crops in a batch.
        seed: Random seed. A batch depends only on (seed, epoch, step).

    Raises:
        DataError: The lengths or sides of images and masks differ, or `masks` does not contain class codes.
        OptionError: An option is out of its range.

    Example:
        >>> masks = np.zeros((8, 32, 32), int)
        >>> masks[0, 4:7, 5:9] = 1
        >>> feed = crops(np.random.default_rng(0).random((8, 32, 32, 1)), masks, 16, batch_size=4)
        >>> [array.shape for array in feed[0]], len(feed)
        ([(4, 16, 16, 1), (4, 16, 16, 1), (4, 16, 16)], 2)
    """
    plan = crop_plan(masks, size, share=share, crops=crops)
    check_lengths({"x": x, "masks": plan.masks})
    if tuple(x.shape[1 : plan.masks.ndim]) != plan.masks.shape[1:]:
        raise DataError(
            f"x has shape {tuple(x.shape)} and masks {plan.masks.shape}. Expected one mask for each image, with the "
            "same height and width."
        )
    return CropFeed(x, plan, check_int(batch_size, "batch_size"), check_int(seed, "seed", 0))

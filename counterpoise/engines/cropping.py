"""The strategy `crops` in the `fit` engine: batches of crops of images, and the network on inputs of their size.

Only training sees crops; rounds are judged, and rows are scored, on whole images. Crops are drawn for (seed, epoch),
by the word "crops" (see `plans.crop_plan`), so a step's batch does not depend on earlier steps.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import ModelError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.core.structure import take
from counterpoise.engines.batch_order import Order
from counterpoise.networks.cropped import cropped
from counterpoise.plans.crop_plan import crop_plan, cut

Array = np.ndarray


def compiled_on_crops(model: keras.Model, job: Job) -> keras.Model:
    """Return a compiled network for training on crops.

    Its inputs have about half the height and width.
    It shares layers and weights with `model`, and has the same optimizer and loss.

    Raises:
        ModelError: The network takes images of one size alone, or it keeps the loss that the user compiled it with
            (the loss named "model"), which may have no value per pixel.
    """
    if job.loss[0] == "model":
        raise ModelError(
            "Strategy 'crops' weights each pixel in a cross-entropy, but the model was compiled with another loss. "
            "Compile the model with cross-entropy, or choose another strategy."
        )
    smaller = cropped(model)
    smaller.compile(optimizer=model.optimizer, loss=model.loss, jit_compile=False)
    return smaller


class CropBatches(keras.utils.PyDataset):
    """The steps of one job, without end, as Keras batches (x, y, weights of pixels).

    `order`, `start` and `num_batches` are used as those of `keras_fit.Batches`.
    """

    num_batches = None

    def __init__(self, job: Job, examples: Examples, size: tuple[int, ...]) -> None:
        super().__init__()
        self.job, self.examples, self.order, self.start = job, examples, Order(job), 0
        self.plan = crop_plan(examples.y[job.train], size, share=job.plan.crops)
        self._seed, self._weights = seeds.integer(job.seed, "crops", *job.counters), job.plan.weights()
        self._epoch_number, self._epoch_crops = -1, self.plan.drawn(0, self._seed)

    def __getitem__(self, index: int) -> tuple[Any, Array, Array]:
        """Return the batch of step `start` + `index`: crops, their codes, and weights float32 (B, *size)."""
        epoch, batch = divmod(self.start + index, self.order.steps_per_epoch)
        if epoch != self._epoch_number:
            self._epoch_number, self._epoch_crops = epoch, self.plan.drawn(epoch, self._seed)
        first = batch * self.job.limits.batch_size
        image, corner = (column[first : first + self.job.limits.batch_size] for column in self._epoch_crops)
        rows, size = self.job.train[image], self.plan.size
        # One axis of length 1 for each side of a crop, so that a row's weight multiplies all of its pixels.
        row_weights = self._weights[image].reshape(-1, *[1] * len(size))
        x, y = cut(take(self.examples.x, rows), corner, size), cut(self.examples.y[rows], corner, size)
        return x, y, self.plan.weights(image, corner) * row_weights

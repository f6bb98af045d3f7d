"""Crops of images around rare classes, and weights of pixels that restore the original proportions.

A share of the crops is drawn around a rare class. First a rare class, an image that contains it, and a pixel of the
class in this image are drawn, each with equal probability. Then a crop that contains this pixel is drawn, with equal
probability for all positions. The other crops are drawn anywhere. Background near lesions is therefore more frequent
than in the data. For every pixel, it is known how often a drawn crop contains it (its inclusion). If the loss weights
each pixel by 1 / inclusion, its expectation equals the loss over all pixels.

`cp.feed.crops` and `engines.cropping` (strategy "crops") follow this plan. The order of its draws determines results.

Source: weights by inclusion, Horvitz and Thompson (JASA 47, 1952).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import DataError, OptionError

Array = np.ndarray


class Crops(NamedTuple):
    """Crops that were drawn.

    Attributes:
        image: int64 (K,), the image of each crop.
        corner: int64 (K, A), the first pixel of each crop on each of the A axes.
        weights: float32 (K, *size), the weight of each pixel in the loss, 0 for ignored pixels. Their mean is 1 on
            average.
    """

    image: Array
    corner: Array
    weights: Array


@dataclass(frozen=True)
class CropPlan:
    """The crops that an epoch draws, made by `crop_plan`.

    Attributes:
        masks: int (N, H, W) or (N, T), class codes. Pixels with a code below 0 are ignored.
        size: (height, width) of a crop, or (steps,).
        crops: Number of crops in an epoch.
        around: Number of crops that are drawn around a rare class.
    """

    masks: Array
    size: tuple[int, ...]
    crops: int
    around: int

    def __len__(self) -> int:
        return self.crops

    def epoch(self, number: int = 0, seed: int = 0) -> Crops:
        """Return the crops of one epoch in random order.

        They depend only on (number, seed).
        """
        image, corner = self.drawn(number, seed)
        return Crops(image, corner, self.weights(image, corner))

    def drawn(self, number: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Return the image and the first pixel of each crop of one epoch, without weights."""
        rng = seeds.generator(seed, "crops", number)
        image, corner = self._anywhere(rng, self.crops - self.around)
        if self.around:
            more_images, more_corners = self._around(rng, self.around)
            image, corner = np.append(image, more_images), np.concatenate([corner, more_corners])
        order = rng.permutation(self.crops)
        return image[order], corner[order]

    def weights(self, image: Array, corner: Array) -> Array:
        """Return the weights of the pixels of crops, float32 (K, *size)."""
        out = np.empty((len(image), *self.size), np.float32)
        for one in np.unique(image):
            mask = self.masks[one]
            # The constant makes the mean weight 1 on average over the crops.
            weight = (mask >= 0) * (np.prod(self.size) / self._counted_pixels) / self.inclusion(int(one))
            for crop in np.flatnonzero(image == one):
                out[crop] = weight[_slices(corner[crop], self.size)]
        return out

    def inclusion(self, image: int) -> Array:
        """Return the probability that one crop contains each pixel of an image, float64 (H, W)."""
        share = self.around / self.crops
        even: Array = np.ones(())
        for axis in self._axes:
            even = np.multiply.outer(even, axis.included)
        return (1 - share) / len(self.masks) * even + share * self._around_inclusion(image)

    def _around_inclusion(self, image: int) -> Array:
        """Return the probability that a crop around a rare class contains each pixel of an image, float64 (H, W)."""
        mask = self.masks[image]
        out = np.zeros(mask.shape)
        for code, images in self._images_with.items():
            pixels = mask == code
            if pixels.any():
                out[pixels] = 1 / (len(self._images_with) * len(images) * pixels.sum())
        for number, axis in enumerate(self._axes):
            shape = [-1 if number == other else 1 for other in range(mask.ndim)]
            # Spread each center pixel over the crops that contain it, then sum over the crops that contain a pixel.
            out = out / axis.places.reshape(shape)
            out = _window_sums(_window_sums(out, axis.size, number, 0), axis.size, number, axis.size - 1)
        return out

    def _anywhere(self, rng: np.random.Generator, crops: int) -> tuple[Array, Array]:
        """Return image (K,) and first pixel (K, A) of crops in random images at random positions."""
        image = rng.integers(0, len(self.masks), crops)
        return image, np.stack([axis.anywhere(rng, crops) for axis in self._axes], axis=1)

    def _around(self, rng: np.random.Generator, crops: int) -> tuple[Array, Array]:
        """Return image (K,) and first pixel (K, A) of crops around a rare class.

        Class, image and pixel of the class are drawn at random.
        """
        images = list(self._images_with.items())
        image, pixel = np.empty(crops, np.int64), np.empty((crops, self.masks.ndim - 1), np.int64)
        for crop, number in enumerate(rng.integers(0, len(images), crops)):
            code, own = images[number]
            image[crop] = own[rng.integers(len(own))]
            places = np.flatnonzero(self.masks[image[crop]] == code)
            pixel[crop] = np.unravel_index(places[rng.integers(len(places))], self.masks.shape[1:])
        return image, np.stack([axis.around(rng, pixel[:, a]) for a, axis in enumerate(self._axes)], axis=1)

    @cached_property
    def _axes(self) -> list[_Axis]:
        """The axes of the images, each with its side and the side of a crop."""
        return [_Axis(side, size) for side, size in zip(self.masks.shape[1:], self.size, strict=True)]

    @cached_property
    def _counted_pixels(self) -> int:
        """The number of pixels of all images that are not ignored."""
        return int(np.count_nonzero(self.masks >= 0))

    @cached_property
    def _images_with(self) -> dict[int, Array]:
        """Rare class -> images that contain it; all classes but the most frequent one are rare."""
        flat = self.masks.reshape(len(self.masks), -1)
        codes, counts = np.unique(flat[flat >= 0], return_counts=True)
        rare = [int(code) for code in np.delete(codes, counts.argmax())]
        return {code: np.flatnonzero((flat == code).any(axis=1)) for code in rare}


@dataclass(frozen=True)
class _Axis:
    """One axis of the images: `side` pixels, of which a crop contains `size`."""

    side: int
    size: int

    @property
    def _overhang(self) -> int:
        """Return by how many pixels a crop may be drawn beyond either end before it is moved back inside.

        Without this, pixels near the ends would be in far fewer crops than others.
        """
        return self.size // 2 if self.side > self.size else 0

    def anywhere(self, rng: np.random.Generator, crops: int) -> Array:
        """Draw first pixels of crops at random positions, int64 (crops,)."""
        last = self.side - self.size
        return rng.integers(-self._overhang, last + self._overhang + 1, crops).clip(0, last)

    def around(self, rng: np.random.Generator, pixel: Array) -> Array:
        """Draw the first pixel of a crop for each of some pixels (K,).

        All crops that contain the pixel are equally probable.
        """
        return rng.integers(np.maximum(0, pixel - self.size + 1), np.minimum(pixel, self.side - self.size) + 1)

    @property
    def places(self) -> Array:
        """Return how many crops contain each pixel, int (side,)."""
        pixel = np.arange(self.side)
        return np.minimum(pixel, self.side - self.size) - np.maximum(0, pixel - self.size + 1) + 1

    @property
    def included(self) -> Array:
        """Return the probability that a crop anywhere contains each pixel, float64 (side,)."""
        drawn = np.ones(self.side - self.size + 1)
        drawn[[0, -1]] += self._overhang
        return _window_sums(drawn / (self.side - self.size + 1 + 2 * self._overhang), self.size, 0, self.size - 1)


def _window_sums(values: Array, size: int, axis: int, pad: int) -> Array:
    """Return sums of `size` neighbors along an axis that got `pad` zeros at both ends."""
    widths = [(pad + 1, pad) if number == axis else (0, 0) for number in range(values.ndim)]
    total = np.cumsum(np.pad(values, widths), axis=axis)
    last, first = np.arange(size, total.shape[axis]), np.arange(total.shape[axis] - size)
    return np.take(total, last, axis) - np.take(total, first, axis)


def cut(images: Array, corner: Array, size: tuple[int, ...]) -> Array:
    """Return a crop (K, *size, ...) of each image (K, H, W, ...), from its first pixel (K, A) on.

    Example:
        >>> cut(np.arange(8).reshape(2, 4), np.array([[0], [2]]), (2,)).tolist()
        [[0, 1], [6, 7]]
    """
    return np.stack([image[_slices(first, size)] for image, first in zip(images, corner, strict=True)])


def _slices(corner: Array, size: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the slices that cut the crop from its image; `corner` (A,) is its first pixel."""
    return tuple(slice(int(start), int(start) + side) for start, side in zip(corner, size, strict=True))


def crop_plan(masks: Any, size: int | Sequence[int], *, share: float = 0.5, crops: int | None = None) -> CropPlan:
    """Make a plan of crops around the rare classes of masks (see the module).

    Args:
        masks: int (N, H, W), or (N, T) for sequences: class codes. Pixels with a code below 0 are ignored.
        size: Side of a crop in pixels, or (height, width).
        share: Share of the crops that are drawn around a rare class, from 0 to below 1.
        crops: Number of crops in an epoch. None: N.

    Raises:
        DataError: `masks` does not contain class codes, or contains only one class.
        OptionError: A crop is larger than the images, or a number is out of range.

    Example:
        >>> masks = np.zeros((4, 16, 16), int)
        >>> masks[0, 3:5, 8:10] = 1
        >>> plan = crop_plan(masks, 8, crops=400)
        >>> drawn = plan.epoch()
        >>> y = np.stack([masks[i, r : r + 8, c : c + 8] for i, (r, c) in zip(drawn.image, drawn.corner)])
        >>> bool(y.mean() > 0.02), bool(abs(np.average(y, weights=drawn.weights) / masks.mean() - 1) < 0.1)
        (True, True)
    """
    array = np.asarray(masks)
    if array.ndim not in (2, 3) or not array.size or array.dtype.kind not in "iub":
        raise DataError(
            f"masks has shape {array.shape}, dtype {array.dtype}. Expected class codes (N, H, W) or (N, T)."
        )
    given: Sequence[Any] = size if isinstance(size, (tuple, list)) else (size,) * (array.ndim - 1)
    if len(given) != array.ndim - 1:
        raise OptionError(
            f"size= is {size!r}. Expected one number, or one number for each side of a mask, because each mask has "
            f"shape {array.shape[1:]}."
        )
    sides = tuple(check_int(side, "size") for side in given)
    if any(side > whole for side, whole in zip(sides, array.shape[1:], strict=True)):
        raise OptionError(f"Crops of size {size!r} do not fit into images of shape {array.shape[1:]}. Lower size=.")
    count = len(array) if crops is None else check_int(crops, "crops")
    plan = CropPlan(array, sides, count, round(check_range(share, "share", 0, 1, "[)") * count))
    if not plan._counted_pixels or (plan.around and not plan._images_with):
        raise DataError(
            "The masks contain fewer than two classes (codes below 0 are ignored). Pass masks of two classes or more."
        )
    if plan.around == count:
        raise OptionError(
            f"With share={share}, all {count} crops would be around a rare class. At least one crop must be at a "
            "random position. Raise crops=, or lower share=."
        )
    return plan

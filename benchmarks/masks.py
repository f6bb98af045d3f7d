"""Masks: made lesions, found by plain Keras `fit` of a U-Net and by the strategies of `fit` with the same network.

    python -m benchmarks.masks [--seeds 5] [--images 300] [--strategies none,class_weight,...]

Lesions of several sizes and contrasts, about 1% of the pixels, in half of the images, between vessels and spots that
are none; patients have several images, one gain and one texture each. Two thirds of the patients train (a fifth of them
ends training), one third scores. Of each network: recall of lesions at a threshold of 0.5 and at one false positive per
image, Dice over all pixels (plain `fit`: threshold 0.5), and log loss of pixels over that of the baseline.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

Array = np.ndarray
SIDE = 64


class Images(NamedTuple):
    """Images with masks: uint8 (N, H, W, 1), int32 (N, H, W), and the patient of each image (N,)."""

    x: Array
    masks: Array
    patients: Array


def made_lesions(seed: int, images: int = 300, side: int = SIDE) -> Images:
    """Make images with lesions (see the module)."""
    rng = np.random.default_rng([seed, 20])
    patients = np.sort(rng.integers(0, max(2, images // 5), images))
    looks = {
        patient: (rng.uniform(0.7, 1.3), rng.uniform(2, 5), rng.uniform(0.3, 0.9)) for patient in np.unique(patients)
    }
    made = [_image(rng, side, *looks[patient]) for patient in patients]
    return Images(np.stack([x for x, _ in made])[..., None], np.stack([mask for _, mask in made]), patients)


def _image(rng: np.random.Generator, side: int, gain: float, scale: float, noise: float) -> tuple[Array, Array]:
    ground = ndimage.gaussian_filter(rng.normal(size=(side, side)), scale)
    x = 0.7 * ground / ground.std()
    for _ in range(rng.integers(1, 4)):
        x += rng.uniform(1, 3) * _vessel(rng, side)
    for _ in range(rng.integers(1, 4)):  # spots with an even inside and a sharp edge
        x += rng.uniform(1, 3) * (_distance(rng, side, rng.uniform(1.0, 4.0)) < 1)
    mask = np.zeros((side, side), np.int32)
    for _ in range(rng.integers(1, 6) if rng.random() < 0.5 else 0):  # lesions fade to their edge
        distance = _distance(rng, side, rng.choice([1.5, 2.5, 4.0, 6.0], p=[0.25, 0.25, 0.25, 0.25]))
        x += rng.uniform(1.5, 5.0) * np.clip(1.3 - distance, 0, None)
        mask |= distance < 1
    x += noise * rng.normal(size=x.shape)
    return np.clip(gain * (96 + 24 * x), 0, 255).astype(np.uint8), mask


def _distance(rng: np.random.Generator, side: int, radius: float) -> Array:
    """Distance of each pixel from the middle of an ellipse, 1 on its edge."""
    row, column = np.mgrid[:side, :side] - rng.uniform(3, side - 3, (2, 1, 1))
    angle, flat = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    along = row * np.cos(angle) + column * np.sin(angle)
    across = column * np.cos(angle) - row * np.sin(angle)
    return np.sqrt((along / radius) ** 2 + (across / (flat * radius)) ** 2)


def _vessel(rng: np.random.Generator, side: int) -> Array:
    """A bright line of 1 to 3 pixels across the image, bent."""
    row, column = np.mgrid[:side, :side] / side
    angle, bend = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
    along = (row - 0.5) * np.cos(angle) + (column - 0.5) * np.sin(angle)
    across = (
        (column - 0.5) * np.cos(angle) - (row - 0.5) * np.sin(angle) - bend * np.sin(6 * along) - rng.uniform(-0.4, 0.4)
    )
    return np.exp(-((across * side / rng.uniform(0.7, 1.5)) ** 2))

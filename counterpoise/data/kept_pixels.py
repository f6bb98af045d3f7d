"""Pixels that were decoded while their files were checked: the check is the first pass over the images.

A damaged file is found only by decoding it. So each file is decoded once, to the pixels that a network will see, and
these are kept (see `data.decoded.PixelCache`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.examples import Pictures
from counterpoise.data.decoded import PixelCache
from counterpoise.data.image_form import CHANNELS
from counterpoise.data.pillow_files import is_gray, opened
from counterpoise.data.pixels import byte_pixels

Array = np.ndarray

#: Files whose headers are read to guess whether images are gray, before all of them are known.
LOOKED_AT = 8


@dataclass(frozen=True, eq=False)
class KeptPixels:
    """Pixels of some files with 8 bits and fewer, in one form; a cache for a `Decoded` of these files.

    Attributes:
        cache: The pixels.
        rows: int64 (N,), where each file is in the cache.
        size, color_mode, aspect: The form.
    """

    cache: PixelCache
    rows: Array
    size: tuple[int, int]
    color_mode: str
    aspect: str

    @classmethod
    def of(cls, paths: Sequence[str], size: tuple[int, int], color_mode: str, aspect: str) -> KeptPixels | None:
        """Room for the pixels of these files; None where there is too little.

        Of the color mode "auto" the files are not known yet: if the guess is wrong, they are decoded a second time.
        """
        mode = _guessed_mode(paths) if color_mode == "auto" else color_mode
        cache = PixelCache.with_room((len(paths), *size, CHANNELS[mode]), np.dtype(np.uint8))
        return None if cache is None else cls(cache, np.arange(len(paths)), size, mode, aspect)

    def keep(self, row: int, image: Any) -> None:
        """Decode an opened image and keep its pixels."""
        self.write(row, byte_pixels(image, self.size, self.color_mode, self.aspect))

    def at(self, rows: Array) -> KeptPixels:
        """Those of some of the files."""
        return replace(self, rows=self.rows[rows])

    def fits(self, size: tuple[int, int], form: Pictures, deep: bool) -> bool:
        """Whether images that are read in this form have these pixels."""
        mine = self.size, self.color_mode, self.aspect
        return mine == (size, form.color_mode, form.aspect) and not deep

    def read(self, row: int, out: Array) -> bool:
        return self.cache.read(int(self.rows[row]), out)

    def write(self, row: int, values: Array) -> None:
        self.cache.write(int(self.rows[row]), values)


def _guessed_mode(paths: Sequence[str]) -> str:
    """Gray if the first of the files, and some from there to the last, are."""
    for path in paths[:: -(-len(paths) // LOOKED_AT) or 1]:
        with suppress(Exception), opened(path) as image:  # what is wrong with a file is found when it is checked
            if not is_gray(image):
                return "rgb"
    return "grayscale"

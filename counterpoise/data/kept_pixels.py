"""Pixels that were decoded while their files were checked: the check is the first pass over the images.

A damaged file is found only by decoding it. So each file is decoded once, to the pixels that a network will see, and
these are kept (see `data.decoded.PixelCache`), with what the check found. In a folder of the user's they are for later
runs too: the name of the (hidden) file there is a hash of the form and of the images' paths, sizes and times. Fixed:
results do not depend on whether pixels are kept.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Pictures
from counterpoise.data.decoded import PixelCache
from counterpoise.data.image_form import CHANNELS
from counterpoise.data.image_info import ImageInfo
from counterpoise.data.pillow_files import is_gray, opened
from counterpoise.data.pixels import byte_pixels

Array = np.ndarray

#: Files whose headers are read to guess whether images are gray, before all of them are known.
LOOKED_AT = 8
#: What the check of a file found: gray, reduced, frames, ratio (see `ImageInfo`).
NOTE = struct.Struct("<???xd")
#: Raised whenever files are decoded to other pixels than before, or `NOTE` changes.
VERSION = 2


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
    def of(
        cls, paths: Sequence[str], size: tuple[int, int], color_mode: str, aspect: str, folder: Any
    ) -> KeptPixels | None:
        """Return a cache with room for the pixels of these files, in `folder` or (True) in the temporary folder.

        None if there is too little room, or if nothing is to be kept (False). For the color mode "auto", the mode is
        guessed from a few files; if the guess is wrong, all files are decoded a second time.

        Raises:
            OptionError: `folder` cannot be a folder.
        """
        if folder is False:
            return None
        mode = _guessed_mode(paths) if color_mode == "auto" else color_mode
        path = (
            None
            if folder is True
            else _made_folder(folder) / f".pixels-{_content_hash(paths, size, mode, aspect)}.cache"
        )
        cache = PixelCache.with_room((len(paths), *size, CHANNELS[mode]), np.dtype(np.uint8), path)
        return None if cache is None else cls(cache, np.arange(len(paths)), size, mode, aspect)

    def keep(self, row: int, image: Any, info: ImageInfo) -> None:
        """Decode an opened image and keep its pixels, with what the check of its file found.

        `row` is its number among the files (not in the cache).
        """
        values = byte_pixels(image, self.size, self.color_mode, self.aspect)
        note = NOTE.pack(info.gray, info.reduced, info.frames, info.ratio)
        self.cache.write(int(self.rows[row]), values, note)

    def info_of(self, row: int) -> ImageInfo | None:
        """Return what the check found about a file, or None if the cache lacks its pixels or the note on them."""
        note = self.cache.note(int(self.rows[row]))
        if not any(note):  # pixels without a note, such as those of color DICOM files, which `write` kept
            return None
        gray, reduced, frames, ratio = NOTE.unpack(note)
        return ImageInfo(gray=gray, reduced=reduced, frames=frames, ratio=ratio)

    def at(self, rows: Array) -> KeptPixels:
        """Return the cache for some of the files, by their numbers int (n,)."""
        return replace(self, rows=self.rows[rows])

    def fits(self, size: tuple[int, int], form: Pictures, deep: bool) -> bool:
        """Return whether images read in this form have these pixels; with more bits (`deep`) never."""
        mine = self.size, self.color_mode, self.aspect
        return mine == (size, form.color_mode, form.aspect) and not deep

    def read(self, row: int, out: Array) -> bool:
        """Fill `out` with the pixels of a file, and return whether they are there (see `decoded.Cache`)."""
        return self.cache.read(int(self.rows[row]), out)

    def write(self, row: int, values: Array) -> None:
        """Keep the pixels of a file that was decoded after the check, without a note."""
        self.cache.write(int(self.rows[row]), values)


def _made_folder(given: Any) -> Path:
    """Return the folder for kept pixels, which is made if it does not exist.

    Raises:
        OptionError: `given` is not a path, or the folder cannot be made.
    """
    try:
        folder = Path(given)
        folder.mkdir(parents=True, exist_ok=True)
    except (TypeError, OSError) as error:
        raise OptionError(
            f"cache is {given!r}, which is not a folder ({error}). Expected a folder for decoded pixels, "
            "True (a temporary file), or False."
        ) from None
    return folder


def _content_hash(paths: Sequence[str], *form: Any) -> str:
    """Return a hash of the form and of each file (path, size, time): it changes with the files.

    It names the file of a folder, so another hash loses the pixels of earlier runs.
    """
    digest = hashlib.blake2b(repr((VERSION, form)).encode(), digest_size=12)
    for path in map(os.path.abspath, paths):
        status = os.stat(path) if os.path.exists(path) else None
        digest.update(repr((path, status and status.st_size, status and status.st_mtime_ns)).encode())
    return digest.hexdigest()


def _guessed_mode(paths: Sequence[str]) -> str:
    """Return "grayscale" or "rgb", as a guess: "rgb" if one of about `LOOKED_AT` files is in color.

    These files are the first one and others at equal distances. A file that cannot be read is skipped.
    """
    # -(-a // b) rounds a / b up; `or 1` is for an empty list.
    for path in paths[:: -(-len(paths) // LOOKED_AT) or 1]:
        with suppress(Exception), opened(path) as image:  # what is wrong with a file is found when it is checked
            if not is_gray(image):
                return "rgb"
    return "grayscale"

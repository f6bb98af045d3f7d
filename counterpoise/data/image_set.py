"""Images in files with their metadata, and the pixels that they become.

The public class `ImageSet`, and the pixels of its rows as a source. What a model file keeps of images is read by
`pictures_of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from counterpoise.core import sources
from counterpoise.core.checks import check_choice
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.examples import Pictures
from counterpoise.core.sources import Source
from counterpoise.core.units import Units
from counterpoise.data.decoded import Decoded, PixelCache
from counterpoise.data.image_files import MOST_NAMED
from counterpoise.data.image_form import ASPECTS, CHANNELS, check_span
from counterpoise.data.kept_pixels import KeptPixels
from counterpoise.data.pixel_types import Range
from counterpoise.data.pixels import pixels
from counterpoise.data.row_metadata import RowMetadata, roles
from counterpoise.data.unit_columns import units_of

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images that are decoded when they are drawn; made by `images`.

    Passed as `x` to `batches`: `cp.batches(scans, plan=cp.plans.oversample(scans.y))`.

    Attributes:
        paths: The files (N,).
        metadata: Labels, groups, times, weights and split of the files; None: nothing is known of them.
        size: (height, width) in pixels.
        form: How they are read.
        augment: What changes drawn images at random (see `images`).
        bad: (path, what is wrong with it) of files that were left out.
        root: The folder.
        deep: Whether some files have more than 8 bits; pixels are then float32, else uint8.
        notes: Sentences for the user about how the files are read.
        kept: Their pixels, where the check of the files has kept them.
        features: Columns that the model is given with the images, or None.
        unit: Columns that name what is decided, or None: each image is decided.
        aggregate: How the probabilities of a unit's images become one.
        keeps: Whether pixels that are decoded later are kept.
        names: The names of the images in a table, as it has them; None: they are of a folder.
        takes_rows: Tells `batches` that `x` is a source of rows, which has labels of its own (`y`).
    """

    paths: tuple[str, ...]
    metadata: RowMetadata | None
    size: tuple[int, int]
    form: Pictures
    augment: Any = None
    bad: tuple[tuple[str, str], ...] = ()
    root: str = ""
    deep: bool = False
    notes: tuple[str, ...] = ()
    kept: KeptPixels | None = field(default=None, repr=False)
    features: pl.DataFrame | None = field(default=None, repr=False)
    unit: pl.DataFrame | None = field(default=None, repr=False)
    aggregate: str = "mean"
    keeps: bool = field(default=True, repr=False)
    names: pl.Series | None = field(default=None, repr=False)
    takes_rows: bool = field(default=True, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        if self.metadata is None:
            return f"ImageSet({len(self):,} images of {self.root}, shape={self.shape[1:]}, without labels)"
        counted = dict(zip(self.classes, self.counts.tolist(), strict=True))
        return f"ImageSet({len(self):,} images of {self.root}, shape={self.shape[1:]}, counts={counted})"

    @property
    def labeled_metadata(self) -> RowMetadata:
        """Metadata of the files.

        Raises:
            TargetError: they have no labels.
        """
        if self.metadata is None:
            raise TargetError(
                f"The images of {self.root} have no labels. Expected a class for each image. Name the column "
                "of the class with target= (--target), or pass a folder with one sub-folder for each class."
            )
        return self.metadata

    @property
    def y(self) -> Array:
        """The class code of each file, int32 (N,); of several labels (N, L), each 1, 0, or -1 where not known.

        Of masks the codes of their pixels, int (N, height, width).
        """
        return self.labeled_metadata.y.codes

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels, sorted: names of sub-folders, or what the column holds."""
        return self.labeled_metadata.y.classes

    @property
    def counts(self) -> Array:
        """Images per class, or pixels of masks, int64 (C,); or images with each label (L,)."""
        y = self.labeled_metadata.y
        return (y.codes == 1).sum(axis=0) if y.kind == "labels" else y.counts

    @property
    def color_mode(self) -> str:
        """ "grayscale" or "rgb"."""
        return self.form.color_mode

    @property
    def range(self) -> Range | None:
        """Stored values that are black and white in files of more than 8 bits; None: those of each file's type."""
        return self.form.range

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, height, width, channels)."""
        return (len(self), *self.size, CHANNELS[self.color_mode])

    def take(self, rows: Array) -> Array:
        """Decoded pixels (len(rows), height, width, channels), 0 to 255: uint8, float32 if `deep`.

        Raises:
            DataError: Black and white are learned in training, so they are not known yet.
        """
        if self.form.learned:
            raise DataError(
                f"No file of {self.root} defines which values are black and white. Only cp.fit and cp.compare "
                "can learn these two values. Set them with range=(low, high) (--range LOW HIGH)."
            )
        return self._source.take(np.asarray(rows))

    def load(self) -> Array:
        """All pixels, in memory (see `take`)."""
        return self._source.take(np.arange(len(self)))

    def rows(self) -> Array | Source:
        """All pixels in memory, or, where they do not fit, a source that decodes them when they are taken."""
        return self.load() if self._source.nbytes <= sources.IN_MEMORY else self._source

    @cached_property
    def _source(self) -> Decoded:
        """Return the source of the pixels; they come from a cache where there is one.

        The cache has the pixels that the check of the files kept, if they have this form. Otherwise new pixels are kept
        if `keeps`, and if there is room for them.
        """
        decode, dtype = Decode(self.paths, self.size, self.form), np.dtype(np.float32 if self.deep else np.uint8)
        kept = self.kept if self.kept and self.kept.fits(self.size, self.form, self.deep) else None
        if kept is None and self.keeps:
            return Decoded(decode, self.shape, dtype, PixelCache.with_room(self.shape, dtype))
        return Decoded(decode, self.shape, dtype, kept)

    @property
    def split(self) -> Any:
        """The use of each file as a series of words; None without a split."""
        return None if self.metadata is None else self.metadata.split

    def part(self, name: str) -> ImageSet:
        """Return the images of one part of the split: "train", "validation" or "test".

        Raises:
            OptionError: there is no such part.
        """
        if self.split is None:
            raise OptionError(
                f"part({name!r}): these images have no parts, because no split was named. Name the column of "
                "the parts with split=, or use all images."
            )
        wanted = roles(pl.Series("part", [name]))[0]
        rows = np.flatnonzero(roles(self.split) == wanted)
        if not len(rows):
            raise OptionError(
                f"part({name!r}): the column of split= assigns no image of {self.root} to this part. Correct the "
                "values in this column, or choose another part."
            )
        return replace(self.at(rows), metadata=self.labeled_metadata.at(rows).having(split=None))

    def at(self, rows: Array) -> ImageSet:
        """Return some of the images with their metadata, by their numbers int (n,)."""
        metadata = None if self.metadata is None else self.metadata.at(rows)
        tables = {"features": self.features, "unit": self.unit, "names": self.names}
        taken: dict[str, Any] = {name: None if table is None else table[rows] for name, table in tables.items()}
        taken["kept"] = None if self.kept is None else self.kept.at(rows)
        return replace(self, paths=tuple(self.paths[int(row)] for row in rows), metadata=metadata, **taken)

    @property
    def units(self) -> Units | None:
        """The unit of each image; None: each image is decided."""
        return None if self.unit is None else units_of(self.unit, self.aggregate)

    def read_as(self, pictures: Pictures) -> ImageSet:
        """Return the images in the form in which a model was trained.

        Raises:
            DataError: The user set range= or aspect=, and the model was trained with another value.
        """
        # `free`: the model was trained without a range, so the user may set one.
        mine, free = self.form, pictures.range is None and not pictures.learned
        if mine.range not in (None, pictures.range) and not free:
            how = "a range learned from the training images" if pictures.learned else pictures.range
            raise DataError(f"range= is {mine.range}, but the model was trained with {how}. Remove range=.")
        if mine.aspect not in ("stretch", pictures.aspect):
            raise DataError(
                f"aspect= is {mine.aspect!r}, but the model was trained with {pictures.aspect!r}. Remove aspect=."
            )
        form = replace(pictures, range=mine.range if free else pictures.range, label_options=mine.label_options)
        return self if form == mine else replace(self, form=form, deep=self.deep or pictures.learned)


@dataclass(frozen=True)
class Decode:
    """Row number -> pixels of that file; workers get it by pickle."""

    paths: tuple[str, ...]
    size: tuple[int, int]
    form: Pictures

    def __call__(self, row: int) -> Array:
        """Return the pixels of one file (see `pixels.pixels`)."""
        form = self.form
        return pixels(self.paths[row], self.size, form.color_mode, form.range, form.aspect, form.learned)


def pictures_of(plain: Mapping[str, Any]) -> Pictures:
    """Return how pictures were read, from the plain values in a model's file.

    Raises:
        OptionError, KeyError, TypeError: they are not what `Pictures` holds.
    """
    return Pictures(
        check_choice(plain["color_mode"], "color_mode", CHANNELS), check_span(plain["range"]),
        check_choice(plain["aspect"], "aspect", ASPECTS), check_choice(plain["learned"], "learned", (False, True)),
        tuple((str(name), str(value)) for name, value in plain.get("label_options", ())),
    )  # fmt: skip


def bad_files_text(bad: Sequence[tuple[str, str]]) -> str:
    """Return files and what is wrong with them, for a message.

    Example:
        >>> bad_files_text([("a.png", "empty")])
        'a.png: empty'
    """
    shown = "; ".join(f"{path}: {what}" for path, what in bad[:MOST_NAMED])
    return shown + (f"; ... ({len(bad)} in all)" if len(bad) > MOST_NAMED else "")


def left_out_notes(bad: Sequence[tuple[str, str]]) -> list[str]:
    """Return a list of one sentence on files that were left out, with what is wrong with them; [] without any.

    Example:
        >>> left_out_notes([("a.png", "empty")])
        ['1 file was left out: a.png: empty.']
    """
    word = "file was" if len(bad) == 1 else "files were"
    return [f"{len(bad)} {word} left out: {bad_files_text(bad)}."] if bad else []

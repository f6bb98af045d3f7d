"""`Examples`: rows with labels, as every stage after reading takes them (NumPy only).

`data/` and `pipeline/reading.py` make them. They may contain all rows, so a stage selects by the rows of its fold or
hold-out. Labels and weights for rules and scores come from `scored_labels` and `scored_weights`, because of a target
with a class per element only sampled elements are scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core import structure
from counterpoise.core.sample import ElementSample, draw_sample
from counterpoise.core.schema import Schema
from counterpoise.core.units import Units

Array = np.ndarray

#: What rows are used for: to train, to end training, or to test.
TRAIN, VALIDATION, TEST = 0, 1, 2
#: Names of the inputs of pictures that come with columns: as they are read, and as a builder receives them.
IMAGE, COLUMNS = "image", "columns"


@dataclass(frozen=True)
class Pictures:
    """The options by which images were read, for reading new images in the same way. Pixels are 0 to 255.

    A classifier keeps them.

    Attributes:
        color_mode: "grayscale" or "rgb".
        range: Stored values that are black and white in files of more than 8 bits; None: those of each file's type.
        aspect: How images of another shape are brought to that of the network: "stretch", "crop" or "pad".
        learned: Whether rows are the values that files store, and the network learned which are black and white.
    """

    color_mode: str
    range: tuple[float, float] | None = None
    aspect: str = "stretch"
    learned: bool = False


@dataclass(frozen=True)
class Examples:
    """Rows with labels, ready to be split.

    Attributes:
        x: What the model is fed. A table is `{"numeric": float32 (N, dn), "categorical": int32 (N, dc)}` (a key
            without columns is absent), and with pictures also `{"image": (N, height, width, channels)}`. Numbers are
            those of the table less `schema.numeric[j].offset`, NaN for missing; id 0 is missing and id k is level k-1
            of `schema.categorical[j].levels`. Anything else is an array of any rank or a dict of arrays, first axis N.
        y: int32 (N,), the class code of each row; of several labels (N, L), each 1, 0, or -1 where it is not known; of
            a class per element int (N, ...), -1 where an element does not count.
        classes: The labels, in the type of the file; `classes[y[i]]` is the label of row i, or `classes[l]` the name
            of label l.
        schema: The columns, for tables; else None.
        groups: int64 (N,) group code per row, or None.
        time: (N,) sortable time per row, or None.
        sample_weight: float32 (N,), the user's own weights (counts of examples), or None.
        amount: float64 (N,), what a missed case of each row costs, or None.
        by: Name of a column -> values (N,), whose values are scored separately, or None.
        duplicate_ids: int64 (N,), equal numbers for rows with equal features (label left out), or None when
            the features could not be compared.
        source: Where the rows come from, for messages and the report.
        text_column: Where `x` is one column of text of a table, its name; else None.
        split: int8 (N,), `TRAIN`, `VALIDATION` or `TEST` for each row; None: rows are held out by us.
        kind: The kind of target (see `core.target`).
        warnings: Sentences for the user, one for each thing noticed while reading.
        pictures: How `x` was read from files of pictures; None: it was not.
        units: What is decided where one decision is for several rows; None: each row is decided. Rows of one unit are
            also of one group.
        label_options: How the labels were read, if not in the default way: `Labels.options`, and for a table of images
            ("column", name of the target column).
        names: What each row is called, the name of its file, text (N,); None: it is known by its number.
        kept_labels: Of several labels, bool: which of the labels that were given are among `classes`, in their order;
            None: all.
        numbers: int64 (N,), if rows of weight 0 were left out, the number (from 0) that each row had; else None.
    """

    x: Any
    y: Array
    classes: tuple[Any, ...]
    schema: Schema | None = None
    groups: Array | None = None
    time: Array | None = None
    sample_weight: Array | None = None
    duplicate_ids: Array | None = None
    source: str = "data"
    warnings: tuple[str, ...] = ()
    text_column: str | None = None
    pictures: Pictures | None = None
    split: Array | None = None
    names: Array | None = None
    units: Units | None = None
    kind: str = "one_of"
    amount: Array | None = None
    by: Mapping[str, Array] | None = None
    kept_labels: Array | None = None
    label_options: tuple[tuple[str, str], ...] = ()
    numbers: Array | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_classes(self) -> int:
        """C, or with several labels per row the number of labels L."""
        return len(self.classes)

    @property
    def binary(self) -> bool:
        """Whether rows or elements are decided between two classes, of which class 1 is positive."""
        return self.n_classes == 2 and self.kind != "labels"

    @property
    def counts(self) -> Array:
        """Number of rows per class, int64 (C,).

        With several labels per row, the number of rows with each label (L,). With a class per element, the number of
        rows that contain each class (C,).
        """
        strata = self.strata
        return np.bincount(strata, minlength=self.n_classes) if strata.ndim == 1 else (strata == 1).sum(axis=0)

    @cached_property
    def strata(self) -> Array:
        """The values by which a split is stratified: `y`, or int32 (N, C) for elements.

        In the second case the value is 1 if the row contains an element of the class, and else 0.
        """
        if self.kind != "elements":
            return self.y
        flat = self.y.reshape(len(self.y), -1)
        return np.stack([(flat == code).any(axis=1) for code in range(self.n_classes)], axis=1).astype(np.int32)

    def class_name(self, code: int) -> str:
        """Return the name of a class in messages; code 2 l is the absence of label l, and 2 l + 1 its presence.

        Example:
            >>> Examples(np.zeros(2), np.array([[0, 1], [1, 0]]), ("edema", "mass"), kind="labels").class_name(2)
            "label 'mass' as 0"
        """
        if self.kind != "labels":
            return f"class {self.classes[code]!r}"
        return f"label {self.classes[code // 2]!r} as {code % 2}"

    @cached_property
    def sample(self) -> ElementSample | None:
        """The sampled elements by which rules and scores are computed.

        None unless each element has a class.
        """
        return draw_sample(self.y, self.n_classes) if self.kind == "elements" else None

    def rows_with_role(self, role: int) -> Array:
        """Return the numbers of the rows with this role in the given split, int64.

        `role` is `TRAIN`, `VALIDATION` or `TEST`. The rows must have a `split`.

        Example:
            >>> split = np.array([TRAIN, TEST, TRAIN], np.int8)
            >>> Examples(np.zeros((3, 1)), np.zeros(3, np.int32), ("a",), split=split).rows_with_role(TRAIN).tolist()
            [0, 2]
        """
        return np.flatnonzero(np.asarray(self.split) == role)

    def weights_of(self, rows: Array) -> Array | None:
        """Return the user's weights of some rows, or None if there are no weights."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    def subset(self, rows: Array) -> Examples:
        """Return examples of some rows, in this order; a row may occur several times.

        Every field with an entry per row is cut to these rows. A new field per row must be added here.

        Example:
            >>> rows = Examples(np.zeros((3, 1)), np.array([0, 0, 1], np.int32), ("well", "ill"))
            >>> rows.subset(np.array([2, 0])).y.tolist()
            [1, 0]
        """
        names = ("groups", "time", "sample_weight", "amount", "duplicate_ids", "split", "names", "numbers")
        metadata = {name: getattr(self, name) for name in names}
        chosen: dict[str, Any] = {name: None if values is None else values[rows] for name, values in metadata.items()}
        chosen["units"] = None if self.units is None else self.units.at(rows)
        chosen["by"] = None if self.by is None else {name: values[rows] for name, values in self.by.items()}
        return replace(self, x=structure.subset(self.x, rows), y=self.y[rows], **chosen)

    def counted(self) -> Examples:
        """Return examples without the rows of weight 0, which are as if they were absent.

        Example:
            >>> y, weight = np.array([0, 1, 1], np.int32), np.array([1, 0, 2], np.float32)
            >>> rows = Examples(np.zeros((3, 1)), y, ("well", "ill"), sample_weight=weight).counted()
            >>> rows.y.tolist(), rows.row_name(1)
            ([0, 1], 'row 3')
        """
        if self.sample_weight is None or self.sample_weight.all():
            return self
        numbers = np.arange(len(self)) if self.numbers is None else self.numbers
        return replace(self, numbers=numbers).subset(np.flatnonzero(self.sample_weight > 0))

    def row_name(self, row: int) -> str:
        """Return the name of a row for the user: that of its file, or its number among the rows read, from 1."""
        if self.names is not None:
            return str(self.names[row])
        return f"row {(row if self.numbers is None else self.numbers[row]) + 1}"

    def as_units(self) -> Examples:
        """Return examples with one row for each unit, without features.

        Each has the label of the unit, group and split of its first row, and the mean weight of its rows.

        Example:
            >>> units = Units(np.array([0, 1, 1]), ("patient",))
            >>> patients = Examples(np.zeros((3, 1)), np.array([0, 0, 1], np.int32), ("well", "ill"), units=units)
            >>> patients.as_units().y.tolist()
            [0, 1]
        """
        assert self.units is not None
        first, weight = self.units.first, self.sample_weight
        return Examples(
            np.zeros((len(self.units), 0), np.float32), self.units.labels(self.y), self.classes,
            groups=None if self.groups is None else self.groups[first],
            split=None if self.split is None else self.split[first],
            sample_weight=None if weight is None else self.units.mean(weight).astype(np.float32),
            source=self.source, kind=self.kind,
        )  # fmt: skip

    def scored_labels(self, rows: Array) -> Array:
        """Return the labels of some rows for rules and scores.

        The shape is (n,), with several labels (n, L), or with sampled elements of rows (n, k).
        """
        return self.y[rows] if self.sample is None else self.sample.y[rows]

    def scored_weights(self, rows: Array) -> Array | None:
        """Return the weights of `scored_labels`, or None if all are equal.

        They are the user's weights (n,), or the weights of the sampled elements (n, k) times the user's.
        """
        if self.sample is None:
            return self.weights_of(rows)
        own = self.sample.weights[rows]
        return own if self.sample_weight is None else own * self.sample_weight[rows, None]

    def scored_outputs(self, outputs: Array, rows: Array) -> Array:
        """Select from the outputs for these rows those that belong to `scored_labels`."""
        return outputs if self.sample is None else self.sample.of_outputs(outputs, rows)

    @property
    def positive(self) -> int:
        """Code of the positive class. Binary data are stored so that it is 1; else the rarest class."""
        return 1 if self.binary else int(np.argmin(self.counts))

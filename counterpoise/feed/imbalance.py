"""Make imbalanced data for experiments: leave out rows of a balanced data set, for a long tail or a step.

It comes before a feed (`cp.feed.make_imbalanced`), and takes the same inputs. The seed determines which rows stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_choice, check_int, check_lengths, check_range
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.label_sources import library_of
from counterpoise.core.labels import count_codes
from counterpoise.core.structure import take
from counterpoise.feed.targets import labels_as_list
from counterpoise.plans.labels import codes_of

Array = np.ndarray


def make_imbalanced(
    x: Any,
    y: Any,
    ratio: float = 100.0,
    shape: str = "exp",
    *,
    minority: float = 0.5,
    order: Sequence[Any] | None = None,
    seed: int = 0,
) -> tuple[Any, Any]:
    """Leave out rows until the class sizes have a wanted imbalance ratio.

    With shape "exp", class k of C keeps m ratio ** (-k / (C - 1)) rows. With "step", the last `minority` share of the
    classes keeps m / ratio rows, and all other classes keep m rows. Sizes are rounded down, but are at least 1. m is
    the largest number for which every class has enough rows. If all classes have the same number of rows, m is this
    number.

    Args:
        x: Inputs with one entry per row: arrays, dicts and tuples of arrays, pandas or polars frames.
        y: Labels, (n,), (n, 1) or one-hot (n, C); returned in the same form.
        ratio: Number of rows of the largest class divided by the number of rows of the smallest, 1 or more.
        shape: "exp" (a long tail) or "step". With two classes they are the same.
        minority: For "step" only: share of the classes that become rare, above 0 and below 1.
        order: Labels from the class that stays largest to the class that becomes rarest. None: sorted labels.
        seed: Seed that determines which rows are left out.

    Returns:
        The kept rows in their original order, as (x, y).

    Raises:
        OptionError: `ratio` is below 1, `shape` is unknown, or `order` does not name every class once.
        TargetError: There are fewer than two classes.

    Source: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss" (NeurIPS 2019).

    Example:
        >>> x, y = np.arange(300)[:, None], np.repeat([0, 1, 2], 100)
        >>> np.bincount(make_imbalanced(x, y, 100)[1]).tolist()
        [100, 10, 1]
    """
    y = labels_as_list(y)
    rows = imbalanced_rows(y, ratio, shape, minority=minority, order=order, seed=seed)
    check_lengths({"x": _first_array(x), "y": y})
    return _take_rows(x, rows), _take_rows(y, rows)


def imbalanced_rows(
    y: Any,
    ratio: float = 100.0,
    shape: str = "exp",
    *,
    minority: float = 0.5,
    order: Sequence[Any] | None = None,
    seed: int = 0,
) -> Array:
    """Return the row numbers that `make_imbalanced` keeps, int64, ascending.

    Example:
        >>> y = np.repeat([0, 1, 2], 4)
        >>> rows = imbalanced_rows(y, ratio=4)
        >>> np.bincount(y[rows]).tolist()
        [4, 2, 1]
    """
    codes, labels = codes_of(y)
    if len(labels) < 2:
        raise TargetError(f"All labels are {labels[0]!r}. Expected two classes or more.")
    check_int(seed, "seed", 0)
    counts = count_codes(codes, len(labels))
    share = np.empty(len(labels))
    share[_class_order(order, labels)] = _relative_sizes(len(labels), ratio, shape, minority)
    # The tiny addition keeps 100 * 0.01 at 1 when rounding down.
    sizes = np.maximum(1, np.floor(np.min(counts / share) * share + 1e-9)).astype(np.int64)
    rng = [seeds.generator(seed, "imbalance", code) for code in range(len(labels))]
    kept = [
        g.permutation(np.flatnonzero(codes == c))[:size] for c, (g, size) in enumerate(zip(rng, sizes, strict=True))
    ]
    return np.sort(np.concatenate(kept))


def _relative_sizes(n_classes: int, ratio: float, shape: str, minority: float) -> Array:
    """Return the size of each class divided by that of the largest, float64 (C,).

    The largest class comes first.
    A `ratio`, `shape` or `minority` that is out of range is an OptionError.
    """
    ratio = check_range(ratio, "ratio", 1.0)
    if check_choice(shape, "shape", ("exp", "step")) == "exp":
        return ratio ** (-np.arange(n_classes) / (n_classes - 1))
    rare = check_range(minority, "minority", 0.0, 1.0, bounds="()") * n_classes
    few = min(n_classes - 1, max(1, int(rare + 1e-9)))
    return np.where(np.arange(n_classes) < n_classes - few, 1.0, 1.0 / ratio)


def _class_order(order: Sequence[Any] | None, labels: tuple[Any, ...]) -> list[int]:
    """Return the class codes in the order in which classes become rarer.

    The class that stays largest comes first.
    Labels are compared as text. An `order` that does not contain every class once is an OptionError.
    """
    if order is None:
        return list(range(len(labels)))
    if sorted(map(str, order)) != sorted(map(str, labels)):
        raise OptionError(f"order= is {list(order)}. Expected every class once: {list(labels)}.")
    return [[str(label) for label in labels].index(str(label)) for label in order]


def _take_rows(data: Any, rows: Array) -> Any:
    """Return some rows of data of any library, in the same form; tensors become NumPy arrays."""
    library = library_of(data)
    if library == "pandas":
        return data.iloc[rows] if hasattr(data, "iloc") else data[rows]
    if library == "pyarrow":
        return data.take(rows)
    if library in ("tensorflow", "jax", "jaxlib", "torch"):
        return np.asarray(data)[rows]
    if isinstance(data, list):
        return [data[row] for row in rows]
    return take(data, rows)


def _first_array(x: Any) -> Any:
    """Return the first array in nested dicts and tuples, whose length is the number of rows."""
    if isinstance(x, dict):
        return _first_array(next(iter(x.values())))
    return _first_array(x[0]) if isinstance(x, tuple) else x

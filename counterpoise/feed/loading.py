"""Datasets that come in batches -> arrays in memory, so that they can be held out, drawn and weighed like any others.

Recognized without importing TensorFlow or PyTorch: `tf.data.Dataset`, `keras.utils.PyDataset`, a PyTorch `DataLoader`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.labels import class_labels
from counterpoise.core.structure import join, leaves

Array = np.ndarray

logger = logging.getLogger("counterpoise")

#: Bytes that are read where the free memory cannot be told.
DEFAULT_LIMIT = 4_000_000_000
_KINDS = {"DatasetV2": "tf.data.Dataset", "PyDataset": "PyDataset", "DataLoader": "DataLoader"}
_WAY_OUT = "write it to Parquet files and train from cp.scan(FOLDER, target=...)"


def dataset_kind(source: Any) -> str | None:
    """Name of the kind of dataset, or None for anything else."""
    return next((_KINDS[c.__name__] for c in type(source).__mro__ if c.__name__ in _KINDS), None)


def load(source: Any, limit: int | None = None) -> tuple[Any, Array, Array | None]:
    """Read one pass of a dataset of (x, y) or (x, y, weight).

    Args:
        source: See the module. Whatever it does at random (shuffling, augmentation) is read once.
        limit: Most bytes; None is half of the free memory.

    Returns:
        x in the structure of its batches, class codes or labels (N,), and weights (N,) or None.

    Raises:
        DataError: no end, no rows, too large, or elements of another form.
        OptionError: batches of `cp.batches`, which were drawn by a plan already.
        TargetError: y is neither one label per row nor one-hot.
    """
    kind = dataset_kind(source)
    if type(source).__module__.startswith("counterpoise."):
        raise OptionError("these batches were drawn by a plan; pass x and y themselves, and the plan as strategy=.")
    limit = limit or _free_bytes() // 2
    parts: list[tuple[Any, ...]] = []
    size, count = 0, _length(source, kind)
    for element in _batches(source, kind):
        parts.append(_numpy(_checked(element, kind)))
        size += _bytes(parts[-1])
        most = size if count is None or len(parts) > 1 else size * count
        if most > limit:
            raise DataError(f"the {kind} holds more than the {limit / 1e9:.1f} GB that can be read; {_WAY_OUT}.")
    if not parts:
        raise DataError(f"the {kind} has no elements; nothing to learn from.")
    x, y, *weight = (_joined([part[i] for part in parts]) for i in range(len(parts[0])))
    logger.info("read %s rows (%.0f MB) of a %s into memory", f"{len(y):,}", size / 1e6, kind)
    if not isinstance(y, np.ndarray):
        raise TargetError("y has several parts; expected one label per row.")
    return x, class_labels(y).values, weight[0].reshape(-1) if weight else None


def _free_bytes() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 2 * DEFAULT_LIMIT


def _length(source: Any, kind: str | None) -> int | None:
    """Number of batches, None where it is not known; an error where there is no end."""
    if kind == "PyDataset":
        count = source.num_batches
    else:
        try:
            count = len(source)
        except TypeError:  # infinite or unknown, in tf.data and in PyTorch
            count = int(source.cardinality()) if kind == "tf.data.Dataset" else -2
    if count is None or count == -1:
        raise DataError(f"the {kind} has no end; take one pass of it, for example with take(steps).")
    return count if count > 0 else None


def _batches(source: Any, kind: str | None) -> Iterator[Any]:
    if kind == "PyDataset":
        return (source[i] for i in range(source.num_batches))
    if kind == "tf.data.Dataset":
        spec = source.element_spec
        shape = getattr(spec[1], "shape", None) if isinstance(spec, tuple) and len(spec) > 1 else None
        if shape is not None and shape.rank == 0:
            source = source.batch(256)  # single elements
    return iter(source)


def _checked(element: Any, kind: str | None) -> tuple[Any, ...]:
    if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
        got = f"{len(element)} parts" if isinstance(element, (tuple, list)) else type(element).__name__
        raise DataError(f"the {kind} gives {got}; expected (x, y) or (x, y, weight).")
    return tuple(element)


def _numpy(part: Any) -> Any:
    """Tensors as arrays, text as str, in the same structure."""
    if isinstance(part, Mapping):
        return {str(key): _numpy(value) for key, value in part.items()}
    if isinstance(part, (tuple, list)):
        return tuple(_numpy(value) for value in part)
    if hasattr(part, "row_splits") or (hasattr(part, "indices") and not hasattr(part, "numpy")):
        raise DataError("the dataset gives ragged or sparse tensors; make them dense first, for example to_tensor().")
    array = np.asarray(part)
    if array.dtype.kind != "O":
        return array
    texts = [v.decode() if isinstance(v, bytes) else v for v in array.ravel()]
    return np.array(texts, object).reshape(array.shape)


def _bytes(parts: Any) -> int:
    return sum(a.nbytes + (sum(map(len, a.ravel())) if a.dtype.kind == "O" else 0) for a in leaves(parts))


def _joined(parts: list[Any]) -> Any:
    for same in zip(*map(leaves, parts), strict=True):
        shapes = {part.shape[1:] for part in same}
        if len(shapes) > 1:
            raise DataError(f"the batches have rows of shapes {sorted(shapes)}; every row needs the same shape.")
    return join(parts)

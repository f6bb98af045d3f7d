"""Datasets that come in batches -> arrays in memory, so that they can be held out, drawn and weighed like any others.

Recognized without importing TensorFlow or PyTorch: `tf.data.Dataset`, `keras.utils.PyDataset`, a PyTorch `DataLoader`.

`fit`, `evaluate` and `predict` read datasets by it; `feed.weighting` counts their labels. A pass is read once, in its
order.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.element_labels import are_elements
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.core.labels import Labels, class_labels
from counterpoise.core.structure import join, leaves
from counterpoise.data.labels import SEVERAL

Array = np.ndarray

logger = logging.getLogger("counterpoise")

#: Bytes that are read if the free memory is unknown.
DEFAULT_LIMIT = 4_000_000_000
#: Rows after which a dataset of unknown length is taken to have no end.
MOST_UNKNOWN = 2_000_000
#: Single elements that are taken together.
TOGETHER = 256
_DATASET_CLASSES = {"DatasetV2": "tf.data.Dataset", "PyDataset": "PyDataset", "DataLoader": "DataLoader"}
_WAY_OUT = "Or write the rows to Parquet files, and train from cp.scan(FOLDER, target=...)"


def dataset_kind(source: Any) -> str | None:
    """Return the name of the kind of dataset, or None for anything else.

    The class is recognized by its name.
    """
    return next((_DATASET_CLASSES[c.__name__] for c in type(source).__mro__ if c.__name__ in _DATASET_CLASSES), None)


def check_no_generator(source: Any) -> None:
    """Raise a `DataError` for a generator or iterator, whose number of rows and end are unknown."""
    if isinstance(source, Iterator):
        raise DataError(
            f"The data are a {type(source).__name__}, which can be read only once and has no known length. "
            "Expected arrays, a table or a dataset. Convert it to a tf.data.Dataset with "
            "from_generator(...).take(steps), or to a keras.utils.PyDataset."
        )


def load(source: Any, limit: int | None = None, rows: Any = None) -> tuple[Any, Array, Array | None]:
    """Return the rows of one pass of a dataset of (x, y) or (x, y, weight), in memory.

    Args:
        source: See the module. Whatever it does at random (shuffling, augmentation) is read once.
        limit: Most bytes; None is half of the free memory.
        rows: See `has_single_elements`.

    Returns:
        x in the structure of its batches, class codes or labels (N,), several labels per row (N, L) or a class per
        element (N, ...) as the dataset has them, and weights (N,) or None.

    Raises:
        DataError: no end, no rows, too large, or elements of another form.
        OptionError: batches of `cp.batches`, which were drawn by a plan already.
        TargetError: y is neither one label per row, nor one-hot, nor several labels per row (N, L), nor a class per
            element (N, ...).
    """
    kind = dataset_kind(source)
    if type(source).__module__.startswith("counterpoise."):
        raise OptionError(
            "A sampling plan was already applied to these batches. Expected the original rows. Pass the rows as "
            "x= and y=, and pass the plan as strategy=."
        )
    if kind == "tf.data.Dataset" and rows is None:
        _check_clear(source)
    elements = (_labeled_element(element, kind) for element in single_pass(source, rows))
    x, y, *weight = _join_in_memory(elements, kind, batch_count(source, rows), limit)
    logger.info("read %s rows of a %s into memory", f"{len(leaves(y)[0]):,}", kind)
    if not isinstance(y, np.ndarray):
        raise TargetError(f"y has several outputs. Expected one class label per row.{SEVERAL}")
    # Several labels, and classes of elements, are read later: how depends on the model or the classifier.
    several = are_elements(y) or isinstance(as_labels_if_several(y), Labels)
    return x, y if several else class_labels(y, several=SEVERAL).values, weight[0].reshape(-1) if weight else None


def load_without_y(source: Any, y: Any, sample_weight: Any, rows: Any = None) -> tuple[Any, Array, Any]:
    """Return what `load` returns, after checking that no labels were given beside the dataset.

    `sample_weight` becomes the weights if the dataset has none. `rows` is as in `has_single_elements`.

    Raises:
        OptionError: `y` is not None, or both the dataset and the caller give weights.
    """
    if y is not None:
        raise OptionError(f"y was given with a {dataset_kind(source)}, which already contains the labels. Remove y=.")
    x, labels, weights = load(source, rows=rows)
    if weights is not None and sample_weight is not None:
        raise OptionError("sample_weight was given, but the dataset also contains weights. Remove one of them.")
    return x, labels, sample_weight if weights is None else weights


def load_features(source: Any, rows: Any) -> Any:
    """Return the features of one pass, as arrays in memory; labels and weights are left out.

    Args:
        source: See `features_of`.
        rows: See `features_of`.
    """
    batches = ((features,) for features in features_of(source, rows))
    return _join_in_memory(batches, dataset_kind(source), batch_count(source, rows), None)[0]


def features_of(source: Any, rows: Any = None) -> Iterator[Any]:
    """Yield the features of a dataset, batch by batch, as arrays.

    Its elements are x, (x, y) or (x, y, weight).

    Args:
        source: See the module.
        rows: Shape of a row of the first input, to distinguish single elements without labels from batches; None:
            batches.

    Raises:
        DataError: no end, or elements of another form.
    """
    for element in single_pass(source, rows):
        labeled = isinstance(element, (tuple, list))
        if labeled and not 1 <= len(element) <= 3:
            raise DataError(
                f"The {dataset_kind(source)} gives tuples of {len(element)} parts. Expected x, (x, y) or (x, "
                "y, weight). Change its elements, for example with map(...)."
            )
        yield _to_numpy(element[0] if labeled else element)


def single_pass(source: Any, rows: Any = None) -> Iterator[Any]:
    """Yield the batches of one pass; single elements of a `tf.data.Dataset` come in batches of `TOGETHER`.

    Raises:
        DataError: the dataset has no end; or its length is not known, and it did not end after `MOST_UNKNOWN` rows.
    """
    kind, count, seen = dataset_kind(source), batch_count(source, rows), 0
    for element in _iterate_batches(source, kind, rows):
        yield element
        first = leaves(element[0] if isinstance(element, (tuple, list)) else element)[0]
        seen += len(first)
        if count is None and seen >= MOST_UNKNOWN:
            raise DataError(
                f"The {kind} has an unknown length and did not end after {seen:,} rows. Expected a dataset "
                f"with an end. Set its end, for example with take(...) or assert_cardinality(...). {_WAY_OUT}."
            )


def _join_in_memory(
    batches: Iterable[tuple[Any, ...]], kind: str | None, count: int | None, limit: int | None
) -> tuple[Any, ...]:
    """Join batches of the same structure, and return one array per part of a batch.

    `count` is the number of batches, None if it is unknown; `limit` is in bytes. Raise a DataError if there are no
    batches, or if the rows need more than `limit` bytes.
    """
    limit = limit or _free_bytes() // 2
    kept: list[tuple[Any, ...]] = []
    size = 0
    for batch in batches:
        kept.append(_to_numpy(batch))
        size += _byte_count(kept[-1])
        # After the first batch, its size times the number of batches estimates the size of all.
        most = size if count is None or len(kept) > 1 else size * count
        if most > limit:
            endless = (
                ""
                if count
                else " The length of the dataset is unknown. If it has no end, take one pass with take(steps)."
            )
            raise DataError(
                f"The {kind} has more rows than fit into memory. Expected at most {limit / 1e9:.1f} GB. Use "
                f"fewer rows. {_WAY_OUT}.{endless}"
            )
    if not kept:
        raise DataError(f"The {kind} has no elements. Expected at least one. Check how the dataset is made.")
    return tuple(_join_batches([batch[i] for batch in kept]) for i in range(len(kept[0])))


def _free_bytes() -> int:
    """Return the free memory in bytes; a fixed number if the system does not report it."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 2 * DEFAULT_LIMIT


def batch_count(source: Any, rows: Any = None) -> int | None:
    """Return the number of batches of one pass, or None if it is unknown; raise a DataError if there is no end.

    Single elements count as batches of `TOGETHER`, if `rows` shows that there are some (see `has_single_elements`).
    """
    kind = dataset_kind(source)
    if kind == "PyDataset":
        count = source.num_batches
    else:
        try:
            count = len(source)
        except TypeError:  # infinite or unknown, in tf.data and in PyTorch
            count = int(source.cardinality()) if kind == "tf.data.Dataset" else -2
    # tf.data reports -1 for a dataset without end and -2 for an unknown length.
    if count is None or count == -1:
        raise DataError(
            f"The {kind} has no end. Expected one pass over the rows. Limit the dataset, for example with take(steps)."
        )
    if count > 0 and kind == "tf.data.Dataset" and has_single_elements(_shapes_of(source), rows):
        # Division that rounds up: batches of single elements.
        return -(-count // TOGETHER)
    return count if count > 0 else None


def _iterate_batches(source: Any, kind: str | None, rows: Any) -> Iterator[Any]:
    """Return an iterator over the batches of one pass; single rows are joined into batches of `TOGETHER`.

    `kind` is as `dataset_kind` returns it, and `rows` as in `has_single_elements`.
    """
    if kind == "PyDataset":
        return (source[i] for i in range(source.num_batches))
    if kind == "tf.data.Dataset" and has_single_elements(_shapes_of(source), rows):
        source = source.batch(TOGETHER)
    return iter(source)


def has_single_elements(spec: Any, rows: Any = None) -> bool:
    """Return whether a `tf.data.Dataset` gives single rows and not batches, by its shapes.

    Args:
        spec: Its `element_spec`.
        rows: Shape of a row of the first input, None where a length is open. If all are open, a batch may be one of
            gray images without an axis for channels. None: the shape is not known, and elements without a label are
            batches.
    """
    labeled = isinstance(spec, tuple) and len(spec) > 1
    features, target = spec[:2] if labeled else (spec, spec)
    x, y = _first_shape(features), _first_shape(target)
    if x is None or y is None:
        return False
    if labeled:
        # `alone`: the features are one array of numbers, not a dict of columns and not text.
        alone = not isinstance(features, Mapping) and getattr(features, "dtype", None) != "string"
        if not x or not y:
            return True
        if rows is not None and len(rows) > 1 and any(rows):
            return _is_row(x, rows)
        if rows is not None and _may_have_mask(x, y):
            return True
        return _is_one_hot_row(x, y, alone)
    if rows is None:
        return False
    one_value = tuple(rows) == (1,)  # a row of one number may be a scalar
    return len(x) < len(rows) or (len(x) == len(rows) and (not one_value or x[0] == 1))


def _shapes_of(source: Any) -> Any:
    """Return the `element_spec` of a `tf.data.Dataset`, or its first element if the spec has no shapes.

    A dataset from a generator may have none.
    """
    if all(getattr(getattr(part, "shape", None), "rank", None) is not None for part in leaves(source.element_spec)):
        return source.element_spec
    return next(iter(source), source.element_spec)


def _is_row(x: tuple[int | None, ...], rows: Sequence[int | None]) -> bool:
    """Return whether a shape is that of a row. The first axis of a batch often has an open length."""
    same = len(x) == len(rows) and all(a == b or None in (a, b) for a, b in zip(x, rows, strict=True))
    return same and not (x[0] is None and rows[0] is not None)


def _may_have_mask(x: tuple[int | None, ...], y: tuple[int | None, ...]) -> bool:
    """Return whether the shapes may be those of one image and its mask."""
    return len(x) == 3 and y[:2] == x[:2] and y[2:] in ((), (1,))


def _check_clear(source: Any) -> None:
    """Raise a DataError if an element may be one image with its mask, or a batch of sequences with their classes.

    It is called if the shape of a row is not known.
    """
    spec = _shapes_of(source)
    if not isinstance(spec, tuple) or len(spec) < 2:
        return
    x, y = (_first_shape(part) or () for part in spec[:2])
    if None not in x and x[2:] in ((1,), (3,), (4,)) and _may_have_mask(x, y):
        raise DataError(
            f"The dataset gives elements of the shapes {x} and {y}, which may be one image with its mask, or a batch "
            "of sequences. Expected batches. Batch the rows with batch(32), after unbatch() if they are batches."
        )


def _is_one_hot_row(x: tuple[int | None, ...], y: tuple[int | None, ...], alone: bool) -> bool:
    """Return whether the shapes are those of one row and its one-hot label, not of a batch.

    If their first axes have the same length, only an array of numbers (`alone`) with one axis is taken for a row,
    because a batch of such rows would have two axes.
    """
    return len(y) == 1 and None not in (x[0], y[0]) and (x[0] != y[0] or (alone and len(x) == 1))


def _first_shape(spec: Any) -> tuple[int | None, ...] | None:
    """Return the shape of the first input, as `element_spec` has it; None if its number of axes is unknown."""
    shape = getattr(leaves(spec)[0], "shape", None)
    return None if shape is None or shape.rank is None else tuple(shape)


def _labeled_element(element: Any, kind: str | None) -> tuple[Any, ...]:
    """Return an element as a tuple (x, y) or (x, y, weight); raise a DataError for another form.

    `kind` is that of the dataset, for the message.
    """
    if not isinstance(element, (tuple, list)) or len(element) not in (2, 3):
        got = f"tuples of {len(element)}" if isinstance(element, (tuple, list)) else "x alone"
        raise DataError(
            f"The {kind} gives {got}. Expected (x, y) or (x, y, weight). Add the labels to the elements of the dataset."
        )
    return tuple(element)


def _to_numpy(tensors: Any) -> Any:
    """Return tensors as arrays in the same structure; lists become tuples, bytes str.

    Raise a DataError for ragged or sparse tensors.
    """
    if isinstance(tensors, Mapping):
        return {str(key): _to_numpy(value) for key, value in tensors.items()}
    if isinstance(tensors, (tuple, list)):
        return tuple(_to_numpy(value) for value in tensors)
    if hasattr(tensors, "row_splits") or (hasattr(tensors, "indices") and not hasattr(tensors, "numpy")):
        raise DataError(
            "The dataset gives ragged or sparse tensors. Expected dense tensors. Convert them, for example "
            "with to_tensor()."
        )
    array = np.asarray(tensors)
    if array.dtype.kind != "O":
        return array
    texts = [v.decode() if isinstance(v, bytes) else v for v in array.ravel()]
    return np.array(texts, object).reshape(array.shape)


def _byte_count(arrays: Any) -> int:
    """Return the bytes of all arrays; for text, its length is added to the references.

    It is compared with the free memory while a dataset is read.
    """
    return sum(a.nbytes + (sum(map(len, a.ravel())) if a.dtype.kind == "O" else 0) for a in leaves(arrays))


def _join_batches(batches: list[Any]) -> Any:
    """Return batches joined along the axis of rows; raise a DataError if their rows differ in shape."""
    for same in zip(*map(leaves, batches), strict=True):
        shapes = {array.shape[1:] for array in same}
        if len(shapes) > 1:
            raise DataError(
                f"The batches have rows of shapes {sorted(shapes)}. Expected one shape. Pad or resize the rows."
            )
    return join(batches)

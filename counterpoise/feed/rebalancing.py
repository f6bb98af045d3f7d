"""`cp.rebalance`: a tf.data.Dataset, which has no index, resampled to other class proportions.

Elements are dropped or repeated. The seed determines which ones, pass by pass; `_BLOCK` and the order of the draws
belong to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.lazy import needed
from counterpoise.core.per_class import in_class_order
from counterpoise.plans import shift
from counterpoise.plans.class_plans import Plan

Array = np.ndarray

#: Elements that are dropped or repeated in one call of TensorFlow.
_BLOCK = 1024


@dataclass(frozen=True)
class Rebalanced:
    """A dataset with other class proportions and its log shift, made by `rebalance`.

    Attributes:
        dataset: Single elements in the structure of the input. Each iteration draws again.
        counts: int64 (C,), number of elements of each class that were counted (or passed).
        multiplicity: float64 (C,), how often an element of each class occurs in one pass, on average.
        estimated: Whether `counts` come from the first elements of the dataset only.

    Example:
        >>> import tensorflow as tf
        >>> y = np.repeat([0, 1], [90, 10])
        >>> more = rebalance(tf.data.Dataset.from_tensor_slices((y, y)), counts=[90, 10])
        >>> more.counts.tolist(), more.log_shift.round(3).tolist(), more.estimated
        ([90, 10], [-1.099, 1.099], False)
    """

    dataset: Any
    counts: Array
    multiplicity: Array
    estimated: bool
    needs_calibration: bool = False

    @property
    def base_prior(self) -> Array:
        """Class proportions of the input, float64 (C,)."""
        return self.counts / self.counts.sum()

    @property
    def prior(self) -> Array:
        """Class proportions in training, float64 (C,)."""
        return shift.training_prior(self.counts, self.multiplicity)

    @property
    def log_shift(self) -> Array:
        """The shift of the logits by training, float64 (C,), sum 0. Known even if `counts` are estimates."""
        return shift.log_shift(self.multiplicity)


def rebalance(
    dataset: Any,
    target: str | Mapping[int, float] | Any = "equal",
    label: Callable[..., Any] | None = None,
    *,
    counts: Any = None,
    classes: int | None = None,
    most: float | None = None,
    buffer: int = 4096,
    sample: int = 100_000,
    seed: int = 0,
) -> Rebalanced:
    """Change the class proportions of a tf.data.Dataset of single examples.

    The function needs no index, and its memory use is limited.

    An element of class c is returned floor(m_c + u) times, with u uniform and m_c proportional to target_c / share_c.
    The number of elements stays the same on average, unless `most` limits it. How often an element is returned depends
    only on its class, so subtracting `log_shift` corrects the probabilities.

    Args:
        dataset: Elements (x, y) or (x, y, weight), not batched, with fixed shapes. A weight does not change.
        target: "equal", the wanted class proportions in class order (C,), a dict from class code to proportion, or a
            plan, whose prior and counts are used.
        label: Function from x and y of an element (and its weight, if it has three arguments) to the class code, an
            integer scalar. None: y is the class code. The function is called on batches, so write it with tensor
            operations that keep the first axis, for example `lambda x, y: tf.argmax(y, -1)` for one-hot labels.
        counts: Number of elements of each class (C,), in code order or by code (`value_counts()`). None: the first
            `sample` elements are counted. If files are sorted by class, pass `counts`, because their first elements are
            not representative.
        classes: C, if the counted part may lack the last class.
        most: Limit of how often an element is repeated in one pass. None: no limit.
        buffer: Number of elements in the shuffle buffer, which spreads repeats. 0: no buffer, so repeats follow each
            other.
        sample: Number of elements to count.
        seed: Random seed. The same seed gives the same elements in the same order, pass by pass.

    Raises:
        DataError: The elements have different shapes or are batches, or the labels are not class codes.
        TargetError: No element of a wanted class was counted.
        OptionError: Proportions or limits are out of range.
        MissingExtraError: TensorFlow is not installed.

    Example:
        >>> import tensorflow as tf
        >>> y = np.repeat([0, 1], [900, 100])
        >>> more = rebalance(tf.data.Dataset.from_tensor_slices((y, y)), counts=[900, 100], seed=3)
        >>> more.prior.tolist(), more.multiplicity.round(3).tolist()
        ([0.5, 0.5], [0.556, 5.0])
    """
    tf = _tensorflow()
    check_range(buffer, "buffer", 0)
    block = _in_blocks(dataset)
    check_int(seed, "seed", 0)
    estimated = counts is None and not isinstance(target, Plan)
    if estimated:
        counts, complete = _count_classes(block, label, classes, check_int(sample, "sample"))
        estimated = not complete
    numbers = _checked_counts(target.counts if isinstance(target, Plan) and counts is None else counts)
    multiplicity = _multiplicity(numbers, _wanted_shares(target, len(numbers)), most)
    out = _resampled(tf, block, label, multiplicity, seed)
    if buffer:
        out = out.shuffle(int(buffer), seed=seeds.integer(seed, "rebalance order"), reshuffle_each_iteration=True)
    return Rebalanced(out, numbers, multiplicity, estimated)


def _tensorflow() -> Any:
    """Import TensorFlow, or raise a `MissingExtraError` that names `cp.rebalance`."""
    return needed("tensorflow", "tensorflow", "cp.rebalance")


def _in_blocks(dataset: Any) -> Any:
    """Return the dataset in blocks of `_BLOCK` elements, so that one call of TensorFlow serves many elements.

    Raises:
        DataError: It is no dataset, or its elements are batches or of different shapes.
    """
    tf = _tensorflow()
    if not isinstance(dataset, tf.data.Dataset):
        raise DataError(f"dataset is {type(dataset).__name__}. Expected a tf.data.Dataset of single examples (x, y).")
    shapes = [spec.shape for spec in tf.nest.flatten(dataset.element_spec)]
    if not all(shape.is_fully_defined() for shape in shapes):
        raise DataError(
            f"Elements have shapes {[str(s) for s in shapes]}. Expected single examples of fixed shapes. Call "
            ".unbatch() on batches, and pad sequences to one length."
        )
    return dataset.batch(_BLOCK)


def _block_labels(label: Callable[..., Any] | None, element: Any) -> Any:
    """Return the labels of a block of elements: what `label` returns for it, or its second part, y.

    A function that cannot take the weight of elements (x, y, weight) is called without it.

    Raises:
        DataError: There is neither a function nor a second part.
    """
    element = element if isinstance(element, tuple) else (element,)
    if label is None:
        if len(element) < 2:
            raise DataError(
                "The elements of the dataset are not pairs (x, y). Pass a dataset of pairs, or pass label=, a function "
                "that returns the class of x."
            )
        return element[1]
    try:
        inspect.signature(label).bind(*element)
    except TypeError:  # it takes no weight
        element = element[:2]
    except ValueError:  # a built-in function, which has no signature
        pass
    return label(*element)


def _block_codes(label: Callable[..., Any] | None, element: Any) -> Any:
    """Return the class codes, int32 (block,), of a block of elements.

    Labels may also be booleans, or have the shape (block, 1).

    Raises:
        DataError: The labels are not one whole number per element.
    """
    tf = _tensorflow()
    codes = tf.convert_to_tensor(_block_labels(label, element))
    if codes.dtype.is_bool:
        codes = tf.cast(codes, tf.int32)
    if codes.shape.rank == 2 and codes.shape[1] == 1:
        codes = codes[:, 0]
    if codes.shape.rank != 1 or not codes.dtype.is_integer:
        raise DataError(
            f"The labels of a block of elements are {codes.dtype.name} of shape {codes.shape}. Expected "
            "one integer class code for each element (tf.argmax(y, -1) for one-hot, a lookup table for text)."
        )
    return tf.cast(codes, tf.int32)


def _count_classes(
    blocks: Any, label: Callable[..., Any] | None, classes: int | None, sample: int
) -> tuple[Array, bool]:
    """Return the number of elements of each class, int64 (C,), and whether all elements were counted.

    Counting ends after the block that reaches `sample` elements. C is `classes`, or more if a higher code occurs.

    Raises:
        DataError: A code is negative, or there are no elements.
    """
    counts, seen, complete = np.zeros(classes or 0, np.int64), 0, True
    for block in _map_without_autograph(blocks, lambda *element: _block_codes(label, element)).as_numpy_iterator():
        if seen >= sample:
            complete = False
            break
        if block.size and block.min() < 0:
            raise DataError(f"The labels contain the class code {int(block.min())}. Expected 0, 1, 2 ...")
        more = np.bincount(block, minlength=len(counts))
        counts = more + np.pad(counts, (0, len(more) - len(counts)))
        seen += len(block)
    if not seen:
        raise DataError("dataset has no elements. Expected at least one element.")
    return counts, complete


def _checked_counts(counts: Any) -> Array:
    """Return the user's counts in the order of the classes, int64 (C,), checked.

    Raises:
        TargetError: They are not whole numbers for two classes or more, or a class has none.
    """
    numbers = np.asarray(in_class_order(counts, "counts", fill=0))
    if numbers.ndim != 1 or len(numbers) < 2 or numbers.dtype.kind not in "iu":
        raise TargetError(f"counts are {counts!r:.80}. Expected whole numbers for at least two classes.")
    if np.any(numbers < 1):
        raise TargetError(
            f"The counted elements contain no element of class {int(np.argmin(numbers))}. Pass counts= of the whole "
            "dataset, or a larger sample=."
        )
    return numbers.astype(np.int64)


def _wanted_shares(target: Any, size: int) -> Array:
    """Return the wanted class shares, float64 (C,), sum 1.

    Raises:
        OptionError: An unknown word, a share that is missing or not above 0, or another sum than 1.
    """
    if isinstance(target, str):
        if target != "equal":
            raise OptionError(f'target= is {target!r}. Expected "equal", class proportions, or a plan.')
        return np.full(size, 1 / size)
    shares = target.prior if isinstance(target, Plan) else in_class_order(target, "target", range(size))
    shares = np.asarray(shares, dtype=float)
    if shares.shape != (size,) or not np.all(np.isfinite(shares)) or np.any(shares <= 0):
        raise OptionError(
            f"target= is {np.array(target)!r:.80}. Expected a share above 0 for each of the {size} classes."
        )
    if not np.isclose(shares.sum(), 1, atol=1e-6):
        raise OptionError(f"The shares in target= sum to {shares.sum():g}. Expected 1.")
    return shares / shares.sum()


def _multiplicity(counts: Array, shares: Array, most: float | None) -> Array:
    """Return how often an element of each class occurs in a pass on average, float64 (C,).

    All are scaled down if one exceeds `most`.
    """
    raw = shares * counts.sum() / counts
    if most is None:
        return raw
    return raw * min(1.0, check_range(most, "most", 0.0, bounds="(]") / raw.max())


def _resampled(tf: Any, blocks: Any, label: Callable[..., Any] | None, multiplicity: Array, seed: int) -> Any:
    """Return a dataset of elements, each as often as the multiplicity of its class.

    An element occurs as often as the whole part of its multiplicity, and once again by chance for the rest.
    """
    table = tf.constant(multiplicity, tf.float32)
    # One seed for each block, other ones in each pass.
    words = tf.data.Dataset.random(seed=seeds.integer(seed, "rebalance"), rerandomize_each_iteration=True)

    def dropped_or_repeated(element: Any, word: Any) -> Any:
        # `element` is a block, `word` its random seed. A class code beyond the counts raises an error.
        codes = _block_codes(label, element)
        with tf.control_dependencies([tf.debugging.assert_less(codes, len(multiplicity), "label: unknown class code")]):
            wanted = tf.gather(table, codes)
        u = tf.random.stateless_uniform(tf.shape(codes), tf.stack([word, tf.constant(seed, tf.int64)]))
        times = tf.cast(tf.floor(wanted + u), tf.int32)
        rows = tf.repeat(tf.range(tf.shape(codes)[0]), times)
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), element)

    return _map_without_autograph(
        tf.data.Dataset.zip((blocks, words)), dropped_or_repeated, num_parallel_calls=2, deterministic=True
    ).unbatch()


def _map_without_autograph(dataset: Any, function: Callable[..., Any], **how: Any) -> Any:
    """Return `dataset.map(function)` without AutoGraph, which would wrap our errors in its own."""
    return dataset.map(_tensorflow().autograph.experimental.do_not_convert(function), **how)

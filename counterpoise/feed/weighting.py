"""The class weights of a target as a step of an input pipeline (`cp.weight_map`): tf.data, PyDataset, or arrays.

The weights are those of `cp.class_weight` (`plans.weights`), computed once from the training target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

from counterpoise.core.errors import DataError, OptionError
from counterpoise.data.loading import single_pass
from counterpoise.plans.weight_table import Tally, WeightTable
from counterpoise.plans.weights import fit_table, output_names, per_output


@dataclass(frozen=True)
class WeightMap:
    """A function that adds the same class weights to any batch, made by `weight_map`.

    Attributes:
        tables: A `WeightTable`, or for several outputs a dict (list) of them, None for an output without weights.

    Call it with (x, y) or (x, y, weight), as NumPy arrays or tensors. It returns (x, y, weight). An existing weight is
    multiplied with the class weight; 0 masks an element.

    Example:
        >>> weighted = weight_map([0, 0, 0, 1])
        >>> import numpy as np
        >>> weighted(np.zeros((2, 1)), np.array([0, 1]))[2]
        array([0.6666667, 2.       ], dtype=float32)
    """

    tables: Any
    #: TensorFlow does not rewrite what has this attribute, so that our errors come out of `dataset.map` as they are.
    autograph_info__: ClassVar[Mapping[str, Any]] = {}

    def __call__(self, x: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Any]:
        """Return (x, y, weight) of a batch."""
        return x, y, self.weights(y, sample_weight)

    def weights(self, y: Any, sample_weight: Any = None, mask: Any = None) -> Any:
        """Return weights of the elements of `y` by the class weights that were computed once.

        They are not scaled to a mean of 1 again. `y`, an existing `sample_weight` and `mask` are arrays or tensors, for
        several outputs a dict or list of them.
        """
        if isinstance(self.tables, WeightTable):
            return _output_weights(self.tables, y, sample_weight, mask)
        keys = list(self.tables) if isinstance(self.tables, Mapping) else range(len(self.tables))
        _check_outputs(y, keys)
        existing, masks = _by_output(sample_weight, keys), _by_output(mask, keys)
        out = {k: _output_weights(self.tables[k], y[k], existing[k], masks[k]) for k in keys}
        return out if isinstance(self.tables, Mapping) else type(y)(out[k] for k in keys)

    def wrap(self, data: Any) -> Any:
        """Return a dataset, PyDataset, or tuple of arrays with the weights added.

        Raises:
            DataError: `data` is something else.
        """
        if isinstance(data, keras.utils.PyDataset):
            return WeightedBatches(data, self)
        if isinstance(data, tuple) and len(data) in (2, 3):
            return self(*data)
        if hasattr(data, "map") and hasattr(data, "element_spec"):
            return data.map(self, num_parallel_calls=-1)
        raise DataError(f"data is {type(data).__name__}. Expected a tf.data.Dataset, a PyDataset or (x, y[, weight]).")

    def class_weights(self) -> Any:
        """Return the weights as plain dicts (see `class_weight`)."""
        if isinstance(self.tables, WeightTable):
            return self.tables.to_dict()
        if isinstance(self.tables, Mapping):
            return {k: table and table.to_dict() for k, table in self.tables.items()}
        return [table and table.to_dict() for table in self.tables]


class WeightedBatches(keras.utils.PyDataset):
    """Another PyDataset with weights put on its batches; made by `WeightMap.wrap`."""

    def __init__(self, inner: keras.utils.PyDataset, weights: WeightMap) -> None:
        how = {k: getattr(inner, k) for k in ("workers", "use_multiprocessing", "max_queue_size")}
        super().__init__(**how)
        self.inner, self.weights = inner, weights

    @property
    def num_batches(self) -> int | None:
        return self.inner.num_batches

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        """Return a batch of the inner dataset as (x, y, weight).

        Raises:
            DataError: The batch is not (x, y) or (x, y, weight).
        """
        batch = self.inner[index]
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise DataError(f"Batch {index} is {type(batch).__name__}. Expected a tuple (x, y) or (x, y, weight).")
        return self.weights(*batch)

    def on_epoch_begin(self) -> None:
        self.inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.inner.on_epoch_end()


def weight_map(
    y: Any, scheme: Any = "balanced", mask: Any = None, *, kind: Any = "auto", ignore: Any = (), classes: Any = None,
    sample_weight: Any = None,
) -> WeightMap:  # fmt: skip
    """Compute class weights once, and use them for training and validation rows.

    Args:
        y: The training target, as in `class_weight`; or a finite tf.data.Dataset or PyDataset of (x, y) or (x, y,
            weight), batched or not, which is read once. Elements with the weight 0 are not counted.
        scheme: As in `class_weight`.
        mask: As in `class_weight`; with arrays only.
        kind: As in `class_weight`.
        ignore: As in `class_weight`.
        classes: As in `class_weight`.
        sample_weight: As in `class_weight`; with arrays only.

    Returns:
        WeightMap: Use it in `dataset.map(...)`, before or after `.batch(...)`, or call `.wrap(data)`, or `.weights(y)`
        for arrays.

    Raises:
        TargetError, OptionError, DataError: As in `class_weight`. Also, a later row has a label without a weight.

    Example:
        >>> weights = weight_map([0, 0, 0, 1])
        >>> weights.weights([1, 0])  # of validation rows
        array([2.       , 0.6666667], dtype=float32)
        >>> import tensorflow as tf
        >>> data = tf.data.Dataset.from_tensor_slices(([[0.0], [1.0]], [0, 1])).batch(2).map(weights)
        >>> next(iter(data))[2].numpy()
        array([0.6666667, 2.       ], dtype=float32)
    """
    batches = _batches_of(y)
    if batches is None:
        options = {"kind": kind, "ignore": ignore, "classes": classes, "sample_weight": sample_weight}
        return WeightMap(fit_table(y, scheme, mask, **options))
    if mask is not None or sample_weight is not None:
        raise OptionError(
            "mask= and sample_weight= are for arrays. For a dataset, pass weights as the third entry of each batch."
        )
    return WeightMap(_tables_of_batches(batches, scheme, {"kind": kind, "ignore": ignore, "classes": classes}))


def _batches_of(y: Any) -> Iterable[Any] | None:
    """Return an iterable of the batches of a dataset or PyDataset; None for another target.

    Tensors become NumPy arrays. Read it only once.

    Raises:
        DataError: The PyDataset never ends.
    """
    if isinstance(y, keras.utils.PyDataset):
        if y.num_batches is None:
            raise DataError(
                "The PyDataset never ends (num_batches is None), so its classes cannot be counted. Pass the target "
                "itself, or weights by label."
            )
        return (y[i] for i in range(y.num_batches))
    if not hasattr(y, "element_spec"):
        return None
    return (tuple(map(_as_numpy, batch)) if isinstance(batch, tuple) else batch for batch in single_pass(y))


def _as_numpy(tensors: Any) -> Any:
    """Return a structure of tensors as a structure of NumPy arrays."""
    return keras.tree.map_structure(lambda tensor: tensor.numpy(), tensors)


def _tables_of_batches(batches: Iterable[Any], scheme: Any, options: Mapping[str, Any]) -> Any:
    """Return the `WeightTable` of the targets in batches, which are read once.

    For several outputs, it is a dict or list of tables, with None for an output without a scheme. `options` are kind,
    ignore and classes.

    Raises:
        DataError: There are no batches, or one is not (x, y) or (x, y, weight).
    """
    tallies: dict[Any, Tally] | None = None
    schemes: dict[Any, Any] = {}
    names: list[Any] | None = None
    target: Any = None
    for batch in batches:
        if not isinstance(batch, tuple) or len(batch) not in (2, 3):
            raise DataError(f"The dataset contains {type(batch).__name__}. Expected batches (x, y) or (x, y, weight).")
        target, existing = batch[1], batch[2] if len(batch) == 3 else None
        target = np.array(target) if isinstance(target, bytes) else target  # a text by itself
        # The first batch shows which outputs there are.
        if tallies is None:
            names = output_names(target)
            tallies = _empty_tallies(names, target, options)
            schemes = {None: scheme} if names is None else per_output(scheme, names, target, "scheme")
        for name, tally in tallies.items():
            if schemes[name] is None and names is not None:
                continue
            own = existing if names is None else _by_output(existing, names)[name]
            tally.add(target if names is None else target[name], None, own)
    if tallies is None:
        raise DataError("The dataset has no batches. Expected at least one batch.")
    if names is None:
        return tallies[None].table(scheme)
    out = {name: None if schemes[name] is None else tally.table(schemes[name]) for name, tally in tallies.items()}
    return out if isinstance(target, Mapping) else [out[k] for k in names]


def _empty_tallies(names: list[Any] | None, y: Any, options: Mapping[str, Any]) -> dict[Any, Tally]:
    """Return an empty tally for each output; under the key None if the target has one output.

    Each of the `options` kind, ignore and classes is for all outputs, or a dict or list with one entry for each.
    """
    if names is None:
        return {None: Tally(**options)}
    own = {word: per_output(value, names, y, word) for word, value in options.items()}
    return {k: Tally(own["kind"][k] or "auto", own["ignore"][k], own["classes"][k]) for k in names}


def _by_output(weights: Any, keys: Iterable[Any]) -> Any:
    """Return the weights (or masks) by output: the same for all, unless they are a dict, list or tuple."""
    if isinstance(weights, Mapping):
        return {k: weights.get(k) for k in keys}
    return weights if isinstance(weights, (list, tuple)) else dict.fromkeys(keys, weights)


def _check_outputs(y: Any, keys: Any) -> None:
    """Raise a DataError unless the target has exactly the outputs of the weights, `keys`."""
    got = output_names(y)
    if got is None or set(got) != set(keys):
        has = "no named outputs" if got is None else f"the outputs {got}"
        raise DataError(
            f"The weights were made for the outputs {list(keys)}, but the target has {has}. Pass the same outputs."
        )


def _ones_per_row(y: Any, tensor: bool) -> Any:
    """Return the weight 1 for each row, because Keras does not support None among the weights of a PyDataset."""
    if not tensor:
        return np.ones(len(y), np.float32)
    import tensorflow as tf

    return tf.ones(tf.shape(y)[:1])


def _output_weights(table: WeightTable | None, y: Any, existing: Any, mask: Any) -> Any:
    """Return the weights of one output of a batch, as an array or a tensor like `y`.

    `existing` weights are multiplied. Without a table, the result is `existing`, or ones.

    Raises:
        OptionError: A mask with tensors.
    """
    tensor = type(y).__module__.startswith("tensorflow")
    if table is None:
        return _ones_per_row(y, tensor) if existing is None else existing
    if not tensor:
        return table.of(y, mask, existing)
    if mask is not None:
        raise OptionError("mask= is for arrays. For a dataset, pass 0 and 1 as the weights in each batch.")
    from counterpoise.feed.tensor_weights import tensor_weights

    return tensor_weights(table, y, existing)

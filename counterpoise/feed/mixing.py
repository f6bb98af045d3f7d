"""Layers that mix the rows of a batch: mixup, Remix, and SMOTE between rows of one class.

Each is a Keras layer on (x, y[, sample_weight]), for `dataset.map(layer)` and for your own training step.
`dataset.apply(layer.over)` does the same with draws that depend only on (seed, pass, batch). x is an array of any rank,
or a dict or tuple of arrays. Mixing needs numbers with a mean, so the only integers allowed are uint8 images.

A network trained on mixed rows does not predict the class probabilities of real rows, and no known shift corrects them.
All these layers therefore have `needs_calibration = True`.

Strategies with a mix use `mix` and `label_shares` too (`engines.mixing`). Names of classes and arguments are saved in
model files and are part of job ids. The order of the draws in `mix` determines results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import betainc

from counterpoise.core.checks import check_int, check_range
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.lazy import needed
from counterpoise.core.per_class import in_class_order
from counterpoise.core.structure import mapped
from counterpoise.feed.mixing_parts import Draws, KerasDraws, StatelessDraws, as_floats, mix_rows, squared_distances


class Mixing(keras.layers.Layer):
    """The common part of Mixup, Remix and BatchSMOTE: labels, seeds, and use as a layer or in tf.data.

    Args:
        classes: C, number of classes.
        one_hot: True: labels become float32 (N, C). False, for two classes and one sigmoid unit: labels keep their
            shape and become the share of class 1.
        seed: Random seed. The same seed gives the same mixtures.
    """

    #: Probabilities of a network that was trained on mixed rows need a calibrator.
    needs_calibration = True

    def __init__(self, classes: int, *, one_hot: bool = True, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.classes, self.one_hot, self.seed = check_int(classes, "classes", 2), one_hot, check_int(seed, "seed", 0)
        if not one_hot and classes != 2:
            raise OptionError(f"one_hot=False is for two classes, but classes is {classes}. Leave one_hot out.")
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any, y: Any, sample_weight: Any = None, training: bool = True) -> tuple[Any, ...]:
        """Mix a batch (x, y) or (x, y, sample_weight), float32.

        Outside training, only dtypes change.
        """
        soft = self._soft_labels(y)
        weight = None if sample_weight is None else ops.cast(sample_weight, "float32")
        x = as_floats(x)
        if training:
            x, soft, weight = self.mix(KerasDraws(self.generator), x, soft, weight)
        target = self._labels_for_network(soft, y)
        return (x, target) if weight is None else (x, target, weight)

    def mix(self, draws: Draws, x: Any, soft: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return mixed x, labels (N, C) and weights (N,) of a batch, all float32.

        Args:
            draws: Where the random numbers come from. x: Inputs, float32. soft: Labels (N, C), each row sums to 1.
            weight: Loss weights (N,), or None.
        """
        raise NotImplementedError

    def over(self, dataset: Any) -> Any:
        """Return a tf.data.Dataset of mixed batches, for `dataset.apply`.

        Batches are (x, y[, sample_weight]).

        The same seed gives the same batches, pass by pass, however many are made at a time.

        Example:
            >>> import tensorflow as tf
            >>> data = tf.data.Dataset.from_tensor_slices((np.eye(4, dtype="float32"), [0, 1, 0, 1])).batch(4)
            >>> x, y = next(iter(data.apply(Mixup(2, seed=1).over)))
            >>> bool(np.allclose(y.numpy().sum(axis=1), 1))
            True
        """
        tf = _tensorflow()
        words = tf.data.Dataset.random(seed=self.seed, rerandomize_each_iteration=True)

        def mixed(batch: Any, word: Any) -> tuple[Any, ...]:
            x, y, *rest = batch
            weight = tf.cast(rest[0], tf.float32) if rest else None
            x, soft, weight = self.mix(StatelessDraws(tf, word), as_floats(x), self._soft_labels(y), weight)
            return (x, self._labels_for_network(soft, y), *([weight] if rest else []))

        safe = tf.autograph.experimental.do_not_convert(mixed)
        return tf.data.Dataset.zip((dataset, words)).map(safe, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes, "one_hot": self.one_hot, "seed": self.seed}

    def _soft_labels(self, y: Any) -> Any:
        """Return labels as float32 (N, C), from one-hot rows (N, C) or codes (N,) or (N, 1).

        With two classes, numbers of a float dtype are shares of class 1. Another shape is a DataError.
        """
        y = ops.convert_to_tensor(y)
        if len(y.shape) == 2 and y.shape[1] == self.classes:
            return ops.cast(y, "float32")
        if len(y.shape) == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if len(y.shape) != 1:
            raise DataError(f"y has shape {tuple(y.shape)}. Expected codes (N,) or one-hot rows (N, {self.classes}).")
        if "float" in keras.backend.standardize_dtype(y.dtype) and self.classes == 2:
            return ops.stack([1.0 - ops.cast(y, "float32"), ops.cast(y, "float32")], axis=1)
        return ops.one_hot(ops.cast(y, "int32"), self.classes, dtype="float32")

    def _labels_for_network(self, soft: Any, y: Any) -> Any:
        """Return mixed labels (N, C) in the form that the network gets.

        With `one_hot=False`, they are the share of class 1, in the shape of y.
        """
        if self.one_hot:
            return soft
        return soft[:, 1:] if len(y.shape) == 2 and y.shape[1] == 1 else soft[:, 1]


@keras.saving.register_keras_serializable(package="counterpoise")
class Mixup(Mixing):
    """Average pairs of rows in a batch, and their labels.

    x = l x_i + (1 - l) x_j and y = l y_i + (1 - l) y_j, with j a random row of the batch and l ~ Beta(alpha, alpha) per
    row.

    Args:
        classes: C, number of classes.
        alpha: Parameter of the Beta distribution, above 0. Small values leave most rows nearly unchanged.
        **kwargs: `one_hot` and `seed` of `Mixing`: the same seed gives the same mixtures.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (ICLR 2018). They draw one l for a
    batch; one for each row has the same expected loss and less noise.

    Example:
        >>> x, y = Mixup(classes=3, seed=0)(np.ones((4, 8, 8, 1), "float32"), np.array([0, 1, 2, 0]))
        >>> x.shape.as_list(), y.shape.as_list()
        ([4, 8, 8, 1], [4, 3])
    """

    def __init__(self, classes: int, alpha: float = 0.2, **kwargs: Any) -> None:
        super().__init__(classes, **kwargs)
        self.alpha = check_range(alpha, "alpha", 0.0, bounds="(]")

    def mix(self, draws: Draws, x: Any, soft: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return the batch mixed with a permutation of its rows (see `Mixing.mix`).

        The draws are the partners, then the shares.
        """
        n = ops.shape(soft)[0]
        # A random permutation of the rows.
        partner = ops.argsort(draws.uniform((n,)))
        share = draws.beta(self.alpha, (n,))
        of_label = self._share_of_label(share, soft, ops.take(soft, partner, axis=0))
        x = mapped(lambda array: mix_rows(array, partner, share), x)
        weight = None if weight is None else mix_rows(weight, partner, of_label)
        return x, mix_rows(soft, partner, of_label), weight

    def label_shares(self, shares: Any) -> Any:
        """Return the mean labels of mixed rows, float64 (C,), given the class proportions."""
        return np.asarray(shares, dtype=np.float64)

    def _share_of_label(self, share: Any, own: Any, other: Any) -> Any:
        """Return the share of the first row in the mixed label, (N,).

        Here it is the same as its share of the features.
        `own` and `other` are the labels (N, C) of the first and the second row of each pair.
        """
        return share

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


@keras.saving.register_keras_serializable(package="counterpoise")
class Remix(Mixup):
    """Mixup that gives the label to the rarer class if the class sizes differ enough.

    With n_i, n_j the class sizes of the two rows and l the share of row i in x, the share of its label is 0 where
    n_i / n_j >= kappa and l < tau; 1 where n_i / n_j <= 1 / kappa and 1 - l < tau; else l.

    Args:
        counts: Number of rows of each class in the training data, (C,), or by class code (`value_counts()`).
        alpha: Parameter of Beta(alpha, alpha).
        kappa: Ratio of class sizes from which on the rarer class gets the label, 1 or more.
        tau: The rarer class gets the label only if the share of the other row in x is below tau, in [0, 1].
        **kwargs: `one_hot` and `seed` of `Mixing`: the same seed gives the same mixtures.

    Source: Chou et al., "Remix: Rebalanced Mixup" (ECCV workshops 2020).

    Example:
        >>> x, y = Remix([900, 90, 10])(np.ones((4, 5), "float32"), np.array([0, 1, 2, 0]))
        >>> y.shape.as_list()
        [4, 3]
    """

    def __init__(self, counts: Any, alpha: float = 1.0, kappa: float = 3.0, tau: float = 0.5, **kwargs: Any) -> None:
        sizes = np.asarray(in_class_order(counts, "counts"), dtype=float)
        if sizes.ndim != 1 or len(sizes) < 2 or not np.all(np.isfinite(sizes) & (sizes > 0)):
            raise TargetError(
                f"counts are {counts!r:.80}. Expected the number of rows of each class, for at least two classes."
            )
        kwargs.pop("classes", None)
        super().__init__(len(sizes), alpha, **kwargs)
        self.counts = [float(size) for size in sizes]
        self.kappa, self.tau = check_range(kappa, "kappa", 1.0), check_range(tau, "tau", 0.0, 1.0)

    def label_shares(self, shares: Any) -> Any:
        """Return the mean labels of mixed rows, as `Mixup.label_shares`.

        Example:
            >>> Remix([900, 100]).label_shares([0.9, 0.1]).round(4).tolist()  # 0.1 + 2 * 0.09 * (0.625 - 0.5)
            [0.8775, 0.1225]
        """
        shares, sizes = np.asarray(shares, dtype=np.float64), np.array(self.counts)
        ratio = sizes[:, None] / sizes
        # With a class that is much larger the mean share of the own label, with one that is much smaller the rest.
        below = 0.5 * betainc(self.alpha + 1, self.alpha, 1 - self.tau)
        large = below + 1 - betainc(self.alpha, self.alpha, 1 - self.tau)
        own = np.where(ratio >= self.kappa, 1 - large, np.where(ratio <= 1 / self.kappa, large, 0.5))
        np.fill_diagonal(own, 0.5)
        return 2 * shares * (own @ shares)

    def _share_of_label(self, share: Any, own: Any, other: Any) -> Any:
        """Return the share of the first row in the mixed label, (N,); `share` is its share of the features.

        It is 0 or 1 where the rarer class gets the whole label (see the class); elsewhere it is `share`.
        """
        counts = ops.convert_to_tensor(np.array(self.counts, "float32"))
        ratio = ops.sum(own * counts, axis=1) / ops.sum(other * counts, axis=1)
        share_of = ops.where(ops.logical_and(ratio >= self.kappa, share < self.tau), 0.0, share)
        return ops.where(ops.logical_and(ratio <= 1 / self.kappa, 1.0 - share < self.tau), 1.0, share_of)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "counts": self.counts, "kappa": self.kappa, "tau": self.tau}


@keras.saving.register_keras_serializable(package="counterpoise")
class BatchSMOTE(Mixing):
    """Create synthetic rows in a batch, between a row and a neighbor of its class.

    x = x_i + u (x_j - x_i), with j one of the nearest rows of the same class in the batch and u uniform. Labels do not
    change.

    Neighbors are searched only within the batch (Euclidean distance over all inputs of x). Use a quota, so that the
    batch contains enough rows of the rare class. If a class has only one row in the batch, this row does not change.

    Args:
        classes: C, number of classes.
        neighbors: k, the number of nearest rows to choose from.
        share: Share of the rows that are replaced, in [0, 1].
        only: Class codes whose rows may be replaced; None: all.
        **kwargs: `one_hot` and `seed` of `Mixing`: the same seed gives the same rows.

    Source: Chawla et al., "SMOTE" (JAIR 2002), on the rows of a batch.

    Example:
        >>> x = np.array([[0.0], [1.0], [5.0]], "float32")
        >>> new, y = BatchSMOTE(classes=2)(x, np.array([0, 0, 1]))
        >>> bool(0 <= new[0, 0] <= 1), float(new[2, 0])
        (True, 5.0)
    """

    def __init__(
        self, classes: int, neighbors: int = 5, share: float = 1.0, only: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(classes, **kwargs)
        self.neighbors = check_int(neighbors, "neighbors")
        self.share = check_range(share, "share", 0.0, 1.0)
        self.only = None if only is None else [check_int(code, "only", 0) for code in only]
        if self.only is not None and (not self.only or max(self.only) >= classes):
            raise OptionError(f"only={self.only}. Expected class codes 0 to {classes - 1}.")

    def mix(self, draws: Draws, x: Any, soft: Any, weight: Any) -> tuple[Any, Any, Any]:
        """Return the batch with synthetic rows (see `Mixing.mix`).

        The draws are the neighbors, the rows, then the shares.
        """
        n = ops.shape(soft)[0]
        codes = ops.argmax(soft, axis=1)
        others = ops.logical_and(codes[:, None] == codes[None, :], ops.logical_not(ops.eye(n, dtype="bool")))
        # `others` is bool (N, N): different rows of the same class. `choice` is how many of them can be chosen.
        choice = ops.minimum(ops.sum(ops.cast(others, "int32"), axis=1), self.neighbors)
        nearest = ops.argsort(ops.where(others, squared_distances(x), np.inf), axis=1)
        chosen = ops.cast(ops.floor(draws.uniform((n,)) * ops.cast(choice, "float32")), "int32")
        partner = ops.take_along_axis(nearest, ops.cast(chosen, nearest.dtype)[:, None], axis=1)[:, 0]
        replaced = ops.logical_and(self._may_be_replaced(codes, draws.uniform((n,))), choice > 0)
        # Share of the row itself in the synthetic row; 1 leaves it unchanged.
        own_share = ops.where(replaced, draws.uniform((n,)), 1.0)
        return mapped(lambda array: mix_rows(array, partner, own_share), x), soft, weight

    def _may_be_replaced(self, codes: Any, u: Any) -> Any:
        """Return which rows may be replaced, bool (N,).

        These are the rows with u below `share` whose class is in `only`.
        `codes` are int (N,), `u` uniform random numbers (N,).
        """
        chosen = u < self.share
        if self.only is None:
            return chosen
        allowed = np.isin(np.arange(self.classes), self.only)
        return ops.logical_and(chosen, ops.take(ops.convert_to_tensor(allowed), codes, axis=0))

    def get_config(self) -> dict[str, Any]:
        own = {"neighbors": self.neighbors, "share": self.share, "only": self.only}
        return {**super().get_config(), **own}


def _tensorflow() -> Any:
    """Return the module TensorFlow; another backend of Keras is an OptionError."""
    if keras.backend.backend() != "tensorflow":
        raise OptionError(
            f"over() needs the TensorFlow backend, but the backend here is {keras.backend.backend()}. Call the layer "
            "instead."
        )
    return needed("tensorflow", "tensorflow", "Mixing in tf.data")

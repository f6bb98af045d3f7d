"""Trees as models: what `cp.trees` makes, and a fitted forest or booster as arrays and as a Keras model.

`TreeModel.content` is part of a job's id. The arrays of `TreeModel.weights` are saved in files of classifiers and in
stores of `compare`: their order and the configuration in the first one are fixed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import ArtifactError, ColumnError, ModelError, OptionError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.job import Limits
from counterpoise.forests.conversion import layer_of
from counterpoise.forests.fitting import Grown, Rows, check_options, grow_boosted, grow_forest
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.rows import FlatRows
from counterpoise.forests.several_labels import (
    LabelForests,
    grow_boosters,
    grow_label_forests,
    labels_known_together,
    layer_of_labels,
)
from counterpoise.forests.tree_layer import FLOOR, TreeEnsemble
from counterpoise.forests.trees import MOST
from counterpoise.networks.input_spec import spec_of

Array = np.ndarray

KINDS = ("boosted", "forest", "extra_trees", "balanced_forest")
#: Most rounds of boosting, and rounds without a better stopping score before it ends.
ROUNDS, PATIENCE = 1000, 50
#: Trees of a forest, and most leaves of each: 300 trees of 1,024 leaves make a file of 10 MB with two classes. The file
#: is larger with more classes; fewer leaves would lower the scores much more than fewer trees do.
TREES, LEAVES = 300, 1024
#: How boosted trees are grown unless others are given. These values, `FOREST` and `LEAVES` are no part of a job's id.
BOOSTED = {
    "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "feature_fraction": 0.8,
    # LightGBM's own limits for categories (100 rows in a group, and smoothing by 10) hide levels where a class is rare.
    "min_data_per_group": 5, "cat_smooth": 1.0, "cat_l2": 1.0,
}  # fmt: skip
#: How forests are grown unless others are given: a leaf of one row is as sure of noise as of signal.
FOREST = {"min_samples_leaf": 2}
#: Most levels of a column that becomes one column of integers. With more, it is target-encoded, and its commonest
#: levels get a column each.
CATEGORIES = 254


@dataclass(frozen=True)
class TreeModel:
    """Boosted trees or a forest, in the place of a network (a `core.model.Model`).

    Attributes:
        name: One of `KINDS`.
        options: Parameters by the names of the library that grows them (LightGBM, scikit-learn).
        monotone: Column -> 1 where the probability of class 1 may only rise with its number, -1 only fall.
    """

    name: str = "boosted"
    options: Mapping[str, Any] = field(default_factory=dict)
    monotone: Mapping[str, int] = field(default_factory=dict)

    kind = "trees"
    refit_rows = 50_000

    @property
    def label(self) -> str:
        """The name of the model in reports."""
        return self.name

    @property
    def stops_early(self) -> bool:
        """Return whether the model uses early-stopping rows; a forest is trained on them instead."""
        return self.name == "boosted"

    def content(self) -> str:
        """Return a text that is equal for equal models; it is part of the id of each job."""
        return repr((self.name, sorted(self.options.items(), key=str), sorted(self.monotone.items())))

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        """Return the limits of a run for trees: a step is a boosting round or one tree.

        `steps` (of a refit) goes before the option "n_estimators", and that before the defaults. Only boosting stops
        early.
        """
        most = steps or self.options.get("n_estimators", ROUNDS if self.stops_early else TREES)
        patience = PATIENCE if self.stops_early and early_stopping else None
        return replace(given, steps=int(most), round_steps=1, patience=patience, plateau=None, average=0.0)

    def rows(self, examples: Examples, train: Array, seed: int | None) -> FlatRows:
        """Return the layout of rows as a matrix for the trees, learned from training rows.

        `train` has their numbers. Missing numbers stay NaN. `seed` divides the rows for the target encoding; None: no
        target encoding.
        """
        return FlatRows(examples, train, keep_nan=True, integer_levels=CATEGORIES, seed=seed)

    def grow(self, flat: FlatRows, rows: Rows, stop: Rows, log_shift: Array, limits: Limits, seed: int) -> Grown:
        """Fit the trees by the kind of model and labels (see `fitting` and `several_labels`).

        Args:
            flat: The layout of the rows, from `rows`.
            rows, stop: Training rows and early-stopping rows; a forest does not use the latter.
            log_shift: The shift that is removed before the stopping score.
            limits: Rounds or trees, and patience. seed: Of the library.

        Raises:
            ColumnError, ModelError, OptionError: See `_monotone_directions`.
        """
        own = {name: value for name, value in self.options.items() if name != "n_estimators"}
        several = rows.y.ndim == 2
        if self.stops_early:
            return (grow_boosters if several else grow_boosted)(
                rows, stop, log_shift, {**BOOSTED, **own}, rounds=limits.steps, patience=limits.patience,
                categorical=flat.categorical, monotone=self._monotone_directions(flat, log_shift), seed=seed,
            )  # fmt: skip
        if self.monotone:  # scikit-learn takes the directions as an option
            own["monotonic_cst"] = self._monotone_directions(flat, log_shift)
        most = _most_leaves(rows) if several else LEAVES
        options = {**FOREST, **({"max_leaf_nodes": most} if len(rows.y) > most else {}), **own}
        if several:
            return grow_label_forests(rows, options, kind=self.name, trees=limits.steps, seed=seed)
        return grow_forest(rows, options, kind=self.name, trees=limits.steps, seed=seed)

    def _monotone_directions(self, flat: FlatRows, log_shift: Array) -> list[int]:
        """Return the wanted direction (1, 0 or -1) of each column of the matrix, or [].

        Without `monotone`, the list is empty. Numeric columns come first in the matrix; all others get 0. `log_shift`
        (C,) or (L, 2) is that of `grow`, by its shape.

        Raises:
            ColumnError: `monotone` names an unknown column, or a time stamp, of which trees also see the position in
                the day and week. ModelError: There are more than two classes. OptionError: Another direction.
        """
        if not self.monotone:
            return []
        if log_shift.ndim == 1 and len(log_shift) > 2:
            raise ModelError(
                f"monotone= is for two classes, but these rows have {len(log_shift)}. With more classes, no tree model "
                "can hold the probability of one class monotone. Leave monotone= out, or train one class against the "
                "others."
            )
        names = [] if flat.schema is None else [column.name for column in flat.schema.numeric]
        for name, direction in self.monotone.items():
            if name not in names:
                raise ColumnError(
                    f"monotone names the column {name!r}, which is not a column of numbers.{did_you_mean(name, names)}"
                )
            if direction and names.index(name) in [column for column, _ in flat.cycles]:
                raise ColumnError(
                    f"monotone names the column {name!r}, which contains dates or times. Trees also read its position "
                    "in the day or week, so the probability could still rise and fall with it. Convert the column to "
                    "numbers, for example days since a date."
                )
            if direction not in (-1, 0, 1):
                raise OptionError(f"monotone={{{name!r}: {direction!r}}}. Expected 1 (rises), -1 (falls) or 0.")
        wanted = [int(self.monotone.get(name, 0)) for name in names]
        return [*wanted, *[0] * (flat.width - len(wanted))]

    def logits(self, grown: Grown, prior: Array, x: Array) -> Array:
        """Return the logits of rows of the matrix, float64 (N, units), by the tree library.

        They equal the output of the layer of `weights` (tests/forests/test_model.py compares them).

        `prior` float64 (C,) or (L, 2) smooths the shares of a forest: it counts as one more tree.
        """
        x = np.clip(x, -MOST, MOST)
        if isinstance(grown.model, LabelForests):
            return grown.model.logits(x, prior, FLOOR)
        if isinstance(grown.model, list):
            raws = [b.predict(x, raw_score=True, num_iteration=grown.rounds) for b in grown.model]
            return np.stack(raws, axis=1) * self.options.get("sigmoid", 1.0)
        if self.stops_early:
            raw = np.asarray(grown.model.predict(x, raw_score=True), np.float64)
            # With more than two classes, LightGBM has a softmax, which ignores the parameter "sigmoid".
            return raw[:, None] * self.options.get("sigmoid", 1.0) if raw.ndim == 1 else raw
        trees = len(grown.model.estimators_)
        p = np.clip((trees * grown.model.predict_proba(x) + prior) / (trees + 1), FLOOR, 1 - FLOOR)
        return np.log(p[:, 1:]) - np.log(1 - p[:, 1:]) if len(prior) == 2 else np.log(p)

    def weights(self, flat: FlatRows, grown: Grown, prior: Array) -> tuple[Array, ...]:
        """Return fitted trees as plain arrays, which `to_keras` reads.

        The first one is the configuration of two layers (`TreeRows`, then trees) as JSON bytes, uint8. The others are
        the variables of the layers in order.
        """
        several = isinstance(grown.model, (LabelForests, list))
        trees = layer_of_labels(grown, prior) if several else layer_of(grown.model, None if self.stops_early else prior)
        layers: list[keras.layers.Layer] = [TreeRows.of(flat), trees]
        text = json.dumps([_layer_settings(layer) for layer in layers])
        return (np.frombuffer(text.encode(), np.uint8), *[np.asarray(v) for layer in layers for v in layer.variables])

    def to_keras(self, weights: Sequence[Array], examples: Examples) -> keras.Model:
        """Return a Keras model of the arrays from `weights`, with inputs for these examples.

        Arrays that do not fit the configuration raise an ArtifactError.
        """
        inputs = spec_of(examples).inputs()
        configuration, *values = weights
        try:
            first, second = json.loads(np.asarray(configuration, np.uint8).tobytes())
            rows = TreeRows(**first, name="tree_rows")
            trees = TreeEnsemble(**second, name="trees")
            check_sizes(trees, [np.shape(v) for v in values[len(rows.variables) :]])
            logits = trees(rows(inputs))
            for variable, value in zip((*rows.variables, *trees.variables), values, strict=True):
                variable.assign(value)
        except (TypeError, ValueError, KeyError, RecursionError) as error:
            raise ArtifactError(f"The stored trees are damaged: {error!s:.200}") from error
        return keras.Model(inputs, logits, name="trees")


def leaves_for(outputs: int, trees: int = 1) -> int:
    """Return the most leaves of a tree with `outputs` numbers per leaf; 300 trees then take about 20 MB at most.

    `trees` is how many trees the file contains for each tree of a forest.

    Example:
        >>> leaves_for(2), leaves_for(28), leaves_for(1, 14)
        (1024, 264, 146)
    """
    # A node takes 12 bytes (column, threshold, left child) and 4 bytes for each number.
    return min(LEAVES, max(2, 32 * LEAVES // (trees * (12 + 4 * outputs))))


def _most_leaves(rows: Rows) -> int:
    """Return the most leaves of a tree for several labels: of one forest over all of them, or of trees of each."""
    labels = rows.y.shape[1]
    together = [len(each) for each, _ in labels_known_together(rows)] == [labels]
    return leaves_for(2 * labels) if together else leaves_for(1, labels)


def check_sizes(layer: TreeEnsemble, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise a ValueError unless the stored arrays have the shapes that the layer allocates.

    It is called before the layer is built, so that a damaged file cannot ask for too much memory.
    """
    wanted = layer.shapes()
    if [tuple(s) for s in shapes] != wanted:
        raise ValueError(f"the sizes of its arrays are {[*shapes]}. Expected {wanted}")


def _layer_settings(layer: keras.layers.Layer) -> dict[str, Any]:
    """Return the configuration of a layer that is saved, without the entries that `to_keras` sets."""
    return {name: value for name, value in layer.get_config().items() if name not in ("name", "dtype", "trainable")}


def trees(name: str = "boosted", *, monotone: Mapping[str, int] | None = None, **options: Any) -> TreeModel:
    """Return boosted trees or a forest, to be used in place of a network.

    Pass the result to `fit`, `compare`, or `CounterpoiseClassifier`.

    The plan of the strategy determines the rows and weights, and the prior shift is corrected. Boosting stops by the
    corrected log loss of the early-stopping rows. The saved file contains the trees as a Keras layer, so it needs
    neither LightGBM nor scikit-learn. "boosted" splits on sets of categories; forests split on the numbers of
    categories. Missing numbers stay missing.

    Args:
        name: "boosted" (LightGBM: learning rate 0.05, 31 leaves, at most 1,000 rounds), "forest" (300 trees of at most
            1,024 leaves with 2 rows or more, Breiman 2001), "extra_trees" (such trees on all rows, split at random
            thresholds, Geurts 2006) or "balanced_forest" (each tree on a balanced sample, Chen 2004).
        monotone: Dict from column to 1 or -1. With 1, the probability of class 1 can only rise with the number in the
            column. With -1, it can only fall. For two classes or several labels, and not for columns of dates.
        **options: Parameters of LightGBM or of the forest of scikit-learn, for example `num_leaves=63`. `n_estimators`
            is the maximum number of rounds, or the number of trees.

    Raises:
        OptionError: The name or a parameter is unknown, or cannot be set.

    Example:
        >>> trees("forest", n_estimators=100).label
        'forest'

    Sources: Ke et al. (2017), "LightGBM"; Breiman (2001), "Random Forests"; Geurts, Ernst and Wehenkel (2006),
    "Extremely Randomized Trees"; Chen, Liaw and Breiman (2004), "Using Random Forest to Learn Imbalanced Data".
    """
    if name not in KINDS:
        raise OptionError(f"There is no tree model {name!r}.{did_you_mean(name, KINDS)}")
    count = options.get("n_estimators", 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise OptionError(f"n_estimators is {count!r}. Expected a whole number of 1 or more.")
    if "linear_tree" in options:
        raise ModelError(
            "linear_tree is not supported, because the file stores one number per leaf. Leave linear_tree out."
        )
    if set(options) - {"n_estimators"}:
        options = check_options(name, options)
    same = next((one for one in ("monotone_constraints", "monotonic_cst") if one in options), None)
    if monotone and same:
        raise OptionError(f"monotone= and {same}= set the same. Pass monotone= only.")
    return TreeModel(name, options, dict(monotone or {}))

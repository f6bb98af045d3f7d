"""`CounterpoiseClassifier`: `cp.fit` as a scikit-learn estimator.

It adds only the checks and conventions of scikit-learn, whose `check_estimator` is a test. Arguments of `__init__` are
stored unchanged under their names, because `clone` requires this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted, validate_data

from counterpoise.classifier.classifier import Classifier
from counterpoise.core.errors import OptionError, TargetError
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.core.labels import Labels
from counterpoise.core.masked import unmasked
from counterpoise.forests.model import KINDS, TreeModel
from counterpoise.pipeline.fit import fit
from counterpoise.sklearn.targets import plain_labels
from counterpoise.strategies.blend import Blend
from counterpoise.targets.thresholds import goal_of

Array = np.ndarray

#: Models by name that take missing values.
TABLE_MODELS = ("mlp", "tabular", "auto", *KINDS)


class CounterpoiseClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier with corrected probabilities and a tuned threshold.

    It trains a model with one strategy.

    Args:
        model: "auto", a name such as "mlp" or "boosted", a Keras model, a builder `build(spec, n_classes)`,
            `cp.trees(...)` or `cp.blend([...])`.
        strategy: A name (see `counterpoise strategies`), a `Strategy` or `cp.ensemble([...])`.
        validation, folds, epochs, batch_size, budget, optimizer, patience, recipe: As in `cp.fit`.
        output, initial_weights, init_bias, engine: As in `cp.fit`.
        recall_floor, precision_floor: Choose the threshold for this floor instead of the strategy's own aim. Pass one
            of them.
        random_state: Whole number, generator or None: the seed.
        verbose: 0 is silent.

    Attributes:
        classes_: Labels in sorted order, which is the order of the columns of `predict_proba`.
        classifier_: The `cp.Classifier`, with `save`, `export` and `decide`.
        n_features_in_: Number of columns seen in `fit`.

    `fit` takes `sample_weight` and `groups`. Rows of one group are not split between training and early stopping. With
    metadata routing of scikit-learn, request both with `set_fit_request(sample_weight=True, groups=True)`. A pandas or
    polars frame can contain text columns and missing values.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(200) < 0.2).astype(int)
        >>> x = rng.normal(size=(200, 2)) + 2 * y[:, None]
        >>> CounterpoiseClassifier("mlp", epochs=2, random_state=0).fit(x, y).predict_proba(x).shape
        (200, 2)
    """

    def __init__(
        self,
        model: Any = "auto",
        strategy: Any = "none",
        *,
        validation: float = 0.2,
        folds: int | None = None,
        epochs: int | str = "auto",
        batch_size: int | str = "auto",
        budget: str = "steps",
        optimizer: Any = None,
        patience: int = 10,
        recipe: Any = "auto",
        output: str = "auto",
        initial_weights: str = "auto",
        init_bias: bool = True,
        engine: str = "auto",
        recall_floor: float | None = None,
        precision_floor: float | None = None,
        random_state: Any = None,
        verbose: Any = 0,
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.validation = validation
        self.folds = folds
        self.epochs = epochs
        self.batch_size = batch_size
        self.budget = budget
        self.optimizer = optimizer
        self.patience = patience
        self.recipe = recipe
        self.output = output
        self.initial_weights = initial_weights
        self.init_bias = init_bias
        self.engine = engine
        self.recall_floor = recall_floor
        self.precision_floor = precision_floor
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> CounterpoiseClassifier:
        """Train on rows X and labels y, (N,), or several labels of 0 and 1, (N, L).

        `sample_weight` and `groups` are (N,). A floor for recall or precision then sets the threshold. Returns the
        estimator. Raises an OptionError for two floors or a floor out of range. See `cp.fit` for other errors.
        """
        floors = self._checked_floors()
        if y is None:
            raise TargetError("CounterpoiseClassifier requires y to be passed, but the target y is None.")
        rows, labels = self._checked_rows(X, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(unmasked(sample_weight), rows, dtype=np.float64)
        several = isinstance(labels, Labels)
        self.classes_ = np.array(labels.classes) if several else np.unique(labels)
        clf = self._fit_classifier(rows, labels, sample_weight, groups)
        self.classifier_ = clf.decide(**floors) if floors else clf
        self._left_out = _shares_of_others(labels, sample_weight, clf.classes_.tolist()) if several else {}
        return self

    def predict_proba(self, X: Any) -> Array:
        """Predict the probability of each class (N, C) or of each label (N, L), float64.

        Columns are in the order of `classes_`. A label with too few rows for training has its share of the training
        rows as probability.
        """
        check_is_fitted(self)
        return self._in_order(self.classifier_.predict_proba(self._checked_rows(X)), self._left_out)

    def predict(self, X: Any) -> Array:
        """Predict the label of each row (N,) at the chosen threshold or offsets.

        With several labels per row, the result is 0 or 1, int64 (N, L).
        """
        check_is_fitted(self)
        labels = self.classifier_.predict(self._checked_rows(X))
        if labels.ndim == 1:
            return np.asarray(labels, dtype=self.classes_.dtype)
        return self._in_order(labels, {label: share > 0.5 for label, share in self._left_out.items()}).astype(np.int64)

    def __sklearn_tags__(self) -> Any:
        """Declare support for several labels per row and, in our models, for missing values."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.allow_nan = self._takes_missing_values()
        return tags

    def _fit_classifier(self, rows: Any, labels: Any, sample_weight: Any, groups: Any) -> Classifier:
        """Return the classifier that `cp.fit` trains with the options of this estimator."""
        return fit(
            self.model, rows, labels, strategy=self.strategy, validation=self.validation, folds=self.folds,
            groups=groups, sample_weight=sample_weight, epochs=self.epochs, batch_size=self.batch_size,
            budget=self.budget, optimizer=self.optimizer, patience=self.patience, recipe=self.recipe,
            output=self.output, initial_weights=self.initial_weights, init_bias=self.init_bias, engine=self.engine,
            seed=self._seed(), verbose=self.verbose,
        )  # fmt: skip

    def _checked_floors(self) -> dict[str, Any]:
        """Return the floor that was passed, as the argument of `Classifier.decide`; empty without a floor."""
        floors = {"recall_floor": self.recall_floor, "precision_floor": self.precision_floor}
        floors = {name: value for name, value in floors.items() if value is not None}
        if len(floors) > 1:
            raise OptionError(
                "recall_floor= and precision_floor= cannot be combined, because a threshold has one aim. Pass one of "
                "them."
            )
        for name, value in floors.items():
            goal_of(name, value)  # raises an error if the number is out of range
        return floors

    def _takes_missing_values(self) -> bool:
        """Return whether the model is one of ours for tables, whose encoder takes missing values."""
        return isinstance(self.model, (TreeModel, Blend)) or (
            isinstance(self.model, str) and self.model in TABLE_MODELS
        )

    def _seed(self) -> int:
        """Return `random_state` as a seed: 0 for None, and a number drawn from a generator."""
        from sklearn.utils import check_random_state

        state = self.random_state
        if isinstance(state, (int, np.integer)) and not isinstance(state, bool):
            return int(state)
        if isinstance(state, np.random.Generator):
            return int(state.integers(2**31 - 1))
        return 0 if state is None else int(check_random_state(state).randint(2**31 - 1))

    def _checked_rows(self, X: Any, y: Any = None) -> Any:
        """Return rows, and with `y` the pair of rows and labels, checked and in the form that `cp.fit` takes.

        Frames are not converted, because `cp.fit` encodes text and missing values. Other rows become a checked float64
        array (N, d). Without `y` (for predictions), the columns are compared with those of the training.
        """
        X, y = unmasked(X), unmasked(y)
        frame = hasattr(X, "columns") and not hasattr(X, "toarray")
        options: dict[str, Any] = {"skip_check_array": True} if frame else {
            "dtype": np.float64, "ensure_all_finite": "allow-nan" if self._takes_missing_values() else True,
        }  # fmt: skip
        if y is None:
            return validate_data(self, X, reset=False, **options)
        several = as_labels_if_several(y)
        if isinstance(several, Labels):
            rows = validate_data(self, X, **options)
            check_consistent_length(X, several.codes)
            return (X if frame else rows), several
        y = plain_labels(y)
        if frame:
            validate_data(self, X, y, **options)
            labels = np.asarray(y).ravel()
            rows = X
        else:
            rows, labels = validate_data(self, X, y, **options)
        check_classification_targets(labels)
        return rows, labels

    def _in_order(self, values: Array, others: Mapping[Any, float]) -> Array:
        """Return values (N, C) of the classifier's classes in the order of `classes_`.

        `others` has the value of each label that `cp.fit` left out, which is the same for all rows.
        """
        known = self.classifier_.classes_.tolist()
        columns = [
            values[:, known.index(label)] if label in known else np.full(len(values), others[label], values.dtype)
            for label in self.classes_.tolist()
        ]
        return np.stack(columns, axis=1)


def _shares_of_others(several: Labels, sample_weight: Array | None, known: Sequence[Any]) -> dict[Any, float]:
    """Return label -> its share among the rows where it is known, for labels that are not among `known`.

    `sample_weight` (N,) or None are the weights of the rows. A label without known rows has the share 0.
    """
    w = np.ones(len(several)) if sample_weight is None else sample_weight
    shares = {}
    for label, column in zip(several.classes, several.codes.T, strict=True):
        if label not in known:
            total = float(w @ (column >= 0))
            shares[label] = float(w @ (column == 1)) / total if total > 0 else 0.0
    return shares

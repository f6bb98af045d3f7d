"""The external model `external:self_paced_trees`, an estimator of scikit-learn's kind made of single trees.

`self_paced_ensemble` in `standard` is the same idea with networks or trees of ours; both draw by `plans.hardness`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from counterpoise.core.checks import check_int
from counterpoise.plans.hardness import by_hardness

Array = np.ndarray


class SelfPacedTrees(ClassifierMixin, BaseEstimator):
    """Self-paced ensemble (Liu et al., "Self-paced Ensemble for Highly Imbalanced Massive Data Classification", 2020).

    Tree i is trained on all rows of the smallest class and as many of each other class. Those are drawn from `bins`
    bins of equal width of the hardness 1 - p(own class), as the trees so far see it: bin l gets a share of them in
    proportion to 1 / (h_l + tan(pi i / (2 n))), h_l the mean hardness of its rows. So the first trees see bins with
    easy rows more, which keeps noise out; the last see all bins alike, hard ones as much as easy ones. The first tree
    is drawn at random. Probabilities are the mean over the trees, for balanced classes.

    Args:
        estimator: The tree; None is a decision tree of depth 10.
        n_estimators: n.
        bins: Bins of hardness.
        random_state: Seed.

    Example:
        >>> x = np.arange(40.0)[:, None]
        >>> SelfPacedTrees(n_estimators=3, random_state=0).fit(x, x[:, 0] > 35).predict([[3.0], [39.0]])
        array([False,  True])
    """

    def __init__(self, estimator: Any = None, n_estimators: int = 50, bins: int = 20, random_state: Any = None) -> None:
        self.estimator, self.n_estimators, self.bins, self.random_state = estimator, n_estimators, bins, random_state

    def fit(self, x: Any, y: Any) -> SelfPacedTrees:
        """Fit on rows (N, d), NaN for missing, and labels (N,).

        `estimators_` contains the trees, which are trained on class codes.
        """
        check_classification_targets(y)
        check_int(self.bins, "bins")
        x, y = validate_data(self, x, y, ensure_all_finite="allow-nan")
        self.classes_, codes = np.unique(y, return_inverse=True)
        counts, rng = np.bincount(codes), check_random_state(self.random_state)
        proba, self.estimators_ = np.full((len(codes), len(counts)), 0.5), []
        for number in range(self.n_estimators):
            # `proba` is the sum over the trees so far. Without a tree, all rows are equally hard.
            hardness = np.zeros(len(codes)) if not number else 1 - proba[np.arange(len(codes)), codes] / number
            pace = math.tan(math.pi * number / (2 * self.n_estimators))
            rows = np.concatenate(
                [self._draw(np.flatnonzero(codes == c), hardness, counts.min(), pace, rng) for c in range(len(counts))]
            )
            tree = clone(self.estimator or DecisionTreeClassifier(max_depth=10))
            tree.set_params(random_state=rng.randint(2**31 - 1)).fit(x[rows], codes[rows])
            self.estimators_.append(tree)
            proba = (proba if number else 0.0) + tree.predict_proba(x)
        return self

    def _draw(self, members: Array, hardness: Array, wanted: int, pace: float, rng: Any) -> Array:
        """Return `wanted` of the rows `members` of one class, drawn without replacement; all if there are so many.

        `hardness` (N,) and `pace` determine how many come from each bin. The order of draws from `rng` decides results.
        """
        if len(members) == wanted:
            return members
        bin_of, sizes = by_hardness(hardness[members], wanted, pace, self.bins)
        drawn = [rng.choice(members[bin_of == b], size, replace=False) for b, size in enumerate(sizes) if size]
        return np.concatenate(drawn)

    def predict_proba(self, x: Any) -> Array:
        """Return the mean probability over the trees, float64 (N, C), in the order of `classes_`."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, ensure_all_finite="allow-nan")
        return np.mean([tree.predict_proba(x) for tree in self.estimators_], axis=0)

    def predict(self, x: Any) -> Array:
        """Return the most probable class of each row, as a label (N,)."""
        return self.classes_[self.predict_proba(x).argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

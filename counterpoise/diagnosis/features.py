"""Rows as numbers for quick models: a table as it is, images and other arrays as points, texts as hashed n-grams.

Only `diagnosis.quick` trains on these features; networks and trees encode rows in `data/`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from counterpoise.core.examples import IMAGE, Examples
from counterpoise.core.sources import Source
from counterpoise.core.structure import take
from counterpoise.data.cycles import named_parts
from counterpoise.diagnosis.neighbors import points_of

Array = np.ndarray

#: Rows of a table from which trees are grown; fewer get a linear model.
LEAST_FOR_TREES = 500


def quick_features(examples: Examples, rows: Array, seed: int) -> tuple[Any, Any, str] | None:
    """Return features of rows, an unfitted model of scikit-learn, and its name, or None.

    The features are an array or a sparse matrix (len(rows), d). Trees see a table's numbers with their gaps and its
    levels as codes; a logistic regression sees standardized points (images are projected, see `neighbors`) or hashed
    words of texts. The result is None if the rows have no such features.
    """
    texts = texts_of(examples, rows)
    if texts is not None:
        return _hashed_words(texts), _linear_model(seed), "logistic regression on hashed words"
    if examples.schema is not None and IMAGE not in examples.x and len(rows) >= LEAST_FOR_TREES:
        arrays = named_parts(examples.schema, take(examples.x, rows))[0].values()
        columns = [np.asarray(array, np.float32) for array in arrays]
        return np.concatenate(columns, axis=1), _tree_model(seed), "gradient-boosted trees"
    points = points_of(examples, rows, seed)
    return None if points is None else (points, _linear_model(seed), "logistic regression")


def texts_of(examples: Examples, rows: Array) -> list[str] | None:
    """Return the texts of rows as a list; None unless x is an array of text, (N,) or (N, 1)."""
    x = examples.x
    if examples.schema is not None or isinstance(x, (dict, tuple, list)):
        return None
    array = x if isinstance(x, Source) else np.asarray(x)
    if array.ndim > 2 or array.dtype.kind not in "UOT" or (array.ndim == 2 and array.shape[1] != 1):
        return None
    return [str(text) for text in array[rows].reshape(-1)]


def _hashed_words(texts: list[str]) -> Any:
    """Return hashed words and pairs of words of texts, a sparse matrix (n, 65536)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2), alternate_sign=False).transform(texts)


def _linear_model(seed: int) -> Any:
    """Return an unfitted logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=200, random_state=seed)


def _tree_model(seed: int) -> Any:
    """Return an unfitted classifier of small boosted trees, which is quick rather than good."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=40, max_leaf_nodes=15, min_samples_leaf=10, early_stopping=False, random_state=seed
    )

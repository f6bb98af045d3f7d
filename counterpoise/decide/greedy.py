"""Member weights by greedy selection on out-of-fold scores: members join the ensemble one by one, again and again.

`rule.fit_rule` calls it for vote="greedy"; the other votes and weights are in `pooling`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.metrics.proba_scores import log_loss
from counterpoise.metrics.rank_scores import average_precision

Array = np.ndarray

#: Joinings at most, and joinings without a better score after which it ends.
ROUNDS, PATIENCE = 25, 6


def greedy_weights(
    lps: Sequence[Array], labels: Array, w: Array, *, rounds: int = ROUNDS, patience: int = PATIENCE
) -> Array:
    """Compute weights of checked members by greedy selection of ensemble members with replacement.

    The selection starts with no member. In each step, it adds the member that gives the soft mean the best average
    precision (with more than two classes, the mean over each class against all others). Among equal members, it adds
    the member with the lower log loss, then the earlier member. The result is the ensemble with the best score of all
    steps. Members with the same scores, such as the models of several folds, share their weight equally.

    Args:
        lps: M arrays float64 (N, C), out of fold.
        labels: int (N,), class codes.
        w: float64 (N,), weights of the rows.
        rounds: Maximum number of steps.
        patience: Number of steps without a better score after which the selection ends.

    Returns:
        float64 (M,), the number of times that each member was chosen, divided by the number of steps; sum 1.

    Example:
        >>> good, bad = np.log([[0.9, 0.1], [0.2, 0.8]]), np.log([[0.3, 0.7], [0.6, 0.4]])
        >>> greedy_weights([bad, good], np.array([0, 1]), np.ones(2)).tolist()
        [0.0, 1.0]

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble Selection from Libraries of Models".
    """
    # Of each member, the number of the first member with the same scores, which stands for all of them.
    first = [next(j for j, other in enumerate(lps) if np.array_equal(lp, other)) for lp in lps]
    distinct, copies = np.unique(first, return_inverse=True)
    probas = [np.exp(lps[j]) for j in distinct]

    def score(proba: Array) -> tuple[float, float]:
        """Return what is maximized: average precision, then minus the log loss."""
        ranked = average_precision(labels, proba, sample_weight=w)
        return ranked, -log_loss(labels, proba, sample_weight=w)

    # Sum of the chosen probabilities, members in the order chosen, and the best score with its number of steps.
    total, path, best = np.zeros_like(probas[0]), list[int](), ((-np.inf, -np.inf), 0)
    while len(path) < rounds and len(path) - best[1] < max(1, patience):
        scores = [score((total + proba) / (len(path) + 1)) for proba in probas]
        path.append(max(range(len(probas)), key=scores.__getitem__))
        total = total + probas[path[-1]]
        if scores[path[-1]] > best[0]:
            best = scores[path[-1]], len(path)
    chosen = np.bincount(path[: best[1]], minlength=len(probas)) / best[1]
    return (chosen / np.bincount(copies))[copies]

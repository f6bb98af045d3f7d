"""Member weights by greedy selection on out-of-fold scores: members join the ensemble one by one, again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.core.checks import row_weights
from counterpoise.decide.shapes import codes, members
from counterpoise.metrics.proba_scores import log_loss
from counterpoise.metrics.rank_scores import average_precision

Array = np.ndarray

#: Joinings at most, and joinings without a better score after which it ends.
ROUNDS, PATIENCE = 25, 6


def greedy_weights(
    log_p_members: Sequence[Array],
    y: Array,
    sample_weight: Array | None = None,
    *,
    rounds: int = ROUNDS,
    patience: int = PATIENCE,
) -> Array:
    """Compute weights by greedy selection of ensemble members with replacement.

    From nothing on, the member joins whose joining gives the soft mean the best average precision (more than two
    classes: mean over one against the rest); of equal ones the one with the lower log loss, then the earlier one. The
    ensemble with the best score on the way is taken.

    Args:
        log_p_members: M arrays float (N, C), out of fold.
        y: int (N,), class codes.
        sample_weight: float (N,) or None.
        rounds: Joinings at most.
        patience: Joinings without a better score after which it ends.

    Returns:
        float64 (M,), times chosen / joinings; sum 1.

    Example:
        >>> good, bad = np.log([[0.9, 0.1], [0.2, 0.8]]), np.log([[0.3, 0.7], [0.6, 0.4]])
        >>> greedy_weights([bad, good], [0, 1]).tolist()
        [0.0, 1.0]

    Source: Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble Selection from Libraries of Models".
    """
    lps = members(log_p_members)
    labels, w = codes(y, *lps[0].shape), row_weights(sample_weight, len(lps[0]))
    return selected_weights(lps, labels, w, rounds=rounds, patience=patience)


def selected_weights(
    lps: Sequence[Array], labels: Array, w: Array, *, rounds: int = ROUNDS, patience: int = PATIENCE
) -> Array:
    """Find the weights of checked members (see `greedy_weights`)."""
    probas = [np.exp(lp) for lp in lps]

    def score(proba: Array) -> tuple[float, float]:
        ranked = average_precision(labels, proba, sample_weight=w)
        return ranked, -log_loss(labels, proba, sample_weight=w)

    total, path, best = np.zeros_like(probas[0]), list[int](), ((-np.inf, -np.inf), 0)
    while len(path) < rounds and len(path) - best[1] < max(1, patience):
        scores = [score((total + proba) / (len(path) + 1)) for proba in probas]
        path.append(max(range(len(probas)), key=scores.__getitem__))
        total = total + probas[path[-1]]
        if scores[path[-1]] > best[0]:
            best = scores[path[-1]], len(path)
    return np.bincount(path[: best[1]], minlength=len(probas)) / best[1]

"""The results of a quick model: overlap of the classes, suspicious labels, and the benefit of more positives.

A scikit-learn model of a second is trained inside folds on a sample; every number comes from rows that it had not
seen. Rows with equal features, or of one group, are never on both sides. The model is not kept: a comparison uses none
of it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.base import clone
from sklearn.metrics import average_precision_score, roc_auc_score
from threadpoolctl import threadpool_limits

from counterpoise.core.examples import Examples
from counterpoise.core.seeds import generator
from counterpoise.diagnosis.features import quick_features
from counterpoise.diagnosis.noise import Suspicion, suspicion

Array = np.ndarray

#: Rows looked at: of the class of interest, and of the others together.
MOST_MINORITY, MOST_OTHERS = 2_000, 6_000
FOLDS = 5
#: Fewer rows of interest than this are not worth a model.
LEAST = 20


@dataclass(frozen=True)
class Doubling:
    """The effect of twice the rare rows on the score of a quick model.

    Attributes:
        rows: Rows of interest it was trained on, with the doubling.
        gain: Average precision with all of them less that with half of them, mean over the folds.
        low, high: 95% interval, wide enough for folds that share training rows (Nadeau and Bengio 2003).
    """

    rows: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True)
class QuickLook:
    """The result of `quick_look`.

    Attributes:
        model: The model in words. rows: Rows looked at. positives: Rows of interest among them.
        average_precision: Of the class of interest against the rest, at the share that it has among all rows.
        roc_auc: Likewise; 0.5 is guessing.
        overlap: Share of the two score distributions that overlaps, 1 - max (TPR - FPR): 0 separate, 1 the same.
        doubling: What twice the rows of interest brought.
        suspicion: Labels that look wrong.
    """

    model: str
    rows: int
    positives: int
    average_precision: float
    roc_auc: float
    overlap: float
    doubling: Doubling
    suspicion: Suspicion


def quick_look(examples: Examples, code: int, seed: int = 0) -> QuickLook | None:
    """Train a quick model in five folds, and measure three things by its scores.

    These are the overlap of the classes, suspicious labels, and the benefit of more rows. All scores are of rows that a
    fold did not train on.

    Args:
        examples: The rows; at most 2,000 of the class of interest and 6,000 others are looked at.
        code: The class of interest.
        seed: Seed of sample, folds and halves.

    Returns:
        The results, or None if a class has fewer than 5 rows, if the class of interest has fewer than 20, if one group
        contains all rows of the class of interest or all others, or if the rows cannot be converted to numbers.
    """
    rows = _sampled_rows(examples, code, seed)
    y = examples.y[rows]
    counts = np.bincount(y, minlength=examples.n_classes)
    features = None if counts[code] < LEAST or counts.min() < FOLDS else quick_features(examples, rows, seed)
    if features is None:
        return None
    x, model, name = features
    fold = _group_folds(_group_numbers(examples, rows), y, seed)
    trained = [y[fold != k] == code for k in range(FOLDS)]
    if any(mine.all() or not mine.any() for mine in trained):
        return None
    weight = _rows_represented(examples, y, code)
    proba, gains = np.zeros((len(y), examples.n_classes)), []
    for k in range(FOLDS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        proba[test] = _fitted_proba(model, x, y, train, test, examples.n_classes)
        half = _without_half(train, y, code, seed, k)
        halved_proba = _fitted_proba(model, x, y, half, test, examples.n_classes)[:, code]
        scores = [_average_precision(y[test] == code, p, weight[test]) for p in (proba[test][:, code], halved_proba)]
        gains.append(scores[0] - scores[1])
    hit, score = y == code, proba[:, code]
    return QuickLook(
        model=name,
        rows=len(rows),
        positives=int(counts[code]),
        average_precision=_average_precision(hit, score, weight),
        roc_auc=float(roc_auc_score(hit, score)),
        overlap=overlap(hit, score),
        doubling=_doubling(np.array(gains), int(counts[code] * (FOLDS - 1) / FOLDS)),
        suspicion=suspicion(y, proba, rows, code),
    )


def overlap(hit: Array, score: Array) -> float:
    """Return the share of two score distributions that overlaps: 1 - max (TPR - FPR).

    `hit` is bool (N,), True for rows of the class of interest; both values must occur.

    Example:
        >>> overlap(np.array([False, False, True, True]), np.array([0.1, 0.6, 0.4, 0.9]))
        0.5
    """
    order = np.argsort(-score, kind="stable")
    # A threshold lies only after the last of rows with equal scores.
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    gap = (np.cumsum(hit[order]) / hit.sum() - np.cumsum(~hit[order]) / (~hit).sum())[last]
    return float(1 - max(0.0, gap.max()))


def _sampled_rows(examples: Examples, code: int, seed: int) -> Array:
    """Return the sampled rows, sorted: at most 2,000 of interest and 6,000 others."""
    chosen = []
    for which, (wanted, most) in enumerate(((examples.y == code, MOST_MINORITY), (examples.y != code, MOST_OTHERS))):
        rows = np.flatnonzero(wanted)
        chosen.append(rows if len(rows) <= most else generator(seed, "quick", which).choice(rows, most, replace=False))
    return np.sort(np.concatenate(chosen))


def _rows_represented(examples: Examples, y: Array, code: int) -> Array:
    """Return how many rows each sampled row represents, float64 (n,).

    `y` are the codes of the sampled rows, of the class of interest and of others. With these weights, scores have the
    class proportions of all rows.
    """
    all_mine, mine = examples.y == code, y == code
    return np.where(mine, all_mine.sum() / mine.sum(), (~all_mine).sum() / (~mine).sum())


def _group_numbers(examples: Examples, rows: Array) -> Array:
    """Return the group of each row: the user's, else its duplicates, else the row alone."""
    for numbers in (examples.groups, examples.duplicate_ids):
        if numbers is not None:
            return numbers[rows]
    return np.arange(len(rows))


def _group_folds(groups: Array, y: Array, seed: int) -> Array:
    """Return the fold of each row, int64 (n,) from 0 to FOLDS - 1.

    Groups stay whole. Groups with the same rarest class are spread evenly over the folds.
    """
    # The rank of the class of each row, 0 for the rarest class.
    rarity = np.argsort(np.argsort(np.bincount(y)))[y]
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    rarest = np.full(len(first), rarity.max() + 1)
    np.minimum.at(rarest, group, rarity)
    shuffled = generator(seed, "quick folds").permutation(len(first))
    order = shuffled[np.argsort(rarest[shuffled], kind="stable")]
    fold_of = np.empty(len(first), np.int64)
    fold_of[order] = np.arange(len(first)) % FOLDS
    return fold_of[group]


def _without_half(train: Array, y: Array, code: int, seed: int, k: int) -> Array:
    """Return the training rows `train` without half of their rows of interest, sorted.

    `k` is the number of the fold, which seeds the draw.
    """
    mine = train[y[train] == code]
    gone = generator(seed, "quick halves", k).choice(mine, len(mine) // 2, replace=False)
    return np.setdiff1d(train, gone)


def _fitted_proba(model: Any, x: Any, y: Array, train: Array, test: Array, n_classes: int) -> Array:
    """Fit a copy of the model, and return probabilities (len(test), C).

    The probability of a class without training rows is 0.
    """
    # One thread: threads of a busy machine wait for each other far longer than these small models take.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")  # not converged is good enough for a look
        fitted = clone(model).fit(x[train], y[train])
    out = np.zeros((len(test), n_classes))
    out[:, fitted.classes_] = fitted.predict_proba(x[test])
    return out


def _average_precision(hit: Array, score: Array, weight: Array) -> float:
    """Return the weighted average precision; nan if no row is of the class of interest."""
    return float(average_precision_score(hit, score, sample_weight=weight)) if hit.any() else float("nan")


def _doubling(gains: Array, rows: int) -> Doubling:
    """Return the mean gain of the folds with its 95% t interval.

    `gains` that are nan are left out.
    """
    gains = gains[np.isfinite(gains)]
    mean, n = float(gains.mean()), len(gains)
    # 1 / (FOLDS - 1), the ratio of test to training rows, corrects for training rows that folds share.
    error = float(gains.std(ddof=1) * np.sqrt(1 / n + 1 / (FOLDS - 1))) if n > 1 else float("inf")
    half = float(stats.t.ppf(0.975, max(1, n - 1))) * error
    return Doubling(rows, mean, mean - half, mean + half)

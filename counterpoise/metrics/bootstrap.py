"""Bootstrap of average precision, area under the ROC curve and log loss on a fixed test set.

Only the counts that the scores need are resampled. If the positives have m distinct scores, average precision and ROC
AUC depend only on the number of positives at each of these scores, and of negatives at and between them. A stratified
resample is therefore two multinomial draws over m and 2 m + 1 places. It has the same distribution as drawing rows, and
takes time in proportion to the rare class.

Draws follow from the seed alone, so that two classifiers scored on the same rows get the same resamples. The paired
bootstrap of a comparison relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from counterpoise.core.checks import check_int
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.seeds import generator
from counterpoise.metrics.arrays import Array, one_class
from counterpoise.metrics.intervals import Pair, ap_logit_interval, percentile
from counterpoise.metrics.proba_scores import log_proba
from counterpoise.metrics.rank_scores import average_precision

#: Numbers held at once by one step of the resampling. Another value changes the draws of `stratified_draws`, because
#: positives and negatives are drawn block by block.
_CHUNK = 4_000_000

#: Below this many positives the bootstrap of average precision is too narrow.
FEW_POSITIVES = 50

Draws = dict[str, Array]


class _Ranks(NamedTuple):
    """Ranks of rows among the positives: of each positive (0 ... m - 1) and of each negative (0 ... 2 m)."""

    positive: Array
    negative: Array
    m: int


def _ranks(target: Array, score: Array) -> _Ranks:
    """Rank rows by their score among the m distinct scores of the positives.

    A negative has rank 2 k + 1 at score k of these (from 0), and 2 k between it and the score below.
    """
    values, positive = np.unique(score[target], return_inverse=True)
    negative = np.searchsorted(values, score[~target], "left") + np.searchsorted(values, score[~target], "right")
    return _Ranks(positive, negative, len(values))


def _areas(positive: Array, negative: Array) -> Draws:
    """Return average precision and ROC AUC, float64 (B,), of B resamples.

    They follow from the counts per rank, `positive` (B, m) and `negative` (B, 2 m + 1), lowest score first.
    """
    total, others = positive.sum(axis=1), negative.sum(axis=1)
    # Odd ranks are negatives with the same score as a positive. `above` and `hits` count from the highest score down.
    equal = negative[:, 1::2]
    above = negative[:, ::-1].cumsum(axis=1)[:, ::-1][:, 2::2]
    hits = positive[:, ::-1].cumsum(axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(positive > 0, hits / (hits + equal + above), 0.0)
        ap = (positive * precision).sum(axis=1) / total
        below = others[:, None] - equal - above
        auc = (positive * (below + 0.5 * equal)).sum(axis=1) / (total * others)
    return {"average_precision": ap, "roc_auc": auc}


def _chunk_sizes(resamples: int, width: int) -> Iterator[int]:
    """Yield sizes of blocks of resamples that fit in memory; they sum to `resamples`.

    `width` is how many numbers one resample takes.
    """
    step = max(1, min(resamples, _CHUNK // max(1, width)))
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def _join_draws(blocks: list[Draws]) -> Draws:
    """Join the draws of several blocks, key by key."""
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


def _rank_counter(rank: Array, width: int, rng: np.random.Generator) -> Callable[[int], Array]:
    """Return a function from B to the counts per rank of B resamples, int (B, width).

    A resample draws as many rows as `rank` has, with replacement.
    """
    n = len(rank)
    occupied = np.bincount(rank, minlength=width)
    # With few ranks, a multinomial draw of the counts is faster than drawing rows. Its distribution is the same.
    if 4 * width < n:
        return lambda size: rng.multinomial(n, occupied / n, size=size)
    return lambda size: np.stack([np.bincount(rank[rng.integers(0, n, n)], minlength=width) for _ in range(size)])


def _resampled_sums(values: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Return the sum of each resample of `values` with replacement, float64 (resamples,)."""
    n = len(values)
    out = np.empty(resamples)
    for b in range(resamples):
        out[b] = values[rng.integers(0, n, n, dtype=np.int32)].sum()
    return out


def stratified_draws(
    y: Any, proba: Any, *, positive: int = 1, resamples: int = 2000, seed: int = 0, losses: bool = True
) -> Draws:
    """Resample positives and negatives separately and score each resample.

    The share of positives does not change. The draws of the log loss are independent of the draws of the two areas:
    each is right on its own, but they are not paired.

    Args:
        y: int (N,), class codes.
        proba: float (N, C), probabilities. The positive class is compared with all others.
        resamples: B.
        seed: Seed of the draws.
        losses: Whether to draw the log loss, which takes most of the time on many rows.

    Returns:
        `average_precision`, `roc_auc` and, with `losses`, `log_loss`, float64 (B,) each.

    Raises:
        DataError: Positives or negatives are missing.

    Example:
        >>> p = np.array([.1, .2, .3, .4])
        >>> stratified_draws([0, 0, 1, 1], np.stack([1 - p, p], axis=1), resamples=3)["roc_auc"].tolist()
        [1.0, 1.0, 1.0]
    """
    target, score, _ = one_class(y, proba, None, positive)
    _check_both_classes(target, resamples)
    ranks = _ranks(target, score)
    rng = generator(seed, "bootstrap areas")
    of_positive = _rank_counter(ranks.positive, ranks.m, rng)
    of_negative = _rank_counter(ranks.negative, 2 * ranks.m + 1, rng)
    areas = [_areas(of_positive(size), of_negative(size)) for size in _chunk_sizes(resamples, 2 * ranks.m + 1)]
    if not losses:
        return _join_draws(areas)
    loss = _row_losses(target, score)
    rng = generator(seed, "bootstrap log loss")
    sums = _resampled_sums(loss[target], resamples, rng) + _resampled_sums(loss[~target], resamples, rng)
    return _join_draws(areas) | {"log_loss": sums / len(loss)}


def _row_losses(target: Array, score: Array) -> Array:
    """Return the log loss of each row for one class against the rest, in nats, float64 (N,).

    `score` is the probability of the positive class.
    """
    log_p = log_proba(np.stack([1 - score, score], axis=1))
    return np.where(target, -log_p[:, 1], -log_p[:, 0])


def _check_both_classes(target: Array, resamples: int) -> None:
    """Raise a DataError without positives or negatives, and an OptionError without resamples."""
    if target.all() or not target.any():
        raise DataError(
            f"{int(target.sum())} of {len(target)} rows are positive. A bootstrap needs positive and negative rows."
        )
    check_int(resamples, "resamples")


def cluster_draws(
    y: Any, proba: Any, groups: Any, *, positive: int = 1, resamples: int = 2000, seed: int = 0,
    sample_weight: Any = None,
) -> Draws:  # fmt: skip
    """Resample whole groups with replacement and score each resample.

    Use it for rows that belong together (patients, customers). For time series, use blocks of consecutive rows as
    groups. The draws depend only on `groups` and `seed`. Two classifiers scored on the same rows therefore have the
    same resamples, and the difference of their draws is a *paired* bootstrap.

    Args:
        groups: int (N,), group or block of each row.
        sample_weight: float (N,): row i counts as w_i rows. None: all weights are 1.

    Returns:
        `average_precision`, `roc_auc` and `log_loss`, float64 (B,) each; nan in a resample without
        positives or negatives.

    Example:
        >>> p = np.array([.1, .2, .3, .4])
        >>> draws = cluster_draws([0, 1, 0, 1], np.stack([1 - p, p], axis=1), [0, 0, 1, 1], resamples=4)
        >>> sorted(set(draws["roc_auc"].tolist())) in ([0.75], [0.75, 1.0], [1.0])
        True
    """
    target, score, weight = one_class(y, proba, sample_weight, positive)
    _check_both_classes(target, resamples)
    group = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    if len(group) != len(target):
        raise DataError(f"groups= has {len(group)} rows, but y= has {len(target)}. Pass one group per row.")
    ranks, n_groups = _ranks(target, score), int(group.max()) + 1
    positives = _weight_by_group_and_rank(group[target], ranks.positive, n_groups, ranks.m, weight[target])
    negatives = _weight_by_group_and_rank(group[~target], ranks.negative, n_groups, 2 * ranks.m + 1, weight[~target])
    sums = np.stack([np.bincount(group, weight * _row_losses(target, score)), np.bincount(group, weight)], axis=1)
    rng = generator(seed, "bootstrap groups")
    blocks = []
    for drawn in group_draws(n_groups, resamples, rng):
        for some in np.array_split(drawn, max(1, len(drawn) * (2 * ranks.m + 1) // _CHUNK)):
            total = some @ sums
            areas = _areas(np.asarray(some @ positives), np.asarray(some @ negatives))
            blocks.append(areas | {"log_loss": total[:, 0] / total[:, 1]})
    return _join_draws(blocks)


def time_blocks(time: Any, length: int | None = None) -> Array:
    """Number blocks of rows that follow each other in time: the groups of a block bootstrap.

    Rows of equal time share a block. Neighboring rows are similar, and drawing whole blocks keeps this similarity
    (Kuensch, Annals of Statistics 17, 1989).

    Args:
        time: (N,), sortable.
        length: Rows per block. Default: N^(1/3), rounded up.

    Returns:
        int64 (N,), block of each row.

    Example:
        >>> time_blocks([30, 10, 20, 40], length=2).tolist()
        [1, 0, 0, 1]
    """
    where = np.unique(np.asarray(time), return_inverse=True)[1].ravel()
    size = int(np.ceil(len(where) ** (1 / 3))) if length is None else length
    if size < 1:
        raise OptionError(f"length={length}. Expected 1 row or more per block.")
    before = np.concatenate([[0], np.cumsum(np.bincount(where))])[:-1]
    return (before // size)[where]


def _group_chunk_sizes(resamples: int) -> Iterator[int]:
    """Yield sizes of blocks of resamples, which sum to `resamples`.

    They are the same for all scores, so that paired classifiers get the same draws of groups.
    """
    return _chunk_sizes(resamples, _CHUNK // 50)


def group_draws(n_groups: int, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield blocks of how often each group occurs in each resample, float64 (b, G).

    The numbers b sum to `resamples`. The order of draws from `rng` decides the intervals of comparisons.
    """
    for size in _group_chunk_sizes(resamples):
        yield _group_counts(n_groups, size, rng)


def _group_counts(n_groups: int, size: int, rng: np.random.Generator) -> Array:
    """Return how often each group occurs in `size` resamples of the groups, float64 (size, G)."""
    counts = [np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups) for _ in range(size)]
    return np.stack(counts).astype(np.float64)


def _weight_by_group_and_rank(group: Array, rank: Array, n_groups: int, width: int, weight: Array) -> sparse.csr_array:
    """Return the weight of the rows by group and rank, sparse (G, width)."""
    return sparse.coo_array((weight, (group, rank)), shape=(n_groups, width)).tocsr()


def ap_interval(
    y: Any,
    proba: Any,
    *,
    groups: Any = None,
    positive: int = 1,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Pair:
    """Compute an interval of average precision for the class proportions of a test set.

    Arguments are those of `stratified_draws` and `cluster_draws`, and `level` is the confidence.
    For rows in groups, the interval is a cluster bootstrap. With 50 positives or more, it is a stratified bootstrap.
    With fewer positives, it is the logit interval of Boyd et al. (`ap_logit_interval`), because few positives vary too
    little in a bootstrap.

    Example:
        >>> p = np.array([.1, .2, .3, .4])
        >>> [round(v, 3) for v in ap_interval([0, 1, 0, 1], np.stack([1 - p, p], axis=1))]
        [0.108, 0.995]
    """
    if groups is not None:
        draws = cluster_draws(y, proba, groups, positive=positive, resamples=resamples, seed=seed)
        return percentile(draws["average_precision"], level)
    positives = int((np.asarray(y) == positive).sum())
    if positives < FEW_POSITIVES:
        target, score, _ = one_class(y, proba, None, positive)
        two = np.stack([1 - score, score], axis=1)
        return ap_logit_interval(average_precision(target.astype(int), two), positives, level)
    draws = stratified_draws(y, proba, positive=positive, resamples=resamples, seed=seed, losses=False)
    return percentile(draws["average_precision"], level)

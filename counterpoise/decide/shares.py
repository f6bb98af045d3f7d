"""The class proportions of unlabeled rows, estimated from the scores of a classifier.

The estimates assume that only the class proportions changed, and that the rows of each class are as before. A
goodness-of-fit test checks this assumption on the new scores. The bootstrap draws follow from the seed and the number
of the draw; their order within a draw decides the interval and the p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpoise.core.checks import check_int, check_range, row_weights
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.proportions import wilson
from counterpoise.core.seeds import generator
from counterpoise.decide.calibrate import Calibrator, calibrated, fitted_platt
from counterpoise.decide.pooling import mixture_weights
from counterpoise.decide.shapes import class_prior, class_scores, codes

Array = np.ndarray

#: Goodness-of-fit p-value below which more than the shares moved.
LEVEL = 0.05


@dataclass(frozen=True)
class PriorEstimate:
    """The estimated class proportions of unlabeled rows.

    Attributes:
        prior: float64 (C,), the estimate. low, high: float64 (C,), bootstrap interval of each share. With more than two
            classes, the intervals contain all shares together with the chosen confidence.
        source_prior: float64 (C,), shares of the labeled rows, weighted.
        method: "em" or "bbse".
        fit_p: p-value of the goodness-of-fit test. A small value means that more than the class proportions changed.
        pure: Whether the estimate may be used (`fit_p` at least 0.05).
        note: The same in words.

    Example:
        >>> y = np.repeat([0, 1], [80, 20])
        >>> log_p = np.log(np.where(y[:, None] == [0, 1], 0.9, 0.1))
        >>> estimate = estimate_prior(log_p, y, log_p[60:], method="bbse", draws=20)
        >>> estimate.source_prior.tolist(), estimate.prior.round(3).tolist()
        ([0.8, 0.2], [0.5, 0.5])
    """

    prior: Array
    low: Array
    high: Array
    source_prior: Array
    method: str
    fit_p: float
    pure: bool
    note: str


def em_prior(log_p: Array, prior: Array | float) -> Array:
    """Estimate the class proportions of unlabeled rows by EM.

    The maximum of sum_i log sum_c q_c p_ic / prior_c.

    This is the optimum of the EM algorithm of Saerens et al., computed faster by a second-order method.

    Args:
        log_p: float (N, C), calibrated log-probabilities at `prior`, of rows without labels.
        prior: float (C,) or the share of the positive class.

    Returns:
        float64 (C,).

    Example:
        >>> p = np.log(np.repeat([[0.99, 0.01], [0.01, 0.99]], [10, 30], axis=0))
        >>> em_prior(p, 0.5).round(2).tolist()
        [0.24, 0.76]

    Source: Saerens, Latinne and Decaestecker (2002), section 2.
    """
    lp = class_scores(log_p)
    return _em_shares(lp, class_prior(prior, lp.shape[1]), np.full(len(lp), 1.0 / len(lp)))


def _em_shares(lp: Array, old: Array, share: Array) -> Array:
    """Return the shares on checked arrays, float64 (C,) (see `em_prior`).

    `lp` (N, C) are log-probabilities at the shares `old` (C,), and `share` (N,) are weights of the rows with sum 1.
    """
    log_ratio = lp - np.log(old)
    # A factor per row does not change the result; it keeps exp within range.
    likelihood = np.exp(log_ratio - log_ratio.max(axis=1, keepdims=True))
    return mixture_weights(likelihood, share, start=old, tolerance=1e-8)


def bbse_prior(decided: Array, y: Array, decided_new: Array, n_classes: int) -> Array:
    """Estimate the class proportions of unlabeled rows from a confusion matrix.

    Solves A q = shares of the decisions.

    Args:
        decided: int (N,), decisions on labeled rows. y: int (N,), their labels.
        decided_new: int (M,), decisions on the rows without labels.
        n_classes: C.

    Returns:
        float64 (C,), negative entries set to 0 and the rest normalized.

    Raises:
        GuaranteeError: The decisions separate the classes too weakly: the smallest singular value of A[i, j] =
            P(decided i | class j) is within twice its error.

    Example:
        >>> y = np.repeat([0, 1], 100)
        >>> bbse_prior(y, y, np.repeat([0, 1], [90, 10]), 2).tolist()
        [0.9, 0.1]

    Source: Lipton, Wang and Smola (2018), "Detecting and correcting for label shift with black box
    predictors", section 3.
    """
    labels, d = codes(y, len(y), n_classes), codes(decided, len(y), n_classes)
    counts = np.bincount(labels, minlength=n_classes)
    if not counts.all():
        raise GuaranteeError(
            f"Class {np.argmin(counts)} has no labeled row, so the new class proportions cannot be "
            f"estimated. Add labeled rows of this class."
        )
    a = _confusion(d, labels, n_classes)
    smallest = float(np.linalg.svd(a, compute_uv=False)[-1])
    error = float(np.sqrt(np.sum(a * (1.0 - a) / counts)))
    if smallest <= 2.0 * error:
        raise GuaranteeError(
            f"The new class proportions cannot be estimated, because the model separates the classes too weakly. The "
            f"smallest singular value of its confusion matrix is {smallest:.3g} (error: {error:.2g}). Add "
            "labeled rows of the rarest class, or train a better model."
        )
    new = codes(decided_new, len(decided_new), n_classes)
    return _shares_from_confusion(a, np.bincount(new, minlength=n_classes) / len(new))


def _confusion(decided: Array, y: Array, n_classes: int, counts: Array | None = None) -> Array:
    """Return A[i, j] = P(decided i | class j), float64 (C, C).

    `counts` (N,) is how often each row counts; None: once.
    """
    joint = np.bincount(decided * n_classes + y, weights=counts, minlength=n_classes**2)
    table = joint.reshape(n_classes, n_classes)
    return table / table.sum(axis=0)


def _shares_from_confusion(a: Array, decided_share: Array) -> Array:
    """Solve A q = `decided_share` by least squares for shares q, float64 (C,)."""
    return _onto_simplex(np.linalg.lstsq(a, decided_share, rcond=None)[0])


def _onto_simplex(q: Array) -> Array:
    """Return shares (C,): negative entries become 0, and the others are scaled to the sum 1."""
    kept = np.maximum(q, 0.0)
    return kept / kept.sum()


def estimate_prior(
    log_p: Array, y: Array, log_p_new: Array, *, sample_weight: Array | None = None, method: str = "em",
    draws: int = 200, confidence: float = 0.9, seed: int = 0,
) -> PriorEstimate:  # fmt: skip
    """Estimate the class proportions of new rows, with an interval and a test.

    The interval is a bootstrap of both the labeled and the new rows. It is never narrower than Wilson's interval of so
    many rows with known labels, because a bootstrap of a few new rows has no width. The test of a pure prior shift
    compares the new scores with the labeled scores, re-weighted to the estimated proportions. It uses the largest
    distance between their distribution functions. This distance is compared with its bootstrap distribution under a
    pure prior shift, with a new estimate for each draw.

    "em" needs calibrated scores. A slope and an intercept are therefore fitted on the labeled rows first, also in each
    draw (Alexandari, Kundaje and Shrikumar 2020, "Maximum likelihood with bias-corrected calibration is hard-to-beat at
    label shift adaptation").

    Args:
        log_p: float (N, C), log-probabilities of labeled rows that were not used for training.
        y: int (N,), their class codes; every class has a row.
        log_p_new: float (M, C), log-probabilities of the new rows from the same model.
        sample_weight: float (N,): labeled row i counts as w_i rows. None: all weights are 1.
        method: "em" or "bbse" (the decisions are argmax of log p_c - log prior_c).
        draws: Number of bootstrap draws. confidence: Of the interval; with more than two classes, of all intervals
            together (Bonferroni). seed: Of the draws.

    Raises:
        OptionError: A class has no row, there is no new row, or an argument is out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> def rows(n, share):
        ...     y = (rng.random(n) < share).astype(int)
        ...     z = 2 * (rng.normal(size=n) + 2 * y - 1) + np.log(0.2 / 0.8)
        ...     return -np.log1p(np.exp(np.stack([z, -z], axis=1))), y
        >>> estimate = estimate_prior(*rows(2000, 0.2), rows(2000, 0.4)[0], draws=50)
        >>> bool(estimate.low[1] < 0.4 < estimate.high[1]), estimate.pure
        (True, True)
    """
    check_int(draws, "draws")
    check_range(confidence, "confidence", 0, 1, "()")
    study = _ShiftStudy(class_scores(log_p), y, class_scores(log_p_new, "log_p_new"), method, sample_weight)
    study.check_decisions()
    q = study.estimate(study.weights, study.ones_new)
    boot, distances = [], []
    for i in range(draws):
        # The interval resamples both sides. The distance is that of a simulated pure prior shift.
        rng = generator(seed, "prior drift", i)
        source = study.draw_source(rng)
        boot.append(study.estimate(source, rng.multinomial(study.m, study.ones_new / study.m)))
        distances.append(study.null_distance(rng, source, q))
    # Of many shares that did not change, one would often be outside of its own interval.
    level = confidence if study.c == 2 else 1 - (1 - confidence) / study.c
    low, high = np.quantile(boot, [(1 - level) / 2, (1 + level) / 2], axis=0)
    least = wilson(np.minimum(q * study.m, study.m), study.m, level)
    low, high = np.minimum(low, least[0]), np.maximum(high, least[1])
    # The usual bootstrap p-value: the observed distance counts as one of the draws.
    p = (1 + np.sum(np.asarray(distances) >= study.distance(study.weights, study.ones_new, q) - 1e-12)) / (draws + 1)
    pure = bool(p >= LEVEL)
    note = (
        f"The new scores are consistent with a pure prior shift: only the class proportions changed (p = {p:.2g})."
        if pure
        else f"Not a pure prior shift (p = {p:.2g}), so the probabilities cannot be corrected. The rows within a class "
        "have changed too."
    )
    return PriorEstimate(q, low, high, study.prior, method, float(p), pure, note)


class _ShiftStudy:
    """Labeled scores (N, C) and new scores (M, C), whose resamples `estimate_prior` compares.

    Its methods take a resample as a vector of counts, one for each row (N,) or (M,), so that no scores are copied. A
    labeled row counts by its weight each time it is drawn.
    """

    def __init__(
        self, log_p: Array, y: Array, log_p_new: Array, method: str, sample_weight: Array | None = None
    ) -> None:
        """Check the arguments; an OptionError for a method, shapes or classes that cannot be used."""
        if method not in ("em", "bbse"):
            raise OptionError(f"method is {method!r}. Expected 'em' or 'bbse'.")
        if log_p.shape[1] != log_p_new.shape[1] or len(log_p_new) == 0:
            raise OptionError(
                f"The labeled scores have shape {log_p.shape}, and the new scores have shape {log_p_new.shape}. "
                f"Expected the same number of classes, and one new row or more."
            )
        self.m, self.c = log_p_new.shape
        labels, weights = codes(y, *log_p.shape), row_weights(sample_weight, len(log_p))
        counted = weights > 0
        self.lp, self.y, self.weights = log_p[counted], labels[counted], weights[counted]
        self._calibrator: Calibrator | None = None  # of the last resample, from which the next fit starts
        self.new, self.ones_new, self.method = log_p_new, np.ones(self.m), method
        self.prior = self._class_shares(self.weights)
        if not np.all(self.prior > 0):
            raise OptionError(
                f"Class {np.argmin(self.prior)} has no labeled row, so its new share cannot be "
                f"estimated. Add labeled rows of this class."
            )
        # With two classes, the scores of the positive one suffice.
        columns = [1] if self.c == 2 else range(self.c)
        self.orders = [SortedUnion(self.lp[:, c], log_p_new[:, c]) for c in columns]

    def _class_shares(self, counts: Array) -> Array:
        """Return the share of each class, float64 (C,), of labeled rows counted `counts` times."""
        return np.bincount(self.y, weights=counts, minlength=self.c) / counts.sum()

    def estimate(self, source: Array, new: Array) -> Array:
        """Return the shares of the new rows (C,) for counts of labeled (N,) and new rows (M,)."""
        return self._estimate_from(source, self.new, new)

    def _estimate_from(self, source: Array, target: Array, counts: Array) -> Array:
        """Estimate the shares (C,) of rows with the scores `target` (K, C).

        `source` (N,) counts the labeled rows, and `counts` (K,) those of `target`. `target` are the new scores, or in
        `null_distance` the labeled ones.
        """
        if self.method == "em":
            # Over- or underconfident scores would move the shares too little or too far, so they are calibrated.
            self._calibrator = fitted_platt(self.lp, self.y, source, self._calibrator)
            # The fit ends when the mean probability is nearly the share. With the share itself, this small difference
            # would move the shares to 0 and 1 if the scores do not separate the classes.
            mean = source @ np.exp(calibrated(self._calibrator, self.lp)) / source.sum()
            return _em_shares(calibrated(self._calibrator, target), mean, counts / counts.sum())
        prior = self._class_shares(source)
        decided = np.argmax(self.lp - np.log(prior), axis=1)
        decided_new = np.argmax(target - np.log(prior), axis=1)
        share = np.bincount(decided_new, weights=counts, minlength=self.c) / counts.sum()
        return _shares_from_confusion(_confusion(decided, self.y, self.c, source), share)

    def check_decisions(self) -> None:
        """Raise a GuaranteeError if the decisions support no estimate; only "bbse" uses decisions."""
        if self.method == "bbse":
            decided, decided_new = (np.argmax(z - np.log(self.prior), axis=1) for z in (self.lp, self.new))
            bbse_prior(decided, self.y, decided_new, self.c)

    def draw_source(self, rng: np.random.Generator) -> Array:
        """Resample the labeled rows within each class; counts times weights, float64 (N,)."""
        sizes = np.bincount(self.y, minlength=self.c)
        return self._draw_labeled(rng, sizes, np.ones(len(self.y))) * self.weights

    def _draw_labeled(self, rng: np.random.Generator, sizes: Array, chances: Array) -> Array:
        """Draw `sizes[c]` labeled rows of each class c with replacement; counts float64 (N,).

        Within a class, the probability of a row is in proportion to its entry of `chances` (N,).
        """
        out = np.zeros(len(self.y))
        for c, size in enumerate(sizes):
            mine = np.flatnonzero(self.y == c)
            out[mine] = rng.multinomial(size, chances[mine] / chances[mine].sum())
        return out

    def null_distance(self, rng: np.random.Generator, source: Array, q: Array) -> float:
        """Simulate a pure prior shift, and measure the distance as for the real new rows.

        New rows are drawn from the labeled ones at shares `q`, and the shares are estimated again from them.
        """
        drawn = self._draw_labeled(rng, rng.multinomial(self.m, q), self.weights)
        again = self._estimate_from(source, self.lp, drawn)
        mixed = self._weights_at_shares(source, again)
        return max(order.distance(mixed, drawn / self.m, same=True) for order in self.orders)

    def distance(self, source: Array, new: Array, q: Array) -> float:
        """Return the largest distance of the new scores from the labeled ones at shares `q`.

        It is the largest over the classes (with two classes, of the positive one). `source` and `new` count the rows.
        """
        mixed = self._weights_at_shares(source, q)
        return max(order.distance(mixed, new / new.sum(), same=False) for order in self.orders)

    def _weights_at_shares(self, source: Array, q: Array) -> Array:
        """Return weights of the labeled rows, float64 (N,), sum 1, at class shares `q`."""
        return source * (q / np.bincount(self.y, weights=source, minlength=self.c))[self.y]


class SortedUnion:
    """Two samples, sorted together once, to compare many weightings of them."""

    def __init__(self, first: Array, second: Array) -> None:
        """Sort both samples (N,) and (M,) together, and the first alone (for `same`)."""
        self.n = len(first)
        both = np.concatenate([first, second])
        self.both = np.argsort(both, kind="stable")
        self.ends = _last_of_ties(both[self.both])
        self.one = np.argsort(first, kind="stable")
        self.one_ends = _last_of_ties(first[self.one])

    def distance(self, first: Array, second: Array, *, same: bool) -> float:
        """Return the largest gap between the distribution functions of two weightings.

        `first` weights the first sample and `second` the second one, both with sum 1. If `same`, both weight the first.
        """
        if same:
            return float(np.max(np.abs(np.cumsum((first - second)[self.one])[self.one_ends])))
        gap = np.cumsum(np.concatenate([first, -second])[self.both])
        return float(np.max(np.abs(gap[self.ends])))


def _last_of_ties(ordered: Array) -> Array:
    """Return the index of the last of each run of equal numbers, int64.

    Only there, a distribution function of the numbers is complete.
    """
    return np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)

"""When to send a row to a human: class-conditional conformal sets (`cp.decide.fit_reject`).

Each class has a floor for its probability. The set of a row contains the classes whose probability reaches their floor.
If the set contains exactly one class, the row is decided. If the set is empty (the row is like no class) or contains
several classes, the row goes to a human. `review` puts these floors into a rule, where a row with an empty set is
decided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.review import HUMAN
from counterpoise.decide.shapes import codes
from counterpoise.metrics.intervals import clopper_pearson

Array = np.ndarray


@dataclass(frozen=True)
class Reject:
    """Floors of a class-conditional conformal set.

    Attributes:
        alpha: Highest share of the rows of a class whose set does not contain this class.
        floors: float64 (C,): class c is in the set if its probability is at least floors[c].
        counts: int64 (C,), calibration rows per class.

    Example:
        >>> p = np.linspace(0.05, 0.95, 19)
        >>> reject = fit_reject(np.stack([p, 1 - p], axis=1).repeat(2, axis=0), np.arange(38) % 2, 0.1)
        >>> reject.alpha, reject.counts.tolist()
        (0.1, [19, 19])
    """

    alpha: float
    floors: Array
    counts: Array

    def sets(self, proba: Array) -> Array:
        """Return bool (N, C): which classes each row may belong to.

        Example:
            >>> reject = Reject(0.1, np.array([0.3, 0.3]), np.array([50, 50]))
            >>> reject.sets(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
            [[True, False], [True, True]]
        """
        return np.asarray(proba) >= self.floors

    def decide(self, proba: Array) -> Array:
        """Return class codes int32 (N,), and -1 for unclear rows, which go to a human.

        A row is unclear if its set of possible classes does not contain exactly one class.

        Example:
            >>> reject = Reject(0.1, np.array([0.3, 0.3]), np.array([50, 50]))
            >>> reject.decide(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
            [0, -1]
        """
        sets = self.sets(proba)
        return np.where(sets.sum(axis=1) == 1, np.argmax(sets, axis=1), HUMAN).astype(np.int32)

    def report(self, proba: Array, y: Array) -> RejectReport:
        """Measure coverage per class, the share accepted, and the error among the accepted.

        Use rows that did not fit the floors.

        Example:
            >>> reject = Reject(0.1, np.array([0.3, 0.3]), np.array([50, 50]))
            >>> report = reject.report(np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), np.array([0, 1, 1]))
            >>> round(report.accepted, 3), report.error
            (0.667, 0.0)
        """
        sets = self.sets(proba)
        labels = codes(y, *sets.shape)
        decision = self.decide(proba)
        kept = decision != HUMAN
        wrong = int(np.sum(decision[kept] != labels[kept]))
        counts = np.bincount(labels, minlength=sets.shape[1])
        held = np.bincount(labels, weights=sets[np.arange(len(labels)), labels], minlength=sets.shape[1])
        return RejectReport(
            coverage=np.where(counts > 0, held / np.maximum(counts, 1), np.nan),
            accepted=float(kept.mean()), accepted_interval=clopper_pearson(kept.sum(), len(kept)),
            error=wrong / int(kept.sum()) if kept.any() else float("nan"),
            error_interval=clopper_pearson(wrong, kept.sum()),
        )  # fmt: skip


@dataclass(frozen=True)
class RejectReport:
    """Scores of a reject option on labeled rows: coverage, share accepted, and error.

    Attributes:
        coverage: float64 (C,), share of the rows of each class whose set contains this class; NaN for a class without
            rows.
        accepted: Share of rows decided without a human. accepted_interval: 95% interval.
        error: Share of wrong decisions among the accepted rows, NaN if no row is accepted. error_interval: 95%
            interval.

    Example:
        >>> reject = Reject(0.1, np.array([0.3, 0.3]), np.array([50, 50]))
        >>> proba = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.8, 0.2]])
        >>> report = reject.report(proba, np.array([0, 0, 1, 1]))
        >>> report.coverage.tolist(), report.accepted, round(report.error, 2)
        ([1.0, 0.5], 0.75, 0.33)
    """

    coverage: Array
    accepted: float
    accepted_interval: tuple[float, float]
    error: float
    error_interval: tuple[float, float]


def fit_reject(proba: Array, y: Array, alpha: float = 0.1) -> Reject:
    """Fit the floor of each class (lowest accepted probability) for a coverage of 1 - alpha.

    The floor is the floor(alpha (n_c + 1))-th smallest probability among the rows of the class.

    For a new row of class c, the set of possible classes then contains c with probability at least 1 - alpha. This
    holds for every model, if the rows were used for nothing else.

    Args:
        proba: float (N, C). y: int (N,), class codes. alpha: above 0 and below 1.

    Raises:
        GuaranteeError: A class has fewer than 1 / alpha - 1 rows.

    Example:
        >>> p = np.linspace(0.05, 0.95, 19)
        >>> fit_reject(np.stack([p, 1 - p], axis=1).repeat(2, axis=0), np.arange(38) % 2, 0.1).floors.round(2).tolist()
        [0.1, 0.1]

    Source: Vovk (2012), "Conditional validity of inductive conformal predictors", section 4.
    """
    p = np.asarray(proba, dtype=np.float64)
    if p.ndim != 2 or not 0.0 < alpha < 1.0:
        raise OptionError(
            f"alpha is {alpha:g} and proba has shape {p.shape}. Expected 0 < alpha < 1, and proba of shape (rows, "
            "classes)."
        )
    labels = codes(y, *p.shape)
    counts = np.bincount(labels, minlength=p.shape[1])
    # 1e-9, because products such as 0.29 * 100 can be rounded to below a whole number.
    ranks = [math.floor(alpha * (n + 1) + 1e-9) for n in counts]
    few = [f"class {c} has {counts[c]}" for c, r in enumerate(ranks) if r < 1]
    if few:
        needed = math.ceil(1.0 / alpha - 1.0 - 1e-9)
        raise GuaranteeError(
            f"alpha={alpha:g} needs {needed} rows of each class, but {', '.join(few)}. Raise alpha, or pass more rows."
        )
    floors = np.array([np.sort(p[labels == c, c])[r - 1] for c, r in enumerate(ranks)])
    return Reject(alpha, floors, counts)

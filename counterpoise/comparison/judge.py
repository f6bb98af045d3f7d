"""The judge: from fold scores of several strategies on one data set to intervals, tests and a verdict.

How the verdict is reached. *Best* is the strategy with the best mean. A strategy is *significantly better* than
another if the Bayesian correlated t-test gives at least 95% to a difference beyond the region of practical
equivalence, and the corrected resampled t-test, after Holm's correction over the strategies, has p <= 0.05: noise
alone leads to "better" in at most one comparison in twenty, however many strategies take part.

    best significantly better than none -> "better"; winner = the simplest that is significantly better than none and
                                           not significantly worse than the best ("inconclusive" if the training of
                                           none was cut off)
    all others significantly worse      -> "others_worse"; winner = none
    all in the tie within rope          -> "equivalent"; winner = the simplest of the tie
    else                                -> "inconclusive"; winner = the simplest of the tie that is not likely (two in
                                           three) worse than the best, and how many more repeats would decide

External models take no part in this. One that is significantly better than the Counterpoise model with the best mean
(Holm over the external models) is the winner; the verdict over the others then decides which of them is saved.

This file sees only numbers: fold scores, draws and counts. `judging` makes them from fold results, `evidence` has the
intervals and differences, `significance` the tests, and `words` the texts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from counterpoise.comparison import words
from counterpoise.comparison.evidence import LEVEL, Counts, Evidence, Scores, score_interval
from counterpoise.comparison.significance import (
    CERTAIN,
    LIKELY,
    Difference,
    holm_of,
    repeats_to_decide,
    significantly_better,
)
from counterpoise.comparison.verdict import Interval, Judgment, Verdict, VsNone
from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.titles import BASELINE
from counterpoise.metrics.catalog import METRICS

__all__ = ["Interval", "Judgment", "Verdict", "VsNone", "assess"]

Array = np.ndarray


def assess(
    scores: Scores,
    *,
    folds: int,
    repeats: int = 1,
    metric: str = "average_precision",
    simplicity: Sequence[str] | None = None,
    test_over_train: float | None = None,
    draws: Scores | None = None,
    counts: Counts | None = None,
    external: Collection[str] = (),
    unfinished: Collection[str] = (),
    least_cost: float = -math.inf,
) -> Judgment:
    """Judge strategies on one data set by their fold scores.

    Intervals: variance s^2 (1/(RK) + 1/(K-1)) with RK - 1 degrees of freedom, on the scale of the metric's
    range (`metrics.intervals`). Against the reference, which is the baseline or, if it has no score, the simplest
    that has one: corrected resampled t-test (Nadeau & Bengio 2003), Holm over strategies. Verdict: Bayesian
    correlated t-test (Benavoli et al. 2017), see the module's text.

    Args:
        scores: strategy -> metric key -> float (R K,), repeat after repeat; nan where undefined on a fold.
            Strategies that failed are left out. All strategies saw the same folds.
        folds: K.
        repeats: R.
        metric: The key to judge by.
        simplicity: Strategies from simple to elaborate; default: the order of `scores`.
        test_over_train: n_test / n_train of one split; default 1 / (K - 1). Needed for repeated hold-out
            (folds=1).
        draws: For time or group splits: strategy -> metric -> float (B,), paired bootstrap draws
            (`metrics.bootstrap.cluster_draws`), which replace the t-tests for the metrics they contain.
        counts: Strategy -> "", "_default" or "_uncorrected" -> (R K, C, C) confusion matrices [true, decided]. With
            two classes, F1 and precision are then those of the pooled counts.
        external: External models. They are ranked, but win only if significantly better than the best other model.
        unfinished: Strategies whose training ended while they still improved: nothing is called better than one of
            them if it is the reference, or the best Counterpoise model that an external model is compared with.
        least_cost: The least possible cost of a decision. The interval of the cost per case does not begin below it.

    Returns:
        A `Judgment`; its fields match leaderboard.json.

    Raises:
        OptionError: Unknown metric, arrays of the wrong length, or no strategy with a score.
        ModelError: Only external models have a score.

    Example:
        >>> none, better = [0.50, 0.52, 0.48, 0.51, 0.49], [0.60, 0.63, 0.59, 0.60, 0.58]
        >>> scores = {"none": {"roc_auc": none}, "oversample": {"roc_auc": better}}
        >>> judgment = assess(scores, folds=5, metric="roc_auc")
        >>> judgment.verdict.winner, judgment.verdict.word
        ('oversample', 'better')
    """
    if metric not in METRICS:
        raise OptionError(f"There is no metric {metric!r}.{did_you_mean(metric, METRICS)}")
    table = {name: _checked_scores(name, row, folds * repeats) for name, row in scores.items()}
    order = _simplest_first(table, simplicity)
    scored = [name for name in order if np.isfinite(table[name].get(metric, np.empty(0))).any()]
    if not scored:
        raise OptionError(
            f"No strategy has a score for {metric!r}, so strategies cannot be compared. Check the errors of the fits."
        )
    evidence = Evidence(
        table,
        folds,
        _test_over_train(folds, test_over_train),
        order,
        BASELINE if BASELINE in scored else scored[0],
        draws,
        counts or {},
        least_cost,
    )
    ranking = sorted(scored, key=lambda name: -METRICS[metric].goodness(evidence.mean(name, metric)))
    return Judgment(
        metric=metric,
        ranking=(*ranking, *(name for name in order if name not in scored)),
        scores={name: {key: score_interval(evidence, name, key) for key in row} for name, row in table.items()},
        vs_none=_against_reference(evidence, external) if BASELINE in scored else {},
        verdict=_verdict_with_external(evidence, metric, ranking, external, unfinished),
    )


def _checked_scores(name: str, row: Mapping[str, Any], expected: int) -> dict[str, Array]:
    """Return the fold scores of one strategy by metric, float64 (R K,).

    Raises:
        OptionError: A metric is unknown, or the number of scores differs from `expected`.
    """
    arrays = {key: np.asarray(values, dtype=np.float64).ravel() for key, values in row.items()}
    unknown = [key for key in arrays if key not in METRICS]
    if unknown:
        raise OptionError(f"{name}: {unknown[0]!r} is not a metric key.{did_you_mean(unknown[0], METRICS)}")
    wrong = {key: len(values) for key, values in arrays.items() if len(values) != expected}
    if wrong:
        raise OptionError(f"{name}: scores per metric are {wrong}. Expected repeats x folds = {expected} of each.")
    return arrays


def _simplest_first(table: Mapping[str, Any], simplicity: Sequence[str] | None) -> tuple[str, ...]:
    """Return the strategies of a table, simplest first: those in `simplicity` in its order, then the others."""
    known = [name for name in simplicity or () if name in table]
    return (*known, *(name for name in table if name not in known))


def _test_over_train(folds: int, test_over_train: float | None) -> float:
    """Return test rows over training rows of a fold.

    Variances over folds are corrected by this ratio.

    Raises:
        OptionError: The ratio is out of range, or it is not passed although there is only one fold.
    """
    if test_over_train is None and folds < 2:
        raise OptionError(f"folds={folds} requires test_over_train=, the number of test rows per training row.")
    ratio = 1 / (folds - 1) if test_over_train is None else test_over_train
    if not 0 <= ratio < np.inf:
        raise OptionError(f"test_over_train={test_over_train}. Expected the number of test rows per training row.")
    return ratio


def _against_reference(evidence: Evidence, external: Collection[str]) -> dict[str, dict[str, VsNone]]:
    """Compare every strategy with the reference by every metric.

    The result is strategy -> metric -> `VsNone`.
    Holm's correction is applied to each metric separately, and separately to Counterpoise and external models.
    """
    reference = evidence.reference
    table: dict[str, dict[str, VsNone]] = {name: {} for name in evidence.scores if name != reference}
    for key in evidence.scores[reference]:
        for family in ([n for n in table if n not in external], [n for n in table if n in external]):
            rivals = [name for name in family if key in evidence.scores[name]]
            # The identity function keeps the scale of the metric, also where lower values are better.
            differences = {name: evidence.difference(key, name, reference, lambda value: value) for name in rivals}
            adjusted = holm_of(differences)
            for name, d in differences.items():
                table[name][key] = VsNone(d.mean, d.low, d.high, d.p, adjusted[name])
    return table


class _Gains(NamedTuple):
    """Differences of strategies to one other strategy, and their Holm-adjusted p-values, by name."""

    of: Mapping[str, Difference]
    adjusted: Mapping[str, float]

    def significantly_better(self, name: str) -> bool:
        """Return whether this strategy is significantly better than the other one."""
        return name in self.of and significantly_better(self.of[name], self.adjusted[name])


def _verdict_with_external(
    evidence: Evidence, metric: str, ranking: Sequence[str], external: Collection[str], unfinished: Collection[str]
) -> Verdict:
    """Return the verdict over all models, Counterpoise models and external ones.

    It is the verdict over the Counterpoise models, unless an external model is significantly better than the best.
    `ranking` is from best to worst. An external model cannot win if the training of the best Counterpoise model is
    among the `unfinished`. Otherwise the comparison with the best external model is added to the evidence.
    """
    ours, theirs = ([n for n in ranking if (n in external) == outside] for outside in (False, True))
    if not ours:
        raise ModelError(
            f"Only external models have a score for {metric!r}, so there is no model to save or to compare them with. "
            "Check the errors of the other strategies; their training may have diverged."
        )
    verdict = _own_verdict(evidence, metric, tuple(ours), unfinished)
    if not theirs:
        return verdict
    leads = {name: evidence.better_by(metric, name, ours[0]) for name in theirs}
    adjusted = holm_of(leads)
    shown = [name for name in theirs if significantly_better(leads[name], adjusted[name]) and ours[0] not in unfinished]
    if not shown:
        lead = _contrast(evidence, metric, theirs[0], ours[0], leads[theirs[0]])
        texts = texts_of(verdict) if ranking[0] in ours else words.among_own(texts_of(verdict))
        texts = texts._replace(evidence=f"{texts.evidence} {words.no_external(lead)}".strip())
        return replace(verdict, **texts._asdict())
    winner = shown[0]
    tied = [name for name in shown[1:] if evidence.better_by(metric, winner, name).right < CERTAIN]
    lead = _contrast(evidence, metric, winner, ours[0], leads[winner])
    texts = words.external_better(lead, adjusted[winner], texts_of(verdict), verdict.winner)
    return Verdict(winner, "better", *texts, tuple(tied), None, verdict.winner)


def texts_of(verdict: Verdict) -> words.Texts:
    """Return the four texts of a verdict: headline, recommendation, evidence, next step."""
    return words.Texts(verdict.headline, verdict.recommendation, verdict.evidence, verdict.next_step)


def _own_verdict(evidence: Evidence, metric: str, ranking: tuple[str, ...], unfinished: Collection[str]) -> Verdict:
    """Return the verdict over the Counterpoise models by the rules in the module's text.

    `ranking` is from best to worst.
    `tie` contains the strategies that are not significantly worse than the best, the simplest first.
    """
    best, reference = ranking[0], evidence.reference
    behind = {name: evidence.better_by(metric, best, name) for name in ranking if name != best}
    adjusted = holm_of(behind)
    worse = {name for name, d in behind.items() if significantly_better(d, adjusted[name])}
    tie = [name for name in evidence.simplicity if name in ranking and name not in worse]
    of = {name: evidence.better_by(metric, name, reference) for name in ranking if name != reference}
    gains = _Gains(of, holm_of(of))
    if gains.significantly_better(best):
        # A strategy with the same scores as the reference is not better than it, so it leaves the tie.
        tie = [name for name in tie if name == reference or not of[name].identical]
        return _verdict_of_better(evidence, metric, best, tie, gains, reference in unfinished)
    return _verdict_of_tie(evidence, metric, ranking, tie, behind, gains)


def _contrast(evidence: Evidence, metric: str, first: str, second: str, difference: Difference) -> words.Contrast:
    """Return the facts about two strategies that the texts of a verdict need.

    `difference` is the difference of `first` to `second`.
    """
    means = evidence.mean(first, metric), evidence.mean(second, metric)
    return words.Contrast(metric, first, second, means, difference, evidence.rope_of(metric), LEVEL)


def _verdict_of_better(
    evidence: Evidence, metric: str, best: str, tie: list[str], gains: _Gains, reference_cut_off: bool
) -> Verdict:
    """Return the verdict if the best strategy is significantly better than the reference.

    The winner is the simplest of the tie that is also significantly better. If the training of the reference ended
    too early (`reference_cut_off`), the verdict is "inconclusive".
    """
    winner = next(name for name in tie if gains.significantly_better(name))
    others = tuple(name for name in tie if name not in (winner, evidence.reference))
    own = _contrast(evidence, metric, winner, evidence.reference, gains.of[winner])
    if reference_cut_off:
        return Verdict(winner, "inconclusive", *words.cut_off_baseline(own), others)
    texts = words.better(own, gains.adjusted[winner], best, evidence.mean(best, metric))
    return Verdict(winner, "better", *texts, others)


def _verdict_of_tie(
    evidence: Evidence, metric: str, ranking: tuple[str, ...], tie: list[str], behind: Mapping[str, Difference],
    gains: _Gains,
) -> Verdict:  # fmt: skip
    """Return the verdict if the best strategy is not significantly better than the reference.

    The winner is the simplest of the tie, unless it is likely worse than the best. `behind` contains the differences
    of the best to every other strategy. The word is "others_worse", "equivalent" or "inconclusive".
    """
    simplest, others = tie[0], tuple(tie[1:])
    if len(ranking) == 1:
        return Verdict(simplest, "inconclusive", *words.only_one(simplest))
    leads = {name: evidence.better_by(metric, name, simplest) for name in ranking if name in others}
    rivals = [name for name, d in leads.items() if not d.identical]
    mean, losers = evidence.mean(simplest, metric), len(ranking) - len(tie)
    if not rivals and losers:
        return Verdict(simplest, "others_worse", *words.others_worse(metric, simplest, mean, losers), others)
    if not rivals:
        return Verdict(simplest, "equivalent", *words.others_identical(metric, simplest, mean), others)
    top = _contrast(evidence, metric, rivals[0], simplest, leads[rivals[0]])
    if all(leads[name].rope >= CERTAIN for name in rivals):
        return Verdict(simplest, "equivalent", *words.equivalent(simplest, top, len(rivals)), others)
    more, done = _more_repeats(evidence, metric, rivals[0], simplest, len(ranking) - 1)
    next_step = words.repeats_step(done, more, evidence.draws_of(simplest, metric) is not None)
    p_adjusted = gains.adjusted.get(rivals[0], float("nan"))
    taken = next(name for name in tie if name == ranking[0] or not behind[name].right >= LIKELY)
    if taken == simplest:
        texts = words.inconclusive(simplest, evidence.reference, top, next_step, p_adjusted)
    else:
        own = _contrast(evidence, metric, taken, simplest, leads[taken])
        over_taken = behind[taken].right if taken in behind else float("nan")
        texts = words.likely_better(own, top, over_taken, next_step, p_adjusted)
    return Verdict(taken, "inconclusive", *texts, tuple(name for name in tie if name != taken), more)


def _more_repeats(evidence: Evidence, metric: str, rival: str, winner: str, comparisons: int) -> tuple[int | None, int]:
    """Return how many further repeats would decide, and how many there are so far.

    The first number is None if no number of repeats would decide. For bootstrap draws the result is (None, 1).
    """
    if evidence.draws_of(winner, metric) is not None:
        return None, 1
    good = METRICS[metric].goodness
    pair = good(evidence.fold_values(rival, metric)) - good(evidence.fold_values(winner, metric))
    done = len(pair) // evidence.folds
    needed = repeats_to_decide(pair, evidence.folds, evidence.ratio, evidence.rope_of(metric), comparisons)
    return None if needed is None else max(1, needed - done), done

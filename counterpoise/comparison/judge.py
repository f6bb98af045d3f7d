"""The judge: from fold scores of several strategies on one data set to intervals, tests and a verdict.

How the verdict is reached. *Best* is the strategy with the best mean. A strategy is *shown better* than
another when the Bayesian correlated t-test gives at least 95 % to a difference beyond the region of
practical equivalence and the corrected resampled t-test, after Holm's correction over the strategies, has
p <= 0.05: noise alone leads to "better" in at most one race in twenty, however many strategies take part.

    best shown better than none      -> "better"; winner = the simplest that is shown better than none
                                        and not shown worse than the best ("inconclusive" where the training of none
                                        was cut off)
    not, all in the tie within rope  -> "equivalent"; winner = the simplest of the tie
    else                             -> "inconclusive"; winner = the simplest of the tie that is not likely (two in
                                        three) to lie behind the best, and how many more repeats would decide

`none` counts as better itself when it is shown better than everything else.

Entrants that are no networks of ours take no part in this. One that is shown better than the network with the best
mean (Holm over those entrants) is the winner; the verdict over the networks then says which of them is saved.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.comparison import words
from counterpoise.comparison.cut_off import not_finished
from counterpoise.comparison.evidence import Counts, Evidence, Scores, interval
from counterpoise.comparison.posterior import CERTAIN, LIKELY, Difference, holm_of, proven, repeats_to_decide
from counterpoise.comparison.verdict import Interval, Judgment, Verdict, VsNone
from counterpoise.core.errors import OptionError, did_you_mean
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
    reference: str = "none",
    rope: float = 0.01,
    level: float = 0.95,
    test_over_train: float | None = None,
    draws: Scores | None = None,
    counts: Counts | None = None,
    external: Mapping[str, str] | None = None,
    unfinished: Collection[str] = (),
) -> Judgment:
    """Judge strategies on one data set by their fold scores.

    Intervals: variance s^2 (1/(RK) + 1/(K-1)) with RK - 1 degrees of freedom, on the scale of the metric's
    range (`metrics.intervals`). Against `reference`: corrected resampled t-test (Nadeau & Bengio 2003),
    Holm over strategies. Verdict: Bayesian correlated t-test (Benavoli et al. 2017), see the module's text.

    Args:
        scores: strategy -> metric key -> float (R K,), repeat after repeat; nan where undefined on a fold.
            Strategies that failed are left out. All strategies saw the same folds.
        folds: K.
        repeats: R.
        metric: The key to judge by.
        simplicity: Strategies from simple to elaborate; default: the order of `scores`.
        reference: What others are held against; when it has no score, the simplest that has one.
        rope: Differences smaller than this do not matter in practice. Metrics whose size follows the share
            of the rare class (log loss, Brier score) take it relative to the reference: 0.01 is 1 %.
        level: Confidence of the intervals.
        test_over_train: n_test / n_train of one split; default 1 / (K - 1). Needed for repeated hold-out
            (folds=1).
        draws: For time or group splits: strategy -> metric -> float (B,), paired bootstrap draws
            (`metrics.bootstrap.cluster_draws`), which replace the t-tests for the metrics they hold.
        counts: Two classes: strategy -> "", "_default" or "_uncorrected" -> (R K, 2, 2) confusion matrices
            [true, decided]. F1 and precision are then those of the pooled counts.
        external: Entrants that are no networks of ours -> what to call them ("a tree"). They are ranked, but win only
            where shown better than the best network.
        unfinished: Strategies whose training was cut off while they still improved: nothing is called better than the
            reference, or another kind of model than the best network, where that is one of them.

    Returns:
        A `Judgment`; its parts match leaderboard.json.

    Raises:
        OptionError: Unknown metric, arrays of the wrong length, or no strategy with a score.

    Example:
        >>> none, better = [0.50, 0.52, 0.48, 0.51, 0.49], [0.60, 0.63, 0.59, 0.60, 0.58]
        >>> scores = {"none": {"roc_auc": none}, "oversample": {"roc_auc": better}}
        >>> judgment = assess(scores, folds=5, metric="roc_auc")
        >>> judgment.verdict.winner, judgment.verdict.word
        ('oversample', 'better')
    """
    if metric not in METRICS:
        raise OptionError(f"metric={metric!r} is not known.{did_you_mean(metric, METRICS)}")
    table = {name: _arrays(name, row, folds * repeats) for name, row in scores.items()}
    order = _order(table, simplicity)
    scored = [name for name in order if np.isfinite(table[name].get(metric, np.empty(0))).any()]
    if not scored:
        raise OptionError(f"No strategy has a score for {metric!r}: nothing to judge. Look at the errors of the runs.")
    evidence = Evidence(
        table,
        folds,
        _ratio(folds, test_over_train),
        order,
        reference if reference in scored else scored[0],
        rope,
        level,
        draws,
        counts or {},
    )
    ranking = sorted(scored, key=lambda name: -METRICS[metric].goodness(evidence.mean(name, metric)))
    return Judgment(
        metric=metric,
        ranking=(*ranking, *(name for name in order if name not in scored)),
        scores={name: {key: interval(evidence, name, key) for key in row} for name, row in table.items()},
        vs_none=_against_reference(evidence) if reference in scored else {},
        verdict=_verdict_of_all(evidence, metric, ranking, external or {}, unfinished),
    )


def _arrays(name: str, row: Mapping[str, Any], expected: int) -> dict[str, Array]:
    arrays = {key: np.asarray(values, dtype=np.float64).ravel() for key, values in row.items()}
    unknown = [key for key in arrays if key not in METRICS]
    if unknown:
        raise OptionError(f"{name}: {unknown[0]!r} is not a metric key.{did_you_mean(unknown[0], METRICS)}")
    wrong = {key: len(values) for key, values in arrays.items() if len(values) != expected}
    if wrong:
        raise OptionError(f"{name}: scores per metric are {wrong}; expected repeats x folds = {expected} of each.")
    return arrays


def _order(table: Mapping[str, Any], simplicity: Sequence[str] | None) -> tuple[str, ...]:
    known = [name for name in simplicity or () if name in table]
    return (*known, *(name for name in table if name not in known))


def _ratio(folds: int, test_over_train: float | None) -> float:
    if test_over_train is None and folds < 2:
        raise OptionError(f"folds={folds} without test_over_train; give n_test / n_train of the hold-out.")
    ratio = 1 / (folds - 1) if test_over_train is None else test_over_train
    if not 0 <= ratio < np.inf:
        raise OptionError(f"test_over_train={test_over_train}; expected a ratio of 0 or more.")
    return ratio


def _against_reference(evidence: Evidence) -> dict[str, dict[str, VsNone]]:
    """Every strategy and metric against the reference; Holm over the strategies, metric by metric."""
    reference = evidence.reference
    table: dict[str, dict[str, VsNone]] = {name: {} for name in evidence.scores if name != reference}
    for key in evidence.scores[reference]:
        rivals = [name for name in table if key in evidence.scores[name]]
        differences = {name: evidence.difference(key, name, reference, lambda value: value) for name in rivals}
        adjusted = holm_of(differences)
        for name, d in differences.items():
            table[name][key] = VsNone(d.mean, d.low, d.high, d.p, adjusted[name])
    return table


def _verdict_of_all(
    evidence: Evidence, metric: str, ranking: Sequence[str], external: Mapping[str, str], unfinished: Collection[str]
) -> Verdict:
    """The verdict over the networks, then whether another kind of model does better than the best of them."""
    ours, theirs = ([n for n in ranking if (n in external) == outside] for outside in (False, True))
    verdict = _verdict(evidence, metric, tuple(ours), unfinished)
    if not theirs:
        return verdict
    leads = {name: evidence.better_by(metric, name, ours[0]) for name in theirs}
    adjusted = holm_of(leads)
    shown = [name for name in theirs if proven(leads[name], adjusted[name]) and ours[0] not in unfinished]
    if not shown:
        gap = _gap(evidence, metric, theirs[0], ours[0], leads[theirs[0]])
        return replace(verdict, text=f"{verdict.text} {words.no_external(gap)}")
    winner = shown[0]
    tied = [name for name in shown[1:] if evidence.better_by(metric, winner, name).right < CERTAIN]
    gap = _gap(evidence, metric, winner, ours[0], leads[winner])
    text = words.external_better(gap, external[winner], adjusted[winner], verdict)
    return Verdict(winner, "better", tuple(tied), text, None, verdict.winner)


def _verdict(evidence: Evidence, metric: str, ranking: tuple[str, ...], unfinished: Collection[str]) -> Verdict:
    best, reference = ranking[0], evidence.reference
    behind = {name: evidence.better_by(metric, best, name) for name in ranking if name != best}
    adjusted = holm_of(behind)
    worse = {name for name, d in behind.items() if proven(d, adjusted[name])}
    tie = [name for name in evidence.simplicity if name in ranking and name not in worse]
    gains = {name: evidence.better_by(metric, name, reference) for name in ranking if name != reference}
    gains_adjusted = holm_of(gains)
    shown = [name for name in tie if name != reference and proven(gains[name], gains_adjusted[name])]
    if best in shown:
        tie = [name for name in tie if name == reference or not gains[name].identical]  # what ranks as the reference
        verdict = _better(evidence, metric, shown[0], best, tie, gains[shown[0]], gains_adjusted[shown[0]])
        if reference not in unfinished:
            return verdict
        gap = _gap(evidence, metric, shown[0], reference, gains[shown[0]])
        return replace(verdict, word="inconclusive", text=not_finished(gap, verdict.tied_with))
    return _tied(evidence, metric, ranking, tie, behind)


def _gap(evidence: Evidence, metric: str, ahead: str, behind: str, difference: Difference) -> words.Gap:
    means = evidence.mean(ahead, metric), evidence.mean(behind, metric)
    return words.Gap(metric, ahead, behind, means, difference, evidence.rope_of(metric), evidence.level)


def _better(
    evidence: Evidence, metric: str, winner: str, best: str, tie: list[str], gain: Difference, p_adjusted: float
) -> Verdict:
    others = tuple(name for name in tie if name not in (winner, evidence.reference))
    gap = _gap(evidence, metric, winner, evidence.reference, gain)
    return Verdict(winner, "better", others, words.better(gap, p_adjusted, best, others))


def _tied(
    evidence: Evidence, metric: str, ranking: tuple[str, ...], tie: list[str], behind: Mapping[str, Difference]
) -> Verdict:
    """Nothing is shown better than the reference: the simplest of the tie is enough, unless it is likely behind."""
    winner, others = tie[0], tuple(tie[1:])
    if len(ranking) == 1:
        return Verdict(winner, "inconclusive", (), words.alone(winner))
    leads = {name: evidence.better_by(metric, name, winner) for name in ranking if name in others}
    rivals = [name for name, d in leads.items() if not d.identical]
    if not rivals:
        losers = len(ranking) - len(tie)
        text = words.nothing_else(metric, winner, evidence.mean(winner, metric), losers)
        return Verdict(winner, "better" if losers else "equivalent", others, text)
    gap = _gap(evidence, metric, rivals[0], winner, leads[rivals[0]])
    if all(leads[name].rope >= CERTAIN for name in rivals):
        return Verdict(winner, "equivalent", others, words.equivalent(gap, others))
    more = _more_repeats(evidence, metric, rivals[0], winner, len(ranking) - 1)
    fixed = evidence.drawn(winner, metric) is not None
    taken = next(name for name in tie if name == ranking[0] or not behind[name].right >= LIKELY)
    text = words.inconclusive(gap, others, more, fixed, taken)
    return Verdict(taken, "inconclusive", tuple(name for name in tie if name != taken), text, more)


def _more_repeats(evidence: Evidence, metric: str, rival: str, winner: str, comparisons: int) -> int | None:
    if evidence.drawn(winner, metric) is not None:
        return None
    good, scores = METRICS[metric].goodness, evidence.scores
    pair = good(scores[rival][metric]) - good(scores[winner][metric])
    needed = repeats_to_decide(pair, evidence.folds, evidence.ratio, evidence.rope_of(metric), comparisons)
    return None if needed is None else max(1, needed - len(pair) // evidence.folds)

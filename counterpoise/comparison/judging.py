"""From fold results to a verdict: their scores for the judge, and what the judge does not see, added to its verdict.

`judge` decides by numbers; this file makes these numbers, and adds the effect on decisions (`judge_results`), the
nested score and the next step for trainings that were cut off (`completed_verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from counterpoise.comparison import tally, words
from counterpoise.comparison.block_draws import paired_draws
from counterpoise.comparison.costs import AnyCosts, pooled_cost
from counterpoise.comparison.cut_off import cut_off_strategies
from counterpoise.comparison.effect import THRESHOLD_ALONE, with_effect
from counterpoise.comparison.judge import assess, texts_of
from counterpoise.comparison.nested import Nested
from counterpoise.comparison.threshold_alone import with_threshold_or_costs
from counterpoise.comparison.verdict import Judgment, Verdict
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.pipeline.order import Outcome
from counterpoise.strategies.external import External
from counterpoise.strategies.select import Strategy, simplest_first
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def completed_verdict(
    judgment: Judgment, among: int, nested_result: Nested | None, cut_off: str, nestable: bool, priced: str
) -> Verdict:
    """Return the verdict with what the judge did not see: the nested score, and trainings that ended too early.

    `nested_result` is the nested score, if there is one. `among` is the number of compared strategies, and `nestable`
    whether a nested comparison is possible. `cut_off` is the next step for trainings that ended too early, or "".
    `priced` is the next step of a comparison with costs that needs no more evidence, or "" without costs.
    """
    verdict, selection = judgment.verdict, ""
    if nested_result is not None:
        selection = words.nested_score(judgment.metric, nested_result.mean, nested_result.low, nested_result.high)
    elif judgment.ranking[0] == verdict.winner:
        selection = words.selection_caveat(among, nestable, judgment.metric)
    if priced and verdict.next_step == words.CHOOSE_THRESHOLD:
        verdict = replace(verdict, next_step=priced)
    return replace(
        verdict, chosen_among=among, evidence=f"{verdict.evidence} {selection}".strip(),
        next_step=cut_off or verdict.next_step,
    )  # fmt: skip


def judge_results(
    ran: Sequence[Strategy], by_name: Mapping[str, Sequence[FoldResult]], examples: Examples, outcome: Outcome,
    seed: int, metric: str, costs: AnyCosts | None,
) -> Judgment:  # fmt: skip
    """Return the judgment of the strategies that ran, by their fold results (strategy -> results).

    The verdict also contains what the winner changes in decisions. `seed` is that of bootstrap draws.
    """
    folds, repeats = outcome.folds, outcome.repeats
    scores = {name: tally.fold_scores(results, examples) for name, results in by_name.items()}
    counts = {name: tally.fold_counts(results, examples) for name, results in by_name.items()}
    judgment = assess(
        scores, folds=len(folds) // repeats, repeats=repeats, metric=metric,
        simplicity=[s.name for s in simplest_first(ran)],
        counts=tally.pooled_counts(counts, examples),
        external=[s.name for s in ran if isinstance(s, External)],
        draws=paired_draws(by_name, scores, examples, seed, metric=metric),
        unfinished=cut_off_strategies(outcome.training),
        test_over_train=None if examples.split is None else len(folds[0].test) / len(folds[0].train),
        least_cost=-math.inf if costs is None else costs.least,
    )  # fmt: skip
    return replace(judgment, verdict=_verdict_with_effect(judgment.verdict, by_name, counts, examples, outcome, costs))


def _verdict_with_effect(
    verdict: Verdict, by_name: Mapping[str, Sequence[FoldResult]], counts: Mapping[str, Mapping[str, Array]],
    examples: Examples, outcome: Outcome, costs: AnyCosts | None,
) -> Verdict:  # fmt: skip
    """Return the verdict with what the winner changes in decisions: numbers of cases and, with `costs`, the cost.

    The baseline at a tuned threshold is computed for this if no strategy has it. If the baseline failed, the verdict
    becomes "inconclusive" and gives the reason.
    """
    matrices = {name: of_rule[""].sum(axis=0) for name, of_rule in counts.items() if of_rule}
    prices = {} if costs is None else {name: pooled_cost(results, examples) for name, results in by_name.items()}
    alone: Sequence[FoldResult] = ()
    if THRESHOLD_ALONE not in matrices and "none" in matrices and (costs or matrices["none"].shape == (2, 2)):
        alone = with_threshold_or_costs(by_name["none"], examples, costs)
    if alone:
        matrices[THRESHOLD_ALONE] = tally.fold_counts(alone, examples)[""].sum(axis=0)
        prices |= {} if costs is None else {THRESHOLD_ALONE: pooled_cost(alone, examples)}
    cases = "pixels or steps" if target_of(examples).per_element else "cases"
    verdict = with_effect(verdict, matrices, prices, examples.classes, examples.positive, cases)
    if reason := outcome.failures.get("none"):
        texts = words.without_baseline(reason, texts_of(verdict))
        verdict = replace(verdict, word="inconclusive", **texts._asdict())
    return verdict

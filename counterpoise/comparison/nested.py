"""Nested cross-validation: the choice is repeated inside each training fold and scored on the test rows.

The inner comparisons see only training rows of an outer fold. The outer results are those that `compare` already has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.comparison import tally
from counterpoise.comparison.costs import COST, AnyCosts, with_costs
from counterpoise.comparison.judge import assess
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold
from counterpoise.core.json_values import finite_or_none
from counterpoise.core.seeds import integer
from counterpoise.data.given_split import Split
from counterpoise.metrics.catalog import METRICS
from counterpoise.metrics.intervals import fold_interval
from counterpoise.pipeline.order import cross_validate
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.external import External
from counterpoise.strategies.select import Strategy, simplest_first

#: Folds of the inner comparison.
INNER_FOLDS = 3


@dataclass(frozen=True)
class Nested:
    """Scores of the procedure "compare, then take the winner".

    Attributes:
        chosen: The winner inside each outer training fold.
        folds: Its score on the outer test rows, one per outer fold.
        mean, low, high: Mean over the folds and its 95% interval, as in the leaderboard.
    """

    chosen: tuple[str, ...]
    folds: tuple[float, ...]
    mean: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return `{"inner_folds", "chosen", "mean", "low", "high", "folds"}`, saved as "nested" in leaderboard.json."""
        numbers = {"mean": self.mean, "low": self.low, "high": self.high}
        finite = {key: finite_or_none(v) for key, v in numbers.items()}
        folds = [finite_or_none(v) for v in self.folds]
        return {"inner_folds": INNER_FOLDS, "chosen": list(self.chosen), **finite, "folds": folds}


def nested_score(
    strategies: Sequence[Strategy], by_name: Mapping[str, Sequence[FoldResult]], trainer: Trainer,
    folds: Sequence[Fold], metric: str, costs: AnyCosts | None = None,
) -> Nested:  # fmt: skip
    """Compare again inside each outer training fold, and score that winner's outer result.

    Args:
        strategies: Those that were judged.
        by_name: strategy -> its outer results, of units where there are some.
        trainer: Trains the strategies again, on the rows of each outer training fold.
        folds: The outer folds.
        metric: What the winner is chosen by.
        costs: What decisions cost, or None.
    """
    examples = trainer.examples
    judged = examples if examples.units is None else examples.as_units()
    scores = {name: tally.fold_scores(results, judged)[metric] for name, results in by_name.items()}
    chosen, split = [], Split(folds=INNER_FOLDS, seed=trainer.settings.seed)
    for fold in folds:
        rows = fold.all_training().train
        inner = examples.subset(rows)
        # Rows are numbered from 0 in each outer fold. By a seed of its own its jobs differ from those of other folds.
        seed = integer(trainer.settings.seed, "nested", fold.index)
        inner_trainer = trainer.of_rows(rows)
        inner_trainer = replace(inner_trainer, settings=replace(inner_trainer.settings, seed=seed))
        outcome = cross_validate(inner_trainer, strategies, split.of(inner))
        of_units = inner.units is not None
        results, inner = (outcome.unit_results, inner.as_units()) if of_units else (outcome.fold_results, inner)
        chosen.append(_inner_winner(strategies, with_costs(results, strategies, inner, costs), inner, metric))
    # The outer score of the strategy that won inside this fold; test rows / training rows is 1 / (K - 1).
    own = np.array([scores[name][k] for k, name in enumerate(chosen)])
    spec = METRICS[metric]
    lowest = costs.least if costs is not None and metric == COST else spec.low
    low, high = fold_interval(own, 1 / (len(folds) - 1), low=lowest, high=spec.high)
    return Nested(tuple(chosen), tuple(own.tolist()), float(np.nanmean(own)), low, high)


def _inner_winner(
    strategies: Sequence[Strategy], results: Sequence[FoldResult], examples: Examples, metric: str
) -> str:
    """Return the name of the strategy that wins an inner comparison; those without results take no part."""
    by_name: dict[str, list[FoldResult]] = {}
    for result in results:
        by_name.setdefault(result.strategy, []).append(result)
    ran = [s for s in strategies if s.name in by_name]
    scores = {name: tally.fold_scores(own, examples) for name, own in by_name.items()}
    counts = tally.pooled_counts({name: tally.fold_counts(own, examples) for name, own in by_name.items()}, examples)
    return assess(
        scores, folds=INNER_FOLDS, metric=metric, simplicity=[s.name for s in simplest_first(ran)], counts=counts,
        external=[s.name for s in ran if isinstance(s, External)],
    ).verdict.winner  # fmt: skip

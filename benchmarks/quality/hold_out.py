"""Large tables: one split of 60% training, 20% for the rule and 20% judged rows, for each of two seeds.

Within the training rows a part ends training, as in every comparison; the rule rows do nothing but fit the rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from counterpoise.comparison.compare import EPOCHS
from counterpoise.comparison.tally import fold_scores
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold
from counterpoise.data.split import STOP_SHARE
from counterpoise.pipeline.fold_results import corrected_log_p, fit_rule, make_fold_result
from counterpoise.pipeline.jobs import jobs_by_fold, leave_out_failed
from counterpoise.pipeline.models import models_of
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.stages import train_in_stages, trained_members
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of

#: Seeds of the splits, and of what is trained on them.
SEEDS = (0, 1)


def parts(y: np.ndarray, seed: int) -> tuple[Fold, np.ndarray, np.ndarray]:
    """The fold whose "test" rows are those of the rule and then the judged ones; both of these alone.

    Example:
        >>> fold, rule, judged = parts(np.repeat([0, 1], [80, 20]), seed=0)
        >>> len(fold.train), len(fold.stop), len(rule), len(judged), np.array_equal(fold.test[20:], judged)
        (48, 12, 20, 20, True)
    """
    cut = partial(train_test_split, random_state=seed)
    rest, judged = cut(np.arange(len(y)), test_size=0.2, stratify=y)
    learned, rule = cut(rest, test_size=0.25, stratify=y[rest])
    train, stop = cut(learned, test_size=STOP_SHARE, stratify=y[learned])
    return Fold(0, seed, train, stop, np.concatenate([rule, judged])), rule, judged


def held_out(
    model: Any, examples: Examples, strategies: Sequence[Strategy], seeds: Sequence[int] = SEEDS
) -> dict[str, dict[str, Any]]:
    """strategy -> its row, with one score per seed; or the error of one that failed."""
    results: dict[str, list[FoldResult]] = {}
    failures: dict[str, str] = {}
    for seed in seeds:
        for name, result in _results(model, examples, strategies, seed, failures).items():
            results.setdefault(name, []).append(result)
    rows: dict[str, dict[str, Any]] = {
        name: {
            "status": "ok",
            "scores": {metric: {"folds": values} for metric, values in fold_scores(of_seeds, examples).items()},
            "seconds": sum(result.seconds for result in of_seeds),
            "memory_mb": max(result.memory for result in of_seeds) / 2**20,
        }
        for name, of_seeds in results.items()
        if name not in failures
    }
    return rows | {name: {"status": "failed", "error": message} for name, message in failures.items()}


def _results(
    model: Any, examples: Examples, strategies: Sequence[Strategy], seed: int, failures: dict[str, str]
) -> Mapping[str, FoldResult]:
    learners, strategies, refused = models_of(model, strategies, examples)
    models = {key: learner.model for key, learner in learners.items()}
    settings = Settings(epochs="auto", batch_size="auto", seed=seed, recipe="auto").resolved_for(
        models, len(examples), EPOCHS
    )
    trainer = Trainer(examples, learners, settings)
    fold, rule_rows, judged = parts(examples.y, seed)
    jobs, failed = jobs_by_fold(strategies, trainer, [fold])
    by_name = {strategy.name: strategy for strategy in strategies}
    jobs, members = train_in_stages(jobs, {key: by_name[key[0]] for key in jobs}, trainer, failed)
    leave_out_failed(jobs, members, failed)
    failures |= refused | failed
    results = {}
    for strategy in strategies:
        if strategy.name in failed:
            continue
        trained = trained_members(strategy, jobs[strategy.name, 0], members, trainer)
        target, weights = target_of(examples), examples.weights_of(rule_rows)
        both = np.stack([corrected_log_p(target, member) for member in trained])
        log_p, asked_log_p = both[:, : len(rule_rows)], both[:, len(rule_rows) :]
        rule = fit_rule(target, strategy, log_p, examples.y[rule_rows], trained, weights)
        asked = [replace(member, logits=member.logits[len(rule_rows) :]) for member in trained]
        shared = [False] * len(asked)
        fold_judged = replace(fold, test=judged)
        results[strategy.name] = make_fold_result(strategy, examples, fold_judged, rule, asked, asked_log_p, shared)
    return results

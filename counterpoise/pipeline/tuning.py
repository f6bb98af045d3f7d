"""A strategy's one or two hyperparameters, tuned inside the training rows of each fold.

The training rows are split again: three quarters train, one quarter scores the trials. The stopping rows of the fold
end training as usual, and its test rows are never looked at. The first trial is the strategy as it is, so that tuning
can keep it. Seeds and the order of trials decide the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from counterpoise.core.folds import Fold
from counterpoise.core.job import Job, Member
from counterpoise.core.lazy import needed
from counterpoise.core.seeds import integer
from counterpoise.data.split import hold_out
from counterpoise.metrics.catalog import METRICS
from counterpoise.pipeline.fold_results import corrected_log_p
from counterpoise.pipeline.jobs import ALL_ROWS_FOLD, jobs_of
from counterpoise.pipeline.scoring import scores_of
from counterpoise.pipeline.stages import trained_members
from counterpoise.pipeline.trainer import Trainer
from counterpoise.plans.class_plans import oversample
from counterpoise.strategies.strategy import Single, Strategy
from counterpoise.targets.kinds import target_of

#: Share of a fold's training rows that score the trials.
INNER_SHARE = 0.25
Values = dict[str, float]
Array = np.ndarray


@dataclass(frozen=True)
class Tuned:
    """A strategy with the values of its best trial, and these values."""

    strategy: Strategy
    values: Values


def check_tuning() -> None:
    """Raise a `MissingExtraError` unless Optuna is installed."""
    needed("optuna", "tune", "Tuning the hyperparameters of strategies")


def tuned_by_fold(
    strategies: Sequence[Strategy], trainer: Trainer, folds: Sequence[Fold]
) -> dict[tuple[str, int], Tuned]:
    """Tune strategies with hyperparameters in each fold: (name, fold number) -> `Tuned`.

    `settings.tune` is the number of trials; with 0, nothing is tuned. In each trial, the networks of all strategies and
    folds are trained together.
    """
    trials = trainer.settings.tune
    studies = {
        (s.name, f): Study(s, trainer, fold)
        for s in strategies
        if trials and _can_be_tuned(s, trainer)
        for f, fold in enumerate(folds)
    }
    for _ in range(trials if studies else 0):
        jobs = {key: study.ask() for key, study in studies.items()}
        members = trainer.train([job for group in jobs.values() for job in group])
        for key, study in studies.items():
            study.tell([members[job.id] for job in jobs[key]], jobs[key])
    return {key: study.best() for key, study in studies.items()}


def tuned_on_all(strategy: Strategy, trainer: Trainer, everything: Array) -> Tuned:
    """Tune a strategy on all rows (numbers `everything`), for its final training; unchanged without trials."""
    if not (trainer.settings.tune and _can_be_tuned(strategy, trainer)):
        return Tuned(strategy, {})
    without_features = replace(trainer.examples, x={}).subset(everything)
    rows, stop = hold_out(without_features, 0.2, integer(trainer.settings.seed, "tune on all"))
    whole = Fold(0, ALL_ROWS_FOLD, everything[rows], everything[stop], np.empty(0, np.int64))
    return tuned_by_fold([strategy], trainer, [whole])[strategy.name, 0]


def _can_be_tuned(strategy: Strategy, trainer: Trainer) -> TypeGuard[Single]:
    """Return whether a strategy has hyperparameters; oversampling of several labels per row has none."""
    if not (isinstance(strategy, Single) and strategy.hyperparameters):
        return False
    return strategy.plan is not oversample or not target_of(trainer.examples).independent


class Study:
    """The trials of one strategy on one fold, by Optuna.

    Args:
        strategy: With hyperparameters.
        fold: Whose training rows are split again.
    """

    def __init__(self, strategy: Single, trainer: Trainer, fold: Fold) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        settings = trainer.settings
        seed = integer(settings.seed, f"tune {strategy.name}", fold.repeat, fold.index)
        # The trials tune nothing themselves, and may have fewer steps.
        settings = replace(settings, tune=0, most_steps=settings.tune_steps or settings.most_steps)
        self.strategy, self.trainer = strategy, replace(trainer, settings=settings)
        inner, scored = hold_out(trainer.examples.subset(fold.train), INNER_SHARE, seed)
        self.fold = Fold(fold.repeat, fold.index, fold.train[inner], fold.stop, fold.train[scored])
        self.study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        # The first trial has the values of the strategy as it is.
        self.study.enqueue_trial(
            {hyperparameter.name: hyperparameter.default for hyperparameter in strategy.hyperparameters}
        )

    def ask(self) -> list[Job]:
        """Begin the next trial, and return its jobs; call `tell` before the next call."""
        self.trial = self.study.ask()
        values = {
            k.name: self.trial.suggest_float(k.name, k.low, k.high, log=k.log) for k in self.strategy.hyperparameters
        }
        return jobs_of(self.strategy.with_values(values), self.trainer, self.fold)

    def tell(self, members: Sequence[Member], jobs: Sequence[Job]) -> None:
        """Score the trial that `ask` began, and report it to Optuna.

        A trial with a failed training, or without a finite score, gets the worst score.
        """
        if any(member.error for member in members):
            self.study.tell(self.trial, -np.inf)
            return
        by_id = {member.job: member for member in members}
        done, examples = trained_members(self.strategy, jobs, by_id, self.trainer), self.trainer.examples
        rows, metric, target = self.fold.test, self.trainer.settings.tune_metric, target_of(examples)
        log_p = np.stack([corrected_log_p(target, member) for member in done])
        # Trials are compared without calibration, at the decision for the most probable class.
        rule = target.fit_rule(
            log_p, examples.scored_labels(rows), np.stack([m.log_shift for m in done]), calibrate=lambda codes: None,
            aim="argmax", check_intercept=False,
        )  # fmt: skip
        decided = target.apply(rule, log_p)
        scores = scores_of(examples, rows, decided.proba, decided.proba, decided.decision)
        good = METRICS[metric].goodness(scores[metric])
        self.study.tell(self.trial, float(good) if np.isfinite(good) else -np.inf)

    def best(self) -> Tuned:
        """Return the strategy with the values of the best trial, the first of equal ones."""
        best = max(self.study.trials, key=lambda trial: (trial.value, -trial.number))
        return Tuned(self.strategy.with_values(best.params), dict(best.params))


def values_by_fold(tuned: Mapping[tuple[str, int], Tuned]) -> dict[str, list[Any]]:
    """Return strategy -> the values of each fold, for the leaderboard."""
    names = dict.fromkeys(name for name, _ in tuned)
    return {name: [one.values for (other, _), one in tuned.items() if other == name] for name in names}

"""The stages in order, in this file alone:

    read -> Examples -> split -> Folds -> plan -> Job -> train -> Member -> pool, rule -> FoldResult, Classifier

Test rows are used only for scoring. Early-stopping rows end training; `refit_with_stopping_rows` may train on them
afterwards. The rule of a fold is fitted on the out-of-fold scores of the *other* folds, so that no label enters a rule
that is judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.group_thresholds import codes_of, group_values
from counterpoise.classifier.model_card import noted, ruled, stored_scores
from counterpoise.core.examples import TEST, Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.job import Job, Member
from counterpoise.engines.user_callbacks import RoundSaver
from counterpoise.networks.member_outputs import score_members
from counterpoise.pipeline.assembly import (
    assemble,
    card_entries,
    card_entries_of_rows,
    ends_training,
    split_counts,
    stopping_note,
)
from counterpoise.pipeline.budget import TrainingLength, limit_of, still_falling, train_within_budget, training_lengths
from counterpoise.pipeline.fold_results import (
    corrected_log_p,
    cross_fitted_rule,
    fit_rule,
    fitting_folds,
    fitting_parts,
    fitting_scores,
    make_fold_result,
    out_of_fold_scores,
    stacked_scores,
    stopping_log_p,
)
from counterpoise.pipeline.jobs import ALL_ROWS_FOLD, check_some_left, jobs_of, leave_out_failed
from counterpoise.pipeline.refit_with_stopping_rows import jobs_for_steps, refit_with_stopping_rows
from counterpoise.pipeline.stages import train_in_stages, trained_members
from counterpoise.pipeline.trainer import Trainer
from counterpoise.pipeline.tuning import tuned_by_fold, tuned_on_all, values_by_fold
from counterpoise.pipeline.units import fit_unit_rule, unit_result
from counterpoise.pipeline.whole_rows import lesion_tables, region_result, summed_lesion_tables
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of
from counterpoise.targets.shares import shares_of

Array = np.ndarray


@dataclass(frozen=True)
class Outcome:
    """All results of `cross_validate`, and what a refit needs.

    Attributes:
        fold_results: One per strategy, repeat and fold.
        unit_results: The same of units, where there are some (see `pipeline.units`).
        log_p: strategy -> float64 (repeats, members, N, C): corrected out-of-fold scores (NaN for rows without any).
        best_steps: strategy -> steps per member, the median over the folds.
        failures: strategy -> why it could not be carried out on the rows of some fold (it has no results).
        tuned: strategy -> the values that its hyperparameters got, fold by fold.
        training: strategy -> how long its networks could train, and whether they were cut off there.
        extension: How many times the budget was taken, for all strategies.
        member_outputs: strategy that one network was trained for -> float32 (members, M, C): probabilities of its
            member strategies for the rows of `fold_results.stacked_scores`.
        folds: The folds, in the order of each strategy's results.
        members: strategy -> the trained members, fold by fold; empty without `keep`.
        lesions: strategy -> what thresholds find in the whole rows that its rule is fitted on (see `whole_rows`).
    """

    fold_results: tuple[FoldResult, ...]
    log_p: Mapping[str, Array]
    best_steps: Mapping[str, tuple[int, ...]]
    failures: Mapping[str, str] = field(default_factory=dict)
    tuned: Mapping[str, list[Mapping[str, float]]] = field(default_factory=dict)
    member_outputs: Mapping[str, Array] = field(default_factory=dict)
    training: Mapping[str, TrainingLength] = field(default_factory=dict)
    extension: int = 1
    folds: tuple[Fold, ...] = ()
    members: Mapping[str, list[list[Member]]] = field(default_factory=dict)
    unit_results: tuple[FoldResult, ...] = ()
    lesions: Mapping[str, Array | None] = field(default_factory=dict)

    @property
    def repeats(self) -> int:
        """How often the cross-validation was repeated."""
        return 1 + max(fold.repeat for fold in self.folds)


def on_holdout(
    strategy: Strategy,
    trainer: Trainer,
    rows: Holdout,
    *,
    tune_threshold: bool = True,
) -> Classifier:
    """Return the classifier of a strategy that is trained once; held-out rows end the training and fit the rule.

    With `tune_threshold`, they choose the threshold too. If there is one job, callbacks of the user can save the whole
    classifier as it is after a round.
    """
    examples = trainer.examples
    jobs = jobs_of(strategy, trainer, rows)
    note = stopping_note(len(rows.held), examples, strategy, tune_threshold, ends_training(jobs, trainer))
    entries = card_entries_of_rows(examples)
    if examples.split is not None:
        entries["split"] = split_counts(rows, len(examples.rows_with_role(TEST)))

    def classifier_of(trained: Sequence[Member]) -> Classifier:
        """Return the classifier of these members, with a rule fitted on the held-out rows."""
        log_p = np.stack([corrected_log_p(target_of(examples), m) for m in trained])
        length, outputs = _training_length(jobs, trained, trainer), trained[0].member_outputs
        (lesions,) = lesion_tables(strategy, trainer, [(rows.held, trained, log_p)])
        return _classifier(
            strategy, trainer, trained, length, log_p, rows.held, note, outputs, tune_threshold, entries, lesions
        )

    def save(member: Member, path: str) -> None:
        # A callback that saves the model writes the classifier with a rule fitted for this round.
        classifier_of(trained_members(strategy, jobs, {jobs[0].id: member}, trainer)).save(path)

    if trainer.callbacks and len(jobs) == 1:
        trainer = replace(trainer, callbacks=[RoundSaver(save), *trainer.callbacks])
    return classifier_of(_train_on_fold(strategy, jobs, trainer))


def _training_length(jobs: Sequence[Job], trained: Sequence[Member], trainer: Trainer) -> TrainingLength:
    """Return how long the models of one fold could train, and whether they improved to the end."""
    return TrainingLength(limit_of(jobs, trainer), still_falling([[member.late_gain for member in trained]]))


def _train_on_fold(strategy: Strategy, jobs: Sequence[Job], trainer: Trainer) -> list[Member]:
    """Train the jobs of one strategy on one fold; return its members, with the outputs for their score rows."""
    key = (strategy.name, 0)
    done, members = train_in_stages({key: jobs}, {key: strategy}, trainer)
    return trained_members(strategy, done[key], members, trainer)


def _classifier(
    strategy: Strategy, trainer: Trainer, trained: Sequence[Member], length: TrainingLength, log_p: Array, rows: Array,
    note: str, outputs: Array | None, tune_threshold: bool = True, entries: Mapping[str, Any] = MappingProxyType({}),
    lesions: Array | None = None,
) -> Classifier:  # fmt: skip
    """Return the classifier of trained members, with a rule fitted on their scores.

    `log_p` (members, M, C) are the corrected scores of `rows` (M,), which the members did not learn from. `length` and
    `note` are for the model card, `entries` are further entries of it. `outputs` are those of member strategies of one
    network (see `Outcome.member_outputs`). `lesions` is what thresholds find in these rows (see `whole_rows`). Rows in
    units also fit a rule of units.
    """
    examples = trainer.examples
    y, weights = examples.scored_labels(rows), examples.scored_weights(rows)
    target = target_of(examples)
    rule = fit_rule(target, strategy, log_p, y, trained, weights, tune_threshold, lesions)
    amount, groups = None if examples.amount is None else examples.amount[rows], group_values(examples.by)
    by = codes_of(examples.by, groups)
    of_rows = None if examples.groups is None else examples.groups[rows]
    scores = stored_scores(log_p, y, weights, outputs, amount, None if by is None else by[rows], lesions, of_rows)
    entries = {**entries, "by": groups} if groups else entries
    card = card_entries(strategy, trainer, trained, length, note) | ruled(target, rule, scores, examples.classes)
    clf = assemble(strategy, trainer, trained, rule, noted({**card, **entries}, scores), scores)
    if examples.units is None:
        return clf
    proba = target.apply(rule.unreviewed, log_p).proba
    return clf.with_units(*fit_unit_rule(strategy, examples, proba, rows, tune_threshold))


def cross_validate(
    trainer: Trainer, strategies: Sequence[Strategy], folds: Sequence[Fold], *, keep: bool = False
) -> Outcome:
    """Train and judge every strategy on the same folds, with the same seeds and step budget.

    The test rows of a fold are decided by a rule of the other folds. A single fold has no other, so it is not judged,
    unless it is a split that was given (`Examples.split`). With `keep`, the outcome has the trained members.

    Raises:
        ModelError: All strategies failed. If some failed, they are in `Outcome.failures`.
    """
    examples = trainer.examples
    judged = len(folds) > 1 or examples.split is not None
    repeats = 1 + max(fold.repeat for fold in folds)
    tuned = tuned_by_fold(strategies, trainer, folds)
    # (name, fold) -> the strategy with the hyperparameters that were tuned for this fold.
    versions = {(s.name, f): s for s in strategies for f in range(len(folds))}
    versions |= {key: best.strategy for key, best in tuned.items()}
    jobs, members, failures, settings = train_within_budget(strategies, versions, trainer, folds)
    trainer = replace(trainer, settings=settings)
    training = training_lengths(jobs, members, trainer)
    jobs, members = refit_with_stopping_rows(jobs, members, versions, trainer, folds)
    leave_out_failed(jobs, members, failures)
    check_some_left(strategies, failures)
    strategies = [s for s in strategies if s.name not in failures]
    users, target = _users_of_jobs(jobs), target_of(examples)
    results: list[FoldResult] = []
    of_units: list[FoldResult] = []
    log_p: dict[str, Array] = {}
    member_outputs: dict[str, Array] = {}
    lesions: dict[str, Array | None] = {}
    kept: dict[str, list[list[Member]]] = {}
    for strategy in strategies:
        trained = [trained_members(strategy, jobs[strategy.name, f], members, trainer) for f in range(len(folds))]
        kept |= {strategy.name: trained} if keep else {}
        by_fold = [np.stack([corrected_log_p(target, member) for member in group]) for group in trained]
        log_p[strategy.name] = out_of_fold_scores(examples, folds, by_fold, repeats)
        outputs = [group[0].member_outputs for group in trained if group[0].member_outputs is not None]
        if outputs:
            stacked, _ = stacked_scores(out_of_fold_scores(examples, folds, outputs, repeats))
            member_outputs[strategy.name] = stacked.astype(np.float32)
        lesions_of_folds = lesion_tables(strategy, trainer, fitting_parts(target, examples, folds, trained, by_fold))
        lesions[strategy.name] = summed_lesion_tables(lesions_of_folds)
        for f, fold in enumerate(folds if judged else ()):
            lesions_of_others = summed_lesion_tables([lesions_of_folds[g] for g in fitting_folds(examples, folds, f)])
            rule = cross_fitted_rule(strategy, examples, folds, f, log_p[strategy.name], trained[f], lesions_of_others)
            shared = [users[job.id] > 1 for job in jobs[strategy.name, f]]
            result = make_fold_result(strategy, examples, fold, rule, trained[f], by_fold[f], shared)
            results.append(replace(result, regions=region_result(strategy, trainer, fold, trained[f], rule)))
            if examples.units is not None:
                scores, rows = fitting_scores(examples, folds, f, log_p[strategy.name], trained[f])
                proba_of_others = target.apply(rule.unreviewed, scores).proba
                of_units.append(unit_result(results[-1], strategy, examples, proba_of_others, rows))
    steps = {s.name: _median_steps([jobs[s.name, f] for f in range(len(folds))], members) for s in strategies}
    tuned_values, extension = values_by_fold(tuned), settings.extension
    return Outcome(
        tuple(results),
        log_p,
        steps,
        failures,
        tuned_values,
        member_outputs,
        training,
        extension,
        tuple(folds),
        kept,
        tuple(of_units),
        lesions,
    )


def refit(strategy: Strategy, trainer: Trainer, outcome: Outcome, *, tune_threshold: bool = True) -> Classifier:
    """Return the classifier of a strategy trained on all rows, for the median best step of the folds.

    Its rule is fitted on all out-of-fold scores. All rows are those of the folds.

    If the rows have a split of their own (`Examples.split`), it is the classifier that was judged, and test rows train
    nothing.

    The metrics of its card are those of the rows that fitted the rule; `compare` puts those of its folds there.
    """
    examples = trainer.examples
    if examples.split is not None:
        return _classifier_of_given_split(strategy, trainer, outcome)
    everything = _used_rows(outcome)
    strategy = tuned_on_all(strategy, trainer, everything).strategy
    nothing = np.empty(0, np.int64)
    whole = Fold(0, ALL_ROWS_FOLD, everything, nothing, nothing)
    jobs = jobs_for_steps(strategy, trainer, whole, outcome.best_steps[strategy.name])
    trained = _train_on_fold(strategy, jobs, trainer)
    log_p, rows = stacked_scores(outcome.log_p[strategy.name])
    note = f"trained on all {len(everything):,} rows; the scores come from {len(rows):,} out-of-fold predictions"
    outputs, length = outcome.member_outputs.get(strategy.name), outcome.training[strategy.name]
    lesions = outcome.lesions[strategy.name]
    return _classifier(
        strategy, trainer, trained, length, log_p, rows, note, outputs, tune_threshold, lesions=lesions,
        entries=_entries_of(everything, examples),
    )  # fmt: skip


def _used_rows(outcome: Outcome) -> Array:
    """Return the rows that are in a fold, int64 (n,); those that `duplicates="drop"` leaves out are in none."""
    return np.unique(np.concatenate([part for f in outcome.folds for part in (f.train, f.stop, f.test)]))


def _entries_of(rows: Array, examples: Examples) -> dict[str, Any]:
    """Return the entries of the card about the used rows: their number and their classes."""
    return {"rows": len(rows), "classes": shares_of(target_of(examples), examples.y[rows], examples.classes)}


def fold_classifiers(strategy: Strategy, trainer: Trainer, outcome: Outcome) -> list[tuple[Classifier, Array]]:
    """Return the classifiers of the first repeat, each with the numbers of its test rows.

    The outcome must have been made with `keep=True`. The classifiers have no card and no stored scores.
    """
    results = [result for result in outcome.fold_results if result.strategy == strategy.name]
    pairs = zip(results, outcome.members[strategy.name], strict=True)
    return [
        (assemble(strategy, trainer, members, result.rule, {}, {}), result.rows)
        for result, members in pairs
        if result.repeat == 0
    ]


def bag_of_folds(strategy: Strategy, trainer: Trainer, outcome: Outcome, *, tune_threshold: bool = True) -> Classifier:
    """Return one classifier that averages the models of all folds.

    The outcome must have been made with `keep=True`. The rule comes from all out-of-fold scores. Each of these is that
    of a single model; the mean of several models is less extreme.
    """
    count, (vote, weights) = len(outcome.folds), strategy.pooling
    shared = None if weights is None else tuple(np.tile(weights, count) / count)
    bag = Ensemble(
        strategy.name, strategy.idea, aim=strategy.aim, members=strategy.units * count, vote=vote, weights=shared,
        single_pass=False,
    )  # fmt: skip
    trained = [member for fold in outcome.members[strategy.name] for member in fold]
    log_p, rows = stacked_scores(outcome.log_p[strategy.name])
    note = f"the scores come from {len(rows):,} rows not used for training"
    if count > 1:
        note = (
            f"the average of the models of {count} folds, which predicts less extreme probabilities than a single "
            f"model; the scores come from {len(rows):,} out-of-fold predictions of single models"
        )
    # Each of the models in the bag has the same out-of-fold scores, which are those of one model per row.
    copies, length = np.tile(log_p, (count, *[1] * (log_p.ndim - 1))), outcome.training[strategy.name]
    lesions = outcome.lesions[strategy.name]
    return _classifier(bag, trainer, trained, length, copies, rows, note, None, tune_threshold, lesions=lesions)


def _classifier_of_given_split(strategy: Strategy, trainer: Trainer, outcome: Outcome) -> Classifier:
    """Return the classifier of a split of the user, with the rule of its validation rows: the model that was judged.

    Its jobs must equal those of the comparison (same tuned values and budget), so that none of them is trained again.
    """
    fold = outcome.folds[0]
    trainer = replace(trainer, settings=replace(trainer.settings, extension=outcome.extension))
    tuned = tuned_by_fold([strategy], trainer, [fold]).get((strategy.name, 0))
    strategy = strategy if tuned is None else tuned.strategy
    jobs = jobs_of(strategy, trainer, fold)
    trained = _train_on_fold(strategy, jobs, trainer)
    log_p = np.stack([stopping_log_p(target_of(trainer.examples), member) for member in trained])
    outputs = None
    if trained[0].member_outputs is not None:
        first = trainer.learner(jobs[0])
        stopping = replace(jobs[0], score=fold.stop)
        outputs = score_members(trained[0], stopping, first.examples, first.model, len(strategy.member_names))
    note = stopping_note(len(fold.stop), trainer.examples, strategy, True, ends_training(jobs, trainer))
    note = f"no test row was used; {note}"
    length, split = outcome.training[strategy.name], split_counts(fold, len(fold.test))
    lesions = outcome.lesions[strategy.name]
    entries = {"split": split, **_entries_of(_used_rows(outcome), trainer.examples)}
    return _classifier(
        strategy, trainer, trained, length, log_p, fold.stop, note, outputs, entries=entries, lesions=lesions
    )


def _users_of_jobs(jobs: Mapping[tuple[str, int], list[Job]]) -> dict[str, int]:
    """Return job id -> number of strategies that use the job, because equal jobs are trained once."""
    names: dict[str, set[str]] = {}
    for (strategy, _), group in jobs.items():
        for job in group:
            names.setdefault(job.id, set()).add(strategy)
    return {job: len(users) for job, users in names.items()}


def _median_steps(groups: list[list[Job]], members: Mapping[str, Member]) -> tuple[int, ...]:
    """Return the median best step over the folds for each model of a strategy, at least 1."""
    best = np.array([[members[job.id].best_step for job in group] for group in groups])
    return tuple(int(max(1, round(float(m)))) for m in np.median(best, axis=0))

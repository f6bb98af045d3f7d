"""The order of things, and the only place that knows it:

    read -> Examples -> split -> Folds -> plan -> Job -> train -> Member -> pool, rule -> FoldResult, Classifier

Which rows do what: test rows judge only; stopping rows end training and do nothing else; the rule of a fold is fitted
on the out-of-fold scores of the *other* folds, so that no label enters a rule that it is judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.model_card import ruled, stored_scores
from counterpoise.core.progress import Progress
from counterpoise.core.records import Examples, Fold, FoldResult, Job, Member
from counterpoise.data.given_split import folds_of
from counterpoise.engines.run import Executor, run
from counterpoise.engines.user_callbacks import RoundSaver
from counterpoise.networks.member_outputs import apart
from counterpoise.networks.network import Network
from counterpoise.pipeline.assembly import assemble, card_of, rows_of, split_of, stopping_note
from counterpoise.pipeline.budget import Training, still_falling, train_within_budget, trainings
from counterpoise.pipeline.fold_results import (
    corrected,
    cross_fitted_rule,
    fit_rule,
    make_fold_result,
    out_of_fold,
    stacked_scores,
    stopping_scores,
)
from counterpoise.pipeline.jobs import (
    ALL_ROWS_FOLD,
    Settings,
    TrainAll,
    check_some_left,
    jobs_of,
    leave_out_failed,
    on_network,
)
from counterpoise.pipeline.refit_with_stopping_rows import for_steps, train_once_more
from counterpoise.pipeline.stages import train_in_rounds, trained_members
from counterpoise.pipeline.tuning import tuned_by_fold, tuned_on_all, values_of
from counterpoise.strategies.select import Strategy
from counterpoise.targets import target_of

Array = np.ndarray


@dataclass(frozen=True)
class Outcome:
    """All cells of a comparison and what a re-fit needs.

    Attributes:
        cells: One per strategy, repeat and fold.
        log_p: strategy -> float64 (repeats, members, N, C): corrected out-of-fold scores (NaN where a row had none).
        best_steps: strategy -> steps per member, the median over the folds.
        failures: strategy -> why it could not be carried out on the rows of some fold (it has no cells).
        tuned: strategy -> the values that its hyperparameters got, fold by fold.
        training: strategy -> how long its networks could train, and whether they were cut off there.
        extension: How many times the budget was taken, for all strategies.
        apart: strategy that one network was trained for -> float32 (parts, M, C): what its member strategies say alone
            of the rows of `cells.stacked_scores`.
        folds: The folds, in the order of each strategy's cells.
    """

    cells: tuple[FoldResult, ...]
    log_p: Mapping[str, Array]
    best_steps: Mapping[str, tuple[int, ...]]
    failures: Mapping[str, str] = field(default_factory=dict)
    tuned: Mapping[str, list[Mapping[str, float]]] = field(default_factory=dict)
    apart: Mapping[str, Array] = field(default_factory=dict)
    training: Mapping[str, Training] = field(default_factory=dict)
    extension: int = 1
    folds: tuple[Fold, ...] = ()


def on_fold(
    strategy: Strategy,
    examples: Examples,
    fold: Fold,
    network: Network,
    settings: Settings,
    *,
    labeled: Examples | None = None,
    tune_threshold: bool = True,
    progress: Progress | None = None,
    callbacks: Sequence[Any] = (),
    executor: Executor = run,
) -> Classifier:
    """One training of a strategy on the rows of a fold; its stopping rows end it and fit the rule.

    `labeled` are the rows that `fold` numbers, where `examples` does not hold them all (a scan). Without
    `tune_threshold` the stopping rows choose no threshold.
    """
    rows = examples if labeled is None else labeled
    judged = replace(fold, test=fold.stop)
    jobs = jobs_of(strategy, rows, judged, settings, network, examples)
    note = stopping_note(fold, examples, strategy, tune_threshold)

    def of(trained: Sequence[Member]) -> Classifier:
        log_p = np.stack([corrected(target_of(rows), m) for m in trained])
        alone = trained[0].apart
        clf = _with_rule(
            examples, strategy, network, settings, trained, _length(jobs, trained), log_p, fold.stop, note, alone,
            tune_threshold,
        )  # fmt: skip
        clf.card.update(rows_of(rows))
        if examples.split is not None:
            clf.card["split"] = split_of(fold)
        return clf

    def save(member: Member, path: str) -> None:
        clf = of(trained_members(strategy, jobs, {jobs[0].id: member}, examples, network))
        clf.card["metrics_of"] = note
        clf.save(path)

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        told = [RoundSaver(save), *callbacks] if callbacks and len(jobs) == 1 else callbacks
        return train_all(wanted, examples, network, settings, progress, told, executor)

    return of(_trained(strategy, jobs, examples, network, train))


def _length(jobs: Sequence[Job], trained: Sequence[Member]) -> Training:
    """How long the networks of one fold could train."""
    return Training(max(job.limits.steps for job in jobs), still_falling([[member.late_gain for member in trained]]))


def _trained(
    strategy: Strategy, jobs: Sequence[Job], examples: Examples, network: Network, train: TrainAll
) -> list[Member]:
    """The members of one strategy on one fold."""
    key = (strategy.name, 0)
    done, members = train_in_rounds({key: jobs}, {key: on_network(strategy, network)}, examples, train)
    return trained_members(strategy, done[key], members, examples, network)


def _with_rule(
    examples: Examples, strategy: Strategy, network: Network, settings: Settings, trained: Sequence[Member],
    length: Training, log_p: Array, rows: Array, note: str, apart: Array | None, tune_threshold: bool = True,
) -> Classifier:  # fmt: skip
    """Trained members and the rule that their corrected scores (members, M, C) of `rows` (M,) ask for."""
    y, weights = examples.y[rows], examples.weights_of(rows)
    rule = fit_rule(target_of(examples), strategy, log_p, y, trained, weights, tune_threshold)
    scores = stored_scores(log_p, y, weights, apart)
    card = card_of(strategy, examples, network, settings, trained, length, note) | ruled(
        target_of(examples), rule, scores, examples.classes
    )
    return assemble(network, trained, rule, examples, card, scores)


def cross_validate(
    examples: Examples,
    strategies: Sequence[Strategy],
    network: Network,
    settings: Settings,
    *,
    folds: int = 5,
    repeats: int = 1,
    duplicates: str = "warn",
    progress: Progress | None = None,
    callbacks: Sequence[Any] = (),
    executor: Executor = run,
) -> Outcome:
    """Every strategy on the same folds, seeds and step budget; `executor` trains (see `train.run`)."""
    parts = folds_of(examples, folds, repeats, settings.seed, duplicates)

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        return train_all(wanted, examples, network, settings, progress, callbacks, executor)

    tuned = tuned_by_fold(strategies, examples, parts, settings, network, train)
    versions = {(s.name, f): s for s in strategies for f in range(len(parts))}
    versions |= {key: found.strategy for key, found in tuned.items()}
    jobs, members, failures, settings = train_within_budget(
        strategies, versions, examples, parts, settings, network, train
    )
    training = trainings(jobs, members)
    jobs, members = train_once_more(jobs, members, versions, examples, parts, settings, network, train)
    leave_out_failed(jobs, members, failures)
    check_some_left(strategies, failures)
    strategies = [s for s in strategies if s.name not in failures]
    users, target = _users(jobs), target_of(examples)
    cells: list[FoldResult] = []
    log_p: dict[str, Array] = {}
    apart: dict[str, Array] = {}
    for strategy in strategies:
        trained = [
            trained_members(strategy, jobs[strategy.name, f], members, examples, network) for f in range(len(parts))
        ]
        said = [np.stack([corrected(target, member) for member in group]) for group in trained]
        log_p[strategy.name] = out_of_fold(examples, parts, said, repeats)
        views = [group[0].apart for group in trained if group[0].apart is not None]
        if views:
            apart[strategy.name] = stacked_scores(out_of_fold(examples, parts, views, repeats))[0].astype(np.float32)
        for f, fold in enumerate(parts):
            rule = cross_fitted_rule(strategy, examples, parts, f, log_p[strategy.name], trained[f])
            shared = [users[job.id] > 1 for job in jobs[strategy.name, f]]
            cells.append(make_fold_result(strategy, examples, fold, rule, trained[f], shared))
    steps = {s.name: _median_steps([jobs[s.name, f] for f in range(len(parts))], members) for s in strategies}
    return Outcome(tuple(cells), log_p, steps, failures, values_of(tuned), apart, training, settings.extension, parts)


def refit(
    examples: Examples,
    strategy: Strategy,
    network: Network,
    settings: Settings,
    outcome: Outcome,
    *,
    tune_threshold: bool = True,
    progress: Progress | None = None,
    callbacks: Sequence[Any] = (),
    executor: Executor = run,
) -> Classifier:
    """Train a strategy on all rows for the folds' median best step; its rule comes from all out-of-fold scores.

    Of rows that say what they do (`Examples.split`) it is the classifier that was judged: test rows train nothing.

    The card holds no metrics yet: a race has those of its folds, `fit` measures them.
    """

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        return train_all(wanted, examples, network, settings, progress, callbacks, executor)

    if examples.split is not None:
        return _as_judged(strategy, examples, outcome, network, settings, train)
    strategy = tuned_on_all(strategy, examples, settings, network, train).strategy
    everything = np.arange(len(examples))
    nothing = np.empty(0, np.int64)
    whole = Fold(0, ALL_ROWS_FOLD, everything, nothing, nothing)
    jobs = for_steps(strategy, examples, whole, settings, network, outcome.best_steps[strategy.name])
    trained = _trained(strategy, jobs, examples, network, train)
    log_p, rows = stacked_scores(outcome.log_p[strategy.name])
    note = f"trained on all {len(examples):,} rows; the rule was fitted on {len(rows):,} out-of-fold scores"
    alone, length = outcome.apart.get(strategy.name), outcome.training[strategy.name]
    return _with_rule(examples, strategy, network, settings, trained, length, log_p, rows, note, alone, tune_threshold)


def _as_judged(
    strategy: Strategy, examples: Examples, outcome: Outcome, network: Network, settings: Settings, train: TrainAll
) -> Classifier:
    """The classifier of a given split; its jobs are those of the comparison, so that they need no new training."""
    fold, settings = outcome.folds[0], replace(settings, extension=outcome.extension)
    found = tuned_by_fold([strategy], examples, [fold], settings, network, train).get((strategy.name, 0))
    strategy = strategy if found is None else found.strategy
    jobs = jobs_of(strategy, examples, fold, settings, network)
    trained = _trained(strategy, jobs, examples, network, train)
    log_p = np.stack([stopping_scores(target_of(examples), member) for member in trained])
    alone = None
    if trained[0].apart is not None:
        alone = apart(trained[0], replace(jobs[0], score=fold.stop), examples, network, len(strategy.parts()))
    note = f"{len(fold.stop)} validation rows ended training and fitted the rule; test rows trained nothing"
    length = outcome.training[strategy.name]
    clf = _with_rule(examples, strategy, network, settings, trained, length, log_p, fold.stop, note, alone)
    clf.card["split"] = split_of(fold)
    return clf


def train_all(
    jobs: Iterable[Job], examples: Examples, network: Network, settings: Settings, progress: Progress | None = None,
    callbacks: Iterable[Any] = (), executor: Executor = run,
) -> dict[str, Member]:  # fmt: skip
    """Train jobs (each id once) and report steps done over all of them."""
    distinct = {job.id: job for job in jobs}
    total = sum(job.limits.steps for job in distinct.values())
    done = dict.fromkeys(distinct, 0)
    members: dict[str, Member] = {}

    def tell(job_id: str, step: int, most: int) -> None:
        done[job_id] = step
        if progress:
            progress(f"{len(members)} of {len(distinct)} networks", sum(done.values()), total)

    trained = executor(distinct.values(), examples, network, engine=settings.engine, callbacks=callbacks, progress=tell)
    with closing(trained):  # an interrupt ends workers elsewhere too
        for job_id, member in trained:
            members[job_id] = member
            tell(job_id, distinct[job_id].limits.steps, total)  # one that stopped early is done
    return members


def _users(jobs: Mapping[tuple[str, int], list[Job]]) -> dict[str, int]:
    """How many strategies use each job."""
    names: dict[str, set[str]] = {}
    for (strategy, _), group in jobs.items():
        for job in group:
            names.setdefault(job.id, set()).add(strategy)
    return {job: len(users) for job, users in names.items()}


def _median_steps(groups: list[list[Job]], members: Mapping[str, Member]) -> tuple[int, ...]:
    best = np.array([[members[job.id].best_step for job in group] for group in groups])
    return tuple(int(max(1, round(float(m)))) for m in np.median(best, axis=0))

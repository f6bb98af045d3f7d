"""The order of things, and the only place that knows it:

    read -> Examples -> split -> Folds -> plan -> Job -> train -> Member -> pool, rule -> Cell, Classifier

Which rows do what: test rows judge only; stopping rows end training and do nothing else; the rule of a fold is fitted
on the out-of-fold scores of the *other* folds, so that no label enters a rule that it is judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from counterpoise.all_rows import for_steps, train_once_more
from counterpoise.assembly import assemble, card_of, rows_of, with_promise_rows
from counterpoise.cards import ruled, stored_scores
from counterpoise.cells import corrected, cross_fitted_rule, fit_rule, make_cell, out_of_fold, stacked_scores, subset
from counterpoise.classifier import Classifier
from counterpoise.core.errors import OptionError
from counterpoise.core.progress import Progress, bar, rounds_text
from counterpoise.core.records import Cell, Examples, Fold, Job, Member
from counterpoise.core.seeds import integer
from counterpoise.data.split import hold_out, make_folds
from counterpoise.feed.disk import Scan
from counterpoise.jobs import (
    WHOLE,
    Settings,
    jobs_by_fold,
    jobs_of,
    leave_out_failed,
    on_network,
)
from counterpoise.reading import read_for
from counterpoise.rounds import TrainAll, train_in_rounds, trained_members
from counterpoise.scanned import Scanned, opened, refuse_with_scan
from counterpoise.strategies import Strategy, find
from counterpoise.train.hooks import check_callbacks, check_rate
from counterpoise.train.network import Network
from counterpoise.train.run import Executor, run
from counterpoise.tuning import tuned_by_fold, tuned_on_all, values_of

Array = np.ndarray

#: Most passes over the training rows of who asks for no number of epochs.
EPOCHS = 100


@dataclass(frozen=True)
class Outcome:
    """All cells of a comparison and what a re-fit needs.

    Attributes:
        cells: One per strategy, repeat and fold.
        log_p: strategy -> float64 (repeats, members, N, C): corrected out-of-fold scores (NaN where a row had none).
        best_steps: strategy -> steps per member, the median over the folds.
        failures: strategy -> why it could not be carried out on the rows of some fold (it has no cells).
        tuned: strategy -> the values that its knobs got, fold by fold.
    """

    cells: tuple[Cell, ...]
    log_p: Mapping[str, Array]
    best_steps: Mapping[str, tuple[int, ...]]
    failures: Mapping[str, str] = field(default_factory=dict)
    tuned: Mapping[str, list[Mapping[str, float]]] = field(default_factory=dict)


def fit(
    model: Any = "auto",
    data: Any = None,
    y: Any = None,
    *,
    strategy: str | Strategy = "none",
    validation: float = 0.2,
    folds: int | None = None,
    promise_rows: float | None = None,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    epochs: int | str = "auto",
    batch_size: int | str = "auto",
    budget: str = "steps",
    optimizer: Any = None,
    patience: int = 10,
    plateau: int | None = None,
    recipe: Any = "auto",
    output: str = "auto",
    weights: str = "auto",
    clone: bool = True,
    engine: str = "auto",
    callbacks: Sequence[Any] = (),
    seed: int = 0,
    verbose: Any = "auto",
) -> Classifier:
    """Train a classifier with one strategy; probabilities are true and the threshold is chosen.

    Args:
        model: A Keras model (compiled or not), a builder `build(spec, n_classes)` returning logits,
            `cp.transfer(backbone)`, or the name of a built-in network: "mlp", "tabular", "cnn", "text"; "auto" is
            `tabular` for tables, `cnn` for pictures and `text` for texts.
        data: A frame, a dict of columns, a CSV or Parquet file, an array, a dict or tuple of arrays, or text (N,).
            With y=None also a `tf.data.Dataset`, `PyDataset` or `DataLoader` of (x, y[, weight]), of which one pass is
            read into memory; a folder of `cp.images`; or a `cp.scan`, whose rows are streamed from disk.
        y: Labels (N,), or the name of the target column of a table.
        strategy: A name (see `counterpoise strategies`), a `Strategy`, or `cp.Ensemble([...])`.
        validation: Share of rows held out for stopping and for the rule (both, which the model card says).
        folds: K for out-of-fold stopping and rule, then one training on all rows; replaces `validation`.
        promise_rows: Share of rows kept from training, stopping, calibration and selection, so that
            `clf.decide(recall_floor=0.95, confidence=0.95)` can promise; the latest rows where there is time.
        groups: Group of each row, or the name of a column: groups are never on both sides of a split.
        time: Time of each row, or the name of a column: the held-out part is the latest.
        sample_weight: Your own weights (N,), counts of examples; they multiply in.
        epochs: Most passes over the training rows, counted in steps of the untouched model (budget "steps"); "auto":
            100, and no fewer steps than the recipe's floor.
        batch_size: Rows per step; "auto" is 256, and what suits the number of rows for `tabular`.
        budget: "steps": every strategy the steps of `none`. "epochs": the plan's own epochs.
        optimizer: A Keras optimizer or its name; None takes the compiled model's, else Adam(1e-3).
        patience: Rounds (passes of `none`) without a better stopping score before training ends.
        plateau: Rounds without a better stopping score before the learning rate is halved; None = never.
        recipe: A `cp.Recipe`: how rounds are compared and weights averaged where positives are few; "auto" is that of
            the network.
        output: "logits", "probabilities" or "auto".
        weights: "keep", "fresh" or "auto" (keep those of a given model).
        clone: False trains the object passed (one network, no folds).
        engine: "auto", "program" or "fit".
        callbacks: Keras callbacks; they are called on the `fit` engine (the program has none), once a round, with
            "loss" and "val_loss" (the stopping score).
        seed: Same seed, same classifier.
        verbose: 0 is silent; "auto" shows a bar in a terminal; 2 also prints each round: losses and recall per class.

    Returns:
        Classifier: with `predict`, `predict_proba`, `decide` and `save`.

    Raises:
        DataError, OptionError, ModelError: what was got, what was expected, what to do.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(400) < 0.1).astype(int)
        >>> x = rng.normal(size=(400, 2)) + 2 * y[:, None]
        >>> clf = fit("mlp", x, y, strategy="oversample", epochs=5, verbose=0)
        >>> clf.predict_proba(x).shape
        (400, 2)
    """
    if data is None:
        raise OptionError('fit was given no data; pass them after the model or as data=, for example data="loans.csv".')
    settings = Settings(epochs, batch_size, budget, True, patience, seed, engine, plateau, recipe=recipe)
    chosen, callbacks = find(strategy), check_callbacks(callbacks)
    if chosen.is_external:
        raise OptionError(f"{chosen.name} is no network: it races (cp.compare), but no classifier is made of it.")
    scanned, beside = None, {"groups": groups, "time": time, "sample_weight": sample_weight}
    if isinstance(data, Scan):
        refuse_with_scan({"y": y, **beside, "folds": folds, "promise_rows": promise_rows})
        chosen = replace(chosen, one_pass=False)  # a stream weighs a row once
        scanned = opened(data, validation, seed)
        scanned.check(chosen)
    examples = scanned.examples if scanned else read_for(model, data, y, **beside)
    kept = None if promise_rows is None else _keep_out(examples, promise_rows, seed)
    rest = examples if kept is None else subset(examples, kept[0])
    network = Network(model, rest, output=output, weights=weights, optimizer=optimizer, clone=clone)
    settings = settings.on(network, len(scanned.labels if scanned else rest), EPOCHS)
    check_rate(network.optimizer(), plateau, callbacks)
    if not clone and (folds is not None or len(chosen.parts()) > 1):
        raise OptionError("clone=False trains the one object passed; it does not go with folds or an ensemble.")
    with bar(verbose) as progress:
        clf = _fitted(rest, chosen, network, settings, folds, validation, progress, callbacks, scanned)
    if verbose == 2:
        print("\n".join(rounds_text(clf.history, clf.classes_.tolist())))
    if kept is not None:
        return with_promise_rows(clf, subset(examples, kept[1]))
    clf.card["metrics_of"] = clf.card["rule"]
    return clf


def _fitted(
    examples: Examples, strategy: Strategy, network: Network, settings: Settings, folds: int | None, validation: float,
    progress: Progress | None, callbacks: Sequence[Any], scanned: Scanned | None = None,
) -> Classifier:  # fmt: skip
    if folds is not None:
        outcome = cross_validate(
            examples, [strategy], network, settings, folds=folds, progress=progress, callbacks=callbacks
        )
        return refit(examples, strategy, network, settings, outcome, progress=progress, callbacks=callbacks)
    if scanned:
        labelled, fold, executor = scanned.labels, scanned.fold, scanned.run
    else:
        rows, held = hold_out(examples, validation, settings.seed)
        labelled, fold, executor = examples, Fold(0, 0, rows, held, held), run

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        return train_all(wanted, examples, network, settings, progress, callbacks, executor)

    trained = _trained(strategy, jobs_of(strategy, labelled, fold, settings, network), examples, network, train)
    log_p = np.stack([corrected(m) for m in trained])
    note = f"{len(fold.test)} held-out rows ended training and fitted the rule"
    clf = _with_rule(examples, strategy, network, settings, trained, log_p, fold.test, note)
    clf.card.update(rows_of(labelled))
    return clf


def _trained(
    strategy: Strategy, jobs: Sequence[Job], examples: Examples, network: Network, train: TrainAll
) -> list[Member]:
    """The members of one strategy on one fold."""
    key = (strategy.name, 0)
    done, members = train_in_rounds({key: jobs}, {key: on_network(strategy, network)}, examples, train)
    return trained_members(strategy, done[key], members, examples, network)


def _with_rule(
    examples: Examples, strategy: Strategy, network: Network, settings: Settings, trained: Sequence[Member],
    log_p: Array, rows: Array, note: str,
) -> Classifier:  # fmt: skip
    """Trained members and the rule that their corrected scores (members, M, C) of `rows` (M,) ask for."""
    y, weights = examples.y[rows], examples.weights_of(rows)
    rule, scores = fit_rule(strategy, log_p, y, trained, weights), stored_scores(log_p, y, weights)
    card = card_of(strategy, examples, network, settings, trained, note) | ruled(rule, scores)
    return assemble(network, trained, rule, examples, card, scores)


def _keep_out(examples: Examples, share: float, seed: int) -> tuple[Array, Array]:
    if not 0 < share < 1:
        raise OptionError(f"promise_rows is {share}; expected a share between 0 and 1.")
    return hold_out(examples, share, integer(seed, "promise rows"))


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
    parts = make_folds(examples, folds, repeats, settings.seed, duplicates)

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        return train_all(wanted, examples, network, settings, progress, callbacks, executor)

    tuned = tuned_by_fold(strategies, examples, parts, settings, network, train)
    versions = {(s.name, f): s for s in strategies for f in range(len(parts))}
    versions |= {key: found.strategy for key, found in tuned.items()}
    jobs, failures = jobs_by_fold(strategies, examples, parts, settings, network, versions)
    ready = {key: on_network(versions[key], network) for key in jobs}
    jobs, members = train_in_rounds(jobs, ready, examples, train, failures)
    leave_out_failed(jobs, members, failures)
    jobs, members = train_once_more(jobs, members, versions, examples, parts, settings, network, train)
    strategies = [s for s in strategies if s.name not in failures]
    users = _users(jobs)
    cells: list[Cell] = []
    log_p: dict[str, Array] = {}
    for strategy in strategies:
        trained = [
            trained_members(strategy, jobs[strategy.name, f], members, examples, network) for f in range(len(parts))
        ]
        log_p[strategy.name] = out_of_fold(examples, parts, trained, repeats)
        for f, fold in enumerate(parts):
            rule = cross_fitted_rule(strategy, examples, parts, f, log_p[strategy.name], trained[f])
            shared = [users[job.id] > 1 for job in jobs[strategy.name, f]]
            cells.append(make_cell(strategy, examples, fold, rule, trained[f], shared))
    steps = {s.name: _median_steps([jobs[s.name, f] for f in range(len(parts))], members) for s in strategies}
    return Outcome(tuple(cells), log_p, steps, failures, values_of(tuned))


def refit(
    examples: Examples,
    strategy: Strategy,
    network: Network,
    settings: Settings,
    outcome: Outcome,
    *,
    progress: Progress | None = None,
    callbacks: Sequence[Any] = (),
    executor: Executor = run,
) -> Classifier:
    """Train a strategy on all rows for the folds' median best step; its rule comes from all out-of-fold scores.

    The card holds no metrics yet: a race has those of its folds, `fit` measures them.
    """

    def train(wanted: Iterable[Job]) -> dict[str, Member]:
        return train_all(wanted, examples, network, settings, progress, callbacks, executor)

    strategy = tuned_on_all(strategy, examples, settings, network, train).strategy
    everything = np.arange(len(examples))
    nothing = np.empty(0, np.int64)
    whole = Fold(0, WHOLE, everything, nothing, nothing)
    jobs = for_steps(strategy, examples, whole, settings, network, outcome.best_steps[strategy.name])
    trained = _trained(strategy, jobs, examples, network, train)
    log_p, rows = stacked_scores(outcome.log_p[strategy.name])
    note = f"trained on all {len(examples)} rows; the rule was fitted on {len(rows)} out-of-fold scores"
    return _with_rule(examples, strategy, network, settings, trained, log_p, rows, note)


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

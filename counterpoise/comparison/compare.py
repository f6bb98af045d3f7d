"""`compare`: every strategy on the same folds, seeds and step budget; a judge; the winner trained on all rows.

`compare` reads the rows, `compare_examples` (also called by the command line) checks and prepares the run, and
`_run_comparison` has its steps in order. Test rows are used only for scoring (see `pipeline.order`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.comparison import tally, words
from counterpoise.comparison.audit import audit_of, check_by_columns, check_importance
from counterpoise.comparison.block_draws import check_enough_blocks
from counterpoise.comparison.costs import COST, AnyCosts, costs_of, with_costs
from counterpoise.comparison.cut_off import cut_off_next_step
from counterpoise.comparison.example_pictures import example_pictures
from counterpoise.comparison.halving import Limit, RememberingExecutor, Rungs, run_rungs
from counterpoise.comparison.judged_units import JudgedUnits
from counterpoise.comparison.judging import completed_verdict, judge_results
from counterpoise.comparison.lazy_curves import LazyCurves
from counterpoise.comparison.manifest import manifest_of
from counterpoise.comparison.nested import nested_score
from counterpoise.comparison.record import leaderboard_record, leaderboard_rows, warnings_of
from counterpoise.comparison.result import Comparison
from counterpoise.comparison.resume import needs_weights, opened_store, print_on_stderr, storing_executor
from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold
from counterpoise.core.progress import progress_bar
from counterpoise.core.titles import strategy_title
from counterpoise.data.given_split import Split, rows_to_learn
from counterpoise.data.split import without_rare_labels
from counterpoise.decide.lesion_threshold import VOTES
from counterpoise.diagnosis.diagnose import before_comparison
from counterpoise.engines.run import Executor, run
from counterpoise.metrics.catalog import METRICS, REGION_KEYS
from counterpoise.metrics.regions import FALSE_POSITIVES
from counterpoise.pipeline.models import models_of, warn_of_unused
from counterpoise.pipeline.options import CompareOptions, Rows, documented, options_of, settings_of
from counterpoise.pipeline.order import Outcome, cross_validate, fold_classifiers, refit
from counterpoise.pipeline.reading import augmentation_of, check_argument_order, read_for
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.pipeline.tuning import check_tuning
from counterpoise.pipeline.validation import at_training_prior
from counterpoise.strategies.select import Strategy, select
from counterpoise.targets.kinds import target_of

#: If this is the metric, thresholds are tuned for lesions (this aim) instead of F1.
LESION_RECALL, LESION_AIM = "lesion_recall", f"lesion_false_positives({FALSE_POSITIVES:g})"
#: Passes of the baseline over its training rows by default (`fit` has its own number).
EPOCHS = 30
#: Grouped arguments of `compare` that `compare_examples` takes as they are.
PASSED_ON = (
    "repeats", "label_delay", "duplicates", "leaks", "cost_column", "cost_fp", "nested", "executor", "show_pictures",
    "importance",
)  # fmt: skip


@documented
def compare(
    model: Any = "auto",
    data: Any = None,
    y: Any = None,
    *,
    strategies: str | Iterable[str | Strategy] = "default",
    folds: int | None = None,
    groups: Any = None,
    time: Any = None,
    metric: str | None = None,
    costs: Any = None,
    tune: int = 0,
    limit: Any = None,
    store: Any = None,
    seed: int = 0,
    verbose: Any = "auto",
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Cross-validate strategies on the same folds and compare each with the baseline.

    Resampling changes only training rows. Test rows are used only for scoring. The correction and the threshold of a
    fold are fitted on the test predictions of the other folds.

    Args:
        model: A model as in `fit`, or a list of models, for example ["tabular", "boosted", "forest"]. Each model is
            trained with every strategy that it supports. The baseline is the first model with the strategy `none`.
            "auto" is one model. On tables, "auto" is a blend, and each strategy trains all its members. If only
            networks support a strategy, the strategy trains only the network of the blend.
        data: The rows, as in `fit`.
        y: The labels, or the name of the target column, as in `fit`.
        strategies: "default", "all", "a,b,c", or a list of names and strategies. The baseline, `none`, is always
            compared.
        folds: Number of folds of the cross-validation, in which each class is split evenly. Default: 5.
        groups: The group of each row, or the name of a column. All rows of a group stay on one side of each split.
        time: The time of each row, or the name of a column. Every fold trains only on rows earlier than its test rows.
        metric: The metric of the ranking and the verdict. Default: "average_precision", or with costs "expected_cost",
            the mean cost of the decisions. With "lesion_recall", strategies that tune a threshold find as many lesions
            as possible with at most 1 false positive per image.
        costs: For two classes: (cost of a false positive, cost of a missed case). For more: a matrix (C, C) [true,
            decided], or `{true label: {decided label: cost}}`. Strategies that tune a threshold, and `best`, then
            minimize the expected cost. The baseline keeps the default threshold.
        tune: Number of trials per strategy and fold to tune the values of `Strategy.hyperparameters` on training rows.
            0 means no tuning. Needs Optuna.
        limit: Maximum optimizer steps of all networks together, or seconds as in "600s". Strategies with a worse loss
            on the early-stopping rows are stopped early. Of a blend, the networks decide. With seconds, results
            depend on the machine. The refit, trees, and external models are not counted.
        store: A folder that keeps every finished fit. The same call on the same folder resumes an interrupted
            comparison. If you add strategies or repeats, only new fits are trained. Other data, settings or versions
            raise an error.
        seed: Seed of all random draws. The same seed gives the same leaderboard.
        verbose: 0 prints nothing. "auto" shows a progress bar in a terminal.
        **options: Options of the rows (`counterpoise.pipeline.options.Rows`): `split`, `unit`, `aggregate`,
            `sample_weight`, `positive`, `one_vs_rest`, `merge_rare`. Options of the training (`Training`): `epochs`,
            `batch_size`, `budget`, `optimizer`, `patience`, `recipe`, `output`, `initial_weights`, `init_bias`,
            `augment`, `flip`, `contrast`, `engine`. Options of the comparison (`CompareOptions`): `repeats`,
            `label_delay`, `duplicates`, `leaks` for the division of the rows; `cost_column`, `cost_fp`, `by`, `nested`
            for the judgment; `tune_steps`, `early_stopping`, `refit`, `show_pictures`, `importance`, `executor` for
            the run.

    Returns:
        A `Comparison` with `leaderboard`, `verdict`, `best`, `to_html`, and `save`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(300) < 0.2).astype(int)
        >>> x = rng.normal(size=(300, 2)) + y[:, None]
        >>> cmp = compare("mlp", x, y, strategies="oversample", folds=2, epochs=2, verbose=0)
        >>> [row["strategy"] for row in cmp.leaderboard if row["status"] == "ok"] != []
        True
    """
    own = options_of(compare, options)
    settings = settings_of(own, seed=seed, tune=tune)
    check_argument_order("compare", model, data)
    warn_of_unused(model, own)
    strategies = strategies if isinstance(strategies, (str, Strategy)) else list(strategies)
    select(strategies)  # an unknown name is refused before anything is read
    metadata = {"groups": groups, "time": time, "cost_column": own["cost_column"], "by": own["by"]}
    examples = read_for(model, data, y, **metadata, **{name: own[name] for name in Rows.__annotations__})
    chosen = select(strategies, examples.kind)
    of_network = {name: own[name] for name in ("output", "initial_weights", "optimizer")}
    of_network |= augmentation_of(data, own)
    how = {name: own[name] for name in PASSED_ON}
    return compare_examples(
        examples, model, chosen, settings, folds=folds, metric=metric, costs=costs, limit=limit, verbose=verbose,
        store=store, refit_winner=own["refit"], network_options=of_network, **how,
    )  # fmt: skip


def compare_examples(
    examples: Examples,
    model: Any,
    strategies: Sequence[Strategy],
    settings: Settings,
    *,
    folds: int | None = None,
    repeats: int = 1,
    label_delay: float = 0.0,
    duplicates: str = "warn",
    leaks: str = "warn",
    metric: str | None = None,
    costs: Any = None,
    cost_column: str | None = None,
    cost_fp: float | None = None,
    nested: bool = False,
    limit: Any = None,
    refit_winner: bool = True,
    verbose: Any = "auto",
    network_options: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    store: Any = None,
    show_pictures: bool = True,
    importance: bool = False,
) -> Comparison:
    """Run `compare` on examples that were read already, with strategies that were selected.

    The options are those of `compare`, except that `store` may also be a `Store` that is open.
    """
    priced = costs_of(costs, cost_column, cost_fp, examples)
    metric = _metric_of_verdict(metric, priced)
    check_by_columns(examples)
    if importance:
        check_importance(examples)
    split = Split(
        folds=5 if folds is None else folds, repeats=repeats, duplicates=duplicates, seed=settings.seed,
        label_delay=label_delay,
    )  # fmt: skip
    examples, cv_folds = _rows_and_folds(examples, split, given=folds is not None, nested=nested)
    n_folds = len(cv_folds) // repeats
    strategies = strategies if priced is None else priced.aim_strategies(strategies)
    # Thresholds tuned for F1 are tuned for lesions instead, if the vote of the members allows it.
    if metric == LESION_RECALL and len(examples.classes) == 2:
        strategies = [replace(s, aim=LESION_AIM) if s.aim == "f1" and s.pooling[0] in VOTES else s for s in strategies]
    limited = Limit.of(limit)
    settings = _checked_settings(settings, examples, metric, repeats, nested)
    learners, strategies, refused = models_of(model, strategies, examples, verbose=verbose, **(network_options or {}))
    models = {key: learner.model for key, learner in learners.items()}
    settings = settings.resolved_for(models, rows_to_learn(examples), EPOCHS, extend=True)
    # In tuning, nested folds and confidence intervals, duplicates stay together too, as in the folds.
    ids = examples.duplicate_ids if duplicates == "group" else None
    repeated = ids is not None and len(np.unique(ids)) < len(ids)
    grouped = replace(examples, groups=ids) if repeated else examples
    trainer = Trainer(grouped, learners, settings, executor or run)
    if (network := trainer.network) and settings.init_bias and (note := network.output_bias.note()):
        network.warn_once(note)
    diagnosis = before_comparison(examples, max(2, n_folds), duplicates, leaks).to_dict()
    with opened_store(store) as open_store:
        if open_store is not None:
            open_store.begin(manifest_of(examples, trainer, n_folds, duplicates))
            # `weights`: whether the store must also keep the trained weights of the folds.
            weights = needs_weights(strategies) or examples.split is not None or target_of(examples).per_element
            weights = weights or importance
            report = print_on_stderr if verbose else None
            train = storing_executor(trainer.executor, open_store, weights=weights, report=report)
            trainer = replace(trainer, executor=train)
        comparison = _run_comparison(
            trainer, strategies, refused, cv_folds, metric=metric, priced=priced, nested=nested, limited=limited,
            refit_winner=refit_winner, verbose=verbose, diagnosis=diagnosis, show_pictures=show_pictures,
            importance=importance, split=split,
        )  # fmt: skip
        if open_store is not None:
            open_store.record = comparison.page_record
    return comparison


def _run_comparison(
    trainer: Trainer, strategies: Sequence[Strategy], refused: Mapping[str, str], folds: Sequence[Fold], *, metric: str,
    priced: AnyCosts | None, nested: bool, limited: Limit | None, refit_winner: bool, verbose: Any,
    diagnosis: Mapping[str, Any], show_pictures: bool, importance: bool, split: Split,
) -> Comparison:  # fmt: skip
    """Cross-validate, judge, and refit the winner: the body of `compare_examples`, after all checks.

    `refused` maps the strategies that the model cannot train to the reason. `split` made the `folds`.
    """
    examples, labels = trainer.examples, {s.name: trainer.label_of(s) for s in strategies}
    with progress_bar(verbose) as progress:
        # Without a limit, all strategies survive. With a limit or a split, equal jobs are trained only once.
        survivors = Rungs(list(strategies), trainer.settings)
        if limited is not None or examples.split is not None:
            trainer = replace(trainer, executor=RememberingExecutor(trainer.executor))
        if limited is not None:
            survivors = run_rungs(strategies, trainer, limited, folds)
        strategies = survivors.strategies
        trainer = replace(trainer, settings=survivors.settings, progress=progress)
        # The members of the folds are only kept for the importance of the columns.
        outcome = cross_validate(trainer, strategies, folds, keep=importance)
        results = with_costs(outcome.fold_results, strategies, examples, priced)
        outcome = replace(outcome, fold_results=results, failures={**refused, **outcome.failures})
        ran = [s for s in strategies if s.name not in outcome.failures]
        by_name = {s.name: [c for c in outcome.fold_results if c.strategy == s.name] for s in ran}
        judgment = rows_judged = judge_results(ran, by_name, examples, outcome, trainer.settings.seed, metric, priced)
        units = None
        if examples.units is not None:
            units = JudgedUnits.of(examples, outcome.unit_results, strategies, priced)
            judgment = judge_results(ran, units.by_name, units.examples, outcome, trainer.settings.seed, metric, priced)
        winner = next(s for s in ran if s.name == judgment.verdict.model)
        nested_result = None
        if nested:
            outer_results = by_name if units is None else units.by_name
            nested_result = nested_score(ran, outer_results, trainer, folds, metric, priced)
        warnings = warnings_of(trainer, diagnosis)
        best, failed = _train_winner_on_all_rows(winner, trainer, outcome, priced) if refit_winner else (None, [])
        of_folds = fold_classifiers(winner, trainer, outcome) if importance and examples.split is None else []
        audit = audit_of(by_name[winner.name], examples, best, of_folds)
    # With units, strategies are judged by the scores of units, and the verdict also reports those of rows.
    cut_off = cut_off_next_step(outcome.training, outcome.extension, survivors.cut)
    costed = priced is not None and best is not None
    step = words.next_step_with_costs(winner.aim != "argmax", metric == COST) if costed else ""
    verdict = completed_verdict(judgment, len(ran), nested_result, cut_off, examples.split is None, step)
    verdict = verdict if units is None else units.verdict_with_note(verdict, rows_judged, metric)
    rows = leaderboard_rows(rows_judged, by_name, ran, examples, outcome, survivors, priced, labels, trainer.label)
    rows = [{**row, "units": None} for row in rows] if units is None else units.ranked_rows(rows, judgment, priced)
    record = leaderboard_record(
        rows, verdict, [*warnings, *failed], trainer, outcome, metric=metric, limited=limited, nested=nested_result,
        costs=priced, labels=labels, split=split, audit=audit,
    )  # fmt: skip
    curves = LazyCurves(by_name, _curves_function(by_name, examples, units))
    # The card of the classifier gets the scores of the winner and the verdict.
    if best is not None:
        entries = {"metrics": next(r["scores"] for r in rows if r["strategy"] == winner.name)}
        if examples.split is not None:
            entries["metrics_of"] = f"{len(folds[0].test)} test rows, not used for training or tuning"
        if (spread := audit["threshold_spread"]) is not None:
            ends = {end: at["threshold"] for end, at in spread.items()}
            entries["threshold"] = {**best.card_without_metrics["threshold"], "spread": ends}
        best = best.with_card(**entries, verdict=record["verdict"])
    pictures = example_pictures(by_name[winner.name], examples, best) if show_pictures else []
    return Comparison(record, curves, outcome.fold_results, best, diagnosis, pictures)


def _curves_function(
    by_name: Mapping[str, Sequence[FoldResult]], examples: Examples, units: JudgedUnits | None
) -> Callable[[str], dict[str, Any]]:
    """Return the function from a strategy to the curves of its plots; those of units where units are decided."""
    rows = replace(examples, x=None)  # curves need no features, so that these can be freed after the comparison

    def curves_of(name: str) -> dict[str, Any]:
        """Return the curves of one strategy (see `tally.report_curves`)."""
        curves = tally.report_curves(by_name[name], rows)
        return curves if units is None else curves | tally.report_curves(units.by_name[name], units.examples)

    return curves_of


def _train_winner_on_all_rows(
    winner: Strategy, trainer: Trainer, outcome: Outcome, priced: AnyCosts | None
) -> tuple[Classifier | None, list[str]]:
    """Return the winner trained on all rows and no warnings; if that training fails, None and a warning.

    A failure is no error here, because the scores of the folds are still valid. With a cost matrix or a cost column,
    a winner with the aim "f1" then decides by these costs.
    """
    try:
        best = refit(winner, trainer, outcome)
        return (priced.decide_classifier(best) if priced is not None and winner.aim == "f1" else best), []
    except ModelError as error:
        title = strategy_title(winner.name)
        return None, [f"{title} could not be trained on all rows, so there is no model file: {error}"]


def _rows_and_folds(examples: Examples, split: Split, given: bool, nested: bool) -> tuple[Examples, tuple[Fold, ...]]:
    """Return the rows and their folds; rows with a split of their own have one fold.

    `given` is whether the user passed a number of folds. With a split, raise an OptionError if folds, repeats or a
    nested comparison were asked for, and a SplitError if there are too few test rows or groups.
    """
    if examples.split is None:
        examples = without_rare_labels(examples, split.folds)
        return examples, split.of(examples)
    asked = {f"folds={split.folds}": given, f"repeats={split.repeats}": split.repeats != 1, "nested=True": nested}
    for option in [option for option, present in asked.items() if present]:
        name = option.partition("=")[0]
        raise OptionError(
            f"{option} cannot be used, because the rows have their own split (split=, or folders of a split). "
            f"Remove {name}= (--{name}), or the split."
        )
    folds = split.of(examples)
    check_enough_blocks(examples, folds[0])
    return at_training_prior(examples), folds


def _metric_of_verdict(metric: str | None, priced: AnyCosts | None) -> str:
    """Return the key of the metric that the verdict is about; None becomes the default.

    Raise an OptionError if the key is unknown, or if its costs are missing.
    """
    if metric is None:
        return "average_precision" if priced is None else COST
    if metric not in METRICS:
        raise OptionError(f"There is no metric {metric!r}.{did_you_mean(metric, METRICS)}")
    if metric == COST and priced is None:
        raise OptionError(
            f"metric={metric!r} needs costs, but none were passed. Pass costs= (--costs), or another metric."
        )
    return metric


def _checked_settings(settings: Settings, examples: Examples, metric: str, repeats: int, nested: bool) -> Settings:
    """Return the settings, with the metric of the trials if hyperparameters are tuned.

    Raise an OptionError for a nested comparison with repeats or with rows in time order. Tuning needs Optuna.
    """
    if settings.tune:
        check_tuning()
    elif settings.tune_steps is not None:
        raise OptionError("tune_steps= (--tune-steps) requires tune= (--tune), the number of trials. Add tune=.")
    if nested and repeats > 1:
        raise OptionError(f"nested=True and repeats={repeats} cannot be combined. Remove repeats=.")
    if nested and examples.time is not None:
        raise OptionError(
            "nested=True cannot be combined with time=, because folds in time order train only on the past. "
            "Remove nested=."
        )
    # Trials are scored on sampled elements, where Dice is F1; overlaps of whole rows are not measured there. Costs are
    # those of decisions; the values of a trial are chosen by the probabilities that are decided.
    tuned = "f1" if metric in REGION_KEYS else "log_loss" if metric == COST else metric
    return replace(settings, tune_metric=tuned) if settings.tune else settings

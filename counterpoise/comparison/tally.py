"""Fold results to numbers: scores and confusion counts per fold for the judge; rows, data and curves for the record.

The keys of rows and "data" are saved in leaderboard.json, those of curves in the store; `report` draws by all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.comparison.costs import COST, AnyCosts, mean_cost, pooled_cost
from counterpoise.comparison.verdict import Judgment
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.json_values import finite_or_none
from counterpoise.core.rule import Rule
from counterpoise.core.target import Problem
from counterpoise.core.threads import map_in_threads
from counterpoise.data.reading_notes import rarer_class_notes
from counterpoise.data.unit_columns import mixed_units
from counterpoise.metrics.cost_scores import largest_share
from counterpoise.metrics.decision_scores import confusion, default_decision, per_class
from counterpoise.metrics.members import mean_table, member_table
from counterpoise.metrics.rank_scores import average_precision, rank_scores
from counterpoise.metrics.regions import region_curves, region_scores
from counterpoise.pipeline.budget import TrainingLength
from counterpoise.pipeline.scoring import scores_of
from counterpoise.report.curves import curves_of, curves_of_labels, rarest_codes
from counterpoise.targets.kinds import target_of
from counterpoise.targets.shares import shares_of

Array = np.ndarray
#: Ends of the keys of decision scores: by the fitted rule; by the most probable class; by that of uncorrected outputs.
DECISION_SUFFIXES = ("", "_default", "_uncorrected")


def fold_scores(results: Sequence[FoldResult], examples: Examples) -> dict[str, Array]:
    """Return metric key -> float (R K,), one score per result, repeat after repeat."""
    rows = [
        scores_of(examples, result.rows, result.proba, result.raw, result.decision)
        | region_scores(result.regions, examples.weights_of(result.rows))
        for result in results
    ]
    scores = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    if results[0].cost is not None:
        scores[COST] = np.array([mean_cost(result, examples.weights_of(result.rows)) for result in results])
    return scores


def fold_counts(results: Sequence[FoldResult], examples: Examples) -> dict[str, Array]:
    """Return suffix (see `DECISION_SUFFIXES`) -> confusion matrices (R K, C, C), [true, decided], one per result.

    The user's weights are scaled to a mean of 1 over the rows that have weight, so that the counts of all results
    together are numbers of rows. The dict is empty if there are several problems (labels), because their tables do not
    add up.
    """
    own = None if examples.sample_weight is None else np.concatenate([examples.sample_weight[r.rows] for r in results])
    scale = 1.0 if own is None else float(np.mean(own[own > 0]))
    out: dict[str, list[Array]] = {suffix: [] for suffix in DECISION_SUFFIXES}
    for result in results:
        problem, *others = _problems_with_rows(examples, result.rows)
        if others:
            return {}
        weights = problem.of_rows(examples.scored_weights(result.rows))
        weights = None if weights is None else weights / scale
        # 1 is the positive class, here as everywhere with two classes.
        default = (default_decision(problem.proba(p), 1) for p in (result.proba, result.raw))
        for suffix, decision in zip(DECISION_SUFFIXES, (problem.decision(result.decision), *default), strict=True):
            out[suffix].append(confusion(problem.y, decision, len(problem.classes), sample_weight=weights))
    return {suffix: np.array(matrices) for suffix, matrices in out.items()}


def pooled_counts(counts: Mapping[str, Mapping[str, Array]], examples: Examples) -> dict[str, Mapping[str, Array]]:
    """Return the counts (strategy -> `fold_counts`) that intervals are made from.

    Elements of a row are not independent, so their counts must not be pooled for intervals.
    """
    if target_of(examples).per_element:
        return {}
    return {name: tables for name, tables in counts.items() if tables}


def strategy_row(
    results: Sequence[FoldResult],
    examples: Examples,
    judgment: Judgment,
    costs: AnyCosts | None = None,
    tuned: Sequence[Mapping[str, float]] = (),
    parts: Sequence[str] = (),
    training: TrainingLength | None = None,
) -> dict[str, Any]:
    """Return one row of leaderboard.json for a strategy that ran.

    Args:
        results: Its results, one per repeat and fold.
        judgment: That of the whole comparison.
        costs: What decisions cost, or None.
        tuned: Hyperparameters chosen in each fold, if any were tuned.
        parts: Names of the members of an ensemble.
        training: Its limit of steps, and whether the limit cut it off.
    """
    name = results[0].strategy
    judged = judgment.row(name)
    return {
        "strategy": name,
        "rank": judged["rank"],
        "status": "ok",
        "error": None,
        "fits": sum(c.fits for c in results),
        "steps": sum(c.steps for c in results),
        "limit": 0 if training is None else training.limit,
        "cut_off": None if training is None else training.cut_off,
        "rows_seen": sum(c.rows_seen for c in results),
        "seconds": sum(c.seconds for c in results),
        "seconds_shared": sum(c.seconds_shared for c in results),
        "memory_mb": max(c.memory for c in results) / 2**20,
        "cost": None if costs is None else pooled_cost(results, examples),
        "largest_cost_share": None if costs is None else _largest_cost_share(results, examples),
        "thresholds": fold_thresholds(results),
        "scores": judged["scores"],
        "skill_below_0": bool((judged["scores"]["skill"]["mean"] or 0.0) < 0),
        "per_class": class_scores(results, examples),
        "vs_none": judged["vs_none"],
        "duplicate_free": duplicate_free_score(results, examples),
        "rule_notes": _rule_notes(results[0], examples),
        "corrections": correction_names(results),
        "tuned": [dict(values) for values in tuned],
        "members": member_scores(results, examples, parts),
    }


def fold_thresholds(results: Sequence[FoldResult]) -> list[float | None]:
    """Return the decision threshold of each result, or None where a fold has no rule or no single threshold."""
    return [None if r.rule is None or not isinstance(r.rule, Rule) else r.rule.threshold for r in results]


def failed_row(strategy: str, rank: int, error: str, status: str = "failed", steps: int = 0) -> dict[str, Any]:
    """Return one row of leaderboard.json for a strategy that failed or was stopped early.

    It must have all keys of `strategy_row`. `steps` is the limit at which it was stopped; every score is empty.
    """
    zero = ("fits", "steps", "limit", "cut_off", "rows_seen", "seconds", "seconds_shared", "memory_mb")
    numbers: dict[str, Any] = {**dict.fromkeys(zero, 0), "steps": steps, "limit": steps, "cut_off": None}
    numbers |= {"cost": None, "largest_cost_share": None}
    parts: dict[str, Any] = {
        "thresholds": [],
        "scores": {},
        "skill_below_0": False,
        "per_class": [],
        "vs_none": {},
        "duplicate_free": None,
    }
    parts |= {"rule_notes": [], "corrections": [], "tuned": [], "members": []}
    return {"strategy": strategy, "rank": rank, "status": status, "error": error, **numbers, **parts}


def member_scores(results: Sequence[FoldResult], examples: Examples, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the scores of each member of an ensemble alone, on the test rows of all folds.

    With fewer than two names the list is empty. Over several problems the table is the mean of theirs (see
    `metrics.members.member_table`).
    """
    if len(names) < 2:
        return []
    rows = np.concatenate([c.rows for c in results])
    log_p = np.concatenate([np.stack(c.member_proba) for c in results], axis=1)  # (members, rows of all folds, C)
    given = [c.member_weights for c in results if c.member_weights is not None]
    weights = np.mean(given, axis=0) if given else None
    row_weights = examples.scored_weights(rows)

    def table(p: Problem) -> list[dict[str, Any]]:
        """Return the table of one problem."""
        return member_table(names, p.log_p(log_p), p.y, weights=weights, sample_weight=p.of_rows(row_weights))

    return mean_table(map_in_threads(table, _problems_with_rows(examples, rows)))


def duplicate_free_score(results: Sequence[FoldResult], examples: Examples) -> dict[str, Any] | None:
    """Return the average precision on test rows that have no duplicate among the training rows.

    The entries are the number of these rows, the number of folds where they contain every class, and the mean over
    these folds. None if it is not known of all folds which rows are duplicates.
    """
    scores = []
    for result in results:
        if result.duplicate_free is None:
            return None
        free = result.rows[result.duplicate_free]
        problems, weights = _problems_with_rows(examples, free), examples.scored_weights(free)
        if problems and all(len(np.unique(p.y)) == len(p.classes) for p in problems):
            alone = result.proba[result.duplicate_free]
            scores.append(_mean_average_precision(problems, alone, weights))
    rows = int(sum(np.sum(c.duplicate_free) for c in results if c.duplicate_free is not None))
    return {"rows": rows, "folds": len(scores), "average_precision": float(np.mean(scores)) if scores else None}


def _mean_average_precision(problems: Sequence[Problem], proba: Array, weights: Array | None) -> float:
    """Return the mean over problems of the average precision of the probabilities of their rows."""

    def score(p: Problem) -> float:
        return average_precision(p.y, p.proba(proba), sample_weight=p.of_rows(weights))

    return float(np.mean(map_in_threads(score, problems)))


def report_curves(results: Sequence[FoldResult], examples: Examples) -> dict[str, Any]:
    """Return the curves that the report draws for a strategy, of the test rows of the first repeat, each scored once.

    Weighted rows or elements are replaced by a sample drawn in proportion to their weights, because the curves count
    cases.
    """
    first = [c for c in results if c.repeat == 0]
    rows = np.concatenate([c.rows for c in first])
    raw, proba, decision = (np.concatenate([getattr(c, f) for c in first]) for f in ("raw", "proba", "decision"))
    groups = None if examples.groups is None else examples.groups[rows]
    labels = [str(c) for c in examples.classes]
    problems = _problems_with_rows(examples, rows)
    parts = [(p.y, p.proba(raw), p.proba(proba), p.decision(decision)) for p in problems]
    weights = examples.scored_weights(rows)
    if weights is not None and np.ptp(weights) > 0:
        drawn = [_drawn_cases(p.y, np.asarray(p.of_rows(weights))) for p in problems]
        parts = [tuple(values[cases] for values in part) for part, cases in zip(parts, drawn, strict=True)]
        whole = rows if groups is None else groups
        groups_of = [np.asarray(p.of_rows(whole))[cases] for p, cases in zip(problems, drawn, strict=True)]
    else:
        groups_of = [p.of_rows(groups) for p in problems]
    if problems[0].index is None:
        block = curves_of(*parts[0], labels, examples.positive, groups=groups_of[0])
    else:
        named = [p.name for p in problems]
        label_groups = None if groups_of[0] is None else dict(zip(named, groups_of, strict=True))
        block = curves_of_labels(dict(zip(named, parts, strict=True)), label_groups)
    regions = [c.regions for c in first if c.regions is not None]
    block |= region_curves(regions, labels, examples.weights_of(rows)) if regions else {}
    histories = [h for h in first[0].history if h.get("stop_loss")]
    rarest = {int(code): labels[code] for code in rarest_codes(examples.counts)}
    return block | ({"history": _history_curves(histories, rarest)} if histories else {})


def drawn_by_weight(weights: Array) -> Array:
    """Return as many case numbers as there are weights, each case as often as it weighs compared with the mean.

    They are taken at even steps of the sum of weights, without random draws.

    Example:
        >>> drawn_by_weight(np.array([1.0, 1.0, 2.0, 0.0])).tolist()
        [0, 1, 2, 2]
    """
    upto = np.cumsum(weights)
    return np.searchsorted(upto, (np.arange(len(weights)) + 0.5) * (upto[-1] / len(weights)))


def _drawn_cases(y: Array, weights: Array) -> Array:
    """Return the numbers of `drawn_by_weight`, and one case of each class that weighs too little to be drawn."""
    cases = drawn_by_weight(weights)
    lost = np.setdiff1d(y, y[cases])
    return np.sort(np.concatenate([cases, [np.flatnonzero(y == code)[0] for code in lost]]).astype(np.int64))


def _history_curves(histories: Sequence[Mapping[str, list[float]]], labels: Mapping[int, str]) -> dict[str, Any]:
    """Return stopping score and recall of each class (code -> label) by step, one list per member of one fold."""
    recall = [
        {"label": label, "members": [h.get(f"recall {code}", []) for h in histories]} for code, label in labels.items()
    ]
    longest = max((h["step"] for h in histories), key=len)
    return {"steps": longest, "stop_loss": [h["stop_loss"] for h in histories], "recall": recall}


def dropped_notes(examples: Examples, used: Array) -> list[str]:
    """Return sentences on duplicate rows that `duplicates="drop"` left out: those not among the `used` rows.

    One is on the positive class, which was chosen before: it may be the more frequent one of the rest.
    """
    dropped = len(examples) - len(used)
    if not dropped:
        return []
    left_out = "1 duplicate row was" if dropped == 1 else f"{dropped:,} duplicate rows were"
    notes = [f"{left_out} left out (duplicates='drop'), so {len(used):,} rows remain."]
    problem, *others = _problems_with_rows(examples, used)
    if not others and len(problem.classes) == 2:
        target = target_of(examples)
        before, now = (
            [c["count"] for c in shares_of(target, y, examples.classes)] for y in (examples.y, examples.y[used])
        )
        notes += rarer_class_notes(examples.classes, before, now, "In the remaining rows,")
    return notes


def data_block(examples: Examples, used: Array | None = None) -> dict[str, Any]:
    """Return the "data" part of leaderboard.json, of the `used` rows (None: all); "duplicates" counts in all rows."""
    schema = examples.schema
    repeated = None if examples.duplicate_ids is None else int(len(examples) - len(np.unique(examples.duplicate_ids)))
    examples = examples if used is None or len(used) == len(examples) else examples.subset(used)
    problem, *others = _problems_with_rows(examples, np.arange(len(examples)))
    positive = None if others or len(problem.classes) > 2 else str(examples.classes[examples.positive])
    return {
        "source": examples.source,
        "rows": len(examples),
        "columns": None if schema is None else len(schema.columns),
        "target": None if schema is None else schema.target,
        "positive": positive,
        "excluded_columns": [] if schema is None else [{"name": c.name, "reason": c.kind} for c in schema.excluded],
        "duplicates": repeated,
        "kind": examples.kind,
        "units": units_block(examples),
        "classes": shares_of(target_of(examples), examples.y, examples.classes, examples.sample_weight),
    }


def units_block(examples: Examples) -> dict[str, Any] | None:
    """Return columns, number and classes of the units; None if rows are decided."""
    units = examples.units
    if units is None:
        return None
    y = units.labels(examples.y)
    return {
        "columns": list(units.columns),
        "aggregate": units.aggregate,
        "count": len(units),
        "mixed": mixed_units(units, examples.y),
        "classes": shares_of(target_of(examples), y, examples.classes, examples.as_units().sample_weight),
    }


def _problems_with_rows(examples: Examples, rows: Array) -> tuple[Problem, ...]:
    """Return the problems (see `core.target.Problem`) that have at least one of these rows."""
    problems = target_of(examples).problems(examples.scored_labels(rows), examples.classes)
    return tuple(p for p in problems if len(p.rows))


def class_scores(results: Sequence[FoldResult], examples: Examples) -> list[dict[str, Any]]:
    """Return recall, precision and support of every class, or of every label with its own scores and threshold."""
    rows, decision, proba = (np.concatenate([getattr(c, f) for c in results]) for f in ("rows", "decision", "proba"))
    problems = _problems_with_rows(examples, rows)
    if problems[0].index is None:
        (problem,), sample, n = problems, examples.sample, len(examples.classes)
        weights = problem.of_rows(examples.scored_weights(rows))
        recall, precision, _ = per_class(problem.y, problem.decision(decision), n, sample_weight=weights)
        # Rows are counted without the user's weights, as in the other tables.
        counted = None if sample is None else problem.of_rows(sample.weights[rows])
        support = np.bincount(problem.y, counted, n)
        table = zip(examples.classes, recall, precision, support, strict=True)
        return [
            {"label": str(label), "recall": finite_or_none(r), "precision": finite_or_none(p), "support": int(s)}
            for label, r, p, s in table
        ]
    weights = examples.scored_weights(rows)
    return map_in_threads(lambda p: _label_row(p, proba, decision, results, p.of_rows(weights)), problems)


def _label_row(
    problem: Problem, proba: Array, decision: Array, results: Sequence[FoldResult], weights: Array | None
) -> dict[str, Any]:
    """Return the entry of one label in `class_scores`, over all test rows where it is known.

    "known" is the number of these rows, "share" that of positives among them, both without weights. "threshold" is the
    median over the folds, or None if no fold has a rule.
    """
    recall, precision, _ = per_class(problem.y, problem.decision(decision), 2, sample_weight=weights)
    ranks = rank_scores(problem.y, problem.proba(proba), sample_weight=weights)
    cuts = [result.rule.problem_rules[problem.index or 0].threshold for result in results if result.rule is not None]
    return {
        "label": problem.name,
        "recall": finite_or_none(recall[1]),
        "precision": finite_or_none(precision[1]),
        "support": int(problem.y.sum()),
        "known": len(problem.rows),
        "share": float(np.mean(problem.y)),
        "average_precision": finite_or_none(ranks["average_precision"]),
        "roc_auc": finite_or_none(ranks["roc_auc"]),
        "threshold": float(np.median([cut for cut in cuts if cut is not None])) if cuts else None,
    }


def _largest_cost_share(results: Sequence[FoldResult], examples: Examples) -> float | None:
    """Return the share of all costs, weighted as the mean cost is, that one row of the first repeat has at most."""
    first = [r for r in results if r.repeat == 0 and r.cost is not None]
    rows, cost = (np.concatenate([getattr(r, name) for r in first]) for name in ("rows", "cost"))
    weights = examples.weights_of(rows)
    return finite_or_none(largest_share(cost if weights is None else cost * weights))


def correction_names(results: Sequence[FoldResult]) -> list[str]:
    """Return the names of the corrections that the rules of the folds apply to probabilities, in their order."""
    rules = [rule for result in results if result.rule is not None for rule in result.rule.problem_rules]
    return list(dict.fromkeys(step for rule in rules for step in _rule_corrections(rule)))


def _rule_corrections(rule: Rule) -> Iterator[str]:
    """Yield the names of the corrections that one rule applies, in their order."""
    if rule.gammas is not None and np.any(rule.gammas):
        yield "focal loss"
    if np.ptp(rule.log_shifts, axis=-1).any():  # one constant for all classes changes nothing
        yield "prior shift"
    if rule.intercept is not None:
        yield "intercept"
    if rule.calibrator is not None:
        yield f"calibrator ({rule.calibrator['kind']})"


def _rule_notes(result: FoldResult, examples: Examples) -> list[str]:
    """Return the notes of fitting the rule of a fold, label by label if there are several."""
    if result.rule is None:
        return []
    names = [p.name for p in target_of(examples).problems(examples.y[:0], examples.classes)]  # needs no rows
    rules = zip(names, result.rule.problem_rules, strict=True)
    return [f"{name}: {note}" if name else note for name, rule in rules for note in rule.notes]

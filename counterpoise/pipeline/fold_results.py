"""Members to results: the rule of a fold, fitted on the other folds, and its decisions for the fold's test rows.

No label of a fold may enter the rule that decides this fold: `fitting_folds` chooses the folds that fit it. In this
file, scores are log-probabilities after the correction (`corrected_log_p`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.folds import Fold
from counterpoise.core.job import Member
from counterpoise.core.target import Target
from counterpoise.decide.aim import WHOLE_ROW_AIMS, Aim
from counterpoise.decide.calibrate import NEEDED
from counterpoise.networks.member_outputs import strategy_weights
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Rows that fit a rule: their numbers (n,), members that did not train on these rows, and their corrected scores
#: (members, n, ...).
FittingPart = tuple[Array, Sequence[Member], Array]


def fit_rule(
    target: Target, strategy: Strategy, log_p: Array, y: Array, members: Sequence[Member],
    weights: Array | None = None, tune_threshold: bool = True, lesions: Array | None = None,
) -> Any:  # fmt: skip
    """Return the rule of a strategy, fitted on scores of rows not used for training.

    `log_p` are corrected log-probabilities (members, N, ...), and `y` codes of the same rows. `lesions` is the table of
    lesions that thresholds find in these rows, for an aim that needs it (`whole_rows.lesion_tables`).

    The baseline keeps 0.5, or the most probable class, without a correction, as is common practice. Only if a loss of
    the user has an unknown effect, its probabilities are corrected. Without `tune_threshold`, the threshold of other
    strategies stays at the default too, but their probabilities are checked.
    """
    # `shares` are the weights of the members in the pool, or None.
    vote, shares = strategy.pooling
    aim = Aim.parse(strategy.aim if tune_threshold else "argmax")
    rule = target.fit_rule(
        log_p,
        y,
        np.stack([m.log_shift for m in members]),
        vote=vote,
        weights=shares,
        aim="f1" if aim.name in WHOLE_ROW_AIMS else aim,
        check_intercept=strategy.aim != "argmax" or any(m.needs_calibration for m in members),
        calibrate=lambda codes: calibrator_to_try(members, codes),
        sample_weight=weights,
        gammas=[m.gamma for m in members],
    )
    if aim.name not in WHOLE_ROW_AIMS:
        return rule
    scores = {} if lesions is None else {"lesions": lesions}
    return target.choose(rule, scores, {aim.name: aim.values}, None, range(len(rule.prior)))


def calibrator_to_try(members: Sequence[Member], y: Array) -> str | None:
    """Return the kind of calibrator that a rule tries, or None. It is kept only if it lowers the held-out log loss.

    "auto" if the loss or the rows of a network changed more than the class shares. After a known shift: one slope (with
    an intercept if there are enough rows of each class), because such networks are often overconfident. A slope changes
    no ranking, but a curve lowers average precision (`make bench-decide` has the numbers). None for the baseline.
    """
    if any(m.needs_calibration for m in members):
        return "auto"
    if not any(np.any(m.log_shift != 0) or m.member_shifts is not None for m in members):
        return None
    return "platt" if np.bincount(y).min() >= NEEDED["platt"] else "temperature"


def corrected_log_p(target: Target, member: Member) -> Array:
    """Return log-probabilities of a member for its score rows, float64 (N, ...), corrected for loss and prior shift."""
    return target.log_p(member.logits, member.log_shift, member.gamma)


def probabilities_by_member(members: Sequence[Member], log_p: Array, rule: Any) -> tuple[Array, Array | None]:
    """Return corrected probabilities of each member strategy for the score rows (M, N, ...), and their pool weights.

    `log_p` are the corrected scores of the members. The weights are (M,), or None if equal.
    A batch ensemble is one member of the run, but contains the outputs of several member strategies.
    """
    if len(members) == 1 and members[0].member_outputs is not None and members[0].member_shifts is not None:
        outputs = members[0].member_outputs
        return outputs, strategy_weights(len(members[0].member_shifts), len(outputs))
    return np.exp(log_p), rule.weights


def out_of_fold_scores(examples: Examples, folds: Sequence[Fold], scores: Sequence[Array], repeats: int) -> Array:
    """Return the scores of all folds as one array (repeats, M, N, ...), NaN for rows that no fold tests.

    `scores` are those of the test rows of each fold, (M, T, ...).
    """
    out = np.full((repeats, len(scores[0]), len(examples), *scores[0].shape[2:]), np.nan)
    for fold, own in zip(folds, scores, strict=True):
        out[fold.repeat][:, fold.test] = own
    return out


def cross_fitted_rule(
    strategy: Strategy, examples: Examples, folds: Sequence[Fold], index: int, log_p: Array, members: Sequence[Member],
    lesions: Array | None = None,
) -> Any:  # fmt: skip
    """Return the rule of fold number `index`, fitted on the other folds of its repeat (see `fitting_folds`).

    With a split of the user, it is fitted on the validation rows. `log_p` is as `out_of_fold_scores` returns it.
    """
    scores, rows = fitting_scores(examples, folds, index, log_p, members)
    labels, weights = examples.scored_labels(rows), examples.scored_weights(rows)
    return fit_rule(target_of(examples), strategy, scores, labels, members, weights, lesions=lesions)


def fitting_scores(
    examples: Examples, folds: Sequence[Fold], index: int, log_p: Array, members: Sequence[Member]
) -> tuple[Array, Array]:
    """Return the scores (members, M, ...) that fit the rule of a fold, and the rows (M,)."""
    fold = folds[index]
    if examples.split is not None:
        return np.stack([stopping_log_p(target_of(examples), member) for member in members]), fold.stop
    rows = np.concatenate([folds[other].test for other in fitting_folds(examples, folds, index)])
    return log_p[fold.repeat][:, rows], rows


def fitting_folds(examples: Examples, folds: Sequence[Fold], index: int) -> list[int]:
    """Return the numbers of the folds whose scores fit the rule of fold number `index`.

    They are the other folds of its repeat. With a split of the user, it is the only fold itself.
    """
    if examples.split is not None:
        return [index]
    own = folds[index]
    return [number for number, fold in enumerate(folds) if fold.repeat == own.repeat and fold.index != own.index]


def fitting_parts(
    target: Target, examples: Examples, folds: Sequence[Fold], members: Sequence[Sequence[Member]],
    scores: Sequence[Array],
) -> list[FittingPart]:  # fmt: skip
    """Return the rows of each fold that fit rules, with members and scores (see `FittingPart`).

    The rows are the test rows of the fold. With a split of the user, they are the validation rows.
    """
    if examples.split is None:
        return [(fold.test, own, log_p) for fold, own, log_p in zip(folds, members, scores, strict=True)]
    return [
        (fold.stop, own, np.stack([stopping_log_p(target, member) for member in own]))
        for fold, own in zip(folds, members, strict=True)
    ]


def stopping_log_p(target: Target, member: Member) -> Array:
    """Return log-probabilities as `corrected_log_p` does, but for the early-stopping rows."""
    return target.log_p(member.stop_logits, member.log_shift, member.gamma)


def make_fold_result(
    strategy: Strategy, examples: Examples, fold: Fold, rule: Any, members: list[Member], log_p: Array,
    shared: list[bool],
) -> FoldResult:  # fmt: skip
    """Return the result of a fold: its test rows, decided by the rule and its members.

    `log_p` are the corrected scores of the members for these rows (members, T, ...). `shared` says of each member
    whether other strategies use it too.
    """
    target, logits = target_of(examples), [m.logits for m in members]
    decided = target.apply(rule, log_p)
    seconds = [m.seconds for m in members]
    member_proba, weights = probabilities_by_member(members, log_p, rule)
    return FoldResult(
        strategy=strategy.name,
        repeat=fold.repeat,
        fold=fold.index,
        rows=fold.test,
        raw=target.raw(logits),
        proba=decided.proba,
        decision=decided.decision,
        rule=rule,
        duplicate_free=_duplicate_free(examples, fold),
        fits=len(members),
        steps=sum(m.steps for m in members),
        rows_seen=sum(m.rows_seen for m in members),
        seconds=sum(seconds),
        seconds_shared=sum(s for s, more in zip(seconds, shared, strict=True) if more),
        history=tuple(m.history for m in members),
        member_proba=tuple(member_proba),
        member_weights=weights,
        memory=max(m.memory for m in members),
    )


def _duplicate_free(examples: Examples, fold: Fold) -> Array | None:
    """Return which test rows have no duplicate in training, bool (T,), or None if features could not be compared."""
    if examples.duplicate_ids is None:
        return None
    seen = examples.duplicate_ids[fold.all_training().train]
    return ~np.isin(examples.duplicate_ids[fold.test], seen)


def stacked_scores(log_p: Array) -> tuple[Array, Array]:
    """Return out-of-fold scores of all repeats (members, M, ...), and their rows (M,).

    `log_p` is (repeats, members, N, ...), as `out_of_fold_scores` returns it; rows with NaN are left out.
    """
    pairs = [
        (scores[:, rows], rows)
        for scores in log_p
        for rows in [np.flatnonzero(~np.isnan(scores[0].reshape(scores.shape[1], -1)[:, 0]))]
    ]
    rows = np.concatenate([r for _, r in pairs])
    return np.concatenate([s for s, _ in pairs], axis=1), rows

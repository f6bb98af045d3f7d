"""Several labels per row, each 0, 1 or not known (-1): a problem of two classes for each, on one network.

What is fitted for one class of two is fitted label by label, on the rows where the label is known: shift, intercept,
calibrator and threshold. Scores of the whole are means over the labels. `kind` is saved in model files; the names in
`LOSSES` are part of a job's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.label_columns import as_in_training
from counterpoise.core.logits import softplus
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.target import Problem, TargetColumns
from counterpoise.core.threads import map_in_threads
from counterpoise.core.units import Units
from counterpoise.decide.prior import unshift
from counterpoise.decide.rule import Decision
from counterpoise.decide.rule_fields import rule_to_dict
from counterpoise.losses.best_constant import best_label_constants
from counterpoise.losses.multilabel import Asymmetric, MultiLabelFocal
from counterpoise.metrics.rank_scores import rank_scores
from counterpoise.plans import class_plans
from counterpoise.plans.label_plan import LabelPlan, joined_label_plans, label_plan
from counterpoise.plans.multilabel import clone_labels
from counterpoise.plans.plan import Plan
from counterpoise.targets import label_decisions, new_labels, strategy_sets
from counterpoise.targets.label_decisions import with_pooled_thresholds
from counterpoise.targets.label_rules import LabelRuleLayer, rules_of
from counterpoise.targets.one_of import OneOf

Array = np.ndarray

#: name -> Keras loss taking (y (N, L) of zeros and ones, logits (N, L)), made of the constants.
LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": partial(MultiLabelFocal, gamma=0.0),
    "focal": MultiLabelFocal,
    "asymmetric": Asymmetric,
}
#: The target of one class per row, as which each label is fitted, scored and decided.
_TWO = OneOf()


class Labels:
    """Several labels per row (see `core.target.Target`, which describes each method).

    Labels y are int (N, L): 1, 0, or -1 where a label is not known. Log-probabilities are (N, L, 2), and what a
    classifier puts out is (N, L).
    """

    kind = "labels"
    independent = many_per_row = True
    per_element = False
    what = "several labels"
    default = strategy_sets.DEFAULT["labels"]
    strategies = strategy_sets.ALL["labels"]
    losses: Mapping[str, Callable[..., Any]] = LOSSES

    def widths(self, n: int) -> tuple[int, ...]:
        """Return (n,): an output has one sigmoid unit per label."""
        return (n,)

    def shape(self, n: int) -> tuple[int, ...]:
        """Return the shape of the log-probabilities of n labels, (n, 2): without and with each."""
        return (n, 2)

    def scored_shape(self, y: Array, n: int) -> tuple[int, ...]:
        """Return the shape (N, n, 2) of the log-probabilities of labels y (N, n)."""
        return (len(y), *self.shape(n))

    def fits(self, shape: tuple[int | None, ...], n: int) -> bool:
        """Return whether an output has the shape (batch, n)."""
        return len(shape) == 2 and shape[1] in self.widths(n)

    def counts(self, y: Array, n: int, weights: Array | None = None) -> Array:
        """Return rows without and with each label, (L, 2); with weights their float sums."""
        each = 1 if weights is None else weights.reshape(len(y), -1)
        return np.stack([(each * (y == code)).sum(axis=0) for code in (0, 1)], axis=1)

    def are_labels(self, y: Array, n: int) -> bool:
        """Return whether y are whole numbers (N, n) from -1 to 1, of at least one row."""
        fits = y.ndim == 2 and y.shape[1] == n and y.dtype.kind in "iu"
        return bool(fits and len(y) and y.min() >= -1 and y.max() <= 1)

    def codes(self, given: Any, classes: Array) -> Array:
        """Return labels of new rows as codes (N, L) in the order of `classes`; -1: not known."""
        return new_labels.several_codes(given, classes)

    def columns_of(self, schema: Any, classes: Sequence[Any], options: Mapping[str, str]) -> TargetColumns:
        """Return the columns of a table with the labels, read as in training.

        They are one column per label, with its name, or one column that contains all labels of a row.
        """
        return as_in_training(options.get("column", [str(name) for name in classes]), options.items())

    def problems(self, y: Array, classes: Sequence[Any]) -> tuple[Problem, ...]:
        """Return one problem of two classes for each label, over the rows where it is known."""
        rows_of = [np.flatnonzero(column >= 0) for column in y.T]
        return tuple(Problem(rows, y[rows, i], (0, 1), str(classes[i]), i) for i, rows in enumerate(rows_of))

    def labeled(self, log_p: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        """Return log-probabilities, labels and weights of the rows where all labels are known."""
        rows = (y >= 0).all(axis=1)
        return log_p[rows], y[rows], None if weights is None else weights[rows]

    def plan(self, make: Callable[..., Plan], y: Array, n: int, sample_weight: Array | None) -> LabelPlan:
        """Return the plan of `make` over all labels, each with the weights of its own plan.

        Raises:
            OptionError: The plan does more than to weight rows, and is not oversampling; or oversampling has options.
        """
        # Oversampling draws whole rows by all of their labels; any other plan is made label by label.
        if _plan_function(make) is class_plans.oversample:
            if given := getattr(make, "keywords", None):
                raise OptionError(
                    f"{next(iter(given))}= of oversample has no effect on several labels per row, because whole rows "
                    "are repeated until an epoch has grown by a quarter. Leave it out."
                )
            drawing = clone_labels((y == 1).astype(np.uint8))
            return label_plan(y, np.ones((n, 2)), name="oversample", drawing=drawing, sample_weight=sample_weight)
        weights = [None if sample_weight is None else sample_weight[p.rows] for p in self.problems(y, range(n))]
        plans = [
            make(p.y, sample_weight=w, classes=p.classes)
            for p, w in zip(self.problems(y, range(n)), weights, strict=True)
        ]
        return joined_label_plans(plans, y, sample_weight)

    def weighted(self, loss: tuple[str, Mapping[str, Any]], plan: Plan) -> tuple[str, Mapping[str, Any]]:
        """Return the loss unchanged: the weights of a plan over labels are weights of the batches."""
        return loss

    def weight_axes(self, units: int, n_members: int) -> tuple[int, ...]:
        """Return (units,): each row of a batch has one weight per label."""
        return (units,)

    def start(self, loss: Any, shares: Array, units: int) -> Array | None:
        """Return the constant logits, float64 (L,), that minimize a loss; `shares` are (L, 2)."""
        return best_label_constants(loss, shares)

    def log_p(self, logits: Array, log_shift: Array, gamma: float = 0.0) -> Array:
        """Return log-probabilities, float64 (N, L, 2), of logits (N, L), corrected.

        The focal loss `gamma` and the training shift (L, 2) are undone.
        """
        if not gamma:
            corrected = unshift(logits, log_shift)
            return -softplus(np.stack([corrected, -corrected], axis=-1))
        columns = zip(np.asarray(logits).T, np.asarray(log_shift), strict=True)
        # `_TWO` takes one logit (N, 1) per row: each label is a problem of two classes.
        return np.stack([_TWO.log_p(z[:, None], shift, gamma) for z, shift in columns], axis=1)

    def output(self, log_p: Array, units: int, probabilities: bool) -> Array:
        """Return probabilities of presence, or their log-odds, float32 (N, L)."""
        out = np.exp(log_p[..., 1]) if probabilities else log_p[..., 1] - log_p[..., 0]
        return out.astype(np.float32)

    def with_intercept(self, log_p: Array, y: Array, weights: Array | None = None) -> Array:
        """Return log-probabilities (N, L, 2) with the intercept that fits each label best."""
        out = log_p.copy()
        for p in self.problems(y, range(y.shape[1])):
            if len(p.rows):
                out[p.rows, p.index] = _TWO.with_intercept(log_p[p.rows, p.index], p.y, p.of_rows(weights))
        return out

    def log_loss(self, log_p: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean log loss of the labels on their known rows; nan if there are none."""
        losses = self._value_of_each(_TWO.log_loss, log_p, y, weights)
        return float(np.mean(losses)) if losses else float("nan")

    def stopping(self, log_p: Array, y: Array, on: str, weights: Array | None = None) -> tuple[Array, float]:
        """Return the early-stopping loss of each row, float64 (N,), and one number for all.

        `on` is what stopping looks at (see `early_stopping.Score`). Labels without known rows are left out.
        """
        losses, missed = np.zeros(len(y)), list[float]()
        counted = [p for p in self.problems(y, range(y.shape[1])) if _total_weight(p, weights) > 0]
        for p in counted:
            # A label counts for its rows so that the mean over all rows is the mean over the labels.
            own, miss = _TWO.stopping(log_p[p.rows, p.index], p.y, on, p.of_rows(weights))
            losses[p.rows] += own * len(y) / (len(p.rows) * len(counted))
            missed.append(miss)
        return losses, float(np.mean(missed)) if missed else 0.0

    def recalls(self, log_p: Array, y: Array, weights: Array | None = None) -> dict[int, float]:
        """Return number of a label -> recall of its rows, for labels that have some."""
        recalls = [
            _TWO.recalls(log_p[p.rows, p.index], p.y, p.of_rows(weights)) for p in self.problems(y, range(y.shape[1]))
        ]
        return {index: both[1] for index, both in enumerate(recalls) if 1 in both}  # of the rows with the label

    def fit_rule(
        self, log_p: Array, y: Array, log_shifts: Array, *, calibrate: Callable[[Array], str | None], **how: Any
    ) -> LabelRules:
        """Return a rule for each label, fitted on the rows where it is known.

        `log_p` are member scores (M, N, L, 2), `log_shifts` (M, L, 2). Labels with few positives share a threshold.
        """
        weights, shifts = how.pop("sample_weight", None), np.asarray(log_shifts)
        problems = self.problems(y, range(y.shape[1]))

        def fit(p: Problem) -> Rule:
            """Return the rule of one label."""
            own, scores = p.of_rows(weights), p.log_p(log_p)
            return _TWO.fit_rule(scores, p.y, shifts[:, p.index], calibrate=calibrate, sample_weight=own, **how)

        rules = map_in_threads(fit, problems)
        return with_pooled_thresholds(LabelRules(tuple(rules)), log_p, problems, weights)

    def apply(self, rule: LabelRules, log_p: Array, column_values: Array | None = None) -> Decision:
        """Return probabilities and decisions, (N, L) each, from member scores (M, N, L, 2)."""
        # One rule per label, on the scores of the members for it, (M, N, 2).
        decisions = [_TWO.apply(one, log_p[:, :, index]) for index, one in enumerate(rule.problem_rules)]
        return Decision(
            np.stack([one.proba[:, 1] for one in decisions], axis=1),
            np.stack([one.decision for one in decisions], axis=1),
        )

    def unit_proba(self, proba: Array, units: Units) -> Array:
        """Return probabilities of units (U, L), the mean or largest of their rows."""
        return units.mean(proba) if units.aggregate == "mean" else units.largest(proba)

    def log_p_of(self, proba: Array) -> Array:
        """Return log-probabilities, float64 (N, L, 2), of probabilities of presence (N, L)."""
        return _TWO.log_p_of(np.stack([1.0 - proba, proba], axis=-1))

    def raw(self, logits: Sequence[Array]) -> Array:
        """Return the mean output of M members without correction, probabilities (N, L)."""
        units = range(np.shape(logits[0])[1])
        return np.stack([_TWO.raw([z[:, i : i + 1] for z in logits])[:, 1] for i in units], axis=1)

    def joint_scores(self, y: Array, proba: Array, decision: Array, weights: Array | None = None) -> dict[str, float]:
        """Return micro averages, and the share of rows whose known labels are all right.

        In a micro average every known label of every row is one case. Rows without any known label do not count.
        Without any known label the dict is empty.
        """
        seen = y >= 0
        if not seen.any():
            return {}
        w = np.broadcast_to(np.ones(len(y))[:, None] if weights is None else weights[:, None], y.shape)[seen]
        truth, p, d = y[seen], proba[seen], decision[seen]
        both = np.stack([1.0 - p, p], axis=1)
        hit, named = w @ ((truth == 1) & (d == 1)), w @ (d == 1) + w @ (truth == 1)
        some, right = seen.any(axis=1), ((decision == y) | ~seen).all(axis=1)
        own = np.ones(int(some.sum())) if weights is None else weights[some]
        ranks = rank_scores(truth, both, sample_weight=w)
        return {
            "average_precision_micro": ranks["average_precision"],
            "roc_auc_micro": ranks["roc_auc"],
            "f1_micro": float(2 * hit / named) if named > 0 else float("nan"),
            "subset_accuracy": float(own @ right[some] / own.sum()) if own.sum() > 0 else float("nan"),
        }

    def layer(self, rule: LabelRules) -> LabelRuleLayer:
        """Return the Keras layer "rule" of model files, which decides each label."""
        return LabelRuleLayer([rule_to_dict(one) for one in rule.problem_rules], name="rule")

    def rule_of(self, values: Any) -> LabelRules:
        """Return the checked rules of plain values from a model file, one per label."""
        return rules_of(values)

    def choose(
        self, rule: LabelRules, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
        classes: Sequence[Any],
    ) -> LabelRules:  # fmt: skip
        """Return the rule with another threshold, of each label or of those that `aim` names."""
        return label_decisions.choose(rule, scores, aim, confidence, classes, self._stored_problems(scores))

    def at_prior(self, rule: LabelRules, prior: Any, scores: Mapping[str, Array]) -> LabelRules:
        """Return the rule for rows whose labels have other shares `prior`, float (L,)."""
        return label_decisions.at_prior(rule, prior, scores, self._stored_problems(scores))

    def describe(self, rule: LabelRules, y: Array, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
        """Return the entry of the thresholds in the model card, with an entry for each label."""
        return label_decisions.describe(rule, y, classes, of)

    def columns(self, decision: Decision, classes: Array) -> dict[str, Any]:
        """Return the columns of a prediction by name: probability and decision of each label."""
        both = {"probability": decision.proba, "decision": decision.decision}
        return {
            f"{word}_{name}": values[:, i] for i, name in enumerate(classes.tolist()) for word, values in both.items()
        }

    def _stored_problems(self, scores: Mapping[str, Array]) -> dict[str, tuple[Problem, ...]]:
        """Return the problems of stored scores, by the prefix of their names in model files.

        "" are the rows that fitted the rules, "guarantee_" those set aside for guarantees; what is not stored is left
        out.
        """
        stored = {prefix: scores[f"{prefix}y"] for prefix in ("", "guarantee_") if f"{prefix}y" in scores}
        return {prefix: self.problems(y, range(y.shape[1])) for prefix, y in stored.items()}

    def decided(self, decision: Array, classes: Array) -> Array:
        """Return decisions (N, L) unchanged: zeros and ones are what a user reads."""
        return decision

    def _value_of_each(self, value: Callable[..., float], log_p: Array, y: Array, weights: Array | None) -> list[float]:
        """Return a value of each problem that has rows of weight above 0, such as its log loss."""
        counted = [p for p in self.problems(y, range(y.shape[1])) if _total_weight(p, weights) > 0]
        return [value(log_p[p.rows, p.index], p.y, p.of_rows(weights)) for p in counted]


def _total_weight(problem: Problem, weights: Array | None) -> float:
    """Return the total weight of the rows of a problem, which is their number without weights."""
    own = problem.of_rows(weights)
    return float(len(problem.rows) if own is None else own.sum())


def _plan_function(make: Callable[..., Any]) -> Any:
    """Return the plan function inside one whose options were set by `partial`."""
    return make.func if isinstance(make, partial) else make

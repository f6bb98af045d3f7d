"""One class of C per row: one problem, decided by a threshold (C = 2) or by offsets of the classes.

The other kinds of targets lay out their labels or elements as such rows, and call `OneOf`. `kind` is saved in model
files; the names in `LOSSES` are part of a job's id.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.labels import count_codes
from counterpoise.core.rule import Rule
from counterpoise.core.target import Problem
from counterpoise.core.units import Units
from counterpoise.decide.intercept import fit_intercept
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.new_prior import rule_at_prior
from counterpoise.decide.prior import corrected_log_proba
from counterpoise.decide.rule import Decision, apply_rule_to_log_p, fit_rule_from_log_p, raw_proba
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict
from counterpoise.losses.best_constant import best_constant
from counterpoise.losses.margin import LDAM
from counterpoise.losses.multilabel import Asymmetric
from counterpoise.losses.pointwise import CrossEntropy, Focal
from counterpoise.losses.prior import LogitAdjusted
from counterpoise.losses.ranking import AUCMargin, SmoothAP
from counterpoise.losses.smoothing import LabelSmoothing
from counterpoise.metrics.rank_scores import average_precision
from counterpoise.plans.plan import Plan
from counterpoise.targets import new_labels, strategy_sets, thresholds

Array = np.ndarray

#: name -> Keras loss taking (y codes (N,), logits (N, units)), made of the constants.
LOSSES: dict[str, Callable[..., Any]] = {
    "cross_entropy": CrossEntropy,
    "focal": Focal,
    "logit_adjusted": LogitAdjusted,
    "balanced_softmax": LogitAdjusted,
    "ldam": LDAM,
    "label_smoothing": LabelSmoothing,
    "asymmetric": Asymmetric,
    "auc_margin": AUCMargin,
    "ap_surrogate": SmoothAP,
}


class OneOf:
    """One class per row. `core.target.Target` describes all methods and attributes, with shapes."""

    kind = "one_of"
    independent = per_element = many_per_row = False
    what = "one class per row"
    default = strategy_sets.DEFAULT["one_of"]
    strategies = strategy_sets.ALL["one_of"]
    losses: Mapping[str, Callable[..., Any]] = LOSSES

    def widths(self, n: int) -> tuple[int, ...]:
        """Return the units that an output may have: 1 (sigmoid) or 2 for two classes, otherwise n."""
        return (1, 2) if n == 2 else (n,)

    def shape(self, n: int) -> tuple[int, ...]:
        """Return the shape (n,) of the log-probabilities of one row, and of a training shift."""
        return (n,)

    def scored_shape(self, y: Array, n: int) -> tuple[int, ...]:
        """Return the shape (N, n) of the log-probabilities of labels y (N,)."""
        return (len(y), *self.shape(n))

    def fits(self, shape: tuple[int | None, ...], n: int) -> bool:
        """Return whether an output of this shape is (batch, units) for n classes."""
        return len(shape) == 2 and shape[1] in self.widths(n)

    def counts(self, y: Array, n: int, weights: Array | None = None) -> Array:
        """Return the rows of each class, int64 (C,); with weights (N,), their float sums."""
        return count_codes(y, n) if weights is None else np.bincount(y, weights, n)

    def are_labels(self, y: Array, n: int) -> bool:
        """Return whether y are class codes (N,) from 0 to n - 1, of at least one row."""
        return bool(y.ndim == 1 and y.dtype.kind in "iu" and len(y) and y.min() >= 0 and y.max() < n)

    def codes(self, given: Any, classes: Array) -> Array:
        """Return the labels of new rows as class codes, int64 (N,), in the order of `classes`."""
        return new_labels.label_codes(given, classes)

    def columns_of(self, schema: Any, classes: Sequence[Any], options: Mapping[str, str]) -> str:
        """Return the name of the column that contained the target in training."""
        return "target" if schema is None else str(schema.target)

    def problems(self, y: Array, classes: Sequence[Any]) -> tuple[Problem, ...]:
        """Return the one problem of all rows."""
        return (Problem(np.arange(len(y)), y, tuple(classes)),)

    def labeled(self, log_p: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        """Return all rows: each has a class."""
        return log_p, y, weights

    def plan(self, make: Callable[..., Plan], y: Array, n: int, sample_weight: Array | None) -> Plan:
        """Return the plan of `make` over these class codes."""
        return make(y, sample_weight=sample_weight, classes=range(n))

    def weighted(self, loss: tuple[str, Mapping[str, Any]], plan: Plan) -> tuple[str, Mapping[str, Any]]:
        """Return the loss unchanged: the weights of a plan are weights of the batches."""
        return loss

    def weight_axes(self, units: int, n_members: int) -> tuple[int, ...]:
        """Return the axes of batch weights after the rows: one per member if members share a network."""
        return () if n_members == 1 else (n_members,)

    def start(self, loss: Any, shares: Array, units: int) -> Array | None:
        """Return the constant logits, float64 (units,), that minimize a loss; `shares` are (C,)."""
        return best_constant(loss, shares, units)

    def log_p(self, logits: Array, log_shift: Array, gamma: float = 0.0) -> Array:
        """Return log-probabilities, float64 (N, C), of logits, focal loss and training shift undone."""
        return corrected_log_proba(logits, log_shift, gamma=gamma)

    def output(self, log_p: Array, units: int, probabilities: bool) -> Array:
        """Return the output of a model, float32 (N, units), for log-probabilities (N, C)."""
        if units == 1:
            logits = log_p[:, 1:] - log_p[:, :1]
            return (np.exp(log_p[:, 1:]) if probabilities else logits).astype(np.float32)
        return (np.exp(log_p) if probabilities else log_p).astype(np.float32)

    def with_intercept(self, log_p: Array, y: Array, weights: Array | None = None) -> Array:
        """Return log-probabilities with a constant per class added.

        NaN outputs of a diverged network stay NaN, and so does their score.
        """
        return lg.log_softmax(log_p + fit_intercept(log_p, y, weights)) if np.isfinite(log_p).all() else log_p

    def log_loss(self, log_p: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean log loss in nats."""
        return lg.log_loss(log_p, y, weights)

    def stopping(self, log_p: Array, y: Array, on: str, weights: Array | None = None) -> tuple[Array, float]:
        """Return the early-stopping loss of each row, float64 (N,), and a number for all rows.

        If early stopping looks only at the log loss, or if there is one class only, this number is 0. Otherwise the
        losses are divided by the entropy of the class shares, and the number is 1 - average precision.
        """
        losses = -np.maximum(log_p[np.arange(len(y)), y], math.log(lg.SMALLEST))
        losses = losses if weights is None else losses * (weights / weights.mean())
        mass = np.bincount(y, weights)
        shares = mass / mass.sum()
        if on == "log_loss" or shares.max() == 1.0:
            return losses, 0.0
        seen = shares[shares > 0]
        entropy = -float(np.sum(seen * np.log(seen)))
        return losses / entropy, 1.0 - average_precision(y, np.exp(log_p), sample_weight=weights)

    def recalls(self, log_p: Array, y: Array, weights: Array | None = None) -> dict[int, float]:
        """Return the recall of each class code that occurs in `y`.

        Rows of a class whose weights are all 0 count without weights.
        """
        right, recalls = log_p.argmax(axis=1) == y, {}
        for code in np.unique(y):
            rows = y == code
            mine = None if weights is None or not weights[rows].sum() else weights[rows]
            recalls[int(code)] = float(np.average(right[rows], weights=mine))
        return recalls

    def fit_rule(
        self, log_p: Array, y: Array, log_shifts: Array, *, calibrate: Callable[[Array], str | None], **how: Any
    ) -> Rule:
        """Return a rule fitted on corrected scores (M, N, C) of rows that were not used for training."""
        return fit_rule_from_log_p(list(log_p), y, list(log_shifts), calibrate=calibrate(y), **how)

    def apply(self, rule: Rule, log_p: Array, column_values: Array | None = None) -> Decision:
        """Return probabilities (N, C) and decisions (N,) of corrected scores (M, N, C)."""
        return apply_rule_to_log_p(rule, list(log_p), column_values)

    def unit_proba(self, proba: Array, units: Units) -> Array:
        """Return the probabilities of units, (U, C): mean over rows, or largest of class 1."""
        if units.aggregate == "mean":
            return units.mean(proba)
        positive = units.largest(proba[:, 1:])
        return np.concatenate([1.0 - positive, positive], axis=1)

    def log_p_of(self, proba: Array) -> Array:
        """Return log-probabilities, float64 (N, C), of probabilities; 0 becomes `logits.SMALLEST`."""
        return np.log(np.maximum(proba.astype(np.float64), lg.SMALLEST))

    def raw(self, logits: Sequence[Array]) -> Array:
        """Return the mean output of M members without any correction, probabilities (N, C)."""
        return raw_proba(logits)

    def joint_scores(self, y: Array, proba: Array, decision: Array, weights: Array | None = None) -> dict[str, float]:
        """Return {}: there is one problem, so that its scores are those of all rows."""
        return {}

    def layer(self, rule: Rule) -> RuleLayer:
        """Return the Keras layer "rule" of model files."""
        return RuleLayer(rule_to_dict(rule), name="rule")

    def rule_of(self, values: Any) -> Rule:
        """Return the checked rule of plain values from a model file."""
        return checked_rule(values)

    def choose(
        self, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
        classes: Sequence[Any],
    ) -> Rule:  # fmt: skip
        """Return the rule with another threshold, chosen on stored scores."""
        return thresholds.choose(rule, scores, aim, confidence, classes)

    def at_prior(self, rule: Rule, prior: Any, scores: Mapping[str, Array]) -> Rule:
        """Return the rule for rows with other class proportions, with the stored scores if there are some."""
        log_p = list(scores["log_p"].astype(np.float64)) if "log_p" in scores else None
        return rule_at_prior(rule, prior, log_p, scores.get("y"), scores.get("weight"))

    def describe(self, rule: Rule, y: Array, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
        """Return the entry of the threshold in the model card."""
        return thresholds.describe(rule, len(y), classes, of)

    def columns(self, decision: Decision, classes: Array) -> dict[str, Any]:
        """Return a decision as columns: probabilities (of two classes one) and labels."""
        labels = [str(c) for c in classes.tolist()[: decision.proba.shape[1]]]
        if len(labels) == 2:
            columns: dict[str, Any] = {"probability": decision.proba[:, 1]}
        else:
            columns = {f"probability_{label}": decision.proba[:, code] for code, label in enumerate(labels)}
        return columns | {"decision": classes[decision.decision].tolist()}

    def decided(self, decision: Array, classes: Array) -> Array:
        """Return decisions (N,), which are class codes, as labels."""
        return classes[decision]

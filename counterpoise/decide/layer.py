"""The rule as a Keras layer, so that correction, calibration and threshold ship inside the model file.

It computes in `keras.ops` what `rule.apply_rule` computes in NumPy; `tests/decide/test_layer.py` compares the two. Only
operations that LiteRT and ONNX have are used. The name of the class and its config are saved in model files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from counterpoise.core.review import HUMAN
from counterpoise.decide.column_margins import group_odds
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict
from counterpoise.decide.threshold import log_odds_at
from counterpoise.losses.shapes import class_logits, log_odds


@keras.saving.register_keras_serializable(package="counterpoise")
class RuleLayer(keras.layers.Layer):
    """Member logits to probabilities and a decision.

    Args:
        rule: `rule_to_dict` of the rule.

    Call with a list of M tensors (N, units); returns `{"probability": float32 (N, C), "decision": int32 (N,)}`, the
    decision being a class code. A rule with a column also takes `column_values`, a tensor (N,) or (N, 1): amounts, or
    codes of groups. A row whose amount is missing or negative cannot be decided: its decision is -1, for a human.
    """

    def __init__(self, rule: Mapping[str, Any], **kwargs: Any) -> None:
        """Check the plain values of a rule, and keep them for the config."""
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rule = rule_to_dict(checked_rule(rule))

    def call(self, member_logits: Any, column_values: Any = None) -> dict[str, Any]:
        """Return probabilities and decisions (see the class), as `rule.apply_rule` in NumPy."""
        # Members are corrected and pooled; then pool, votes, review and amounts decide, in this order.
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        gammas = self.rule.get("gammas") or [0.0] * len(logits)  # None: no member has a focal loss
        log_p = [self._corrected(*member) for member in zip(logits, self.rule["log_shifts"], gammas, strict=True)]
        pooled = self._pooled(log_p)
        above = self._excess_log_odds(pooled, column_values)  # None: the rule has no column
        decision = self._decided_class(pooled) if above is None else ops.cast(above >= 0, "int32")
        if self.rule["vote"] == "hard" and self.rule["member_thresholds"] is not None:
            decision = self._vote(log_p, decision)
        if self.rule["review"] is not None:
            decision = self._reviewed(pooled, decision, above)
        if self.rule["cost_column"] is not None:
            decision = ops.where(_is_amount(column_values), decision, ops.full_like(decision, HUMAN))
        return {"probability": ops.exp(pooled), "decision": decision}

    def _decided_class(self, log_p: Any) -> Any:
        """Return class codes, int32 (N,), by a matrix of costs, or by threshold or offsets."""
        if self.rule["costs"] is not None and self.rule["threshold"] is None:
            return _first_largest(self._negative_costs(log_p))
        return _choose_class(log_p, self.rule["threshold"], self.rule["offsets"])

    def _excess_log_odds(self, log_p: Any, column_values: Any) -> Any:
        """Return the log-odds of each row less those of its threshold, (N,); None if the rule has no column.

        `column_values` are codes of groups or amounts, as in `column_margins.column_margins` in NumPy.
        """
        if self.rule["by"] is not None:
            odds = group_odds(self.rule["threshold"], self.rule["by"]["thresholds"]).astype("float32")
            codes = ops.reshape(ops.cast(column_values, "int32"), (-1,))
            return log_p[:, 1] - log_p[:, 0] - ops.take(odds, codes)
        if self.rule["cost_column"] is None:
            return None
        amount = ops.reshape(ops.cast(column_values, "float32"), (-1,))
        # The logarithm of 0 would make an export differ from NumPy: such a row is far from positive anyway.
        costs = ops.log(ops.maximum(amount, np.float32(1e-30))) - float(np.log(self.rule["cost_column"]["cost_fp"]))
        # -3e38, near the least float32: a row whose error costs nothing is never positive.
        return ops.where(amount > 0, log_p[:, 1] - log_p[:, 0] + costs, np.float32(-3e38))

    def _negative_costs(self, log_p: Any) -> Any:
        """Return minus the expected cost of each decision, (N, C): the largest is the best."""
        return -ops.matmul(ops.exp(log_p), ops.convert_to_tensor(np.asarray(self.rule["costs"], "float32")))

    def _reviewed(self, log_p: Any, decision: Any, above: Any) -> Any:
        """Return the decisions, int32 (N,), with `HUMAN` for rows to be reviewed (`review.reviewed` in NumPy).

        Without floors, these are rows with a small margin. With a floor of probability for each class, a row that
        reaches just one is that class, and a row that reaches several is for a human.
        """
        human = ops.full_like(decision, HUMAN)
        floors = self.rule["review"]["floors"]
        if floors is None:
            margin = self._decision_margin(log_p) if above is None else ops.abs(above)
            return ops.where(margin < self.rule["review"]["margin"], human, decision)
        lowest = np.float32(-3e38)
        odds = [[lowest if f <= 0 else log_odds_at(f) for f in floors]]
        possible = ops.cast(_class_odds(log_p) >= np.asarray(odds, "float32"), "int32")
        count = ops.sum(possible, axis=-1)
        first = ops.cast(ops.argmax(possible, axis=-1), "int32")
        return ops.where(count > 1, human, ops.where(count == 1, first, decision))

    def _decision_margin(self, log_p: Any) -> Any:
        """Return how far the decision of a row is from the next best, float32 (N,), at least 0.

        The unit is log-odds, or that of costs, as in `review.margins` in NumPy.
        """
        if self.rule["threshold"] is not None:
            return ops.abs(log_p[:, 1] - log_p[:, 0] - log_odds_at(self.rule["threshold"]))
        if self.rule["costs"] is not None:
            score = self._negative_costs(log_p)
        else:
            score = log_p if self.rule["offsets"] is None else log_p + _as_row(self.rule["offsets"])
        first = ops.one_hot(_first_largest(score), score.shape[-1], dtype="float32")
        best = ops.max(score, axis=-1)
        # The best class is pushed below all others, so that the largest of the rest is the second best.
        return best - ops.max(score - 1e9 * first, axis=-1)

    def compute_output_spec(self, member_logits: Any, column_values: Any = None) -> dict[str, Any]:
        """Return the shapes and types of what `call` returns."""
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        rows = logits[0].shape[0]
        return {
            "probability": keras.KerasTensor((rows, len(self.rule["prior"])), "float32"),
            "decision": keras.KerasTensor((rows,), "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the config that is saved in model files: the plain values under "rule"."""
        return {**super().get_config(), "rule": self.rule}

    def _corrected(self, logits: Any, log_shift: list[float], gamma: float) -> Any:
        """Return the log-probabilities (N, C) of a member's logits, its focal loss and training shift undone."""
        z = ops.cast(logits, "float32")
        if gamma:
            return ops.log_softmax(_focal_inverse(class_logits(z), gamma) - _as_row(log_shift), axis=-1)
        if z.shape[-1] == 1:
            z = z - (log_shift[1] - log_shift[0])
            return ops.concatenate([-ops.softplus(z), -ops.softplus(-z)], axis=-1)
        return ops.log_softmax(z - _as_row(log_shift), axis=-1)

    def _pooled(self, log_p: list[Any]) -> Any:
        """Return the members' log-probabilities, (N, C) each, pooled and then corrected by intercept and calibrator.

        It is `rule.final_log_proba` in NumPy.

        vote="log" pools log-probabilities, any other vote the probabilities; members of weight 0 take no part then.
        """
        weights = self.rule["weights"] or [1.0 / len(log_p)] * len(log_p)
        if len(log_p) == 1:
            pooled = log_p[0]
        elif self.rule["vote"] == "log":
            pooled = ops.log_softmax(sum(w * lp for w, lp in zip(weights, log_p, strict=True)), axis=-1)
        else:
            used = [lp + float(np.log(w)) for w, lp in zip(weights, log_p, strict=True) if w > 0]
            pooled = ops.log_softmax(ops.logsumexp(ops.stack(used), axis=0), axis=-1)
        if self.rule["intercept"] is not None:
            pooled = ops.log_softmax(pooled + _as_row(self.rule["intercept"]), axis=-1)
        return _calibrated(self.rule["calibrator"], pooled)

    def _vote(self, log_p: list[Any], soft: Any) -> Any:
        """Return the class with most weighted votes of the members, int32 (N,).

        Among tied classes the soft decision wins, `soft` int32 (N,), else the first.
        """
        classes = len(self.rule["prior"])
        weights = self.rule["weights"] or [1.0 / len(log_p)] * len(log_p)
        votes = 0.0
        for weight, lp, cut in zip(weights, log_p, self.rule["member_thresholds"], strict=True):
            # A member has one threshold for two classes, or an offset for each of several.
            own = _choose_class(lp, cut, None) if np.ndim(cut) == 0 else _choose_class(lp, None, cut)
            votes = votes + weight * ops.one_hot(own, classes, dtype="float32")
        tied = ops.cast(votes >= ops.max(votes, axis=-1, keepdims=True) - 1e-6, "float32")
        favored = tied * (1.0 + ops.one_hot(soft, classes, dtype="float32"))
        return _first_largest(favored)


def _is_amount(amount: Any) -> Any:
    """Return whether an amount is a finite number of 0 or more, bool (N,); a missing amount (NaN) is not."""
    amount = ops.reshape(ops.cast(amount, "float32"), (-1,))
    return ops.logical_and(amount >= 0, amount < np.float32(3e38))


def _focal_inverse(z: Any, gamma: float) -> Any:
    """Return log h(q) of q = softmax(z), (N, C), up to a constant per row.

    See `prior.focal_log_proba`.

    h(q) = q (1 - q)^-g / (1 - g q log q / (1 - q)), from the log-odds of q, so that neither end loses its digits.
    """
    odds = log_odds(z)
    log_q, log_rest = -ops.softplus(-odds), -ops.softplus(odds)
    # -log q / (1 - q) is 1 to all digits beyond 30; without the bound both terms would underflow.
    near = ops.minimum(odds, 30.0)
    ratio = ops.softplus(-near) * ops.exp(ops.softplus(near))
    return log_q - gamma * log_rest - ops.log1p(gamma * ops.exp(log_q) * ratio)


def _choose_class(log_p: Any, threshold: float | None, offsets: list[float] | None) -> Any:
    """Return class codes, int32 (N,), by a threshold of class 1, or by offsets (C,).

    Without a threshold the code is the argmax of log_p + offsets; both are None for the plain argmax.
    """
    if threshold is not None:
        # Compared as logits: near 0 and 1 float32 probabilities run out of digits first.
        if threshold <= 0.0 or threshold > 1.0:
            return ops.full_like(log_p[:, 1], int(threshold <= 0.0), dtype="int32")
        return ops.cast(log_p[:, 1] - log_p[:, 0] >= log_odds_at(threshold), "int32")
    score = log_p if offsets is None else log_p + _as_row(offsets)
    return _first_largest(score)


def _class_odds(log_p: Any) -> Any:
    """Return the log-odds of each class against all others, (N, C)."""
    classes = log_p.shape[-1]
    if classes == 2:
        odds = log_p[:, 1] - log_p[:, 0]
        return ops.stack([-odds, odds], axis=-1)
    own = np.float32(1e9) * np.eye(classes, dtype="float32")  # an empty slice before the first class fails in LiteRT
    return log_p - ops.logsumexp(ops.expand_dims(log_p, 1) - own, axis=-1)


def _first_largest(x: Any) -> Any:
    """Return the position of the first largest entry of each row, int32 (N,).

    It goes by way of whole numbers, because LiteRT does not know Keras' argmax of floats.
    """
    top = ops.cast(x >= ops.max(x, axis=-1, keepdims=True), "int32")
    return ops.cast(ops.argmax(top, axis=-1), "int32")


def _calibrated(calibrator: Mapping[str, Any] | None, log_p: Any) -> Any:
    """Return log-probabilities (N, C) through the calibrator of a rule; without one unchanged."""
    if calibrator is None:
        return log_p
    if calibrator["kind"] == "isotonic":
        out = _apply_isotonic(calibrator, log_p)
    else:
        out = ops.log_softmax(_as_row(calibrator["slopes"]) * log_p + _as_row(calibrator["intercepts"]), axis=-1)
    # "after" is a constant for each class that is added last.
    return ops.log_softmax(out + _as_row(calibrator["after"]), axis=-1) if "after" in calibrator else out


def _apply_isotonic(calibrator: Mapping[str, Any], log_p: Any) -> Any:
    """Return log-probabilities (N, C) through isotonic curves of log-odds.

    Two classes share one curve. Several have one each, of the class against all others, and are normalized after it.
    """
    classes = log_p.shape[-1]
    if classes == 2:
        z = _interpolate(log_p[:, 1] - log_p[:, 0], calibrator["x"][0], calibrator["y"][0])
        return ops.stack([-ops.softplus(z), -ops.softplus(-z)], axis=-1)
    columns = []
    for c, (x, y) in enumerate(zip(calibrator["x"], calibrator["y"], strict=True)):
        rest = ops.concatenate([log_p[:, :c], log_p[:, c + 1 :]], axis=-1)
        columns.append(-ops.softplus(-_interpolate(log_p[:, c] - ops.logsumexp(rest, axis=-1), x, y)))
    return ops.log_softmax(ops.stack(columns, axis=-1), axis=-1)


def _interpolate(x: Any, knots: list[float], values: list[float]) -> Any:
    """Interpolate linearly between knots, flat outside, as `numpy.interp` does; `x` is (N,)."""
    at, value = np.asarray(knots, "float32"), np.asarray(values, "float32")
    if len(at) == 1:
        return ops.full_like(x, value[0])
    # Counting, not searchsorted, which LiteRT and ONNX do not have.
    below = ops.sum(ops.cast(ops.expand_dims(x, -1) >= at, "int32"), axis=-1)
    right = ops.clip(below, 1, len(at) - 1)
    x0, x1 = ops.take(at, right - 1), ops.take(at, right)
    y0, y1 = ops.take(value, right - 1), ops.take(value, right)
    return y0 + (y1 - y0) * ops.clip((x - x0) / ops.maximum(x1 - x0, 1e-12), 0.0, 1.0)


def _as_row(values: Any) -> Any:
    """Return values (C,) as a float32 tensor (1, C)."""
    return ops.convert_to_tensor(np.asarray(values, "float32")[None, :])

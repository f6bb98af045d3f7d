"""The rule that turns the logits of members into a decision: of one class per row, and of several labels.

Only records: `decide/rule.py` fits and applies a rule in NumPy, and `decide/layer.py` applies it in Keras with equal
results. Saved in model files with the names of its fields: a new field needs a check in `decide/rule_fields.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.cost_column import CostColumn
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.guarantee import ClassGuarantee, Guarantee
from counterpoise.core.review import Review

Array = np.ndarray


@dataclass(frozen=True)
class Rule:
    """The steps from member logits to a decision, in order (NumPy arrays, natural logarithms).

    Attributes:
        log_shifts: float64 (M, C), training shift of each member, subtracted first.
        vote: "soft", "log", "hard", "weighted" or "greedy".
        weights: float64 (M,), weights of the members, with sum 1.
        intercept: float64 (C,), residual correction added to the pooled log-probabilities.
        calibrator: Plain dict `{"kind": ..., parameters}` or None.
        prior: float64 (C,), class proportions of the rows that the rule was fitted on.
        threshold: For two classes: a row is positive if its probability is at least the threshold. Otherwise None.
        offsets: For more than two classes, float64 (C,): the argmax of log p + offsets is predicted. Otherwise None.
        member_thresholds: For vote="hard": the threshold of each member (M,).
        aim: The aim of the threshold or the offsets in words, for example "f1".
        guarantee: The floor that the threshold or the offsets reach with confidence. None without a guarantee.
        notes: Sentences about what was checked.
        gammas: float64 (M,), the gamma of each member's focal loss, whose effect is reversed before the shift. None
            without focal losses.
        costs: float64 (C, C), [true, decided]. The class with the lowest expected cost is predicted. With two classes,
            the costs define the threshold. None without costs.
        cost_column: For two classes: the column with the cost of a missed case. The decision of each row has the lowest
            expected cost, so there is no threshold. None without such a column.
        by: For two classes: thresholds for the values of a column. All other rows use `threshold`. None if all rows
            use `threshold`.
        review: Which rows go to a human. None if every row is decided.
    """

    log_shifts: Array
    prior: Array
    vote: str = "soft"
    weights: Array | None = None
    intercept: Array | None = None
    calibrator: Mapping[str, Any] | None = None
    threshold: float | None = None
    offsets: Array | None = None
    member_thresholds: Array | None = None
    aim: str = "argmax"
    notes: tuple[str, ...] = ()
    gammas: Array | None = None
    guarantee: Guarantee | ClassGuarantee | None = None
    costs: Array | None = None
    cost_column: CostColumn | None = None
    by: GroupThresholds | None = None
    review: Review | None = None

    @property
    def problem_rules(self) -> tuple[Rule, ...]:
        """Return the rules of all problems (see `core.target`): only this rule."""
        return (self,)

    def with_problem_rules(self, problem_rules: Sequence[Rule]) -> Rule:
        """Return the only one of the rules, which replaces this rule."""
        (rule,) = problem_rules
        return rule

    @property
    def column(self) -> CostColumn | GroupThresholds | None:
        """The column on which decisions depend. None if they depend only on probabilities."""
        return self.by if self.cost_column is None else self.cost_column

    @property
    def unreviewed(self) -> Rule:
        """The rule that decides every row."""
        return self if self.review is None else replace(self, review=None)


@dataclass(frozen=True)
class LabelRules:
    """The rules of several labels: one of two classes for each, all over the same members.

    Attributes:
        problem_rules: One `Rule` per label.
    """

    problem_rules: tuple[Rule, ...]

    def with_problem_rules(self, problem_rules: Sequence[Rule]) -> LabelRules:
        """Return the same labels under other rules."""
        return LabelRules(tuple(problem_rules))

    @property
    def column(self) -> None:
        """None, because rows with several labels are not decided by a column.

        `by` and `cost_column` are None too.
        """
        return None

    by = cost_column = column

    @property
    def review(self) -> None:
        """None, because rows with several labels do not go to a human."""
        return None

    @property
    def unreviewed(self) -> LabelRules:
        """This object, because every row is decided."""
        return self

    @property
    def log_shifts(self) -> Array:
        """Training shift of each member and label, float64 (M, L, 2)."""
        return np.stack([rule.log_shifts for rule in self.problem_rules], axis=1)

    @property
    def gammas(self) -> Array | None:
        """Gamma of the focal loss of each member, float64 (M,), equal for all labels.

        It is None without focal losses.
        """
        return self.problem_rules[0].gammas

    @property
    def prior(self) -> Array:
        """Shares of the rows without and with each label, float64 (L, 2)."""
        return np.stack([rule.prior for rule in self.problem_rules])

    @property
    def vote(self) -> str:
        """How members are pooled, equal for all labels."""
        return self.problem_rules[0].vote

    @property
    def weights(self) -> Array | None:
        """Mean weight of each member over the labels that have weights, float64 (M,).

        It is None if weights are equal.
        """
        known = [rule.weights for rule in self.problem_rules if rule.weights is not None]
        return np.mean(known, axis=0) if known else None

    @property
    def aim(self) -> str:
        """The aim of the thresholds in words; for labels with different aims, each aim once."""
        return ", ".join(dict.fromkeys(rule.aim for rule in self.problem_rules))

    @property
    def threshold(self) -> None:
        """None, because each label has its own threshold (see `problem_rules`)."""
        return None

    @property
    def offsets(self) -> None:
        """None, because labels have thresholds and no offsets."""
        return None

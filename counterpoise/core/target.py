"""The contract of a target, which all packages above `targets/` use.

A target is what a row's label can be. `counterpoise.targets` holds the kinds there are: one class of C (`one_of`), L
labels that do not exclude each other (`labels`), or a class for each element of a row, such as the pixels of an image
(`elements`). A target has no state: it takes and gives arrays, is found by its
`kind` (`targets.kinds.target_of`), and so goes into files and other processes as one word.

A new method here needs an implementation in every kind of target.

Rows are decided by one or more *problems*: one choice among C classes, or L choices between without and with a label.
Rules are fitted, thresholds chosen and scores measured problem by problem; the score of a model is their mean.

Shapes, N rows: labels y (N,) or (N, L); log-probabilities (N, C) or (N, L, 2); what a classifier puts out (N, C) or
(N, L). Of a class per element y is (N, ...), and log-probabilities and what a classifier puts out are (N, ..., C).
Rules and scores of elements are taken from a sample of each row (`Examples.sample`): y (N, k), log-probabilities
(N, k, C).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from counterpoise.core.units import Units

Array = np.ndarray


@dataclass(frozen=True)
class Problem:
    """One choice among classes, and the rows that take part in it.

    Attributes:
        rows: int64 (n,), the rows whose label is known.
        y: int (n,), their class codes.
        classes: What the codes mean.
        name: What to call the problem in a message: the label; "" where there is one problem.
        index: Which of several problems it is; None: there is one.

    Example:
        >>> problem = Problem(np.array([0, 2]), np.array([1, 0]), (0, 1), "mass", 1)
        >>> problem.proba(np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])).tolist()
        [[0.8, 0.2], [0.4, 0.6]]
    """

    rows: Array
    y: Array
    classes: tuple[Any, ...]
    name: str = ""
    index: int | None = None

    def log_p(self, log_p: Array) -> Array:
        """Return log-probabilities (M, N, ...) of M members as those of the problem, (M, n, C)."""
        if self.index is None:
            return log_p[:, self.rows]
        # NumPy copies a slice several times faster than it gathers rows by their numbers.
        all_rows = len(self.rows) == log_p.shape[1]
        return log_p[:, :, self.index].copy() if all_rows else log_p[:, self.rows, self.index]

    def proba(self, proba: Array) -> Array:
        """Return probabilities (..., N, C) or (..., N, L) as those of the problem, (..., n, C)."""
        if self.index is None:
            return proba[..., self.rows, :]
        positive = proba[..., self.rows, self.index]
        return np.stack([1.0 - positive, positive], axis=-1)

    def decision(self, decision: Array) -> Array:
        """Return decisions (N,) or (N, L) as those of the problem, (n,)."""
        return decision[self.rows] if self.index is None else decision[self.rows, self.index]

    def over_all_rows(self, proba: Array) -> tuple[Array, Array, Array | None]:
        """Return codes (N,), probabilities (N, C) and weights (N,) or None of all rows.

        Rows that take no part have code 0 and weight 0. The weights are None if all rows take part.
        """
        if len(self.rows) == len(proba):
            return self.y, self.proba(proba), None
        y, weights = np.zeros(len(proba), self.y.dtype), np.zeros(len(proba))
        y[self.rows], weights[self.rows] = self.y, 1.0
        return y, replace(self, rows=np.arange(len(proba))).proba(proba), weights

    def of_rows(self, values: Array | None) -> Array | None:
        """Return values (N, ...) that belong to rows as (n, ...); None stays None.

        Such values are weights or groups.
        """
        return None if values is None else values[self.rows]

    @property
    def row_groups(self) -> Array | None:
        """Return the row of each of the n elements, (n,), as a number.

        None means that each of the n is a row.
        """
        return None

    def of_whole(self, values: Array) -> Array:
        """Return values (N, ...) that belong to rows in the shape of what `over_all_rows` returns."""
        return values


@runtime_checkable
class TargetColumns(Protocol):
    """Where the target of a table is, and how it is read: what `data` is given by those that depend on targets.

    Attributes:
        columns: Names of its columns; none where the labels are given as arrays.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...

    def read(self, values: Any) -> Any:
        """The `core.labels.Labels` of a frame of these columns."""
        ...


class Target(Protocol):
    """A kind of target (see the module).

    Attributes:
        kind: Its name in files.
        independent: Whether the units of an output are sigmoids, one for each label.
        per_element: Whether each element of a row has an output of its own.
        many_per_row: Whether a row has more than one class: several labels, or a class per element.
        what: What rows have, in words, for messages.
        default: Names of the strategies of the default set, "none" first.
        strategies: Names of all that it can be trained with; empty: all that there are.
        losses: Name in a job -> Keras loss on labels and logits, made of the constants.
    """

    @property
    def kind(self) -> str: ...
    @property
    def independent(self) -> bool: ...
    @property
    def per_element(self) -> bool: ...
    @property
    def many_per_row(self) -> bool: ...
    @property
    def what(self) -> str: ...
    @property
    def default(self) -> tuple[str, ...]: ...
    @property
    def strategies(self) -> tuple[str, ...]: ...
    @property
    def losses(self) -> Mapping[str, Callable[..., Any]]: ...

    def widths(self, n: int) -> tuple[int, ...]:
        """Units that an output for n classes may have, the usual number first."""
        ...

    def shape(self, n: int) -> tuple[int, ...]:
        """Shape of the log-probabilities of one row, and of a training shift: (C,) or (L, 2)."""
        ...

    def scored_shape(self, y: Array, n: int) -> tuple[int, ...]:
        """Shape of the log-probabilities of `Examples.scored_labels` y."""
        ...

    def fits(self, shape: tuple[int | None, ...], n: int) -> bool:
        """Return whether an output of this shape (batch first) is for n classes."""
        ...

    def counts(self, y: Array, n: int, weights: Array | None = None) -> Array:
        """Rows of each class, int64 (C,); or of each label without and with it, (L, 2); with weights their sums.

        Weights are (N,), and of several labels also (N, L). A label that is not known is not counted.
        """
        ...

    def are_labels(self, y: Array, n: int) -> bool:
        """Return whether an array contains labels of n classes, for at least one row."""
        ...

    def codes(self, given: Any, classes: Array) -> Array:
        """Labels of new rows, in any form, as codes among the classes of a classifier.

        Raises:
            TargetError: a label that is not among them.
        """
        ...

    def columns_of(self, schema: Any, classes: Sequence[Any], options: Mapping[str, str]) -> str | TargetColumns:
        """The column, or the columns, of a table that held the target in training.

        `options` are `Examples.label_options`.
        """
        ...

    def problems(self, y: Array, classes: Sequence[Any]) -> tuple[Problem, ...]:
        """The problems that labels y pose; of elements those that are scored (see `Examples.scored_labels`)."""
        ...

    def labeled(self, log_p: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        """Return log-probabilities, labels and weights of the rows that have all labels.

        Of a class per element, they are those of the elements with a label, one after the other.
        """
        ...

    def plan(self, make: Callable[..., Any], y: Array, n: int, sample_weight: Array | None) -> Any:
        """The plan that `make(y, sample_weight=, classes=)` gives for one class per row, over these labels.

        Raises:
            OptionError: it means nothing for this kind of target.
        """
        ...

    def weighted(self, loss: tuple[str, Mapping[str, Any]], plan: Any) -> tuple[str, Mapping[str, Any]]:
        """Name and constants of a loss, with the weights that a plan leaves to the loss.

        Raises:
            OptionError: the loss takes none.
        """
        ...

    def weight_axes(self, units: int, n_members: int) -> tuple[int, ...]:
        """Return the axes of batch weights after the rows, for a network with these numbers of units and members."""
        ...

    def start(self, loss: Any, shares: Array, units: int) -> Array | None:
        """The constant logits, float64 (units,), that minimize a loss where training sees these shares."""
        ...

    def log_p(self, logits: Array, log_shift: Array, gamma: float = 0.0) -> Array:
        """Log-probabilities, float64, of raw logits (N, units), focal loss and training shift undone."""
        ...

    def output(self, log_p: Array, units: int, probabilities: bool) -> Array:
        """The output of a model with so many units that predicts these log-probabilities, float32 (N, units)."""
        ...

    def with_intercept(self, log_p: Array, y: Array, weights: Array | None = None) -> Array:
        """Log-probabilities after the constants that fit these rows best."""
        ...

    def log_loss(self, log_p: Array, y: Array, weights: Array | None = None) -> float:
        """Mean log loss, of several problems the mean of theirs."""
        ...

    def stopping(self, log_p: Array, y: Array, on: str, weights: Array | None = None) -> tuple[Array, float]:
        """The early-stopping loss of each row, float64 (N,), and one number for all (see `early_stopping.Score`)."""
        ...

    def recalls(self, log_p: Array, y: Array, weights: Array | None = None) -> dict[int, float]:
        """Class code, or number of a label, -> share of its rows that the most probable class finds."""
        ...

    def fit_rule(
        self, log_p: Array, y: Array, log_shifts: Array, *, calibrate: Callable[[Array], str | None], **how: Any
    ) -> Any:
        """The rule of corrected scores (M, N, ...); `calibrate` takes the codes of a problem, see `decide.rule`."""
        ...

    def apply(self, rule: Any, log_p: Array, column_values: Array | None = None) -> Any:
        """The `decide.Decision` of a rule on corrected scores (M, N, ...), and the values (N,) of its cost column."""
        ...

    def unit_proba(self, proba: Array, units: Units) -> Array:
        """Probabilities of units, (U, C) or (U, L): the mean or the largest of their rows', not calibrated."""
        ...

    def log_p_of(self, proba: Array) -> Array:
        """Log-probabilities, float64 (N, C) or (N, L, 2), of probabilities (N, C) or (N, L)."""
        ...

    def raw(self, logits: Sequence[Array]) -> Array:
        """The mean output of M members without any correction, (N, C) or (N, L)."""
        ...

    def joint_scores(self, y: Array, proba: Array, decision: Array, weights: Array | None = None) -> dict[str, float]:
        """Scores of all problems at once, which no mean over them gives; by metric key."""
        ...

    def layer(self, rule: Any) -> Any:
        """The Keras layer "rule": member logits to probability and decision."""
        ...

    def rule_of(self, values: Any) -> Any:
        """The rule of plain values, as the layer's configuration holds them.

        Raises:
            ArtifactError: they are none.
        """
        ...

    def choose(
        self, rule: Any, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
        classes: Sequence[Any],
    ) -> Any:  # fmt: skip
        """The rule with another threshold, or one for each label, chosen on stored scores (see `Classifier.decide`)."""
        ...

    def at_prior(self, rule: Any, prior: Any, scores: Mapping[str, Array]) -> Any:
        """The rule for rows whose classes, or labels, have other shares."""
        ...

    def describe(self, rule: Any, y: Array, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
        """Return the entry of the threshold in the model card.

        `y` are the labels of the rows that fitted the rule, which are counted; `of` is what they are, such as units.
        """
        ...

    def columns(self, decision: Any, classes: Array) -> dict[str, Any]:
        """A decision as the columns of a table, by name."""
        ...

    def decided(self, decision: Array, classes: Array) -> Array:
        """Decisions as a user reads them: labels (N,), or zeros and ones (N, L)."""
        ...

"""A plan for rows with several labels: which rows an epoch draws, and what each label of a row weighs.

`targets.labels` makes these plans: of class plans, one per label, or of a `MultiLabelPlan` that draws rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.plans import shift
from counterpoise.plans.labels import user_weights
from counterpoise.plans.multilabel import MultiLabelPlan
from counterpoise.plans.plan import Plan

Array = np.ndarray


@dataclass(frozen=True)
class LabelPlan(Plan):
    """Weights of each label without and with it, over rows that an inner plan draws; as a class plan, one class.

    A weight that depends on one label alone moves this label's log-odds by a known amount and no other label's, so
    that each label has an exact shift of its own. Drawing rows by their labels has none, because it changes which rows
    have a label: such a plan needs a calibrator.

    Attributes:
        labels: int8 (n, L): 1, 0, or -1 where it is not known, which weighs nothing.
        label_weights: float64 (L, 2), loss weight of each label in a row without and with it.
        drawing: The plan that draws rows by their labels; None draws each once.

    Example:
        >>> plan = label_plan(np.array([[1, 0], [0, -1], [0, 1], [0, 0]]), np.array([[1.0, 3.0], [1.0, 1.0]]))
        >>> plan.weights().astype(float).round(2).tolist()[:2], np.diff(plan.log_shift).ravel().round(2).tolist()
        ([[2.67, 0.89], [0.89, 0.0]], [1.1, 0.0])
    """

    labels: Array | None = None
    label_weights: Array | None = None
    drawing: MultiLabelPlan | None = None

    @property
    def log_shift(self) -> Array:
        """The shift of the log-odds of each label by training, float64 (L, 2), sum 0 per label."""
        return np.stack([shift.log_shift(pair) for pair in self._label_weights])

    @property
    def prior(self) -> Array:
        """Shares of each label without and with it that training sees, float64 (L, 2)."""
        return np.stack([shift.training_prior(*pair) for pair in zip(self._masses, self._label_weights, strict=True)])

    @property
    def base_prior(self) -> Array:
        """The same shares of the data, float64 (L, 2)."""
        return self._masses / self._masses.sum(axis=1, keepdims=True)

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of an epoch, from `drawing` if there is one."""
        return super()._draw_rows(number, seed) if self.drawing is None else self.drawing.rows(number, seed)

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weight of each row and label, float32 (k, L).

        It is 0 where the label is missing. The mean over all labels of the drawn rows is 1.
        """
        return (self._unscaled_weights(rows) * self._scale).astype(np.float32)

    def _unscaled_weights(self, rows: Any) -> Array:
        """Return label weight times sample weight of some rows, float64 (k, L), unscaled."""
        y = self._labels[rows]
        # A missing label (-1) reads the wrong weight, which np.where then replaces.
        own = np.where(y < 0, 0.0, self._label_weights[np.arange(y.shape[1]), y])
        return own if self.sample_weight is None else own * self.sample_weight[rows, None]

    @cached_property
    def _scale(self) -> float:
        """The factor that makes the mean weight 1 over the rows that an epoch is expected to draw."""
        n, labels = self._labels.shape
        times = np.ones(n) if self.drawing is None else self.drawing.expected_times()
        return float(times.sum() * labels / (times @ self._unscaled_weights(slice(None))).sum())

    @property
    def _labels(self) -> Array:
        """`labels`, which every plan of this kind has."""
        assert self.labels is not None
        return self.labels

    @property
    def _label_weights(self) -> Array:
        """`label_weights`, which every plan of this kind has."""
        assert self.label_weights is not None
        return self.label_weights

    @property
    def _masses(self) -> Array:
        """Sums of sample weights of the rows without and with each label, float64 (L, 2)."""
        w = np.ones(len(self._labels)) if self.sample_weight is None else self.sample_weight
        return np.stack([w @ (self._labels == code) for code in (0, 1)], axis=1)


def label_plan(
    labels: Array, label_weights: Array, *, name: str = "labels", drawing: MultiLabelPlan | None = None,
    sample_weight: Array | None = None, needs_calibration: bool = False,
) -> LabelPlan:  # fmt: skip
    """Return a plan over rows with several labels.

    Args:
        labels, label_weights, drawing: As in `LabelPlan`.
        name: Name of the plan.
        sample_weight: Weights of the user, (n,).
        needs_calibration: Whether the shift does not correct the probabilities; always True with `drawing`.
    """
    n = len(labels)
    drawn = n if drawing is None else len(drawing)
    return LabelPlan(
        name, np.zeros(n, np.int32), ("all rows",), np.array([drawn], np.int64), np.ones(1),
        sample_weight=user_weights(sample_weight, n), needs_calibration=needs_calibration or drawing is not None,
        labels=np.asarray(labels, np.int8), label_weights=np.asarray(label_weights, dtype=np.float64), drawing=drawing,
    )  # fmt: skip


def joined_label_plans(plans: Sequence[Plan], labels: Array, sample_weight: Array | None = None) -> LabelPlan:
    """Join plans of single labels, each over the rows where its label is known, into one plan.

    Each label keeps the weights that its own plan gives to its two classes.

    Raises:
        OptionError: A plan does more than to weight rows, so that the labels cannot share rows.
    """
    if odd := [plan for plan in plans if plan.beyond_weights]:
        raise OptionError(
            f"Plan {odd[0].name!r} {odd[0].beyond_weights}, which is for one class per row, but these rows have "
            "several labels. Choose, for example, class_weight, focal, or oversample."
        )
    scaled = []
    for plan in plans:
        shares = plan.mass / plan.mass.sum()
        scaled.append(plan.class_weights / (shares @ plan.class_weights))
    return label_plan(
        labels, np.stack(scaled), name=plans[0].name, sample_weight=sample_weight,
        needs_calibration=any(plan.needs_calibration for plan in plans),
    )  # fmt: skip

"""A plan for rows with a class per element: which rows an epoch draws, and what the elements of each class weigh.

`targets.elements` makes these plans of the plans that strategies name; `crops_of_masks` is such a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.checks import check_range
from counterpoise.core.errors import OptionError
from counterpoise.plans.labels import user_weights
from counterpoise.plans.plan import Plan

Array = np.ndarray


@dataclass(frozen=True)
class ElementPlan(Plan):
    """A plan with weights for the elements of each class; an inner plan draws the rows.

    As a `Plan`, it has one class with all rows. `epoch` returns the weights of rows. Weights of elements are constants
    of the loss (see `Target.weighted`), because weights for each pixel of each row would take as much memory as the
    images. The loss states the shift that follows from them.

    Attributes:
        shares: float64 (C,), share of each class among the elements that count.
        element_weights: float64 (C,), what the loss of an element of each class weighs, mean 1 over the elements; None:
            all alike.
        drawing: The plan that draws rows by what they contain; None draws each once.
        crops: Share of the parts of images that are drawn around a rare class (see `crop_plan`); 0: whole rows.

    Example:
        >>> plan = element_plan(np.array([[8, 0], [4, 4]]), np.array([1.0, 3.0]))
        >>> plan.prior.tolist(), plan.element_weights.tolist(), sorted(plan.rows().tolist())
        ([0.75, 0.25], [0.6666666666666666, 2.0], [0, 1])
    """

    shares: Array | None = None
    element_weights: Array | None = None
    drawing: Plan | None = None
    crops: float = 0.0

    @property
    def log_shift(self) -> Array:
        """Return zeros, float64 (C,): the logits are not shifted by a constant."""
        return np.zeros(len(self._shares))

    @property
    def prior(self) -> Array:
        """Shares of the classes among the elements, float64 (C,); the loss weighs them."""
        return self._shares

    @property
    def base_prior(self) -> Array:
        """Shares of the classes among the elements of the data, the same as `prior`."""
        return self._shares

    @property
    def drawn_shares(self) -> Array:
        """The same shares, as if drawing rows did not change them."""
        return self._shares

    def epoch(self, number: int = 0, seed: int = 0) -> tuple[Array, Array]:
        """Return the rows and weights of an epoch, from `drawing` if there is one."""
        return super().epoch(number, seed) if self.drawing is None else self.drawing.epoch(number, seed)

    def _draw_rows(self, number: int, seed: int) -> Array:
        """Return the row numbers of an epoch, from `drawing` if there is one."""
        return super()._draw_rows(number, seed) if self.drawing is None else self.drawing.rows(number, seed)

    def _weights_of(self, rows: Any) -> Array:
        """Return the loss weight of some rows, float32, without the weights of their elements."""
        return super()._weights_of(rows) if self.drawing is None else self.drawing.weights()[rows]

    @property
    def _shares(self) -> Array:
        """`shares`, which every plan of this kind has."""
        assert self.shares is not None
        return self.shares


def element_plan(
    counts: Array, element_weights: Array | None = None, *, name: str = "elements", drawing: Plan | None = None,
    sample_weight: Array | None = None, crops: float = 0.0,
) -> ElementPlan:  # fmt: skip
    """Make a plan over rows with a class per element, see `ElementPlan`.

    Args:
        counts: int (N, C), elements of each class in each row.
        element_weights: float (C,), at any scale; None: all alike.
        name: What the plan is called in reports.
        drawing: The plan that draws rows; None draws each once.
        sample_weight: The user's weights (N,) of rows.
        crops: Share of the parts of images that are drawn around a rare class; 0: whole rows are drawn.
    """
    n = len(counts)
    user = user_weights(sample_weight, n)
    mass = (counts if user is None else counts * user[:, None]).sum(axis=0).astype(np.float64)
    # The mass of a class counts its elements, each with the weight of its row.
    shares = mass / mass.sum()
    # Equal weights are no weights.
    weights = None if element_weights is None or np.ptp(element_weights) == 0 else element_weights
    return ElementPlan(
        name, np.zeros(n, np.int32), ("all rows",), np.array([n if drawing is None else len(drawing)], np.int64),
        np.ones(1), sample_weight=user, shares=shares, drawing=drawing,
        element_weights=None if weights is None else weights / float(shares @ weights),
        needs_calibration=crops > 0 or (drawing is not None and drawing.needs_calibration), crops=crops,
    )  # fmt: skip


def crops_of_masks(y: Any, *, share: float = 0.5, sample_weight: Any = None, classes: Any = None) -> Plan:
    """Name the plan of the strategy "crops"; a call is for rows with one class each, and raises an error.

    For masks, `plan` of `targets.elements.Elements` recognizes this function, and makes an `element_plan` with `crops`.

    Args:
        y: Labels of rows.
        share: Share of the parts that are drawn around a rare class, above 0 and below 1.
        sample_weight: Weights of rows.
        classes: The classes.

    Raises:
        OptionError: Rows have one class each.
    """
    raise OptionError(
        "The strategy 'crops' is for images with masks, but these rows have no class for each pixel. Choose another "
        "strategy."
    )


def crop_share(share: float = 0.5) -> float:
    """Return the share of `crops_of_masks`, checked to be above 0 and below 1."""
    return check_range(share, "share", 0, 1, "()")


def element_counts(y: Array, n_classes: int) -> Array:
    """Return the number of elements of each class in each row, int64 (N, C), of codes (N, ...).

    Codes below 0 are ignored.

    Example:
        >>> element_counts(np.array([[0, 1, 1, -1], [0, 0, 0, 0]]), 2).tolist()
        [[1, 2], [4, 0]]
    """
    flat = y.reshape(len(y), -1)
    return np.stack([np.count_nonzero(flat == code, axis=1) for code in range(n_classes)], axis=1)

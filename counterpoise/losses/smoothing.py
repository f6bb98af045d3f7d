"""Label smoothing that depends on the size of each class.

Names of classes and of their arguments are saved (see the package).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops, saving

from counterpoise.core.checks import check_range
from counterpoise.losses.base import Array, ClassLoss, Tensor, class_numbers, normalized
from counterpoise.losses.pointwise import cross_entropy


@saving.register_keras_serializable(package="counterpoise")
class LabelSmoothing(ClassLoss):
    """Label-aware smoothing: cross-entropy with smoother labels for larger classes.

    A network is most confident for frequent classes, so their labels are smoothed most. The labels of rare classes are
    smoothed least.

    Formula: L = -sum_c t_c log softmax(z)_c, t_y = 1 - e_y and t_c = e_y / (C - 1) for the other classes; between the
    largest class (n_max) and the smallest (n_min)
    e_c = tail + (head - tail) sin(pi (n_c - n_min) / (2 (n_max - n_min))).

    Shapes: y (...) or (..., 1) class codes, or (..., C) shares; outputs (..., C) or (..., 1); loss (...).

    Not proper (probabilities move towards the other classes), but `inverse` corrects them: at the minimum, the outputs
    are a known linear function of the class proportions. If all counts are equal, every class has the smoothing `head`.
    With head = tail = 0, the loss is cross-entropy.

    Args:
        counts: Rows of each class, (C,), above 0; for one unit (n_0, n_1).
        head: Smoothing of the largest class, from 0 to below (C - 1) / C. At (C - 1) / C, the label would contain no
            information.
        tail: Smoothing of the smallest class, in the same range.

    Attributes:
        smoothing: e_c, float64 (C,).

    Example:
        >>> loss = LabelSmoothing([90, 10], head=0.2, tail=0.0)
        >>> loss.smoothing.tolist()
        [0.2, 0.0]
        >>> q = 0.8 * 0.7 + 0.0 * 0.3  # what it makes of shares 0.7 and 0.3
        >>> loss.inverse([[q, 1 - q]]).round(3).tolist()
        [[0.7, 0.3]]

    Reference: Zhong et al., "Improving Calibration for Long-Tailed Recognition" (CVPR 2021), Section 3.2.
    """

    def __init__(self, counts: Any, head: float = 0.1, tail: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.counts = class_numbers(counts, "counts")
        most = 1.0 - 1.0 / len(self.counts)
        self.head = check_range(head, "head", low=0.0, high=most, bounds="[)")
        self.tail = check_range(tail, "tail", low=0.0, high=most, bounds="[)")
        least, spread = self.counts.min(), np.ptp(self.counts)
        size = (self.counts - least) / spread if spread else np.ones(len(self.counts))
        self.smoothing = self.tail + (self.head - self.tail) * np.sin(size * np.pi / 2)

    def per_element(self, t: Tensor, z: Tensor) -> Tensor:
        """Return the losses (...) of shares `t` and logits `z`, both (..., C)."""
        # What each true class gives away goes to the other classes in equal parts.
        moved = t * self.constant(self.smoothing, z)
        others = (ops.sum(moved, axis=-1, keepdims=True) - moved) / (z.shape[-1] - 1)
        return cross_entropy(t - moved + others, z)

    def inverse(self, proba: Any) -> Array | None:
        """Return class proportions (..., C), given probabilities softmax(z) (..., C).

        Negative results are set to 0, and the proportions are scaled to the sum 1.
        """
        kept = np.diag(1.0 - self.smoothing)
        given = (1.0 - np.eye(len(self.smoothing))) * self.smoothing / (len(self.smoothing) - 1)
        # q = (kept + given) p: column k is what a row of class k gives to each class, and sums to 1.
        shares = np.linalg.solve(kept + given, np.asarray(proba, dtype=np.float64)[..., None])[..., 0]
        return normalized(np.maximum(shares, 0.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "counts": self.counts.tolist(), "head": self.head, "tail": self.tail}

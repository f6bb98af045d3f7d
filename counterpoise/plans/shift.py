"""The prior shift of a plan: the class shares in training, and the constants that training adds to the logits.

With multiplicities m_c depending on the class alone, a proper loss and a model that can express it, the
trained softmax logit of class c is the true one plus log m_c (+ a_c, the loss's own additive term inside
the softmax). So  true z_c = trained z_c - log_shift_c  with  log_shift_c = log m_c - a_c.
For one sigmoid unit the single logit is shifted by log m_1 - log m_0.
Sources: Saerens et al. 2002; Menon et al. 2021 for a_c.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray


def log_shift(multiplicity: Array, additive: Array | None = None) -> Array:
    """Return log m_c - a_c, float64 (C,), with sum 0 (a softmax ignores a common constant).

    Args:
        multiplicity: (C,) realized counts over original counts, all above 0.
        additive: (C,) the loss's own term a_c, or None for 0.

    Example:
        >>> log_shift(np.array([1.0, 1.0]))
        array([0., 0.])
    """
    raw = np.log(multiplicity) - (0.0 if additive is None else np.asarray(additive, dtype=float))
    return raw - raw.mean()


def training_prior(counts: Array, multiplicity: Array) -> Array:
    """Return the class shares that training sees, float64 (C,): n_c m_c / sum."""
    seen = counts * multiplicity
    return seen / seen.sum()

"""Steps of Newton's method where the same number added to every unknown changes nothing (NumPy only).

The intercept of a rule (`decide/intercept.py`) and the calibration scores (`metrics/calibration_scores.py`) take them.
"""

from __future__ import annotations

import numpy as np

#: Up to so many unknowns a system is solved by its singular values, which takes degenerate ones as well.
FEW = 64


def newton_step(hessian: np.ndarray, gradient: np.ndarray, smallest: float | None = None) -> np.ndarray:
    """Return the shortest solution of `hessian @ step = gradient`.

    Both have sum 0 along every axis.

    Large systems are solved directly, which takes a fiftieth of the time, unless they turn out degenerate.

    Args:
        hessian: float64 (C, C), symmetric, not negative. gradient: float64 (C,).
        smallest: Singular values below this share of the largest count as 0; None: rounding alone.

    Returns:
        float64 (C,), with sum 0.

    Example:
        >>> newton_step(np.array([[2.0, -2.0], [-2.0, 2.0]]), np.array([1.0, -1.0])).round(3).tolist()
        [0.25, -0.25]
    """
    if len(gradient) > FEW:
        try:
            # A constant added to all entries makes the matrix regular, and changes nothing for steps of sum 0.
            step = np.linalg.solve(hessian + np.trace(hessian) / len(hessian) ** 2, gradient)
        except np.linalg.LinAlgError:
            step = np.full_like(gradient, np.nan)
        if np.abs(hessian @ step - gradient).max() <= 1e-6 * np.abs(gradient).max():
            return step
    return np.linalg.lstsq(hessian, gradient, rcond=smallest)[0]

"""Newton steps: the shortest solution, whatever the size and however degenerate the system."""

from __future__ import annotations

import numpy as np
import pytest

from counterpoise.core.newton import FEW, newton_step


@pytest.mark.parametrize("size", [3, FEW, FEW + 40])
@pytest.mark.parametrize("dead", [0, 2])
def test_as_by_singular_values(size, dead):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(size), 3 * size)
    p[:, :dead] = 0.0
    hessian = np.diag(p.sum(axis=0)) - (p / p.sum(axis=1, keepdims=True)).T @ p
    hessian = (hessian + hessian.T) / 2
    gradient = hessian @ rng.normal(size=size)
    wanted = np.linalg.lstsq(hessian, gradient, rcond=1e-12)[0]
    assert newton_step(hessian, gradient, 1e-12) == pytest.approx(wanted, abs=1e-6)

"""Targets of every shape, and their weights by loops over single elements."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A target, its mask (elements), and how it has to be described."""

    y: Any
    mask: Any = None
    options: dict[str, Any] = field(default_factory=dict)


def _codes(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = rng.choice(3, p=[0.6, 0.3, 0.1], size=shape)
    y.reshape(-1)[:3] = [0, 1, 2]
    return y


def _multi(rows: int = 24) -> np.ndarray:
    rng = np.random.default_rng(1)
    y = (rng.random((rows, 4)) < [0.5, 0.3, 0.2, 0.1]).astype(int)
    y[0], y[1], y[2] = 0, 1, 0  # rows with no and with all labels
    return y


def _mask(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.random.default_rng(2).random(shape) < 0.7
    mask.reshape(-1)[:3] = True
    return mask


HOT = np.eye(3, dtype=int)
CASES = {
    "integers": Case(_codes((24,))),
    "integers in a column": Case(_codes((24, 1))),
    "binary": Case((_codes((24,)) == 2).astype(int)),
    "text": Case(np.array(["ok", "worn", "broken"])[_codes((24,))]),
    "one-hot": Case(HOT[_codes((24,))]),
    "one-hot, masked rows": Case(HOT[_codes((24,))] * _mask((24,))[:, None], _mask((24,))),
    "multi-label": Case(_multi(), None, {"kind": "multi_label"}),
    "multi-label, missing answers": Case(_multi(), _mask((24, 4)), {"kind": "multi_label"}),
    "sequences": Case(_codes((24, 5))),
    "sequences, masked": Case(_codes((24, 5)), _mask((24, 5))),
    "sequences, padding ignored": Case(_codes((24, 5)), None, {"ignore": 0}),
    "sequences, one-hot": Case(HOT[_codes((24, 5))]),
    "masks": Case(_codes((8, 4, 6))),
    "masks of two classes": Case((_codes((8, 4, 6)) == 2).astype(int)),
    "masks with an axis": Case(_codes((8, 4, 6, 1)), _mask((8, 4, 6))),
    "masks, one-hot": Case(HOT[_codes((8, 4, 6))]),
    "masks, void": Case(np.where(_mask((8, 4, 6)), _codes((8, 4, 6)), 255), None, {"ignore": 255}),
    "several outputs": Case({"kind": _codes((24,)), "risk": _codes((24,), 3) > 1}),
}
SCHEMES = ["balanced", "sqrt", "power(0.25)", "effective_number(0.9)", "median_frequency", "log(1.02)", "none"]


def loop(case: Case, scheme: str) -> Any:
    """Weights element by element, from the definitions."""
    if isinstance(case.y, dict):
        return {k: loop(Case(v), scheme) for k, v in case.y.items()}
    if case.options.get("kind") == "multi_label":
        mask = np.ones(case.y.shape) if case.mask is None else case.mask
        columns = [_loop_column(case.y[:, k], mask[:, k], scheme) for k in range(case.y.shape[1])]
        return np.stack(columns, axis=1)
    y = case.y
    if y.ndim > 1 and y.shape[-1] == 1:
        y = y[..., 0]
    elif y.ndim > 1 and y.shape[-1] == 3:
        y = y.argmax(-1)
    counted = np.ones(y.shape, bool) if case.mask is None else case.mask.copy()
    if "ignore" in case.options:
        counted &= y != case.options["ignore"]
    return _scaled(y, counted, scheme)


def _loop_column(y: np.ndarray, counted: np.ndarray, scheme: str) -> np.ndarray:
    return _scaled(y, np.asarray(counted, bool), scheme)


def _scaled(y: np.ndarray, counted: np.ndarray, scheme: str) -> np.ndarray:
    elements = list(np.ndindex(y.shape))
    inside = [i for i in elements if counted[i]]
    classes = sorted({y[i] for i in inside})
    size = {c: sum(y[i] == c for i in inside) for c in classes}
    total = sum(size.values())
    raw = {c: _raw(scheme, c, size, total, y, inside) for c in classes}
    mean = sum(raw[y[i]] for i in inside) / total
    out = np.zeros(y.shape)
    for i in inside:
        out[i] = raw[y[i]] / mean
    return out


def _raw(scheme: str, c: Any, size: dict[Any, int], total: int, y: np.ndarray, inside: list[tuple[int, ...]]) -> float:
    name = scheme.split("(")[0]
    number = float(scheme.split("(")[1][:-1]) if "(" in scheme else 0.0
    if name == "balanced":
        return total / (len(size) * size[c])
    if name == "sqrt":
        return 1 / math.sqrt(size[c])
    if name == "power":
        return size[c] ** -number
    if name == "effective_number":
        return (1 - number) / (1 - number ** size[c])
    if name == "log":
        return 1 / math.log(number + size[c] / total)
    if name == "median_frequency":
        share = {k: size[k] / _around(k, y, inside) for k in size}
        return float(np.median(list(share.values()))) / share[c]
    return 1.0


def _around(c: Any, y: np.ndarray, inside: list[tuple[int, ...]]) -> int:
    """Elements of the rows in which the class occurs; a target of one element a row is one crowd."""
    if y.ndim == 1:
        return len(inside)
    rows = {i[0] for i in inside if y[i] == c}
    return sum(i[0] in rows for i in inside)

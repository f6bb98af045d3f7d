"""`FoldResult`: the result of one strategy on one outer fold, which `pipeline/fold_results.py` makes.

`comparison/` scores, judges and reports these records. They are computed again from the stored members, and are not
stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from counterpoise.core.region_result import RegionResult
from counterpoise.core.rule import LabelRules, Rule

Array = np.ndarray


@dataclass(frozen=True)
class FoldResult:
    """One strategy on one outer fold, scored on rows that were used for nothing else.

    Attributes:
        strategy: Its name. repeat, fold: where.
        rows: int64 (T,), the test rows; numbers (from 0) among the rows whose weight is not 0.
        raw: float32 (T, C), of several labels (T, L), uncorrected probabilities.
        proba: The same after shift correction, pooling and intercept check.
        decision: int32 (T,), of several labels (T, L), class codes by the strategy's own (cross-fitted) rule.
        rule: The rule that made them.
        duplicate_free: bool (T,), rows without a duplicate in training, or None.
        fits, steps, rows_seen, seconds, seconds_shared: cost (a shared job counts in full in `seconds`).
        history: One mapping per member.
        member_proba: float32 (T, C) of each member strategy after shift correction, before pooling.
        member_weights: float64 (members,), weights of these in the pool; None: equal.
        regions: Of a class per element, what was decided for whole rows; None: rows have one decision. Then raw, proba
            and decision are those of sampled elements, (T, k, C) and (T, k).
        cost: float64 (T,), what each decision cost, or None.
        memory: Bytes, the highest resident memory while a member was in work.
    """

    strategy: str
    repeat: int
    fold: int
    rows: Array
    raw: Array
    proba: Array
    decision: Array
    rule: Rule | LabelRules | None = None
    duplicate_free: Array | None = None
    fits: int = 0
    steps: int = 0
    rows_seen: int = 0
    seconds: float = 0.0
    seconds_shared: float = 0.0
    history: tuple[Mapping[str, list[float]], ...] = ()
    member_proba: tuple[Array, ...] = ()
    member_weights: Array | None = None
    memory: int = 0
    regions: RegionResult | None = None
    cost: Array | None = None

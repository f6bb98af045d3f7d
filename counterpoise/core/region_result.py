"""Decisions of a strategy for the whole rows of a fold with a class per element, in a few numbers per row.

A field of `core.fold_result.FoldResult`; made by `metrics/regions.py`, so that no array has all elements of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class RegionResult:
    """Counts and regions of T test rows.

    Attributes:
        counts: int64 (T, C, 3), true positive, false positive and false negative elements (see
            `metrics.region_scores.pixel_counts`).
        foreground: Codes of the classes that regions are of: all but the most frequent.
        lesions: `metrics.lesions.Lesions` of each of these: connected regions of the truth, and of the decision.
        shown: int64 (S,), numbers of the rows whose decisions are kept for pictures.
        decided: uint8 (S, ...), these decisions.
    """

    counts: Array
    foreground: tuple[int, ...]
    lesions: tuple[Any, ...]
    shown: Array
    decided: Array

"""The critical-difference figure: mean ranks on an axis, bars over strategies within the critical difference.

It is for comparisons on many data sets (`comparison.many`), which compute ranks, groups, and difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from counterpoise.report.figures import still

Array = np.ndarray


def critical_spec(
    names: Sequence[str], ranks: Array, groups: Sequence[Sequence[str]], critical: float
) -> dict[str, Any]:
    """Return a Vega-Lite chart: one line per strategy, best on top; bars join those within the critical difference.

    Args:
        names: Strategies, best mean rank first.
        ranks: (strategies,), their mean ranks.
        groups: Names that a bar joins.
        critical: The critical difference, for the title; nan if it is not known.
    """
    rank_of = dict(zip(names, (float(r) for r in ranks), strict=True))
    points = [{"strategy": name, "rank": rank, "text": f"{rank:.2f}"} for name, rank in rank_of.items()]
    # A bar is one line for each strategy of its group, from the best to the worst rank of the group.
    bars = [
        {"from": min(rank_of[n] for n in group), "to": max(rank_of[n] for n in group), "strategy": name}
        for group in groups
        for name in group
    ]
    title = "Mean rank (1 is best)" + (f"; critical difference {critical:.2f}" if np.isfinite(critical) else "")
    span = [1, max(2.0, float(np.max(ranks)) + 0.5)]
    where = {"field": "strategy", "type": "nominal", "sort": list(names), "title": None}
    return {
        "width": 420,
        "height": {"step": 24},
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "rule", "strokeWidth": 8, "opacity": 0.25, "strokeCap": "round"},
                "encoding": {
                    "x": {"field": "from", "type": "quantitative", "scale": {"domain": span}, "title": title},
                    "x2": {"field": "to"},
                    "y": where,
                },
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 70},
                "encoding": {"x": {"field": "rank", "type": "quantitative"}, "y": where},
            },
            {
                "data": {"values": points},
                "mark": {"type": "text", "align": "left", "dx": 8, "dy": -7},
                "encoding": {"x": {"field": "rank", "type": "quantitative"}, "y": where, "text": {"field": "text"}},
            },
        ],
    }


def critical_svg(names: Sequence[str], ranks: Array, groups: Sequence[Sequence[str]], critical: float) -> str:
    """Return the figure as SVG text (see `critical_spec`)."""
    return str(still(critical_spec(names, ranks, groups, critical)))

"""Comparisons that decide units (such as patients): they are judged by units, and also list the scores of rows.

`compare` judges rows and units by the same functions; this file joins both in the verdict and in the leaderboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from counterpoise.comparison import tally
from counterpoise.comparison.costs import AnyCosts, with_costs
from counterpoise.comparison.verdict import Judgment, Verdict
from counterpoise.core.examples import Examples
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.titles import metric_name, strategy_title
from counterpoise.strategies.select import Strategy


@dataclass(frozen=True)
class JudgedUnits:
    """Units as rows of their own, and the results of strategies for them.

    Attributes:
        examples: See `Examples.as_units`.
        by_name: strategy -> its results.
        name: What a unit is called.
        rows: Number of rows in all units.
    """

    examples: Examples
    by_name: Mapping[str, Sequence[FoldResult]]
    name: str
    rows: int

    @classmethod
    def of(
        cls, examples: Examples, results: Sequence[FoldResult], strategies: Sequence[Strategy], costs: AnyCosts | None
    ) -> JudgedUnits:
        """Return the units of `examples`, which must have units, and their results by strategy.

        `results` must be those of units, not of rows. `costs` decide the units if they are not None.
        """
        assert examples.units is not None
        units, by_name = examples.as_units(), dict[str, list[FoldResult]]()
        for result in with_costs(results, strategies, units, costs):
            by_name.setdefault(result.strategy, []).append(result)
        return cls(units, by_name, examples.units.name, len(examples))

    def verdict_with_note(self, verdict: Verdict, of_rows: Judgment, metric: str) -> Verdict:
        """Return the verdict with a note on units and rows in its evidence.

        The note has their numbers, and the winner's score for single rows. `of_rows` is the judgment of single rows.
        Its score is left out if it has no interval.
        """
        score = of_rows.row(verdict.winner)["scores"][metric]
        single = ""
        if score["mean"] is not None and score["low"] is not None:
            single = (
                f" For single rows, the {metric_name(metric)} of {strategy_title(verdict.winner)} is "
                f"{score['mean']:.3f} (95% CI {score['low']:.3f} to {score['high']:.3f})."
            )
        note = (
            f"All numbers are for {len(self.examples):,} units ({self.name}), which contain {self.rows:,} rows.{single}"
        )
        return replace(verdict, evidence=f"{verdict.evidence} {note}".strip())

    def ranked_rows(
        self, rows: Sequence[Mapping[str, Any]], judgment: Judgment, costs: AnyCosts | None
    ) -> list[dict[str, Any]]:
        """Return the rows of the leaderboard, ranked by their scores for units.

        The entry "units" with these scores is added to each row. A strategy without results keeps its rank and gets
        "units": None. `judgment` is that of units.
        """
        judged = []
        for row in rows:
            name = row["strategy"]
            if name not in self.by_name:
                judged.append({**row, "units": None})
                continue
            own = tally.strategy_row(self.by_name[name], self.examples, judgment, costs)
            keys = ("scores", "vs_none", "per_class", "cost", "skill_below_0")
            judged.append({**row, "rank": own["rank"], "units": {key: own[key] for key in keys}})
        return sorted(judged, key=lambda row: row["rank"])

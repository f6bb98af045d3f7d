"""`compare_many`: which strategies are better over several data sets, as text, table and critical-difference figure.

`ranks` has the tests; this file reads the comparisons and words the conclusions.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.comparison import words
from counterpoise.comparison.compare import compare
from counterpoise.comparison.ranks import SignedRank, cliques, critical_difference, friedman, mean_ranks, signed_rank
from counterpoise.comparison.result import Comparison
from counterpoise.comparison.significance import CERTAIN
from counterpoise.comparison.stored_values import RECORD
from counterpoise.core.checks import check_path
from counterpoise.core.errors import ArtifactError, OptionError
from counterpoise.core.file_checks import read_json
from counterpoise.core.files import write_text
from counterpoise.core.json_values import finite_or_none
from counterpoise.core.titles import capital, strategy_name
from counterpoise.metrics.catalog import METRICS
from counterpoise.report.critical import critical_svg

Array = np.ndarray


@dataclass(frozen=True, repr=False)
class ManyComparisons:
    """Conclusions from several comparisons. `compare_many` returns them.

    Attributes:
        metric: The metric that is compared.
        data_sets: The names of the data sets.
        strategies: The strategies with a score on every data set, best mean rank first.
        scores: float64 (data sets, strategies), the mean scores of the comparisons.
        ranks: float64 (strategies,), mean ranks. 1 is best.
        critical: Nemenyi's critical difference of mean ranks at 5%, nan with fewer than 2 data sets.
        p: p-value of Friedman's test that all strategies are equally good, in Iman and Davenport's form.
        against: strategy -> Bayesian signed-rank test against the reference (left: the reference is better).
        reference: The baseline, or the first strategy if the baseline was not compared.
        left_out: Strategies without a score on some data set.
        cut_off: Data sets on which the training of the reference was cut off while it still improved.
        comparisons: The comparisons, by data set (None if only the record was given).
    """

    metric: str
    data_sets: tuple[str, ...]
    strategies: tuple[str, ...]
    scores: Array
    ranks: Array
    critical: float
    p: float
    against: Mapping[str, SignedRank]
    reference: str
    left_out: tuple[str, ...]
    comparisons: Mapping[str, Comparison | None]
    cut_off: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The largest groups of strategies whose mean ranks differ by less than the critical difference."""
        if not np.isfinite(self.critical):
            return []
        return [tuple(self.strategies[i] for i in group) for group in cliques(self.ranks, self.critical)]

    @property
    def verdict(self) -> str:
        """The conclusions over all data sets, in words."""
        reference = strategy_name(self.reference)
        groups = {
            "significantly better than": [
                n for n, t in self.against.items() if t.right >= CERTAIN and not self.cut_off
            ],
            "practically equivalent to": [name for name, test in self.against.items() if test.rope >= CERTAIN],
            "significantly worse than": [name for name, test in self.against.items() if test.left >= CERTAIN],
        }
        settled = {name for names in groups.values() for name in names}
        best = capital(strategy_name(self.strategies[0]))
        sentences = [f"{best} has the best mean rank ({self.ranks[0]:.2f}) over {len(self.data_sets)} data sets."]
        for relation, names in groups.items():
            if names:
                sentences.append(f"{capital(relation)} {reference}: {words.listed(names)}.")
        if unsettled := [name for name in self.against if name not in settled]:
            sentences.append(
                f"The comparison with {reference} is inconclusive for {words.listed(unsettled)}. Add data "
                "sets to settle the question."
            )
        if self.cut_off:
            sentences.append(
                f"No strategy can be called better, because {reference} was still improving when its training "
                f"ended on {len(self.cut_off)} data sets. Raise `epochs=`."
            )
        return " ".join(sentences)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: names, scores, ranks, tests, groups and the verdict."""
        return {
            "metric": self.metric,
            "data_sets": list(self.data_sets),
            "strategies": list(self.strategies),
            "scores": self.scores.tolist(),
            "mean_ranks": self.ranks.tolist(),
            "critical_difference": finite_or_none(self.critical),
            "friedman_p": finite_or_none(self.p),
            "against": {name: test._asdict() for name, test in self.against.items()},
            "reference": self.reference,
            "groups": [list(group) for group in self.groups],
            "left_out": list(self.left_out),
            "cut_off": list(self.cut_off),
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        """Return a table of the strategies, the groups that do not differ, and the verdict.

        The last column has the probabilities that the strategy is worse, equivalent and better.
        """
        wide = max(len(name) for name in ("strategy", *self.strategies))
        head = f"{'strategy':<{wide}} {'mean rank':>9} {'mean':>7}"
        lines = [f"{head}  vs. {strategy_name(self.reference)}: worse, equivalent, better"]
        for name, rank, mean in zip(self.strategies, self.ranks, self.scores.mean(axis=0), strict=True):
            test = self.against.get(name)
            tail = "" if test is None else "  " + ", ".join(words.percent(probability) for probability in test)
            lines.append(f"{name:<{wide}} {rank:9.2f} {mean:7.3f}{tail}")
        if self.groups:
            groups = "; ".join(words.listed(group) for group in self.groups)
            lines.append(f"mean ranks not significantly different (critical difference {self.critical:.2f}): {groups}")
        return "\n".join([*lines, "", self.verdict])

    __repr__ = __str__

    def to_svg(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the critical-difference figure as SVG text.

        With `path`, also write it to this file.
        """
        svg = critical_svg(self.strategies, self.ranks, self.groups, self.critical)
        if path is not None:
            write_text(check_path(path), svg)
        return svg

    def _repr_svg_(self) -> str:
        return self.to_svg()


def compare_many(
    comparisons: Mapping[str, Any] | Iterable[Comparison], *, model: Any = "mlp", metric: str | None = None,
    rope: float = 0.01, seed: int = 0, **options: Any,
) -> ManyComparisons:  # fmt: skip
    """Compare strategies over several data sets.

    Args:
        comparisons: A mapping from a name to a finished `Comparison`, to a folder written by `compare`, or to data:
            (x, y), or (table, name of its target column). Or a list of finished comparisons.
        model: The model that `compare` trains on each data set, if data are passed.
        metric: The metric to compare. Default: the metric of the comparisons.
        rope: Differences smaller than this do not matter in practice. For log loss and Brier score, `rope` is a share
            of the mean of the reference.
        seed: Seed of the comparisons and of the test.
        **options: Other arguments of `compare`, if data are passed.

    Returns:
        A `ManyComparisons`. It contains mean ranks with Nemenyi's critical difference (Demsar, JMLR 7, 2006). It also
        compares each strategy with `none`, by the Bayesian signed-rank test (Benavoli et al., JMLR 18, 2017) of the
        mean scores of the data sets.

    Raises:
        OptionError: no comparison, no strategy that ran everywhere, or different metrics.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> def data():
        ...     y = (rng.random(200) < 0.2).astype(int)
        ...     return rng.normal(size=(200, 2)) + y[:, None], y
        >>> options = {"folds": 2, "epochs": 1, "verbose": 0, "refit": False}
        >>> many = compare_many({"a": data(), "b": data()}, strategies="oversample", **options)
        >>> sorted(many.strategies), many.scores.shape
        (['none', 'oversample'], (2, 2))
    """
    named = comparisons if isinstance(comparisons, Mapping) else _named_by_data(comparisons)
    if not named:
        raise OptionError("compare_many received no comparisons. Pass {name: data} or finished comparisons.")
    if metric is not None:
        options["metric"] = metric
    finished = {name: _comparison_or_record(name, value, model, seed, options) for name, value in named.items()}
    records = {name: value.record if isinstance(value, Comparison) else value for name, value in finished.items()}
    key = metric or _common_metric(records)
    kept = {name: value if isinstance(value, Comparison) else None for name, value in finished.items()}
    return _many_comparisons(records, key, rope, seed, kept)


def _named_by_data(comparisons: Iterable[Comparison]) -> dict[str, Any]:
    """Return comparisons by the name of their data file, or "data 1" and so on without a file.

    A repeated name gets a number.

    Raises:
        OptionError: Something is not a comparison.
    """
    named: dict[str, Any] = {}
    for number, comparison in enumerate(comparisons, 1):
        if not isinstance(comparison, Comparison):
            raise OptionError(
                f"comparisons contains {type(comparison).__name__}. Expected comparisons; for folders and data pass a "
                "dict with their names."
            )
        source = Path(str(comparison.record["data"].get("source") or f"data {number}")).stem
        names = (source, *(f"{source} {n}" for n in range(number, number + len(named) + 1)))
        named[next(name for name in names if name not in named)] = comparison
    return named


def _comparison_or_record(name: str, value: Any, model: Any, seed: int, options: Mapping[str, Any]) -> Any:
    """Return a comparison, or the record of one that is read from a folder.

    A comparison is returned as it is. On data, (x, y) or (table, target column), strategies are compared now.

    Raises:
        ArtifactError: The leaderboard in the folder cannot be read.
        OptionError: `value` is none of the three.
    """
    if isinstance(value, Comparison):
        return value
    if isinstance(value, (str, os.PathLike)):
        file = Path(value) / "leaderboard.json"
        try:
            return RECORD(read_json(file.read_bytes(), "the leaderboard", finite=False), "the leaderboard")
        except (OSError, ArtifactError) as error:
            why = error if isinstance(error, ArtifactError) else error.strerror
            raise ArtifactError(
                f"{name}: cannot read {str(file)!r} ({why}). Expected a folder written by compare."
            ) from error
    if not isinstance(value, tuple) or len(value) != 2:
        raise OptionError(f"{name} is {type(value).__name__}. Expected a Comparison, a folder, or (data, y).")
    return compare(model, value[0], value[1], seed=seed, **options)


def _common_metric(records: Mapping[str, Any]) -> str:
    """Return the metric of all comparisons; different ones are an OptionError."""
    metrics = {record["metric"] for record in records.values()}
    if len(metrics) > 1:
        raise OptionError(
            f"The comparisons were judged by different metrics: {', '.join(sorted(metrics))}. Pass one as metric=."
        )
    return metrics.pop()


def _many_comparisons(
    records: Mapping[str, Any], metric: str, rope: float, seed: int, kept: Mapping[str, Comparison | None]
) -> ManyComparisons:
    """Return ranks and tests from the records of comparisons, of the strategies that have a score on all data sets.

    No such strategy is an OptionError. `kept` are the comparisons behind the records, None for a record alone.
    """
    means = {name: _mean_scores(record, metric) for name, record in records.items()}
    every = list(dict.fromkeys(s for of_set in means.values() for s in of_set))
    common = [s for s in every if all(s in of_set for of_set in means.values())]
    if not common:
        raise OptionError(
            f"No strategy has {metric!r} on all data sets: {', '.join(records)}. Compare the same strategies "
            "on each data set."
        )
    table = np.array([[of_set[s] for s in common] for of_set in means.values()])
    good = METRICS[metric].goodness(table)
    order = np.argsort(mean_ranks(good), kind="stable")
    reference = "none" if "none" in common else common[0]
    against = _signed_ranks(good, table, common, common.index(reference), metric, rope, seed)
    return ManyComparisons(
        metric, tuple(records), tuple(common[i] for i in order), table[:, order], mean_ranks(good)[order],
        critical_difference(len(common), len(table)) if min(table.shape) > 1 else float("nan"), friedman(good),
        {common[i]: against[common[i]] for i in order if common[i] != reference}, reference,
        tuple(s for s in every if s not in common), kept,
        tuple(name for name, record in records.items() if _was_cut_off(record, reference)),
    )  # fmt: skip


def _was_cut_off(record: Mapping[str, Any], reference: str) -> bool:
    """Return whether, in a record, the training of the reference was cut off while it still improved."""
    return any(row["strategy"] == reference and row.get("cut_off") is True for row in record["rows"])


def _mean_scores(record: Mapping[str, Any], metric: str) -> dict[str, float]:
    """Return the mean score of each strategy in a record; those that failed or lack the metric are left out."""
    rows = [row for row in record["rows"] if row["status"] == "ok"]
    means = {row["strategy"]: (row["scores"].get(metric) or {}).get("mean") for row in rows}
    return {name: value for name, value in means.items() if value is not None}


def _signed_ranks(
    good: Array, table: Array, names: Sequence[str], reference: int, metric: str, rope: float, seed: int
) -> dict[str, SignedRank]:
    """Return the signed-rank test of each strategy against the reference, by name.

    `good` and `table` are float64 (data sets, strategies): goodness (higher is better) and scores. `reference` is a
    column. Differences of relative metrics are divided by the score of the reference on the same data set.
    """
    differences = good - good[:, [reference]]
    if METRICS[metric].relative:
        differences = differences / np.abs(table[:, [reference]])
    return {
        name: signed_rank(differences[:, i], rope, samples=20_000, seed=seed)
        for i, name in enumerate(names)
        if i != reference
    }

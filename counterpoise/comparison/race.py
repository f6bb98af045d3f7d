"""The race: every strategy on the same folds, seeds and steps; a judge; the winner trained on all rows."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.classifier import Classifier
from counterpoise.comparison import tally
from counterpoise.comparison.judge import assess
from counterpoise.comparison.verdict import Judgement, Verdict
from counterpoise.core.errors import ArtefactError, CounterpoiseError, OptionError, did_you_mean
from counterpoise.core.progress import bar
from counterpoise.core.records import Cell, Examples
from counterpoise.core.version import version
from counterpoise.data.split import check_counts
from counterpoise.jobs import Settings
from counterpoise.metrics.catalogue import METRICS
from counterpoise.pipeline import cross_validate, read_for, refit
from counterpoise.report import page
from counterpoise.strategies import Strategy, names, select
from counterpoise.train.finish import check_finish
from counterpoise.train.network import Network

Array = np.ndarray
FILES = ("leaderboard.json", "leaderboard.csv", "report.html", "model.keras")


@dataclass(frozen=True, repr=False)
class Comparison:
    """What a race found; made by `compare`.

    Attributes:
        record: The content of leaderboard.json.
        curves: strategy -> what the report draws.
        cells: One per strategy, repeat and fold, with the scores of the test rows.
        best: The recommended strategy, trained on all rows; None with `refit=False`.
        diagnosis: What was known before the race.
    """

    record: Mapping[str, Any]
    curves: Mapping[str, Any]
    cells: tuple[Cell, ...] = field(repr=False)
    best: Classifier | None = None
    diagnosis: Mapping[str, Any] | None = None

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """The rows, best rank first: each strategy's scores, costs and differences to `none`."""
        return list(self.record["rows"])

    @property
    def verdict(self) -> Verdict:
        """Winner, word ("better", "equivalent" or "undecided") and reasons."""
        v = self.record["verdict"]
        return Verdict(v["winner"], v["word"], tuple(v["tied_with"]), v["text"], v.get("more_repeats"))

    def to_frame(self) -> Any:
        """The leaderboard as a polars frame: one row per strategy, the columns of leaderboard.csv."""
        import polars as pl

        return pl.read_csv(io.StringIO(self.to_csv()), infer_schema_length=None)

    def __str__(self) -> str:
        metric = self.record["metric"]
        lines = [f"{'strategy':<22} {metric.replace('_', ' '):>28}  accuracy  recall"]
        for row in self.leaderboard:
            lines.append(f"{row['strategy']:<22} {_score_text(row, metric):>28}  {_means(row, 'accuracy', 'recall')}")
        return "\n".join([*lines, "", self.verdict.text])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        keys = [self.record["metric"], "accuracy", "recall", "precision", "log_loss"]
        head = "".join(f"<th>{escape(k.replace('_', ' '))}</th>" for k in ["strategy", *keys])
        body = "".join(
            "<tr>"
            + f"<td>{escape(row['strategy'])}</td>"
            + "".join(f"<td>{_means(row, k)}</td>" for k in keys)
            + "</tr>"
            for row in self.leaderboard
        )
        return f"<table><tr>{head}</tr>{body}</table><p>{escape(self.verdict.text)}</p>"

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the self-contained report page."""
        target = Path(path)
        with _named_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            page.write(self._page_record(), target)
        return target

    def to_csv(self) -> str:
        """The leaderboard as CSV: one line per strategy, mean, low and high of each metric."""
        out = io.StringIO()
        keys = [k for k in METRICS if any(k in row["scores"] for row in self.leaderboard)]
        head = ["rank", "strategy", "status", "fits", "steps", "rows_seen", "seconds", "seconds_shared"]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head + [f"{k}{end}" for k in keys for end in ("", "_low", "_high")])
        for row in self.leaderboard:
            scores = [row["scores"].get(k, {}) for k in keys]
            writer.writerow([row[h] for h in head] + [s.get(e) for s in scores for e in ("mean", "low", "high")])
        return out.getvalue()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write leaderboard.json, leaderboard.csv, report.html and model.keras; each appears whole or not at all."""
        target = Path(folder)
        with _named_errors(target):
            target.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target, prefix=".writing-") as draft_name:
                draft = Path(draft_name)
                (draft / "leaderboard.json").write_text(json.dumps(self.record, indent=1), encoding="utf-8")
                (draft / "leaderboard.csv").write_text(self.to_csv(), encoding="utf-8")
                self.to_html(draft / "report.html")
                if self.best is not None:
                    self.best.save(draft / "model.keras")
                for made in sorted(draft.iterdir()):
                    os.replace(made, target / made.name)
        return target

    def _page_record(self) -> dict[str, Any]:
        card = None if self.best is None else self.best.card
        return {**self.record, "curves": self.curves, "diagnosis": self.diagnosis, "model_card": card}


def compare(
    model: Any,
    data: Any,
    y: Any = None,
    *,
    strategies: str | Iterable[str | Strategy] = "seed",
    folds: int = 5,
    repeats: int = 1,
    epochs: int = 30,
    early_stopping: bool = True,
    patience: int = 10,
    batch_size: int = 256,
    budget: str = "steps",
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    duplicates: str = "warn",
    metric: str = "average_precision",
    optimizer: Any = None,
    output: str = "auto",
    weights: str = "auto",
    engine: str = "auto",
    refit: bool = True,
    seed: int = 0,
    verbose: Any = "auto",
) -> Comparison:
    """Try strategies on the same folds, seeds and step budget, and say whether any beat the untouched model.

    Resampling happens inside training folds only; test rows judge only; every rule (correction, threshold) is fitted
    on the out-of-fold scores of the other folds. Arguments that are not listed are as in `fit`.

    Args:
        strategies: "seed", "all", "a,b,c", or a list of names and strategies. `none` always races.
        folds: K of the stratified cross-validation.
        repeats: How often it is repeated with other splits.
        epochs: Passes of `none` over its training rows; the other strategies get the same number of steps.
        early_stopping: Whether the stopping score may end training before that.
        patience: Rounds (passes of `none`) without a better stopping score before training ends.
        batch_size: Rows per step.
        budget: "steps" or "epochs" (each plan its own epochs: the plain recipe).
        duplicates: "warn", "group", "drop" or "error" for rows with equal features.
        metric: What the strategies are ranked and judged by.
        refit: Whether to train the winner on all rows.

    Returns:
        Comparison: `leaderboard`, `verdict`, `best`, `to_html`, `save`.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(300) < 0.2).astype(int)
        >>> x = rng.normal(size=(300, 2)) + y[:, None]
        >>> cmp = compare("mlp", x, y, strategies="oversample", folds=2, epochs=2, verbose=0)
        >>> [row["strategy"] for row in cmp.leaderboard if row["status"] == "ok"] != []
        True
    """
    settings = Settings(epochs, batch_size, budget, early_stopping, patience, seed, engine)
    chosen = select(strategies)
    examples = read_for(model, data, y, groups=groups, time=time, sample_weight=sample_weight)
    options = {"output": output, "weights": weights, "optimizer": optimizer}
    return race(
        examples, model, chosen, settings, folds=folds, repeats=repeats, duplicates=duplicates, metric=metric,
        refit_winner=refit, verbose=verbose, network_options=options,
    )  # fmt: skip


def race(
    examples: Examples,
    model: Any,
    strategies: Sequence[Strategy],
    settings: Settings,
    *,
    folds: int = 5,
    repeats: int = 1,
    duplicates: str = "warn",
    metric: str = "average_precision",
    refit_winner: bool = True,
    verbose: Any = "auto",
    network_options: Mapping[str, Any] | None = None,
    diagnosis: Mapping[str, Any] | None = None,
) -> Comparison:
    """`compare` on examples that were read already."""
    if metric not in METRICS:
        raise OptionError(f"there is no metric {metric!r}.{did_you_mean(metric, METRICS)}")
    if examples.time is None and examples.groups is None and duplicates != "drop":
        check_counts(examples, folds)
    network = Network(model, examples, **(network_options or {}))
    runnable, failures = _runnable(strategies, examples, network)
    with bar(verbose) as progress:
        outcome = cross_validate(
            examples, runnable, network, settings, folds=folds, repeats=repeats, duplicates=duplicates,
            progress=progress,
        )  # fmt: skip
        failures |= outcome.failures
        runnable = [s for s in runnable if s.name not in failures]
        by_name = {s.name: [c for c in outcome.cells if c.strategy == s.name] for s in runnable}
        judgement = _judge(by_name, examples, folds, repeats, metric)
        winner = next(s for s in runnable if s.name == judgement.verdict.winner)
        best = refit(examples, winner, network, settings, outcome, progress=progress) if refit_winner else None
    rows = [tally.strategy_row(by_name[name], examples, judgement) for name in judgement.ranking]
    rows += [tally.failed_row(name, len(rows) + i, text) for i, (name, text) in enumerate(failures.items(), 1)]
    record = {
        "schema": 1,
        "version": version(),
        "data": tally.data_block(examples),
        "metric": metric,
        "folds": folds,
        "repeats": repeats,
        "seed": settings.seed,
        "budget": settings.budget,
        "network": network.label,
        "settings": {"epochs": settings.epochs, "batch_size": settings.batch_size,
                     "early_stopping": settings.early_stopping},
        "warnings": list(examples.warnings) + _warnings(network),
        "verdict": judgement.verdict.to_dict(),
        "rows": rows,
    }  # fmt: skip
    drawn = {name: tally.curves(cells, examples) for name, cells in by_name.items()}
    if best is not None:
        best.card["metrics"] = next(r["scores"] for r in rows if r["strategy"] == winner.name)
        best.card["verdict"] = record["verdict"]
    return Comparison(record, drawn, outcome.cells, best, diagnosis)


def _judge(
    by_name: Mapping[str, Sequence[Cell]], examples: Examples, folds: int, repeats: int, metric: str
) -> Judgement:
    scores = {name: tally.fold_scores(cells, examples) for name, cells in by_name.items()}
    counts = {name: tally.fold_counts(cells, examples) for name, cells in by_name.items()} if examples.binary else None
    known = [n for n in names() if n in by_name] + [n for n in by_name if n not in names()]
    return assess(scores, folds=folds, repeats=repeats, metric=metric, simplicity=known, counts=counts)


def _runnable(
    strategies: Sequence[Strategy], examples: Examples, network: Network
) -> tuple[list[Strategy], dict[str, str]]:
    """Strategies that can be made on these labels and this kind of network, and why the others cannot."""
    runnable, failures = [], {}
    for strategy in strategies:
        try:
            for part in strategy.parts():
                part.make_plan(examples.y, examples.n_classes, examples.sample_weight)
                check_finish(part.finish, network)
        except CounterpoiseError as error:
            if strategy.name == "none":
                raise
            failures[strategy.name] = str(error)
        else:
            runnable.append(strategy)
    return runnable, failures


def _warnings(network: Network) -> list[str]:
    if network.keep and network.was_trained:
        return [
            "The model given was already trained and its weights are kept: if it has seen these rows, every score is "
            'too good. Pass weights="fresh" to start anew.'
        ]
    return []


def _score_text(row: Mapping[str, Any], key: str) -> str:
    score = row["scores"].get(key)
    if row["status"] == "failed" or score is None or score["mean"] is None:
        return row["status"] if row["status"] == "failed" else "-"
    if score["low"] is None:
        return f"{score['mean']:.3f}"
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _means(row: Mapping[str, Any], *keys: str) -> str:
    found = [(row["scores"].get(key) or {}).get("mean") for key in keys]
    return "  ".join("   -  " if value is None else f"{value:8.3f}" for value in found)


class _named_errors:
    """Turn an operating system's refusal into our error, naming the place."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError):
            raise ArtefactError(f"cannot write {str(self.place)!r}: {error.strerror or error}.") from error

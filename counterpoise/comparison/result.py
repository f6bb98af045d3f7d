"""`Comparison`, the result of `compare`: to print, to read as a frame, to write as files.

Saved: `record` as leaderboard.json; the columns of leaderboard.csv (`to_csv`).
"""

from __future__ import annotations

import csv
import io
import json
import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from counterpoise.classifier.classifier import Classifier
from counterpoise.comparison import trackers
from counterpoise.comparison.verdict import Verdict
from counterpoise.core.checks import check_choice, check_path
from counterpoise.core.errors import OptionError
from counterpoise.core.files import drafts, write_text
from counterpoise.core.fold_result import FoldResult
from counterpoise.core.terminal_text import terminal_text
from counterpoise.metrics.catalog import METRICS
from counterpoise.report import page
from counterpoise.report.board import leaderboard
from counterpoise.report.notebook import tables_html
from counterpoise.report.plots import Plots
from counterpoise.report.unit_record import of_units


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of `compare`: leaderboard, verdict, figures, and best classifier.

    Attributes:
        record: The content of leaderboard.json.
        curves: strategy -> the curves that the report draws, computed when they are first read.
        fold_results: One result per strategy, repeat and fold, with the scores of the test rows. Its `rows` count only
            rows whose weight is above 0.
        best: The classifier of the recommended strategy, trained on all rows. None with `refit=False`.
        diagnosis: The diagnosis of the data before training.
        pictures: The images that the report shows (see `example_pictures`).

    Example:
        >>> import counterpoise as cp
        >>> y = [0] * 24 + [1] * 12
        >>> options = {"strategies": "threshold", "folds": 2, "epochs": 1, "refit": False, "verbose": 0}
        >>> comparison = cp.compare("mlp", [[float(v)] for v in range(36)], y, **options)
        >>> sorted(row["strategy"] for row in comparison.leaderboard), comparison.best
        (['none', 'threshold'], None)
    """

    record: Mapping[str, Any]
    curves: Mapping[str, Any]
    fold_results: tuple[FoldResult, ...] = field(repr=False)
    best: Classifier | None = None
    diagnosis: Mapping[str, Any] | None = None
    pictures: Sequence[Mapping[str, Any]] = field(default=(), repr=False)

    @property
    def leaderboard(self) -> list[dict[str, Any]]:
        """The strategies by rank, with scores, costs, and differences from the baseline."""
        return list(self.record["rows"])

    @property
    def verdict(self) -> Verdict:
        """The verdict: headline, recommendation, evidence, and next step, and their values."""
        return Verdict.from_dict(self.record["verdict"])

    @property
    def plot(self) -> Plots:
        """The figures of the report, to show and to save.

        They are `.pr()`, `.roc()`, `.gain()`, `.decision()`, `.calibration()`, `.leaderboard()`, `.training()`, and
        `.learning()`."""
        return Plots(self.page_record)

    def to_frame(self) -> Any:
        """Return the leaderboard as a frame with the columns of leaderboard.csv.

        The frame is a pandas frame if pandas is installed, otherwise a polars frame.
        """
        text = io.StringIO(self.to_csv())
        if find_spec("pandas") is not None:
            import pandas as pd

            return pd.read_csv(text)
        import polars as pl

        return pl.read_csv(text, infer_schema_length=None)

    def log_to(self, tracker: str, destination: str | os.PathLike[str] | None = None) -> None:
        """Write scores and training curves to an experiment tracker.

        Args:
            tracker: "tensorboard" (a run per strategy, fold and member) or "mlflow" (a run per strategy, and the page).
            destination: The folder for TensorBoard, or the tracking URI of MLflow. None: the current URI of MLflow.

        Raises:
            OptionError: another tracker, or no folder for TensorBoard.
            MissingExtraError: the tracker is not installed.
        """
        check_choice(tracker, "tracker", ("tensorboard", "mlflow"))
        if tracker == "mlflow":
            return trackers.to_mlflow(self, None if destination is None else str(destination))
        if destination is None:
            raise OptionError("log_to('tensorboard') requires a folder, for example log_to('tensorboard', 'logs').")
        return trackers.to_tensorboard(self, destination)

    def __str__(self) -> str:
        board = leaderboard(of_units(self.record))
        texts = [line for text in self.verdict.lines() for line in textwrap.wrap(text, 100)]
        wide = max([22, *(len(row["style"].title) for row in board["rows"])])
        score = f"{board['metric']} (95% CI)"
        head = f"{'Strategy':<{wide}} {score:>30} {'Difference':>10} {'Recall':>7} {'Precision':>9}"
        return terminal_text("\n".join([*texts, "", head, *(_leaderboard_line(row, wide) for row in board["rows"])]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return tables_html(self.page_record)

    def html(self) -> str:
        """Return the report as one self-contained HTML document."""
        return page.render(self.page_record)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the self-contained report page."""
        return page.write(self.page_record, path)

    def to_csv(self) -> str:
        """Return the leaderboard as CSV, with mean, low and high of each metric."""
        out = io.StringIO()
        keys = [k for k in METRICS if any(k in row["scores"] for row in self.leaderboard)]
        head = [
            "rank",
            "strategy",
            "status",
            "fits",
            "steps",
            "limit",
            "cut_off",
            "rows_seen",
            "seconds",
            "seconds_shared",
            "memory_mb",
            "cost",
        ]
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head + [f"{k}{end}" for k in keys for end in ("", "_low", "_high")])
        for row in self.leaderboard:
            scores = [row["scores"].get(k, {}) for k in keys]
            writer.writerow([row[h] for h in head] + [s.get(e) for s in scores for e in ("mean", "low", "high")])
        return out.getvalue()

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write leaderboard.json, leaderboard.csv, report.html, and model.keras to a folder.

        Each file is written completely or not at all.
        """
        target = check_path(folder, "folder")
        texts = {
            "leaderboard.json": json.dumps(self.record, indent=1), "leaderboard.csv": self.to_csv(),
            "report.html": self.html(),
        }  # fmt: skip
        with drafts(target) as draft:
            for name, text in texts.items():
                write_text(draft / name, text)
            if self.best is not None:
                self.best.save(draft / "model.keras")
        return target

    @property
    def page_record(self) -> dict[str, Any]:
        """The content of the report: `record`, curves, diagnosis, model card and pictures.

        A store keeps it after a run. If units are decided, the scores are those of units.
        """
        card = None if self.best is None else self.best.card
        record = {
            **self.record,
            "curves": dict(self.curves),
            "diagnosis": self.diagnosis,
            "model_card": card,
            "pictures": list(self.pictures),
        }
        return of_units(record)


def _leaderboard_line(row: Mapping[str, Any], wide: int) -> str:
    """Return one line of the printed leaderboard, with the title `wide` characters wide.

    For a failed strategy, it contains the status and the error. `row` is one of `report.board.leaderboard`.
    """
    name = f"{row['style'].title:<{wide}}"
    if row["failed"]:
        return f"{name} {row['status'].lower()}: {row['error']}"
    score = f"{row['value']} {row['span']}".strip()
    return f"{name} {score:>30} {row['gain']:>10} {row['recall']:>7} {row['precision']:>9}".replace("−", "-")

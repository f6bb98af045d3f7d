"""The page's figures for papers and notebooks, drawn without a browser: `Comparison.plot`, which is public."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.core.checks import check_path
from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.files import drafted
from counterpoise.report import figures
from counterpoise.report.figures import still
from counterpoise.report.importance import importance_spec
from counterpoise.report.series import Spec, styles
from counterpoise.report.training_figures import class_recall_spec, training_spec

Record = Mapping[str, Any]
Names = Sequence[str] | None


@dataclass(frozen=True)
class Plot:
    """One figure; a notebook shows it.

    Attributes:
        spec: Its Vega-Lite specification, with all data inline.
    """

    spec: Spec

    def save(self, path: str | os.PathLike[str], scale: float = 2.0) -> Path:
        """Write the figure as SVG, PNG or PDF, by the ending of the file's name.

        Args:
            path: NAME.svg, NAME.png or NAME.pdf.
            scale: Pixels per unit of a PNG.

        Raises:
            OptionError: another ending.
        """
        target = check_path(path)
        drawing = still(self.spec, target.suffix.lower().lstrip("."), scale)
        with drafted(target) as draft:
            draft.write_bytes(drawing.encode() if isinstance(drawing, str) else drawing)
        return target

    def svg(self) -> str:
        """Return the figure as SVG text."""
        return str(still(self.spec))

    _repr_svg_ = svg


class Plots:
    """Figures of a comparison; made by `Comparison.plot`.

    Each method takes the keys of the strategies to draw (None: all that have curves) and returns a `Plot`:
    `cmp.plot.pr().save("pr.pdf")`. With more than two classes, curves have one panel per class.

    Args:
        record: A comparison with "curves" (see `counterpoise.report.page.render`).

    Raises:
        OptionError: an unknown strategy, or no curves.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def pr(self, strategies: Names = None) -> Plot:
        """Draw precision against recall with 95% bands; the dashed level is random guessing."""
        return self._plot(figures.pr_spec, strategies)

    def roc(self, strategies: Names = None) -> Plot:
        """Draw the true-positive rate against the false-positive rate with 95% bands."""
        return self._plot(figures.roc_spec, strategies)

    def gain(self, strategies: Names = None) -> Plot:
        """Draw the share of the rare class found among the highest scores, with 95% bands."""
        return self._plot(figures.gain_spec, strategies)

    def decision(self, strategies: Names = None) -> Plot:
        """Draw the net benefit of acting above a threshold (perfect model: 1), with 95% bands."""
        return self._plot(figures.decision_spec, strategies)

    def calibration(self, strategies: Names = None) -> Plot:
        """Draw observed against predicted share before and after correction, by strategy."""
        return self._plot(figures.calibration_spec, strategies)

    def leaderboard(self, strategies: Names = None) -> Plot:
        """Draw the main metric with its 95% CI and every fold, strategies by rank from the top."""
        known = styles(self._record)
        for name in strategies or ():
            if name not in known:
                raise OptionError(f"There is no strategy {name!r} in this comparison.{did_you_mean(name, known)}")
        return self._plot(figures.folds_spec, strategies)

    def training(self, strategies: Names = None) -> Plot:
        """Draw the log loss on the early-stopping rows by step, one line per member."""
        return self._plot(training_spec, strategies)

    def learning(self, strategies: Names = None) -> Plot:
        """Draw the recall of each class on the early-stopping rows by step."""
        return self._plot(class_recall_spec, strategies)

    def importance(self) -> Plot:
        """Draw the average precision lost without each column (`compare(importance=True)`)."""
        importance = (self._record.get("audit") or {}).get("importance")
        if not importance:
            raise OptionError("The importance of columns was not measured. Run the comparison with importance=True.")
        return Plot(importance_spec(importance))

    def _plot(self, make: Callable[..., Spec], strategies: Names) -> Plot:
        """Return the figure that `make` draws of these strategies of the record."""
        return Plot(make(self._record, strategies))

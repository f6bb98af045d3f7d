"""The page's figures for papers and notebooks, drawn by Matplotlib from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.lazy import needed
from counterpoise.report import words
from counterpoise.report.curve_marks import AXIS_WORDS, SHORT_AXES, curve_parts, panel_labels
from counterpoise.report.marks import has_panels
from counterpoise.report.series import SHAPES, Style, block_of, drawn, folds_of, prevalence, styles
from counterpoise.report.tables import ranked
from counterpoise.report.training_figures import recall_curves

Record = Mapping[str, Any]
Names = Sequence[str] | None

#: Matplotlib's names of our markers.
MARKERS = dict(zip(SHAPES, ("o", "s", "D", "^", "v", "P"), strict=True))
_INK, _GRAY = "#33383f", "#9aa0a7"


class Plots:
    """Figures of a comparison; made by `Comparison.plot`.

    Each method returns a `matplotlib.figure.Figure` (`.savefig("pr.pdf")`), and takes the names of the strategies to
    draw (None: all that have curves). With more than two classes curves get one panel per class.

    Args:
        record: A comparison with "curves" (see `counterpoise.report.page.render`).

    Raises:
        MissingExtraError: Matplotlib is not installed. OptionError: a strategy that is not there, or no curves.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    def pr(self, strategies: Names = None) -> Any:
        """Precision against recall with 95 % bands; the dotted level is what guessing reaches."""
        figure = self._curves("pr", "recall", "precision", strategies)
        if not has_panels(self._record):
            figure.axes[0].axhline(prevalence(self._record), color=_GRAY, linestyle=":", linewidth=1)
        return figure

    def roc(self, strategies: Names = None) -> Any:
        """True-positive against false-positive rate with 95 % bands."""
        figure = self._curves("roc", "fpr", "tpr", strategies)
        for ax in figure.axes:
            ax.plot([0, 1], [0, 1], color=_GRAY, linestyle=":", linewidth=1)
        return figure

    def gain(self, strategies: Names = None) -> Any:
        """Share of the rare class found among the highest scores, with 95 % bands."""
        figure = self._curves("gain", "share", "found", strategies)
        for ax in figure.axes:
            ax.set_xscale("function", functions=(np.sqrt, np.square))
        return figure

    def decision(self, strategies: Names = None) -> Any:
        """Net benefit of acting above a threshold, as a share of a perfect model's, with 95 % bands."""
        figure = self._curves("decision", "threshold", "benefit", strategies)
        for ax in figure.axes:
            ax.set_xscale("function", functions=(np.sqrt, np.square))
            ax.axhline(0, color=_GRAY, linewidth=1)
            ax.set_ylim(-0.2, 1)
        return figure

    def calibration(self, strategies: Names = None) -> Any:
        """Observed against predicted share before and after the correction, one panel per strategy."""
        shown = drawn(self._record, strategies)
        figure, axes = _panels(len(shown), 2.6)
        for ax, (name, style) in zip(axes, shown.items(), strict=True):
            block = block_of(self._record, name)["calibration"]
            for key, label, color, marker in (
                ("raw", "as trained", "#d55e00", "s"),
                ("corrected", "corrected", "#0072b2", "o"),
            ):
                x, y, low, high = ([b[k] for b in block[key]] for k in ("predicted", "observed", "low", "high"))
                error = [np.maximum(0, np.subtract(y, low)), np.maximum(0, np.subtract(high, y))]
                ax.errorbar(x, y, error, color=color, marker=marker, markersize=3.5, linewidth=1.1, label=label)
            ax.plot([0, 1], [0, 1], color=_GRAY, linestyle=":", linewidth=1)
            _dress(ax, "Predicted", "Observed", style.title)
        _legend(figure)
        return figure

    def leaderboard(self, strategies: Names = None) -> Any:
        """The main metric with its 95 % interval and every fold, strategies by rank from the top."""
        key, looks = self._record["metric"], styles(self._record)
        unknown = [name for name in strategies or () if name not in looks]
        if unknown:
            raise OptionError(f"there is no strategy {unknown[0]!r} in this comparison.")
        rows = [r for r in ranked(self._record) if r.get("status", "ok") == "ok"]
        rows = [r for r in rows if strategies is None or r["strategy"] in strategies]
        figure, (ax,) = _panels(1, 0.6 + 0.34 * len(rows), width=6.2)
        for place, row in enumerate(rows):
            score = (row.get("scores") or {}).get(key) or {}
            if words.finite(score.get("low")):
                ax.plot([score["low"], score["high"]], [place, place], color="#0072b2", alpha=0.3, linewidth=6)
            ax.plot(folds_of(score), [place] * len(folds_of(score)), "o", mfc="none", mec=_INK, markersize=4)
            if words.finite(score.get("mean")):
                ax.plot([score["mean"]], [place], "|", color="#0072b2", markersize=13, markeredgewidth=2.2)
        ax.set_yticks(range(len(rows)), [looks[r["strategy"]].title for r in rows])
        ax.invert_yaxis()
        _dress(ax, words.capital(words.metric(key)), "", "")
        return figure

    def training(self, strategies: Names = None) -> Any:
        """Log loss on the stopping rows by step, one panel per strategy, one line per member."""
        shown = drawn(self._record, strategies)
        figure, axes = _panels(len(shown), 2.2)
        for ax, (name, style) in zip(axes, shown.items(), strict=True):
            history = block_of(self._record, name).get("history") or {}
            for losses in history.get("stop_loss") or []:
                ax.plot(history["steps"][: len(losses)], losses, color="#0072b2", linewidth=1.1)
            _dress(ax, "Optimizer step", "Log loss", style.title)
        return figure

    def learning(self, strategies: Names = None) -> Any:
        """Recall of each class on the stopping rows by step, one panel per strategy."""
        shown = drawn(self._record, strategies)
        figure, axes = _panels(len(shown), 2.2)
        by_title = dict(zip([s.title for s in shown.values()], axes, strict=True))
        labels = list(dict.fromkeys(label for _, label, *_ in recall_curves(self._record, strategies)))
        for title, label, member, steps, curve in recall_curves(self._record, strategies):
            color = f"C{labels.index(label) % 10}"
            by_title[title].plot(
                steps[: len(curve)], curve, color=color, linewidth=1.1, label=None if member else label
            )
        for title, ax in by_title.items():
            _dress(ax, "Optimizer step", "Recall", title)
            ax.set_ylim(-0.03, 1.03)
        _legend(figure)
        return figure

    def _curves(self, curve: str, x: str, y: str, strategies: Names) -> Any:
        looks = {style.title: style for style in drawn(self._record, strategies).values()}
        labels: list[str | None] = [*panel_labels(self._record, strategies)] or [None]
        figure, axes = _panels(len(labels), 2.6 if len(labels) > 1 else 3.6, width=None if len(labels) > 1 else 4.8)
        by_class = dict(zip(labels, axes, strict=True))
        for who, part in curve_parts(self._record, strategies, curve):
            _line(by_class[who.get("class")], part, x, y, looks[who["strategy"]], with_band=len(looks) <= 4)
        titles = SHORT_AXES if len(labels) > 1 else AXIS_WORDS
        for label, ax in by_class.items():
            _dress(ax, titles[x], titles[y], label or "")
            ax.set_xlim(0, 1)
            ax.set_ylim(0, 1.01)
        _legend(figure)
        return figure


def _line(ax: Any, part: Mapping[str, Any], x: str, y: str, style: Style, with_band: bool) -> None:
    dash = "-" if style.dash == [1, 0] else (0, tuple(style.dash))
    ax.plot(part.get(x, []), part.get(y, []), color=style.color, linestyle=dash, linewidth=1.5, label=style.title)
    band = part.get("band")
    if band and with_band:
        ax.fill_between(band["x"], band["low"], band["high"], color=style.color, alpha=0.13, linewidth=0)


def _panels(count: int, height: float, width: float | None = None) -> tuple[Any, list[Any]]:
    """A figure with `count` axes, at most three beside each other; not shown twice in a notebook."""
    plt = needed("matplotlib.pyplot", "plot", "A figure for a paper")
    columns = min(3, count)
    lines = -(-count // columns)
    size = (width or 2.9 * columns, height * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    plt.close(figure)
    flat = list(axes.ravel())
    for ax in flat[count:]:
        ax.remove()
    return figure, flat[:count]


def _dress(ax: Any, x: str, y: str, title: str) -> None:
    ax.set_xlabel(x.replace("$", r"\$"), fontsize=9, color=_INK)
    ax.set_ylabel(y.replace("$", r"\$"), fontsize=9, color=_INK)
    ax.set_title(title.replace("$", r"\$"), fontsize=9, loc="left", color=_INK)
    ax.tick_params(labelsize=8, colors=_INK)
    ax.grid(color="#e4e6e9", linewidth=0.7)
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def _legend(figure: Any) -> None:
    """One legend for all axes, each name once."""
    named = dict(_labeled(figure))
    if not named:
        return
    width, height = figure.get_size_inches()
    columns = max(1, min(len(named), int(width / (0.5 + 0.062 * max(map(len, named))))))
    figure.set_size_inches(width, height + 0.19 * (-(-len(named) // columns)))  # the axes keep their size
    figure.legend(
        list(named.values()), list(named), loc="outside lower center", ncols=columns, fontsize=8, frameon=False
    )


def _labeled(figure: Any) -> Iterator[tuple[str, Any]]:
    for ax in figure.axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            yield label.replace("$", r"\$"), handle

"""Draw the pictures of the manual, from the library itself.

    python docs/pictures/draw.py [--report FOLDER-OF-A-COMPARISON]      (`make pictures` draws all of them)

Three pictures explain, the closing pictures of the examples go into the gallery, and `--report` photographs the
report of a finished comparison. All have a light ground of their own, so that they can be read on a dark page as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import counterpoise as cp

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
EXAMPLES = HERE.parents[1] / "examples"
BLUE, ORANGE, GREEN, GRAY = "#2563a8", "#c2570c", "#2f7d4f", "#8a8f98"
LOOK = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def draws_of_an_epoch(epochs: int = 5) -> Figure:
    """How often each of 26 rows counts in each of the first epochs, plan by plan; the last four rows are rare."""
    y = np.r_[np.zeros(22, int), np.ones(4, int)]
    plans = {
        "uniform: the rows as they are": cp.plans.uniform(y),
        "class_weight: every row once, rare rows count more": cp.plans.class_weight(y),
        "oversample, redraw=False: one fixed set of copies": cp.plans.oversample(y, draw="replacement", redraw=False),
        "oversample: no row left out, repeats shared evenly": cp.plans.oversample(y),
        "undersample, redraw=False: most rows are never seen": cp.plans.undersample(y, redraw=False),
        "undersample: block after block, until all were seen": cp.plans.undersample(y),
    }
    figure, axes = plt.subplots(3, 2, figsize=(9.2, 5.4), layout="constrained")
    for axis, (title, plan) in zip(axes.flat, plans.items(), strict=True):
        show_counts(axis, counts_of(plan, epochs), y)
        axis.set_title(title)
    for axis in axes[:, 0]:
        axis.set_ylabel("epoch")
    for axis in axes[-1]:
        axis.set_xlabel("22 rows of the frequent class, 4 of the rare one")
    return figure


def counts_of(plan: cp.plans.Plan, epochs: int) -> np.ndarray:
    """How often each row counts, (epochs, rows): times drawn, times its weight."""
    weights = plan.weights()
    return np.stack([np.bincount(plan.rows(e, seed=3), minlength=len(weights)) * weights for e in range(epochs)])


def show_counts(axis: Axes, counts: np.ndarray, y: np.ndarray) -> None:
    """One cell for each row and epoch, the darker the more it counts; the number stands in it."""
    rare = y == 1
    for mask, colors in ((rare, "Oranges"), (~rare, "Blues")):
        shown = np.ma.masked_array(np.sqrt(counts), np.broadcast_to(~mask, counts.shape))
        axis.pcolormesh(shown, cmap=colors, vmin=0, vmax=3.6, edgecolors="white", linewidth=0.8)
    for (epoch, row), count in np.ndenumerate(counts):
        if count:
            output, color = f"{count:.2g}".replace("0.", "."), "white" if count > 4 else "black"
            axis.text(row + 0.5, epoch + 0.5, output, ha="center", va="center", fontsize=6, color=color)
    axis.invert_yaxis()
    axis.set(xticks=[], yticks=np.arange(len(counts)) + 0.5, yticklabels=range(1, len(counts) + 1))
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def cases(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Four numbers a row, 10 % of the rows rare; the truth is a logistic function."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < 0.1).astype(int)
    return (rng.normal(size=(rows, 4)) + 0.9 * y[:, None]).astype("float32"), y


def logits_of(plan: cp.plans.Plan, x: np.ndarray, y: np.ndarray, new: np.ndarray, steps: int) -> np.ndarray:
    """What a small network says of new rows after `steps` steps on the plan, uncorrected."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), keras.losses.BinaryCrossentropy(from_logits=True))
    feed = cp.batches(x, y, plan, batch_size=256, seed=0)
    model.fit(feed, epochs=max(1, round(steps / feed.num_batches)), verbose=0)
    return model.predict(new, batch_size=4096, verbose=0)[:, 0]


def calibration(rows: int = 8000, steps: int = 300) -> Figure:
    """Calibration curves of three remedies on new rows, before and after the shift is taken back."""
    (x, y), (new, truth) = cases(rows, seed=0), cases(4 * rows, seed=1)
    makers = {
        "oversample": cp.plans.oversample,
        "undersample": cp.plans.undersample,
        "class_weight": cp.plans.class_weight,
    }
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.9), sharex=True, sharey=True, layout="constrained")
    for (name, make), color in zip(makers.items(), (BLUE, GREEN, ORANGE), strict=True):
        plan = make(y)
        logits = logits_of(plan, x, y, new, steps)
        low, high = plan.log_shift
        for axis, logit in zip(axes, (logits, logits - (high - low)), strict=True):
            curve(axis, 1 / (1 + np.exp(-logit)), truth, name, color)
    for axis, title in zip(axes, ("as trained", "the same networks, log_shift taken back"), strict=True):
        axis.plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle="--")
        axis.set(title=title, xlabel="predicted probability", aspect="equal")
    axes[0].set_ylabel("share of rare cases at this probability")
    axes[0].legend(frameon=False)
    return figure


def curve(axis: Axes, outputs: np.ndarray, truth: np.ndarray, name: str, color: str) -> None:
    """Mean probability and share of rare rows in ten bins of equal width that hold 30 rows or more."""
    bin_of = np.clip((outputs * 10).astype(int), 0, 9)
    bins = [bin_of == k for k in range(10) if (bin_of == k).sum() >= 30]
    output, seen = [[values[rows].mean() for rows in bins] for values in (outputs, truth)]
    axis.plot(output, seen, marker="o", markersize=4, color=color, label=f"{name}: mean {output.mean():.2f}")


def threshold(rows: int = 8000, steps: int = 300) -> Figure:
    """Recall, precision, alerts and cost against the threshold, with four choices marked."""
    (x, y), (new, truth) = cases(rows, seed=0), cases(4 * rows, seed=1)
    outputs = 1 / (1 + np.exp(-logits_of(cp.plans.uniform(y), x, y, new, steps)))
    at = np.geomspace(0.01, 0.9, 160)
    alarm = outputs[None, :] >= at[:, None]
    hits, alarms, thousand = (alarm & (truth == 1)).sum(1), alarm.sum(1), 1000 / len(truth)
    recall, precision = hits / truth.sum(), hits / np.maximum(alarms, 1)
    costs = {ratio: (ratio * (truth.sum() - hits) + alarms - hits) * thousand for ratio in (5, 20)}
    choices = {
        "recall at least 0.95": at[np.flatnonzero(recall >= 0.95)[-1]],
        "least cost, a miss costs 20 false alarms": at[np.argmin(costs[20])],
        "least cost, 5": at[np.argmin(costs[5])],
        "50 alerts per 1,000": at[np.flatnonzero(alarms * thousand <= 50)[0]],
    }
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
    axes[0].plot(at, recall, color=BLUE, label="recall: share of the rare cases found")
    axes[0].plot(at, precision, color=ORANGE, label="precision: share of alerts that are right")
    axes[1].plot(at, alarms * thousand, color=GREEN, label="alerts per 1,000 cases")
    for (ratio, cost), style in zip(costs.items(), ("-", "--"), strict=True):
        axes[2].plot(at, cost, style, color=BLUE, label=f"cost of 1,000 cases, a miss costs {ratio}")
    for axis in axes:
        mark(axis, list(choices.values()))
    figure.supxlabel("    ".join(f"{n}: {name}" for n, name in enumerate(choices, start=1)), fontsize=9)
    return figure


def mark(axis: Axes, choices: list[float]) -> None:
    """Dotted lines with a number at the chosen thresholds; room for the legend above the curves."""
    axis.set(xlabel="threshold", xscale="log", xlim=(0.01, 0.9), ylim=(0, axis.get_ylim()[1] * 1.3))
    ticks = (0.01, 0.03, 0.1, 0.3, 0.9)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    for number, choice in enumerate(choices, start=1):
        axis.axvline(choice, ymax=0.76, color=GRAY, linewidth=1, linestyle=":")
        axis.text(choice, 0.77, str(number), ha="center", fontsize=8, transform=axis.get_xaxis_transform())
    axis.legend(frameon=False, loc="upper left", fontsize=8, borderaxespad=0)


EXPLAINING: dict[str, Callable[[], Figure]] = {
    "draws": draws_of_an_epoch,
    "calibration": calibration,
    "threshold": threshold,
}


def draw_examples(out: Path, only: str | None) -> None:
    """Run every example, or one; each leaves its closing picture."""
    for path in sorted(EXAMPLES.glob(f"{only or '*'}.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main(out)


def photograph(report: Path, out: Path) -> None:
    """The report in Chromium: answer and threshold on the left, leaderboard and first figure on the right."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1000, "height": 1000}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_timeout(1500)  # the figures are drawn after the page has loaded
        whole = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")

        def edge(part: str, side: str) -> int:
            box = page.locator(part).bounding_box()
            return round(box["y"] + (box["height"] if side == "end" else 0))

        columns = [
            [(0, edge("#answer", "end")), (edge("#threshold", "start"), edge("#threshold", "end"))],
            [
                (edge("#leaderboard", "start"), edge("#leaderboard", "end")),
                (edge("#figure-pr", "start"), edge("#figure-pr", "end")),
            ],
        ]
        browser.close()
    side_by_side(whole, columns).quantize(160, Image.Quantize.MAXCOVERAGE).save(out, optimize=True)


def side_by_side(page: Image.Image, columns: list[list[tuple[int, int]]]) -> Image.Image:
    """Strips of a page (from, to), stacked to columns, at two thirds of their size."""
    height = max(sum(end - start for start, end in strips) for strips in columns)
    sheet = Image.new("RGB", (page.width * len(columns), height), page.getpixel((2, 2)))
    for number, strips in enumerate(columns):
        top = 0
        for start, end in strips:
            sheet.paste(page.crop((0, start, page.width, end)), (number * page.width, top))
            top += end - start
    return sheet.resize((sheet.width * 2 // 3, height * 2 // 3), Image.Resampling.LANCZOS)


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one picture: draws, calibration, threshold, report, or the name of an example")
    parser.add_argument("--report", type=Path, help="folder of a finished comparison; its report.html is photographed")
    asked = parser.parse_args()
    mpl.use("Agg")
    with mpl.rc_context(LOOK):
        for name, draw in EXPLAINING.items():
            if asked.only in (None, name):
                draw().savefig(HERE / f"{name}.png", dpi=130)
        draw_examples(HERE, asked.only)
    if asked.report and asked.only in (None, "report"):
        photograph(asked.report / "report.html", HERE / "report.png")


if __name__ == "__main__":
    main()

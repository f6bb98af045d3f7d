"""How big the report of a large comparison is, and how soon a browser has drawn it.

    python -m benchmarks.page [--report FILE] [--times 5]

Without a report, 12 strategies are compared over 5 folds of 150,000 made-up rows for 3 epochs first. Chromium opens the
page again each time; printed are the medians of the seconds until something is read, until the page is loaded, and
until every figure is drawn, the browser's own start not counted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import counterpoise as cp

STRATEGIES = (
    "none,threshold,class_weight,oversample,undersample,effective_number,focal,logit_adjusted,ldam_drw,asymmetric,drw"
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"


def table(rows: int = 150_000) -> pl.DataFrame:
    """Eight numbers and a name a row; three rows in a hundred are of the rare class."""
    rng = np.random.default_rng(7)
    rare = rng.random(rows) < 0.03
    x = rng.normal(size=(rows, 8)) + rare[:, None] * np.linspace(0, 1.1, 8)
    region = rng.choice(["north", "south", "east", "west"], rows)
    return pl.DataFrame(x, [f"sensor_{i}" for i in range(8)]).with_columns(
        region=pl.Series(region), label=pl.Series(np.where(rare, "fraud", "fair"))
    )


def make_report(folder: Path) -> Path:
    """The report of a comparison on that table."""
    how: dict[str, Any] = {"folds": 5, "epochs": 3, "batch_size": 1024, "refit": False, "verbose": 0}
    result = cp.compare("mlp", table(), "label", strategies=STRATEGIES.split(","), **how)
    return result.to_html(folder / "report.html")


def opened(browser: Any, report: Path) -> tuple[float, float, float]:
    """Seconds until something is painted, the page is loaded, and every figure is drawn."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    start = time.perf_counter()
    tab.goto(report.resolve().as_uri())
    loaded = time.perf_counter() - start
    tab.wait_for_selector("html[data-drawn=yes]", state="attached")
    drawn = time.perf_counter() - start
    painted = tab.evaluate(FIRST_PAINT)
    context.close()
    return painted, loaded, drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="a page that is there already")
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("No Chromium here: the page is not measured.")
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = given.report or make_report(Path(folder))
        print(f"{report.stat().st_size / 1e6:.2f} MB")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        times = [opened(browser, report) for _ in range(given.times)]
        browser.close()
    painted, loaded, drawn = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"painted {painted:.2f} s, loaded {loaded:.2f} s, drawn {drawn:.2f} s (median of {given.times})")
    print(f"meanwhile {os.getloadavg()[0]:.1f} processes wanted the {os.cpu_count()} cores")


if __name__ == "__main__":
    main()

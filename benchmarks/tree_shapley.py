"""Shapley values of boosted trees, compared with the package `shap` on the same booster and background.

    python -m benchmarks.tree_shapley        # needs shap, which Counterpoise does not install

LightGBM's trees become a classifier of ours without any correction, so both explain the same log-odds.
"""

from __future__ import annotations

import time

import keras
import lightgbm
import numpy as np
import shap

import counterpoise as cp
from counterpoise.classifier.tree_shapley import tree_effects
from counterpoise.core.examples import Examples
from counterpoise.forests.conversion import layer_of
from counterpoise.forests.row_layer import TreeRows
from counterpoise.forests.rows import FlatRows


def run(rows: int = 20, columns: int = 30, rounds: int = 200) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, columns)).astype(np.float32)
    y = (rng.random(2000) < 1 / (1 + np.exp(2 - x[:, 0] * x[:, 1] - 2 * x[:, 2] + x[:, 3] ** 2))).astype(int)
    options = {"objective": "binary", "num_leaves": 31, "verbose": -1, "learning_rate": 0.05}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), rounds)
    laid, inputs = (
        TreeRows.of(FlatRows(Examples(x, y, (0, 1)), np.arange(2000), keep_nan=True)),
        keras.Input((columns,)),
    )
    clf = cp.wrap(keras.Model(inputs, layer_of(booster, None)(laid(inputs))), x, y, output="logits", calibrate=None)
    own, base = x[:rows], x[100:132]
    tree_effects(clf, own, base, columns)  # the first call traces the model
    start = time.perf_counter()
    ours = tree_effects(clf, own, base, columns)
    middle = time.perf_counter()
    theirs = shap.TreeExplainer(booster, data=base.astype(float), feature_perturbation="interventional").shap_values(
        own.astype(float)
    )
    end = time.perf_counter()
    theirs = theirs[1] if isinstance(theirs, list) else theirs
    print(f"shap {shap.__version__}: {rows} rows, {columns} columns, {rounds} trees, {len(base)} background rows")
    print(f"  largest difference {np.abs(ours - theirs).max():.1e}, largest effect {np.abs(theirs).max():.2f}")
    print(f"  per row: {1000 * (middle - start) / rows:.0f} ms, shap {1000 * (end - middle) / rows:.0f} ms")


if __name__ == "__main__":
    run()

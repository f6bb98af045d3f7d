"""Boosters, forests and tabular networks, fitted by their own libraries: a script for an environment of its own.

    python -m venv ENV && ENV/bin/pip install catboost xgboost lightgbm imbalanced-learn 'pytabkit[models]'
    ENV/bin/python benchmarks/quality/outside.py folds.npz scores.npz catboost,lightgbm

The first file has float64 `x` (N, d), missing values NaN and categories as whole numbers, `categories` (their columns),
`y` (N,) codes from 0, and `fold` (N,): each fold is predicted by a model of the others. The second gets probabilities
(N, C) for each name, and the seconds of its five trainings. Every rival but the two networks, which hold rows out by
themselves, is calibrated: a slope and an intercept for each class's log-probability, fitted on three inner folds.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray
SMALLEST = 1e-7


def catboost(categories: list[int]) -> Any:
    """CatBoost's defaults."""
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        verbose=0, random_seed=0, thread_count=2, allow_writing_files=False, cat_features=categories
    )


def xgboost(categories: list[int]) -> Any:
    """XGBoost, 300 rounds at learning rate 0.05."""
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=300, learning_rate=0.05, random_state=0, n_jobs=2, tree_method="hist")


def lightgbm(categories: list[int], weights: str | None = None) -> Any:
    """LightGBM, 300 rounds at learning rate 0.05."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=300, learning_rate=0.05, class_weight=weights, verbosity=-1, n_jobs=2, random_state=0,
        **({"categorical_feature": categories} if categories else {}),
    )  # fmt: skip


def lightgbm_balanced(categories: list[int]) -> Any:
    """The same with balanced class weights."""
    return lightgbm(categories, "balanced")


def forest(categories: list[int]) -> Any:
    """Random forest of scikit-learn, 500 trees."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(500, min_samples_leaf=2, n_jobs=2, random_state=0)


def balanced_forest(categories: list[int]) -> Any:
    """Balanced random forest of imbalanced-learn, 500 trees."""
    from imblearn.ensemble import BalancedRandomForestClassifier

    return BalancedRandomForestClassifier(
        500, sampling_strategy="all", replacement=True, bootstrap=False, n_jobs=2, random_state=0
    )


def realmlp(categories: list[int]) -> Any:
    """RealMLP with tuned defaults (Holzmüller 2024), of pytabkit, with what it recommends for probabilities."""
    from pytabkit import RealMLP_TD_Classifier

    return RealMLP_TD_Classifier(
        random_state=0, device="cpu", n_threads=2, verbosity=0, val_metric_name="cross_entropy", use_ls=False
    )


def tabm(categories: list[int]) -> Any:
    """TabM with default parameters (Gorishniy 2024), of pytabkit."""
    from pytabkit import TabM_D_Classifier

    return TabM_D_Classifier(random_state=0, device="cpu", n_threads=2, verbosity=0, val_metric_name="cross_entropy")


RIVALS: dict[str, Callable[[list[int]], Any]] = {
    make.__name__: make
    for make in (catboost, xgboost, lightgbm, lightgbm_balanced, forest, balanced_forest, realmlp, tabm)
}
NETWORKS = ("realmlp", "tabm")


def fitted(name: str, x: Array, y: Array, categories: list[int]) -> Callable[[Array], Array]:
    """A function that gives probabilities (N, C)."""
    model = RIVALS[name](categories)
    if name in NETWORKS:
        model.fit(frame_of(x, categories), y)
        return lambda rows: model.predict_proba(frame_of(rows, categories))
    if name == "catboost" and categories:
        model.fit(frame_of(x, categories), y)
        return lambda rows: model.predict_proba(frame_of(rows, categories))
    model.fit(x, y)
    return model.predict_proba


def frame_of(x: Array, categories: list[int]) -> Any:
    """A frame whose categories are texts."""
    import pandas as pd

    frame = pd.DataFrame(x)
    if not np.isfinite(x).all():  # what the networks refuse
        numbers = [j for j in range(x.shape[1]) if j not in categories]
        frame[numbers] = frame[numbers].fillna(frame[numbers].median()).fillna(0.0)
    for j in categories:
        frame[j] = frame[j].fillna(-1).astype(int).astype(str)
    return frame


def calibrated(name: str, x: Array, y: Array, categories: list[int]) -> Callable[[Array], Array]:
    """As `fitted`, with a multinomial logistic regression on the log-probabilities of three inner folds."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    predict = fitted(name, x, y, categories)
    if name in NETWORKS or np.bincount(y).min() < 3:
        return predict
    inner = np.zeros((len(y), int(y.max()) + 1))
    for train, held in StratifiedKFold(3, shuffle=True, random_state=0).split(x, y):
        inner[held] = fitted(name, x[train], y[train], categories)(x[held])
    line = LogisticRegression(C=1e4, max_iter=2000).fit(_logs(inner), y)
    return lambda rows: line.predict_proba(_logs(predict(rows)))


def _logs(p: Array) -> Array:
    logs = np.log(np.clip(p, 1e-4, 1.0))
    return logs[:, 1:] - logs[:, :1]


def main() -> None:
    """Read the folds, write the probabilities."""
    source, target, names = sys.argv[1:]
    warnings.simplefilter("ignore")
    given = np.load(source)
    x, y, fold, categories = given["x"], given["y"], given["fold"], given["categories"].tolist()
    results: dict[str, Array] = {}
    for name in names.split(","):
        start, p = time.perf_counter(), np.zeros((len(y), int(y.max()) + 1))
        for number in np.unique(fold):
            held = fold == number
            p[held] = calibrated(name, x[~held], y[~held], categories)(x[held])
        results[name], results[f"{name}.seconds"] = p, np.array(time.perf_counter() - start)
    np.savez(target, **results)


if __name__ == "__main__":
    main()

"""Average precision, ROC AUC and log loss on generated tables whose columns have hundreds or thousands of categories.

    python -m benchmarks.quality.many_levels auto                    # or any other model that `cp.fit` takes
    ENV/bin/python benchmarks/quality/many_levels.py catboost        # an environment with CatBoost and pandas

Trained on the first rows, scored on the others. "shops": 5,600 shops with a share of fraud of their own. "columns":
five columns of 60 to 4,000 categories, the frequent ones much more frequent, each category with an effect of its own.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score


def shops() -> tuple[pd.DataFrame, int]:
    """20,000 rows, of which 16,000 train."""
    rng = np.random.default_rng(0)
    n = 20_000
    shop, zip_code = rng.integers(0, 6000, n), rng.integers(0, 900, n)
    share = rng.random(6000) ** 12 * 0.36 + 0.003
    label = rng.random(n) < share[shop]
    columns = {"shop": [f"S{v}" for v in shop], "zip": [f"{v:05d}" for v in zip_code], "amount": rng.lognormal(3, 2, n)}
    return pd.DataFrame({**columns, "label": label.astype(int)}), 16_000


def columns() -> tuple[pd.DataFrame, int]:
    """12,000 rows, of which 9,000 train."""
    rng = np.random.default_rng(3)
    n = 12_000
    logit, table = np.full(n, -3.6), {}
    for j, (levels, scale) in enumerate([(4000, 1.2), (2500, 1.0), (300, 0.6), (120, 0.5), (60, 0.3)]):
        often = 1 / np.arange(1, levels + 1) ** 0.9
        level = rng.choice(levels, n, p=often / often.sum())
        logit += rng.normal(0, scale, levels)[level]
        table[f"c{j}"] = [f"r{j}_{v}" for v in level]
    label = rng.random(n) < 1 / (1 + np.exp(-logit))
    return pd.DataFrame({**table, "noise": rng.normal(size=n), "label": label.astype(int)}), 9_000


def probabilities(model: str, train: pd.DataFrame, rows: pd.DataFrame) -> Any:
    """Of class 1, by CatBoost with its defaults, or by `cp.fit` with no option set."""
    if model == "catboost":
        from catboost import CatBoostClassifier

        texts = [name for name in rows if isinstance(rows[name].iloc[0], str)]
        fitted = CatBoostClassifier(verbose=0, random_seed=0, thread_count=2, cat_features=texts)
        return fitted.fit(train[rows.columns], train["label"]).predict_proba(rows)[:, 1]
    import counterpoise as cp

    return cp.fit(model, train, "label", verbose=0).predict_proba(rows)[:, 1]


def main() -> None:
    """Print the scores of each model that was named."""
    warnings.simplefilter("ignore")
    for make in (shops, columns):
        frame, count = make()
        train, test = frame[:count], frame[count:]
        for model in sys.argv[1:]:
            p = probabilities(model, train, test.drop(columns="label"))
            scores = [f(test["label"], p) for f in (average_precision_score, roc_auc_score, log_loss)]
            print(f"{make.__name__}, {model}: " + ", ".join(f"{score:.4f}" for score in scores), flush=True)


if __name__ == "__main__":
    main()

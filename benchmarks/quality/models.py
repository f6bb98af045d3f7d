"""Who takes part: ours on both networks, and rivals, all under the same rule on the same rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.quality.elsewhere import KINDS, Elsewhere
from counterpoise.strategies.external import external
from counterpoise.strategies.select import find

#: Piece of a set's measurement -> network and our strategies; each piece is one comparison, `none` is in all.
PIECES = {
    "tabular": ("tabular", ("none", "oversample", "undersample", "resampling_ensemble")),
    "rivals": ("mlp", ("none", "threshold")),
    "more": ("tabular", ("none", "class_weight", "easy_ensemble")),
    "auto": ("auto", ("none",)),
    "mlp": ("mlp", ("none", "class_weight", "resampling_ensemble", "easy_ensemble")),
    "choice": ("mlp", ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")),
}
#: The piece in which `compare` also chooses inside each training part.
CHOICE = "choice"
_ALL = tuple(piece for piece in PIECES if piece not in (CHOICE, "auto"))
#: Group of parents -> pieces without which a set does not count. The second confirmation is about one strategy.
NEEDED = {"confirmatory": _ALL, "second": ("tabular", "rivals"), "development": _ALL}
#: Group of parents -> the one that was named before its run. The second was named after the first confirmatory run.
NAMED = {
    "confirmatory": "tabular none",
    "second": "tabular resampling_ensemble",
    "development": "tabular none",
}
#: The ensemble over resamplings, and its three single plans.
ENSEMBLE = "tabular resampling_ensemble"
SINGLES = ("tabular none", "tabular oversample", "tabular undersample")
#: Rivals of whom the better one counts, parent by parent.
RIVAL_GROUPS = {
    "LightGBM, the better of plain and balanced": ("external:lightgbm", "external:lightgbm_balanced"),
    "the best tree ensemble of imbalanced-learn and imbalanced-ensemble": (
        "external:balanced_random_forest", "external:easy_ensemble_trees", "external:rusboost",
        *(f"external:{kind}" for kind in KINDS),
    ),
}  # fmt: skip


def models(piece: str, elsewhere: Path | None, rows: int) -> tuple[str, list[Any]]:
    """Network and strategies of one piece, for a table of so many rows."""
    network, names = PIECES[piece]
    ours = [find(name) for name in names]
    return network, [*ours, *rivals(elsewhere, rows)] if piece == "rivals" else ours


def rivals(elsewhere: Path | None, rows: int) -> list[Any]:
    """Trees, forests and a linear model; those with a grid choose on three inner folds of their training rows.

    Above 10,000 rows they choose on one inner split of three quarters and one.
    """
    from imblearn.ensemble import BalancedRandomForestClassifier, EasyEnsembleClassifier, RUSBoostClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inner = StratifiedKFold(3) if rows <= MANY else StratifiedShuffleSplit(1, test_size=0.25, random_state=0)
    chosen = partial(_chosen, inner=inner)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    estimators = [
        external("logistic_regression", chosen(linear, LINEAR)),
        external("random_forest", chosen(RandomForestClassifier(300), LEAVES)),
        external("balanced_random_forest", chosen(BalancedRandomForestClassifier(300), LEAVES)),
        external("easy_ensemble_trees", EasyEnsembleClassifier(10)),
        external("rusboost", chosen(RUSBoostClassifier(n_estimators=50), RATES)),
        external("lightgbm", chosen(boosted(None), BOOSTED)),
        external("lightgbm_balanced", chosen(boosted("balanced"), BOOSTED)),
    ]
    python = None if elsewhere is None else str(elsewhere)
    return estimators + [external(kind, Elsewhere(kind, python)) for kind in KINDS if python]


#: Above so many rows one inner split chooses for a rival, not three inner folds.
MANY = 10_000
#: What LightGBM, forests, the linear model and RUSBoost may choose from.
BOOSTED = {"min_child_samples": [5, 20], "n_estimators": [100, 300]}
LEAVES = {"min_samples_leaf": [1, 3]}
LINEAR = {"logisticregression__C": [0.1, 1.0, 10.0]}
RATES = {"learning_rate": [0.1, 1.0]}


def boosted(weights: str | None) -> Any:
    """LightGBM at learning rate 0.05."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        learning_rate=0.05, class_weight=weights, deterministic=True, force_row_wise=True, verbosity=-1, n_jobs=1
    )


def _chosen(estimator: Any, grid: dict[str, list[Any]], inner: Any) -> Any:
    """The estimator with the values of the grid that have the best average precision on inner rows."""
    from sklearn.model_selection import GridSearchCV

    return GridSearchCV(estimator, grid, scoring="average_precision", cv=inner)

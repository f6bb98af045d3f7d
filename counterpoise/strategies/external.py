"""Entrants that are no networks of ours, ready to race by name: what people reach for when a table is imbalanced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterpoise.core.errors import OptionError, did_you_mean

#: What the names of such entrants begin with.
PREFIX = "external:"


def random_forest() -> Any:
    """300 trees on bootstrap samples, as they are."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(300, n_jobs=-1)


def balanced_random_forest() -> Any:
    """300 trees, each on a balanced sample (Chen 2004)."""
    from imblearn.ensemble import BalancedRandomForestClassifier

    return BalancedRandomForestClassifier(300, n_jobs=-1)


def easy_ensemble_trees() -> Any:
    """Boosted stumps on ten balanced samples (Liu 2009)."""
    from imblearn.ensemble import EasyEnsembleClassifier

    return EasyEnsembleClassifier(10)


def self_paced_trees() -> Any:
    """50 trees on balanced samples of ever harder rows (Liu 2020)."""
    from counterpoise.strategies.self_paced_trees import SelfPacedTrees

    return SelfPacedTrees(n_estimators=50)


def hist_gradient_boosting() -> Any:
    """Gradient-boosted trees of scikit-learn, at most 500, ended by the stopping rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=500, learning_rate=0.05, early_stopping=True, n_iter_no_change=30)


def logistic_regression() -> Any:
    """A linear model on scaled columns."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def lightgbm() -> Any:
    """Gradient-boosted trees of LightGBM, at most 500, ended by the stopping rows."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=500, learning_rate=0.05, early_stopping_rounds=30, deterministic=True, force_row_wise=True,
        verbosity=-1, n_jobs=0,
    )  # fmt: skip


READY: dict[str, Callable[[], Any]] = {
    PREFIX + make.__name__: make
    for make in (
        logistic_regression, random_forest, balanced_random_forest, easy_ensemble_trees, self_paced_trees,
        hist_gradient_boosting, lightgbm,
    )
}  # fmt: skip


def ready_made(name: str) -> Any:
    """A new estimator by the name of its entrant.

    Raises:
        OptionError: unknown name, with the nearest known one.

    Example:
        >>> type(ready_made("external:self_paced_trees")).__name__
        'SelfPacedTrees'
    """
    if name not in READY:
        hint = did_you_mean(name, READY)
        raise OptionError(f"there is no strategy {name!r}.{hint} Your own: cp.external(name, estimator).")
    return READY[name]()


def idea_of(name: str) -> str:
    """One sentence about a ready-made entrant."""
    return (READY[name].__doc__ or "").strip()

"""External models: estimators of scikit-learn's kind in a comparison, and the ready-made ones by name.

`engines.sklearn_fit` fits them. The name of a ready-made function is the public name of its model, its docstring is
printed as the idea of the model, and its settings are part of job ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.strategies.strategy import Single

#: What the names of external models begin with.
PREFIX = "external:"


@dataclass(frozen=True)
class External(Single):
    """An estimator instead of a network: it is compared, but never saved (made by `cp.external`).

    Attributes:
        estimator: Of scikit-learn's kind, not fitted.
    """

    estimator: Any = None

    def make_loss(self, counts: np.ndarray) -> tuple[str, Mapping[str, Any]]:
        """Return a name that is in the job's id, although no loss is made of it."""
        return "external", {}


def external(
    name: str, estimator: Any, *, plan: Callable[..., Plan] = plans.uniform, idea: str = "", **options: Any
) -> External:
    """Make an external model for `compare`, to find out whether it is better than a network.

    In each fold, a clone of the estimator is fitted once on the same training rows as the networks, with its own
    seed. Its out-of-fold probabilities get the same post-processing (prior-shift correction, calibration,
    threshold) and the same scores. Categorical columns become integers if the estimator supports them
    (`categorical_features`, `categorical_feature`); otherwise they are one-hot encoded. Missing numbers stay NaN if
    the estimator supports NaN; otherwise they become the median of the training rows, with an indicator column. The
    order of columns changes, so parameters that name columns by position are refused for tables with categorical
    columns. An estimator that stops early (`early_stopping_rounds`, `early_stopping=True`) uses the early-stopping
    rows for this. Any other estimator is also fitted on these rows. An external model can be the best of a
    comparison, but is never saved: `model.keras` then contains the best of the other models.

    Args:
        name: Name of the model. The leaderboard lists `external:NAME`.
        estimator: An unfitted estimator with `fit`, `get_params`, and `predict_proba` or `decision_function`.
        plan: Function (labels, sample_weight=, classes=) -> Plan, which determines rows and weights, for example
            `cp.plans.oversample`.
        idea: A description in one sentence.
        **options: Keyword arguments of the plan.

    Raises:
        OptionError: There is no name, or the estimator cannot be cloned, fitted, or used for scores.

    Example:
        >>> from sklearn.naive_bayes import GaussianNB
        >>> external("bayes", GaussianNB()).name
        'external:bayes'
    """
    bare = name.removeprefix(PREFIX).strip()
    if not bare or "," in bare:
        raise OptionError(f"name is {name!r}. Expected a word without commas, for example 'lightgbm'.")
    lacking = [method for method in ("fit", "get_params", "set_params") if not hasattr(estimator, method)]
    scores = ("predict_proba", "decision_function")
    if isinstance(estimator, type) or lacking or not any(hasattr(estimator, method) for method in scores):
        what = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise OptionError(
            f"estimator is {what}. Expected an instance of a classifier with the methods of scikit-learn: fit, "
            "get_params, set_params, and predict_proba or decision_function."
        )
    idea = idea or f"{type(estimator).__name__}, an external model, fitted once on the same rows."
    return External(PREFIX + bare, idea, plan=plan, options=options, estimator=estimator)


def random_forest() -> Any:
    """300 trees on plain bootstrap samples."""
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
    """Gradient-boosted trees of scikit-learn, at most 500, with early stopping."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=500, learning_rate=0.05, early_stopping=True, n_iter_no_change=30)


def logistic_regression() -> Any:
    """A linear model on scaled columns."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def lightgbm() -> Any:
    """Gradient-boosted trees of LightGBM, at most 500, with early stopping."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=500, learning_rate=0.05, early_stopping_rounds=30, deterministic=True, force_row_wise=True,
        verbosity=-1, n_jobs=0,
    )  # fmt: skip


#: `external:NAME` -> function that makes the unfitted estimator.
READY: dict[str, Callable[[], Any]] = {
    PREFIX + make.__name__: make
    for make in (
        logistic_regression, random_forest, balanced_random_forest, easy_ensemble_trees, self_paced_trees,
        hist_gradient_boosting, lightgbm,
    )
}  # fmt: skip


def ready_made(name: str) -> Any:
    """Make an estimator by the name of an external model.

    Raises:
        OptionError: There is no such model. The message names the nearest one.

    Example:
        >>> type(ready_made("external:self_paced_trees")).__name__
        'SelfPacedTrees'
    """
    if name not in READY:
        hint = did_you_mean(name, READY)
        raise OptionError(
            f"There is no strategy {name!r}.{hint} For your own estimator use cp.external(name, estimator)."
        )
    return READY[name]()


def idea_of(name: str) -> str:
    """Return one sentence about a ready-made external model: the docstring of its function."""
    return (READY[name].__doc__ or "").strip()

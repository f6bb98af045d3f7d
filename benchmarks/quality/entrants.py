"""Who takes part: ours on both networks, and rivals, all under the same rule on the same rows."""

from __future__ import annotations

from typing import Any

from counterpoise.strategies import find
from counterpoise.strategy import external

#: Strategies of ours, raced on each of `NETWORKS`.
OURS = ("none", "threshold", "class_weight", "resampling_ensemble", "easy_ensemble")
NETWORKS = ("mlp", "tabular")
#: The one that was named before the confirmatory run.
NAMED = "tabular resampling_ensemble"

RIVALS = (
    "external:logistic_regression",
    "external:random_forest",
    "external:balanced_random_forest",
    "external:easy_ensemble_trees",
    "external:self_paced_trees",
    "external:lightgbm",
)


def entrants(network: str) -> list[Any]:
    """The strategies that race on one network; rivals need no network and race beside the first."""
    ours = [find(name) for name in OURS]
    return [*ours, *rivals()] if network == NETWORKS[0] else ours


def rivals() -> list[Any]:
    """Ready-made entrants, and the three that only this bench needs."""
    from imblearn.ensemble import RUSBoostClassifier
    from lightgbm import LGBMClassifier

    balanced = LGBMClassifier(class_weight="balanced", n_estimators=300, learning_rate=0.05, verbose=-1)
    return [
        *(find(name) for name in RIVALS),
        external("lightgbm_balanced", balanced),
        external("rusboost", RUSBoostClassifier(n_estimators=50)),
    ]

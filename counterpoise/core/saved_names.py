"""What Keras finds in a saved file: `import counterpoise` is enough, before or after `import keras`.

Keras looks classes up by name in a dictionary and imports nobody's modules. As soon as Keras is there, each of our
names is entered with a stand-in that imports the class when a file asks for it; so neither import pays for the other.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from counterpoise.core.errors import MissingExtraError

#: Backends that are extras: what Keras needs, and brings itself to nobody.
BACKENDS = ("tensorflow", "jax")
#: Module (under counterpoise) -> the classes that it registers with Keras.
SAVED = {
    "data.columns": ("RawColumns",),
    "data.encode": ("TableEncoder",),
    "data.words": ("WordIds",),
    "decide.layer": ("RuleLayer",),
    "forests.tree_layer": ("TreeEnsemble",),
    "feed.mixing": ("BatchSMOTE", "Mixup", "Remix"),
    "losses": (
        "AUCMargin", "AUCMinimax", "Asymmetric", "BalancedSoftmax", "ClassBalanced", "ClassWeighted", "Combo",
        "CrossEntropy", "DistributionBalanced", "ExpectedCost", "Focal", "FocalTversky", "GeneralisedDice", "LDAM",
        "LabelSmoothing", "LabelWeighted", "LogitAdjusted", "MinimaxHead", "MultiLabelFocal", "PairwiseAUC",
        "PartialAUC", "SmoothAP", "Tversky", "VectorScaling",
    ),
    "metrics.display": (
        "BalancedAccuracy", "ClassF1", "ClassPrecision", "ClassRecall", "GeometricMean", "IBA", "MCC",
    ),
    "metrics.display_scores": ("AveragePrecision", "BrierScore", "ECE", "SpecificityAtSensitivity"),
    "networks.network": ("ProbabilityToLogit",),
    "networks.batch_ensemble": ("MemberDense", "MemberHead", "PoolViews", "RandomSigns"),
}  # fmt: skip


class StandIn:
    """A class of ours that is imported when Keras builds it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        """What the class itself makes of its config."""
        return getattr(importlib.import_module(f"counterpoise.{self.module}"), self.name).from_config(config)


def enter() -> None:
    """Enter a stand-in for every name that Keras does not know yet."""
    known = sys.modules["keras"].saving.get_custom_objects()
    for module, names in SAVED.items():
        for name in names:
            known.setdefault(f"counterpoise>{name}", StandIn(module, name))


class Hook:
    """Finds `keras` as everybody else does, and calls `then` once it is imported.

    Where the backend of Keras is missing, it says how to install it.

    Args:
        then: Called after the import.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        self.then = then

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        others = (f.find_spec(name, path, target) for f in sys.meta_path if f is not self)
        spec = next(filter(None, others), None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = self._followed(spec.loader.exec_module)  # type: ignore[assignment, method-assign]
        return spec

    def _followed(self, execute: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        def execute_and_go_on(module: ModuleType) -> None:
            try:
                execute(module)
            except ModuleNotFoundError as error:
                if error.name not in BACKENDS:
                    raise
                raise MissingExtraError(error.name, error.name, "Keras") from error
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self.then()

        return execute_and_go_on


def enter_with_keras() -> None:
    """Enter the names now, or when Keras is imported."""
    if hasattr(sys.modules.get("keras"), "saving"):
        enter()
    elif not any(isinstance(finder, Hook) for finder in sys.meta_path):
        sys.meta_path.insert(0, Hook(enter))

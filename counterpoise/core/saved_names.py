"""Registers our classes with Keras when Counterpoise is first used with Keras, so that saved files can be read.

Keras looks classes up by name in a dictionary and imports nobody's modules. So each of our names is entered there with
a stand-in that imports the class when a file asks for it: by `import counterpoise` after `import keras`, by the first
use of a public name, and wherever we read a model. Only an import hook could do more, serve a call of Keras between
`import counterpoise` and the first use of it, and a hook changes how another library is imported.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

#: Module (under counterpoise) -> the classes that it registers with Keras. The names of the classes are in saved files,
#: so they never change. `classifier/allowed.py` permits files to name exactly these classes of ours.
SAVED = {
    "data.columns": ("RawColumns",),
    "data.encode": ("TableEncoder",),
    "data.pixel_range": ("PixelRange",),
    "data.words": ("WordIds",),
    "decide.layer": ("RuleLayer",),
    "forests.row_layer": ("TreeRows",),
    "targets.element_rules": ("ElementRuleLayer",),
    "targets.label_rules": ("LabelRuleLayer",),
    "forests.tree_layer": ("TreeEnsemble",),
    "feed.mixing": ("BatchSMOTE", "Mixup", "Remix"),
    "feed.small_moves": ("SmallMoves",),
    "losses": (
        "AUCMargin", "AUCMinimax", "Asymmetric", "ClassWeighted", "Combo", "CrossEntropy",
        "DistributionBalanced", "ExpectedCost", "Focal", "GeneralizedDice", "LDAM", "LabelSmoothing", "LogitAdjusted",
        "MinimaxHead", "MultiLabelFocal", "PairwiseAUC", "PartialAUC", "SmoothAP", "Tversky", "VectorScaling",
    ),
    "losses.weighted": ("LabelWeighted",),
    "metrics.display": ("BalancedAccuracy", "MCC"),
    "metrics.display_scores": ("AveragePrecision",),
    "networks.output": ("ProbabilityToLogit",),
    "networks.batch_ensemble": ("MemberDense", "MemberHead", "PoolMembers", "RandomSigns"),
}  # fmt: skip


class StandIn:
    """A stand-in for a class of ours, which imports the class when Keras builds it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: dict[str, Any]) -> Any:
        """Import the class, and build the object from its config by the method of the class."""
        return getattr(importlib.import_module(f"counterpoise.{self.module}"), self.name).from_config(config)


def register_stand_ins() -> None:
    """Register a stand-in for every name of `SAVED` that Keras does not know yet.

    Nothing happens if Keras was not imported.
    """
    saving = getattr(sys.modules.get("keras"), "saving", None)
    if saving is None:
        return
    known = saving.get_custom_objects()
    for module, names in SAVED.items():
        for name in names:
            known.setdefault(f"counterpoise>{name}", StandIn(module, name))

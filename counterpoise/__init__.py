"""Counterpoise: train Keras classifiers when one class is rare.

Names are loaded when they are first used, so that `import counterpoise` pulls in no TensorFlow.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from counterpoise.core.saved_names import enter_with_keras as _enter_with_keras
from counterpoise.core.version import version as _version

if TYPE_CHECKING:
    from counterpoise import callbacks, decide, feed, losses, metrics, plans, scale, sklearn
    from counterpoise.adopt import wrap
    from counterpoise.classifier import Classifier, load
    from counterpoise.comparison.many import compare_many
    from counterpoise.comparison.race import Comparison, compare
    from counterpoise.compiling import compile_balanced
    from counterpoise.core.errors import CounterpoiseError
    from counterpoise.data.folder import images
    from counterpoise.diagnosis.near import near_duplicates
    from counterpoise.diagnosis.show import Diagnosis
    from counterpoise.distillation import distill
    from counterpoise.estimator import CounterpoiseClassifier
    from counterpoise.feed.batching import batches
    from counterpoise.feed.disk import scan
    from counterpoise.feed.imbalance import make_imbalanced
    from counterpoise.feed.streams import rebalance
    from counterpoise.feed.weighting import weight_map
    from counterpoise.fitting import fit
    from counterpoise.monitoring import monitor
    from counterpoise.plans.plan import Plan
    from counterpoise.plans.weights import class_weight, sample_weight
    from counterpoise.strategies import Ensemble
    from counterpoise.strategy import Knob, Strategy, external
    from counterpoise.survey import diagnose
    from counterpoise.train.backbones import transfer
    from counterpoise.train.head import init_output_bias
    from counterpoise.train.network import InputSpec
    from counterpoise.train.recipe import Recipe
    from counterpoise.train.second_stage import retrain_head, scale_head, tau_normalise

#: Public name -> module that holds it.
_HOME = {
    "Classifier": "counterpoise.classifier",
    "Comparison": "counterpoise.comparison.race",
    "CounterpoiseClassifier": "counterpoise.estimator",
    "CounterpoiseError": "counterpoise.core.errors",
    "Diagnosis": "counterpoise.diagnosis.show",
    "Ensemble": "counterpoise.strategies",
    "InputSpec": "counterpoise.train.network",
    "Knob": "counterpoise.strategy",
    "Plan": "counterpoise.plans.plan",
    "Recipe": "counterpoise.train.recipe",
    "Strategy": "counterpoise.strategy",
    "batches": "counterpoise.feed.batching",
    "class_weight": "counterpoise.plans.weights",
    "compare": "counterpoise.comparison.race",
    "compare_many": "counterpoise.comparison.many",
    "compile_balanced": "counterpoise.compiling",
    "diagnose": "counterpoise.survey",
    "distill": "counterpoise.distillation",
    "external": "counterpoise.strategy",
    "fit": "counterpoise.fitting",
    "images": "counterpoise.data.folder",
    "init_output_bias": "counterpoise.train.head",
    "load": "counterpoise.classifier",
    "make_imbalanced": "counterpoise.feed.imbalance",
    "monitor": "counterpoise.monitoring",
    "near_duplicates": "counterpoise.diagnosis.near",
    "rebalance": "counterpoise.feed.streams",
    "retrain_head": "counterpoise.train.second_stage",
    "sample_weight": "counterpoise.plans.weights",
    "scale_head": "counterpoise.train.second_stage",
    "scan": "counterpoise.feed.disk",
    "tau_normalise": "counterpoise.train.second_stage",
    "transfer": "counterpoise.train.backbones",
    "weight_map": "counterpoise.feed.weighting",
    "wrap": "counterpoise.adopt",
}
#: Public namespaces: modules of the same name.
_NAMESPACES = ("callbacks", "decide", "feed", "losses", "metrics", "plans", "scale", "sklearn")

__all__ = [*_HOME, *_NAMESPACES]
__version__ = _version()

# Keras picks its backend when it is imported; ours is TensorFlow unless the user chose another.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
_enter_with_keras()


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _NAMESPACES:
        value = importlib.import_module(f"counterpoise.{name}")
    else:
        raise AttributeError(f"module 'counterpoise' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Counterpoise: train Keras classifiers when one class is rare.

Names are loaded when they are first used, so that `import counterpoise` pulls in no TensorFlow.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader
from counterpoise.core.saved_names import enter_with_keras as _enter_with_keras
from counterpoise.core.version import version as _version

if TYPE_CHECKING:
    from counterpoise import callbacks as callbacks
    from counterpoise import decide as decide
    from counterpoise import feed as feed
    from counterpoise import losses as losses
    from counterpoise import metrics as metrics
    from counterpoise import plans as plans
    from counterpoise import scale as scale
    from counterpoise import sklearn as sklearn
    from counterpoise.adopt import wrap as wrap
    from counterpoise.classifier import Classifier as Classifier
    from counterpoise.classifier import load as load
    from counterpoise.comparison.many import compare_many as compare_many
    from counterpoise.comparison.race import Comparison as Comparison
    from counterpoise.comparison.race import compare as compare
    from counterpoise.compiling import compile_balanced as compile_balanced
    from counterpoise.core.errors import CounterpoiseError as CounterpoiseError
    from counterpoise.data.folder import images as images
    from counterpoise.diagnosis.near import near_duplicates as near_duplicates
    from counterpoise.diagnosis.show import Diagnosis as Diagnosis
    from counterpoise.distillation import distill as distill
    from counterpoise.estimator import CounterpoiseClassifier as CounterpoiseClassifier
    from counterpoise.feed.batching import batches as batches
    from counterpoise.feed.disk import scan as scan
    from counterpoise.feed.imbalance import make_imbalanced as make_imbalanced
    from counterpoise.feed.streams import rebalance as rebalance
    from counterpoise.feed.weighting import weight_map as weight_map
    from counterpoise.fitting import fit as fit
    from counterpoise.monitoring import monitor as monitor
    from counterpoise.plans.plan import Plan as Plan
    from counterpoise.plans.weights import class_weight as class_weight
    from counterpoise.plans.weights import sample_weight as sample_weight
    from counterpoise.strategies import Ensemble as Ensemble
    from counterpoise.strategy import Knob as Knob
    from counterpoise.strategy import Strategy as Strategy
    from counterpoise.strategy import external as external
    from counterpoise.survey import diagnose as diagnose
    from counterpoise.train.backbones import transfer as transfer
    from counterpoise.train.builders import InputSpec as InputSpec
    from counterpoise.train.head import init_output_bias as init_output_bias
    from counterpoise.train.recipe import Recipe as Recipe
    from counterpoise.train.second_stage import retrain_head as retrain_head
    from counterpoise.train.second_stage import scale_head as scale_head
    from counterpoise.train.second_stage import tau_normalise as tau_normalise

#: Public name -> module that holds it.
_HOME = {
    "Classifier": "counterpoise.classifier",
    "Comparison": "counterpoise.comparison.race",
    "CounterpoiseClassifier": "counterpoise.estimator",
    "CounterpoiseError": "counterpoise.core.errors",
    "Diagnosis": "counterpoise.diagnosis.show",
    "Ensemble": "counterpoise.strategies",
    "InputSpec": "counterpoise.train.builders",
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

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, {**_HOME, **{name: f"counterpoise.{name}" for name in _NAMESPACES}})

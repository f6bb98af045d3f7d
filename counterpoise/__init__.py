"""Counterpoise: train Keras classifiers when one class is rare.

Names are loaded when they are first used, so that `import counterpoise` pulls in no TensorFlow. A new public name needs
a line under `TYPE_CHECKING`, a line in `_HOME`, and an entry in `docs/reference` (`tests/test_public.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.fork_guard import watch as _watch_forks
from counterpoise.core.lazy import loader as _loader
from counterpoise.core.saved_names import register_stand_ins as _register_stand_ins
from counterpoise.core.version import version as _version

if TYPE_CHECKING:
    from counterpoise import callbacks as callbacks
    from counterpoise import comparison as comparison
    from counterpoise import decide as decide
    from counterpoise import diagnosis as diagnosis
    from counterpoise import feed as feed
    from counterpoise import losses as losses
    from counterpoise import metrics as metrics
    from counterpoise import networks as networks
    from counterpoise import plans as plans
    from counterpoise import scale as scale
    from counterpoise import sklearn as sklearn
    from counterpoise import strategies as strategies
    from counterpoise.classifier.classifier import Classifier as Classifier
    from counterpoise.classifier.classifier import load as load
    from counterpoise.classifier.evaluation import evaluate as evaluate
    from counterpoise.classifier.importance import explain as explain
    from counterpoise.classifier.monitor import monitor as monitor
    from counterpoise.classifier.wrap import wrap as wrap
    from counterpoise.comparison.compare import Comparison as Comparison
    from counterpoise.comparison.compare import compare as compare
    from counterpoise.core.element_labels import elements as elements
    from counterpoise.core.errors import CounterpoiseError as CounterpoiseError
    from counterpoise.core.label_columns import labels as labels
    from counterpoise.data.images import images as images
    from counterpoise.diagnosis.diagnose import diagnose as diagnose
    from counterpoise.feed.batching import batches as batches
    from counterpoise.feed.disk import scan as scan
    from counterpoise.feed.rebalancing import rebalance as rebalance
    from counterpoise.feed.weighting import weight_map as weight_map
    from counterpoise.forests.model import trees as trees
    from counterpoise.networks.compile_balanced import compile_balanced as compile_balanced
    from counterpoise.networks.input_spec import InputSpec as InputSpec
    from counterpoise.networks.recipe import Recipe as Recipe
    from counterpoise.networks.transfer import transfer as transfer
    from counterpoise.pipeline.distill import distill as distill
    from counterpoise.pipeline.fit import fit as fit
    from counterpoise.plans.weights import class_weight as class_weight
    from counterpoise.plans.weights import sample_weight as sample_weight
    from counterpoise.sklearn.estimator import CounterpoiseClassifier as CounterpoiseClassifier
    from counterpoise.strategies.blend import blend as blend
    from counterpoise.strategies.external import external as external
    from counterpoise.strategies.select import ensemble as ensemble
    from counterpoise.strategies.strategy import Strategy as Strategy

#: Public name -> module that holds it.
_HOME = {
    "Classifier": "counterpoise.classifier.classifier",
    "Comparison": "counterpoise.comparison.compare",
    "CounterpoiseClassifier": "counterpoise.sklearn.estimator",
    "CounterpoiseError": "counterpoise.core.errors",
    "InputSpec": "counterpoise.networks.input_spec",
    "Recipe": "counterpoise.networks.recipe",
    "Strategy": "counterpoise.strategies.strategy",
    "batches": "counterpoise.feed.batching",
    "blend": "counterpoise.strategies.blend",
    "class_weight": "counterpoise.plans.weights",
    "compare": "counterpoise.comparison.compare",
    "compile_balanced": "counterpoise.networks.compile_balanced",
    "diagnose": "counterpoise.diagnosis.diagnose",
    "distill": "counterpoise.pipeline.distill",
    "elements": "counterpoise.core.element_labels",
    "ensemble": "counterpoise.strategies.select",
    "evaluate": "counterpoise.classifier.evaluation",
    "explain": "counterpoise.classifier.importance",
    "external": "counterpoise.strategies.external",
    "fit": "counterpoise.pipeline.fit",
    "images": "counterpoise.data.images",
    "labels": "counterpoise.core.label_columns",
    "load": "counterpoise.classifier.classifier",
    "monitor": "counterpoise.classifier.monitor",
    "rebalance": "counterpoise.feed.rebalancing",
    "sample_weight": "counterpoise.plans.weights",
    "scan": "counterpoise.feed.disk",
    "transfer": "counterpoise.networks.transfer",
    "trees": "counterpoise.forests.model",
    "weight_map": "counterpoise.feed.weighting",
    "wrap": "counterpoise.classifier.wrap",
}
#: Public namespaces: modules of the same name.
_NAMESPACES = (
    "callbacks", "comparison", "decide", "diagnosis", "feed", "losses", "metrics", "networks", "plans", "scale",
    "sklearn", "strategies",
)  # fmt: skip
#: Name of 0.1.0 that moved -> what to type instead.
_MOVED = {
    "Ensemble": "ensemble",
    "Hyperparameter": "strategies.Hyperparameter",
    "Plan": "plans.Plan",
    "compare_many": "comparison.compare_many",
    "init_output_bias": "networks.init_output_bias",
    "make_imbalanced": "feed.make_imbalanced",
    "near_duplicates": "diagnosis.near_duplicates",
    "retrain_head": "networks.retrain_head",
    "tau_normalize": "networks.tau_normalize",
}

__all__ = [*_HOME, *_NAMESPACES]
__version__ = _version()

_register_stand_ins()
_watch_forks()

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(
        __name__, {**_HOME, **{name: f"counterpoise.{name}" for name in _NAMESPACES}}, moved=_MOVED
    )

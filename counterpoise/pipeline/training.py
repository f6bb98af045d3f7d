"""How models are trained: the keyword arguments that `fit` and `compare` share."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypedDict

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.pipeline.settings import Settings


class Training(TypedDict, total=False):
    """Keyword arguments of `fit` and `compare` that are equal for every strategy.

    Attributes:
        epochs: Most passes over the training rows, counted in steps of the baseline (see `budget`). Default "auto":
            `fit` 100, `compare` 30 (or the passes of the recipe), fewer on many rows (15,000 steps, but 30 passes), and
            no fewer steps than the recipe's floor. With "auto", `compare` takes up to 4 times as many for all
            strategies if the early-stopping rows show that some were still improving. With a number, it names them
            instead, and calls none better than a baseline that was still improving.
        batch_size: Rows per step. Default "auto": 256, for `cnn` 64; `tabular` chooses by the number of rows.
        budget: "steps" (default): every strategy gets the steps of the baseline. "epochs": each plan its own epochs.
        optimizer: A Keras optimizer or its name. Default: that of the compiled model, otherwise Adam(1e-3).
        early_stopping: Whether `compare` may end a training before its limit. Default True.
        patience: Rounds (passes of the baseline) without a better early-stopping score until training ends. Default 10.
            A recipe with `cosine` (`cnn`) takes all steps instead.
        plateau: Rounds without a better early-stopping score before the learning rate is halved. Default None: never.
        recipe: A `cp.Recipe`: how rounds are compared and weights averaged with few positives. Default "auto": that of
            the network.
        output: "logits" or "probabilities". Default "auto": detected.
        initial_weights: "keep" or "fresh". Default "auto": those of a trained model are kept.
        init_bias: Whether the output of every strategy starts at the constant that minimizes its own loss on its own
            rows, instead of the model's own output bias, so that no steps are spent on learning how rare a class is.
            Default True. A trained model keeps its bias.
        clone: False trains the object passed to `fit` (one network, no folds). Default True.
        augment: Random changes of images in training: "auto" (a small rotation, shift and zoom), Keras layers such as
            `RandomFlip("horizontal")`, or a list of these; False: none. Default: that of `cp.images`, if it has one,
            otherwise that of the network ("auto" for `cnn`).
        engine: "program" or "fit". Default "auto".
        callbacks: Keras callbacks of `fit`, called once per round on the `fit` engine with "loss", "val_loss" (the
            early-stopping score) and "val_NAME" of each compiled metric, all of the corrected output of the held-out
            rows. `ModelCheckpoint` saves a classifier for `cp.load`.
    """

    epochs: int | str
    batch_size: int | str
    budget: str
    optimizer: Any
    early_stopping: bool
    patience: int
    plateau: int | None
    recipe: Any
    output: str
    initial_weights: str
    init_bias: bool
    clone: bool
    augment: Any
    engine: str
    callbacks: Sequence[Any]


#: What holds where nothing is given.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": "auto", "batch_size": "auto", "budget": "steps", "optimizer": None, "early_stopping": True,
        "patience": 10, "plateau": None, "recipe": "auto", "output": "auto", "initial_weights": "auto",
        "init_bias": True, "clone": True, "augment": None, "engine": "auto", "callbacks": (),
    }
)  # fmt: skip
#: Those that go into the settings of a run.
SETTINGS = (
    "epochs", "batch_size", "budget", "early_stopping", "patience", "plateau", "recipe", "init_bias", "engine",
)  # fmt: skip
#: Those that only one of the two takes.
ONLY = {"clone": "fit", "callbacks": "fit", "plateau": "fit", "early_stopping": "compare"}


def training_of(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of the training: the defaults, and what was given.

    Args:
        function: `fit` or `compare`, which got the arguments.
        given: The arguments by name.

    Raises:
        OptionError: an argument that the function does not take.

    Example:
        >>> def fit(model, **training): pass
        >>> training_of(fit, {"epochs": 3})["epochs"], training_of(fit, {})["batch_size"]
        (3, 'auto')
    """
    if "weights" in given:
        warnings.warn("weights is now initial_weights. Use that name.", DeprecationWarning, stacklevel=3)
        given = {"initial_weights" if name == "weights" else name: value for name, value in given.items()}
    name = function.__name__
    known = [option for option in DEFAULTS if ONLY.get(option, name) == name]
    if unknown := next((option for option in given if option not in known), None):
        others = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        if unknown in ONLY:
            raise OptionError(f"{unknown}= is an argument of {ONLY[unknown]}, not of {name}. Leave it out.")
        raise OptionError(f"{name} has no argument {unknown!r}.{did_you_mean(unknown, [*others, *known])}")
    return {**DEFAULTS, **given}


def settings_of(training: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a run."""
    return Settings(**{name: training[name] for name in SETTINGS}, **more)

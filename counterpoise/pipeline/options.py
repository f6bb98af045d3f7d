"""The keyword arguments of `fit` and `compare` that their signatures group, what they mean, and their defaults.

A group is a list for readers and type checkers, not an object: `epochs=3` is typed as in Keras and scikit-learn, and
what the command line and the estimator pass on needs no packing.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypedDict, TypeVar

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.engines.run import Executor
from counterpoise.pipeline.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])


class Rows(TypedDict, total=False):
    """Keyword arguments of `fit` and `compare` for what rows are, next to `groups` and `time`.

    Attributes:
        split: The use of each row: (N,) words, or the name of a column. "train" rows train. "validation" rows ("valid",
            "val", "dev") end the training early and fit the correction and the threshold. "test" rows are used only for
            scoring. In `fit`, validation rows are used as in `validation`. The model card has the metrics of the test
            rows, which can also support a guarantee. In `compare`, the split replaces the folds. Without validation
            rows, a fifth of the training rows takes their place. The saved classifier is the one that was scored. Its
            confidence intervals show the uncertainty from the choice of the test rows, but not from the training.
            Default None.
        unit: What gets one decision if not each row, such as a patient with several rows: names of columns, or (N,)
            values. A unit is positive if any of its rows is positive; see `Classifier.predict_units`. All rows of a
            unit belong to one group. `compare` ranks strategies by the scores of units and also shows the scores of
            rows. Default None.
        aggregate: How the probabilities of a unit's rows are combined: "mean" (default) or "max". The result is
            calibrated on units.
        sample_weight: Your own weights (N,): a row of weight 2 counts as two rows. They multiply the weights of the
            strategy. Held-out rows and test rows are weighted, too. Default None.
        positive: The label of the positive class, the class to find, if there are two classes. Default: the rarer
            class.
        one_vs_rest: The label of the class that is compared with all other classes, which become one class. Default
            None.
        merge_rare: The labels of classes to merge into one class. Default None.
    """

    split: Any
    unit: Any
    aggregate: str | None
    sample_weight: Any
    positive: Any
    one_vs_rest: Any
    merge_rare: Sequence[Any] | None


class Training(TypedDict, total=False):
    """Keyword arguments of `fit` and `compare` for the training of models, equal for every strategy.

    Attributes:
        epochs: The maximum number of passes over the training rows, counted in steps of the baseline (see `budget`).
            Default "auto": 100 in `fit`, and 30 or the passes of the recipe in `compare`. For many rows, there are
            fewer passes (15,000 steps, but at least 30 passes), and never fewer steps than the minimum of the recipe.
            With "auto", `compare` trains all strategies up to 4 times as long if the early-stopping rows show that some
            were still improving. With a number, `compare` names these strategies instead. It then calls no strategy
            better than a baseline that was still improving.
        batch_size: The number of rows per step. Default "auto": 256, and 64 for `cnn`. `tabular` chooses by the number
            of rows.
        budget: "steps" (default): every strategy trains for as many steps as the baseline. "epochs": every strategy
            trains for the same number of its own epochs.
        optimizer: A Keras optimizer or its name. Default: the optimizer of the compiled model, otherwise Adam(1e-3).
        patience: The number of rounds without a better early-stopping score after which training ends. A round is one
            epoch of the baseline. Default 10. A recipe with `cosine` (`cnn`) takes all steps instead.
        recipe: A `cp.Recipe`: how rounds are compared and weights are averaged if there are few positives. Default
            "auto": the recipe of the network.
        output: The output of the model: "logits" or "probabilities". Default "auto": detected.
        initial_weights: "keep" or "fresh". Default "auto": the weights of a trained model are kept.
        init_bias: Whether every strategy sets the output bias before training. The output then starts at the constant
            that minimizes the strategy's own loss on its own rows. Training needs no steps to learn how rare a class
            is. Default True. A trained model keeps its bias.
        augment: Random changes of images in training: "auto" (a small rotation, shift, and zoom), Keras layers such as
            `RandomBrightness(0.1)`, or a list of these; False: none. Default: the setting of `cp.images`, otherwise the
            setting of the network ("auto" for `cnn`).
        flip: "horizontal", "vertical" or "both": flips half of the images in training, in addition to `augment`.
            Default None, because a flip exchanges left and right and mirrors letters.
        contrast: The largest random change of the contrast of images in training, as a share such as 0.2, in addition
            to `augment`. Default None, because pixel values may be measurements (CT).
        engine: "program" (one compiled program for all trainings) or "fit" (Keras `fit`). Default "auto": chosen by a
            rule.
    """

    epochs: int | str
    batch_size: int | str
    budget: str
    optimizer: Any
    patience: int
    recipe: Any
    output: str
    initial_weights: str
    init_bias: bool
    augment: Any
    flip: str | None
    contrast: float | None
    engine: str


class FitOptions(Rows, Training, total=False):
    """Keyword arguments of `fit` that its signature groups: those of `Rows` and `Training`, and these.

    Attributes:
        plateau: The number of rounds without a better early-stopping score after which the learning rate is halved.
            Default None: never.
        clone: False trains the model that you pass instead of a copy (one network, no folds). Default True.
        callbacks: Keras callbacks. The engine "fit" calls them once per round. They get "loss", "val_loss" (the
            early-stopping score), and "val_NAME" for each compiled metric, from the corrected output for the held-out
            rows. `ModelCheckpoint` saves a classifier for `cp.load`.
        cost_column: For two classes of a table: the column with the cost of a missed case (an amount), or (N,) values.
            The classifier then decides by this cost (see `Classifier.decide`). The column stays a feature. Requires
            `cost_fp`. Default None.
        cost_fp: The cost of a false positive with `cost_column`, above 0.
        by: Columns of a table (sex, site) for thresholds by group: `clf.decide(recall_floor=0.9, by="sex")`. Their
            values are stored with the rows that fit the threshold. The columns stay features; values that you pass as
            `{"sex": values (N,)}` are not features. Default None.
    """

    plateau: int | None
    clone: bool
    callbacks: Sequence[Any]
    cost_column: str | None
    cost_fp: float | None
    by: str | Sequence[str] | Mapping[str, Any] | None


class CompareOptions(Rows, Training, total=False):
    """Keyword arguments of `compare` that its signature groups: those of `Rows` and `Training`, and these.

    Attributes:
        repeats: The number of times that the cross-validation is repeated, each time with other folds. Default 1.
        label_delay: The number of days until the label of a row is known (a fraud is reported weeks later). Requires
            `time`; if the times are numbers, the delay has their unit. Rows whose labels are not yet known when the
            test rows of a fold begin do not train there. Default 0.
        duplicates: How rows with equal features are handled: "warn" (default), "group", "drop", or "error".
        leaks: "warn" (default), or "error" to refuse rows that may leak before any training: a column that reveals the
            label, many duplicate rows, or nearly equal images or texts (see `Diagnosis.check`).
        cost_column: For two classes of a table: the column with the cost of a missed case (an amount), instead of
            `costs`.
        cost_fp: The cost of a false positive with `cost_column`, above 0.
        by: Columns of a table (sex, site). The report scores the recommended strategy separately for each of their
            values. The columns stay features; values that you pass as `{"sex": values (N,)}` are not features. For the
            scores, see `cp.evaluate`.
        tune_steps: The maximum number of steps of each network in a trial of `tune`.
        nested: Whether to repeat the choice of a strategy inside each training fold, with 3 inner folds. The result is
            a score of the choice itself. Takes about 3 times as long again for each fold. Default False.
        early_stopping: Whether a training may end before its limit. Default True.
        refit: Whether to train the winner on all rows. Default True.
        show_pictures: Whether the report contains images with their file names: the most confident errors of the
            recommended strategy, and images whose labels look wrong. Heat maps show which pixels the prediction depends
            on. Default True; use False for confidential images.
        importance: Whether the report shows the importance of each column for the recommended strategy (see
            `cp.explain`). The model of each fold is measured on its test rows, for up to 40 columns. Default False,
            because this takes time. With a split of your own, the report always shows the importance.
        executor: Where networks are trained: None (default) in this process, `cp.scale.pool(n)` in n processes of this
            machine, `cp.scale.ray(address)` on a cluster. The scores are the same.
    """

    repeats: int
    label_delay: float
    duplicates: str
    leaks: str
    cost_column: str | None
    cost_fp: float | None
    by: str | Sequence[str] | Mapping[str, Any] | None
    tune_steps: int | None
    nested: bool
    early_stopping: bool
    refit: bool
    show_pictures: bool
    importance: bool
    executor: Executor | None


#: The grouped arguments of each function.
GROUPED: Mapping[str, type] = MappingProxyType({"fit": FitOptions, "compare": CompareOptions})
#: What holds where nothing is given.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": "auto", "batch_size": "auto", "budget": "steps", "optimizer": None, "early_stopping": True,
        "patience": 10, "plateau": None, "recipe": "auto", "output": "auto", "initial_weights": "auto",
        "init_bias": True, "clone": True, "augment": None, "flip": None, "contrast": None, "engine": "auto",
        "callbacks": (), "split": None, "unit": None, "aggregate": None, "sample_weight": None, "positive": None,
        "one_vs_rest": None, "merge_rare": None,
        "repeats": 1, "label_delay": 0.0, "duplicates": "warn", "leaks": "warn", "cost_column": None, "cost_fp": None,
        "by": None, "tune_steps": None, "nested": False, "refit": True, "show_pictures": True,
        "importance": False, "executor": None,
    }
)  # fmt: skip
#: Those that go into the settings of a run.
SETTINGS = (
    "epochs", "batch_size", "budget", "early_stopping", "patience", "plateau", "recipe", "init_bias", "engine",
    "tune_steps",
)  # fmt: skip


def documented(function: Function) -> Function:
    """Add what the grouped arguments of `fit` or `compare` mean to its docstring, so that `help` shows all of them."""
    if text := inspect.getdoc(function):  # none under python -OO
        groups = (Rows, Training, GROUPED[function.__name__])
        means = [(inspect.getdoc(group) or "").partition("Attributes:\n")[2] for group in groups]
        args, returns, rest = text.partition("\n\nReturns:")
        function.__doc__ = "\n".join([args, *means]) + returns + rest
    return function


_AS_Y = dict.fromkeys(("target", "label", "labels"), " Pass the labels, or the name of their column, as y.")
#: Arguments that another function or the command line has -> what to do here.
MEANT = {
    "fit": {**_AS_Y, "out": " Save the classifier: clf.save(path)."},
    "compare": {**_AS_Y, "out": " Pass the folder of the run as store=."},
}


def options_of(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all grouped arguments of a function: the defaults, and what was given.

    Args:
        function: `fit` or `compare`, which got the arguments.
        given: The arguments by name.

    Raises:
        OptionError: an argument that the function does not take.

    Example:
        >>> def fit(model, **options): pass
        >>> options_of(fit, {"epochs": 3})["epochs"], options_of(fit, {})["batch_size"]
        (3, 'auto')
    """
    if "weights" in given:
        warnings.warn("weights is now initial_weights. Use that name.", DeprecationWarning, stacklevel=3)
        given = {"initial_weights" if name == "weights" else name: value for name, value in given.items()}
    name = function.__name__
    known = GROUPED[name].__annotations__
    if unknown := next((option for option in given if option not in known), None):
        if others := [other for other, group in GROUPED.items() if unknown in group.__annotations__]:
            raise OptionError(f"{unknown}= is an argument of {others[0]}, not of {name}. Leave it out.")
        listed = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        hint = MEANT[name].get(unknown) or did_you_mean(unknown, [*listed, *known])
        raise OptionError(f"{name} has no argument {unknown!r}.{hint}")
    return {**{option: DEFAULTS[option] for option in known}, **given}


def settings_of(options: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a run."""
    return Settings(**{name: options[name] for name in SETTINGS if name in options}, **more)

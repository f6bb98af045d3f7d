"""The keyword arguments of `fit` and `compare` that their signatures group, what they mean, and their defaults.

A group only lists arguments for readers and type checkers: users pass `epochs=3` directly, as in Keras and
scikit-learn. Names, defaults and docstrings are public. A new argument needs an entry in its group, in `DEFAULTS` and,
if it belongs to the settings of a run, in `SETTINGS`.
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
    """Keyword arguments of `fit` and `compare` that describe rows (see also `groups`, `time`).

    Attributes:
        split: The use of each row: (N,) words or the name of a column. "train" rows train. "validation" rows ("valid",
            "val", "dev") determine when training stops, and fit the correction and the threshold. "test" rows are used
            only for scoring. For `fit`, validation rows are used as with `validation`. The model card contains the
            metrics of the test rows, and the test rows can support guarantees. For `compare`, `split` replaces the
            folds. Without validation rows, a fifth of the training rows is used for validation. The classifier is the
            model that was scored. The intervals then show how much the scores depend on the choice of the test rows,
            but not on the training run. Default None.
        unit: Units, which are decided instead of single rows: for example patients with several rows. Names of columns,
            or (N,) values. A unit is positive if any of its rows is positive; see `Classifier.predict_units`. Rows of
            one unit belong to one group. `compare` ranks strategies by the scores of units, and reports the scores of
            rows in addition. Default None.
        aggregate: "mean" (default) or "max" of the probabilities of the rows of a unit. The result is then calibrated
            on units.
        sample_weight: Your own weights (N,), as counts of examples. The weights of a strategy are multiplied with them,
            and held-out and test rows are weighted too. Default None.
        positive: Label of the positive class (the class to find) of two classes. Default: the rarer class.
        one_vs_rest: Label of one class. All other classes become a single class. Default None.
        merge_rare: Labels of classes to merge into one class. Default None.
    """

    split: Any
    unit: Any
    aggregate: str | None
    sample_weight: Any
    positive: Any
    one_vs_rest: Any
    merge_rare: Sequence[Any] | None


class Training(TypedDict, total=False):
    """Keyword arguments of `fit` and `compare` for training, the same for every strategy.

    Attributes:
        epochs: Maximum number of passes over the training rows, counted in steps of the baseline (see `budget`).
            Default "auto": `fit` 100, `compare` 30, or the passes of the recipe. With many rows, "auto" takes fewer
            passes: at most 15,000 steps, but at least 30 passes. It takes at least the minimum number of steps of the
            recipe. If the early-stopping rows show that a strategy was still improving, `compare` with "auto" takes up
            to 4 times as many steps for all strategies. With a number, `compare` names the strategies that were still
            improving. If the baseline was still improving, no strategy is called better than the baseline.
        batch_size: Rows per step. Default "auto": 256, for `cnn` 64; `tabular` chooses by the number of rows.
        budget: "steps" (default): every strategy takes as many steps as the baseline. "epochs": every strategy takes
            the epochs of its own plan.
        optimizer: A Keras optimizer or its name. Default: the optimizer of the compiled model, otherwise Adam(1e-3).
        patience: Number of rounds (passes of the baseline) without a better early-stopping score after which training
            stops. Default 10. A recipe with `cosine` (as for `cnn`) always takes all steps.
        recipe: A `cp.Recipe`: how rounds are compared and network weights are averaged if positives are few. Default
            "auto": the recipe of the network.
        output: "logits" or "probabilities". Default "auto": detected.
        initial_weights: "keep" or "fresh". Default "auto": the weights of a trained model are kept.
        init_bias: Whether the output of every strategy starts at the constant that minimizes its own loss on its own
            rows. This replaces the output bias of the model, and saves the steps that learn how rare a class is.
            Default True. A trained model keeps its bias.
        augment: Random changes of images in training: "auto" (a small rotation, shift and zoom), Keras layers such as
            `RandomBrightness(0.1)`, or a list of these. False: no changes. Default: the augmentation of `cp.images`, if
            it has one, otherwise the augmentation of the network ("auto" for `cnn`).
        flip: "horizontal", "vertical" or "both": flips half of the images in training, in addition to `augment`.
            Default None, because flips swap left and right, and mirror letters.
        contrast: Largest random change of the contrast of images in training, as a share such as 0.2, in addition to
            `augment`. Default None, because pixel values may be measurements (CT).
        engine: "program" or "fit". Default "auto".
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
    """Keyword arguments of `fit`: the arguments of `Rows` and `Training`, and these.

    Attributes:
        plateau: Number of rounds without a better early-stopping score after which the learning rate is halved. Default
            None: never.
        clone: False trains the passed object itself, instead of a copy (one network, no folds). Default True.
        callbacks: Keras callbacks, called once per round on the `fit` engine. Their logs contain "loss", "val_loss"
            (the early-stopping score) and "val_NAME" for each compiled metric, computed on the corrected output for the
            held-out rows. `ModelCheckpoint` saves a classifier for `cp.load`.
        cost_column: For tables with two classes: the column with the cost of missing each row (an amount), or (N,)
            values. The classifier then decides by these costs (see `Classifier.decide`). The column stays a feature.
            Requires `cost_fp`. Default None.
        cost_fp: Cost of a false positive with `cost_column`, above 0.
        by: Columns of a table (for example sex or site) for thresholds by group: `clf.decide(recall_floor=0.9,
            by="sex")`. Their values are stored with the rows that fit the decision rule. The columns stay features;
            values passed as `{"sex": values (N,)}` are not features. Default None.
    """

    plateau: int | None
    clone: bool
    callbacks: Sequence[Any]
    cost_column: str | None
    cost_fp: float | None
    by: str | Sequence[str] | Mapping[str, Any] | None


class CompareOptions(Rows, Training, total=False):
    """Keyword arguments of `compare`: the arguments of `Rows` and `Training`, and these.

    Attributes:
        repeats: How often the cross-validation is repeated with other folds. Default 1.
        label_delay: With `time`: number of days until the label of a row is known (a fraud is reported weeks later). If
            `time` is a number, the delay is in the same unit. In each fold, rows train only if they are older than the
            test rows by this delay. Default 0.
        duplicates: "warn" (default), "group", "drop" or "error" for rows with equal features. "group" keeps these rows
            on one side of each split, and "drop" keeps only the first of them.
        leaks: "warn" (default), or "error" to stop before training if the rows may leak. Leaks are a column that
            reveals the label, many repeated rows, and nearly equal images or texts (see `Diagnosis.check`).
        cost_column: For tables with two classes: the column with the cost of missing each row (an amount). It replaces
            `costs`.
        cost_fp: Cost of a false positive with `cost_column`, above 0.
        by: Columns of a table (for example sex or site) whose values are scored separately in the report, for the
            recommended strategy. The columns stay features; values passed as `{"sex": values (N,)}` are not features.
            See `cp.evaluate` for the scores.
        tune_steps: Maximum number of steps of each network in a trial of `tune`.
        nested: Whether to repeat the choice of a strategy inside each training fold (3 inner folds), which gives a
            score of the choice itself. Each fold takes about 3 times as long in addition. Default False.
        early_stopping: Whether training may stop before its limit. Default True.
        refit: Whether to train the recommended strategy on all rows. Default True.
        show_pictures: Whether the report contains images with heat maps of where the model looked, and the names of
            their files. These are the images that the recommended strategy gets most confidently wrong, and images
            whose labels look wrong. Default True. Pass False for confidential images.
        importance: Whether the report contains the importance of each column (see `cp.explain`) for the recommended
            strategy. The model of each fold is scored on its test rows, for up to 40 columns. Default False, because
            this takes time. With `split`, the report always contains the importance.
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
#: The value of each grouped argument that is not passed.
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
#: The grouped arguments that are fields of `Settings`.
SETTINGS = (
    "epochs", "batch_size", "budget", "early_stopping", "patience", "plateau", "recipe", "init_bias", "engine",
    "tune_steps",
)  # fmt: skip


def documented(function: Function) -> Function:
    """Add the grouped arguments of `fit` or `compare` to its docstring, and return it.

    `help` then shows what all arguments mean. The function must have a key in `GROUPED`.
    """
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

    The old name `weights` of `initial_weights` is accepted, with a `DeprecationWarning`.

    Args:
        function: `fit` or `compare`, which got the arguments.
        given: The arguments by name.

    Raises:
        OptionError: an argument that the function does not take, or an old name beside the new one.

    Example:
        >>> def fit(model, **options): pass
        >>> options_of(fit, {"epochs": 3})["epochs"], options_of(fit, {})["batch_size"]
        (3, 'auto')
    """
    if "weights" in given:
        if "initial_weights" in given:
            raise OptionError(
                "weights= and initial_weights= were both passed, but weights= is the old name of initial_weights=. "
                "Remove weights=."
            )
        warnings.warn(
            "The argument weights= is now called initial_weights=. Use the new name.", DeprecationWarning, stacklevel=3
        )
        given = {"initial_weights" if name == "weights" else name: value for name, value in given.items()}
    name = function.__name__
    known = GROUPED[name].__annotations__
    if unknown := next((option for option in given if option not in known), None):
        if others := [other for other, group in GROUPED.items() if unknown in group.__annotations__]:
            raise OptionError(f"{unknown}= is an argument of {others[0]}, not of {name}. Leave {unknown}= out.")
        listed = [p.name for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        hint = MEANT[name].get(unknown) or did_you_mean(unknown, [*listed, *known])
        raise OptionError(f"{name} has no argument {unknown!r}.{hint}")
    return {**{option: DEFAULTS[option] for option in known}, **given}


def settings_of(options: Mapping[str, Any], **more: Any) -> Settings:
    """Return the settings of a run: the options in `SETTINGS`, and `more`."""
    return Settings(**{name: options[name] for name in SETTINGS if name in options}, **more)

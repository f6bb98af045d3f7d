"""Rows and weights to fitted trees of one class per row: boosting by LightGBM, forests by scikit-learn's kind.

Boosting ends by the log loss of the stopping rows *after* the training shift is removed, so that trees grown on
resampled or weighted rows are judged as they will be used. `several_labels` uses the parameters and forests from here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.core.errors import ModelError, OptionError, did_you_mean

Array = np.ndarray

#: Numbers in a matrix below which trees are grown by one thread: several would only wait for each other.
SMALL = 1_000_000


_SHIFTS = 'the prior shift of its class weights would stay in the probabilities. Use strategy="class_weight" instead'
_STOPS = "boosting stops by the corrected log loss of the early-stopping rows"
_OF_FILES = "it is for the data files of LightGBM, and trees get their rows from cp.fit"
_TEXT_COLUMNS = "columns of text are the categorical columns. Pass the column as text instead"
_BALANCED = 'each tree gets equally many rows of each class. For other shares, use cp.trees("forest") with a strategy'
#: Parameters that are refused, by their main names, and why. Users may set all others.
RESERVED = {
    **dict.fromkeys(("is_unbalance", "scale_pos_weight", "pos_bagging_fraction", "neg_bagging_fraction"), _SHIFTS),
    "class_weight": _SHIFTS,
    "sampling_strategy": _BALANCED,
    **dict.fromkeys(("metric", "early_stopping_round", "early_stopping_min_delta", "first_metric_only"), _STOPS),
    **dict.fromkeys(("task", "data", "valid", "input_model", "output_model", "snapshot_freq"), _OF_FILES),
    **dict.fromkeys(("header", "label_column", "weight_column", "group_column", "ignore_column"), _OF_FILES),
    **dict.fromkeys(("save_binary", "two_round", "pre_partition"), _OF_FILES),
    "categorical_feature": _TEXT_COLUMNS,
    "num_class": "it follows from the labels",
    "num_iterations": "the number of rounds is n_estimators. Pass n_estimators instead",
}


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters by the library's main names; two names for one parameter would make one be ignored.

    Args:
        name: "boosted", or a kind of forest (see `grow_forest`).
        options: The user's parameters by name or alias. "n_estimators" keeps its name.

    Raises:
        OptionError: The library lacks a parameter, it is set here, or it is given twice; boosting would be a forest; or
            a part of the rows is wanted, but never drawn.
    """
    aliases = _boosted_names() if name == "boosted" else {one: one for one in _new_forest(name, {}).get_params()}
    named: dict[str, Any] = {}
    for option, value in options.items():
        # No aliases: this version of the library does not list its parameters, so none is refused.
        if aliases and option not in aliases:
            library = "LightGBM" if name == "boosted" else "scikit-learn's forests"
            raise OptionError(f"{library} has no parameter {option!r}.{did_you_mean(option, aliases)}")
        main = option if option == "n_estimators" else aliases.get(option, option)
        if main in RESERVED:
            raise OptionError(f"{option} cannot be set, because {RESERVED[main]}.")
        if main == "boosting" and value in ("rf", "random_forest"):
            raise OptionError(f'{option}={value!r} grows a forest instead of boosted trees. Use cp.trees("forest").')
        if main in named:
            raise OptionError(f"{option} is another name of {main}, which is given too. Pass one of them.")
        named[main] = value
    if named.get("bagging_fraction", 1) != 1 and not named.get("bagging_freq"):
        given = next(one for one in options if aliases.get(one, one) == "bagging_fraction")
        raise OptionError(
            f"{given}={options[given]!r} has no effect without bagging_freq. Pass bagging_freq=1 "
            f"to draw rows for each tree, or leave {given} out."
        )
    return named


def _boosted_names() -> dict[str, str]:
    """Return name or alias -> main name of LightGBM's parameters; empty for a version that does not list them."""
    import lightgbm

    with suppress(Exception):
        listed = lightgbm.basic._ConfigAliases._get_all_param_aliases()
        return {alias: main for main, many in listed.items() for alias in (main, *many)}
    return {}


@dataclass(frozen=True)
class Rows:
    """Rows to grow trees on, or to end their growth by.

    Attributes:
        x: float32 (N, d), NaN for missing.
        y: int (N,), class codes; of several labels (N, L), each 1, 0 or -1 (not known).
        weights: float64 (N,), of several labels (N, L); None: all equal.
        sample_weight: float (N,), the user's weights, which are in `weights` too; None: none.
    """

    x: Array
    y: Array
    weights: Array | None = None
    sample_weight: Array | None = None


@dataclass(frozen=True)
class Grown:
    """Fitted trees.

    Attributes:
        model: A `lightgbm.Booster` or a forest of scikit-learn's kind; of several labels a list of boosters, or a
            `several_labels.LabelForests`.
        rounds: Rounds of boosting, or trees.
        history: Numbers by round: "step" and "stop_loss", where there were stopping rows.
        ended: Whether the stopping rows ended it before the last round; None: there were none, or it is a forest.
    """

    model: Any
    rounds: int
    history: Mapping[str, list[float]]
    ended: bool | None = None


def grow_boosted(
    rows: Rows, stop: Rows, log_shift: Array, options: Mapping[str, Any], *, rounds: int, patience: int | None,
    categorical: Sequence[int], monotone: Sequence[int], seed: int,
) -> Grown:  # fmt: skip
    """Grow boosted trees of LightGBM for C classes.

    Args:
        rows, stop: Rows to grow on, and to end by (may be empty).
        log_shift: float64 (C,), what the plan adds to the logits; removed before the stopping rows are scored.
        options: Parameters of LightGBM, by its names.
        rounds: Most rounds.
        patience: Rounds without a better log loss of the stopping rows before it ends; None: never.
        categorical: Columns of `x` that hold category numbers.
        monotone: -1, 0 or 1 for each column of `x`, or nothing.
        seed: Of all that is random.
    """
    import lightgbm

    parameters = boosting_parameters(len(log_shift), options, monotone, rows.x.size, seed)
    how: dict[str, Any] = {"categorical_feature": list(categorical), "params": parameters, "free_raw_data": False}
    data = lightgbm.Dataset(rows.x, rows.y, weight=rows.weights, **how)
    losses: list[float] = []

    def score(proba: Array, _: Any) -> tuple[str, float, bool]:
        """Record the corrected log loss of the stopping rows; LightGBM calls it each round."""
        losses.append(lg.log_loss(lg.log_proba(log_proba_of(proba), log_shift), stop.y, stop.weights))
        return "stop_loss", losses[-1], False

    ends = patience is not None and len(stop.y) > 0 and can_stop(parameters)
    callbacks: list[Any] = [lightgbm.early_stopping(patience or 1, verbose=False)] if ends else []
    checks: dict[str, Any] = {}
    if ends:
        checks = {"valid_sets": [lightgbm.Dataset(stop.x, stop.y, reference=data, **how)], "feval": score}
    with quietly():
        booster = lightgbm.train(parameters, data, rounds, callbacks=callbacks, **checks)
    best = booster.best_iteration if ends and booster.best_iteration > 0 else booster.current_iteration()
    history = {"step": [float(i + 1) for i in range(len(losses))], "stop_loss": losses} if losses else {}
    return Grown(booster, int(best), history, len(losses) < rounds if ends else None)


def boosting_parameters(
    classes: int, options: Mapping[str, Any], monotone: Sequence[int], numbers: int, seed: int
) -> dict[str, Any]:
    """Return the parameters of LightGBM for a matrix of `numbers` values; they decide the trees of a seed.

    The other arguments are as in `grow_boosted`. `options` replace our values; `check_options` has refused those in
    `RESERVED`.
    """
    parameters: dict[str, Any] = {
        "objective": "binary" if classes == 2 else "multiclass", "metric": "None", "verbosity": -1, "seed": seed,
        "deterministic": True, "force_row_wise": True, "num_threads": 1 if numbers < SMALL else 0, **options,
    }  # fmt: skip
    parameters |= {} if classes == 2 else {"num_class": classes}
    return parameters | ({"monotone_constraints": list(monotone)} if any(monotone) else {})


def can_stop(parameters: Mapping[str, Any]) -> bool:
    """Return whether boosting may end early: not with "dart", where later rounds change earlier trees."""
    return bool(parameters.get("boosting") != "dart")


@contextmanager
def quietly() -> Iterator[None]:
    """Hide LightGBM's warnings in the block, and turn its errors into ModelErrors."""
    import lightgbm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except lightgbm.basic.LightGBMError as error:
            raise ModelError(f"LightGBM could not train: {error}") from error


def log_proba_of(proba: Array) -> Array:
    """Return the logarithms (N, C) of the probabilities that LightGBM passes to `feval`.

    These are p of class 1, float (N,), for two classes, and float (N, C) for more.
    """
    both = np.stack([1.0 - proba, proba], axis=1) if proba.ndim == 1 else proba
    return np.log(np.maximum(both, lg.SMALLEST))


def grow_forest(rows: Rows, options: Mapping[str, Any], *, kind: str, trees: int, seed: int) -> Grown:
    """Grow a forest of a kind: "forest" (Breiman 2001), "extra_trees" (Geurts 2006), "balanced_forest" (Chen 2004).

    Extra trees see all rows and split at random thresholds. Each tree of a balanced forest sees a balanced sample.
    Nothing ends the growth early, so there is no history.
    """
    return Grown(fitted_forest(rows, options, kind=kind, trees=trees, seed=seed), trees, {})


def fitted_forest(rows: Rows, options: Mapping[str, Any], *, kind: str, trees: int, seed: int) -> Any:
    """Return a fitted forest of scikit-learn's kind, for `grow_forest` and forests of several labels.

    `options` replace our parameters. Warnings of the libraries are hidden.
    """
    from threadpoolctl import threadpool_limits

    how = {"n_estimators": trees, "random_state": seed % 2**31, "n_jobs": 1 if rows.x.size < SMALL else -1, **options}
    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
        warnings.simplefilter("ignore")
        forest = _new_forest(kind, how)
        forest.fit(rows.x, rows.y, sample_weight=rows.weights)
    return forest


def _new_forest(kind: str, how: Mapping[str, Any]) -> Any:
    """Return an unfitted forest: one of scikit-learn's, or the balanced one of imbalanced-learn."""
    if kind == "balanced_forest":
        from imblearn.ensemble import BalancedRandomForestClassifier

        return BalancedRandomForestClassifier(
            **{"sampling_strategy": "all", "replacement": True, "bootstrap": False, **how}
        )
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    return ExtraTreesClassifier(**how) if kind == "extra_trees" else RandomForestClassifier(**how)

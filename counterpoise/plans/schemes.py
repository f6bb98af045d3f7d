"""Schemes of class weights: from the total weight of each class to the weight of its elements.

A scheme is a name, with its number in parentheses where it has one ("power(0.3)"), weights by label, costs, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, TargetError, did_you_mean
from counterpoise.core.per_class import label_number_pairs
from counterpoise.plans import multiplicities

Array = np.ndarray

_CALL = re.compile(r"^\s*(?P<name>[a-z_]+)\s*(?:\(\s*(?P<number>[-+.\deE]+)\s*\))?\s*$")


def _logarithmic(mass: Array, constant: float) -> Array:
    """Return 1 / log(constant + share) of each class; the constant must be above 1."""
    if not constant > 1:
        raise OptionError(
            f"The constant in log({constant:g}) is not above 1. Use a number above 1, for example log(1.02)."
        )
    return 1.0 / np.log(constant + mass / mass.sum())


#: name -> (number unless given, function (mass (C,), number) -> weights (C,)).
_SCHEMES: Mapping[str, tuple[float | None, Callable[[Array, float], Array]]] = {
    "none": (None, lambda mass, _: np.ones(len(mass))),
    "balanced": (None, lambda mass, _: multiplicities.balanced(mass)),
    "sqrt": (None, lambda mass, _: multiplicities.powered(mass, 0.5)),
    "power": (0.5, multiplicities.powered),
    "effective_number": (0.999, multiplicities.effective_number),
    "median_frequency": (None, lambda mass, _: np.median(mass) / mass),
    "log": (1.02, _logarithmic),
}


def scheme_weights(scheme: Any, mass: Array, labels: Sequence[Any], frequency: Array | None = None) -> Array:
    """Return weights per class, float64 (C,), not yet scaled.

    - "none" or None: 1.
    - "balanced": n / (C n_c), as scikit-learn.
    - "sqrt": n_c ** -0.5; "power(e)": n_c ** -e, from 0 (none) to 1 (balanced).
    - "effective_number(beta)": (1 - beta) / (1 - beta ** n_c) (Cui et al. 2019), beta 0.999.
    - "median_frequency": median(f) / f_c, f_c the share of class c in the rows where it occurs (Eigen and Fergus 2015);
      without rows of several elements f_c is its share of all.
    - "log(c)": 1 / log(c + share_c), bounded (Paszke et al. 2016), c 1.02.
    - a dict or series: the weight of each label, every label that occurs.
    - numbers (C,) or (C, C): costs per class or a cost matrix, row = truth (see `plans.cost`).

    Args:
        scheme: One of these.
        mass: float (C,), total weight of the elements of each class.
        labels: The labels (C,).
        frequency: float (C,), f_c of "median_frequency".

    Raises:
        TargetError: A class has no elements.
        OptionError: The scheme is unknown, or the weights do not fit.

    Example:
        >>> scheme_weights("power(0)", np.array([9.0, 1.0]), "ab").tolist()
        [1.0, 1.0]
    """
    named = None if isinstance(scheme, str) else label_number_pairs(scheme)
    if named is not None:
        return _weights_by_label(dict(named), mass, labels)
    if scheme is None:
        scheme = "none"
    empty = np.flatnonzero(mass <= 0)
    if len(empty) and scheme != "none":
        raise TargetError(
            f"All elements of class {labels[empty[0]]!r} together have weight 0, so the class weight cannot be "
            "computed. Leave this class out of classes=, or give weights by label as a dict."
        )
    if not isinstance(scheme, str):
        return multiplicities.cost(mass, scheme)
    name, number = parse_scheme(scheme)
    if name == "median_frequency" and frequency is not None:
        mass = frequency
    return _SCHEMES[name][1](np.asarray(mass, dtype=float), number)


def parse_scheme(scheme: str) -> tuple[str, float]:
    """Return the name and the number of a scheme that is a text.

    Example:
        >>> parse_scheme("power(0.3)"), parse_scheme("effective_number")
        (('power', 0.3), ('effective_number', 0.999))
    """
    call = _CALL.match(scheme)
    name = call["name"] if call else scheme
    if name not in _SCHEMES:
        raise OptionError(f"There is no scheme {scheme!r}.{did_you_mean(name, _SCHEMES)}")
    default = _SCHEMES[name][0]
    given = call["number"] if call else None
    if given is not None and default is None:
        raise OptionError(f"Scheme {name!r} takes no number, but the scheme is {scheme!r}. Leave out the parentheses.")
    try:
        return name, float(given) if given is not None else (default or 0.0)
    except ValueError:
        raise OptionError(
            f"The scheme {scheme!r} has no number in its parentheses. Use a form such as power(0.5)."
        ) from None


def _weights_by_label(wanted: Mapping[Any, Any], mass: Array, labels: Sequence[Any]) -> Array:
    """Return weights (C,) from a dict by label; every class that occurs needs one, and 0 leaves a class out."""
    code_of = {str(label): c for c, label in enumerate(labels)}
    out = np.full(len(labels), np.nan)
    for label, value in wanted.items():
        if str(label) not in code_of:
            raise TargetError(f"There is no class {label!r} in the target.{did_you_mean(label, code_of)}")
        if not (np.isfinite(value) and value >= 0):
            raise OptionError(f"The weight of class {label!r} is {value}. Use a finite number of 0 or more.")
        out[code_of[str(label)]] = value
    unnamed = [label for c, label in enumerate(labels) if np.isnan(out[c]) and mass[c] > 0]
    if unnamed:
        raise OptionError(
            f"Class {unnamed[0]!r} has no weight (Keras would silently use 1). Pass a weight for each of: "
            f"{', '.join(str(label) for label in labels)}."
        )
    if not np.any(out[mass > 0] > 0):
        raise OptionError(
            "The weights of all classes in the target are 0. Give at least one of these classes a weight above 0."
        )
    return np.nan_to_num(out, nan=0.0)

"""Samplers of imbalanced-learn by name: which class, for which columns, with which settings; `synthesis` fits them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.plans.matrices import Layout

#: name -> (module, class, the setting that counts neighbors, its default) of samplers that make rows.
MAKERS: Mapping[str, tuple[str, str, str, int]] = {
    "smote": ("over_sampling", "SMOTE", "k_neighbors", 5),
    "borderline_smote": ("over_sampling", "BorderlineSMOTE", "k_neighbors", 5),
    "svm_smote": ("over_sampling", "SVMSMOTE", "k_neighbors", 5),
    "kmeans_smote": ("over_sampling", "KMeansSMOTE", "k_neighbors", 2),
    "adasyn": ("over_sampling", "ADASYN", "n_neighbors", 5),
    "smote_nc": ("over_sampling", "SMOTENC", "k_neighbors", 5),
    "smote_n": ("over_sampling", "SMOTEN", "k_neighbors", 5),
}

#: name -> (module, class) of samplers that remove rows.
CLEANERS: Mapping[str, tuple[str, str]] = {
    "tomek": ("under_sampling", "TomekLinks"),
    "enn": ("under_sampling", "EditedNearestNeighbours"),
    "renn": ("under_sampling", "RepeatedEditedNearestNeighbours"),
    "all_knn": ("under_sampling", "AllKNN"),
    "near_miss": ("under_sampling", "NearMiss"),
    "one_sided": ("under_sampling", "OneSidedSelection"),
    "neighborhood": ("under_sampling", "NeighbourhoodCleaningRule"),
    "condensed": ("under_sampling", "CondensedNearestNeighbour"),
    "hardness": ("under_sampling", "InstanceHardnessThreshold"),
}


def making_sampler(name: str, layout: Layout, neighbors: int | None, options: Mapping[str, Any]) -> tuple[Any, int]:
    """Return a sampler that makes rows, and how many neighbors of its class a row needs.

    The sampler is not yet fitted.

    Args:
        name: A name of `MAKERS`. layout: The columns of the rows. neighbors: None: the default of the sampler.
        options: Further settings of the sampler.

    SMOTE on numbers and level ids is SMOTE-NC, on level ids alone SMOTE-N: an average of two ids means nothing.
    """
    name = _for_columns(name, layout)
    module, class_name, setting, usual = MAKERS[name]
    count = usual if neighbors is None else neighbors
    how: dict[str, Any] = {setting: count, **options}
    if name == "smote_nc":
        how["categorical_features"] = layout.categorical
    return _imblearn_sampler(module, class_name, how), count


def cleaning_sampler(name: str, options: Mapping[str, Any]) -> Any:
    """Return a sampler that removes rows, not yet fitted, by a name of `CLEANERS`."""
    module, class_name = CLEANERS[name]
    return _imblearn_sampler(module, class_name, dict(options))


def check_sampler_name(name: str, known: Mapping[str, Any], word: str) -> str:
    """Return a name that is one of `known`.

    Raises:
        OptionError: It is not; `word` names the argument in the message.
    """
    if name not in known:
        raise OptionError(f"{word} is {name!r}, which is not one of the choices.{did_you_mean(name, known)}")
    return name


def _for_columns(name: str, layout: Layout) -> str:
    """Return the name of the sampler for these columns.

    SMOTE, SMOTE-NC and SMOTE-N replace each other; any other sampler stays.

    Raises:
        OptionError: Another sampler averages rows, but there are columns of categories.
    """
    if not layout.categorical:
        if name in ("smote_nc", "smote_n"):
            return "smote"
        return name
    if name in ("smote", "smote_nc", "smote_n"):
        return "smote_nc" if layout.numbers else "smote_n"
    raise OptionError(
        f"Sampler {name!r} averages rows, but {len(layout.categorical)} of the columns are categories, which have no "
        "average. Use 'smote_nc' (SMOTE-N if all columns are categories), or leave these columns out."
    )


def _imblearn_sampler(module: str, class_name: str, options: dict[str, Any]) -> Any:
    """Return a sampler of imbalanced-learn with these options.

    Raises:
        OptionError: The class does not take one of the options.
    """
    import importlib

    make: Callable[..., Any] = getattr(importlib.import_module(f"imblearn.{module}"), class_name)
    try:
        return make(**options)
    except TypeError as error:
        raise OptionError(f"{class_name} does not take these options: {error}.") from None

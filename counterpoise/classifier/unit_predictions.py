"""Predictions of a classifier for units: the rows of a study, a patient, or a visit.

The probabilities of the rows are aggregated, and the rule of units decides. `pipeline.units` decides the units of
finished folds by the same `decided_units`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from counterpoise.classifier.deciding import written_decisions
from counterpoise.core.errors import OptionError
from counterpoise.core.per_class import in_class_order
from counterpoise.core.target import Target
from counterpoise.core.units import UnitRule, Units, scores_of_units
from counterpoise.data.frames import check_row_order, is_table, to_frame
from counterpoise.data.image_set import ImageSet
from counterpoise.data.row_metadata import unit_table
from counterpoise.data.schema import text_columns
from counterpoise.data.unit_columns import columns_of_names, unit_names, units_of

if TYPE_CHECKING:
    from counterpoise.classifier.classifier import Classifier

Array = np.ndarray


def predict_units(clf: Classifier, x: Any, unit: Any = None, prior: Any = None) -> pl.DataFrame:
    """Return the table of `Classifier.predict_units`, with one row per unit.

    Units are in the order of their first rows.
    """
    rule = unit_rule_of(clf)
    table, x = unit_columns(clf, x, unit)
    units = units_of(table, rule.aggregate)
    decided = decide_units(clf, rule, units, clf.predict_proba(x), prior)
    labels = written_decisions(clf.classes_, rule.rule)
    order = np.argsort(units.first)
    counts = np.bincount(units.codes)
    columns = pl.DataFrame(clf.target.columns(decided, labels))[order]
    return table[units.first[order]].with_columns(pl.Series("rows", counts[order])).hstack(columns)


def unit_rule_of(clf: Classifier) -> UnitRule:
    """Return the rule by which a classifier decides units.

    Raises:
        OptionError: The classifier was trained without units, so it decides only rows.
    """
    if clf.unit is None:
        raise OptionError(
            "The model was trained without units (groups of rows), so it has no threshold for units. Train with unit= "
            "(--unit)."
        )
    return clf.unit


def decide_units(clf: Classifier, unit: UnitRule, units: Units, proba: Array, prior: Any = None) -> Any:
    """Return the `decide.Decision` on units, from the probabilities (N, C) of their rows.

    `prior` contains the class proportions among the units, not the rows; None keeps those of the rule.
    """
    if prior is not None:
        shares = in_class_order(prior, "prior", clf.classes_.tolist())
        unit = replace(unit, rule=clf.target.at_prior(unit.rule, shares, scores_of_units(clf.scores)))
    return decided_units(clf.target, unit, units, proba)


def decided_units(target: Target, unit: UnitRule, units: Units, proba: Array) -> Any:
    """Return the `decide.Decision` of the rule on units.

    It is made from the probabilities (N, C) of rows, which are aggregated by unit first.
    """
    aggregated = target.unit_proba(proba, replace(units, aggregate=unit.aggregate))
    return target.apply(unit.rule, target.log_p_of(aggregated)[None])


def check_images_aggregate(clf: Classifier, images: ImageSet) -> None:
    """Raise an OptionError if the user set another aggregate for images than that of training."""
    used = unit_rule_of(clf).aggregate
    if images.aggregate not in ("mean", used):  # "mean" is the default of `cp.images`
        raise OptionError(
            f"aggregate= is {images.aggregate!r}, but the model was trained with {used!r}. Remove aggregate=."
        )


def unit_columns(clf: Classifier, x: Any, unit: Any) -> tuple[pl.DataFrame, Any]:
    """Return the columns that name the unit of each row of `x`, and `x`; a table is read, and returned as its frame.

    Raises:
        OptionError: The units of these rows are not known, or `unit` is passed with images. ColumnError: A column is
            absent.
    """
    check_row_order(x, {"unit": unit})
    wanted = unit if unit is not None else () if clf.unit is None else clf.unit.columns
    if isinstance(x, ImageSet):
        if unit is not None or x.unit is None:
            raise OptionError(
                "unit= cannot be passed together with images. Name the unit columns in cp.images(..., unit=) (--unit), "
                "and remove unit= here."
            )
        check_images_aggregate(clf, x)
        return x.unit, x
    if is_table(x, table=False):
        x, _, _ = to_frame(x, as_text=(*text_columns(clf.schema), *columns_of_names(wanted)))
        table = unit_table(x, unit_names(wanted, x.columns) or wanted)
    else:
        if unit is None or isinstance(unit, str):
            raise OptionError("The rows are arrays, which have no columns. Pass unit= as one value for each row.")
        length = len(unit)
        # The frame only carries the number of rows; its values are not read.
        table = unit_table(pl.DataFrame({"row": np.zeros(length, np.uint8)}), unit)
    assert table is not None
    return table, x

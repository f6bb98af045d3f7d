"""The fields in the file of a classifier, except its networks. Writing and reading use the same checks.

All names here are saved in files. A name that changes makes older files unreadable, so `FORMAT` is then counted up.
A new entry of the model card needs nothing here; one that somebody computes with gets a line in `CARD_CHECK`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import ArtifactError
from counterpoise.core.file_checks import (
    Check,
    anything,
    boolean,
    choice,
    integer,
    json_value,
    list_of,
    mapping_of,
    nullable,
    number,
    record,
    string,
    wrong_value,
)
from counterpoise.core.json_values import jsonable
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.schema import Schema
from counterpoise.core.target import Target
from counterpoise.core.units import AGGREGATES, UnitRule, scores_of_rows, scores_of_units
from counterpoise.data.schema import LABEL_OPTIONS, schema_from_dict, schema_to_dict
from counterpoise.decide.rule_fields import LARGEST_THRESHOLD
from counterpoise.metrics.catalog import METRICS, Metric
from counterpoise.targets.kinds import target_of

Array = np.ndarray
#: Number of the layout of `counterpoise.json`.
FORMAT = 2
#: By how much the rounding of a score may leave its range.
ROUNDING = 1e-6

SHARE, NUMBERS = number(0, 1), list_of(number())


def _checked_metrics(value: Any, path: str) -> dict[str, Any]:
    """Return the metrics of a model card after a check: a mapping from metric key to entry.

    An entry has `value`, or `mean` and `folds` from a comparison, and the interval from `low` to `high`. Each number
    has to lie in the range of its metric. `path` is the place that an error names.
    """
    return {
        name: _metric_check(METRICS.get(name))(score, f"{path}.{name}")
        for name, score in mapping_of(anything)(value, path).items()
    }


def _checked_log_shift(value: Any, path: str) -> Any:
    """Return the log shift of one network in a model card after a check: a list of one number per class.

    With several labels per row it is a list of lists, one per label.
    """
    several = isinstance(value, list) and bool(value) and isinstance(value[0], list)
    return (list_of(NUMBERS) if several else NUMBERS)(value, path)


def _metric_check(metric: Metric | None) -> Check:
    """Return the check of the entry of one metric (see `_checked_metrics`).

    A metric that is not in the catalog (None) has no limits.
    """
    low, high = (-math.inf, math.inf) if metric is None else (metric.low - ROUNDING, metric.high + ROUNDING)
    value = nullable(number(low, high))
    return record({}, {"value": value, "mean": value, "low": value, "high": value, "folds": list_of(value)})


#: Checks the model card: entries that each card has, entries that some cards have, and others with any plain values.
CARD_CHECK = record(
    {
        "counterpoise": string(),
        "strategy": string(),
        "network": string(),
        "log_shifts": list_of(_checked_log_shift),
        "rule": string(),
    },
    optional={
        "idea": string(),
        "members": list_of(string()),
        "models": list_of(string()),
        "plan": nullable(string()),
        "source": string(),
        "rows": integer(),
        "text_column": nullable(string()),
        "columns": nullable(record({"numeric": integer(), "categorical": integer(), "excluded": list_of(string())})),
        "label_options": LABEL_OPTIONS,
        "classes": list_of(
            record({"label": string(), "count": integer(), "share": SHARE}, optional={"known": integer()})
        ),
        "seed": integer(-(2**63)),
        "steps": list_of(integer()),
        "engines": list_of(string()),
        "member_shifts": list_of(nullable(list_of(NUMBERS))),
        "needs_calibration": boolean,
        "prior": list_of(SHARE),
        "threshold": record(
            {
                "value": nullable(number(0, LARGEST_THRESHOLD)),
                "offsets": nullable(NUMBERS),
                "aim": string(),
                "word": string(),
                "text": string(),
            },
            optional={
                "labels": list_of(json_value),
                "review": string(),
                "budgets": string(),
                "spread": json_value,
                "by": json_value,
            },
        ),
        "versions": mapping_of(string()),
        "metrics": _checked_metrics,
        "metrics_of": string(),
        "guarantee_rows": integer(),
        "guarantee_note": string(),
        "unit": mapping_of(json_value),
        "verdict": mapping_of(json_value),
        "teacher": mapping_of(json_value),
        "by": mapping_of(list_of(string())),
    },
    others=json_value,
)
#: Checks `counterpoise.json`, the description of a classifier.
DESCRIPTION_CHECK = record(
    {"format": integer(), "classes": list_of(anything), "schema": nullable(json_value), "card": json_value},
    optional={
        "kind": string(),
        "unit": nullable(record({"columns": list_of(string()), "aggregate": choice(AGGREGATES), "rule": json_value})),
    },
)


@dataclass(frozen=True)
class Contents:
    """All that the file of a classifier contains; the attributes are those of `Classifier`."""

    members: keras.Model
    rule: Rule | LabelRules
    classes: Sequence[Any]
    schema: Schema | None
    card: Mapping[str, Any]
    scores: Mapping[str, Array]
    kind: str = "one_of"
    unit: UnitRule | None = None


def description_of(contents: Contents) -> dict[str, Any]:
    """Return the description of a classifier (`counterpoise.json`) as JSON values, checked as when it is read.

    Raises:
        ArtifactError: A label is of a type that no file holds, or a field is not what it has to be.
    """
    description = {
        "format": FORMAT,
        "kind": contents.kind,
        "classes": [label.item() if isinstance(label, np.generic) else label for label in contents.classes],
        "schema": None if contents.schema is None else schema_to_dict(contents.schema),
        "card": jsonable(contents.card),
    }
    if contents.unit is not None:
        values = target_of(contents.kind).layer(contents.unit.rule).get_config()["rule"]
        description["unit"] = {
            "columns": list(contents.unit.columns), "aggregate": contents.unit.aggregate, "rule": jsonable(values),
        }  # fmt: skip
    check_description(description, contents.rule)
    return description


def check_description(description: Any, rule: Rule | LabelRules) -> tuple[list[Any], Schema | None, dict[str, Any]]:
    """Check the description in a file, and return its labels, its schema, and its card.

    Raises:
        ArtifactError: A field is absent, of another type, out of range, or at odds with the rule.
    """
    fields = DESCRIPTION_CHECK(description, "the description")
    classes = check_labels(fields["classes"])
    if len(classes) != len(rule.prior):
        raise ArtifactError(f"it has {len(classes)} labels, but its decision rule is for {len(rule.prior)} classes.")
    schema = None if fields["schema"] is None else schema_from_dict(fields["schema"])
    card = fields["card"]
    CARD_CHECK(card, "the model card")
    # Files of earlier versions have the options of labels in the schema.
    if schema is not None and "label_options" in fields["schema"]:
        card = {"label_options": fields["schema"]["label_options"], **card}
    if len(card.get("classes", classes)) != len(classes):
        raise ArtifactError(
            f"its model card has {len(card['classes'])} classes, but the file has {len(classes)} labels."
        )
    value = card.get("threshold", {}).get("value", rule.threshold)
    if value != rule.threshold:
        raise ArtifactError(f"its model card has the threshold {value}, but its decision rule has {rule.threshold}.")
    return classes, schema, card


def described_unit(description: Mapping[str, Any], target: Target, classes: int) -> UnitRule | None:
    """Return the rule for units in the description of a classifier, or None if it decides only rows.

    `classes` is the number of classes.

    Raises:
        ArtifactError: The rule is damaged, or is for other classes or several members.
    """
    plain_unit = description.get("unit")
    if plain_unit is None:
        return None
    rule = target.rule_of(plain_unit["rule"])
    if len(rule.prior) != classes or len(rule.log_shifts) != 1:
        raise ArtifactError("its decision rule for units does not fit its classes.")
    return UnitRule(tuple(plain_unit["columns"]), plain_unit["aggregate"], rule)


def check_labels(classes: Sequence[Any]) -> list[Any]:
    """Check the labels of the classes and return them as a list.

    Raises:
        ArtifactError: A label is not text, a finite number or a truth value; there are fewer than two labels; or two
            labels are equal, also as text.
    """
    for code, label in enumerate(classes, 1):
        fits = isinstance(label, (str, bool, int)) or (isinstance(label, float) and math.isfinite(label))
        if not fits:
            raise wrong_value(label, f"label {code}", "text, a number, or true or false")
    if len(classes) < 2:
        raise ArtifactError(f"it has {len(classes)} labels. Expected 2 or more.")
    for labels in (classes, [str(label) for label in classes]):  # labels that read alike are one in a table
        for label, times in Counter(labels).items():
            if times > 1:
                raise ArtifactError(f"it has the label {label!r:.60} twice.")
    return list(classes)


def check_scores(
    scores: Mapping[str, Array], rule: Rule | LabelRules, kind: str = "one_of", unit: UnitRule | None = None
) -> None:
    """Check the names, shapes and values of stored scores (see `model_card.stored_scores`).

    Raises:
        ArtifactError: An array of another shape or type, a probability above 1, a class that there is not.
    """
    of_units, scores = scores_of_units(scores), scores_of_rows(scores)
    if bool(of_units) != (unit is not None):
        raise ArtifactError("it needs both scores and a decision rule for units, but contains only one of them.")
    if unit is not None:
        check_scores(of_units, unit.rule, kind)
    # First the rows that the rule was fitted on, then the rows that its guarantee was fitted on.
    for prefix in ("", "guarantee_"):
        own = {
            name.removeprefix(prefix): a for name, a in scores.items() if name.startswith("guarantee_") == bool(prefix)
        }
        if own:
            _check_row_scores(own, rule, target_of(kind), prefix)


def _check_row_scores(scores: Mapping[str, Array], rule: Rule | LabelRules, target: Target, prefix: str) -> None:
    """Check the stored scores of one set of rows against the rule and the target; names have no prefix here.

    `prefix` ("" or "guarantee_") is only put before the names in messages. A fault raises an ArtifactError.
    """
    classes = len(rule.prior)
    known = {"log_p", "y", "weight", "amount", "group", "by", "by_code", "member_outputs", "lesions"}
    unknown = sorted(set(scores) - known)
    if unknown or not {"log_p", "y"} <= set(scores):
        raise ArtifactError(f"its stored scores are {', '.join(sorted(scores)) or 'none'}. Expected log_p and y.")
    y, log_p = scores["y"], scores["log_p"]
    if not target.are_labels(y, classes):
        raise ArtifactError(f"its stored {prefix}y is not a list of the {classes} class codes.")
    shape = target.scored_shape(y, classes)
    _check_proba(log_p, (len(rule.log_shifts), *shape), f"{prefix}log_p", logs=True)
    if "member_outputs" in scores:
        _check_proba(
            scores["member_outputs"], (len(scores["member_outputs"]), *shape), f"{prefix}member_outputs", logs=False
        )
    lesions = scores.get("lesions")
    if lesions is not None and not (
        lesions.dtype.kind == "f" and lesions.shape[1:] == (5,) and len(lesions) and np.isfinite(lesions).all()
    ):
        raise ArtifactError(f"its stored {prefix}lesions are not a table of counts.")
    # `by` is (N, columns), the other two are (N,). Only codes in `group` may be negative.
    for name in ("group", "by", "by_code"):
        codes = scores.get(name)
        rows = codes is None or (codes.shape[:1] == y.shape[:1] and codes.ndim == (2 if name == "by" else 1))
        if codes is not None and not (rows and codes.dtype.kind in "iu" and (name == "group" or (codes >= 0).all())):
            raise ArtifactError(f"its stored {prefix}{name} is not a list of one group per row.")
    if rule.by is not None and "by_code" in scores and scores["by_code"].max(initial=0) > len(rule.by.values):
        raise ArtifactError(f"its stored {prefix}by_code contains a group that has no threshold.")
    # A weight belongs to a row, or to each label or element of a row. An amount belongs to a row.
    for name in ("weight", "amount"):
        own, fits = scores.get(name), (y.shape[:1], shape[:-1]) if name == "weight" else (y.shape[:1],)
        if own is not None and not (
            own.shape in fits and own.dtype.kind in "fiu" and np.isfinite(own).all() and (own >= 0).all()
        ):
            raise ArtifactError(
                f"its stored {prefix}{name} is not a list of numbers of 0 or more, with one number per row."
            )


def _check_proba(values: Array, shape: tuple[int, ...], name: str, logs: bool) -> None:
    """Raise an ArtifactError unless `values` are probabilities of this shape.

    They have to be floats that sum to 1 along the last axis.
    A sum may differ from 1 by 0.01. `logs` means that the values are natural logarithms of probabilities.
    """
    if values.dtype.kind != "f" or values.shape != shape:
        raise ArtifactError(
            f"its stored {name} has shape {values.shape} and type {values.dtype}. Expected shape {shape} and a "
            "floating-point type."
        )
    with np.errstate(over="ignore"):
        proba = np.exp(values.astype(np.float64)) if logs else values.astype(np.float64)
    if not (proba >= 0).all() or np.abs(proba.sum(axis=-1) - 1.0).max() > 1e-2:
        raise ArtifactError(f"its stored {name} are not probabilities of classes.")

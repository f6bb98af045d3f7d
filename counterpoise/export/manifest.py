"""`schema.json`, and the inputs of exports by name, which the writers of all formats share.

People and programs without Counterpoise read `schema.json`: what goes into an export and what comes out. Its keys, and
the names of inputs, must stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from counterpoise.core.examples import IMAGE
from counterpoise.core.schema import Column, Schema
from counterpoise.core.version import version
from counterpoise.data.column_input import ColumnInput, column_input
from counterpoise.data.columns import input_type, raw_inputs, safe_names, stacked
from counterpoise.data.cost_input import CostInput
from counterpoise.decide.rule_fields import rule_to_dict
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.input_names import own_name

#: Names of outputs, which no array input can have in ONNX.
OUTPUTS = ("probability", "decision", "label")


def manifest(clf: Any, format: str) -> dict[str, Any]:
    """Return the content of `schema.json` (plain JSON values).

    `inputs` maps each input's name to its dtype and to what it is. Numbers: NaN is missing; `unit` says what they
    count. Numbers too large for float32 are float64. Ids of a categorical column: 0 is missing, k is the k-th of its
    `levels`, one more than their number is a level not seen in training.
    Text inputs: blank is missing. `compared`: "as numbers" where "1" and "1.0" are one level, or "as text", without
    blanks at either end. The amounts of a cost column that is no numeric feature are an input of kind "cost",
    and the groups of thresholds that are no feature one of kind "group".
    `images`: how pictures were read from files, None for other rows; pixels are 0 to 255, or, where its `learned` is
    true, the values that files store. `unit`: how several rows are decided together, which the export leaves to its
    user; None: each row is decided.
    """
    ids = format != "saved_model"
    shape = ", ".join(["rows", *_element_sizes(clf), "classes"])
    return {
        "counterpoise": version(),
        "format": format,
        "signature": None if format == "onnx" else "serve",
        "images": clf.card.get("images"),
        "inputs": array_inputs(clf)
        if clf.schema is None
        else picture_input(clf) | (_id_inputs(clf) if ids else _column_inputs(clf)) | _deciding_entry(clf, ids),
        "outputs": {
            "probability": f"float32 ({shape}), in the order of `classes`",
            **_decision_outputs(clf, ids),
        },
        "classes": clf.classes_.tolist(),
        "threshold": clf.rule.threshold,
        "rule": [rule_to_dict(rule) for rule in clf.rule.problem_rules]
        if clf.target.independent
        else rule_to_dict(clf.rule),
        "unit": None if clf.unit is None else _unit_entry(clf),
        "card": clf.card,
    }


def _unit_entry(clf: Any) -> dict[str, Any]:
    """Return the entry of `schema.json` on how units are decided.

    The probabilities of their rows are aggregated, then the rule is applied. The rule has one member, the aggregate.
    """
    rules = [rule_to_dict(rule) for rule in clf.unit.rule.problem_rules]
    return {
        "columns": list(clf.unit.columns),
        "aggregate": clf.unit.aggregate,
        "threshold": clf.unit.rule.threshold,
        "rule": rules if clf.target.independent else rules[0],
    }


def _decision_outputs(clf: Any, ids: bool) -> dict[str, str]:
    """Return descriptions of the outputs that hold decisions, by name.

    With `ids` (not a SavedModel), there is no output of labels.
    """
    if clf.target.independent:
        return {"decision": "int32 (rows, classes): 1 if the row has the label, otherwise 0"}
    shape = ", ".join(["rows", *_element_sizes(clf)]) + "," * (not _element_sizes(clf))
    human = "" if clf.rule.review is None else "; -1: a human must decide the row"
    if clf.rule.cost_column is not None and ids:
        human += f"; also -1 if {clf.rule.cost_column.name!r} is missing or negative"
    return {
        "decision": f"int32 ({shape}), position in `classes`{human}", **({} if ids else {"label": "the label decided"})
    }  # fmt: skip


def _element_sizes(clf: Any) -> list[str]:
    """Return the sizes of a row's element axes, such as height and width.

    The list is empty if a row has one decision.
    """
    return [str(size) for size in clf.members.outputs[0].shape[1:-1]]


def _column_inputs(clf: Any) -> dict[str, Any]:
    """Return the inputs of an export that takes raw columns, by name.

    There is one input per column, or for many columns one per kind.
    """
    used = [*clf.schema.numeric, *clf.schema.categorical]
    if stacked(clf.schema):
        columns = {"numeric": clf.schema.numeric, "categorical": clf.schema.categorical}
        return {
            kind: {
                "dtype": str(tensor.dtype),
                "shape": ["rows", tensor.shape[1]],
                "columns": [_column_entry(c, str(tensor.dtype)) for c in columns[kind]],
            }
            for kind, tensor in raw_inputs(clf.schema).items()
        }
    names = safe_names([c.name for c in used])
    return {names[c.name]: _column_entry(c, input_type(c)) for c in used}


def _column_entry(column: Column, dtype: str) -> dict[str, Any]:
    """Return the entry of `schema.json` on the input of one raw column.

    It has kind, dtype, shape, missing value, and unit or levels.
    """
    entry = {"column": column.name, "kind": column.kind, "dtype": dtype, "shape": "(rows,) or (rows, 1)"}
    if column.kind == "numeric":
        return {**entry, "missing": "NaN", **_measurement_unit(column)}
    return {**entry, "missing": "", **_level_entry(column)}


def _measurement_unit(column: Column) -> dict[str, Any]:
    """Return {"unit": what the numbers of a column count}, such as days or a currency sign; {} for plain numbers."""
    units = {
        "date": "days since 1970-01-01 00:00 UTC",
        "time": "days since midnight",
        "duration": "days",
        "seconds": "seconds since 1970-01-01 00:00 UTC",
    }
    if column.unit:
        return {"unit": units[column.unit]}
    return {"unit": column.written.affix} if column.written and column.written.affix else {}


def numbers_type(schema: Schema) -> str:
    """Return the dtype of all numbers as one array: float64 if a column needs it (see `data.columns.input_type`)."""
    return "float64" if any(c.offset for c in schema.numeric) else "float32"


def _level_entry(column: Column) -> dict[str, Any]:
    """Return the levels of a column, and how they are compared.

    They are compared "as numbers" if "1" and "1.0" are the same level.
    """
    return {"levels": list(column.levels), "compared": "as numbers" if column.numeric_levels else "as text"}


def _id_inputs(clf: Any) -> dict[str, Any]:
    """Return the inputs of an export that takes numbers and ids of levels, each as one table, by name."""
    out: dict[str, Any] = {}
    if clf.schema.numeric:
        columns = [c.name for c in clf.schema.numeric]
        units = {c.name: _measurement_unit(c)["unit"] for c in clf.schema.numeric if _measurement_unit(c)}
        kind = {"dtype": numbers_type(clf.schema), "shape": ["rows", len(columns)], "missing": "NaN"}
        out["numeric"] = {**kind, "columns": columns, "units": units}
    if clf.schema.categorical:
        columns_of_ids = clf.schema.categorical
        ids = [{"column": c.name, **_level_entry(c), "missing": 0, "unseen": len(c.levels) + 1} for c in columns_of_ids]
        out["categorical"] = {"dtype": "int32", "shape": ["rows", len(ids)], "columns": ids}
    return out


def picture_input(clf: Any) -> dict[str, Any]:
    """Return the input of the images that belong to the rows of a table, by name.

    The result is {} if there are no images.
    """
    if not has_picture(clf.members.input):
        return {}
    tensor = clf.members.input[IMAGE]
    return {IMAGE: {"key": IMAGE, "dtype": str(tensor.dtype), "shape": ["rows", *tensor.shape[1:]]}}


def array_inputs(clf: Any) -> dict[str, Any]:
    """Return the entry of each array input by name: dtype, shape, and its key in training.

    The key is None if there is only one input.
    """
    return {
        name: {"key": key, "dtype": str(tensor.dtype), "shape": ["rows", *tensor.shape[1:]]}
        for name, (key, tensor) in named_inputs(clf.members).items()
    }


def deciding_input(clf: Any, encoded: bool = True) -> ColumnInput | None:
    """Return where an export takes the column that decisions depend on.

    It is None without such a column.
    """
    return column_input(clf.schema, clf.rule.column, encoded)


def _deciding_entry(clf: Any, encoded: bool) -> dict[str, Any]:
    """Return the entry of the input of amounts or groups that decisions depend on, by name.

    The result is {} if a feature already contains them.
    """
    given = deciding_input(clf, encoded)
    if given is None or not given.own:
        return {}
    entry: dict[str, Any] = {"column": given.column, "shape": ["rows", 1] if encoded else "(rows,) or (rows, 1)"}
    if isinstance(given, CostInput):
        entry |= {"kind": "cost", "dtype": "float32", "missing": "not allowed; pass a finite amount of 0 or more"}
    else:
        ids = {"dtype": "int32", "missing": 0, "unseen": len(given.levels.levels) + 1}
        texts = {"dtype": "string", "missing": ""}
        entry |= {"kind": "group", **_level_entry(given.levels), **(ids if encoded else texts)}
    return {given.name: entry}


def named_inputs(members: keras.Model) -> dict[str, tuple[Any, Any]]:
    """Return the inputs of a network that takes arrays: safe name -> (key or position or None, symbolic tensor).

    The names are those that the user's model gives its inputs; x, or x0, x1, ..., where it gives none.
    """
    given = members.input
    if isinstance(given, Mapping):
        keys, names = list(given), [str(key) for key in given]
    elif isinstance(given, (list, tuple)):
        keys = list(range(len(given)))
        names = [own_name(tensor) or f"x{index}" for index, tensor in enumerate(given)]
        names = names if len(set(names)) == len(names) else [f"x{index}" for index in keys]
    else:
        keys, names, given = [None], [own_name(given) or "x"], {None: given}
    names = [f"{name} input" if name in OUTPUTS else name for name in names]
    return {safe: (key, given[key]) for safe, key in zip(safe_names(names).values(), keys, strict=True)}


def inputs_from_names(members: keras.Model, values: Mapping[str, Any]) -> Any:
    """Return arrays, given by safe name, in the structure of the network's inputs.

    See `named_inputs` for the names.
    """
    given = members.input
    if isinstance(given, Mapping):
        return {key: values[name] for name, (key, _) in named_inputs(members).items()}
    inputs = tuple(values[name] for name in named_inputs(members))
    return inputs if isinstance(given, (list, tuple)) else inputs[0]


def named_arrays(clf: Any, rows: Any) -> dict[str, np.ndarray]:
    """Return encoded rows as arrays by input name, as a LiteRT or ONNX export takes them.

    Such an export of a table subtracts the offsets of numeric columns itself. So they are added again here, in float64.
    """
    if clf.schema is not None:
        offsets = np.array([c.offset for c in clf.schema.numeric])
        numbers = {"numeric": rows["numeric"].astype(np.float64) + offsets} if offsets.any() else {}
        return {**rows, **numbers}
    return {name: rows if key is None else rows[key] for name, (key, _) in named_inputs(clf.members).items()}

"""The options of `read`, and the steps that follow for tables and arrays alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_no_class_lost
from counterpoise.core.duplicates import find_duplicates
from counterpoise.core.element_labels import void_doubts
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.label_names import label_doubts, look_alike_doubt
from counterpoise.core.labels import Labels
from counterpoise.data.labels import encode_with_options
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.reading_notes import blank_label_notes, duplicate_notes, rarer_class_notes
from counterpoise.data.row_metadata import RowMetadata, decimal_name_notes
from counterpoise.data.unit_columns import units_of, with_units


def named_columns(by: Any) -> dict[str, Any]:
    """Return the columns or values by which rows are scored separately, by name.

    The result is name -> name of a column, or values (N,). A text is one column, other sequences are several columns,
    and a mapping stays as it is.

    Example:
        >>> named_columns("sex"), named_columns(["sex", "site"]), named_columns(None)
        ({'sex': 'sex'}, {'sex': 'sex', 'site': 'site'}, {})

    Raises:
        OptionError: Values without a name.
    """
    if isinstance(by, str):
        return {by: by}
    if isinstance(by, Mapping):
        return dict(by)
    names = () if by is None else tuple(by)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"by= is a {type(by).__name__} of values. Expected names of columns, or values with a name. Pass a "
            'dict, such as by={"site": values}.'
        )
    return {name: name for name in names}


@dataclass(frozen=True)
class ReadOptions:
    """The arguments of `read` about labels, metadata and columns.

    Attributes:
        labels: "positive", "one_vs_rest" and "merge_rare" -> what was given.
        metadata: "groups", "time", "sample_weight", "split" and "cost_column" -> name of a column, values (N,), or
            None; "by" -> `{name: name of a column, or values (N,)}`; and "unit" -> names of columns, values (N,), or
            None.
        aggregate: How the probabilities of a unit's rows become one.
        drop: Columns to leave out.
        kinds: Column name -> kind, to overrule the one that is inferred.
        skip_bad: Whether rows that cannot be read are left out.
        text: Whether one column of texts is read, and no other.
        inputs: Named inputs of a model, or None.
    """

    labels: Mapping[str, Any]
    metadata: Mapping[str, Any]
    aggregate: str = "mean"
    drop: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    skip_bad: bool = False
    text: bool = False
    inputs: NamedInputs | None = None

    @property
    def metadata_columns(self) -> list[str]:
        """Names of all columns that `metadata` uses, without those of units."""
        named = [value for key, value in self.metadata.items() if isinstance(value, str) and key != "unit"]
        by = (self.metadata.get("by") or {}).values()
        return [*named, *(value for value in by if isinstance(value, str))]

    @property
    def without_features(self) -> list[str]:
        """Names of the columns of `metadata` that are not used as features.

        The cost column and the columns of `by` are absent here, because they are features too, unless dropped.
        """
        roles = (value for key, value in self.metadata.items() if key not in ("cost_column", "by", "unit"))
        return [value for value in roles if isinstance(value, str)]

    def is_unused(self, column: str) -> bool:
        """Return whether a column is dropped and has no other use, so that it need not be readable."""
        return column in self.drop and column not in self.metadata_columns

    def encoded(self, metadata: RowMetadata, written: bool = False) -> Labels:
        """Return the labels as classes: merged, and the positive one last (see `encode_labels`).

        Raises:
            OptionError: an option for one class per row, and several labels.
        """
        return encode_with_options(metadata.y, self.labels, written=written, name=metadata.target)


def complete_examples(
    examples: Examples, metadata: RowMetadata, notes: Sequence[str], options: ReadOptions
) -> Examples:
    """Return examples that have only features and labels, with metadata, `duplicate_ids` and units added.

    The notes and further remarks, about labels and duplicates, become the `warnings` of the result. Weights that leave
    a class without rows raise an error.
    """
    name, several = f"Target {metadata.target!r}", examples.kind == "labels"
    alike = look_alike_doubt(examples.classes, name, merge=False) if several else None
    doubts = label_doubts(examples.classes, name) if examples.kind == "one_of" else [alike] if alike else []
    doubts += void_doubts(examples.classes) if examples.kind == "elements" else []
    blank = blank_label_notes(examples.y, examples.classes) if several else []
    warnings = [*notes, *blank, *doubts, *decimal_name_notes(metadata)]
    duplicate_ids = find_duplicates(examples.x)
    if duplicate_ids is not None:
        warnings += duplicate_notes(duplicate_ids, examples.y)
    arrays: dict[str, Any] = metadata.arrays(examples.schema)
    weight = arrays["sample_weight"]
    check_no_class_lost(examples.strata, weight, examples.classes)
    if weight is not None and examples.kind == "one_of" and options.labels["positive"] is None:
        warnings += rarer_class_notes(
            examples.classes,
            examples.counts.tolist(),
            np.bincount(examples.y, weight).tolist(),
            "By the sum of their weights,",
        )
    examples = replace(examples, **arrays, duplicate_ids=duplicate_ids, warnings=tuple(warnings))
    return with_units(examples, None if metadata.unit is None else units_of(metadata.unit, options.aggregate))

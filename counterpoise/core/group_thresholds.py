"""The field `by` of a rule: thresholds for values of a column, such as groups of people.

Saved in model files: `decide/rule_fields.py` checks the fields, and `GroupThresholds.stored` names an array.
`classifier/group_thresholds.py` chooses the thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

#: The warning that follows each choice of thresholds by group.
UNLAWFUL = (
    "A threshold for each group treats people by their group, which may be unlawful. Ask a lawyer before you "
    "use such thresholds."
)


@dataclass(frozen=True)
class GroupThresholds:
    """A threshold for some values of a column; all other rows take the rule's own, common one.

    Attributes:
        name: The column. It is an input of the classifier even if it is no feature.
        values: Its values that have a threshold of their own, as text.
        thresholds: Their thresholds.
        common: The values with too few rows for one.

    Example:
        >>> GroupThresholds("sex", ("f", "m"), (0.2, 0.3), ("x",)).text(0.25)
        "Thresholds by 'sex': f 0.2, m 0.3. All other values use the common threshold 0.25, including x (too few rows)."
    """

    #: Name of the stored codes of the rows that chose the thresholds: 0 common, k for the k-th value.
    stored: ClassVar[str] = "by_code"

    name: str
    values: tuple[str, ...]
    thresholds: tuple[float, ...]
    common: tuple[str, ...] = ()

    def text(self, common: float) -> str:
        """Return the thresholds as text; `common` is the threshold of all other values."""
        each = ", ".join(f"{value} {cut:.4g}" for value, cut in zip(self.values, self.thresholds, strict=True))
        few = f", including {', '.join(self.common)} (too few rows)" if self.common else ""
        return f"Thresholds by {self.name!r}: {each}. All other values use the common threshold {common:.4g}{few}."

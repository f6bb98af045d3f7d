"""The field `cost_column` of a rule: the column of a table with the cost of a missed case, row by row.

Saved in model files: `decide/rule_fields.py` checks the fields, and `CostColumn.stored` names an array.
`decide/costs.py` decides by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class CostColumn:
    """A column with what a missed case of each row costs (an amount), and what a false positive costs.

    A row of probability p is positive if p * amount >= (1 - p) * cost_fp.

    Attributes:
        name: The column. It is an input of the classifier even if it is no feature.
        cost_fp: Cost of a false positive, above 0.

    Example:
        >>> CostColumn("amount", 5.0).text()
        "A missed case costs the amount in column 'amount', and a false positive costs 5. The model chooses the decision
        with the lowest expected cost."
    """

    #: Name of the stored amounts of the rows that fitted the rule.
    stored: ClassVar[str] = "amount"

    name: str
    cost_fp: float

    def text(self) -> str:
        """Return two sentences for the model card."""
        return (
            f"A missed case costs the amount in column {self.name!r}, and a false positive costs "
            f"{self.cost_fp:g}. The model chooses the decision with the lowest expected cost."
        )

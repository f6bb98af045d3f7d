"""The record of a comparison that decides units, with units in place of rows, and the scores of single rows.

The report, notebooks, and `counterpoise show` apply it first, so everything after it reads units as rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_units(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record in which units are what is counted and scored; one without units as it is.

    Example:
        >>> row = {"strategy": "none", "scores": {"f1": 1}, "units": {"scores": {"f1": 2}}}
        >>> record = {"data": {"rows": 9, "units": {"count": 3, "classes": []}}, "rows": [row]}
        >>> of_units(record)["rows"][0]["scores"], of_units(record)["data"]["rows"]
        ({'f1': 2}, 3)
    """
    units = record["data"].get("units")
    if not units:
        return dict(record)
    data = {
        **record["data"],
        "rows": units["count"],
        "classes": units["classes"],
        "single_rows": record["data"]["rows"],
    }
    rows = [{**row, **(row.get("units") or {}), "row_scores": row.get("scores") or {}} for row in record["rows"]]
    card = record.get("model_card")
    if card and card.get("unit"):
        card = {**card, "threshold": card["unit"]["threshold"]}
    return {**record, "data": data, "rows": rows, "model_card": card}


def unit_name(record: Mapping[str, Any]) -> str:
    """Return what a case is called: the columns of a unit, or "" for rows."""
    units = record["data"].get("units")
    return " + ".join(units["columns"]) if units else ""

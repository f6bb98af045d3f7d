"""The options of costs: a JSON file (`train`, `evaluate`), and all forms of costs (`compare`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterpoise.core.errors import OptionError


def read_costs(path: Path) -> Any:
    """Return the content of a JSON file of costs, which is not checked here.

    Expected is `{true label: {decided label: cost}}`, or a matrix as a list of lists.

    Raises:
        OptionError: There is no such file, or it holds no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(
            f'--costs {path} cannot be read: {error}. Expected a JSON file such as {{"fraud": {{"honest": '
            '100}, "honest": {"fraud": 2}}. The outer keys are true labels, and the inner keys are '
            "decided labels."
        ) from None


def costs_of(
    costs: Path | None, cost_column: str | None, cost_fp: float | None, cost_fn: float | None
) -> dict[str, Any]:  # fmt: skip
    """Return the options of costs as keyword arguments of `compare`; {} without such options.

    Raises:
        OptionError: One cost without the other, or costs in two forms.
    """
    forms = {"--costs": costs, "--cost-column": cost_column, "--cost-fn": cost_fn}
    if len(both := [name for name, value in forms.items() if value is not None]) > 1:
        raise OptionError(f"{both[0]} and {both[1]} cannot be combined. Remove one of them.")
    if costs is not None:
        if cost_fp is not None:
            raise OptionError("--costs and --cost-fp cannot be combined. Remove one of them.")
        return {"costs": read_costs(costs)}
    if (cost_fp is None) != (cost_fn is None and cost_column is None):
        raise OptionError(
            "--cost-fp must be used together with --cost-fn or --cost-column. Add one of these two."
            if both == []
            else f"{both[0]} must be used together with --cost-fp. Add --cost-fp, the cost of a false positive."
        )
    if cost_column is not None:
        return {"cost_column": cost_column, "cost_fp": cost_fp}
    return {} if cost_fp is None else {"costs": (cost_fp, cost_fn)}

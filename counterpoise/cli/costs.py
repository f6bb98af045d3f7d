"""Costs of decisions from a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterpoise.core.errors import OptionError


def read_costs(path: Path) -> Any:
    """`{true label: {decided label: cost}}`, or a matrix as a list of lists.

    Raises:
        OptionError: There is no such file, or it holds no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(
            f"--costs {path} cannot be read: {error}. Expected a JSON file such as "
            '{"fraud": {"honest": 100}, "honest": {"fraud": 2}}, true label first.'
        ) from None

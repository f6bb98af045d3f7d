"""Curves of the report that are computed when they are first read, because many comparisons are never drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class LazyCurves(Mapping[str, Any]):
    """Strategy -> its curves, computed when they are first read.

    A pickled copy is a dict with all curves.

    Args:
        names: Names of the strategies.
        curves_of: Computes the curves of one strategy from its name.

    Example:
        >>> curves = LazyCurves(["none"], lambda name: {"pr": {"label": name}})
        >>> list(curves), curves["none"]
        (['none'], {'pr': {'label': 'none'}})
    """

    def __init__(self, names: Iterable[str], curves_of: Callable[[str], dict[str, Any]]) -> None:
        """Keep the names, and nothing computed yet."""
        self._computed: dict[str, dict[str, Any] | None] = dict.fromkeys(names)
        self._curves_of = curves_of

    def __getitem__(self, name: str) -> dict[str, Any]:
        curves = self._computed[name]
        if curves is None:
            curves = self._computed[name] = self._curves_of(name)
        return curves

    def __iter__(self) -> Iterator[str]:
        return iter(self._computed)

    def __len__(self) -> int:
        return len(self._computed)

    def __repr__(self) -> str:
        return f"LazyCurves({list(self)})"

    def __reduce__(self) -> Any:
        return dict, (dict(self),)

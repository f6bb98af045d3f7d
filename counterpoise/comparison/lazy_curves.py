"""Curves of the report that are computed when they are first read, because many comparisons are never drawn."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Iterator, ValuesView
from typing import Any


class LazyCurves(dict[str, Any]):
    """Strategy -> its curves, computed when they are first read.

    It is a dict, so that `json.dumps` writes it. A copy, also a pickled one, is a dict with all curves.

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
        super().__init__(dict.fromkeys(names))  # None: not computed
        self._curves_of = curves_of

    def __getitem__(self, name: str) -> Any:
        if (curves := super().__getitem__(name)) is None:
            curves = self._curves_of(name)
            self[name] = curves
        return curves

    def __iter__(self) -> Iterator[str]:  # with a method of its own, `dict(curves)` reads the values by `__getitem__`
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """Return the curves of a strategy, or `default` if there is no such strategy."""
        return self[name] if name in self else default  # noqa: SIM401 - which would call this method

    def pop(self, name: str, *default: Any) -> Any:
        """Remove a strategy, and return its curves, or `default` if there is no such strategy."""
        curves = self.get(name)
        removed = super().pop(name, *default)
        return removed if curves is None else curves

    def _complete(self) -> dict[str, Any]:
        """Return a dict with all curves."""
        return {name: self[name] for name in self}

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Return names with curves, all of them computed."""
        return self._complete().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """Return the curves, all of them computed."""
        return self._complete().values()

    def copy(self) -> dict[str, Any]:
        """Return a dict with all curves."""
        return self._complete()

    def __eq__(self, other: object) -> bool:
        return self._complete() == other

    def __ne__(self, other: object) -> bool:
        return self._complete() != other

    def __or__(self, other: Any) -> Any:
        return self._complete() | other

    def __repr__(self) -> str:
        return f"LazyCurves({list(self)})"

    def __reduce__(self) -> Any:
        return dict, (self._complete(),)

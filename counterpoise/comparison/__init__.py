"""The comparison of strategies on equal terms, and its verdict (`cp.comparison`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.comparison.many import compare_many as compare_many

#: Public name -> module that holds it.
_HOME = {
    "compare_many": "counterpoise.comparison.many",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)

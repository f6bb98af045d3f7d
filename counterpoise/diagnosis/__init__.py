"""The diagnosis of data before any training (`cp.diagnosis`): measured, then turned into advice and leakage checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.diagnosis.near import near_duplicates as near_duplicates

#: Public name -> module that contains it.
_HOME = {
    "near_duplicates": "counterpoise.diagnosis.near",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)

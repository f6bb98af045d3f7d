"""Strategies: plan, loss, members and aim as values with a name. Two of the classes are in `cp.strategies`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.strategies.strategy import Hyperparameter as Hyperparameter
    from counterpoise.strategies.successive import Successive as Successive

#: Public name -> module that holds it.
_HOME = {
    "Hyperparameter": "counterpoise.strategies.strategy",
    "Successive": "counterpoise.strategies.successive",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)

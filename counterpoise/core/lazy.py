"""Names of a package that are loaded when they are first used, so that importing the package stays light.

Type checkers do not see this: they read the imports under `TYPE_CHECKING` that stand beside it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def loader(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package.

    Args:
        package: Its name.
        homes: Public name -> module that holds it; a module of that very name (`"plans": "counterpoise.plans"`) is
            itself what is meant.

    Example:
        >>> load, names = loader("counterpoise.core", {"generator": "counterpoise.core.seeds"})
        >>> load("generator").__name__, "generator" in names()
        ('generator', True)
    """
    space = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(homes[name])
        space[name] = value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        return value

    return load, lambda: sorted({*space, *homes})

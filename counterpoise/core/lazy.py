"""Imports at first use: public names of our packages, and packages that come with an extra.

The `__init__.py` of a package takes its `__getattr__` and `__dir__` from here. `tests/test_public.py` checks that
`import counterpoise` imports nothing heavy.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from counterpoise.core import saved_names
from counterpoise.core.errors import MissingExtraError
from counterpoise.core.keras_import import importing_keras


def loader(
    package: str, homes: Mapping[str, str], *, moved: Mapping[str, str] = MappingProxyType({})
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names are imported at first use.

    Type checkers do not see this: they read the imports under `TYPE_CHECKING` of the package.

    Args:
        package: Its name.
        homes: Public name -> module that holds it; a module of that very name (`"plans": "counterpoise.plans"`) is
            itself what is meant.
        moved: Former name -> its path inside the package ("feed.make_imbalanced"): it still works, with a
            `DeprecationWarning`, and is not listed.

    Example:
        >>> load, names = loader("counterpoise.core", {"generator": "counterpoise.core.seeds"})
        >>> load("generator").__name__, "generator" in names()
        ('generator', True)
    """
    space = vars(sys.modules[package])

    def load(name: str) -> Any:
        """Import a public name, and keep it in the package, so that it is imported only once."""
        if name in moved:
            room, _, inner = moved[name].rpartition(".")
            warnings.warn(f"cp.{name} has moved. Use cp.{moved[name]}.", DeprecationWarning, stacklevel=2)
            return getattr(load(room), inner) if room else load(inner)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        with importing_keras():
            module = importlib.import_module(homes[name])
        saved_names.register_stand_ins()  # the import may have loaded Keras
        space[name] = value = module if homes[name] == f"{package}.{name}" else getattr(module, name)
        return value

    return load, lambda: sorted({*space.get("__all__", ()), *homes})


def public_names(package: str) -> Callable[[], list[str]]:
    """Return `__dir__` of a package that imports its names at once, without its modules.

    Example:
        >>> from counterpoise import callbacks
        >>> public_names("counterpoise.callbacks")()
        ['Deferred', 'GammaDecay', 'PerClass']
    """
    space = vars(sys.modules[package])

    def names() -> list[str]:
        public = [name for name, value in space.items() if name[0] != "_" and not isinstance(value, ModuleType)]
        return sorted(space.get("__all__", public))

    return names


def needed(module: str, extra: str, purpose: str, package: str = "") -> Any:
    """Import and return a module of a package that is installed with one of our extras.

    Args:
        module: Its name, as text in the call: `tests/test_architecture.py` reads the libraries of a package there.
        extra: Extra of Counterpoise that installs it.
        purpose: What needs it, for the message: "Training on a cluster".
        package: What it is installed as, where that is not the first name in `module`.

    Raises:
        MissingExtraError: it is not installed.

    Example:
        >>> needed("json.tool", "ray", "Training on a cluster").__name__
        'json.tool'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(package or module.split(".")[0], extra, purpose) from error

"""Objects that a user names as `module:name`: a builder for `--model`, a class for `--trust`.

Only what the user typed is imported, never a name from a file.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterpoise.core.errors import ModelError, OptionError, did_you_mean


def trusted_objects(names: Sequence[str] | None) -> dict[str, Any]:
    """Import the classes and functions that `--trust` names, and return them by their names.

    Raises:
        ModelError: A module cannot be imported. OptionError: A text is not "module:name", or the module has no such
            class or function.

    Example:
        >>> trusted_objects(["fractions:Fraction"])
        {'Fraction': <class 'fractions.Fraction'>}
    """
    objects = {}
    for text in names or ():
        module, _, name = text.partition(":")
        expected = "Expected module:Class, the name of your own layer or function"
        if not module or not name:
            raise OptionError(f"--trust {text}: {expected}.")
        space = vars(user_module("--trust", text, module, expected))
        if not callable(space.get(name)):
            known = [n for n, value in space.items() if isinstance(value, type)]
            raise OptionError(f"--trust {text}: {module} has no class {name!r}. {expected}.{did_you_mean(name, known)}")
        objects[name] = space[name]
    return objects


def user_module(option: str, text: str, module: str, expected: str) -> Any:
    """Import a module of the current folder, or an installed one, and return it.

    `option`, `text` (the value of the option) and `expected` are only used in the messages.

    Raises:
        ModelError: There is no such module, or its code raises an error.
    """
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        where = "" if error.name != module else f" in {here} or among the installed packages"
        raise ModelError(f"{option} {text}: there is no module {error.name!r}{where}. {expected}.") from error
    except Exception as error:
        raise ModelError(f"{option} {text} cannot be imported: {error_on_one_line(error)}") from error
    finally:
        sys.path.remove(here)


def error_on_one_line(error: Exception) -> str:
    """Return the error on one line, with the innermost line of the user's code, if any."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    first = (str(error).strip().splitlines() or [""])[0]
    # The user's code is what is neither installed, nor generated, nor a file of this package.
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    own = [f for f in frames if not f.filename.startswith(("<", str(Path(__file__).parent.parent)))]
    where = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {first}{where}"

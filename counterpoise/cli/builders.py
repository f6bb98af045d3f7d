"""What `--model` names: a built-in network, a `.keras` file, or a builder function in a module."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.core.errors import ModelError, did_you_mean
from counterpoise.core.keras_import import import_keras_quietly


def resolve_model(text: str) -> Any:
    """A model by name, by `.keras` file, or by `module:function` (a builder found from the current folder).

    Raises:
        ModelError: the file or function cannot be loaded.

    Example:
        >>> resolve_model("mlp")
        'mlp'
    """
    if ":" not in text and not text.endswith(".keras"):
        return text
    import_keras_quietly()
    if text.endswith(".keras"):
        return _load_keras(Path(text))
    module, _, name = text.partition(":")
    return Builder(text, _find(text, module, name), name)


@dataclass(frozen=True)
class Builder:
    """A user's builder; what goes wrong inside it is told on one line, with the user's own file and line.

    Attributes:
        text: What was typed.
        build: The function.
        name: Its name, which the report shows.
    """

    text: str
    build: Callable[[Any, int], Any]
    name: str

    def __call__(self, spec: Any, n_classes: int) -> Any:
        try:
            return self.build(spec, n_classes)
        except Exception as error:
            raise ModelError(f"--model {self.text} failed: {_told(error)}") from error


def _find(text: str, module: str, name: str) -> Callable[[Any, int], Any]:
    expected = "expected module:function of a builder(spec, n_classes)"
    if not module or not name:
        raise ModelError(f"--model {text}: {expected}.")
    found = getattr(_import(text, module, expected), name, None)
    if found is None:
        known = [n for n, value in vars(sys.modules[module]).items() if inspect.isfunction(value)]
        raise ModelError(f"--model {text}: {module} has no {name!r}; {expected}.{did_you_mean(name, known)}")
    if not callable(found):
        raise ModelError(f"--model {text}: {name} is {type(found).__name__}; {expected}.")
    try:
        inspect.signature(found).bind(None, 2)
    except TypeError:
        raise ModelError(f"--model {text}: {name}{inspect.signature(found)} does not take two; {expected}.") from None
    return found


def _import(text: str, module: str, expected: str) -> Any:
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        place = "" if error.name != module else f" in {here} or among the installed packages"
        raise ModelError(f"--model {text}: there is no module {error.name!r}{place}; {expected}.") from error
    except Exception as error:
        raise ModelError(f"--model {text} cannot be imported: {_told(error)}") from error
    finally:
        sys.path.remove(here)


def _told(error: Exception) -> str:
    """The error and the innermost place in the user's code that it passed, on one line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    first = (str(error).strip().splitlines() or [""])[0]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f.filename]
    own = [f for f in frames if not f.filename.startswith(("<", str(Path(__file__).parent.parent)))]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {first}{place}"


def _load_keras(path: Path) -> Any:
    import zipfile

    from counterpoise.classifier.file import CARD

    if not path.is_file():
        raise ModelError(f"--model {path}: there is no such file.")
    if not zipfile.is_zipfile(path):
        raise ModelError(f"--model {path} is damaged or is no .keras file; expected what model.save() of Keras writes.")
    with zipfile.ZipFile(path) as archive:
        if CARD in archive.namelist():
            raise ModelError(
                f"--model {path} is a whole classifier of Counterpoise; expected a plain Keras model. "
                "To use the classifier itself, see `counterpoise predict`."
            )
    import keras

    from counterpoise.networks.cloning import keras_text

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        raise ModelError(f"--model {path} cannot be read as a Keras model: {keras_text(error)}") from error

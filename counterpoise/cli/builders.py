"""The models of `--model`: built-in networks, trees, a `.keras` file, a builder in a module, or a blend.

Used by `train` and `compare`. What cannot be saved later is an error here, before the training.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterpoise.cli.trust import error_on_one_line, trusted_objects, user_module
from counterpoise.core.errors import ArtifactError, ModelError, OptionError, did_you_mean
from counterpoise.core.keras_import import import_keras_quietly
from counterpoise.strategies.blend import blend


def model_parts(text: str) -> list[str]:
    """Return each model or file in the text of `--model`, and the whole text, which may be a file name with a plus.

    Example:
        >>> model_parts("mlp, a.keras")
        ['mlp, a.keras', 'mlp', 'a.keras']
    """
    parts = [part.strip() for part in re.split("[,+]", text)]
    return [text, *(part for part in parts if part and part != text)]


def resolve_model(text: str, trust: Sequence[str] | None = None) -> Any:
    """Return a model by name, by `.keras` file, or by `module:function` (a builder found from the current folder).

    Args:
        text: What was typed; a comma stands between several models, a plus between those of a blend.
        trust: Classes that the `.keras` files may name (see `trust.trusted_objects`).

    Returns:
        A list for several models, else a blend, a Keras model, a `Builder`, or the name unchanged.

    Raises:
        ModelError: the file or function cannot be loaded.
        OptionError: `trust` without a file.

    Example:
        >>> resolve_model("mlp")
        'mlp'
    """
    if trust and not any(name.endswith(".keras") for name in model_parts(text)):
        raise OptionError(
            f"--model {text} does not read a file, so --trust has no effect. Remove --trust, or pass --model "
            "FILE.keras."
        )
    return _resolved(text, trust)


def _resolved(text: str, trust: Sequence[str] | None) -> Any:
    """Return the models of `resolve_model`; only those from files use `trust`."""
    if "," in text:
        return [_resolved(name.strip(), trust) for name in text.split(",") if name.strip()]
    if "+" in text and not Path(text).exists():
        return blend([_resolved(name.strip(), trust) for name in text.split("+") if name.strip()])
    if ":" in text or text.endswith(".keras"):
        import_keras_quietly()
    if text.endswith(".keras"):
        return _load_keras_model(Path(text), trusted_objects(trust))
    if ":" not in text:
        return text
    module, _, name = text.partition(":")
    return Builder(text, _find_builder(text, module, name), name)


@dataclass(frozen=True)
class Builder:
    """A user's builder; what goes wrong inside it is reported on one line, with the user's own file and line.

    Attributes:
        text: What was typed.
        build: The function.
        name: Its name, which the report shows.
        checked: Empty until a model that it made was checked; then [True].
    """

    text: str
    build: Callable[[Any, int], Any]
    name: str
    checked: list[bool] = field(default_factory=list, repr=False, compare=False)

    def __call__(self, spec: Any, n_classes: int) -> Any:
        """Build the model; check the first one for what a file could not hold.

        Any error inside the user's function becomes a ModelError.
        """
        try:
            model = self.build(spec, n_classes)
        except Exception as error:
            raise ModelError(f"--model {self.text} failed: {error_on_one_line(error)}") from error
        if not self.checked:
            self._check_can_be_saved(model)
            self.checked.append(True)
        return model

    def _check_can_be_saved(self, model: Any) -> None:
        """Raise a ModelError before the training if a file could not hold the model.

        Anything but a Keras model passes.
        """
        import keras

        from counterpoise.classifier.references import custom_objects_of

        if not isinstance(model, keras.Model):
            return
        try:
            custom_objects_of(model)
        except ArtifactError as error:
            raise ModelError(f"--model {self.text} makes a model that cannot be saved: {error}") from error


def _find_builder(text: str, module: str, name: str) -> Callable[[Any, int], Any]:
    """Return the builder of a network that `--model module:function` names.

    Raises:
        ModelError: The text is incomplete, the function does not exist, or it does not take two arguments.
    """
    expected = "Expected module:function, where the function takes (spec, n_classes) and returns a Keras model"
    if not module or not name:
        raise ModelError(f"--model {text}: {expected}.")
    builder = getattr(user_module("--model", text, module, expected), name, None)
    if builder is None:
        known = [n for n, value in vars(sys.modules[module]).items() if inspect.isfunction(value)]
        raise ModelError(f"--model {text}: {module} has no {name!r}. {expected}.{did_you_mean(name, known)}")
    if not callable(builder):
        raise ModelError(f"--model {text}: {name} is {type(builder).__name__}. {expected}.")
    try:
        inspect.signature(builder).bind(None, 2)
    except TypeError:
        raise ModelError(
            f"--model {text}: {name}{inspect.signature(builder)} does not take two arguments. {expected}."
        ) from None
    return builder


def _load_keras_model(path: Path, custom_objects: Mapping[str, Any]) -> Any:
    """Return the plain Keras model of a file, compiled if it was saved so.

    Raises:
        ModelError: There is no such file, it cannot be read, or it holds a whole classifier.
    """
    from counterpoise.classifier import archive as zipped
    from counterpoise.classifier.loading import configuration_of, load_model
    from counterpoise.classifier.references import custom_objects_of

    if not path.is_file():
        raise ModelError(f"--model {path} does not exist. Expected a .keras file. Check the path.")
    try:
        with zipped.checked_archive(path) as archive:
            if zipped.CARD in archive.namelist():
                raise ModelError(
                    f"--model {path} is a saved Counterpoise classifier. Expected a plain Keras model. To use "
                    "the classifier itself, see `counterpoise predict`."
                )
            model = load_model(archive, configuration_of(archive, custom_objects), compile=True)
        # Only a check: an object that could not be found again raises an ArtifactError.
        custom_objects_of(model)
    except ArtifactError as error:
        raise ModelError(f"--model {path} cannot be read as a Keras model: {error}") from error
    return model

"""Where a `.keras` file reaches Keras: checked first, and as a clean copy of what was checked.

Used for the files of classifiers (`file`) and for plain models of users (`cli.builders`). The order is a matter of
security: Keras gets nothing that `references`, `weights_file` and `_check_size` have not passed.
"""

from __future__ import annotations

import json
import math
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from counterpoise.classifier import archive as zipped
from counterpoise.classifier.allowed import trusted_objects
from counterpoise.classifier.references import check_references
from counterpoise.classifier.weights_file import check_weights
from counterpoise.core.errors import ArtifactError
from counterpoise.core.file_checks import read_json
from counterpoise.core.temporary import scratch
from counterpoise.networks.cloning import keras_text
from counterpoise.networks.weights import seeded

#: A network may need so many times the bytes of its stored weights, plus so many bytes: layers have variables of their
#: own that are not stored, such as the states of random numbers.
VARIABLES_PER_WEIGHT, EXTRA_BYTES = 2, 16 << 20
#: Classes of the layers around the networks of a classifier, which have no weights.
WITHOUT_WEIGHTS = ("InputLayer", "RawColumns", "RuleLayer")


@dataclass(frozen=True)
class Configuration:
    """The configuration in an archive after the check of all classes and functions that it names.

    Attributes:
        values: What Keras builds the model from.
        custom_objects: The user's own classes and functions, by the names that it may have for them.
        uses_them: Whether `values` names at least one of `custom_objects`.
    """

    values: Mapping[str, Any]
    custom_objects: Mapping[str, Any]
    uses_them: bool


def configuration_of(archive: zipfile.ZipFile, custom_objects: Mapping[str, Any] | None = None) -> Configuration:
    """Return the checked configuration of an archive that `archive.checked_archive` opened.

    It may name Keras's own layers and operations that only compute, ours, and `custom_objects`.

    Raises:
        ArtifactError: It is no configuration, or names a class that it may not name. The message completes "FILE
            cannot be read: ".
    """
    custom = trusted_objects(custom_objects)
    values = read_json(zipped.read_member(archive, zipped.CONFIG), "its configuration", finite=False)
    if not isinstance(values, dict):
        raise ArtifactError("its configuration describes no model.")
    return Configuration(values, custom, check_references(values, custom))


def load_model(archive: zipfile.ZipFile, configuration: Configuration, compile: bool = False) -> keras.Model:
    """Build the Keras model of an archive, and load its weights.

    Keras reads a copy that contains only the parts of the file that were checked.

    Args:
        archive: An open archive, as for `configuration_of`.
        configuration: See `configuration_of`.
        compile: Whether to compile it as the file says.

    Raises:
        ArtifactError: A part is damaged, or Keras cannot build it. The message completes "FILE cannot be read: ".
    """
    with zipped.errors_as_damage(), tempfile.TemporaryDirectory(dir=scratch()) as folder:
        weights = Path(folder) / "weights.h5"
        zipped.unpack_member(archive, zipped.WEIGHTS, weights)
        size = check_weights(weights)
        try:
            # A network with classes or functions of the user is not checked for its size.
            if not configuration.uses_them:
                _check_size(configuration.values, size)
            copy = _written_copy(archive, configuration.values, weights, Path(folder) / "model.keras")
            custom = dict(configuration.custom_objects)
            with seeded(0), warnings.catch_warnings():  # weights are drawn before they are read
                # An optimizer that made no step has stored nothing yet.
                warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
                model = keras.models.load_model(copy, custom_objects=custom, compile=compile, safe_mode=True)
        except (ArtifactError, OSError):
            raise
        except Exception as error:
            raise ArtifactError(f"Keras cannot build its network ({keras_text(error).rstrip('.')}).") from error
    if not isinstance(model, keras.Model):
        raise ArtifactError("its configuration describes no model.")
    return model


def _check_size(config: Mapping[str, Any], stored: int) -> None:
    """Raise an ArtifactError for a network much larger than its stored weights.

    `stored` are the bytes of the weights in the file. The size is computed without memory for the variables.

    Runs in a new thread, because Keras keeps one list per thread of variables that still have no memory.
    """
    with ThreadPoolExecutor(1) as thread:
        size = thread.submit(_variable_bytes, config).result()
    if size > EXTRA_BYTES + VARIABLES_PER_WEIGHT * stored:
        raise ArtifactError(f"its layers need {size:,} bytes of weights, but the file contains {stored:,}.")


def _variable_bytes(config: Mapping[str, Any]) -> int:
    """Return the bytes of the variables that a configuration would build.

    The variables get no memory. The result is 0 for a configuration that builds no layer or model.
    """
    with seeded(0), keras.StatelessScope(initialize_variables=False):
        sketch = keras.saving.deserialize_keras_object(_without_large_values(_only_network(config)), safe_mode=True)
    return sum(math.prod(v.shape) * _bytes_per_value(v.dtype) for v in getattr(sketch, "variables", ()))


def _only_network(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of the only network of a classifier.

    The layers for columns and for the rule have no weights and are left out. Return the whole configuration if it has
    no list of layers, several networks, or a network that is no `Functional` model.
    """
    inside = config.get("config")
    layers = inside.get("layers") if isinstance(inside, Mapping) else None
    if not isinstance(layers, list) or not all(isinstance(layer, Mapping) for layer in layers):
        return config
    heavy = [layer for layer in layers if layer.get("class_name") not in WITHOUT_WEIGHTS]
    alone = len(heavy) == 1 and heavy[0].get("class_name") == "Functional"  # others are built where they are called
    return heavy[0] if alone else config


def _without_large_values(value: Any) -> Any:
    """Return a copy of a configuration that is cheap to build and has weights of the same size.

    It has no optimizers, losses and large constants.

    A `Normalization` with its mean in the configuration would make an array as long as its axis. It is replaced by
    another layer with weights of that size (see `_same_size_layer`).
    """
    if isinstance(value, Mapping):
        copy = {key: _without_large_values(item) for key, item in value.items() if key != "compile_config"}
        return {**copy, **_same_size_layer(copy)} if value.get("class_name") == "Normalization" else copy
    return [_without_large_values(item) for item in value] if isinstance(value, list) else value


def _same_size_layer(normalization: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a layer with weights of the size of a `Normalization`.

    With axis=None the mean is one number, so the layer is an `Identity` without weights.
    """
    inside = normalization.get("config")
    config = {k: v for k, v in inside.items() if k in ("name", "axis")} if isinstance(inside, Mapping) else {}
    name = "Identity" if config.get("axis", -1) is None else "LayerNormalization"
    config = {"name": config.get("name")} if name == "Identity" else config
    return {"module": "keras.layers", "class_name": name, "registered_name": None, "config": config}


def _bytes_per_value(dtype: Any) -> int:
    """Return the bytes that one value is counted with: 8 for dtypes of 64 bits, 4 for all others."""
    return 8 if str(dtype).endswith("64") else 4


def _written_copy(archive: zipfile.ZipFile, config: Mapping[str, Any], weights: Path, target: Path) -> Path:
    """Write a model file of this configuration and these weights to `target`, and return `target`.

    Only the assets are copied from `archive`; the metadata is an empty JSON object.
    """
    with zipfile.ZipFile(target, "w", strict_timestamps=False) as copy:
        zipped.add_member(copy, zipped.METADATA, b"{}")
        zipped.add_member(copy, zipped.CONFIG, json.dumps(config).encode())
        zipped.add_file_member(copy, zipped.WEIGHTS, weights)
        for name in zipped.asset_names(archive):
            zipped.add_member(copy, name, zipped.read_member(archive, name))
    return target

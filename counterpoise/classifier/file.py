"""Writing and reading the file of a classifier, `m.keras`: an ordinary Keras archive with two members more.

Its model takes raw columns (or arrays) and gives probability and decision. Keras ignores what is added:
`counterpoise.json` (labels, schema, model card) and `counterpoise.npz` (the scores and labels that fitted the rule, for
thresholds under a new prior). Neither is a pickle. What `write` writes has passed the checks of `read`.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from counterpoise.classifier import archive as zipped
from counterpoise.classifier.archive import CARD, SCORES
from counterpoise.classifier.arrays import arrays_of_npz, npz_bytes
from counterpoise.classifier.contents import (
    FORMAT,
    Contents,
    check_description,
    check_scores,
    described_unit,
    description_of,
)
from counterpoise.classifier.loading import configuration_of, load_model
from counterpoise.classifier.references import custom_objects_of, not_compiled
from counterpoise.core.checks import check_path
from counterpoise.core.errors import ArtifactError
from counterpoise.core.file_checks import read_json
from counterpoise.core.files import drafted, is_stream
from counterpoise.core.schema import Schema
from counterpoise.core.target import Target
from counterpoise.data.columns import columns_config
from counterpoise.networks.cloning import keras_text
from counterpoise.networks.weights import note_backend_use
from counterpoise.targets.kinds import target_of


def write(path: str | os.PathLike[str], whole: keras.Model, contents: Contents) -> Path:
    """Write the file of a classifier, whole or not at all, and return its path.

    Args:
        path: Its name, ending in .keras.
        whole: The model of `whole_model`; the names "members" and "rule" of its layers are looked up by `read`.
        contents: Everything else.

    Raises:
        ArtifactError: the name does not end in .keras, the folder cannot be written, or the file could not be read
            again: a layer that is not registered, a label of an odd type.
    """
    target = check_path(path)
    if target.suffix != ".keras" and not is_stream(target):
        raise ArtifactError(f"{str(target)!r} does not end in .keras. Pass a file name that ends in .keras.")
    with drafted(target) as draft:
        write_draft(draft, whole, contents)
    return target


def write_draft(draft: Path, whole: keras.Model, contents: Contents) -> None:
    """Write the file to a path that nobody reads before the file is complete.

    The folder of `draft` must be private to this call, because Keras first writes "model.keras" there.

    Raises:
        ArtifactError: As in `write`.
    """
    try:
        members = {CARD: json.dumps(description_of(contents)).encode(), SCORES: npz_bytes(contents.scores)}
        check_scores(contents.scores, contents.rule, contents.kind, contents.unit)
        custom_objects_of(whole)
    except ArtifactError as error:
        raise ArtifactError(f"{str(draft.name)!r} cannot be written: {error}") from error
    except Exception as error:  # a layer's own get_config
        raise ArtifactError(f"{str(draft.name)!r} cannot be written: {keras_text(error)}") from error
    keras_file = draft.with_name("model.keras")  # Keras asks for the ending, its own libraries for a name that is UTF-8
    try:
        with not_compiled(whole):
            whole.save(keras_file)
    except ValueError as error:
        if "1980" not in str(error):  # ZIP stores no earlier time stamps
            raise
        raise ArtifactError(
            "The clock of this machine is before 1980, which a .keras file cannot store. Set the clock."
        ) from error
    with zipfile.ZipFile(keras_file, "a") as archive:
        for name, content in members.items():
            zipped.add_member(archive, name, content)
    keras_file.rename(draft)


def read(path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None) -> Contents:
    """Read a file that `write` wrote; nothing in it is executed (see `loading.load_model`).

    Args:
        path: The file.
        custom_objects: The user's own classes and functions that it may name.

    Raises:
        ArtifactError: The file is absent, damaged, changed, or was not written by `write`.
    """
    note_backend_use()
    source = check_path(path)
    if not source.is_file():
        raise ArtifactError(f"there is no file {str(source)!r}.")
    try:
        with zipped.checked_archive(source) as archive:
            return _read_contents(archive, custom_objects)
    except ArtifactError as error:
        raise ArtifactError(f"{str(source)!r} cannot be read: {error}") from error


def _read_contents(archive: zipfile.ZipFile, custom_objects: Mapping[str, Any] | None) -> Contents:
    """Check and read everything that a file contains, the networks last.

    Raises:
        ArtifactError: A part is absent, damaged, of another format, or does not fit the other parts.
    """
    if CARD not in archive.namelist() or SCORES not in archive.namelist():
        raise ArtifactError("it was not saved by Counterpoise. Pass a plain Keras model to fit() or wrap().")
    description = read_json(zipped.read_member(archive, CARD), "the description")
    _check_format(description)
    configuration = configuration_of(archive, custom_objects)
    kind = description.get("kind", "one_of") if isinstance(description, dict) else "one_of"
    target = target_of(kind)
    rule = target.rule_of(_rule_values(configuration.values))
    classes, schema, card = check_description(description, rule)
    scores = arrays_of_npz(zipped.read_member(archive, SCORES))
    unit = described_unit(description, target, len(rule.prior))
    check_scores(scores, rule, kind, unit)
    whole = load_model(archive, configuration)
    return Contents(_checked_members(whole, rule, schema, target), rule, classes, schema, card, scores, kind, unit)


def _check_format(description: Any) -> None:
    """Raise an ArtifactError if the description names another format number than `FORMAT`.

    A description without a whole number passes here, because `check_description` refuses it later.
    """
    given = description.get("format") if isinstance(description, dict) else None
    if given != FORMAT and isinstance(given, int):
        raise ArtifactError(
            f"its format is {given!r:.40}, but this version of counterpoise reads format {FORMAT}. "
            + ("Train and save the model again." if given < FORMAT else "Install the version that saved it.")
        )


def _rule_values(config: Mapping[str, Any]) -> Any:
    """Return the plain values of the layer "rule" in the configuration of the whole model.

    Raises:
        ArtifactError: The configuration has no such layer.
    """
    try:
        layers = [layer for layer in config["config"]["layers"] if layer["name"] == "rule"]
        values = layers[0]["config"]["rule"]
    except (TypeError, KeyError, IndexError, AttributeError):
        raise ArtifactError(
            "its configuration lacks the decision rule that every Counterpoise file contains."
        ) from None
    return values


def _checked_members(whole: keras.Model, rule: Any, schema: Schema | None, target: Target) -> keras.Model:
    """Return the networks of the whole model (its layer "members"), if rule, schema and networks fit together.

    Raises:
        ArtifactError: A layer is absent, or outputs or columns do not fit the rule or the schema.
    """
    layers = {layer.name: layer for layer in whole.layers}
    members = layers.get("members")
    if not isinstance(members, keras.Model) or not hasattr(layers.get("rule"), "rule"):
        raise ArtifactError(
            "it lacks the networks ('members') or the decision rule that every Counterpoise file contains."
        )
    classes = len(rule.prior)
    outputs = [tuple(output.shape) for output in members.outputs]
    if len(outputs) != len(rule.log_shifts) or not all(target.fits(shape, classes) for shape in outputs):
        raise ArtifactError(
            f"its networks have outputs of the shapes {outputs}, but its decision rule is for "
            f"{len(rule.log_shifts)} networks and {classes} classes."
        )
    columns = layers.get("columns")
    if (schema is None) != (columns is None):
        raise ArtifactError("its columns do not fit its schema.")
    if schema is not None and columns is not None:
        config, wanted = columns.get_config(), columns_config(schema)
        if any(config.get(name) != value for name, value in wanted.items()):
            raise ArtifactError("its columns do not fit its schema.")
    return members

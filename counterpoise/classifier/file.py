"""The file of a classifier, `m.keras`: an ordinary Keras archive with two members more.

Its model takes raw columns (or arrays) and gives probability and decision. Keras ignores what is added:
`counterpoise.json` (labels, schema, model card) and `counterpoise.npz` (the scores and labels that fitted the rule, for
thresholds under a new prior). Neither is a pickle.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import ArtifactError
from counterpoise.core.records import Rule, Schema
from counterpoise.data.schema import schema_from_dict, schema_to_dict
from counterpoise.decide.layer import rule_from_dict
from counterpoise.networks.cloning import keras_text
from counterpoise.networks.weights import at_work, seeded

CARD, SCORES = "counterpoise.json", "counterpoise.npz"
#: Number of the layout of `counterpoise.json`.
FORMAT = 1


@dataclass(frozen=True)
class Contents:
    """What the file of a classifier holds (attributes as those of `Classifier`)."""

    members: keras.Model
    rule: Rule
    classes: Sequence[Any]
    schema: Schema | None
    card: Mapping[str, Any]
    scores: Mapping[str, np.ndarray]


def write(path: str | os.PathLike[str], whole: keras.Model, contents: Contents) -> Path:
    """Write the file under a temporary name and rename it.

    Args:
        path: Its name, ending in .keras.
        whole: The model with preprocessing and rule, its layers called "members" and "rule".
        contents: All else.

    Raises:
        ArtifactError: the name does not end in .keras, or the folder cannot be written.
    """
    target = Path(path)
    if target.suffix != ".keras":
        raise ArtifactError(f"{str(target)!r} does not end in .keras; give a file name that does.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".saving-") as folder:
            draft = Path(folder) / target.name
            whole.save(draft)
            with zipfile.ZipFile(draft, "a") as archive:
                archive.writestr(CARD, json.dumps(_description(contents), indent=1))
                archive.writestr(SCORES, _npz(contents.scores))
            os.replace(draft, target)
    except OSError as error:
        raise ArtifactError(f"cannot write {str(target)!r}: {error.strerror or error}.") from error
    return target


def _description(contents: Contents) -> dict[str, Any]:
    schema = contents.schema
    return {
        "format": FORMAT,
        "classes": list(contents.classes),
        "schema": None if schema is None else schema_to_dict(schema),
        "card": dict(contents.card),
    }


def read(path: str | os.PathLike[str]) -> Contents:
    """Read a file that `write` wrote (Keras safe mode on; no pickle).

    Raises:
        ArtifactError: absent, damaged, or not one of ours.
    """
    at_work()
    source = Path(path)
    if not source.is_file():
        raise ArtifactError(f"there is no file {str(source)!r}.")
    try:
        with zipfile.ZipFile(source) as archive:
            description = _checked_description(json.loads(archive.read(CARD)), source)
            with np.load(io.BytesIO(archive.read(SCORES)), allow_pickle=False) as stored:
                scores = {name: stored[name] for name in stored.files}
    except ArtifactError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, OSError) as error:
        raise ArtifactError(
            f"{str(source)!r} is damaged or was not saved by Counterpoise; expected a file written by save(). "
            "For a plain Keras model use it as the model of fit()."
        ) from error
    try:
        with seeded(0):  # weights are drawn before they are read
            whole = keras.models.load_model(source, compile=False, safe_mode=True)
        rule = rule_from_dict(whole.get_layer("rule").rule)
        members = whole.get_layer("members")
    except Exception as error:
        raise ArtifactError(f"{str(source)!r} cannot be read: {keras_text(error)}") from error
    schema = None if description["schema"] is None else schema_from_dict(description["schema"])
    if len(description["classes"]) != len(rule.prior):
        raise ArtifactError(
            f"{str(source)!r} is damaged: {len(description['classes'])} labels, {len(rule.prior)} classes."
        )
    return Contents(members, rule, description["classes"], schema, description["card"], scores)


def _checked_description(description: Any, source: Path) -> dict[str, Any]:
    """The description of a file that this version understands."""
    if not isinstance(description, dict) or {"format", "classes", "schema", "card"} - set(description):
        raise ValueError("no description of a classifier")
    if description["format"] != FORMAT:
        raise ArtifactError(
            f"{str(source)!r} has format {description['format']!r}, this version reads {FORMAT}; "
            "install the version of counterpoise that saved it, or a newer one."
        )
    return description


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()

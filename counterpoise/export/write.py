"""Write an export under a temporary name, run it, compare it with the classifier, and only then let it appear."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from counterpoise.core.checks import check_path
from counterpoise.core.errors import ArtifactError, CounterpoiseError, ModelError, OptionError, did_you_mean, refusal_in
from counterpoise.core.files import drafts, is_stream
from counterpoise.core.plain import read_json
from counterpoise.export import litert, onnx_file, saved_model
from counterpoise.export.manifest import manifest
from counterpoise.export.probe import compare, probe
from counterpoise.networks.weights import at_work

#: Runs a written export on probe rows and returns "probability" and "decision", and where there is one "label".
Runner = Callable[[Any], Mapping[str, Any]]

#: format -> (writer, ending of the file; "" for a folder)
WRITERS: dict[str, tuple[Callable[[Any, Path], Runner], str]] = {
    "saved_model": (saved_model.write, ""),
    "litert": (litert.write, ".tflite"),
    "onnx": (onnx_file.write, ".onnx"),
}
FORMATS = tuple(WRITERS)
SCHEMA = "schema.json"
#: Largest difference of a probability between the export and the classifier.
TOLERANCE = 1e-5


def write(clf: Any, path: str | os.PathLike[str], format: str = "saved_model") -> Path:
    """Write a classifier for another runtime, with `schema.json` that says what goes in and what comes out.

    Args:
        clf: The `Classifier`.
        path: SavedModel: a folder, which gets `schema.json` inside. LiteRT and ONNX: a file ending in `.tflite` or
            `.onnx`, with `schema.json` in the same folder; or a folder, for `model.tflite` or `model.onnx` in it.
        format: "saved_model", "litert" or "onnx".

    Returns:
        The folder (SavedModel) or file written.

    Raises:
        OptionError: an unknown format, or a file name with another ending.
        MissingExtraError: the packages of the format are not installed.
        ModelError: the network holds an operation that the format does not know.
        ArtifactError: the place cannot be written, or the written file does not say what the classifier says.
    """
    at_work()
    if format not in WRITERS:
        raise OptionError(f"there is no export format {format!r}.{did_you_mean(format, WRITERS)}")
    if keras.backend.backend() != "tensorflow":
        raise OptionError(f"exports need Keras on TensorFlow; the backend here is {keras.backend.backend()!r}.")
    writer, ending = WRITERS[format]
    target = _target(check_path(path), ending)
    place = Path(os.path.realpath(target))
    beside = place / SCHEMA if not ending else place.parent / SCHEMA
    _refuse_foreign(target, beside, ending)
    with drafts(place.parent) as folder:
        draft = folder / place.name
        _checked(clf, _written(writer, clf, draft, format), format)
        note = draft / SCHEMA if not ending else folder / SCHEMA
        note.write_text(json.dumps(manifest(clf, format), indent=1), encoding="utf-8")
    return target


def _target(path: Path, ending: str) -> Path:
    if not ending or path.suffix == ending:
        return path
    if path.suffix and not path.is_dir():
        raise OptionError(f"{str(path)!r} does not end in {ending}; give a file name that does, or a folder.")
    return path / f"model{ending}"


def _refuse_foreign(target: Path, beside: Path, ending: str) -> None:
    """An older export is replaced; anything else that stands there is somebody's, and stays."""
    if any("\ud800" <= sign <= "\udfff" for sign in os.path.abspath(target)):
        raise ArtifactError(
            f"{str(target)!r} is no UTF-8 name; the libraries that write exports take no others. Name another place."
        )
    if is_stream(target):
        raise ArtifactError(f"{str(target)!r} is a device or a pipe; an export is a file with {SCHEMA}. Name a file.")
    if not ending and target.exists() and not target.is_dir():
        raise ArtifactError(f"{str(target)!r} is a file; a SavedModel is a folder. Give another name.")
    if not ending and target.is_dir() and any(target.iterdir()) and not beside.exists():
        raise ArtifactError(f"the folder {str(target)!r} holds other files; give an empty or new folder.")
    if beside.exists() and not _is_ours(beside):
        raise ArtifactError(
            f"{str(beside)!r} was not written by Counterpoise and would be replaced; use another folder."
        )


def _is_ours(schema: Path) -> bool:
    try:
        return "counterpoise" in read_json(schema.read_bytes(), schema.name, finite=False)
    except (OSError, ArtifactError, TypeError):
        return False


def _written(writer: Callable[[Any, Path], Runner], clf: Any, draft: Path, format: str) -> Runner:
    try:
        return writer(clf, draft)
    except (CounterpoiseError, OSError):
        raise
    except Exception as error:  # converters raise whatever they like
        refused = refusal_in(str(error))
        if refused:
            raise refused from error
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the classifier cannot be written as {format}: {first[:300]}") from error


def _checked(clf: Any, runner: Runner, format: str) -> None:
    raw, encoded = probe(clf)
    for rows in (slice(0, 1), slice(None)):
        fault = compare(clf, raw, runner, rows, encoded if format != "saved_model" else None, TOLERANCE)
        if fault:
            raise ArtifactError(f"the {format} export was run once and does not say what the classifier says: {fault}.")

"""`write`: write an export under a temporary name, run it, compare it with the classifier, and only then let it appear.

To add a format, add a file with a writer and a line to `WRITERS`. `cp.Classifier.export` is the public way here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from counterpoise.core.checks import check_path
from counterpoise.core.errors import ArtifactError, CounterpoiseError, ModelError, OptionError, did_you_mean, refusal_in
from counterpoise.core.file_checks import read_json
from counterpoise.core.files import drafts, is_stream
from counterpoise.export import litert, onnx_file, saved_model
from counterpoise.export.manifest import manifest
from counterpoise.export.probe import describe_difference, probe_rows
from counterpoise.networks.weights import note_backend_use

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
    """Write a classifier for another runtime, with `schema.json`, which describes inputs and outputs.

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
        ModelError: the network has an operation that the format lacks.
        ArtifactError: the path cannot be written, or the written file predicts otherwise than the classifier.
    """
    note_backend_use()
    if format not in WRITERS:
        raise OptionError(f"There is no export format {format!r}.{did_you_mean(format, WRITERS)}")
    if keras.backend.backend() != "tensorflow":
        raise OptionError(
            f"Exports need Keras on TensorFlow, but the backend here is {keras.backend.backend()!r}. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    writer, ending = WRITERS[format]
    target = _path_to_write(check_path(path), ending)
    resolved = Path(os.path.realpath(target))
    schema = resolved / SCHEMA if not ending else resolved.parent / SCHEMA
    _refuse_foreign(target, schema, ending)
    with drafts(resolved.parent) as folder:
        draft = folder / resolved.name
        _compare_with_classifier(clf, _write_draft(writer, clf, draft, format), format)
        note = draft / SCHEMA if not ending else folder / SCHEMA
        note.write_text(json.dumps(manifest(clf, format), indent=1), encoding="utf-8")
    return target


def _path_to_write(path: Path, ending: str) -> Path:
    """Return the path to write.

    This is the path itself, or for a folder the file `model` with the right ending in it.
    `ending` is "" for a format that is a folder. A name with the ending of another format raises an `OptionError`.
    """
    other = next((name for name, (_, suffix) in WRITERS.items() if suffix and suffix == path.suffix), None)
    if not ending and other:
        raise OptionError(
            f"{str(path)!r} ends in {path.suffix}, but the format is saved_model, which is a folder. Pass "
            f"format={other!r} (--format {other}), or the name of a folder."
        )
    if not ending or path.suffix == ending:
        return path
    if path.suffix and not path.is_dir():
        raise OptionError(
            f"{str(path)!r} does not end in {ending}. Pass a file name that ends in {ending}, or a folder."
        )
    return path / f"model{ending}"


def _refuse_foreign(target: Path, schema: Path, ending: str) -> None:
    """Raise an `ArtifactError` if the export would replace anything but an older export.

    Names that are not UTF-8, devices and pipes are refused too.
    """
    if any("\ud800" <= sign <= "\udfff" for sign in os.path.abspath(target)):
        raise ArtifactError(
            f"{str(target)!r} is not a UTF-8 name, but the export libraries need UTF-8. Choose another path."
        )
    if is_stream(target):
        raise ArtifactError(
            f"{str(target)!r} is a device or a pipe. Expected a file, because an export has {SCHEMA} next to it. "
            "Name a file."
        )
    if not ending and target.exists() and not target.is_dir():
        raise ArtifactError(f"{str(target)!r} is a file. Expected a folder for a SavedModel. Give another name.")
    if not ending and target.is_dir() and any(target.iterdir()) and not schema.exists():
        raise ArtifactError(
            f"The folder {str(target)!r} contains other files. Expected an empty or new folder. Choose another folder."
        )
    if schema.exists() and not _is_ours(schema):
        raise ArtifactError(
            f"{str(schema)!r} was not written by Counterpoise and would be replaced. Use another folder."
        )


def _is_ours(schema: Path) -> bool:
    """Return whether Counterpoise wrote this `schema.json`; False if it cannot be read."""
    try:
        return "counterpoise" in read_json(schema.read_bytes(), schema.name, finite=False)
    except (OSError, ArtifactError, TypeError):
        return False


def _write_draft(writer: Callable[[Any, Path], Runner], clf: Any, draft: Path, format: str) -> Runner:
    """Write the draft, and return the function that runs it.

    Any error of a converter becomes a `ModelError` that names the format. Errors of Counterpoise and of the file system
    are raised as they are.
    """
    try:
        return writer(clf, draft)
    except (CounterpoiseError, OSError):
        raise
    except Exception as error:  # converters raise whatever they like
        refused = refusal_in(str(error))
        if refused:
            raise refused from error
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"The classifier cannot be written as {format}: {first[:300]}") from error


def _compare_with_classifier(clf: Any, runner: Runner, format: str) -> None:
    """Run the export on the first probe row, and then on all probe rows.

    If it differs from the classifier, raise an `ArtifactError`.
    """
    raw, encoded = probe_rows(clf)
    for rows in (slice(0, 1), slice(None)):
        fault = describe_difference(clf, raw, runner, rows, encoded if format != "saved_model" else None, TOLERANCE)
        if fault:
            raise ArtifactError(
                f"The {format} export was run once and differs from the classifier, because {fault}. Choose another "
                "format, or report this with the layers of the network."
            )

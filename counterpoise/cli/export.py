"""`counterpoise export`: a saved model for another runtime (see `Classifier.export`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.terminal import print_line
from counterpoise.cli.trust import trusted_objects
from counterpoise.core.files import check_folder
from counterpoise.core.keras_import import import_keras_quietly

NAME = "export"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    format: Annotated[str, typer.Option(help="Format: saved_model, litert, or onnx.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder (saved_model), or file NAME.tflite or NAME.onnx, to write.", show_default=False)
    ],
    trust: o.Trust = None,
) -> None:
    """Export a model to SavedModel, LiteRT, or ONNX, and compare their outputs."""
    check_folder(out.parent)
    import_keras_quietly()
    from counterpoise.classifier.classifier import load

    path = load(model, trusted_objects(trust)).export(out, format)
    print_line(f"saved {path}: a test run gave the same output as {model}")

"""`counterpoise card`: the model card of a saved model as a page (see `report.card_page`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli import options as o
from counterpoise.cli.trust import trusted_objects
from counterpoise.core.errors import OptionError
from counterpoise.core.files import write_text
from counterpoise.core.keras_import import import_keras_quietly

NAME = "card"


def command(
    model: Annotated[Path, typer.Argument(help="Model file, NAME.keras.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="File to write: NAME.html (a page), or README.md (Markdown for Hugging Face).")
    ],
    evaluation: Annotated[
        Path | None, typer.Option(help="JSON file from `evaluate --out`. Adds the scores in this file to the card.")
    ] = None,
    trust: o.Trust = None,
) -> None:
    """Write the model card of a saved model as HTML or Markdown."""
    if out.suffix not in (".html", ".md"):
        raise OptionError(f"--out {out} must end in .html or .md. Use a name such as card.html or README.md.")
    o.check_file(out, reads=[model, evaluation])
    import_keras_quietly()
    from counterpoise.classifier.classifier import load
    from counterpoise.report.card_page import to_html, to_markdown

    scores = None
    if evaluation is not None:
        try:
            scores = json.loads(evaluation.read_text(encoding="utf-8"))
            scores["rows"], scores["metrics"]  # raises a KeyError or TypeError for another JSON file
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OptionError(
                f"--evaluation {evaluation} cannot be read: {error!r:.80}. Expected the JSON file of `evaluate --out`."
            ) from None
    render = to_html if out.suffix == ".html" else to_markdown
    write_text(out, render(load(model, trusted_objects(trust)).card, model.name, scores))
    o.print_note(f"saved {out}", out)

"""Errors about parts of a model that LiteRT or ONNX cannot express; the messages lead to SavedModel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from counterpoise.core.errors import ModelError


def refuse_text(signature: Mapping[str, Any], format: str) -> None:
    """Raise a `ModelError` when an input is text, which the format has no operations for."""
    texts = [name for name, spec in signature.items() if getattr(spec.dtype, "name", spec.dtype) == "string"]
    if texts:
        raise ModelError(
            f"The classifier reads text (input {texts[0]!r}), but {format} has no operations for text. "
            'Export it with format="saved_model" (--format saved_model).'
        )


def refuse_unknown(operations: Iterable[str], format: str) -> None:
    """Raise a `ModelError` when there are operations that the format lacks."""
    names = sorted(set(operations))
    if names:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ModelError(
            f"The network uses operations that {format} lacks: {shown}. Export it "
            'with format="saved_model" (--format saved_model), or build the network without them.'
        )

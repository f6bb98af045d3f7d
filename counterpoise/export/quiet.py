"""Converters without their chatter: `quiet`, which the writers of all formats use."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from counterpoise.core.stderr import no_stderr

#: Names of the loggers of converters.
LOGGERS = ("tensorflow", "tf2onnx", "absl")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence converters within the block: their loggers and the standard error.

    Otherwise they print long texts about graphs before they raise an error. The levels of the loggers are restored.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with no_stderr():
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

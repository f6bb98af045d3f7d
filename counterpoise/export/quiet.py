"""Converters without their chatter."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("tensorflow", "tf2onnx", "absl")


@contextmanager
def quiet() -> Iterator[None]:
    """Errors only: tf2onnx and TensorFlow's graph writer warn about lookup tables that are not part of this graph."""
    loggers = [logging.getLogger(name) for name in NAMES]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

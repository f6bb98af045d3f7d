"""Small pictures inside a page: pixels to PNG to a data URI (NumPy and zlib). Files of masks use the same PNG."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

Array = np.ndarray

#: Longer side of a thumbnail in pixels, at most.
SIDE = 96


def thumbnail(pixels: Array, low: float = 0.0, high: float = 255.0, side: int = SIDE) -> str:
    """Return a picture (height, width) or (height, width, 1 or 3) as a data URI of at most `side` pixels a side.

    Args:
        pixels: Its values.
        low: What is black. high: What is white.
        side: Longer side of the thumbnail in pixels, at most.

    Example:
        >>> thumbnail(np.zeros((4, 4), np.uint8))[:22]
        'data:image/png;base64,'
    """
    # (height, width, channels), with one channel if there was none.
    picture = pixels.reshape(*pixels.shape[:2], -1).astype(np.float64)
    share = np.clip((reduced(picture, side) - low) / max(high - low, 1e-12), 0.0, 1.0)
    return data_uri(np.round(255 * share).astype(np.uint8))


def data_uri(pixels: Array) -> str:
    """Return uint8 pixels (height, width, 1 or 3) as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode()


def png(pixels: Array) -> bytes:
    """Return uint8 pixels (height, width, 1 or 3) as the content of a PNG file."""
    height, width, channels = pixels.shape
    # 8 bits per channel; color type 0 is gray and 2 is RGB.
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)  # 0: no filter
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file: length, kind, data and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def reduced(picture: Array, side: int = SIDE) -> Array:
    """Reduce a picture (height, width, channels) by means over blocks, float64.

    No side is then longer than `side`. The proportions stay, and a small picture is not changed.
    """
    scale = max(1.0, max(picture.shape[:2]) / side)
    for axis in (0, 1):
        size = picture.shape[axis]
        edges = np.linspace(0, size, max(1, round(size / scale)) + 1).astype(int)
        sums = np.add.reduceat(picture, edges[:-1], axis=axis)
        shape = [1, 1, 1]
        shape[axis] = -1
        picture = sums / np.diff(edges).reshape(shape)
    return picture

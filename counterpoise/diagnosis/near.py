"""Which rows are nearly equal? Images by their thumbnails, texts by their shingles (numpy, scipy).

Candidates share one of several short keys (locality-sensitive hashing); each pair is then held to a similarity:
correlation of thumbnails for images, estimated Jaccard similarity of shingles for texts (Broder 1997). Names and seeds
of the random draws are fixed, so that the groups are the same at each call.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from counterpoise.core.duplicates import by_first_appearance
from counterpoise.core.errors import DataError
from counterpoise.core.seeds import generator
from counterpoise.core.sources import Source
from counterpoise.core.structure import chunk_rows

Array = np.ndarray

#: Correlation of two thumbnails from which two images count as nearly equal.
LEAST_CORRELATION = 0.995
#: Jaccard similarity of the sets of shingles from which two texts do.
LEAST_JACCARD = 0.8
#: Neighbors in the order of a key that a row is compared with.
WINDOW = 12
#: Side of a thumbnail, words of a shingle, minimal hashes of a text, and how many of these make one key.
_SIDE, _SHINGLE, _HASHES, _BAND = 16, 3, 64, 4
_PRIME = np.uint64(4_294_967_311)  # the first above 2**32


def near_duplicates(x: Any) -> Array | None:
    """Number the groups of nearly equal images or texts, for use as `groups=`.

    Two images are nearly equal if their gray thumbnails of 16 by 16 pixels have a correlation of 0.995 or more.
    Brightness and contrast do not matter. Two texts are nearly equal if the Jaccard similarity of their sets of three
    consecutive words is about 0.8 or more. Case and digits do not matter. Equal rows are also one group, and a chain
    of nearly equal rows is one group.

    Args:
        x: Images (N, height, width) or (N, height, width, channels), or N texts.

    Returns:
        int64 (N,), with equal numbers for nearly equal rows. None for other data, such as a table.

    Raises:
        DataError: x has no rows.

    Example:
        >>> texts = ["win a free prize now call 123", "Win a free prize now call 999", "see you at home tonight mum"]
        >>> near_duplicates(texts).tolist()
        [0, 0, 1]
    """
    array: Any = x if isinstance(x, Source) else np.asarray(x)
    if not array.ndim or not len(array):
        raise DataError("near_duplicates received no rows. Expected images or texts.")
    if array.ndim == 1 and array.dtype.kind in "UOT" and all(isinstance(t, str) for t in array[:100]):
        return _text_groups([str(text) for text in array])
    if array.ndim in (3, 4) and array.dtype.kind in "uifb" and min(array.shape[1:3]) >= _SIDE:
        return _image_groups(array)
    return None


def _image_groups(images: Any) -> Array:
    """Return the group of each image, int64 (N,), by its thumbnail."""
    size = chunk_rows(images)
    thumbs = np.concatenate([_thumbnails(images[i : i + size]) for i in range(0, len(images), size)])
    flat = np.linalg.norm(thumbs, axis=1) < 0.5  # length 0, not 1: no structure to compare
    bits = _projection_keys(thumbs)
    pairs = _candidates(bits)
    alike = _pairs_passing(pairs, lambda a, b: (thumbs[a] * thumbs[b]).sum(axis=1) >= LEAST_CORRELATION)
    return _components(alike[~flat[alike].any(axis=1)], len(images))


def _thumbnails(images: Array) -> Array:
    """Return gray thumbnails of 16 by 16 pixels, float32 (N, 256).

    Each has mean 0 and length 1, or is 0 where nothing varies.
    """
    gray = images.reshape(*images.shape[:3], -1).mean(axis=3, dtype=np.float32)
    # The mean of each block, first down, then across; block i ends where block i + 1 begins.
    for axis in (1, 2):
        size = gray.shape[axis]
        edges = np.linspace(0, size, _SIDE + 1).astype(int)[:-1]
        shape = [1, 1, 1]
        shape[axis] = _SIDE
        counts = np.diff([*edges, size]).astype(np.float32).reshape(shape)
        gray = np.add.reduceat(gray, edges, axis=axis) / counts
    flat = gray.reshape(len(gray), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-6 * _SIDE, flat / np.maximum(length, 1e-12), 0.0).astype(np.float32)


def _projection_keys(thumbs: Array) -> Array:
    """Return 16 keys for each thumbnail, uint64 (N, 16), each with the signs of 16 random projections as bits.

    Rows with a correlation near 1 share most of the signs of a key.
    """
    planes = generator(0, "near").standard_normal((thumbs.shape[1], 256), dtype=np.float32)
    signs = (thumbs @ planes > 0).reshape(len(thumbs), 16, 16)
    return (signs * (1 << np.arange(16, dtype=np.uint64))).sum(axis=2, dtype=np.uint64)


def _text_groups(texts: list[str]) -> Array:
    """Return the group of each text, int64 (N,), by 64 minimal hashes of its shingles.

    Four minimal hashes make one key, so that candidates agree in four of them.
    """
    rng = generator(0, "shingles")
    times, plus = (rng.integers(1, 1 << 31, _HASHES, dtype=np.uint64) for _ in range(2))
    least = np.stack([_minimal_hashes(_shingles(text), times, plus) for text in texts])
    keys = np.zeros((len(texts), _HASHES // _BAND), np.uint64)
    for i in range(_BAND):
        keys = keys * np.uint64(1_000_003) + least[:, i::_BAND]
    alike = _pairs_passing(_candidates(keys), lambda a, b: (least[a] == least[b]).mean(axis=1) >= LEAST_JACCARD)
    return _components(alike, len(texts))


def _shingles(text: str) -> Array:
    """Return the distinct hashes of each three consecutive words, sorted, uint64.

    Case does not matter, all digits are equal, and a text of fewer words is one shingle.
    """
    words = re.sub(r"\d", "0", text.lower()).split()
    spans = [" ".join(words[i : i + _SHINGLE]) for i in range(max(1, len(words) - _SHINGLE + 1))]
    return np.array(sorted({zlib.crc32(span.encode()) for span in spans}), np.uint64)


def _minimal_hashes(shingles: Array, times: Array, plus: Array) -> Array:
    """Return the least of each of 64 hash functions over a set of shingles, uint64 (64,).

    `times` and `plus`, (64,) each, define the functions. Two sets share a value with the probability of their Jaccard
    similarity.
    """
    return ((shingles[:, None] * times + plus) % _PRIME).min(axis=0)


def _candidates(keys: Array) -> Array:
    """Return pairs of rows, int64 (P, 2), that share a key of `keys` (N, K).

    Their positions in the order of that key differ by at most `WINDOW`; a pair may occur several times.
    """
    return np.concatenate([np.empty((0, 2), np.int64), *_key_pairs(keys)])


def _key_pairs(keys: Array) -> Iterator[Array]:
    """Yield the pairs (p, 2) with equal keys, for each key and distance up to `WINDOW`."""
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        for step in range(1, min(WINDOW, len(order) - 1) + 1):
            same = ordered[step:] == ordered[:-step]
            yield np.stack([order[:-step][same], order[step:][same]], axis=1)


def _pairs_passing(pairs: Array, test: Callable[[Array, Array], Array]) -> Array:
    """Return the pairs (P, 2), each once, that pass a test.

    `test` takes the row numbers (p,) of both sides and returns bool (p,).
    """
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    blocks = [pairs[i : i + 65_536] for i in range(0, len(pairs), 65_536)]
    return np.concatenate([pairs[:0], *(block[test(block[:, 0], block[:, 1])] for block in blocks)])


def _components(pairs: Array, n: int) -> Array:
    """Return the group of each of n rows, int64 (n,): a chain of pairs is one group."""
    graph = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return by_first_appearance(csgraph.connected_components(graph, directed=False)[1])

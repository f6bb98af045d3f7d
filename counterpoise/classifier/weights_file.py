"""Checks of the weights of a model file (HDF5): plain arrays, no larger than the bytes that the file stores.

`loading` calls them before Keras opens the file. A message completes "FILE cannot be read: ".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterpoise.classifier.archive import FREE_BYTES, MOST_EXPANSION
from counterpoise.core.errors import ArtifactError

#: Most groups and arrays of one file, and how deep they may be nested.
MOST, DEEPEST = 1_000_000, 100


def check_weights(path: Path) -> int:
    """Check a file of weights before Keras reads it, and return its size in memory.

    Returns:
        Bytes that its arrays take in memory.

    Raises:
        ArtifactError: It is damaged, leads to another file, or claims more than it holds; the message completes
            "FILE cannot be read: ".
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            arrays = list(_checked_arrays(file, h5py))
            claimed = sum(math.prod(array.shape) * array.dtype.itemsize for array in arrays)
            stored = sum(array.id.get_storage_size() for array in arrays)
    except ArtifactError:
        raise
    except Exception as error:  # HDF5 has an error of its own kind for each layer that a damaged byte may hit
        raise ArtifactError(f"its weights are damaged ({' '.join(str(error).split())[:200]}).") from error
    if claimed > FREE_BYTES + MOST_EXPANSION * stored:
        raise ArtifactError(f"its weights claim {claimed:,} bytes, but the file stores only {stored:,} bytes of them.")
    return claimed


def _checked_arrays(file: Any, h5py: Any) -> Iterator[Any]:
    """Yield every array of a weights file, each checked by `_check_array`.

    Raises:
        ArtifactError: The file is too large or too deep, links to another file, or contains something else.
    """
    rest, seen, number = [(file, 0)], set(), 0
    while rest:
        group, depth = rest.pop()
        for name in group:
            number += 1
            if number > MOST or depth > DEEPEST:
                raise ArtifactError("its weights have more levels or parts than a model can have.")
            if group.get(name, getclass=True, getlink=True) is not h5py.HardLink:
                raise ArtifactError(f"its weights refer to another file or group ({name!r:.80}).")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            # Several names can lead to one item. Its bytes are stored once, so it counts once.
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Dataset):
                _check_array(item, name)
                yield item
            elif isinstance(item, h5py.Group):
                rest.append((item, depth + 1))
            else:
                raise ArtifactError(f"its weights contain {name!r:.80}, which is not an array.")


def _check_array(array: Any, name: str) -> None:
    """Raise an `ArtifactError` unless the file itself stores numbers, plain or as gzip."""
    if array.external or array.is_virtual:
        raise ArtifactError(f"its weights {name!r:.80} are in another file.")
    if array.shape is None or array.dtype.kind not in "biufcV" or array.dtype.hasobject:
        raise ArtifactError(f"its weights {name!r:.80} are not numbers.")
    if array.compression not in (None, "gzip"):
        raise ArtifactError(f"its weights {name!r:.80} are packed by {array.compression}, which is not supported.")

"""The arrays in the file of a classifier: an .npz without pickles, of bounded size."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from counterpoise.classifier.archive import EXPANSION, FREE, damage
from counterpoise.core.errors import ArtifactError


def fits(members: Sequence[zipfile.ZipInfo]) -> bool:
    """Return whether the unpacked members are no larger than their compressed size allows."""
    return sum(m.file_size for m in members) <= FREE + EXPANSION * sum(m.compress_size for m in members)


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of an .npz file.

    The file is compressed, unless `unpacked` would refuse it as too large when unpacked.
    """
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, array in arrays.items():
                info = zipfile.ZipInfo(f"{name}.npy")
                info.compress_type = method
                with archive.open(info, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
            members = archive.infolist()
        if fits(members):
            break
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in bytes that `packed` made, by name.

    Raises:
        ArtifactError: The bytes are damaged, not plain arrays, or unpack to more than `fits` allows.
    """
    with damage("its stored scores are damaged"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(m.compress_size for m in members) > len(content) or not fits(members):
            raise ArtifactError("its stored scores are far larger than their compressed size allows.")
        return {m.filename.removesuffix(".npy"): _array(archive.read(m), m.filename) for m in members}


def _array(content: bytes, name: str) -> np.ndarray:
    """Read one array from the bytes of an .npy file, once its header is checked.

    The size by shape and dtype must be that of the bytes, so that a false header cannot demand memory.

    Raises:
        ArtifactError: The version of the format is unknown, the array holds Python objects, or its size differs.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ArtifactError(f"its stored scores contain {name!r:.40} in an unknown layout.")
    shape, _, dtype = header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ArtifactError(f"its stored scores contain {name!r:.40}, which is not a plain array of the expected size.")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)

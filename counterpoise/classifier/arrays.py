"""The stored scores in the file of a classifier: arrays as the bytes of an .npz, without pickles and of bounded size.

`npz_bytes` and `arrays_of_npz` are inverses. What they write is the member `archive.SCORES` of saved files.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from counterpoise.classifier.archive import FREE_BYTES, MOST_EXPANSION, errors_as_damage
from counterpoise.core.errors import ArtifactError


def is_not_oversized(members: Sequence[zipfile.ZipInfo]) -> bool:
    """Return whether the members unpack to no more bytes than `FREE_BYTES` and `MOST_EXPANSION` allow."""
    return sum(m.file_size for m in members) <= FREE_BYTES + MOST_EXPANSION * sum(m.compress_size for m in members)


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of an .npz file.

    The file is compressed, unless `arrays_of_npz` would refuse it as too large when unpacked.
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
        if is_not_oversized(members):
            break
    return buffer.getvalue()


def arrays_of_npz(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays in bytes that `npz_bytes` made, by name.

    Raises:
        ArtifactError: The bytes are damaged, not plain arrays, or unpack to more than `is_not_oversized` allows.
    """
    with errors_as_damage("its stored scores are damaged"), zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(m.compress_size for m in members) > len(content) or not is_not_oversized(members):
            raise ArtifactError("its stored scores are far larger than their compressed size allows.")
        return {m.filename.removesuffix(".npy"): _checked_array(archive.read(m), m.filename) for m in members}


def _checked_array(content: bytes, name: str) -> np.ndarray:
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

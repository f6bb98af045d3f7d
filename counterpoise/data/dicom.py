"""DICOM files: one image each, its values as they are to be seen.

Stored values become values of the modality (Hounsfield units, for example) by slope and intercept or a table. What is
black and white is, in this order: what the caller names; the file's table or window of interest; the range of the type,
where the values are counts without a unit of their own. Nothing of a file runs, and it is bounded before it is decoded:
one frame, no deflated data set, and transfer syntaxes of a list. Fixed: networks in model files were trained on these
values, so another rule would show them other images.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.lazy import needed

Array = np.ndarray
Range = tuple[float, float]

#: Pixels of one image; more are refused before they are decoded.
MOST_PIXELS = 100_000_000
_JPEG = "1.2.840.10008.1.2.4."
#: Transfer syntaxes that are read: uncompressed, RLE, and JPEG where a plugin of pydicom is installed. A deflated data
#: set may grow without bound, and a video is no image.
SYNTAXES = {
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5",
    *(_JPEG + number for number in ("50", "51", "57", "70", "80", "81", "90", "91")),
}  # fmt: skip


@dataclass(frozen=True)
class Dicom:
    """One image, with the values that are black and white.

    Attributes:
        values: float64 (height, width), or uint8 (height, width, 3) of an image in color.
        span: The values that are black and white; None: unknown.
        inverted: Whether the lowest value is white.
    """

    values: Array
    span: Range | None = None
    inverted: bool = False

    @property
    def color(self) -> bool:
        """Whether it is in color."""
        return self.values.ndim == 3


def is_dicom(path: Any) -> bool:
    """Return whether a file begins as a DICOM file does."""
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def read(path: Any, windowed: bool = True) -> Dicom:
    """Read the image of a file; without `windowed`, the values are those of the modality and have no span.

    The modality is the device: its values may have a unit, such as Hounsfield units. The window of the file is then not
    looked at.

    Raises:
        DataError: several frames, no pixels, too many, or an encoding that is not read.
        MissingExtraError: pydicom is not installed.
    """
    pydicom = needed("pydicom", "dicom", "Reading DICOM files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd values in elements that are not looked at
        syntax = str(pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID", "1.2.840.10008.1.2"))
        if syntax not in SYNTAXES:
            raise DataError(f"DICOM of transfer syntax {syntax}, which is not supported; save it without compression")
        header = pydicom.dcmread(path)
        _check_header(header)
        return _with_black_and_white(header, _decode_stored(header), windowed)


def _check_header(header: Any) -> None:
    """Raise a DataError for a file that is not one image of at most `MOST_PIXELS` pixels, gray or in color.

    Raises:
        DataError: The message has no path; the caller adds it.
    """
    if "PixelData" not in header:
        raise DataError("DICOM without pixels")
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise DataError(f"DICOM with {frames} frames. Expected one image in each file (export single frames)")
    height, width = int(header.Rows), int(header.Columns)
    if not 0 < height * width <= MOST_PIXELS:
        raise DataError(f"too large ({width:,} x {height:,}; at most {MOST_PIXELS:,} pixels)")
    if int(header.get("SamplesPerPixel", 1)) not in (1, 3):
        raise DataError(f"DICOM with {header.SamplesPerPixel} values per pixel. Expected 1 or 3")


def _decode_stored(header: Any) -> Array:
    """Return the stored values of a file, (height, width) or (height, width, 3).

    Raises:
        DataError: The data are damaged, or their compression needs a plugin that is not installed.
    """
    from pydicom.pixels import pixel_array

    try:
        return np.asarray(pixel_array(header))
    except (RuntimeError, NotImplementedError) as error:
        name = header.file_meta.TransferSyntaxUID.name
        raise DataError(
            f"DICOM compressed as {name}, which is damaged or needs a plugin (pip install pylibjpeg[all]): "
            f"{str(error).splitlines()[0][:60]}"
        ) from error


def _with_black_and_white(header: Any, stored: Array, windowed: bool) -> Dicom:
    """Return stored values as an image with its black and white values.

    An image in color (or with a palette) becomes uint8 and has no span. Otherwise the modality table is applied; with
    `windowed`, black and white come from the first of: a table of interest, a window, the range of the type.
    """
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

    bits = int(header.get("BitsStored", 8))
    kind = str(header.get("PhotometricInterpretation", "MONOCHROME2"))
    if kind == "PALETTE COLOR":
        stored = np.asarray(apply_color_lut(stored, header))
        bits = 8 * stored.dtype.itemsize
    if stored.ndim == 3:
        # Keep the 8 highest of the stored bits.
        return Dicom(stored if bits <= 8 else (stored >> (bits - 8)).astype(np.uint8))
    values = np.asarray(apply_modality_lut(stored, header), np.float64)
    inverted = kind == "MONOCHROME1"
    if not windowed:
        return Dicom(values, None, inverted)
    if header.get("VOILUTSequence"):
        table = header.VOILUTSequence[0]
        return Dicom(_apply_interest_table(values, table), (0.0, 2.0 ** int(table.LUTDescriptor[2]) - 1), inverted)
    center, width = _first_number(header.get("WindowCenter")), _first_number(header.get("WindowWidth"))
    # A window without a function is LINEAR; the limits are those of the DICOM standard (PS3.3, C.11.2.1.2).
    if center is not None and width is not None and width > 0:
        how = str(header.get("VOILUTFunction", "LINEAR") or "LINEAR").upper()
        # A curve has no two limits: apply it, and take the range of the type.
        if how == "SIGMOID":
            shown = np.asarray(apply_voi_lut(np.asarray(values), header), np.float64)
            return Dicom(shown, _type_range(header, bits), inverted)
        half, middle = (width / 2, center) if how == "LINEAR_EXACT" or width <= 1 else ((width - 1) / 2, center - 0.5)
        return Dicom(values, (middle - half, middle + half), inverted)
    return Dicom(values, (0.0, 2.0**bits - 1) if _are_counts(header) else None, inverted)


def _are_counts(header: Any) -> bool:
    """Return whether values are counts from 0 on: unsigned, without a modality table or rescaling."""
    line = _first_number_of(header, "RescaleSlope", 1.0), _first_number_of(header, "RescaleIntercept", 0.0)
    signed = int(header.get("PixelRepresentation", 0)) == 1
    return not signed and line == (1.0, 0.0) and "ModalityLUTSequence" not in header


def _apply_interest_table(values: Array, table: Any) -> Array:
    """Return the entries of values in a table of interest (VOI LUT), float64 of the same shape.

    Values outside the table take its first or last entry. `LUTDescriptor` has the number of entries (0 means 2**16),
    the value of the first entry, and the bits of an entry.
    """
    count, first, _ = (int(v) for v in table.LUTDescriptor)
    data = table.LUTData
    if isinstance(data, bytes):  # entries of 8 bits may be packed
        data = np.frombuffer(data, "<u2" if len(data) >= 2 * (count or 2**16) else "u1")
    entries = np.asarray(data, np.float64)
    return entries[np.clip(values - first, 0, len(entries) - 1).astype(np.int64)]


def _type_range(header: Any, bits: int) -> Range:
    """Return the lowest and highest value that the type can store, rescaled to the modality."""
    signed = int(header.get("PixelRepresentation", 0)) == 1
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    slope, intercept = _first_number_of(header, "RescaleSlope", 1), _first_number_of(header, "RescaleIntercept", 0)
    return low * slope + intercept, high * slope + intercept


def _first_number_of(header: Any, name: str, default: float) -> float:
    """Return the first number of a named element, or `default` if it is absent or empty."""
    value = _first_number(header.get(name))
    return default if value is None else value


def _first_number(value: Any) -> float | None:
    """Return the first number in the value of an element; None if it is absent or empty."""
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value)

"""DICOM files: values of the modality, windows, inverted and colored ones; what is no single image is one line."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.data.image_info import image_info
from counterpoise.data.pixels import pixels

pydicom = pytest.importorskip("pydicom")

RNG = np.random.default_rng(0)
HU = RNG.integers(-1000, 2000, (6, 5)).astype(np.int16)


def saved(path, array, **elements):
    """A DICOM file of CT-like values; elements that are None are left out."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3"
    frames = array.shape[0] if elements.get("NumberOfFrames") else 1
    plane = array[0] if frames > 1 else array
    header.Rows, header.Columns = plane.shape[:2]
    header.SamplesPerPixel = 3 if plane.ndim == 3 else 1
    header.PhotometricInterpretation = "RGB" if plane.ndim == 3 else "MONOCHROME2"
    if plane.ndim == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = 8 * array.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(array.dtype.kind == "i")
    for name, value in elements.items():
        setattr(header, name, value)
    header.PixelData = array.tobytes()
    header.save_as(path, enforce_file_format=True)
    return str(path)


def gray(path, span=None, **how):
    return pixels(path, (6, 5), "grayscale", span, **how)[..., 0]


def shown(values, low, high):
    return np.clip((values - low) / (high - low), 0, 1) * 255


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_counts_have_the_range_of_their_type(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (6, 5)).astype(np.uint8 if bits == 8 else np.uint16)
    path = saved(tmp_path / "a", values, BitsStored=bits, HighBit=bits - 1)
    assert np.allclose(gray(path), shown(values.astype(float), 0, 2**bits - 1), atol=1e-3)
    flipped = saved(tmp_path / "b", values, BitsStored=bits, HighBit=bits - 1, PhotometricInterpretation="MONOCHROME1")
    assert np.allclose(gray(flipped), 255 - gray(path), atol=1e-3)


def test_a_slope_and_a_window_are_applied(tmp_path):
    stored, how = (HU // 2 + 600).astype(np.uint16), {"RescaleSlope": 2, "RescaleIntercept": -1200}
    units = stored.astype(float) * 2 - 1200
    window = {"WindowCenter": [40, 500], "WindowWidth": [400, 2000]}
    path = saved(tmp_path / "a", stored, **how, **window)
    # PS3.3 C.11.2.1.2: linear from center - 0.5 - (width - 1) / 2 to center - 0.5 + (width - 1) / 2
    assert np.allclose(gray(path), shown(units, 39.5 - 199.5, 39.5 + 199.5), atol=1e-3)
    assert np.allclose(gray(path, (-1000, 400)), shown(units, -1000, 400), atol=1e-3)
    exact = saved(tmp_path / "b", stored, **how, **window, VOILUTFunction="LINEAR_EXACT")
    assert np.allclose(gray(exact), shown(units, -160, 240), atol=1e-3)
    assert np.allclose(gray(path, stored=True), units)
    bare = saved(tmp_path / "c", stored, **how)
    assert image_info(bare).span is None  # Hounsfield units, and no window
    assert (image_info(bare).low, image_info(bare).high) == (units.min(), units.max())


def test_a_table_of_interest_is_looked_up(tmp_path):
    from pydicom.dataset import Dataset

    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 10, 8], np.array([0, 9, 200, 255], "<u2").tobytes()
    values = np.resize(np.arange(8, 18), (6, 5)).astype(np.uint16)
    path = saved(tmp_path / "a", values, VOILUTSequence=[table])
    assert np.allclose(gray(path), np.array([0, 9, 200, 255])[np.clip(values.astype(int) - 10, 0, 3)], atol=1e-3)


def test_color_is_color(tmp_path):
    values = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    path = saved(tmp_path / "a", values)
    assert not image_info(path).gray
    assert np.array_equal(pixels(path, (6, 5), "rgb"), values)


def test_kept_pixels_of_color_files_are_used_again(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "s" / name).mkdir(parents=True)
        for i in range(2):
            saved(tmp_path / "s" / name / f"{i}.dcm", RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    how = {"color_mode": "rgb", "cache": tmp_path / "kept"}
    first = cp.images(tmp_path / "s", (6, 5), **how).load()
    assert np.array_equal(cp.images(tmp_path / "s", (6, 5), **how).load(), first)


def test_bars_of_inverted_values_are_black(tmp_path):
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        path = saved(tmp_path / kind, HU, RescaleSlope=1, RescaleIntercept=0, PhotometricInterpretation=kind)
        padded = pixels(path, (6, 9), "grayscale", aspect="pad", stored=True)[..., 0]
        assert (padded[:, 0] == padded[:, 2:7].min()).all()


def test_what_is_no_single_image_is_one_line(tmp_path, monkeypatch):
    volume = RNG.integers(0, 99, (3, 6, 5)).astype(np.uint16)
    assert "DICOM with 3 frames" in image_info(saved(tmp_path / "a", volume, NumberOfFrames=3)).fault
    deflated = saved(tmp_path / "b", HU, syntax="1.2.840.10008.1.2.1")
    raw = (tmp_path / "b").read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"[:20])
    (tmp_path / "b").write_bytes(raw)
    assert "transfer syntax" in image_info(deflated).fault
    (tmp_path / "c").write_bytes((tmp_path / "a").read_bytes()[:200])
    assert image_info(str(tmp_path / "c")).fault
    monkeypatch.setattr("counterpoise.data.dicom.MOST_PIXELS", 29)
    assert "too large" in image_info(saved(tmp_path / "d", HU)).fault
    (tmp_path / "brain.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(9))
    assert "three-dimensional" in image_info(str(tmp_path / "brain.nii.gz")).fault


def test_a_range_that_no_file_tells_is_learned_from_training_images_alone(tmp_path):
    """Units without a window: each fold's percentiles, in the model's file, for other images too."""
    (tmp_path / "s").mkdir()
    for i in range(40):
        level = 4000 if i >= 36 else 300 * (i % 4 == 0)  # the last four judge, and are far brighter than all others
        values = RNG.normal(level - 500, 100, (6, 5)).astype(np.int16)
        saved(tmp_path / "s" / f"{i}.dcm", values, RescaleSlope=1, RescaleIntercept=0)
    rows = {"i": list(range(40)), "y": [int(i % 4 == 0) for i in range(40)]}
    rows["part"] = ["test" if i >= 36 else "train" for i in range(40)]
    scans = cp.images(rows, (6, 5), images="i", root=tmp_path / "s", target="y", split="part")
    assert scans.form.learned
    clf = cp.fit(of_pictures, scans, epochs=1, verbose=0)
    low, high = (float(v.numpy()) for v in clf.members.get_layer("member_0").get_layer("encoder").variables)
    train = scans.load()[:36]
    assert train.min() <= low < np.percentile(train, 5)
    assert np.percentile(train, 95) < high <= train.max()
    clf.save(tmp_path / "m.keras")
    again = cp.load(tmp_path / "m.keras")
    assert again.pictures.learned
    assert np.allclose(again.predict_proba(scans), clf.predict_proba(scans.load()))
    with pytest.raises(cp.CounterpoiseError, match=r"Only cp\.fit and cp\.compare"):
        cp.batches(scans.part("train"))[0]

"""Every pixel type keeps its levels and its range, or is refused; nothing hidden is shown; nothing foreign is run."""

from __future__ import annotations

import logging
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from small_networks import of_pictures

import counterpoise as cp
from counterpoise.core.errors import ArtifactError, DataError, OptionError
from counterpoise.data import pillow_files
from counterpoise.data.image_info import image_info
from counterpoise.data.images import decoder, images, list_images, list_unlabeled, read_images
from counterpoise.data.pixels import pixels

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (4, 3), dtype=np.uint16)


def tiff(path, array, bits, sample_format, photometric=1):
    """A plain TIFF, written by hand: Pillow does not write all that it reads."""
    height, width = array.shape[:2]
    data = array.tobytes()
    tags = [(256, 3, width), (257, 3, height), (258, 3, bits), (259, 3, 1), (262, 3, photometric), (273, 4, 8),
            (277, 3, 1), (278, 4, height), (279, 4, len(data)), (339, 3, sample_format)]  # fmt: skip
    data += b"\0" * (len(data) % 2)
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0" + struct.pack("<I", 8 + len(data)) + data
    path.write_bytes(head + struct.pack("<H", len(tags)) + entries + b"\0\0\0\0")
    return path


def saved(path, array, **how):
    Image.fromarray(array).save(path, **how)
    return path


def gray(path, span=None):
    height, width = Image.open(path).size[::-1]
    return pixels(path, (height, width), "grayscale", span)[..., 0]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_keep_their_levels(tmp_path, ending):
    read = gray(saved(tmp_path / f"a.{ending}", DEEP))
    assert read.dtype == np.float32
    assert np.allclose(read, DEEP / 257.0, rtol=1e-6)
    assert len(np.unique(read)) == len(np.unique(DEEP))


def test_twelve_bits_have_a_range_of_their_own(tmp_path):
    values = np.array([[0, 4095, 2048, 7]], np.uint16)
    packed = np.array([0x00, 0x0F, 0xFF, 0x80, 0x00, 0x07], np.uint8)[None]
    path = tiff(tmp_path / "a.tif", packed, 12, 1)
    raw = bytearray(path.read_bytes())
    at = raw.index(struct.pack("<HHII", 256, 3, 1, 6))
    raw[at : at + 12] = struct.pack("<HHII", 256, 3, 1, 4)
    path.write_bytes(bytes(raw))
    assert np.allclose(gray(path), values / 4095 * 255)


def test_floats_from_0_to_1_keep_their_levels(tmp_path):
    values = RNG.random((5, 4)).astype(np.float32)
    assert np.allclose(gray(saved(tmp_path / "a.tif", values)), values * 255.0, rtol=1e-6)


def test_white_may_be_zero(tmp_path):
    flipped = gray(tiff(tmp_path / "a.tif", DEEP, 16, 1, photometric=0))
    assert np.allclose(flipped, 255 - DEEP / 257.0, atol=1e-4)


UNKNOWN = {
    "float beyond 1": (RNG.normal(100, 30, (4, 3)).astype(np.float32), 32, 3),
    "signed 16": (RNG.integers(-1000, 3000, (4, 3)).astype(np.int16), 16, 2),
    "signed 32": (RNG.integers(-(10**6), 10**6, (4, 3)).astype(np.int32), 32, 2),
    "unsigned 32": (RNG.integers(2**31, 2**32, (4, 3)).astype(np.uint32), 32, 1),
    "signed 8": (RNG.integers(-128, 128, (4, 3)).astype(np.int8), 8, 2),
}


@pytest.mark.parametrize("kind", UNKNOWN)
def test_types_without_a_range_are_refused_or_given_one(tmp_path, kind):
    values, bits, sample_format = UNKNOWN[kind]
    path = tiff(tmp_path / "a.tif", values, bits, sample_format)
    with pytest.raises(DataError, match=r"range=\(low, high\)") as caught:
        pixels(path, (4, 3), "grayscale")
    assert f"from {float(values.min()):g} to {float(values.max()):g}" in str(caught.value)
    low, high = float(np.quantile(values, 0.2)), float(np.quantile(values, 0.8))
    wanted = np.clip((values.astype(np.float64) - low) / (high - low), 0, 1) * 255
    assert np.allclose(gray(path, (low, high)), wanted, atol=1e-4)


def test_large_numbers_are_scaled_before_they_become_float32(tmp_path):
    values = (2**31 - 50 + np.arange(12, dtype=np.int64)).astype(np.int32).reshape(4, 3)
    read = gray(tiff(tmp_path / "a.tif", values, 32, 2), (2.0**31 - 50, 2.0**31 - 39))
    assert np.allclose(read.ravel(), np.arange(12) / 11 * 255, atol=1e-4)


def test_deep_pictures_are_resized_like_others(tmp_path):
    values = np.repeat(np.repeat(RNG.integers(0, 256, (4, 4), dtype=np.uint8), 4, 0), 4, 1)
    shallow = pixels(saved(tmp_path / "a.png", values), (4, 4), "rgb")
    deep = pixels(saved(tmp_path / "b.png", values.astype(np.uint16) * 257), (4, 4), "rgb")
    assert deep.shape == (4, 4, 3)
    assert np.abs(deep - shallow).max() <= 1


def test_transparent_pixels_are_white(tmp_path):
    hidden = np.zeros((2, 2, 4), np.uint8)
    hidden[..., 0], hidden[0, 0, 3] = 200, 255
    wanted = [[[200, 0, 0], [255] * 3], [[255] * 3, [255] * 3]]
    for ending in ("png", "tif", "webp"):
        how = {"lossless": True} if ending == "webp" else {}
        assert pixels(saved(tmp_path / f"a.{ending}", hidden, **how), (2, 2), "rgb").tolist() == wanted
    la = Image.fromarray(np.array([[[9, 255], [9, 0]]], np.uint8))
    la.save(tmp_path / "la.png")
    assert gray(tmp_path / "la.png").tolist() == [[9, 255]]
    one = Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8)).convert("P")
    one.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    one.save(tmp_path / "p.png", transparency=1)
    read = pixels(tmp_path / "p.png", (2, 2), "rgb")
    assert read.tolist() == [[[10, 20, 30], [255] * 3], [[255] * 3, [70, 80, 90]]]
    one.save(tmp_path / "p.gif", transparency=1)
    assert pixels(tmp_path / "p.gif", (2, 2), "rgb").tolist() == read.tolist()
    for array, dark in ((np.array([[0, 30]], np.uint8), 30), (np.array([[0, 300]], np.uint16), 300)):
        assert gray(saved(tmp_path / "key.png", array, transparency=dark)).tolist() == [[0, 255]]


def test_other_types_of_8_bits_and_fewer(tmp_path):
    truth = np.array([[True, False], [False, True]])
    for ending in ("png", "tif", "bmp", "gif"):
        read = gray(saved(tmp_path / f"a.{ending}", truth))
        assert (read.dtype, read.tolist()) == (np.uint8, [[255, 0], [0, 255]])
    ink = Image.new("CMYK", (2, 2), (0, 255, 255, 0))
    ink.save(tmp_path / "ink.tif")
    ink.save(tmp_path / "ink.jpg", quality=100)
    for name in ("ink.tif", "ink.jpg"):
        assert np.abs(pixels(tmp_path / name, (2, 2), "rgb").astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [("png", np.uint8), ("tif", np.uint8), ("jpg", np.uint8), ("png", np.uint16), ("tif", np.uint16)],
)
def test_pictures_stand_upright(tmp_path, ending, dtype):
    upright = np.zeros((16, 8), dtype)
    upright[:8] = np.iinfo(dtype).max  # bright above, dark below
    stored = Image.fromarray(np.rot90(upright).copy())
    exif = stored.getexif()
    exif[0x0112] = 6  # the camera was turned: to be seen, the picture is turned by 90 degrees clockwise
    stored.save(tmp_path / f"a.{ending}", exif=exif)
    read = pixels(tmp_path / f"a.{ending}", (16, 8), "grayscale")[..., 0]
    assert np.abs(read - upright / np.iinfo(dtype).max * 255).max() < 3
    assert image_info(str(tmp_path / f"a.{ending}")).ratio == 0.5


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(ran) == showpage\n"


def test_only_the_listed_formats_are_opened(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin, PpmImagePlugin  # noqa: F401

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was run"))
    (tmp_path / "a.png").write_bytes(POSTSCRIPT)
    (tmp_path / "b.png").write_bytes(b"P5 2 2 255\n\0\1\2\3")
    for name in ("a.png", "b.png"):
        assert image_info(str(tmp_path / name)).fault.startswith("not an image (expected PNG")
        with pytest.raises(OSError, match="cannot identify"):
            decoder(4)(tmp_path / name)


def test_what_cannot_be_read_is_reported(tmp_path, monkeypatch):
    double = tiff(tmp_path / "d.tif", RNG.random((4, 3)), 64, 3)
    assert "float32" in image_info(str(double)).fault
    holes = RNG.random((4, 3)).astype(np.float32)
    holes[1, 1] = np.nan
    assert "NaN" in image_info(str(saved(tmp_path / "n.tif", holes))).fault
    monkeypatch.setattr(pillow_files, "MOST_PIXELS", 11)
    assert image_info(str(saved(tmp_path / "b.png", DEEP))).fault == "too large (3 x 4; at most 11 pixels)"


@pytest.fixture(name="scans")
def _scans(tmp_path):
    """Two classes of 12 values between 0 and 4,095 in 16 bits."""
    for name, count in (("normal", 12), ("ill", 6)):
        (tmp_path / name).mkdir()
        for i in range(count):
            values = RNG.integers(0, 2000, (4, 4)) + 2000 * (name == "ill")
            saved(tmp_path / name / f"{i}.png", values.astype(np.uint16))
    return tmp_path


def test_a_dark_sliver_is_reported_and_a_range_mends_it(scans, caplog):
    with caplog.at_level(logging.WARNING, "counterpoise"):
        image_set = images(scans, 4)
    assert image_set.deep
    assert "range=(low, high)" in caplog.text
    assert image_set.load().max() < 16
    better = read_images(scans, 4, range=(0, 4095))
    assert better.x.dtype == np.float32
    assert better.x.max() > 240
    assert not any("range" in warning for warning in better.warnings)


def test_a_range_goes_with_the_model(scans, tmp_path):
    clf = cp.fit(of_pictures, images(scans, 4, range=(0, 4095)), epochs=2, batch_size=8, verbose=0)
    clf.save(tmp_path / "m.keras")
    again = cp.load(tmp_path / "m.keras")
    assert again.pictures.range == (0.0, 4095.0)
    ill = list_unlabeled(scans / "ill", (4, 4), again.pictures)
    assert len(ill) == 6
    plain = list_images(scans, 4)
    assert np.allclose(again.predict_proba(plain)[:6], again.predict_proba(ill.load()))
    with pytest.raises(DataError, match="trained with"):
        again.predict_proba(images(scans, 4, range=(0, 100)))
    again = again.with_card(images={"range": [1]})
    with pytest.raises(ArtifactError, match="card is damaged"):
        again.predict_proba(plain)


def test_a_network_gets_what_the_largest_pixel_is(scans):
    seen = []

    def build(spec, n_classes):
        seen.append(spec.peak)
        return of_pictures(spec, n_classes)

    cp.fit(build, images(scans, 4, range=(0, 4095)), epochs=1, verbose=0)
    assert set(seen) == {255.0}


def test_color_of_16_bits_is_known_to_be_reduced(tmp_path):
    """Written by hand, for Pillow does not write it."""
    lines = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks)
    )
    assert (image_info(str(path)).reduced, image_info(str(path)).fault) == (True, "")


def test_what_users_should_know_is_noted(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        saved(tmp_path / name / "1.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "c").mkdir()
    pages = [Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (0, 200)]
    pages[0].save(tmp_path / "a" / "2.tif", save_all=True, append_images=pages[1:])
    image_set = list_images(tmp_path, 4)
    assert "'c' has no files" in image_set.notes[0]
    assert "1 of 3 images have several frames" in image_set.notes[1]
    assert image_set.load().max() == 0
    with pytest.raises(OptionError, match="8 bits or fewer"):
        images(tmp_path, 4, range=(0, 100))


def test_the_shape_of_what_images_show_is_kept_when_asked_for(tmp_path):
    """A white square in the middle of a wide picture stays a square, or is stretched."""
    wide = np.zeros((40, 80), np.uint8)
    wide[10:30, 30:50] = 255
    path = saved(tmp_path / "a.png", wide)
    deep = saved(tmp_path / "b.png", wide.astype(np.uint16) * 257)
    for name in (path, deep):
        sides = {}
        for aspect in ("stretch", "crop", "pad"):
            white = pixels(name, (40, 40), "grayscale", aspect=aspect)[..., 0] > 128
            sides[aspect] = (white.any(axis=1).sum(), white.any(axis=0).sum())
            assert abs(np.argwhere(white).mean(axis=0) - 19.5).max() <= 1
        assert sides == {"stretch": (20, 10), "crop": (20, 20), "pad": (10, 10)}
    for name in "cd":
        (tmp_path / name).mkdir()
        saved(tmp_path / name / "1.png", wide)
    assert "2 of 2 images have another shape than 8 x 8" in list_images(tmp_path, 8).notes[0]
    assert list_images(tmp_path, 8, aspect="pad").notes == ()
    assert list_images(tmp_path, (8, 16)).notes == ()


def test_floats_of_one_kind_are_learned_and_kinds_are_not_mixed(tmp_path):
    for name, level in (("a", 0.5), ("b", 90.0)):
        (tmp_path / name).mkdir()
        for i in range(3):
            values = RNG.random((4, 4)) * level * (i > 0)  # those of level 0 lie between 0 and 1, as others may
            saved(tmp_path / name / f"{i}.tif", values.astype(np.float32))
    image_set = list_images(tmp_path, 4)
    assert image_set.form.learned
    assert image_set.load().max() > 50
    saved(tmp_path / "a" / "odd.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"odd.png defines the values.*1 such file.*6 other files have"):
        list_images(tmp_path, 4)


@pytest.mark.parametrize("range", [5, (1,), (2, 1), (1, 1), "01"])
def test_ranges_that_are_none(range):
    with pytest.raises(OptionError, match="range= is"):
        decoder(4, range=range)


@pytest.mark.parametrize("range", [(0, float("inf")), ("a", "b")])
def test_ends_of_ranges_that_are_no_numbers(range):
    with pytest.raises(OptionError, match=r"range is .*Expected a finite number"):
        decoder(4, range=range)

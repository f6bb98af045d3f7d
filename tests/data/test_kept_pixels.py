"""The check of image files decodes each once and keeps its pixels: the same that a file alone is decoded to."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image

import counterpoise as cp
from counterpoise.data import image_info, pixels
from counterpoise.data.decoded import RECORD, PixelCache
from counterpoise.data.image_set import Decode

rng = np.random.default_rng(0)


@pytest.fixture
def decoded(monkeypatch):
    """How often each file was decoded."""
    calls = Counter()

    def counting(path, *rest, **more):
        calls[str(path)] += 1
        return opened(path, *rest, **more)

    opened = pixels.opened
    for module in (pixels, image_info):
        monkeypatch.setattr(module, "opened", counting)
    return calls


def files(root, **made):
    """Two classes of images, three of each, in the types that are named."""
    for kind, how in made.items():
        for label in "ab":
            (root / label).mkdir(parents=True, exist_ok=True)
            for i in range(3):
                how(rng.integers(0, 256, (60, 50, 3), dtype=np.uint8), root / label / f"{kind}{i}")
    return root


def jpeg(values, path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(f"{path}.jpg", exif=exif)


def gray(values, path):
    Image.fromarray(values[..., 0]).save(f"{path}.jpg")


def clear(values, path):
    Image.fromarray(np.dstack([values, values[..., 0]])).save(f"{path}.png")


def clear_gray(values, path):
    Image.fromarray(values[..., :2].copy(), "LA").save(f"{path}.png")


def deep(values, path):
    Image.fromarray(values[..., 0].astype(np.uint16) * 200).save(f"{path}.png")


def alone(images):
    """The pixels of each file, decoded by itself."""
    decode = Decode(images.paths, images.size, images.form)
    return np.stack([decode(row) for row in range(len(images))])


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("mode", ["auto", "grayscale", "rgb"])
@pytest.mark.parametrize("made", [(jpeg, clear), (gray, clear_gray), (gray, jpeg), (clear, gray), (gray, deep)])
def test_pixels_of_the_check_are_those_of_the_files(tmp_path, made, mode, aspect):
    images = cp.images(
        files(tmp_path, **{f"{i}": how for i, how in enumerate(made)}), (12, 7), color_mode=mode, aspect=aspect
    )
    assert np.array_equal(images.load(), alone(images))
    assert images.load().dtype == alone(images).dtype


def test_a_file_is_decoded_once(tmp_path, decoded):
    images = cp.images(files(tmp_path, a=jpeg, b=clear), 8)
    for _ in range(2):
        images.load(), images.take(np.array([3, 0, 3])), images.at(np.array([5, 1])).load()
    assert decoded.total() == len(images) == 12


def test_a_wrong_guess_costs_a_second_decoding_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.data.kept_pixels.LOOKED_AT", 1)
    images = cp.images(files(tmp_path, a=gray, b=jpeg), 8)
    assert images.color_mode == "rgb"
    assert not images.kept.fits(images.size, images.form, images.deep)
    assert np.array_equal(images.load(), alone(images))


def test_damaged_files_take_no_place(tmp_path):
    files(tmp_path, a=jpeg, b=clear)
    whole = (tmp_path / "a" / "a1.jpg").read_bytes()
    (tmp_path / "a" / "a1.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "0.png").write_bytes(b"none")
    images = cp.images(tmp_path, 8, skip_bad=True)
    assert [path.split("/")[-1] for path, _ in images.bad] == ["0.png", "a1.jpg"]
    assert np.array_equal(images.load(), alone(images))
    chosen = images.at(np.array([9, 0, 4]))
    assert np.array_equal(chosen.load(), images.load()[[9, 0, 4]])


def test_images_read_in_another_form_are_decoded_again(tmp_path):
    images = cp.images(files(tmp_path, a=jpeg), 8)
    padded = cp.images(tmp_path, 8, aspect="pad", color_mode="grayscale")
    again = images.read_as(padded.form)
    assert np.array_equal(again.load(), padded.load())
    assert not np.array_equal(again.load(), images.load())


def test_without_room_files_are_checked_and_decoded_later(tmp_path, monkeypatch):
    kept = cp.images(files(tmp_path, a=jpeg), 8)
    monkeypatch.setattr(PixelCache, "with_room", lambda *_: None)
    images = cp.images(tmp_path, 8)
    assert images.kept is None
    assert np.array_equal(images.load(), kept.load())
    (tmp_path / "a" / "a0.jpg").write_bytes(b"\xff\xd8 none")
    with pytest.raises(cp.CounterpoiseError, match=r"a0\.jpg"):
        cp.images(tmp_path, 8)


def test_a_folder_keeps_pixels_for_later_runs(tmp_path, decoded):
    root, kept = files(tmp_path / "scans", a=jpeg, b=clear), tmp_path / "kept" / "pixels"
    first = cp.images(root, 8, cache=kept, aspect="pad")
    values, before = first.load(), decoded.total()
    again = cp.images(root, 8, cache=kept, aspect="pad")
    assert np.array_equal(again.load(), values)
    assert (again.notes, again.color_mode, again.deep) == (first.notes, first.color_mode, first.deep)
    assert decoded.total() == before == len(first)
    other = cp.images(root, 8, cache=kept)
    assert np.array_equal(other.load(), alone(other))
    jpeg(rng.integers(0, 256, (60, 50, 3), dtype=np.uint8), root / "a" / "a0")
    changed = cp.images(root, 8, cache=kept, aspect="pad")
    assert np.array_equal(changed.load(), alone(changed))
    assert not np.array_equal(changed.load(), values)


def test_what_a_killed_run_left_half_written_is_decoded_again(tmp_path, decoded):
    root, kept = files(tmp_path / "scans", a=jpeg), tmp_path / "kept"
    values = cp.images(root, 8, cache=kept).load()
    (path,) = kept.iterdir()
    with open(path, "r+b") as file:
        file.seek(2 * (8 * 8 * 3 + RECORD))
        file.write(bytes(8 * 8 * 3))  # the record is there, the pixels are not
    decoded.clear()
    assert np.array_equal(cp.images(root, 8, cache=kept).load(), values)
    assert decoded.total() == 1


def test_without_a_cache_every_draw_is_decoded(tmp_path, decoded):
    images = cp.images(files(tmp_path, a=jpeg), 8, cache=False)
    checked = decoded.total()
    assert np.array_equal(images.load(), cp.images(tmp_path, 8).load())
    images.take(np.arange(3))
    assert decoded.total() == checked + 6 + 6 + 3
    with pytest.raises(cp.CounterpoiseError, match=r"Expected a folder for decoded pixels"):
        cp.images(tmp_path, 8, cache=3)
    (tmp_path / "file").touch()
    with pytest.raises(cp.CounterpoiseError, match=r"which is not a folder"):
        cp.images(tmp_path, 8, cache=tmp_path / "file")

"""Folders of images and masks: what pairs them, what their values mean, and what is refused."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest
from PIL import Image

import counterpoise as cp
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.data.image_rows import image_examples
from counterpoise.data.images import images
from counterpoise.data.mask_files import mask_folders, pair_masks
from counterpoise.data.mask_sizes import shown_pixels, windows
from counterpoise.data.pixels import pixels


def gray(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)


def square(value=255, side=8, at=(2, 2), dtype="uint8"):
    out = np.zeros((side, side), dtype)
    out[at[0] : at[0] + 3, at[1] : at[1] + 3] = value
    return out


def folder(tmp_path, masks, side=8, ending="png", **options):
    """A folder of as many images as masks, one brightness each."""
    for number, mask in enumerate(masks):
        gray(tmp_path / "images" / f"p{number // 2}_{number}.png", np.full((side, side), 20 * number + 9, np.uint8))
        if mask is not None:
            gray(tmp_path / "masks" / f"p{number // 2}_{number}.{ending}", mask, **options)
    return tmp_path


@pytest.mark.parametrize("value", [1, 255, 7])
def test_two_values_are_two_classes_and_the_rarer_one_is_the_second(tmp_path, value):
    scans = images(folder(tmp_path, [square(value), square(0), square(value, at=(0, 0))]), 8)
    assert scans.classes == (0, value)
    assert scans.y.shape == (3, 8, 8)
    assert np.array_equal(scans.y[0], square(1))
    assert scans.y[1].max() == 0
    assert scans.counts.tolist() == [192 - 18, 18]
    assert scans.y.dtype == np.int8


def test_a_rare_background_is_the_second_class(tmp_path):
    scans = images(folder(tmp_path, [255 - square(), 255 - square()]), 8)
    assert scans.classes == (255, 0)
    assert np.array_equal(scans.y[0], square(1))


def test_both_folders_can_be_named(tmp_path):
    folder(tmp_path, [square(), square(0)])
    (tmp_path / "masks").rename(tmp_path / "lesions")
    scans = images(tmp_path / "images", size=8, masks=tmp_path / "lesions")
    assert scans.y.sum() == 9
    (tmp_path / "lesions").rename(tmp_path / "images" / "truth")  # masks below the images are no images
    assert len(images(tmp_path / "images", 8, masks=tmp_path / "images" / "truth")) == 2


def test_codes_palettes_bits_and_equal_channels_mean_the_same(tmp_path):
    codes = square(2) + square(1, at=(5, 5))
    palette = Image.fromarray(codes, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    for name, mask in {
        "gray": Image.fromarray(codes), "deep": Image.fromarray(codes.astype(np.uint16)), "palette": palette,
        "rgb": Image.fromarray(np.repeat(codes[..., None], 3, axis=2)),
        "alpha": Image.fromarray(np.dstack([codes] * 3 + [np.full_like(codes, 255)])),
        "float": Image.fromarray(codes.astype(np.float32)),
    }.items():  # fmt: skip
        gray(tmp_path / name / "images" / "a.png", np.full((8, 8), 7, np.uint8))
        (tmp_path / name / "masks").mkdir()
        mask.save(tmp_path / name / "masks" / ("a.tif" if name == "float" else "a.png"))
        scans = images(tmp_path / name, 8)
        assert scans.classes == (0, 1, 2), name
        assert np.array_equal(scans.y[0], codes), name


def test_gray_palettes_of_another_order_are_gray_values(tmp_path):
    folder(tmp_path, [square(), square(), square(0)])
    for number, (low, high) in enumerate([(0, 255), (255, 0)]):
        palette = Image.fromarray((square(1) if low == 0 else 1 - square(1)).astype(np.uint8), "P")
        palette.putpalette([low] * 3 + [high] * 3)
        palette.save(tmp_path / "masks" / f"p0_{number}.png")
    scans = images(tmp_path, 8)
    assert scans.classes == (0, 255)
    assert np.array_equal(scans.y[0], scans.y[1])


def test_a_palette_whose_entries_change_their_color_is_refused(tmp_path):
    folder(tmp_path, [square(1), square(1)])
    for number, color in enumerate([(255, 0, 0), (0, 255, 0)]):
        palette = Image.fromarray(square(1), "P")
        palette.putpalette([0, 0, 0, *color])
        palette.save(tmp_path / "masks" / f"p0_{number}.png")
    with pytest.raises(DataError, match=r"Entry 1 of the palette is .* Save the masks as gray images of class codes"):
        images(tmp_path, 8)


def test_files_of_one_bit_go_with_those_of_eight(tmp_path):
    folder(tmp_path, [square(), square()])
    Image.fromarray(square()).convert("1").save(tmp_path / "masks" / "p0_1.png")
    scans = images(tmp_path, 8)
    assert scans.classes == (0, 255)
    assert np.array_equal(scans.y[0], scans.y[1])


def test_ignored_values_and_what_lies_outside_count_nowhere(tmp_path):
    mask = square(1)
    mask[0] = 255
    scans = images(folder(tmp_path, [mask, square(1)]), 8, ignore=255)
    assert scans.classes == (0, 1)
    assert (scans.y[0][0] == -1).all()
    assert scans.counts.sum() == 128 - 8
    wide = tmp_path / "wide"
    gray(wide / "images" / "a.png", np.full((4, 8), 9, np.uint8))
    gray(wide / "masks" / "a.png", square(1)[:4])
    padded = images(wide, 8, aspect="pad")
    assert (padded.y[0][[0, 1, 6, 7]] == -1).all()
    assert np.array_equal(padded.y[0][2:6], square(1)[:4])


@pytest.mark.parametrize("aspect", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(32, 32), (48, 30), (21, 64), (10, 9)])
def test_masks_lie_where_their_images_lie(tmp_path, aspect, shape):
    """An image that is its own mask: the two agree but for the pixels on an edge."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 2, (4, 3)), np.ones((shape[0] // 4 + 1, shape[1] // 3 + 1)))
    mask = blocks[: shape[0], : shape[1]].astype(np.uint8) * 255
    gray(tmp_path / "images" / "a.png", mask)
    gray(tmp_path / "masks" / "a.png", mask)
    scans = images(tmp_path, (24, 20), aspect=aspect)
    shown = pixels(scans.paths[0], (24, 20), "grayscale", aspect=aspect)[..., 0]
    clear = ((shown < 20) | (shown > 235)) & (scans.y[0] >= 0)
    assert clear.sum() > 50
    assert ((np.array(scans.classes)[scans.y[0]] == 255) == (shown > 127))[clear].mean() > 0.97


def test_the_nearest_pixel_of_each_place():
    def pixels(size, side, aspect="stretch", others=(1, 1)):  # `others`: the side that sets the scale
        return shown_pixels(windows((size, others[0]), (side, others[1]), aspect)[0], size, side).tolist()

    assert pixels(4, 8) == [1, 3, 5, 7]  # the middle of two: the second
    assert pixels(3, 9) == [1, 4, 7]
    assert pixels(6, 2) == [0, 0, 0, 1, 1, 1]
    assert pixels(4, 10, "crop", (4, 5))[0] >= 2
    assert pixels(6, 4, "pad", (4, 4)) == [-1, 0, 1, 2, 3, -1]


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "gif"])
def test_any_ending(tmp_path, ending):
    assert images(folder(tmp_path, [square(), square(0)], ending=ending), 8).y.sum() == 9


@pytest.mark.parametrize("pattern", ["{}_mask", "{}_segmentation", "{}-GT", "mask_{}", "{} (mask)"])
def test_a_word_for_a_mask_in_the_name(tmp_path, pattern):
    folder(tmp_path, [square(), square(0)])
    for path in (tmp_path / "masks").iterdir():
        path.rename(path.with_name(pattern.format(path.stem) + ".png"))
    if "(" in pattern:
        with pytest.raises(DataError, match=r"2 files .* have no mask; 2 files .* of the mask folder have no image"):
            images(tmp_path, 8)
    else:
        assert images(tmp_path, 8).y.sum() == 9


def test_digits_after_a_point_are_a_part_of_the_name(tmp_path):
    """DICOM files are named by identifiers and have no ending."""
    for name in ("1.2.840.7", "1.2.840.8", "1.2.840"):
        gray(tmp_path / "images" / name, square(), format="PNG")
        gray(tmp_path / "masks" / f"{name}.png", square(), format="PNG")
    listed = [str(path) for path in sorted((tmp_path / "images").iterdir())]
    pairs, _ = pair_masks(listed, tmp_path / "images", tmp_path / "masks")
    assert sorted(pairs) == sorted(listed)
    for image, mask in pairs.items():
        assert mask.rsplit("/")[-1] == image.rsplit("/")[-1] + ".png"


@pytest.mark.parametrize("classes", [("covid", "normal"), ("train/covid", "train/normal"), ("one",)])
def test_masks_are_not_read_as_images_of_a_class(tmp_path, classes):
    for name in classes:
        folder(tmp_path / name, [square(), square(0)])
    with pytest.raises(DataError, match=r"masks contains masks of the images in .* move the masks out of"):
        images(tmp_path, 8)
    for name in classes:  # text files are no masks
        (tmp_path / name / "masks").rename(tmp_path / name / "labels")
        for path in (tmp_path / name / "labels").iterdir():
            path.rename(path.with_suffix(".txt"))
    if len(classes) > 1 and "/" not in classes[0]:
        assert images(tmp_path, 8, skip_bad=True).classes == classes


def test_masks_beside_the_images_of_a_class_are_noted(tmp_path, caplog):
    for kind in ("benign", "normal"):
        for name in ("x (1)", "x (1)_mask", "y", "z_mask"):
            gray(tmp_path / kind / f"{name}.png", square())
    with caplog.at_level(logging.WARNING, "counterpoise"):
        assert len(images(tmp_path, 8)) == 8
    assert "2 files look like masks of other images, such as" in caplog.text
    assert "x (1)_mask.png for" in caplog.text


def test_masks_in_the_folder_of_the_images_are_refused(tmp_path):
    for name in ("a", "a_mask"):
        gray(tmp_path / f"{name}.png", square())
    with pytest.raises(DataError, match=r"which also contains the images\. Expected a folder"):
        images(tmp_path, 8, masks=tmp_path)


@pytest.mark.parametrize("tag", [1, 3, 6])
def test_images_that_a_tag_rotates_are_noted_if_their_masks_have_no_tag(tmp_path, caplog, tag):
    folder(tmp_path, [square(), square()])
    exif = Image.Exif()
    exif[0x0112] = tag
    gray(tmp_path / "images" / "p0_0.png", square(), exif=exif)
    with caplog.at_level(logging.WARNING, "counterpoise"):
        images(tmp_path, 8)
    assert ("1 image is rotated or mirrored by the orientation in the file" in caplog.text) == (tag != 1)
    caplog.clear()
    gray(tmp_path / "masks" / "p0_0.png", square(), exif=exif)
    with caplog.at_level(logging.WARNING, "counterpoise"):
        images(tmp_path, 8)
    assert "rotated or mirrored" not in caplog.text


def test_a_name_that_contains_the_word_itself_goes_first(tmp_path):
    for name in ("a", "a_mask"):
        gray(tmp_path / "images" / f"{name}.png", square())
        gray(tmp_path / "masks" / f"{name}.png", square())
    pairs, notes = pair_masks(
        [str(p) for p in sorted((tmp_path / "images").iterdir())], tmp_path / "images", tmp_path / "masks"
    )
    assert [a.rsplit("/")[-1] == b.rsplit("/")[-1] for a, b in pairs.items()] == [True, True]
    assert notes == []


def test_files_without_a_partner_are_all_named_at_once(tmp_path, caplog):
    folder(tmp_path, [square(), None, square(), None])
    gray(tmp_path / "masks" / "other.png", square())
    with pytest.raises(DataError) as raised:
        images(tmp_path, 8)
    text = str(raised.value)
    assert "2 files (p0_1.png, p1_3.png) have no mask" in text
    assert "1 file (other.png) of the mask folder has no image" in text
    assert "contains only zeros" in text
    with caplog.at_level(logging.WARNING, "counterpoise"):
        assert len(images(tmp_path, 8, skip_bad=True)) == 2
    assert "p1_3.png" in caplog.text


def test_sizes_that_differ_and_damaged_masks_are_all_named_at_once(tmp_path):
    folder(tmp_path, [square(), square(side=9), square(), square()])
    (tmp_path / "masks" / "p1_2.png").write_bytes(b"no image")
    with pytest.raises(DataError) as raised:
        images(tmp_path, 8)
    assert "2 masks cannot be used" in str(raised.value)
    assert re.search(r"p0_1.png: 9 x 9 pixels, but its image has 8 x 8", str(raised.value))
    assert "p1_2.png: not an image" in str(raised.value)
    kept = images(tmp_path, 8, skip_bad=True)
    assert len(kept) == 2
    assert len(kept.bad) == 2
    assert kept.y.sum() == 18


def test_colors_are_refused_in_one_line(tmp_path):
    color = np.dstack([square(), square(0), square(0)])
    with pytest.raises(DataError, match=r"3 channels \(RGB\) with different values. Expected one class code") as raised:
        images(folder(tmp_path, [color, color]), 8)
    assert "\n" not in str(raised.value)


def test_several_frames_are_refused_in_one_line(tmp_path):
    folder(tmp_path, [square(), square()], ending="tif")
    pages = [Image.fromarray(square()), Image.fromarray(square(0))]
    pages[0].save(tmp_path / "masks" / "p0_0.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"p0_0.tif: 2 frames. Expected one class code"):
        images(tmp_path, 8)


def test_jpeg_and_smoothed_masks_are_split_in_the_middle(tmp_path, caplog):
    masks = [square(side=64, at=(k, k)) for k in (20, 30)]
    for mask in masks:
        mask[8:40, 8:30] = 255
    with caplog.at_level(logging.WARNING, "counterpoise"):
        scans = images(folder(tmp_path, masks, side=64, ending="jpg", quality=85), 64)
    assert "Values above 127 are read as 255" in caplog.text
    assert scans.classes == (0, 255)
    assert (scans.y == np.stack(masks) // 255).mean() > 0.99
    with pytest.raises(DataError, match=r"is a JPEG file\. JPEG changes pixel values"):
        images(folder(tmp_path / "b", [m // 2 for m in masks], side=64, ending="jpg", quality=30), 64)


def steps(many):
    """A white square with smoothed edges in `many` values, and a corner of 128."""
    mask = np.zeros((128, 128), np.uint8)
    mask[30:90, 30:90] = 255
    mask[30, 30 : 30 + many] = np.linspace(20, 235, many)
    mask[:4, :4] = 128
    return mask


def test_ignored_values_are_not_taken_for_smoothed_edges(tmp_path, caplog):
    root = folder(tmp_path, [steps(60), steps(58)], side=128)
    assert images(root, 128).classes == (0, 255)
    with pytest.raises(DataError, match="ignore= contains 128, but the masks have"):
        images(root, 128, ignore=128)
    with caplog.at_level(logging.WARNING, "counterpoise"):
        images(folder(tmp_path / "few", [steps(4)], side=128), 128, ignore=128)
    assert "have 6 values from 0 to 255, which are read as 6 classes" in caplog.text


def test_one_class_that_was_saved_as_1_and_as_255_is_noted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "counterpoise"):
        root = folder(tmp_path, [square(1), square(255), square(255, at=(0, 0))])
        assert images(root, 8).classes == (0, 1, 255)
        assert "1 masks contain the value 1, 2 contain 255, and none contains both" in caplog.text
        caplog.clear()
        assert images(root, 8, ignore=255).classes == (0, 1)
        void = square(1)
        void[0] = 255
        images(folder(tmp_path / "both", [void, square(255)]), 8)
    assert "none contains both" not in caplog.text
    assert "The value 255 is read as a class, in addition to 2 classes from 0 to 1" in caplog.text


def test_classes_that_an_image_loses_are_noted(tmp_path, caplog):
    dot = np.zeros((32, 32), np.uint8)
    dot[3, 3] = 255
    with caplog.at_level(logging.WARNING, "counterpoise"):
        images(folder(tmp_path, [dot, square(side=32)], side=32), 4)
    assert "class 255 in 1 masks" in caplog.text


def test_masks_of_one_class_are_refused(tmp_path):
    with pytest.raises(TargetError, match="all of one class"):
        images(folder(tmp_path, [square(0), square(0)]), 8)


def test_the_layout_of_a_split(tmp_path):
    for part in ("train", "valid", "test"):
        folder(tmp_path / part, [square(), square(0)])
    assert [examples.part for examples in mask_folders(tmp_path)] == ["test", "train", "validation"]
    scans = images(tmp_path, 8)
    assert len(scans) == 6
    assert len(scans.part("train")) == 2
    assert scans.part("test").y.sum() == 9


def test_patients_from_the_name_and_copies_become_groups(tmp_path):
    scans = images(folder(tmp_path, [square(), square(0), square(), square()]), 8, groups_from="(p[0-9]+)_")
    examples = image_examples(scans)
    assert examples.kind == "elements"
    assert examples.groups.tolist() == [0, 0, 1, 1]
    assert examples.classes == (0, 255)
    assert examples.y.shape == (4, 8, 8)
    assert examples.x.shape == (4, 8, 8, 1)


@pytest.mark.parametrize("ignore", [255, 255.0, np.uint8(255), [255], (255,), {255}, range(255, 256), np.array([255])])
def test_ignored_values_in_any_form(tmp_path, ignore):
    mask = square(1)
    mask[0] = 255
    root = folder(tmp_path, [mask, square(1)])
    assert images(root, 8, ignore=ignore).classes == (0, 1)
    assert images(root, 8, ignore=None).classes == (0, 1, 255)


@pytest.mark.parametrize("ignore", ["255", 0.5, True, [None], float("nan"), 1j])
def test_ignored_values_that_are_no_whole_numbers_are_refused(tmp_path, ignore):
    with pytest.raises(OptionError, match="ignore= is "):
        images(folder(tmp_path, [square(1), square(0)]), 8, ignore=ignore)


def test_options_that_contradict_are_refused(tmp_path):
    folder(tmp_path, [square(), square(0)])
    with pytest.raises(OptionError, match="augment= would change the images"):
        images(tmp_path, 8, augment="auto")
    with pytest.raises(OptionError, match="ignore= is '255'"):
        images(tmp_path, 8, ignore="255")
    with pytest.raises(OptionError, match="A table of images with masks"):
        images({"scan": ["a"]}, 8, images="scan", masks=tmp_path / "masks")
    with pytest.raises(DataError, match="is not a folder"):
        images(tmp_path / "images", 8, masks=tmp_path / "absent")
    for kind in ("a", "b"):
        gray(tmp_path / "classes" / kind / "x.png", square())
    with pytest.raises(OptionError, match="ignore= is a value of masks"):
        images(tmp_path / "classes", 8, ignore=255)


def test_it_is_public(tmp_path):
    folder(tmp_path, [square(), square(0)])
    assert cp.images(tmp_path / "images", masks=tmp_path / "masks", size=4).y.shape == (2, 4, 4)

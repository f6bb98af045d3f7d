"""Folders of images: listed, checked at once, decoded when drawn."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from counterpoise import plans
from counterpoise.core.errors import DataError, OptionError, TargetError
from counterpoise.core.examples import Pictures
from counterpoise.data.images import decoder, images, list_unlabeled, read_images
from counterpoise.data.split import make_folds
from counterpoise.feed.batching import batches


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, count in (("normal", 10), ("ill", 3)):
        (tmp_path / name).mkdir()
        for i in range(count):
            pixels = rng.integers(0, 256, (9, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_sub_folders_are_classes_and_pixels_are_those_of_the_files(folder):
    image_set = images(folder, (9, 8))
    assert image_set.classes == ("ill", "normal")
    assert image_set.counts.tolist() == [3, 10]
    assert image_set.color_mode == "grayscale"
    assert image_set.shape == (13, 9, 8, 1)
    rows = np.array([4, 0, 4])
    want = [np.asarray(Image.open(image_set.paths[i]))[..., None] for i in rows]
    assert np.array_equal(image_set.take(rows), want)
    assert np.array_equal(image_set.load(), image_set.take(np.arange(13)))


def test_images_are_resized_and_colored(folder):
    Image.fromarray(np.zeros((20, 30, 3), np.uint8) + 7).save(folder / "ill" / "big.jpg")
    Image.fromarray(np.full((5, 5), 65535, np.uint16)).save(folder / "ill" / "deep.png")
    image_set = images(folder, 8)
    assert image_set.color_mode == "rgb"
    assert image_set.take(np.arange(len(image_set))).shape == (15, 8, 8, 3)
    names = [path.rsplit("/", 1)[1] for path in image_set.paths]
    assert np.all(image_set.take(np.array([names.index("deep.png")])) == 255)
    assert np.abs(image_set.take(np.array([names.index("big.jpg")])).astype(int) - 7).max() <= 2


def test_all_bad_files_are_named_at_once(folder):
    good = (folder / "ill" / "0.png").read_bytes()
    (folder / "ill" / "cut.png").write_bytes(good[: len(good) // 2])
    (folder / "normal" / "notes.txt").write_text("hello")
    (folder / "normal" / "nothing.png").touch()
    (folder / "normal" / ".hidden").write_text("ignored")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(folder / "ill" / "a.jpg")
    whole = (folder / "ill" / "a.jpg").read_bytes()
    (folder / "ill" / "a.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError) as caught:
        images(folder, 8)
    message = str(caught.value)
    assert "4 files" in message
    for name in ("cut.png: damaged", "notes.txt: not an image", "nothing.png: empty", "a.jpg: damaged", "--skip-bad"):
        assert name in message
    image_set = images(folder, 8, skip_bad=True)
    assert len(image_set) == 13
    assert len(image_set.bad) == 4
    assert "\n" not in message


def test_feeds_decode_when_drawn_and_balance_by_plan(folder):
    image_set = images(folder, 8, augment=keras.layers.RandomFlip("horizontal"))
    feed = batches(image_set, plan=plans.oversample(image_set.y), batch_size=20)
    x, y = feed[0]
    assert x.shape == (20, 8, 8, 1)
    assert np.bincount(y).tolist() == [10, 10]
    assert np.array_equal(x, feed[0][0])
    streamed = next(iter(feed.as_dataset(epochs=1)))
    assert np.array_equal(streamed[0], x)


def test_a_model_trains_from_a_folder(folder):
    image_set = images(folder, 8)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(batches(image_set, plan=plans.undersample(image_set.y), batch_size=4, workers=2), epochs=2, verbose=0)


def test_examples_hold_pixels_labels_and_duplicates(folder):
    (folder / "normal" / "copy.png").write_bytes((folder / "ill" / "0.png").read_bytes())
    examples = read_images(folder, 8, positive="ill")
    assert examples.classes == ("normal", "ill")
    assert examples.x.shape == (14, 8, 8, 1)
    assert examples.counts.tolist() == [11, 3]
    assert len(np.unique(examples.duplicate_ids)) == 13
    assert np.array_equal(examples.groups, examples.duplicate_ids)
    assert examples.warnings == (
        "1 of 14 images are copies of an earlier image; copies stay on the same side of each split.",
    )
    (folder / "normal" / "copy.png").unlink()
    assert read_images(folder, 8).groups is None


def test_copies_are_on_one_side_of_every_split(folder):
    for i in range(6):
        (folder / "ill" / f"again{i}.png").write_bytes((folder / "ill" / f"{i % 3}.png").read_bytes())
        (folder / "normal" / f"again{i}.png").write_bytes((folder / "normal" / f"{i}.png").read_bytes())
    examples = read_images(folder, 8)
    for duplicates in ("warn", "group"):
        for fold in make_folds(examples, 2, duplicates=duplicates):
            assert not np.intersect1d(
                examples.duplicate_ids[fold.test], examples.duplicate_ids[np.append(fold.train, fold.stop)]
            ).size


def test_numbers_as_folder_names_are_numbers(tmp_path):
    for name in "01":
        (tmp_path / name).mkdir()
        for i in range(2):
            Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / name / f"{i}.png")
    assert read_images(tmp_path, 4, positive=0).classes == (1, 0)


def test_unlabeled_images_are_found_at_any_depth(folder):
    assert list_unlabeled(folder, (8, 8), Pictures("grayscale")).load().shape == (13, 8, 8, 1)


def test_a_decoder_serves_lists_of_paths(folder):
    image_set = images(folder, 8)
    feed = batches(list(image_set.paths), image_set.y, load=decoder(8, "grayscale"), batch_size=13)
    rows = feed.rows(0, 0)
    assert np.array_equal(feed[0][0], image_set.take(rows))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda f: images(f / "none", 8), DataError, "is not a folder"),
        (lambda f: images(f / "ill", 8), DataError, "no sub-folders"),
        (lambda f: images(f, 0), OptionError, "size is 0"),
        (lambda f: images(f, (1, 2, 3)), OptionError, "height, width"),
        (lambda f: images(f, 8, color_mode="red"), OptionError, "color_mode is 'red'"),
        (lambda f: decoder(8, "auto"), OptionError, "color_mode is 'auto'"),
    ],
)
def test_bad_arguments(folder, make, error, words):
    with pytest.raises(error, match=words):
        make(folder)


def test_one_class_is_refused(folder):
    for path in (folder / "ill").iterdir():
        path.unlink()
    with pytest.raises(TargetError, match=r"all of one class \('normal'\)"):
        images(folder, 8)

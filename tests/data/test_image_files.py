"""Which sub-folders are classes: those of a split and those of the system are not."""

from __future__ import annotations

import pytest

from counterpoise.core.errors import DataError
from counterpoise.data.image_files import files_below, labeled_files, part_of_split


def made(root, *files):
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("train/a/1.png", "train/b/1.png", "test/1.png"), ("(test, train)", "/train (it contains a, b)")),
        (("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"), ("(test, train)",)),
        (("TRAIN/a/1.png", "Val/a/1.png", "tEsT/b/1.png"), ("TRAIN", "look like the parts of a split")),
        (("training_set/a/1.png", "test_set/a/1.png"), ("training_set (it contains a)",)),
        (("01-train/a/1.png", "02-dev/a/1.png", "notes/1.txt"), ("01-train",)),
        (("train2017/1.png", "val2017/1.png"), ("train2017",)),
        (("train/1.png", "testing/1.png"), ("testing, train",)),
        (("train/a/1.png", "train/b/1.png", "extra/1.png"), ("(train)",)),
        (("train_1/a.png", "train_2/a.png"), ("train_1",)),
        (("set/train/a/1.png", "set/validation/a/1.png"), ("/set (train, validation)",)),
        (("a/train/1.png", "a/test/1.png", "b/train/1.png", "b/test/1.png"), ("read together", "-train/a")),
    ],
)
def test_the_parts_of_a_split_are_refused_with_a_way_on(tmp_path, files, words):
    with pytest.raises(DataError) as caught:
        labeled_files(made(tmp_path, *files))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "Expected" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "files",
    [
        ("car/1.png", "train/1.png", "bus/1.png"),  # a train is a thing to look at
        ("valid/1.png", "invalid/1.png"),
        ("test strip/1.png", "contest/1.png", "latest/1.png"),
        ("a/scanner 1/1.png", "a/scanner 2/1.png", "b/scanner 1/1.png"),
    ],
)
def test_classes_stay_classes(tmp_path, files):
    listed = labeled_files(made(tmp_path, *files))
    assert set(listed.labels) == {name.split("/")[0] for name in files}
    assert (listed.split, listed.empty) == (None, [])


def test_a_split_of_classes_is_taken_as_it_is(tmp_path):
    files = ("Train/a/1.png", "Train/b/deep/2.png", "01-val/a/1.png", "01-val/b/3.png", "test_set/a/1.png")
    listed = labeled_files(made(tmp_path, *files))
    assert {p.removeprefix(f"{tmp_path}/") for p in listed.paths} == set(files)
    by_path = {p: (label, part) for p, label, part in zip(listed.paths, listed.labels, listed.split, strict=True)}
    assert by_path[f"{tmp_path}/Train/b/deep/2.png"] == ("b", "train")
    assert by_path[f"{tmp_path}/test_set/a/1.png"] == ("a", "test")
    assert sorted(listed.split) == ["test", "train", "train", "validation", "validation"]


@pytest.mark.parametrize("name", ["seg_{}", "imagenet-{}", "{}_fold", "{} of 2024", "Fold {}"])
def test_a_word_that_all_parts_share_hides_no_split(tmp_path, name):
    parts = {name.format(part): role for part, role in (("train", "train"), ("Val", "validation"), ("test", "test"))}
    files = labeled_files(made(tmp_path, *(f"{folder}/{c}/1.png" for folder in parts for c in "ab")))
    assert (set(files.labels), files.inside) == ({"a", "b"}, [])
    assert [parts[path.removeprefix(f"{tmp_path}/").split("/")[0]] for path in files.paths] == files.split


def test_classes_that_hold_the_same_folders_are_known(tmp_path):
    """They may be the parts of a split in words of another language."""
    files = [f"{part}/{c}/1.png" for part in ("prueba", "entrenamiento") for c in "ab"]
    assert labeled_files(made(tmp_path, *files)).inside == ["a", "b"]
    assert labeled_files(made(tmp_path, "prueba/c/1.png")).inside == []


def test_what_systems_leave_is_no_image_and_no_class(tmp_path):
    left = (
        "a/THUMBS.DB", "a/Desktop.INI", "b/.DS_Store", "b/._1.png", "__macosx/a/1.png", "__MACOSX/b/1.png",
        "@eaDir/x.jpg", "#recycle/y.jpg", ".hidden/1.png", "a/.cache/2.png", "b/Thumbs.db",
    )  # fmt: skip
    paths, labels, _, empty, _ = labeled_files(made(tmp_path, "a/1.png", "b/deep/2.png", "c/desktop.ini", *left))
    assert [p.removeprefix(f"{tmp_path}/") for p in paths] == ["a/1.png", "b/deep/2.png"]
    assert (labels, empty) == (["a", "b"], ["c"])
    assert files_below(tmp_path) == paths


def test_a_name_is_a_part_when_it_says_nothing_else():
    assert {part_of_split(n) for n in ("train", "TRAINING", "x_train", "data-train", "train-images", "Trainset")} == {
        "train"
    }
    assert {part_of_split(n) for n in ("training wheels", "protest", "tested", "", "42", "devil", "ill")} == {""}

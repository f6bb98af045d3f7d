"""A table of images: which files its names mean, what belongs to them, and what is refused, all of it at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

import counterpoise as cp
from counterpoise.core.errors import ColumnError, CounterpoiseError, DataError, OptionError, SplitError, TargetError
from counterpoise.core.examples import TEST, TRAIN
from counterpoise.data.given_split import check_divisible, given_fold
from counterpoise.data.image_names import FileFinder, image_names_of
from counterpoise.data.image_rows import image_examples
from counterpoise.data.images import images, read_images
from counterpoise.data.row_metadata import joined_groups


@pytest.fixture(name="root")
def _root(tmp_path):
    """Gray pictures of one value each: the file NAME holds its number in the list."""
    names = ("a/001.png", "a/002.PNG", "b/003.png", "b/004.jpg", "b/été 5.png", "notes.txt", "b/001.txt")
    for value, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name.endswith("txt"):
            (tmp_path / name).write_text("no image")
        else:
            Image.fromarray(np.full((4, 4), 10 * value, np.uint8)).save(tmp_path / name)
    return tmp_path


ROWS = {
    "image": ["a/001.png", "002", "B/003.PNG", " 004.jpg ", "e\u0301te\u0301 5"],  # as another system writes it
    "dx": ["mel", "nv", "nv", "mel", "nv"],
    "patient": ["p1", "p1", "p2", "p3", "p4"],
}


def drawn(pixels):
    return pixels.load()[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("kind", ["csv", "pandas", "polars", "dict"])
def test_names_mean_files_with_or_without_ending_and_folder(root, kind):
    rows = ROWS
    if kind == "csv":
        rows = root / "labels.csv"
        pl.DataFrame(ROWS).write_csv(rows)
    elif kind != "dict":
        rows = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[kind](ROWS)
    image_set = images(rows, 4, images="image", root=None if kind == "csv" else root, target="dx", groups="patient")
    assert drawn(image_set) == [0, 10, 20, 30, 40]
    assert (image_set.classes, image_set.y.tolist()) == (("mel", "nv"), [0, 1, 1, 0, 1])
    examples = image_examples(image_set, positive="mel")
    assert (examples.classes, examples.groups.tolist()) == (("nv", "mel"), [0, 0, 1, 2, 3])


def test_a_name_is_text_whatever_its_column_holds(root):
    assert image_names_of(pl.Series([2.0, None])) == ["2", None]
    (root / "7.png").write_bytes((root / "a" / "001.png").read_bytes())
    for column in ([7, 7], [7.0, 7.0], ["7", "007.png"][:1] * 2):
        assert images({"i": column, "y": [1, 1]}, 4, images="i", root=root).paths == (str(root / "7.png"),)


def test_the_nearest_meaning_goes_first_and_two_files_are_separated(root):
    for name in ("001.png", "c/x.png", "d/x.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    names = FileFinder(root)
    assert names.find("001.png") == [str(root / "001.png")]
    assert names.find("b/004") == [str(root / "b" / "004.jpg")]
    assert names.find("scans/b/004.jpg") == names.find("B/004.JPG") == [str(root / "b" / "004.jpg")]
    assert names.find("c/004.jpg") == names.find("c/b/d/004") == [], "another folder is another image"
    assert names.find(str(root / "c/x.png")) == [str(root / "c/x.png")]
    with pytest.raises(ColumnError, match=r"'x' of column 'i' matches 2 files \(c/x.png, d/x.png\)"):
        images({"i": ["x"], "y": [1]}, 4, images="i", root=root, target="y")


@pytest.mark.parametrize("form", [".", "./", "absolute", "../{name}"])
def test_a_folder_may_be_written_in_any_way(root, form, monkeypatch):
    monkeypatch.chdir(root)
    names = FileFinder(Path(str(root) if form == "absolute" else form.format(name=root.name)))
    for name in ("a/001.png", "a/001", "./a//001.png", "001", "A\\001.PNG"):
        (path,) = names.find(name)
        assert (root / path).resolve() == (root / "a" / "001.png").resolve()


def test_missing_files_and_labels_are_named_at_once_or_left_out(root):
    rows = {"image": ["001", "gone", "004", "lost/9.png", None, "003"], "dx": ["mel", "nv", "nv", "nv", "nv", None]}
    with pytest.raises(ColumnError, match="empty in row 5"):
        images(rows, 4, images="image", root=root, target="dx")
    rows["image"][4] = "gone too"
    with pytest.raises(DataError, match=r"3 images \(gone, lost/9.png, gone too\).*--skip-bad"):
        images(rows, 4, images="image", root=root, target="dx")
    rows["image"] = ["001", "002", "004", "003", "été 5", "003"]
    with pytest.raises(TargetError, match="'dx' is missing in row 6"):
        images(rows, 4, images="image", root=root, target="dx")
    rows["image"] = ["001", "gone", "004", "lost/9.png", None, "003"]
    image_set = images(rows, 4, images="image", root=root, target="dx", skip_bad=True)
    assert drawn(image_set) == [0, 30]
    assert [note.split(", because")[0] for note in image_set.notes] == [
        "Left out row 5", "Left out rows 2, 4", "Left out row 6"]  # fmt: skip


def test_rows_of_one_image_are_one_or_a_conflict(root):
    rows = {"i": ["001", "a/001.png", "002", "003"], "y": [1, 1, 0, 0], "p": [5, 5, 6, 6], "s": ["train"] * 4}
    image_set = images(rows, 4, images="i", root=root, target="y", groups="p", split="s")
    assert (len(image_set), image_set.counts.tolist()) == (3, [2, 1])
    assert "1 row repeats the image" in image_set.notes[0]
    for column, values in (("y", [1, 0, 0, 0]), ("p", [5, 6, 6, 6]), ("s", ["train", "test", "train", "train"])):
        odd = rows | {column: values}
        how = {"images": "i", "root": root, "target": "y", "groups": "p", "split": "s"}
        with pytest.raises(ColumnError, match=rf"'a/001.png' has two values in column '{column}'.*row 1.*row 2"):
            images(odd, 4, **how)
        assert len(images(odd | {"y": [*odd["y"][:3], 1]}, 4, **how, skip_bad=True)) == 2


@pytest.mark.parametrize("role", ["time", "sample_weight"])
def test_no_time_or_weight_of_an_image_is_lost(root, role):
    rows = {"i": ["001", "a/001.png", "002", "003"], "y": [1, 1, 0, 0], "n": [2.0, 9.0, 1.0, 1.0]}
    how = {"images": "i", "root": root, "target": "y", role: "n"}
    with pytest.raises(ColumnError, match=r"two values in column 'n': 2.0 in row 1 and 9.0 in row 2"):
        images(rows, 4, **how)
    assert len(images(rows | {"n": [2.0, 2.0, 1.0, 1.0]}, 4, **how)) == 3


@pytest.mark.parametrize("target", [("mel", "nv", "bcc"), "mel,nv,bcc", "mel, nv, bcc"])
def test_columns_of_0_and_1_are_one_class(root, target):
    rows = {"image": ["001", "002", "003", "004"], "mel": [1, 0, 0, 0], "nv": [0.0, 1.0, 1.0, 0.0],
            "bcc": [False, False, False, True]}  # fmt: skip
    image_set = images(rows, 4, images="image", root=root, target=target)
    assert [image_set.classes[code] for code in image_set.y] == ["mel", "nv", "nv", "bcc"]
    for odd in ([1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, -1], [1, None, 0, 0]):
        several = images(rows | {"mel": odd}, 4, images="image", root=root, target=target)
        assert several.y[:, 0].tolist() == [-1 if value is None else value for value in odd]
        assert several.classes == ("mel", "nv", "bcc")
    with pytest.raises(TargetError, match="Label 'mel' is 2"):
        images(rows | {"mel": [2, 0, 0, 0]}, 4, images="image", root=root, target=target)


def test_groups_come_from_names_and_copies_join_them(root):
    for name in ("p1_1", "p1_2", "p2_1", "p3_1"):
        Image.fromarray(np.full((4, 4), len(name) + int(name[1]), np.uint8)).save(root / "a" / f"{name}.png")
    (root / "a" / "p3_2.png").write_bytes((root / "a" / "p2_1.png").read_bytes())
    rows = {"i": ["p1_1", "p1_2", "p2_1", "p3_1", "p3_2"], "y": [0, 1, 0, 1, 0]}
    how = {"images": "i", "root": root, "target": "y"}
    examples = read_images(rows, 4, **how, groups_from="(?P<patient>[^_]+)_")
    assert examples.groups.tolist() == [0, 0, 1, 1, 1]  # the copy makes two patients one
    assert "copies of an earlier image" in examples.warnings[-1]
    assert images(rows, 4, **how, groups_from="(.)/p.").metadata.groups.to_list() == ["a"] * 5
    with pytest.raises(DataError, match="does not match 5 images"):
        images(rows, 4, **how, groups_from="x(.)")
    with pytest.raises(OptionError, match="regular expression"):
        images(rows, 4, **how, groups_from="(")
    with pytest.raises(OptionError, match="cannot be combined"):
        images(rows, 4, **how, groups="y", groups_from="(.)")


def test_copies_with_times_are_no_groups(root):
    (root / "a" / "again.png").write_bytes((root / "a" / "001.png").read_bytes())
    names = [path.stem for path in sorted((root / "a").iterdir())]
    rows = {"i": names, "y": np.arange(len(names)) % 2, "day": np.arange(len(names))}
    examples = read_images(rows, 4, images="i", root=root, target="y", time="day")
    assert examples.groups is None
    assert examples.warnings[-1] == f"1 of {len(names)} images are copies of an earlier image."


def test_groups_join_through_others():
    assert joined_groups(np.array([0, 1, 2, 3, 4]), np.array([0, 0, 1, 2, 1])).tolist() == [0, 0, 1, 2, 1]
    assert joined_groups(np.array([0, 1, 1, 2]), np.array([3, 3, 4, 4])).tolist() == [0, 0, 0, 0]


def test_rows_say_what_they_do(root):
    rows = ROWS | {"part": ["train", "train", "train", "test", "test"]}
    scans = images(rows, 4, images="image", root=root, target="dx", split="part")
    assert image_examples(scans).split.tolist() == [TRAIN] * 3 + [TEST] * 2
    with pytest.raises(OptionError, match="training and test images"):
        cp.batches(scans)
    assert drawn(scans.part("test")) == [30, 40]
    assert cp.batches(scans.part("train"), batch_size=2).num_batches == 2
    with pytest.raises(OptionError, match="no image"):
        scans.part("val")


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"images": "img"}, ColumnError, "Did you mean 'image'"),
        ({"images": "image", "target": "dxx"}, TargetError, "Did you mean 'dx'"),
        ({"images": "image", "target": "dx", "groups": "who"}, ColumnError, "'who' is not a column"),
        ({"target": "dx"}, OptionError, "--images"),
        ({"images": "image", "features": "sex,agee"}, ColumnError, "'sex' is not a column"),
    ],
)
def test_columns_that_are_absent(root, how, error, words):
    with pytest.raises(error, match=words):
        images(ROWS, 4, root=root, **how)


@pytest.mark.parametrize(
    ("given", "how", "words"),
    [
        ({"who": [1, 1, None, 2, 2]}, {"groups": "who"}, "groups='who' has no value in row 3"),
        ({"part": ["train", "test", "train", "fold", "test"]}, {"split": "part"}, "split='part' contains 'fold'"),
        ({"study": [1, 1, None, 2, 2]}, {"unit": "study"}, "unit='study' has no value in row 3"),
        ({}, {"unit": "dx", "aggregate": "median"}, "aggregate is 'median'"),
        ({}, {"groups_from": "(?P<patient"}, "groups_from"),
        ({}, {"groups_from": "(?P<patient>0+)"}, r"does not match 1 image \(été 5.png\)"),
        ({"dx": ["nv"] * 5}, {}, r"all of one class \('nv'\)"),
    ],
)
def test_what_is_wrong_with_a_table_is_raised_before_files_are_decoded(root, given, how, words, monkeypatch):
    monkeypatch.setattr("counterpoise.data.images.sound_files", None)
    with pytest.raises(CounterpoiseError, match=words):
        images(ROWS | given, 4, images="image", root=root, target="dx", **how)


@pytest.mark.parametrize(
    ("given", "how", "words"),
    [
        ({}, {"positive": "mal"}, "positive='mal' is not a class of target 'dx'"),
        ({"dx": ["a", "b", "c", "a", "b"]}, {"positive": "a"}, "one_vs_rest"),
        ({}, {"check": partial(check_divisible, folds=2)}, "class 'mel' has 2 rows, too few for 2 folds"),
        ({}, {"check": check_divisible}, "class 'mel' has 2 rows, of which 0 are among the held-out rows"),
        ({"part": ["train"] * 4 + ["test"]}, {"split": "part", "check": check_divisible},
         "class 'mel' has 0 rows among the test rows"),
        ({"part": ["train"] * 5}, {"split": "part", "check": check_divisible}, "split= names marks no test row"),
        ({"part": ["train", "test"] * 2 + ["test"]}, {"split": "part", "groups": "patient", "check": check_divisible},
         "for example a/001.png and a/002.PNG"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_used_are_named_before_files_are_decoded(root, given, how, words, monkeypatch):
    monkeypatch.setattr("counterpoise.data.images.sound_files", None)
    with pytest.raises(CounterpoiseError, match=words):
        read_images(ROWS | given, 4, images="image", root=root, target="dx", **how)


def test_images_are_shown_in_one_line(root):
    image_set = images(ROWS, 4, images="image", root=root, target="dx")
    assert (
        repr(image_set) == f"ImageSet({len(image_set)} images of {root}, shape=(4, 4, 1), counts={{'mel': 2, 'nv': 3}})"
    )


def test_a_group_on_two_sides_of_a_given_split_is_named_by_its_images(root):
    rows = {"i": ["001", "002", "003", "004"], "y": [0, 1, 0, 1], "p": [1, 2, 3, 1], "s": ["train"] * 3 + ["test"]}
    scans = images(rows, 4, images="i", root=root, target="y", groups="p", split="s")
    with pytest.raises(SplitError, match=r"for example a/001.png and b/004.jpg"):
        given_fold(image_examples(scans))
    assert cp.diagnose(scans, quick=False).record.groups == 3


def test_images_without_labels_are_for_prediction(root):
    image_set = images(ROWS, 4, images="image", root=root)
    assert len(image_set) == 5
    with pytest.raises(TargetError, match="have no labels"):
        image_examples(image_set)

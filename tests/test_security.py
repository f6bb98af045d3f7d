"""What SECURITY.md says of files: nothing in them is executed."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from command_line import run_command

import counterpoise as cp
from counterpoise.classifier import archive as zipped
from counterpoise.classifier.file import SCORES
from counterpoise.classifier.loading import configuration_of, load_model
from counterpoise.core.errors import ArtifactError

RNG = np.random.default_rng(0)
Y = (np.arange(80) % 4 == 0).astype(int)
X = RNG.normal(size=(80, 2)).astype("float32")


@pytest.fixture(scope="module", name="saved")
def _saved(tmp_path_factory):
    return cp.fit("mlp", X, Y, epochs=1, verbose=0).save(tmp_path_factory.mktemp("saved") / "m.keras")


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def with_part(source: Path, target: Path, name: str, content: bytes) -> Path:
    """The archive with one member replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    return target


@pytest.fixture(name="with_code")
def _with_code(tmp_path):
    """A Keras file whose layer writes a file when it is called, and that file."""
    sign = tmp_path / "sign"
    inputs = keras.Input((2,))

    def code(v, path=str(sign)):
        open(path, "w").close()
        return v

    layer = keras.layers.Lambda(lambda v, code=code: code(v), output_shape=(2,))
    keras.Model(inputs, keras.layers.Dense(1)(layer(inputs))).save(tmp_path / "code.keras")
    sign.unlink(missing_ok=True)
    return tmp_path / "code.keras", sign


def test_code_in_a_classifier_is_refused(saved, with_code, tmp_path):
    file, sign = with_code
    with zipfile.ZipFile(file) as archive:
        config = archive.read("config.json")
    bad = with_part(saved, tmp_path / "bad.keras", "config.json", config)
    with pytest.raises(ArtifactError, match=r"cannot be read: it contains a Lambda layer.*Write it as a layer class"):
        cp.load(bad)
    assert not sign.exists()


def test_code_in_a_model_to_be_trained_is_refused(with_code, tmp_path):
    file, sign = with_code
    (tmp_path / "rows.csv").write_text("a,b,ill\n" + "1,2,yes\n3,4,no\n" * 20)
    rest = ("--target", "ill", "--strategy", "none", "--out", tmp_path / "m.keras")
    done = run_command("train", tmp_path / "rows.csv", "--model", file, *rest)
    assert done.code == 2
    assert "it contains a Lambda layer" in done.err
    assert not sign.exists()


def test_a_model_compiled_and_never_trained_is_read_without_a_word(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "binary_crossentropy")
    model.save(tmp_path / "plain.keras")
    with zipped.checked_archive(tmp_path / "plain.keras") as archive, warnings.catch_warnings(action="error"):
        load_model(archive, configuration_of(archive), compile=True)


def test_a_pickle_in_a_classifier_is_refused(saved, tmp_path):
    sign, held = tmp_path / "sign", io.BytesIO()
    np.savez(held, y=np.array([Bomb(sign)], dtype=object))
    bad = with_part(saved, tmp_path / "bad.keras", SCORES, held.getvalue())
    with pytest.raises(ArtifactError, match=r"stored scores contain 'y\.npy', which is not a plain array"):
        cp.load(bad)
    assert not sign.exists()
    np.load(io.BytesIO(held.getvalue()), allow_pickle=True)["y"]
    assert sign.exists()  # the bomb is live

"""The first import of Keras: quiet on the command line, and what is missing is named with what to do."""

from __future__ import annotations

import os
import re
import sys

import pytest

from counterpoise.core.errors import ArtifactError, MissingExtraError
from counterpoise.core.keras_import import import_keras_quietly, importing_keras


@pytest.fixture(name="keras_is")
def _keras_is(tmp_path, monkeypatch):
    """A module in Keras's place."""

    def put(text):
        (tmp_path / "keras.py").write_text(text)
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    return put


@pytest.mark.parametrize(("level", "printed"), [("3", "heard again"), ("0", "noiseheard again")])
def test_the_import_is_silent_unless_the_log_is_wanted(keras_is, monkeypatch, capfd, level, printed):
    keras_is("import os\nos.write(2, b'noise')\n")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    import_keras_quietly()
    os.write(2, b"heard again")
    assert capfd.readouterr().err == printed


def test_a_backend_that_is_missing_is_named_and_standard_error_comes_back(keras_is, monkeypatch, capfd):
    keras_is("raise ModuleNotFoundError('no jax', name='jax')")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with pytest.raises(MissingExtraError, match=r"Keras needs the package 'jax'.*pip install 'counterpoise\[jax\]'"):
        import_keras_quietly()
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_what_is_not_ours_to_explain_is_raised_as_it_is():
    with pytest.raises(ModuleNotFoundError, match="part_of_somebody_else") as caught, importing_keras():
        import part_of_somebody_else  # noqa: F401
    assert not isinstance(caught.value, MissingExtraError)
    with pytest.raises(FileNotFoundError, match="some file"), importing_keras():
        raise FileNotFoundError(2, "some file")


def test_without_a_temporary_folder_one_line_says_what_to_set():
    missing = "No usable temporary directory found in ['/tmp']"
    with pytest.raises(ArtifactError, match=f"{re.escape(missing)}.*TMPDIR"), importing_keras():
        raise FileNotFoundError(2, missing)

"""How a command ends: one line for what the data or the system refuse, a traceback for a fault of ours."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import warnings

import pytest
import typer
from command_line import run_command

from counterpoise.cli import ending
from counterpoise.core.errors import ColumnError


class PanicException(BaseException):
    """As Rust's bindings call theirs."""


class OpError(Exception):
    """As TensorFlow calls its own."""


def ended(capsys, error: BaseException | None, code: object = None) -> tuple[object, str]:
    """Exit code and standard error of a command that raises an error, or returns a code."""

    def app():
        if error is not None:
            raise error
        return code

    with pytest.raises(SystemExit) as exit:
        ending.run(app)
    return exit.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ColumnError("Column 'a' is\nnot a column."), 2, "counterpoise: Column 'a' is not a column.\n"),
        (ColumnError("Column a\x1b[31m."), 2, "counterpoise: Column a\\x1b[31m.\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "p.csv"), 2,
            "counterpoise: p.csv: No space left on device. Free some space, or name another folder.\n",
        ),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), 2, "Too many open files. Raise the limit of open"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "d\udcff"), 2, "counterpoise: d\\xff: Is a directory.\n"),
        (OpError("SaveV2: /x; No space left on device [Op:SaveV2]"), 2, "No space left on device. Free some space"),
        (MemoryError(), 2, "counterpoise: There is not enough memory."),
        (UnicodeEncodeError("utf-8", "d\udcff", 1, 2, "surrogates not allowed"), 2, "cannot be encoded as utf-8"),
        (PanicException("called `unwrap` on a `None` value\nmore"), 2, "counterpoise: polars stopped: called"),
        (
            PanicException('Os { code: 24, kind: TooManyOpenFiles, message: "Too many open files" }'), 2,
            "counterpoise: polars stopped: Too many open files. Raise the limit of open files (ulimit -n).\n",
        ),
        (KeyboardInterrupt(), 130, "counterpoise: stopped.\n"),
        (typer.Abort(), 130, "counterpoise: stopped.\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (SystemExit(3), 3, ""),
        (None, 0, ""),
    ],
)  # fmt: skip
def test_what_is_refused_is_one_line(capsys, error, code, line):
    got, err = ended(capsys, error)
    assert got == code
    assert line in err
    assert err.count("\n") == (1 if line else 0)


def test_an_interrupt_that_typer_tells_by_its_code(capsys):
    assert ended(capsys, None, 130) == (130, "counterpoise: stopped.\n")


@pytest.mark.parametrize("fault", [ValueError("a fault of ours"), AttributeError("x"), AssertionError()])
def test_a_fault_of_ours_shows_its_traceback(fault):
    def app():
        raise fault

    with pytest.raises(type(fault)):
        ending.run(app)


def test_the_surroundings_are_left_as_they_were(capsys):
    before = signal.getsignal(signal.SIGTERM), tempfile.tempdir, warnings.showwarning
    ended(capsys, ColumnError("no"))
    assert (signal.getsignal(signal.SIGTERM), tempfile.tempdir, warnings.showwarning) == before


def test_temporary_files_lie_where_the_next_run_finds_them(capsys):
    folders = []
    with pytest.raises(SystemExit):
        ending.run(lambda: folders.append(tempfile.mkdtemp()))
    assert os.path.basename(os.path.dirname(folders[0])).startswith("counterpoise-")
    capsys.readouterr()


def test_no_folder_for_temporary_files_is_no_reason_to_stop(capsys, monkeypatch):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(ending, "scratch", none)
    assert ended(capsys, None) == (0, "")


def test_warnings_are_one_line_without_their_place(capsys):
    with pytest.raises(SystemExit):
        ending.run(lambda: warnings.warn("Column 'a\x1b[1m' is\nodd.", UserWarning, stacklevel=2))
    assert capsys.readouterr().err == "counterpoise: warning: Column 'a\\x1b[1m' is odd.\n"


@pytest.mark.processes
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_clears_away_what_is_half_written(tmp_path, name):
    code = (
        "import sys, time; from counterpoise.cli.ending import run; from counterpoise.core.files import drafted\n"
        "def app():\n"
        "    with drafted(sys.argv[1]) as draft:\n"
        "        draft.write_text('half of it'); print('ready', flush=True); time.sleep(60)\n"
        "run(app)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        number = getattr(signal, name)
        process.send_signal(number)
        assert process.wait(timeout=60) == 128 + number
        assert process.stderr.read() == "counterpoise: stopped.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.processes
def test_output_that_cannot_be_written_is_an_error():
    code = "from counterpoise.cli.ending import run; run(lambda: print('x' * 100))"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "counterpoise: Reading or writing failed: No space left on device. Free some space, or name another folder.\n"
    )


def test_help_and_version_need_neither_keras_nor_polars():
    code = (
        "import sys; sys.argv = ['counterpoise', '--help']\n"
        "from counterpoise.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'keras', 'tensorflow', 'polars'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert run_command("--version").out.startswith("counterpoise ")

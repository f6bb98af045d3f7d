"""Files appear whole or not at all; devices are written to; what a killed process leaves is removed by the next."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from counterpoise.core import files, temporary
from counterpoise.core.errors import ArtifactError
from counterpoise.core.files import check_folder, check_output, drafted, drafts, is_stream, write_text
from counterpoise.core.temporary import own_folder, remove_abandoned, scratch


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with drafted(tmp_path / "a.txt") as draft:
        draft.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a fault"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    wanted = ArtifactError if isinstance(error, OSError) else type(error)
    with pytest.raises(wanted):
        _write_half(tmp_path / "a.txt", error)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named_with_what_to_do(tmp_path):
    words = r"Cannot write '.*a.txt': No space left on device. Free some space"
    with pytest.raises(ArtifactError, match=words), drafted(tmp_path / "a.txt"):
        raise OSError(28, "No space left on device")


def _write_half(target, error):
    with drafted(target) as draft:
        draft.write_text("half of it")
        raise error


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a.txt", "text")
        with drafted(tmp_path / "folder") as draft:
            draft.mkdir()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == mode | (mode & 0o444) >> 2


def test_a_replaced_file_hands_on_its_permissions(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    (tmp_path / "a.txt").chmod(0o640)
    write_text(tmp_path / "a.txt", "new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "latest").symlink_to("there/first")
    write_text(tmp_path / "latest", "text")
    assert (tmp_path / "latest").is_symlink()
    assert (tmp_path / "there" / "first").read_text() == "text"
    assert names(tmp_path) == ["latest", "there"]


@pytest.mark.parametrize("exchanged", [True, False])
def test_a_folder_takes_the_place_of_another(tmp_path, monkeypatch, exchanged):
    if not exchanged:
        monkeypatch.setattr(files, "_swap_folders", lambda *_: False)
    for text in ("old", "new"):
        with drafted(tmp_path / "export") as draft:
            draft.mkdir()
            (draft / f"{text}.txt").write_text(text)
    assert names(tmp_path) == ["export"]
    assert names(tmp_path / "export") == ["new.txt"]


def test_there_is_no_moment_without_the_old_or_the_new_folder(tmp_path):
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            seen.add((tmp_path / "export").is_dir())

    def write():
        with drafted(tmp_path / "export") as draft:
            draft.mkdir()

    write()
    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(200):
        write()
    stop.set()
    watcher.join()
    assert seen == {True}


def test_a_folder_that_cannot_be_placed_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "old.txt").write_text("old")
    rename = os.rename
    monkeypatch.setattr(files, "_swap_folders", lambda *_: False)

    def refuses(source, target):
        if temporary.is_own_folder(Path(source).parent):
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuses)
    with pytest.raises(ArtifactError, match="busy"), drafted(tmp_path / "export") as draft:
        draft.mkdir()
    assert names(tmp_path / "export") == ["old.txt"]


def test_several_files_appear_together(tmp_path):
    with drafts(tmp_path) as folder:
        for name in "ab":
            write_text(folder / name, name)  # of the same draft: not drafted again
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == ["a", "b"]


def test_devices_and_pipes_are_written_to(tmp_path):
    before = os.stat("/dev/null")
    write_text("/dev/null", "text")
    assert os.stat("/dev/null").st_rdev == before.st_rdev
    assert is_stream(Path("/dev/null"))
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_text(tmp_path / "pipe", "through")
    reader.join()
    assert read == ["through"]
    assert names(tmp_path) == ["pipe"]
    with pytest.raises(ArtifactError, match="'/dev/full': No space left on device"):
        write_text("/dev/full", "text")


def test_a_whole_disk_is_no_output(monkeypatch):
    monkeypatch.setattr(Path, "is_block_device", lambda self: str(self) == "/dev/null")
    with pytest.raises(ArtifactError, match="it is a whole disk"):
        check_output(Path("/dev/null"))
    with pytest.raises(ArtifactError, match="it is a whole disk"):
        write_text("/dev/null", "text")


def test_an_open_file_of_this_process_is_written_at_its_place(tmp_path):
    with open(tmp_path / "log", "wb") as log:
        log.write(b"first ")
        log.flush()
        write_text(f"/dev/fd/{log.fileno()}", "second ")
        log.write(b"third")
    assert (tmp_path / "log").read_bytes() == b"first second third"


def test_inputs_are_refused_as_outputs_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = tmp_path / "rows.csv"
    read.write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to(read)
    os.link(read, tmp_path / "hard.csv")
    (tmp_path / "again").symlink_to(tmp_path)
    for name in ("rows.csv", "./rows.csv", "link.csv", "hard.csv", "again/rows.csv", str(read)):
        for source in (read, Path("rows.csv"), Path("link.csv")):
            with pytest.raises(ArtifactError, match="this command reads that file"):
                check_output(Path(name), [source])
    check_output(Path("other.csv"), [read])
    check_output(Path("/dev/null"), [Path("/dev/null")])


def test_an_image_of_the_folder_that_is_read_is_no_output(tmp_path):
    (tmp_path / "well").mkdir()
    (tmp_path / "well" / "a.png").write_bytes(b"")
    (tmp_path / "result.csv").write_text("")
    with pytest.raises(ArtifactError, match="reads that file"):
        check_output(tmp_path / "well" / "a.png", [tmp_path])
    check_output(tmp_path / "result.csv", [tmp_path])
    check_output(tmp_path / "well" / "new.png", [tmp_path])


def test_places_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path, words in ((tmp_path, "it is a folder"), (tmp_path / "file" / "a.txt", "is a file. Name a folder")):
        with pytest.raises(ArtifactError, match=words):
            check_output(path)
    check_folder(tmp_path / "not" / "yet")
    assert names(tmp_path) == ["file"]


@pytest.mark.processes
def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    code = (
        "import os, signal, sys; from counterpoise.core.files import drafts\n"
        "with drafts(sys.argv[1]) as folder:\n"
        "    (folder / 'big').write_text('half of it'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [name.startswith(".counterpoise-") for name in names(tmp_path)] == [True]
    with drafts(tmp_path) as mine:
        write_text(tmp_path / "a.txt", "text")  # what a living process holds stays
        assert names(tmp_path) == sorted([mine.name, "a.txt"])
    assert names(tmp_path) == ["a.txt"]


def test_only_folders_of_ours_are_swept(tmp_path):
    for name in (".counterpoise-notes", ".counterpoise-my-notes.part", "counterpoise-run1", ".saving-x"):
        (tmp_path / name).mkdir()
    (tmp_path / ".counterpoise-abcdefgh.part").write_text("a file")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".counterpoise-12345678.part").symlink_to(elsewhere)
    before = names(tmp_path)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == before


def test_a_replaced_folder_returns_when_its_process_was_killed(tmp_path):
    left = tmp_path / ".counterpoise-abcdefgh.part"
    (left / ".counterpoise-replaced" / "export").mkdir(parents=True)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == ["export"]


def test_a_forked_process_leaves_the_folders_of_its_parent():
    mine = scratch()
    with own_folder(mine) as held:
        child = os.fork()
        if not child:
            temporary.leave_scratch()
            os._exit(0 if scratch() != mine else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert held.is_dir()
    assert mine.is_dir()
    assert not held.exists()

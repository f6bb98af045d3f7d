"""The SQLite file of a run: its tables, its lock, and what is refused of a file that is not as a run has left it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from counterpoise.comparison.stored_values import FACTS, checked_json, checksum
from counterpoise.core.errors import ArtifactError, CounterpoiseError, system_text
from counterpoise.core.temporary import scratch

#: The file in the folder of a run, and the one whose lock says that somebody writes.
FILE, LOCK = "run.sqlite", ".run.lock"

TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (job TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arrays (job TEXT, name TEXT, place INTEGER, dtype TEXT NOT NULL, shape TEXT NOT NULL,
                                   value BLOB NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (job, name, place));
"""
#: Table -> columns that its checksum is of.
COLUMNS = {
    "facts": "name, value", "members": "job, value", "arrays": "job, name, place, dtype, shape, value",
}  # fmt: skip
#: What is in the file: kind, name, and the command that made it.
LAYOUT = "SELECT type, name, sql FROM sqlite_master ORDER BY name"


@contextmanager
def left_as_it_was(folder: Path) -> Iterator[None]:
    """Take away what was made in a folder for a run that was refused before anything was trained."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    before = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    try:
        yield
    except CounterpoiseError:
        if FILE not in before and not _holds_fits(folder):
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK):
                with suppress(OSError):
                    (folder / name).unlink()
            for folder in missing:
                with suppress(OSError):
                    folder.rmdir()
        raise


def _holds_fits(folder: Path) -> bool:
    """Whether a folder has a readable store with at least one fit."""
    if not (folder / FILE).is_file():
        return False
    with connected(folder / FILE) as database, suppress(sqlite3.Error):
        return database.execute("SELECT 1 FROM members LIMIT 1").fetchone() is not None
    return False


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path, timeout=10)
    database.text_factory = lambda raw: raw.decode(errors="replace")  # what is no UTF-8 fails its checksum
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        yield database
    finally:
        database.close()


@contextmanager
def readable(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database of a run; a copy if its folder is read-only: SQLite reads with files of its own next to it."""
    with ExitStack() as opened:
        database = opened.enter_context(connected(folder / FILE))
        with named_errors(folder):
            try:
                database.execute(LAYOUT).fetchone()
            except sqlite3.OperationalError:
                copy = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=scratch())))
                for kept in (FILE, f"{FILE}-wal"):
                    with suppress(FileNotFoundError):
                        shutil.copyfile(folder / kept, copy / kept)
                database = opened.enter_context(connected(copy / FILE))
        yield database


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the folder by a transaction of an empty SQLite file, which always ends with its process."""
    with connected(folder / LOCK) as lock:
        lock.isolation_level = None
        lock.execute("PRAGMA busy_timeout = 0")
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            raise ArtifactError(
                f"{_owner(folder)} is writing to {str(folder)!r}. Wait until it finishes, or use another folder."
            ) from None
        except sqlite3.DatabaseError:
            raise ArtifactError(f"{str(folder / LOCK)!r} is not a lock file of a run. Delete this file.") from None
        yield


def _owner(folder: Path) -> str:
    with suppress(ArtifactError, sqlite3.Error, TypeError), connected(folder / FILE) as database:
        owner = FACTS["owner"](checked_json(*(fact(database, "owner") or ("", "")), "the owner", "owner"), "the owner")
        return f"Process {owner['pid']} on {owner['host']} (since {owner['since']})"
    return "Another process"


def fact(database: sqlite3.Connection, name: str) -> tuple[Any, Any] | None:
    """Value and checksum of a fact, or None where there is none."""
    return database.execute("SELECT value, checksum FROM facts WHERE name = ?", (name,)).fetchone()


def check_layout(database: sqlite3.Connection) -> None:
    """Refuse a file with other tables than ours, or with views and triggers, which run with our commands.

    Raises:
        ArtifactError: It has others; the message is completed by `checked`.
    """
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(TABLES)
        wanted = empty.execute(LAYOUT).fetchall()
    if database.execute(LAYOUT).fetchall() != wanted:
        raise ArtifactError("its tables do not fit this version of Counterpoise")


def check_rows(database: sqlite3.Connection) -> None:
    """Compare every row with its checksum.

    Raises:
        ArtifactError: A row is not what was written; the message is completed by `checked`.
    """
    for table, columns in COLUMNS.items():
        for *row, stored in database.execute(f"SELECT {columns}, checksum FROM {table}"):
            if stored != checksum(*row) or (table == "facts" and row[0] not in FACTS):
                raise ArtifactError(f"a row of its {table} was changed after it was written")


def damaged(folder: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"{str(folder / FILE)!r} is damaged or was changed ({why.rstrip('.')}). Start again in another folder, or with "
        "--restart."
    )


@contextmanager
def checked(folder: Path) -> Iterator[None]:
    """Name the folder in the errors of our own checks."""
    try:
        yield
    except ArtifactError as error:
        raise damaged(folder, str(error)) from error


@contextmanager
def named_errors(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into ours, with the folder."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ArtifactError(
            f"Cannot write to {str(folder)!r}: {error}. Check the free space and the permissions."
        ) from error
    except (sqlite3.Error, OverflowError, UnicodeError, MemoryError) as error:  # a damaged page asks for any of these
        raise damaged(folder, " ".join(str(error).split()) or type(error).__name__) from error
    except OSError as error:
        raise ArtifactError(f"Cannot write to {str(folder)!r}: {system_text(error)}") from error

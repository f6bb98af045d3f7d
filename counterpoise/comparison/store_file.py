"""The SQLite file of a store: its tables, its lock, and the errors for a file that is damaged or was changed.

`TABLES`, names and checksums are saved: a file with other tables is refused (`check_layout`), so that a change ends the
resuming of earlier runs.
"""

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
#: Table -> the columns that its checksum covers, in the order of `checksum`.
CHECKSUM_COLUMNS = {
    "facts": "name, value", "members": "job, value", "arrays": "job, name, place, dtype, shape, value",
}  # fmt: skip
#: Query for everything in a file: kind, name, and the command that made it.
LAYOUT_QUERY = "SELECT type, name, sql FROM sqlite_master ORDER BY name"


@contextmanager
def files_removed_on_error(folder: Path) -> Iterator[None]:
    """Remove what the block made in a folder if it raises a `CounterpoiseError` before any fit is stored.

    Removed are the files of the run and the folders that did not exist before. The error is raised again.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    before = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
    try:
        yield
    except CounterpoiseError:
        if FILE not in before and not _has_fits(folder):
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK):
                with suppress(OSError):
                    (folder / name).unlink()
            for folder in missing:
                with suppress(OSError):
                    folder.rmdir()
        raise


def _has_fits(folder: Path) -> bool:
    """Return whether a folder has a readable store with at least one fit."""
    if not (folder / FILE).is_file():
        return False
    with connected(folder / FILE) as database, suppress(sqlite3.Error):
        return database.execute("SELECT 1 FROM members LIMIT 1").fetchone() is not None
    return False


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for the block, with settings that are safe for a file from elsewhere."""
    database = sqlite3.connect(path, timeout=10)
    database.text_factory = lambda raw: raw.decode(errors="replace")  # what is no UTF-8 fails its checksum
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        yield database
    finally:
        database.close()


@contextmanager
def opened_for_reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of a run for reading, for the block.

    SQLite makes files next to the database also when it only reads. In a folder that refuses them, a temporary copy
    is opened.

    Raises:
        ArtifactError: The file is damaged.
    """
    with ExitStack() as opened:
        database = opened.enter_context(connected(folder / FILE))
        with naming_folder(folder):
            try:
                database.execute(LAYOUT_QUERY).fetchone()
            except sqlite3.OperationalError:
                copy = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=scratch())))
                for kept in (FILE, f"{FILE}-wal"):
                    with suppress(FileNotFoundError):
                        shutil.copyfile(folder / kept, copy / kept)
                database = opened.enter_context(connected(copy / FILE))
        yield database


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder while the block runs, by a transaction of an empty SQLite file.

    The lock also ends with its process.

    Raises:
        ArtifactError: Another process has the lock, or the lock file is not a database.
    """
    with connected(folder / LOCK) as lock:
        # Fail at once instead of waiting for another process.
        lock.isolation_level = None
        lock.execute("PRAGMA busy_timeout = 0")
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # The low byte is the primary code of an extended SQLite error code.
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            raise ArtifactError(
                f"{_owner_text(folder)} is writing to {str(folder)!r}. Wait until it finishes, or use another folder."
            ) from None
        except sqlite3.DatabaseError:
            raise ArtifactError(f"{str(folder / LOCK)!r} is not a lock file of a run. Delete this file.") from None
        yield


def _owner_text(folder: Path) -> str:
    """Return who writes to the folder, as the subject of a sentence: "Process 7 on host (since ...)".

    "Another process" if the file of the run does not contain it.
    """
    with suppress(ArtifactError, sqlite3.Error, TypeError), connected(folder / FILE) as database:
        owner = FACTS["owner"](
            checked_json(*(read_fact(database, "owner") or ("", "")), "the owner", "owner"), "the owner"
        )
        return f"Process {owner['pid']} on {owner['host']} (since {owner['since']})"
    return "Another process"


def read_fact(database: sqlite3.Connection, name: str) -> tuple[Any, Any] | None:
    """Return value and checksum of a row of the table `facts`, or None if it is absent."""
    return database.execute("SELECT value, checksum FROM facts WHERE name = ?", (name,)).fetchone()


def check_layout(database: sqlite3.Connection) -> None:
    """Refuse a file whose tables are not `TABLES`, or that has views or triggers, which would run with our commands.

    Raises:
        ArtifactError: The file has other tables. Call it inside `naming_damage`, which completes the message.
    """
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(TABLES)
        wanted = empty.execute(LAYOUT_QUERY).fetchall()
    if database.execute(LAYOUT_QUERY).fetchall() != wanted:
        raise ArtifactError("its tables do not fit this version of Counterpoise")


def check_rows(database: sqlite3.Connection) -> None:
    """Compare every row of every table with its checksum, and names of facts with `FACTS`.

    Raises:
        ArtifactError: A row is not what was written. Call it inside `naming_damage`, which completes the message.
    """
    for table, columns in CHECKSUM_COLUMNS.items():
        for *row, stored in database.execute(f"SELECT {columns}, checksum FROM {table}"):
            if stored != checksum(*row) or (table == "facts" and row[0] not in FACTS):
                raise ArtifactError(f"a row of its {table} was changed after it was written")


def damage_error(folder: Path, why: str) -> ArtifactError:
    """Return the error for a damaged run; `why` is a clause with what is wrong."""
    return ArtifactError(
        f"{str(folder / FILE)!r} is damaged or was changed ({why.rstrip('.')}). Start again in another folder, or with "
        "--restart."
    )


@contextmanager
def naming_damage(folder: Path) -> Iterator[None]:
    """Turn an ArtifactError of the block into one that names the damaged file (see `damage_error`)."""
    try:
        yield
    except ArtifactError as error:
        raise damage_error(folder, str(error)) from error


@contextmanager
def naming_folder(folder: Path) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into ArtifactErrors with the folder."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ArtifactError(
            f"Cannot write to {str(folder)!r}: {error}. Check the free space and the permissions."
        ) from error
    except (sqlite3.Error, OverflowError, UnicodeError, MemoryError) as error:  # a damaged page asks for any of these
        raise damage_error(folder, " ".join(str(error).split()) or type(error).__name__) from error
    except OSError as error:
        raise ArtifactError(f"Cannot write to {str(folder)!r}: {system_text(error)}") from error

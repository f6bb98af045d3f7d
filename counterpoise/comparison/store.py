"""The folder of a race: every finished fit on disk before it counts, so that a killed run goes on where it stopped.

One SQLite file in WAL mode holds what was trained (scores out of fold, steps, history, seconds, and weights where
something needs them), what the run was asked (its manifest), how loss families are trained, and at the end the record
of the report. Arrays are raw bytes beside their dtype and shape, everything else is JSON; nothing is a pickle. A
commit is one fit: `kill -9` at any moment loses the fits in work and no other.

A folder has one writer. A second process is refused with the first one's number; the lock is the operating system's,
so it never outlives its owner. Reading (`Store.reading`) is always possible.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterpoise.comparison.manifest import differences
from counterpoise.comparison.stored_values import FACTS, MEMBER, SMALL, checked_json, checksum, member_of, rows_of
from counterpoise.core.errors import ArtifactError, CounterpoiseError
from counterpoise.core.records import Member
from counterpoise.engines.program_rules import CompileMode

#: The file in the folder of a run, and the one whose lock says that somebody writes.
FILE, LOCK = "run.sqlite", ".run.lock"

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (job TEXT PRIMARY KEY, value TEXT NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS arrays (job TEXT, name TEXT, place INTEGER, dtype TEXT NOT NULL, shape TEXT NOT NULL,
                                   value BLOB NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (job, name, place));
"""
#: What is in the file: kind, name, and the command that made it.
_LAYOUT = "SELECT type, name, sql FROM sqlite_master ORDER BY name"


class Store:
    """What is on disk of one run; made by `Store.writing` or `Store.reading`.

    Attributes:
        folder: Where it is.
        done, total: Fits on disk and fits in all, of the jobs that were asked for so far.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder, self._database = folder, database
        self.done = self.total = 0

    @classmethod
    @contextmanager
    def writing(cls, folder: str | os.PathLike[str], restart: bool = False) -> Iterator[Store]:
        """Open the store of a folder, made where there is none, for the time of a `with` block.

        Args:
            folder: The folder of the run.
            restart: Whether to throw away what it holds.

        Raises:
            ArtifactError: another process is at work there, the file is damaged, or the place cannot be written.
        """
        place = Path(folder)
        with _left_as_it_was(place), ExitStack() as opened:
            with _told(place):
                place.mkdir(parents=True, exist_ok=True)
                opened.enter_context(_alone(place))
                if restart:
                    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
                        (place / name).unlink(missing_ok=True)
                store = cls(place, opened.enter_context(_connected(place / FILE)))
            store._prepare()
            yield store

    @classmethod
    @contextmanager
    def reading(cls, folder: str | os.PathLike[str]) -> Iterator[Store]:
        """Open what a run left (or is writing), to read `record`, `manifest` and members.

        Raises:
            ArtifactError: there is no run, or its file is damaged.
        """
        place = Path(folder)
        if not (place / FILE).is_file():
            raise ArtifactError(f"{str(place)!r} holds no run ({FILE}); expected the --out folder of a compare.")
        with _connected(place / FILE) as database:
            store = cls(place, database)
            store._check_layout()
            store._get("owner")
            yield store

    @property
    def manifest(self) -> dict[str, Any] | None:
        """What the run was asked (see `comparison.manifest`), or None before it began."""
        return self._get("manifest")

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write what the run is asked, or hold it against what it was asked before.

        Raises:
            ArtifactError: data, settings, network or versions differ; each difference is named.
        """
        before, now = self.manifest, json.loads(json.dumps(manifest))
        if before is None:
            self._set("manifest", now)
        elif found := differences(before, now):
            raise ArtifactError(
                f"{str(self.folder)!r} holds another run: {'; '.join(found)}. Give another folder (--out), or throw "
                f"away its {self.count()} fits (--restart)."
            )

    @property
    def ways(self) -> dict[str, CompileMode]:
        """How each loss family is trained: what a resume has to use again."""
        try:
            return {family: CompileMode(**way) for family, way in (self._get("ways") or {}).items()}
        except TypeError as error:
            raise _damaged(self.folder, f"the ways: {error}") from error

    @ways.setter
    def ways(self, ways: Mapping[str, CompileMode]) -> None:
        self._set("ways", {family: asdict(way) for family, way in ways.items()})

    @property
    def record(self) -> dict[str, Any] | None:
        """What the report is drawn from, once the run is over; None before."""
        return self._get("record")

    @record.setter
    def record(self, record: Mapping[str, Any]) -> None:
        self._set("record", record)

    def put(self, member: Member, weights: bool = True) -> None:
        """Write one member, its weights when asked for or small; it is on disk when this returns."""
        weights = weights or sum(a.nbytes for a in member.weights) <= SMALL
        content, arrays = rows_of(member, weights)
        with _told(self.folder), self._database:
            row = (member.job, content, checksum(member.job, content))
            self._database.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", row)
            self._database.executemany(
                "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?, ?)", [(member.job, *a) for a in arrays]
            )

    def get(self, job: str, weights: bool = True) -> Member | None:
        """The member of a job, or None: not on disk, or without the weights that are wanted."""
        with _told(self.folder), _checks(self.folder):
            row = self._database.execute("SELECT value, checksum FROM members WHERE job = ?", (job,)).fetchone()
            if row is None:
                return None
            content = MEMBER(checked_json(*row, f"the fit {job:.12}", job), f"the fit {job:.12}")
            if weights and not content["weights"]:
                return None
            wanted = (
                "SELECT name, place, dtype, shape, value, checksum FROM arrays "
                "WHERE job = ? AND (? OR name != 'weights') ORDER BY place"
            )
            return member_of(job, content, self._database.execute(wanted, (job, weights)), weights)

    def known(self, jobs: Iterable[str]) -> set[str]:
        """Those of these jobs that are on disk."""
        with _told(self.folder):
            every = {row[0] for row in self._database.execute("SELECT job FROM members")}
        return every & set(jobs)

    def checks(self) -> AbstractContextManager[None]:
        """Name this store in what a check of its values refuses, for a `with` block."""
        return _checks(self.folder)

    def _prepare(self) -> None:
        with _told(self.folder):
            if self._database.execute(_LAYOUT).fetchall():
                self._check_layout()
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_TABLES)
        self._set("owner", {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%H:%M")})

    def _check_layout(self) -> None:
        """Refuse a file with other tables than ours, or with views and triggers, which run with our commands."""
        with closing(sqlite3.connect(":memory:")) as empty:
            empty.executescript(_TABLES)
            wanted = empty.execute(_LAYOUT).fetchall()
        with _told(self.folder):
            if self._database.execute(_LAYOUT).fetchall() != wanted:
                raise _damaged(self.folder, "its tables are not those of this version of Counterpoise")

    def count(self) -> int:
        """Fits on disk, whoever asked for them."""
        with _told(self.folder):
            return int(self._database.execute("SELECT COUNT(*) FROM members").fetchone()[0])

    def _get(self, name: str) -> Any:
        with _told(self.folder), _checks(self.folder):
            row = self._database.execute("SELECT value, checksum FROM facts WHERE name = ?", (name,)).fetchone()
            return None if row is None else FACTS[name](checked_json(*row, f"the {name}", name), f"the {name}")

    def _set(self, name: str, value: Any) -> None:
        content = json.dumps(FACTS[name](value, f"the {name}"))
        with _told(self.folder), self._database:
            row = (name, content, checksum(name, content))
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", row)


@contextmanager
def _left_as_it_was(place: Path) -> Iterator[None]:
    """Take away what was made in a folder for a run that was refused before anything was trained."""
    made = [p for p in (place, *place.parents) if not p.exists()]
    before = {p.name for p in place.iterdir()} if place.is_dir() else set()
    try:
        yield
    except CounterpoiseError:
        if FILE not in before and not _holds_fits(place):
            for name in (FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK):
                with suppress(OSError):
                    (place / name).unlink()
            for folder in made:
                with suppress(OSError):
                    folder.rmdir()
        raise


def _holds_fits(place: Path) -> bool:
    if not (place / FILE).is_file():
        return False
    with _connected(place / FILE) as database, suppress(sqlite3.Error):
        return database.execute("SELECT 1 FROM members LIMIT 1").fetchone() is not None
    return False


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(path, timeout=10)
    database.text_factory = lambda raw: raw.decode(errors="replace")  # what is no UTF-8 fails its checksum
    try:
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        yield database
    finally:
        database.close()


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Hold the folder's lock: a transaction of an empty SQLite file, which ends with its process in any case."""
    with _connected(place / LOCK) as lock:
        lock.isolation_level = None
        lock.execute("PRAGMA busy_timeout = 0")
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            raise ArtifactError(
                f"{_owner(place)} is at work in {str(place)!r}; wait for it, or give another folder."
            ) from None
        yield


def _owner(place: Path) -> str:
    with suppress(ArtifactError, sqlite3.Error, TypeError, KeyError), Store.reading(place) as store:
        owner = store._get("owner")
        return f"another process ({owner['pid']} on {owner['host']}, since {owner['since']})"
    return "another process"


def _damaged(place: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"{str(place / FILE)!r} is damaged or was changed ({why.rstrip('.')}); start again in another folder, or with "
        "--restart."
    )


@contextmanager
def _checks(place: Path) -> Iterator[None]:
    """Name the place in what our own checks refuse."""
    try:
        yield
    except ArtifactError as error:
        raise _damaged(place, str(error)) from error


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system refuse into our error, naming the place."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ArtifactError(f"cannot write to {str(place)!r}: {error}.") from error
    except (sqlite3.Error, OverflowError) as error:
        raise _damaged(place, " ".join(str(error).split())) from error
    except OSError as error:
        raise ArtifactError(f"cannot write to {str(place)!r}: {error.strerror or error}.") from error

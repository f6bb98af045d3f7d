"""The store of a comparison, a folder: every finished fit is on disk before it counts, so that a killed run can resume.

One SQLite file in WAL mode contains the members (out-of-fold scores, steps, history, seconds, and weights where
something needs them), the manifest of the run, the compile modes of its loss families, and at the end the record of the
report. Arrays are raw bytes with their dtype and shape, everything else is JSON; nothing is a pickle. A commit is one
fit: `kill -9` at any moment loses the fits in work and no other.

A folder has one writer. A second process is refused with the number of the first. The lock belongs to the operating
system, so that it never outlives its process. Reading (`Store.reading`) is always possible. `store_file` has the file
and its lock, `stored_values` the layout of its values.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterpoise.comparison.manifest import manifest_differences
from counterpoise.comparison.store_file import (
    FILE,
    LAYOUT_QUERY,
    TABLES,
    check_layout,
    check_rows,
    connected,
    damage_error,
    files_removed_on_error,
    locked,
    naming_damage,
    naming_folder,
    opened_for_reading,
    read_fact,
)
from counterpoise.comparison.stored_values import FACTS, MEMBER, checked_json, checksum, member_from_rows, member_rows
from counterpoise.core.errors import ArtifactError
from counterpoise.core.job import Member
from counterpoise.engines.program_rules import CompileMode

#: Weights of at most this many bytes are stored although nothing needs them yet: a strategy that does may be added
#: later.
SMALL_WEIGHTS = 1 << 20


class Store:
    """The files of one run; made by `Store.writing` or `Store.reading`.

    Attributes:
        folder: The folder of the run.
        done, total: Fits on disk and fits in all, of the jobs that were requested so far. The command line prints them.
    """

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder, self._database = folder, database
        self.done = self.total = 0

    @classmethod
    @contextmanager
    def writing(cls, folder: str | os.PathLike[str], restart: bool = False) -> Iterator[Store]:
        """Open the store of a folder, made if needed, for the time of a `with` block.

        Args:
            folder: The folder of the run.
            restart: Whether to delete its content.

        Raises:
            ArtifactError: another process is at work there, the file is damaged, or the folder cannot be written.
        """
        path = Path(folder)
        with files_removed_on_error(path), ExitStack() as opened:
            with naming_folder(path):
                path.mkdir(parents=True, exist_ok=True)
                opened.enter_context(locked(path))
                if restart:
                    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
                        (path / name).unlink(missing_ok=True)
                store = cls(path, opened.enter_context(connected(path / FILE)))
            store._prepare()
            yield store

    @classmethod
    @contextmanager
    def reading(cls, folder: str | os.PathLike[str]) -> Iterator[Store]:
        """Open what a run left (or is writing), to read `record`, `manifest` and members.

        Raises:
            ArtifactError: there is no run, or its file is damaged.
        """
        path = Path(folder)
        if not (path / FILE).is_file():
            raise ArtifactError(
                f"{str(path)!r} contains no run ({FILE}). Expected the --out folder of `counterpoise compare`."
            )
        with opened_for_reading(path) as database:
            store = cls(path, database)
            store._check_file()
            yield store

    @property
    def manifest(self) -> dict[str, Any] | None:
        """The settings of the run (see `comparison.manifest`), or None before it began."""
        return self._read_fact("manifest")

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write the settings of the run, or compare them with the stored settings.

        Raises:
            ArtifactError: data, settings, network or versions differ; each difference is named.
        """
        before, now = self.manifest, json.loads(json.dumps(manifest))
        if before is None:
            if self.count():
                raise damage_error(self.folder, "the file contains fits without a description of their data")
            self._write_fact("manifest", now)
        elif changes := manifest_differences(before, now):
            raise ArtifactError(
                f"{str(self.folder)!r} contains another run: {'; '.join(changes)}. Use another folder (--out), or "
                f"delete its {self.count()} fits (--restart)."
            )

    @property
    def compile_modes(self) -> dict[str, CompileMode]:
        """The compile mode of each loss family, which a resumed run uses again."""
        try:
            return {family: CompileMode(**mode) for family, mode in (self._read_fact("compile_modes") or {}).items()}
        except TypeError as error:
            raise damage_error(self.folder, f"the compile_modes: {error}") from error

    @compile_modes.setter
    def compile_modes(self, compile_modes: Mapping[str, CompileMode]) -> None:
        self._write_fact("compile_modes", {family: asdict(mode) for family, mode in compile_modes.items()})

    @property
    def record(self) -> dict[str, Any] | None:
        """The record of a finished run, from which its report is drawn; None before the end."""
        return self._read_fact("record")

    @record.setter
    def record(self, record: Mapping[str, Any]) -> None:
        self._write_fact("record", record)

    def put(self, member: Member, weights: bool = True) -> None:
        """Write one member to disk before returning; a member of the same job is replaced.

        Its weights are written if `weights`, or if they have at most `SMALL_WEIGHTS` bytes.
        """
        weights = weights or sum(a.nbytes for a in member.weights) <= SMALL_WEIGHTS
        content, arrays = member_rows(member, weights)
        with naming_folder(self.folder), self._database:
            row = (member.job, content, checksum(member.job, content))
            self._database.execute("INSERT OR REPLACE INTO members VALUES (?, ?, ?)", row)
            self._database.executemany(
                "INSERT OR REPLACE INTO arrays VALUES (?, ?, ?, ?, ?, ?, ?)", [(member.job, *a) for a in arrays]
            )

    def get(self, job: str, weights: bool = True) -> Member | None:
        """Return the member of a job, or None if it is not on disk, or lacks the weights that are wanted.

        Raises:
            ArtifactError: The file is damaged: a row differs from its checksum, or values are not of their kind.
        """
        with naming_folder(self.folder), naming_damage(self.folder):
            row = self._database.execute("SELECT value, checksum FROM members WHERE job = ?", (job,)).fetchone()
            if row is None:
                return None
            content = MEMBER(checked_json(*row, f"the fit {job:.12}", job), f"the fit {job:.12}")
            if weights and not content["weights"]:
                return None
            # The second parameter: every array if weights are wanted, otherwise all but those.
            wanted = (
                "SELECT name, place, dtype, shape, value, checksum FROM arrays "
                "WHERE job = ? AND (? OR name != 'weights') ORDER BY place"
            )
            return member_from_rows(job, content, self._database.execute(wanted, (job, weights)), weights)

    def stored_jobs(self, jobs: Iterable[str]) -> set[str]:
        """Return which of these jobs have a member on disk."""
        with naming_folder(self.folder):
            every = {row[0] for row in self._database.execute("SELECT job FROM members")}
        return every & set(jobs)

    def naming_damage(self) -> AbstractContextManager[None]:
        """Return a context manager that names this store in an error of a check of its values (see `damage_error`)."""
        return naming_damage(self.folder)

    def _prepare(self) -> None:
        """Check an existing file, create missing tables, and note this process as the owner."""
        with naming_folder(self.folder):
            if self._database.execute(LAYOUT_QUERY).fetchall():
                self._check_file()
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(TABLES)
        self._write_fact("owner", {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%H:%M")})

    def _check_file(self) -> None:
        """Raise an `ArtifactError` if tables or rows of the file are not as a run wrote them."""
        with naming_folder(self.folder), naming_damage(self.folder):
            check_layout(self._database)
            check_rows(self._database)

    def count(self) -> int:
        """Return the number of all fits on disk."""
        with naming_folder(self.folder):
            return int(self._database.execute("SELECT COUNT(*) FROM members").fetchone()[0])

    def _read_fact(self, name: str) -> Any:
        """Return the checked value of a fact (a key of `FACTS`, such as "manifest"); None if it was never set."""
        with naming_folder(self.folder), naming_damage(self.folder):
            row = read_fact(self._database, name)
            return None if row is None else FACTS[name](checked_json(*row, f"the {name}", name), f"the {name}")

    def _write_fact(self, name: str, value: Any) -> None:
        """Check the value of a fact by `FACTS`, and write it in place of an earlier one."""
        content = json.dumps(FACTS[name](value, f"the {name}"))
        with naming_folder(self.folder), self._database:
            row = (name, content, checksum(name, content))
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?)", row)

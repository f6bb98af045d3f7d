"""The command line, run inside the test process."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from counterpoise.cli.main import main


@dataclass(frozen=True)
class Run:
    """What a command left behind."""

    code: int
    out: str
    err: str


def run_command(*arguments: object) -> Run:
    """Run `counterpoise ARGUMENTS` as the installed script does."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    given = ["counterpoise", *map(str, arguments)]
    with mock.patch.object(sys, "argv", given), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Run(code, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder but what Python compiled: path -> bytes, None for a folder."""
    paths = [p for p in sorted(folder.rglob("*")) if "__pycache__" not in p.parts]
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}


def check_refusal(run: Run, *words: str) -> None:
    """Exit code 2, nothing on standard output, one line on standard error, warnings aside, that holds each word."""
    assert run.code == 2, run
    assert run.out == ""
    lines = [line for line in run.err.splitlines() if not line.startswith("counterpoise: warning: ")]
    assert len(lines) == 1, run.err
    assert lines[0].startswith("counterpoise: ")
    for word in words:
        assert word in run.err, run.err
    assert "Traceback" not in run.err

"""`compare --jobs` and `compare --ray` write the leaderboard of the plain run."""

from __future__ import annotations

import pytest
from command_line import run_command
from soak import board, command_of, write_table


@pytest.fixture(scope="module", name="plain")
def _plain(tmp_path_factory):
    """The table, and the leaderboard of a comparison in this process."""
    folder = tmp_path_factory.mktemp("plain")
    table = write_table(folder / "table.csv")
    run = run_command(*command_of(table, folder / "run"))
    assert run.code == 0, run.err
    return table, board(folder / "run")


@pytest.mark.processes
@pytest.mark.parametrize("where", [("--jobs", 2), ("--ray", "local")])
def test_the_leaderboard_is_that_of_one_process(plain, where, tmp_path):
    table, wanted = plain
    if where[0] == "--ray":
        core = pytest.importorskip("ray")
    run = run_command(*command_of(table, tmp_path / "run"), *where)
    assert run.code == 0, run.err
    assert board(tmp_path / "run") == wanted
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {"leaderboard.csv", "report.html", "model.keras"}
    assert where[0] != "--ray" or not core.is_initialized()

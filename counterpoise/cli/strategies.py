"""`counterpoise strategies`: the list of strategies (see `strategies.select`), then of external models."""

from __future__ import annotations

import json

from counterpoise.cli import options as o
from counterpoise.cli.terminal import Terminal

NAME = "strategies"


def command(as_json: o.Json = False) -> None:
    """List the strategies, simplest first, then the external models."""
    from counterpoise.strategies.external import READY, idea_of
    from counterpoise.strategies.select import DEFAULT, find, names

    ideas = {name: find(name).idea for name in names()} | {name: idea_of(name) for name in READY}
    if as_json:
        print(
            json.dumps(
                [{"name": name, "idea": idea, "in_default_set": name in DEFAULT} for name, idea in ideas.items()]
            )
        )
        return
    from rich.table import Table

    table = Table("strategy", "default set", "idea", box=None, pad_edge=False)
    for name, idea in ideas.items():
        table.add_row(name, "yes" if name in DEFAULT else "", idea)
    Terminal().print(table)

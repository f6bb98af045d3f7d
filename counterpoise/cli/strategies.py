"""`counterpoise strategies`: what can be asked for."""

from __future__ import annotations

import json

from counterpoise.cli import options as o

NAME = "strategies"


def command(as_json: o.Json = False) -> None:
    """List the strategies, simplest first, then entrants that are no networks."""
    from counterpoise.strategies import SEED, find, names
    from counterpoise.train.entrants import READY, idea_of

    ideas = {name: find(name).idea for name in names()} | {name: idea_of(name) for name in READY}
    if as_json:
        print(json.dumps([{"name": name, "idea": idea, "in_seed": name in SEED} for name, idea in ideas.items()]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("strategy", "in the set 'seed'", "idea", box=None, pad_edge=False)
    for name, idea in ideas.items():
        table.add_row(name, "yes" if name in SEED else "", idea)
    Console().print(table)

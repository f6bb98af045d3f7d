"""`counterpoise strategies`: what can be asked for."""

from __future__ import annotations

import json

from counterpoise.cli import options as o

NAME = "strategies"


def command(as_json: o.Json = False) -> None:
    """List the strategies, simplest first."""
    from counterpoise.strategies import SEED, find, names

    found = [find(name) for name in names()]
    if as_json:
        print(json.dumps([{"name": s.name, "idea": s.idea, "in_seed": s.name in SEED} for s in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("strategy", "in the set 'seed'", "idea", box=None, pad_edge=False)
    for s in found:
        table.add_row(s.name, "yes" if s.name in SEED else "", s.idea)
    Console().print(table)

"""Networks, built-in or passed by a user: encoder, head, weights and losses (`cp.networks`).

`network.Network` joins the parts. Training itself is in `engines/`, and what is saved in a file is in `classifier/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.networks.head import init_output_bias as init_output_bias
    from counterpoise.networks.second_stage import retrain_head as retrain_head
    from counterpoise.networks.second_stage import tau_normalize as tau_normalize

#: Public name -> module that holds it.
_HOME = {
    "init_output_bias": "counterpoise.networks.head",
    "retrain_head": "counterpoise.networks.second_stage",
    "tau_normalize": "counterpoise.networks.second_stage",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)

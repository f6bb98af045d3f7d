"""Networks of which training changes only a head: what stands before it sees every row once, not at every step.

The rows are replaced by what the body says of them, the head is trained on these as any network is on its rows, and
body and head are one model again at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core.records import Examples
from counterpoise.core.structure import leaves, take
from counterpoise.train.builders import BuiltIn, spec_of
from counterpoise.train.forward import forward
from counterpoise.train.network import Network

#: Rows that the body sees at a time.
ROWS = 64


def network_for(
    model: Any, examples: Examples, *, callbacks: Sequence[Any] = (), **options: Any
) -> tuple[Network, Examples]:
    """The network that is trained (see `Network` for the options), and the examples in the form that it takes.

    Both are those given, but for a network with a frozen body: then the network is its head, and `Network.body` what
    `whole` puts before it. Callbacks of the user see the whole network at every step.
    """
    if not isinstance(model, BuiltIn) or model.body is None or model.head is None or callbacks:
        return Network(model, examples, **options), examples
    body = model.body(spec_of(examples.x))
    seen = replace(examples, x=_seen(body, examples.x))
    network = Network(replace(model, build=model.head, body=None, head=None), seen, **options)
    network.body = body
    return network, seen


def whole(members: keras.Model, network: Network) -> keras.Model:
    """Trained networks behind the frozen body, where there is one, as one model of the same name."""
    if network.body is None:
        return members
    name, inputs = members.name, keras.tree.map_structure(_again, network.body.input)
    members.name = "heads"
    return keras.Model(inputs, members(network.body(inputs)), name=name)


def _seen(body: keras.Model, x: Any) -> np.ndarray:
    """What the body says of rows, float32 (N, units)."""
    say = forward(body)
    return np.concatenate([say(take(x, slice(at, at + ROWS)))[0] for at in range(0, len(leaves(x)[0]), ROWS)])


def _again(tensor: Any) -> Any:
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)

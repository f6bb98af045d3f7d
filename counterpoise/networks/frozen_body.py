"""Networks of which training changes only a head: the frozen body before it sees every row once, not at every step.

The rows are replaced by the output of the body, the head is trained on these as any network is on its rows, and
body and head are one model again at the end. Only networks of `networks.transfer` have such a body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.progress import progress_bar
from counterpoise.core.structure import leaves, take
from counterpoise.networks.augmentation import asked_for
from counterpoise.networks.built_in import BuiltIn
from counterpoise.networks.forward import forward
from counterpoise.networks.input_names import like
from counterpoise.networks.input_spec import spec_of
from counterpoise.networks.network import Network
from counterpoise.networks.weights import seeded

#: Rows that the body sees at a time.
ROWS = 64


def network_for(
    model: Any, examples: Examples, *, callbacks: Sequence[Any] = (), verbose: Any = 0, **options: Any
) -> tuple[Network, Examples]:
    """Return the network that is trained, and the examples in the form that it takes.

    For a model with a frozen body, the network is its head and the examples are the body's outputs. `with_body` later
    joins both. Callbacks or augmentation need the whole model at every step, so it is then trained as it is.

    Args:
        model: The model. examples: The rows. callbacks: Those of the user. verbose: Of the progress bar.
        **options: Options of `Network`.
    """
    whole = callbacks or asked_for(options)  # then the whole model sees other rows at every step
    frozen = model.frozen if isinstance(model, BuiltIn) and not whole else None
    with seeded(0):
        body = frozen.body(spec_of(examples)) if frozen else None
    if frozen is None or body is None:
        return Network(model, examples, **options), examples
    # Rows without content: `Network` raises its errors before the body sees all rows, which takes long.
    empty = np.empty((len(examples), *body.output.shape[1:]), np.float32)
    network = Network(replace(model, build=frozen.head, frozen=None), replace(examples, x=empty), **options)
    network.body = body
    return network, replace(examples, x=_body_outputs(body, examples.x, verbose))


def with_body(members: keras.Model, network: Network) -> keras.Model:
    """Return trained heads joined with their frozen body as one model of the same name.

    Without a frozen body, `members` is returned as it is. Otherwise it is renamed to "heads".
    """
    if network.body is None:
        return members
    name, inputs = members.name, like(network.body.input)
    members.name = "heads"
    return keras.Model(inputs, members(network.body(inputs)), name=name)


def _body_outputs(body: keras.Model, x: Any, verbose: Any) -> np.ndarray:
    """Return the outputs of the body for all rows, float32 (N, ...).

    They are float32 also if the body computes in half precision. `verbose` is for the progress bar.
    """
    predict, rows, outputs = forward(body), len(leaves(x)[0]), []
    with progress_bar(verbose) as progress:
        for start in range(0, rows, ROWS):
            outputs.append(predict(take(x, slice(start, start + ROWS)))[0].astype(np.float32))
            if progress:
                progress("rows through the frozen backbone", len(outputs), -(-rows // ROWS))
    return np.concatenate(outputs)

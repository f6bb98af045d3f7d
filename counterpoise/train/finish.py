"""What a strategy does to its members after training, engine by engine the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.records import Examples, Job, Member
from counterpoise.train.head import find_head
from counterpoise.train.network import Network
from counterpoise.train.objective import focal_gamma

Array = np.ndarray

#: name -> function (member, job, examples, network) -> member.
FINISHES: dict[str, Callable[[Member, Job, Examples, Network], Member]] = {}


def finished(name: str, member: Member, job: Job, examples: Examples, network: Network) -> Member:
    """Return the member as its strategy wants it: what its loss left in it written down, then the named step."""
    if name and name not in FINISHES:
        raise OptionError(f"there is no finishing step {name!r}.{did_you_mean(name, FINISHES)}")
    member = replace(member, gamma=focal_gamma(job.loss))
    return FINISHES[name](member, job, examples, network) if name else member


def absorb_shift(member: Member, job: Job, examples: Examples, network: Network) -> Member:
    """Move the training shift into the bias of the output layer, so that the raw output needs no correction.

    After training with balanced softmax this is the network whose bias started at log prior: an optimizer that moves
    a number by the same steps wherever it stands (SGD, Adam) cannot tell a constant inside the bias from one beside
    it. A network without output bias keeps its shift.
    """
    place = bias_place(network)
    if place is None:
        return member
    shift = member.log_shift if network.units > 1 else np.array([member.log_shift[1] - member.log_shift[0]])
    weights = list(member.weights)
    weights[place] = (weights[place] - shift).astype(weights[place].dtype)
    return replace(
        member,
        weights=tuple(weights),
        logits=(member.logits - shift).astype(np.float32),
        stop_logits=(member.stop_logits - shift).astype(np.float32),
        log_shift=np.zeros_like(member.log_shift),
    )


def bias_place(network: Network) -> int | None:
    """Number of the output bias among a network's variables, or None when there is none."""
    model = network.fresh(0)
    bias = find_head(model).bias
    return None if bias is None else next(i for i, v in enumerate(model.variables) if v is bias)


FINISHES["absorb_shift"] = absorb_shift

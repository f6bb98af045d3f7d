"""Trainings that diverged: the member of such a job has an error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoise.core.job import Member


def or_failed(member: Member) -> Member:
    """The member; with an `error` where its outputs, or without any its last loss, are not numbers.

    A training that breaks down after a good round is that round's, as after any other that ends too late.
    """
    outputs = member.logits, member.stop_logits
    losses = np.asarray(member.history.get("loss", ()), dtype=float)
    looked = any(logits.size for logits in outputs)
    fine = all(np.isfinite(logits).all() for logits in outputs) and (looked or np.isfinite(losses[-1:]).all())
    if member.error or fine:
        return member
    bad = np.flatnonzero(~np.isfinite(losses))
    since = f" (first measured at step {member.history['step'][bad[0]]:,.0f})" if len(bad) else ""
    return replace(
        member,
        error=(
            f"The training diverged: the loss or the output of the network is not finite{since}. Lower the "
            "learning rate, scale the inputs, or check the loss and the weights for values that are not finite."
        ),
    )

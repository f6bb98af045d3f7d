"""Members of failed trainings: their `error` contains the reason, so that the other jobs of a run continue.

A store does not keep them, so a resumed run trains these jobs again (see `comparison.resume`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from counterpoise.core.errors import error_text
from counterpoise.core.job import Job, Member


def failed_member(job: Job, error: Exception) -> Member:
    """Return the member of trees or an external model whose training raised `error`: no weights and no logits."""
    nothing = np.empty((0, len(job.plan.classes)), np.float32)
    shift, text = job.plan.log_shift, error_text(error)
    return Member(job.id, (), nothing, nothing, shift, 0, 0, 0, 0.0, engine="external", error=text)


def with_divergence_error(member: Member) -> Member:
    """Return the member of a network, with an `error` if its outputs are not finite (the training diverged).

    A member without outputs has the error if its last loss is not finite. A loss that is not finite is no error if
    the outputs are finite, because these are from an earlier good round.
    """
    outputs = member.logits, member.stop_logits
    losses = np.asarray(member.history.get("loss", ()), dtype=float)
    looked = any(logits.size for logits in outputs)  # whether there are outputs at all
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

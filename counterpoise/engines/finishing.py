"""Finishing steps of strategies (`Single.finish`): changes of a trained network's head, the same for every engine.

A finished member has new logits. The step is not part of the job, so that "crt" and "tau_norm" share the training of
"none", and a store keeps only the member before it: a step must not depend on anything but its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.structure import chunks, rows_at_once, take
from counterpoise.engines.objective import focal_gamma
from counterpoise.networks.network import Network
from counterpoise.networks.second_stage import dense_head, retrain_head, tau_normalize
from counterpoise.networks.weights import set_state, state_of
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Powers that tau-normalization tries.
TAUS = (0.25, 0.5, 0.75, 1.0)


def apply_finish(name: str, member: Member, job: Job, examples: Examples, network: Network) -> Member:
    """Return the member after the named finishing step, with the gamma of its focal loss set (`Member.gamma`).

    Called for every network member, also without a step (see `pipeline.stages`).

    Args:
        name: A name of `FINISHES`, or "" for no step. job: What trained the member.

    Raises:
        OptionError: There is no such step.
    """
    if name and name not in FINISHES:
        raise OptionError(f"There is no finishing step {name!r}.{did_you_mean(name, FINISHES)}")
    member = replace(member, gamma=focal_gamma(job.loss))
    return FINISHES[name](member, job, examples, network) if name else member


def check_finish(name: str, network: Network) -> None:
    """Raise a `ModelError` if a finishing step cannot work on networks of this kind.

    `name` is a name of `FINISHES`, or "" for no step.
    """
    if name and network.target.many_per_row:
        raise ModelError(
            f"Strategy {name!r} needs one class per row, but these rows have "
            f"{network.target.what}. Choose another strategy, for example class_weight."
        )
    if name in ("crt", "tau_norm") and network.n_members > 1:
        raise ModelError(
            f"Strategy {name!r} changes the last layer of one network, but {network.label!r} is {network.n_members} "
            'networks in one. Use a single network, for example model="mlp" (--model mlp) for tables, or choose '
            "another strategy, for example class_weight."
        )
    if name == "crt":
        dense_head(network.fresh(0))  # raises where the last layer is not dense
    if name == "tau_norm":
        tau_normalize(network.fresh(0))  # raises likewise


def crt(member: Member, job: Job, examples: Examples, network: Network) -> Member:
    """Retrain the head on class-balanced training rows, for a fifth of the member's steps (see `retrain_head`).

    The member is that of `none`, trained once for both. Rows are drawn by the word "second stage".
    """
    model = network.fresh(0)
    set_state(model, member.weights)
    y, batch = examples.y[job.train], job.limits.batch_size
    counts = target_of(job).counts(y, len(examples.classes))
    balanced = len(counts) * int(counts.max())  # rows of an epoch in which each class has as many as the largest
    epochs = max(1, round(member.steps / 5 / -(-balanced // batch)))
    seed = seeds.integer(job.seed, "second stage", *job.counters)
    x = rows_at_once(examples.x, job.train, "crt")
    weights = examples.weights_of(job.train)
    change = retrain_head(model, x, y, epochs=epochs, batch_size=batch, seed=seed, sample_weight=weights)
    return replace(
        _with_new_logits(member, model, job, examples),
        log_shift=np.asarray(change.log_shift),
        steps=member.steps + change.steps,
        rows_seen=member.rows_seen + epochs * balanced,
        gamma=0.0,  # whatever trained the network, the new head is trained with cross-entropy
    )


def tau_norm(member: Member, job: Job, examples: Examples, network: Network) -> Member:
    """Divide the head's class weights by their length to the power tau; train nothing.

    See `tau_normalize`.

    tau is the one of `TAUS` with the least log loss on the early-stopping rows, after a constant per class; 0.5 without
    such rows. The member is that of `none`. The result is a score that needs a calibrator.
    """
    model, y, best = network.fresh(0), examples.y[job.stop], (np.inf, 0.0)
    weights, target = examples.weights_of(job.stop), target_of(job)
    for tau in TAUS if len(y) else (0.5,):
        set_state(model, member.weights)
        tau_normalize(model, tau)
        loss = 0.0
        if len(y):
            log_p = target.log_p(_logits_of(model, examples.x, job.stop), np.zeros_like(member.log_shift))
            loss = target.log_loss(target.with_intercept(log_p, y, weights), y, weights)
        best = min(best, (loss, tau))
    set_state(model, member.weights)
    tau_normalize(model, best[1])
    rescored = _with_new_logits(member, model, job, examples)
    return replace(rescored, log_shift=np.zeros_like(member.log_shift), needs_calibration=True)


def _with_new_logits(member: Member, model: Any, job: Job, examples: Examples) -> Member:
    """Return the member with the weights of `model`, and its logits of the job's score and early-stopping rows."""
    logits, stop_logits = (_logits_of(model, examples.x, rows) for rows in (job.score, job.stop))
    return replace(member, weights=tuple(state_of(model)), logits=logits, stop_logits=stop_logits)


def _logits_of(model: Any, x: Any, rows: Array) -> Array:
    """Return the logits of some rows, float32 (n, units), computed in chunks."""
    if not len(rows):
        return np.empty((0, int(model.output.shape[-1])), np.float32)
    logits = [keras.ops.convert_to_numpy(model(take(x, chunk), training=False)) for chunk in chunks(x, rows)]
    return np.concatenate(logits)


#: Value of `Single.finish` -> function (member, job, examples, network) -> new member.
FINISHES: dict[str, Callable[[Member, Job, Examples, Network], Member]] = {
    "crt": crt,
    "tau_norm": tau_norm,
}

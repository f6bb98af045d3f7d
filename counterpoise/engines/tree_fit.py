"""Jobs of trees to members: rows drawn and weighted by the plan, trees grown on them, and kept as plain arrays.

The words "plan" and "trees" and the sorted drawn rows decide results. `forests.model.TreeModel` makes the arrays, which
are saved in files, and the trees back from them.
"""

from __future__ import annotations

import time

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.examples import Examples
from counterpoise.core.fork_guard import use
from counterpoise.core.job import Job, Member
from counterpoise.core.memory import Peak
from counterpoise.core.target import Target
from counterpoise.engines.failed_members import failed_member
from counterpoise.forests.fitting import Grown, Rows
from counterpoise.forests.model import TreeModel
from counterpoise.forests.rows import FlatRows
from counterpoise.plans.shift import log_shift
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Rows whose logits are computed at a time.
CHUNK_ROWS = 16_384


def train_trees(job: Job, examples: Examples, model: TreeModel) -> Member:
    """Grow the trees of a job and return them with their logits for score and stop rows.

    An error of the tree library is not raised: the member is returned with this `error`.
    """
    use("LightGBM and scikit-learn")
    start = time.perf_counter()
    with Peak() as peak:
        try:
            # The levels of synthetic rows come from real rows, whose labels their encoding would contain.
            flat = model.rows(examples, job.train, job.seed if job.plan.new is None else None)
            drawn = np.sort(job.plan.rows(0, seeds.integer(job.seed, "plan", *job.counters)))
            weights = job.plan.weights()[drawn].astype(np.float64)
            taken = job.train[drawn]
            rows = Rows(
                flat.training_matrix(taken), examples.y[taken], _none_if_equal(weights), examples.weights_of(taken)
            )
            stop = Rows(flat.matrix(job.stop), examples.y[job.stop], examples.weights_of(job.stop))
            prior = _shares_seen(target_of(examples), rows, weights, model, len(examples.classes))
            shift = training_shift(job, model, prior)
            seed = seeds.integer(job.seed, "trees", *job.counters)
            grown = model.grow(flat, rows, stop, shift, job.limits, seed)
            arrays = model.weights(flat, grown, prior)
            logits, stop_logits = (_logits_of(model, grown, prior, flat, wanted) for wanted in (job.score, job.stop))
        except Exception as error:  # the libraries are not ours: they may raise anything; other models go on
            return failed_member(job, error)
    return Member(
        job=job.id,
        weights=arrays,
        logits=logits,
        stop_logits=stop_logits,
        log_shift=shift,
        best_step=grown.rounds,
        steps=max(grown.rounds, len(grown.history.get("step", ()))),
        rows_seen=len(drawn),
        seconds=time.perf_counter() - start,
        history=grown.history,
        engine="trees",
        needs_calibration=job.plan.needs_calibration or not model.stops_early,
        memory=peak.bytes,
        late_gain=_late_gain(grown),
    )


def training_shift(job: Job, model: TreeModel, seen: Array) -> Array:
    """Return the shift of the logits by training, float64 (C,) or (L, 2): that of the plan, except for one model.

    A balanced forest draws equally many rows of each class itself, so its shift follows from the class shares `seen` by
    its trees.
    """
    if model.name != "balanced_forest":
        return job.plan.log_shift
    return log_shift(seen / job.plan.base_prior)


def _shares_seen(target: Target, rows: Rows, weights: Array, model: TreeModel, classes: int) -> Array:
    """Return the class shares that the trees see, float64 (C,), or (L, 2) of several labels.

    `weights` are those of the plan for the drawn rows. A balanced forest sees equally many rows of each class, so its
    shares are those of the mean weights.
    """
    seen = target.counts(rows.y, classes, weights)
    if model.name == "balanced_forest":  # of one class per row
        seen = seen / target.counts(rows.y, classes, np.ones(len(rows.y)))
    return np.asarray(seen / seen.sum(axis=-1, keepdims=True))


def _none_if_equal(weights: Array) -> Array | None:
    """Return the weights (n,), or None if all are equal, because trees then need none."""
    return None if np.allclose(weights, weights[:1]) else weights


def _late_gain(grown: Grown) -> tuple[float, float] | None:
    """Return `Member.late_gain`: (0, 0) if more rounds would gain nothing, None if they might.

    They gain nothing if the stopping rows ended the growth, or if there was nothing to end (a forest).
    """
    return None if grown.ended is False else (0.0, 0.0)


def _logits_of(model: TreeModel, grown: Grown, prior: Array, flat: FlatRows, rows: Array) -> Array:
    """Return the logits of rows, float32 (N, units), equal to those of the saved file.

    The tree library computes them, because the Keras layer would be traced again for each job.
    """
    width = len(prior) if prior.ndim == 2 or len(prior) > 2 else 1  # labels, classes, or one unit for two classes
    chunks = (flat.matrix(rows[i : i + CHUNK_ROWS]) for i in range(0, len(rows), CHUNK_ROWS))
    logits = [model.logits(grown, prior, chunk).astype(np.float32) for chunk in chunks]
    return np.concatenate([np.empty((0, width), np.float32), *logits])

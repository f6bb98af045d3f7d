"""The order of a job as matrices: one line of equally many rows per step, as one call of the program takes them.

Rows and weights are those of `batch_order`; rows that fill up a short batch have weight 0, so that losses and gradients
are those of `fit` on the short batch.
"""

from __future__ import annotations

import numpy as np

from counterpoise.engines.batch_order import Order

Array = np.ndarray


def block_of(order: Order, start: int, steps: int, full: int, pad: bool) -> tuple[Array, Array, Array]:
    """Return the batches of up to `steps` steps, from `start` on, as matrices.

    They are row numbers (k, B), weights float32 (k, B) or (k, B, members), and the number of rows of each step (k,),
    filled-up rows not counted. There is at least one step.

    Args:
        order: Whose batches.
        start: The first step.
        steps: How many at most.
        full: Rows of a full step: B, unless the block is a single short batch.
        pad: Whether short batches are filled up with rows of weight 0; else a block ends before one, or is one.
    """
    lines: list[tuple[Array, ...]] = []
    counts: list[int] = []
    while len(counts) < steps:
        rows, weights = order.rows_of_steps(start + len(counts), steps - len(counts))
        full_steps, rest = divmod(len(rows), full)
        if full_steps:
            lines.append(tuple(_one_line_per_step(lines_of[: full_steps * full], full) for lines_of in (rows, weights)))
            counts += [full] * full_steps
        if rest and (pad or not lines):
            short, light = rows[-rest:], weights[-rest:]
            short, light = padded_batch(short, light, full) if pad else (short, light)
            lines.append((short[None], light[None]))
            counts.append(rest)
        if rest and not pad:
            break
    all_rows, all_weights = (np.concatenate(lines_of) for lines_of in zip(*lines, strict=True))
    return all_rows, all_weights, np.array(counts)


def padded_batch(rows: Array, weights: Array, size: int) -> tuple[Array, Array]:
    """Return a batch filled up to `size` rows with rows of weight 0, its weights scaled so that the mean loss stays.

    The loss divides by `size` where it should by len(rows): weights are multiplied by size / len(rows).

    Example:
        >>> padded_batch(np.array([4, 7]), np.array([1.0, 3.0]), 4)
        (array([4, 7, 4, 4]), array([2., 6., 0., 0.]))
    """
    more = size - len(rows)
    scaled = weights * weights.dtype.type(size / len(rows))
    return (
        np.concatenate([rows, np.repeat(rows[:1], more)]),
        np.concatenate([scaled, np.zeros((more, *weights.shape[1:]), weights.dtype)]),
    )


def _one_line_per_step(array: Array, full: int) -> Array:
    """Return values of rows, in training order, as one line per step: (steps, full, ...)."""
    return array.reshape(-1, full, *array.shape[1:])

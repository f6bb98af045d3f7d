"""Synthetic rows of plans, put behind the real rows for the time of a training.

The synthetic rows of all jobs are in one set of examples, so that one tensor and one trace serve them all. Real
rows keep their numbers; only the job that a row was made for, from its own training rows, ever draws it, and what an
encoder learns comes from real and synthetic rows of that job. Test and stopping rows are always real.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.core.structure import join


def with_synthetic_rows(jobs: Iterable[Job], examples: Examples) -> tuple[list[Job], Examples]:
    """Return jobs whose `train` numbers real and synthetic rows, and examples with both.

    Args:
        jobs: Jobs; the plan of some may have `new` rows, which it numbers behind those of `job.train`.
        examples: The real rows.

    Returns:
        The jobs in the same order under the same ids, and the examples: the very same where no plan made rows,
        otherwise a copy with the synthetic rows behind the real ones (features, labels, and weights of 1).

    Example:
        >>> from counterpoise.core.job import Limits
        >>> from counterpoise.plans import synthesize
        >>> x, y = np.arange(10.0)[:, None], np.repeat([0, 1], [6, 4])
        >>> plan = synthesize(y[1:], k_neighbors=1).realize(x[1:])
        >>> job = Job("a", plan, np.arange(1, 10), np.array([0]), np.array([0]), ("cross_entropy", {}), 0, (0, 0, 0),
        ...           Limits(steps=1, round_steps=1, patience=None, batch_size=4))
        >>> (ready,), both = with_synthetic_rows([job], Examples(x, y, (0, 1)))
        >>> len(both), ready.train.tolist(), both.y[ready.train].tolist()
        (11, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """
    features, labels, ready = [examples.x], [examples.y], []
    total = len(examples)
    for job in jobs:
        if job.plan.new is not None:
            fresh, codes = job.plan.new
            features.append(fresh)
            labels.append(codes)
            job = replace(job, train=np.concatenate([job.train, np.arange(total, total + len(codes))]))
            total += len(codes)
        ready.append(job)
    if total == len(examples):
        return ready, examples
    x, y, weights, groups = join(features), np.concatenate(labels), examples.sample_weight, examples.groups
    if groups is not None:  # each synthetic row is a group of its own
        groups = np.concatenate([groups, groups.max(initial=0) + 1 + np.arange(total - len(examples))])
    if weights is not None:
        # Early stopping weights real rows. The weights of synthetic rows while they train are those of their plan.
        weights = np.concatenate([weights, np.ones(total - len(examples), weights.dtype)])
    return ready, replace(
        examples,
        x=x,
        y=y,
        groups=groups,
        time=None,
        sample_weight=weights,
        duplicate_ids=None,
        names=None,
        numbers=None,
        units=None,
    )

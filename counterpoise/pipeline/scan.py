"""A table larger than memory for `fit`: some rows in memory, the others streamed as the plan draws them.

Held-out rows (at most `MOST_HELD`) stop training and fit the rule. A sample of training rows (at most `MOST_SAMPLED`)
determines the kinds of the columns, their levels and what the encoder learns. Labels of all rows are in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import VALIDATION, Examples
from counterpoise.core.folds import Holdout
from counterpoise.core.job import Job, Member
from counterpoise.core.label_names import find_label
from counterpoise.core.sources import InMemoryRows
from counterpoise.core.structure import mapped
from counterpoise.data.read import read
from counterpoise.data.schema import encode_frame
from counterpoise.data.split import check_share, hold_out
from counterpoise.engines.failed_members import with_divergence_error
from counterpoise.feed.disk import Scan
from counterpoise.feed.disk_stream import Stream
from counterpoise.networks.network import Network
from counterpoise.pipeline.validation import are_rows, at_training_prior, with_validation
from counterpoise.strategies.select import Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray

logger = logging.getLogger("counterpoise")

#: Most rows in memory with their features: held-out rows, and the sample of training rows.
MOST_HELD, MOST_SAMPLED = 100_000, 100_000
#: Drawn rows that are shuffled together. The number decides the order of rows, and so results.
MIXED_ROWS = 65_536


@dataclass(frozen=True)
class Scanned:
    """A scan made ready for training.

    Attributes:
        scan: The table on disk.
        examples: All rows, numbered as in the table; validation rows of the user's own are behind them. Features of the
            sample and of the held-out rows alone are in memory.
        sample: Rows of the training rows from which kinds, levels and encoder are learned.
        holdout: Rows that train, and those that end training.
    """

    scan: Scan
    examples: Examples
    sample: Array
    holdout: Holdout

    def check_strategy(self, strategy: Strategy) -> None:
        """Raise an `OptionError` for a strategy that needs all features at once, or that changes during training."""
        for single in strategy.singles:
            rows, examples = self.holdout.train, self.examples
            plan = single.make_plan(target_of(examples), examples.y[rows], examples.classes, examples.weights_of(rows))
            in_memory = plan.needs_features or plan.deferred or plan.batch_size is not None
            if single.mix or strategy.n_stages > 1 or single.finish == "crt" or in_memory:
                raise OptionError(
                    f"Strategy {single.name!r} needs rows in memory, but the rows of a scan stay on disk. Choose "
                    "another strategy, for example 'oversample', 'class_weight', or 'logit_adjusted'."
                )

    def stream(self, job: Job, seed: int) -> Stream:
        """Return the stream of a job's drawn rows, encoded as the rows in memory are; `seed` is that of the draw."""
        schema = self.examples.schema
        assert schema is not None
        return Stream(
            self.scan.table, self.scan.features, self.examples.y[: len(self.scan)], job.plan, job.limits.batch_size,
            seed, MIXED_ROWS, rows=job.train, inputs=lambda chunk: encode_frame(schema, chunk),
        )  # fmt: skip

    def run(
        self, jobs: Iterable[Job], examples: Examples, network: Network, *, engine: str = "auto",
        callbacks: Iterable[Any] = (), progress: Any = None,
    ) -> Generator[tuple[str, Member], None, None]:  # fmt: skip
        """Train jobs on rows from disk, and yield the id and the member of each: an executor (see `engines.run.run`).

        Raises:
            OptionError: `engine` is "program", which needs all rows in memory.
        """
        from counterpoise.engines.stream import StreamEngine

        if engine == "program":
            raise OptionError(
                'engine="program" needs all rows in memory, but a scan streams them. Use engine="auto" or "fit".'
            )
        logger.warning('Training uses engine="fit", because the rows are streamed from disk.')
        trainer = StreamEngine(examples, self.sample, self.stream, network, tuple(callbacks))
        for job in jobs:
            yield job.id, with_divergence_error(trainer.train(job, progress))


def read_scan(scan: Scan, validation: Any, seed: int) -> Scanned:
    """Return a scan made ready: held-out and sampled rows are chosen and read into memory.

    `validation` is a share of the rows to hold out, or rows of the user's own.

    Raises:
        SplitError: a class has too few rows. DataError: what `read` refuses.
    """
    weight = None if scan.weights is None else scan.weights.astype(np.float32)
    # All rows without features are enough to choose from.
    bare = Examples({}, scan.y, scan.classes, sample_weight=weight, source=scan.source)
    own = are_rows(validation)
    # With rows of the user's own for validation, no rows of the table are held out.
    train, held = np.arange(len(scan)), np.empty(0, np.int64)
    if not own:
        check_share(validation)  # the largest share of a long table would hide a wrong one
        train, held = hold_out(bare, min(validation, MOST_HELD / len(scan)), seed)
    train, held = np.sort(train), np.sort(held)
    chosen = seeds.generator(seed, "sample").permutation(len(train))[:MOST_SAMPLED]
    sampled = np.sort(train[chosen])
    lacking = np.setdiff1d(scan.y, scan.y[np.concatenate([sampled, held])])
    # A rare class may be in no sampled row if no rows are held out; `read` needs rows of each class.
    sampled = np.sort(np.concatenate([sampled, *(np.flatnonzero(scan.y == code)[:2] for code in lacking)]))
    numbers = np.sort(np.concatenate([sampled, held]))
    rarer = int(np.argmin(scan.counts))
    # The rarer class of the whole table is named, because among the rows that `read` gets it may be another.
    positive = scan.classes[rarer] if len(scan.classes) == 2 and scan.counts[0] != scan.counts[1] else None
    some = read(scan.read(numbers), y=[scan.classes[code] for code in scan.y[numbers]], positive=positive)
    codes = np.array([find_label(label, some.classes) for label in scan.classes], np.int32)  # old code -> new code
    assert some.schema is not None
    # Features are held for the chosen rows alone (`InMemoryRows`); labels and weights for all.
    examples = replace(
        some, x=mapped(lambda values: InMemoryRows(values, numbers, len(scan)), some.x), y=codes[scan.y],
        source=scan.source, schema=replace(some.schema, target=scan.target), duplicate_ids=None, sample_weight=weight,
    )  # fmt: skip
    if own:
        examples = at_training_prior(with_validation(examples, validation, scan.target))
        held = examples.rows_with_role(VALIDATION)
    return Scanned(scan, examples, sampled, Holdout(train, held))


def refuse_with_scan(given: Mapping[str, Any]) -> None:
    """Raise an OptionError when an argument that needs all rows in memory was given along with a scan."""
    for name, value in given.items():
        if value is not None:
            raise OptionError(
                f"{name} cannot be used with a scan, because the rows of a scan stay on disk. Leave {name} out."
            )

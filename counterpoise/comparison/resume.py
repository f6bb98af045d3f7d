"""An executor with a store: it reads finished fits from the folder, and trains and stores the others.

A resumed run must give the same results as a run that was never interrupted: stored members are equal to trained ones,
and the compile modes are those of the first run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from counterpoise.comparison.store import Store
from counterpoise.comparison.stored_values import check_member
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job
from counterpoise.engines.compile_modes import decide_compile_modes
from counterpoise.engines.run import Executor, Trained
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import ALL_ROWS_FOLD
from counterpoise.strategies.select import Strategy
from counterpoise.strategies.single_pass import SinglePass


def opened_store(store: Any) -> Any:
    """Return a context manager that gives the open `Store` for the argument `store` of `compare`.

    `store` is a folder, a store that is open (it stays open after the block), or None (the block gets None).
    """
    return nullcontext(store) if store is None or isinstance(store, Store) else Store.writing(Path(store))


def storing_executor(
    executor: Executor, store: Store, *, weights: bool = True, report: Callable[[str], None] | None = None
) -> Executor:
    """Return an executor that yields what the store contains, and has `executor` train the rest.

    Args:
        executor: What trains.
        store: Where members are; each new one is on disk before it is yielded.
        weights: Whether the weights of fold members are kept too; those of trainings on all rows always are.
        report: Called once with "resuming: 37 of 60 fits are done" if some are.
    """
    # Emptied by the first report: the executor runs once for each model, but reports only once.
    pending = [report] if report else []

    def run(jobs: Iterable[Job], examples: Examples, model: Any, **how: Any) -> Trained:
        """Yield the stored members, then train the remaining jobs and store each member before it is yielded."""
        distinct = {job.id: job for job in jobs}
        if isinstance(model, Network):
            _share_compile_modes(model, distinct.values(), store)
        known = store.stored_jobs(distinct)
        store.done, store.total = store.done + len(known), store.total + len(distinct)
        resuming = f"resuming: {len(known)} of {len(distinct)} fits are done"
        shapes: list[tuple[int, ...]] | None = None
        for job_id in sorted(known):
            member = store.get(job_id, weights or _trains_on_all_rows(distinct[job_id]))
            # None if the weights are needed but were not stored: the job is trained again.
            if member is None:
                store.done -= 1
                continue
            if shapes is None and isinstance(model, Network):
                shapes = [tuple(v.shape) for v in model.spare(keep=True).variables]
            with store.naming_damage():
                check_member(member, distinct[job_id], len(examples.classes), shapes or ())
            del distinct[job_id]
            yield job_id, member
        if known and pending:
            pending.pop()(resuming)
        if not distinct:
            return
        with closing(executor(distinct.values(), examples, model, **how)) as trained:
            for job_id, member in trained:
                if not member.error:  # what failed is tried again
                    store.put(member, weights or _trains_on_all_rows(distinct[job_id]))
                    store.done += 1
                yield job_id, member

    return run


def _share_compile_modes(network: Network, jobs: Iterable[Job], store: Store) -> None:
    """Give a network the compile modes that the store has, and store the modes that are decided now.

    A continued run therefore trains as it began. `jobs` are of this network alone: its modes have the name of a loss
    family in the store, after "model|" if the jobs name a model.
    """
    jobs = list(jobs)
    prefix = f"{jobs[0].model}|" if jobs and jobs[0].model else ""
    kept = store.compile_modes
    own = {name.removeprefix(prefix): mode for name, mode in kept.items() if name.startswith(prefix)}
    network.compile_modes |= {name: mode for name, mode in own.items() if "|" not in name}
    store.compile_modes = kept | {f"{prefix}{name}": mode for name, mode in decide_compile_modes(jobs, network).items()}


def needs_weights(strategies: Sequence[Strategy]) -> bool:
    """Return whether a strategy uses the weights of its fold members after training: to finish, or to score members."""
    singles = [single for strategy in strategies for single in strategy.singles]
    return any(single.finish or isinstance(single, SinglePass) for single in singles)


def print_on_stderr(text: str) -> None:
    """Print one line on standard error."""
    print(text, file=sys.stderr, flush=True)


def _trains_on_all_rows(job: Job) -> bool:
    """Return whether a job is the training of the winner on all rows, and not one of a fold."""
    return job.counters[1] == ALL_ROWS_FOLD

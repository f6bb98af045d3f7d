"""Jobs to members: `run` trains jobs of any model in this process, and chooses the engine of a network.

Pools, clusters and stores of finished fits are functions that are called like `run` (`Executor`), so its arguments are
a contract with `scale`, `comparison.resume`, and `pipeline.trainer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from typing import Any

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.engines.failed_members import with_divergence_error
from counterpoise.engines.keras_fit import FitEngine, Progress
from counterpoise.engines.objective import check_weights
from counterpoise.engines.program_rules import learning_rate_variable, why_not_program
from counterpoise.engines.sklearn_fit import train_estimator
from counterpoise.engines.synthetic_rows import with_synthetic_rows
from counterpoise.engines.tree_fit import train_trees
from counterpoise.networks.cloning import keras_text
from counterpoise.networks.network import Network
from counterpoise.networks.weights import note_backend_use

logger = logging.getLogger("counterpoise")

ENGINES = ("auto", "fit", "program")

#: (job id, member) in order of completion; closing it ends the work.
Trained = Generator[tuple[str, Member], None, None]
#: What trains jobs: a function called like `run`, which is the one in this process. Pools and clusters
#: (`counterpoise.scale`) are others, and so is one with a store (`comparison.resume`).
Executor = Callable[..., Trained]


def run(
    jobs: Iterable[Job],
    examples: Examples,
    model: Any,
    *,
    engine: str = "auto",
    callbacks: Iterable[Any] = (),
    progress: Progress | None = None,
    threads: int | None = None,
) -> Trained:
    """Train jobs of one model and yield (job id, member) in order of completion; equal jobs are trained once.

    Args:
        jobs: What to train.
        examples: The rows that the jobs number; rows that a plan made are put behind them here.
        model: A `Network`, or another `core.model.Model`, whose jobs are fitted one after the other; what these raise
            is their member's `error`.
        engine: "program", "fit", or "auto": the program where it can, else `fit` and a line in the log
            `counterpoise` with the reason.
        callbacks: Keras callbacks for the `fit` engine.
        progress: Called with (job id, steps done, steps at most) after each round, always in the caller's thread.
        threads: Jobs that the program trains at the same time; None is 2. Results do not depend on it.

    Raises:
        ModelError: the model's own loss cannot weight rows (see `check_weights`).
        OptionError: an unknown engine, a plateau together with a learning-rate schedule, or engine="program" where the
            program cannot train this.
    """
    if engine not in ENGINES:
        raise OptionError(f"engine is {engine!r}. Expected one of {', '.join(ENGINES)}.{did_you_mean(engine, ENGINES)}")
    note_backend_use()  # raises a ForkError if a fork left the threads of the backend behind
    distinct, examples = with_synthetic_rows({job.id: job for job in jobs}.values(), examples)
    if model.kind == "network":
        yield from _train_networks(distinct, examples, model, engine, tuple(callbacks), progress, threads)
        return
    for job in distinct:
        yield job.id, FITTED[model.kind](job, examples, model)


#: Kind of a model -> function (job, examples, model) -> member, for those that are no networks.
FITTED: dict[str, Callable[[Job, Examples, Any], Member]] = {"trees": train_trees, "external": train_estimator}


def _train_networks(
    distinct: list[Job], examples: Examples, network: Network, engine: str, callbacks: tuple[Any, ...],
    progress: Progress | None, threads: int | None,
) -> Trained:  # fmt: skip
    """Train the jobs of a network and yield (job id, member).

    Jobs that the program cannot train are trained by `fit` first; if there is no program, `fit` trains all jobs.
    Members of trainings that diverged have an `error`.
    """
    _check_rate_can_change(distinct, network)
    for job in distinct:
        check_weights(job, network)
    compiled, by_fit = _split_by_engine(distinct, engine)
    program = _make_program(compiled, examples, network, callbacks, must=engine == "program") if compiled else None
    if program is None:
        compiled, by_fit = [], distinct
    trainer = FitEngine(examples, network, callbacks)
    for job in by_fit:
        yield job.id, with_divergence_error(trainer.train(job, progress))
    for job, event in program.run(compiled, threads) if program else ():
        # An event is a finished member, or the number of steps that a job has made.
        if isinstance(event, Member):
            yield job.id, with_divergence_error(event)
        elif progress:
            progress(job.id, event, job.limits.steps)


def _split_by_engine(jobs: list[Job], engine: str) -> tuple[list[Job], list[Job]]:
    """Return the jobs for the program and the jobs for `fit`; jobs that mix or crop rows are always for `fit`.

    Raise an OptionError for such jobs with engine="program".
    """
    if engine == "fit":
        return [], jobs
    by_fit = [job for job in jobs if job.mix or job.plan.crops]
    if by_fit and engine == "program":
        raise OptionError(
            'engine="program" cannot mix or crop rows. For "mixup", "remix", and "crops", use engine="auto" or "fit".'
        )
    return [job for job in jobs if not (job.mix or job.plan.crops)], by_fit


def _check_rate_can_change(jobs: list[Job], network: Network) -> None:
    """Raise an OptionError if a job (by its plateau or cosine) lowers a learning rate that a schedule sets."""
    setter = "plateau halves" if any(job.limits.plateau is not None for job in jobs) else ""
    setter = "A snapshot ensemble lowers" if any(job.limits.cosine for job in jobs) else setter
    if setter and learning_rate_variable(network.optimizer()) is None:
        raise OptionError(
            f"{setter} the learning rate, but the learning rate of this optimizer is a schedule. Expected a fixed "
            "learning rate. Use an optimizer with a fixed learning rate, or choose another option or "
            "strategy."
        )


def _make_program(jobs: list[Job], examples: Examples, network: Network, callbacks: tuple[Any, ...], must: bool) -> Any:
    """Return the program engine, ready to run these jobs, or log the reason why it cannot and return None.

    With `must`, raise an OptionError instead of returning None.
    """
    reason = why_not_program(network, examples, callbacks)
    if reason is None:
        from counterpoise.engines.program_engine import ProgramEngine

        ready = ProgramEngine.of(examples, network)
        try:
            ready.prepare(jobs)
        except OptionError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__} while tracing ({keras_text(error)})"
        else:
            return ready
    if must:
        raise OptionError(f'engine="program" cannot train this network, because {reason}. Use engine="auto" or "fit".')
    logger.warning('Training uses engine="fit", because %s. Training may take longer.', reason)
    return None

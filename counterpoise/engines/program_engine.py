"""The `program` engine: jobs through compiled programs, a few at a time.

Everything that touches Keras (building, tracing) happens in the caller's thread, because Keras keeps its settings
per thread; the worker threads only run compiled functions and NumPy. A job's result depends neither on the number of
threads nor on the other jobs, and is that of `keras_fit` up to rounding (tests/engines/test_program.py compares them).
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from counterpoise.core import seeds
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.memory import Peak
from counterpoise.engines import program_cache, program_rules
from counterpoise.engines.batch_order import Order
from counterpoise.engines.compile_modes import decide_compile_modes, jobs_by_family
from counterpoise.engines.compiled_metrics import metrics_of
from counterpoise.engines.early_stopping import Stopper, round_ends
from counterpoise.engines.loss_constants import class_constants_of
from counterpoise.engines.loss_scale import compiled_for_training
from counterpoise.engines.objective import Objective
from counterpoise.engines.program import Memory, Program, Slot
from counterpoise.engines.step_blocks import block_of
from counterpoise.engines.threads import work_through
from counterpoise.engines.weight_averaging import Average
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import schedule_ends_near_zero

Array = np.ndarray

logger = logging.getLogger("counterpoise")


@dataclass(frozen=True)
class Task:
    """A job with all that its worker needs.

    Attributes:
        job: The job. objective: Its loss and shifts. program: The program of its loss family.
        state: Start values of all variables of a slot, in the order of `Program.variables`: network, optimizer, class
            constants of the loss.
        rate_ends_near_zero: Whether a schedule lowers the learning rate to almost 0 by the last step.
    """

    job: Job
    objective: Objective
    program: Program
    state: Sequence[Array]
    rate_ends_near_zero: bool


class ProgramEngine:
    """Trains jobs through one compiled program per loss family (see the module).

    Attributes:
        programs: The programs, by loss family.
    """

    name = "program"

    def __init__(self, examples: Examples, network: Network) -> None:
        self.examples, self.network = examples, network
        self.memory = Memory(examples.x, examples.y)
        self.metrics = metrics_of(network)
        self.programs: dict[str, Program] = {}

    @classmethod
    def of(cls, examples: Examples, network: Network) -> ProgramEngine:
        """Return the engine in the cache of a network; make it if it is for other rows.

        Later runs on the same rows therefore trace nothing again.
        """
        engine = network.cache.get("program")
        if engine is None or engine.examples is not examples:
            engine = network.cache["program"] = cls(examples, network)
        return engine

    @property
    def traces(self) -> dict[str, int]:
        """How often each function ("block", "logits") was traced, over all programs."""
        total: dict[str, int] = {}
        for program in self.programs.values():
            for name, count in program.traces.items():
                total[name] = total.get(name, 0) + count
        return total

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Make and trace the program of each loss family; call it before `run`, which needs these programs.

        An error in tracing is raised, and `engines.run` then trains by `fit`. If XLA cannot compile a network, its
        mode in `network.compile_modes` becomes one without XLA, and the log reports it.
        """
        decide_compile_modes(jobs, self.network)  # fills `network.compile_modes`
        for key, group in jobs_by_family(jobs).items():
            try:
                self._trace_family(key, group)
            except tf.errors.OpError as error:
                if not self.network.compile_modes[key].xla:
                    raise
                logger.warning(
                    "XLA cannot compile this network (%s). Training continues without XLA and takes longer.",
                    _error_summary(error),
                )
                self.network.compile_modes[key] = replace(self.network.compile_modes[key], xla=False)
                self.programs.pop(key, None)
                self._trace_family(key, group)

    def _trace_family(self, key: str, jobs: Sequence[Job]) -> None:
        """Make or find the program of a loss family, and trace what the family's jobs need; `key` is the family."""
        if key not in self.programs:
            self.programs[key] = self._find_or_make_program(key, Objective(jobs[0]))
        program, longest = self.programs[key], max(job.limits.round_steps for job in jobs)
        for rows, drawn in {(full_step_rows(job), len(stage)) for job in jobs for stage in job.plan.stages}:
            program.trace(self.memory, rows, drawn, longest)
        program_cache.keep(program)

    def _find_or_make_program(self, key: str, objective: Objective) -> Program:
        """Return the program of a loss family from the cache of programs, or a new one that is not traced yet.

        Programs with the loss of the user's model, or that train the passed model itself, are shared with no network.
        """
        loss, mode = objective.loss(self.network), self.network.compile_modes[key]
        model = compiled_for_training(self.network, loss)
        own = objective.name == "model" or not self.network.clone
        alike = None if own else program_cache.trace_key(model, key, mode, self.memory.form, self.network.loss_factor)
        return program_cache.find(alike) or Program(model, loss, self.memory.form, mode, self.network.target, alike)

    def run(self, jobs: Sequence[Job], threads: int | None = None) -> Iterator[tuple[Job, int | Member]]:
        """Train jobs that `prepare` has seen; yield (job, steps done) after each round and (job, member) at its end."""
        wanted = program_rules.THREADS if threads is None else threads
        count = max(1, min(wanted, len(jobs), os.cpu_count() or 1 if threads is None else wanted))
        local = threading.local()
        return work_through(self._tasks(jobs), lambda task, stop: Training(task, self, local, stop).run(), count)

    def _tasks(self, jobs: Sequence[Job]) -> Iterator[Task]:
        """Yield each job with its program and start values; it runs in the caller's thread.

        The word "initial" is that of `keras_fit`, so that both engines start from the same weights.
        """
        for job in jobs:
            objective = Objective(job)
            program = self.programs[objective.family]
            class_constants = class_constants_of(objective.loss(self.network), self.network.units)
            seed = seeds.integer(job.seed, "initial", *job.counters)
            state = job.start or self.network.initial_state(
                seed, self.examples.x, job.train, objective.member_shifts, objective.initial_bias(self.network)
            )
            rate_ends_near_zero = schedule_ends_near_zero(self.network.optimizer(), job.limits.steps)
            values = [*state, *program.initial_optimizer_values, *class_constants]
            yield Task(job, objective, program, values, rate_ends_near_zero)


class Training:
    """The training of one job in one thread: rounds of steps, each judged by a `Stopper`; `run` does it.

    `keras_fit.FitEngine` and `Watch` do the same by Keras: a change of what happens after a round belongs into both.
    """

    def __init__(self, task: Task, engine: ProgramEngine, local: threading.local, stop: threading.Event) -> None:
        self.job, self.objective, self.program, self.state = task.job, task.objective, task.program, task.state
        self.examples, self.memory, self.metrics = engine.examples, engine.memory, engine.metrics
        self.rate_ends_near_zero = task.rate_ends_near_zero
        self.stop, self.order = stop, Order(task.job)
        self.slot = _slot_of_thread(local, task.program)

    def run(self) -> Iterator[tuple[Job, int | Member]]:
        """Train the job; yields (job, steps done) after each round, and at last (job, member)."""
        with Peak() as peak:
            for job, event in self._steps():
                yield job, replace(event, memory=peak.bytes) if isinstance(event, Member) else event

    def _steps(self) -> Iterator[tuple[Job, int | Member]]:
        """Train round by round: (job, step reached) after each, and (job, member) at the end.

        If `stop` is set, the steps end without a member.
        """
        start, job = time.perf_counter(), self.job
        self.slot.set_all(self.state)
        y, weights = self.examples.scored_labels(job.stop), self.examples.scored_weights(job.stop)
        stopper = Stopper(job, self.objective, y, weights, self.rate_ends_near_zero, self.metrics)
        average = Average(job.limits.average, self.program.averaged_indices)
        best: list[Array] | None = None
        for end in round_ends(job):
            end = min(end, job.limits.steps)
            stopper.record_round(end, self._take_steps(stopper.steps, end))
            if self.stop.is_set():
                return
            with self._averaged_weights_in_slot(average):
                if stopper.improved(self._logits_of(job.stop)):
                    best = self.slot.values(self.program.n_model_variables)
            if stopper.first_stage_ended:
                average.restart()
                self.order.start_last_stage(end)
                # The last stage starts from the best weights; the optimizer and the loss keep their state.
                self.slot.set_all([*(best or []), *self.slot.values()[len(best or []) :]])
            if self.program.rate_index is not None:
                self.slot.set_variable(self.program.rate_index, stopper.rate * self.state[self.program.rate_index])
            yield job, end
            if stopper.over:
                break
        yield job, self._make_member(stopper, best, start)

    @contextlib.contextmanager
    def _averaged_weights_in_slot(self, average: Average) -> Iterator[None]:
        """Put the averaged weights into the slot for a block, and the trained weights back at its end.

        Without averaging, the slot does not change.
        """
        if not average.decay:
            yield
            return
        now = self.slot.values(self.program.n_model_variables)
        self.slot.set_first(average.with_average(now))
        yield
        self.slot.set_first(now)

    def _take_steps(self, start: int, end: int) -> float:
        """Take the steps from `start` to `end` - 1 in blocks, and return the mean loss over their rows.

        If `stop` is set, it takes fewer steps. Without steps, the loss is 0.
        """
        losses, counts = [np.empty(0)], [np.empty(0)]
        while start < end and not self.stop.is_set():
            start, loss, rows = self._take_block(start, end)
            losses.append(loss)
            counts.append(rows)
        seen = np.concatenate(counts)
        return float(np.dot(np.concatenate(losses).astype(float), seen) / max(1.0, seen.sum()))

    def _take_block(self, start: int, end: int) -> tuple[int, Array, Array]:
        """Take the steps of one call of the program; return next step, and loss and number of rows of each step."""
        full = full_step_rows(self.job)
        steps = min(end - start, self.program.steps_per_call(self.memory, full))
        rows, weights, counts = block_of(self.order, start, steps, full, self.program.mode.pad)
        return start + len(rows), self.program.block(self.slot, self.memory, rows, weights), counts

    def _logits_of(self, rows: Array) -> Array:
        """Return raw logits of rows by the weights in the slot, float32 (len(rows), units)."""
        return self.program.logits(self.slot, self.memory, rows, self.examples.scored_outputs)

    def _make_member(self, stopper: Stopper, best: list[Array] | None, start: float) -> Member:
        """Return the trained member: weights of the best round (the last if there is none), outputs, and history."""
        job, n_model_variables = self.job, self.program.n_model_variables
        if best is not None:
            # Only the weights matter for the logits; the other variables get their start values.
            self.slot.set_all([*best, *self.state[n_model_variables:]])
        return Member(
            job=job.id,
            weights=tuple(best or self.slot.values(n_model_variables)),
            logits=self._logits_of(job.score),
            stop_logits=self._logits_of(job.stop),
            log_shift=self.objective.log_shift,
            best_step=stopper.best_step,
            steps=stopper.steps,
            rows_seen=self.order.rows_seen(stopper.steps),
            seconds=time.perf_counter() - start,
            history=stopper.history,
            engine=ProgramEngine.name,
            needs_calibration=self.objective.needs_calibration,
            member_shifts=self.objective.member_shifts,
            late_gain=stopper.late_gain,
        )


def _error_summary(error: tf.errors.OpError) -> str:
    """Return the type of an error and the first line of its message, for the log."""
    return f"{type(error).__name__}: {str(error.message).strip().splitlines()[0][:150]}"


def full_step_rows(job: Job) -> int:
    """Return the rows of a full step of a job, in both stages: its batch size, or less for small plans.

    Blocks are traced for this number (see `program_rules.full_batch_rows`).
    """
    return program_rules.full_batch_rows(job.limits.batch_size, max(map(len, job.plan.stages)))


def _slot_of_thread(local: Any, program: Program) -> Slot:
    """Return the slot of the calling thread for a program; make it when first asked for."""
    slots = local.__dict__.setdefault("slots", {})
    if id(program) not in slots:
        slots[id(program)] = program.slot()
    return slots[id(program)]

"""The `fit` engine: one job through `keras.Model.fit`, any model, any backend.

One model is compiled per loss family and used for every job of a run: jobs differ only in the values of its
variables, so Keras traces once. A Keras "epoch" here is a round of `limits.round_steps` steps.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from counterpoise.core import seeds
from counterpoise.core.memory import Peak
from counterpoise.core.records import Examples, Job, Member
from counterpoise.core.structure import take
from counterpoise.engines import custom_train_step
from counterpoise.engines.batch_order import Order
from counterpoise.engines.early_stopping import Stopper
from counterpoise.engines.loss_scale import compiled
from counterpoise.engines.mixing import Mixed
from counterpoise.engines.objective import Objective
from counterpoise.engines.weight_averaging import Average, averaged
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import comes_to_rest
from counterpoise.networks.weights import fed, places, set_state, state_of

Array = np.ndarray

#: Called with (job id, steps done, steps at most) after each round.
Progress = Callable[[str, int, int], None]

PREDICT_ROWS = 8192


class FitEngine:
    """Trains jobs one after the other with `fit` (see the module)."""

    name = "fit"

    def __init__(self, examples: Examples, network: Network, callbacks: Sequence[Any] = ()) -> None:
        self.examples, self.network, self.callbacks = examples, network, tuple(callbacks)
        self._compiled: dict[str, tuple[keras.Model, list[Array]]] = {}
        self._stepping: dict[str, custom_train_step.Stepping] = {}

    def train(self, job: Job, progress: Progress | None = None) -> Member:
        """Train one job to its limits and return the weights of its best round."""
        with Peak() as peak:
            member = self._train(job, progress)
        return replace(member, memory=peak.bytes)

    def _train(self, job: Job, progress: Progress | None) -> Member:
        start = time.perf_counter()
        objective = Objective(job)
        own = self.network.own_step is not None
        model, fitted, batches = (self._own if own else self._ours)(job, objective)
        rests = comes_to_rest(self.network.optimizer(), job.limits.steps)
        watch = Watch(job, objective, model, self.examples, progress, rests)
        with custom_train_step.told(fitted, batches) if own else contextlib.nullcontext():
            self._fit(fitted, batches, watch)
        if watch.best_state is not None:
            set_state(model, watch.best_state)
        return Member(
            job=job.id,
            weights=tuple(state_of(model)),
            logits=logits_of(model, self.examples.x, job.score),
            stop_logits=logits_of(model, self.examples.x, job.stop),
            log_shift=objective.log_shift,
            best_step=watch.stopper.best_step,
            steps=watch.stopper.steps,
            rows_seen=batches.order.rows_seen(watch.stopper.steps),
            seconds=time.perf_counter() - start,
            history=watch.stopper.history,
            engine=self.name,
            needs_calibration=objective.needs_calibration,
            view_shifts=objective.view_shifts,
            late_gain=watch.stopper.late_gain,
        )

    def _ours(self, job: Job, objective: Objective) -> tuple[keras.Model, keras.Model, Any]:
        """The compiled network of the loss family in the job's initial state, and its batches."""
        model, optimizer_state = self._model(objective)
        self._start(model, job, objective)
        for variable, value in zip(model.optimizer.variables, optimizer_state, strict=True):
            variable.assign(value)
        return model, model, self._batches(job)

    def _batches(self, job: Job) -> Any:
        return Batches(job, self.examples, self.network.units)

    def _own(self, job: Job, objective: Objective) -> tuple[keras.Model, keras.Model, Any]:
        """A network, the user's model inside it that brings its own step, and its batches."""
        if objective.key not in self._stepping:
            self._stepping[objective.key] = custom_train_step.Stepping(self.network, objective)
        stepping = self._stepping[objective.key]
        self._start(stepping.opened.whole, job, objective)
        objective.needs_calibration = True  # nobody knows what the step minimizes
        return stepping.opened.whole, stepping.inner, stepping.batches(job, self.examples)

    def _start(self, model: keras.Model, job: Job, objective: Objective) -> None:
        if job.start:
            set_state(model, job.start)
            return
        seed = seeds.integer(job.seed, "initial", *job.place)
        rows, bias = self._learning_rows(job), objective.start(self.network)
        set_state(model, self.network.initial_state(seed, self.examples.x, rows, objective.view_shifts, bias))

    def _learning_rows(self, job: Job) -> Array:
        """Rows in memory from which an encoder learns."""
        return job.train

    def _fit(self, model: keras.Model, batches: Batches, watch: Watch) -> None:
        """Whole rounds in one call (one for each stage), then what is left of the last one."""
        limits, stopper = batches.job.limits, watch.stopper
        how: dict[str, Any] = {"verbose": 0, "callbacks": [watch, *self.callbacks], "shuffle": False}
        while stopper.steps < limits.steps:
            batches.start = watch.before = stopper.steps
            rounds, rest = divmod(limits.steps - stopper.steps, limits.round_steps)
            model.fit(batches, epochs=max(1, rounds), steps_per_epoch=limits.round_steps if rounds else rest, **how)
            if stopper.turned:
                # Keras draws batches ahead: only between two calls is it sure what comes next.
                batches.order.turn(stopper.steps)
                set_state(watch.network, watch.best_state or state_of(watch.network))
            elif model.stop_training:
                break

    def _model(self, objective: Objective) -> tuple[keras.Model, list[Array]]:
        """The compiled model of a loss family, and the initial values of its optimizer's variables."""
        if objective.key not in self._compiled:
            model = compiled(self.network, objective.loss(self.network))
            initial = [np.array(keras.ops.convert_to_numpy(v.value)) for v in model.optimizer.variables]
            self._compiled[objective.key] = model, initial
        return self._compiled[objective.key]


class Batches(keras.utils.PyDataset):
    """The steps of one job, without end, as Keras batches (x, y, weight); item k is a pure function of k."""

    num_batches = None

    def __init__(self, job: Job, examples: Examples, units: int) -> None:
        super().__init__()
        self.job, self.examples, self.order, self.start = job, examples, Order(job), 0
        self.mixed = Mixed(job, units) if job.mix else None

    def __getitem__(self, index: int) -> tuple[Any, Array, Array]:
        step = self.start + index
        rows, weights = self.order.step(step)
        x, y = take(self.examples.x, rows), self.examples.y[rows]
        return (fed(x), y, weights) if self.mixed is None else self.mixed.batch(step, x, y, weights)


class Watch(keras.callbacks.Callback):
    """Looks at the stopping score after each round, keeps the best state, ends training after `patience` steps."""

    def __init__(
        self, job: Job, objective: Objective, network: keras.Model, examples: Examples, progress: Progress | None,
        rests: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.job, self.network, self.progress, self.x, self.before = job, network, progress, examples.x, 0
        y, weights = examples.y[job.stop], examples.weights_of(job.stop)
        self.stopper = Stopper(job, objective, y, weights, rests)
        self.best_state: list[Array] | None = None
        self.average = Average(job.limits.average, places(network, averaged(network)))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        limits, stopper, logs = self.job.limits, self.stopper, {} if logs is None else logs
        rate = stopper.rate
        steps = min(limits.steps, self.before + (epoch + 1) * limits.round_steps)
        stopper.enter(steps, logs.get("loss", np.nan))
        self._look()
        if len(self.job.stop):
            logs["val_loss"] = stopper.history["stop_loss"][-1]  # for callbacks that watch it
            self.model.stop_training = self.model.stop_training or stopper.over or stopper.turned
        if stopper.rate != rate:
            optimizer = self.model.optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) * stopper.rate / rate
        if self.progress:
            self.progress(self.job.id, steps, limits.steps)

    def _look(self) -> None:
        """Judge the network by the average of its weights, where one is asked for; training goes on from its own."""
        now = state_of(self.network)
        looked_at = self.average.of(now) if self.average.decay else now
        if looked_at is not now:
            set_state(self.network, looked_at)
        if self.stopper.improved(logits_of(self.network, self.x, self.job.stop)):
            self.best_state = looked_at
        if looked_at is not now:
            set_state(self.network, now)
        if self.stopper.turned:
            self.average.restart()


def logits_of(model: keras.Model, x: Any, rows: Array) -> Array:
    """Raw logits float32 (len(rows), units), in large batches."""
    parts = [
        np.asarray(model.predict_on_batch(take(x, rows[i : i + PREDICT_ROWS])))
        for i in range(0, len(rows), PREDICT_ROWS)
    ]
    return np.concatenate(parts) if parts else np.empty((0, int(model.output.shape[-1])), np.float32)

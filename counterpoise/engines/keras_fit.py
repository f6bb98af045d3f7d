"""The `fit` engine: one job through `keras.Model.fit`, any model, any backend.

One model is compiled per loss (`Objective.key`) and used for every job of a run: jobs differ only in the values of its
variables, so Keras traces once. A Keras "epoch" here is a round of `limits.round_steps` steps. `program_engine` must
give the same numbers up to rounding; `stream.StreamEngine` replaces the two methods about rows that are on disk.
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
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.memory import Peak
from counterpoise.core.structure import chunks, take
from counterpoise.engines import custom_train_step
from counterpoise.engines.batch_order import Order
from counterpoise.engines.compiled_metrics import CompiledMetrics, metrics_of
from counterpoise.engines.cropping import CropBatches, compiled_on_crops
from counterpoise.engines.early_stopping import Stopper, round_ends
from counterpoise.engines.loss_scale import compiled_for_training
from counterpoise.engines.mixing import Mixed
from counterpoise.engines.objective import Objective
from counterpoise.engines.user_callbacks import UserCallbacks
from counterpoise.engines.weight_averaging import Average, averaged_variables
from counterpoise.networks.forward import no_logits
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import schedule_ends_near_zero
from counterpoise.networks.weights import fed, set_state, state_of, variable_indices

Array = np.ndarray

#: (outputs of some rows, their numbers) -> the outputs that scores are taken from (see `Examples.scored_outputs`).
Scored = Callable[[Array, Array], Array]
#: Called with (job id, steps done, steps at most) after each round.
Progress = Callable[[str, int, int], None]


class FitEngine:
    """Trains jobs one after the other with `fit` (see the module)."""

    name = "fit"

    def __init__(self, examples: Examples, network: Network, callbacks: Sequence[Any] = ()) -> None:
        self.examples, self.network, self.callbacks = examples, network, tuple(callbacks)
        self._compiled_by_loss: dict[str, tuple[keras.Model, list[Array]]] = {}
        self._crops_by_loss: dict[str, keras.Model] = {}
        self._custom_step_by_loss: dict[str, custom_train_step.CustomStepModel] = {}

    def train(self, job: Job, progress: Progress | None = None) -> Member:
        """Train one job to its limits and return the member of its best round.

        `progress` is called after each round. An error of the user's code is raised; a training that diverges is not
        an error here (see `failed_members`).
        """
        with Peak() as peak:
            member = self._train(job, progress)
        return replace(member, memory=peak.bytes)

    def _train(self, job: Job, progress: Progress | None) -> Member:
        """Train one job by `fit`, and return the member of its best round, without its memory."""
        start = time.perf_counter()
        objective = Objective(job)
        # `model` is the network that is judged. `fitted` shares its weights and is trained: `model` itself, its layers
        # on crops of images, or the model of the user with its own training step.
        custom_step = self.network.custom_train_step is not None
        make = self._custom_step_network if custom_step else self._built_network
        model, fitted, batches = make(job, objective)
        rate_ends_near_zero = schedule_ends_near_zero(self.network.optimizer(), job.limits.steps)
        watch = Watch(job, objective, model, self.examples, progress, rate_ends_near_zero, metrics_of(self.network))

        def member() -> Member:
            return self._make_member(job, objective, model, watch, batches, start)

        with custom_train_step.step_errors(fitted, batches) if custom_step else contextlib.nullcontext():
            self._train_model(fitted, batches, watch, member)
        if watch.best_state is not None:
            set_state(model, watch.best_state)
        return member()

    def _make_member(
        self, job: Job, objective: Objective, model: keras.Model, watch: Watch, batches: Any, start: float
    ) -> Member:
        """Return the member of the network as it is, with its outputs for score and stop rows.

        `start` is the time of `perf_counter` at which the training began.
        """
        return Member(
            job=job.id,
            weights=tuple(state_of(model)),
            logits=logits_of(model, self.examples.x, job.score, self.examples.scored_outputs),
            stop_logits=logits_of(model, self.examples.x, job.stop, self.examples.scored_outputs),
            log_shift=objective.log_shift,
            best_step=watch.best_step,
            steps=watch.stopper.steps,
            rows_seen=batches.order.rows_seen(watch.stopper.steps),
            seconds=time.perf_counter() - start,
            history=watch.stopper.history,
            engine=self.name,
            needs_calibration=objective.needs_calibration,
            member_shifts=objective.member_shifts,
            late_gain=watch.stopper.late_gain,
        )

    def _built_network(self, job: Job, objective: Objective) -> tuple[keras.Model, keras.Model, Any]:
        """Return the compiled network of the loss family, what `fit` trains, and the batches.

        Network and optimizer are in the initial state of the job. What `fit` trains is the network itself, or its
        layers on crops of the images.
        """
        model, optimizer_state = self._compiled_model(objective)
        self._set_initial_state(model, job, objective)
        for variable, value in zip(model.optimizer.variables, optimizer_state, strict=True):
            variable.assign(value)
        if job.plan.crops:
            crops_model = self._crops_model(model, job, objective.key)
            return model, crops_model, CropBatches(job, self.examples, crops_model.output.shape[1:-1])
        return model, model, self._make_batches(job)

    def _crops_model(self, model: keras.Model, job: Job, key: str) -> keras.Model:
        """Return the compiled model on crops, with the layers and optimizer of `model`; made once per loss `key`."""
        if key not in self._crops_by_loss:
            self._crops_by_loss[key] = compiled_on_crops(model, job)
        return self._crops_by_loss[key]

    def _make_batches(self, job: Job) -> Any:
        """Return the training batches of a job; `StreamEngine` reads them from disk."""
        return Batches(job, self.examples, self.network.units)

    def _custom_step_network(self, job: Job, objective: Objective) -> tuple[keras.Model, keras.Model, Any]:
        """Return the network, the model inside it with the user's training step, and batches.

        The network is in the initial state of the job. It is made once per loss. Sets `objective.needs_calibration`.
        """
        if objective.key not in self._custom_step_by_loss:
            self._custom_step_by_loss[objective.key] = custom_train_step.CustomStepModel(self.network, objective)
        custom_step_model = self._custom_step_by_loss[objective.key]
        self._set_initial_state(custom_step_model.assembled.model, job, objective)
        objective.needs_calibration = True  # nobody knows what the step minimizes
        return custom_step_model.assembled.model, custom_step_model.inner, custom_step_model.batches(job, self.examples)

    def _set_initial_state(self, model: keras.Model, job: Job, objective: Objective) -> None:
        """Set the variables that training begins with: `job.start`, or fresh weights.

        Fresh weights depend on (seed, "initial", place), as in `program_engine`. An encoder learns from the training
        rows, and the output bias is `Objective.initial_bias`.
        """
        if job.start:
            set_state(model, job.start)
            return
        seed = seeds.integer(job.seed, "initial", *job.counters)
        rows, bias = self._encoder_rows(job), objective.initial_bias(self.network)
        set_state(model, self.network.initial_state(seed, self.examples.x, rows, objective.member_shifts, bias))

    def _encoder_rows(self, job: Job) -> Array:
        """Return the numbers of the rows that an encoder learns from; `StreamEngine` has others."""
        return job.train

    def _train_model(self, model: keras.Model, batches: Batches, watch: Watch, member: Callable[[], Member]) -> None:
        """Train `model` to the limits of the job, with the user's callbacks as in one training by `fit`.

        `member` makes the member of the network as it is; callbacks that save the model use it.
        """
        if not self.callbacks:
            self._train_rounds(model, batches, watch, None)
            return
        rounds = len(round_ends(watch.job))
        seen = watch.network if watch.job.plan.crops else model
        users = UserCallbacks(
            self.callbacks, self.network, seen, watch.network, rounds, lambda: watch.as_judged(member), watch.keep
        )
        watch.kept_by_user = users.keeper is not None
        try:
            self._train_rounds(model, batches, watch, users)
            users.finish()
        finally:
            users.release()

    def _train_rounds(self, model: keras.Model, batches: Batches, watch: Watch, users: UserCallbacks | None) -> None:
        """Train in rounds of `round_steps` steps to the limit or until early stopping.

        Each call of `fit` trains the whole rounds that are left, or the steps of the last, shorter round. A second
        stage of the training begins with a new call.
        """
        limits, stopper = batches.job.limits, watch.stopper
        callbacks = [watch] if users is None else [watch, users]
        how: dict[str, Any] = {"verbose": 0, "callbacks": callbacks, "shuffle": False}
        while stopper.steps < limits.steps:
            batches.start = watch.before = stopper.steps
            rounds, rest = divmod(limits.steps - stopper.steps, limits.round_steps)
            model.fit(batches, epochs=max(1, rounds), steps_per_epoch=limits.round_steps if rounds else rest, **how)
            if model.stop_training and stopper.in_first_stage:
                # A callback that stops the first stage does not end the training before its last stage.
                stopper.end_first_stage()
                watch.average.restart()
            if stopper.first_stage_ended:
                # Keras draws batches ahead: only between two calls is it sure what comes next.
                batches.order.start_last_stage(stopper.steps)
                set_state(watch.network, watch.best_state or state_of(watch.network))
                if users is not None:
                    users.start_stage()
            elif model.stop_training:
                break

    def _compiled_model(self, objective: Objective) -> tuple[keras.Model, list[Array]]:
        """Return the compiled model of a loss, and the initial values of its optimizer's variables.

        It is compiled once per `objective.key`; each job resets the variables of the optimizer to these values.
        """
        if objective.key not in self._compiled_by_loss:
            model = compiled_for_training(self.network, objective.loss(self.network))
            initial = [np.array(keras.ops.convert_to_numpy(v.value)) for v in model.optimizer.variables]
            self._compiled_by_loss[objective.key] = model, initial
        return self._compiled_by_loss[objective.key]


class Batches(keras.utils.PyDataset):
    """The steps of one job, without end, as Keras batches (x, y, weight).

    Item k is the batch of step `start` + k, and depends on nothing else, because Keras draws batches ahead. `start` is
    set before each call of `fit`. `order` counts the rows seen, and gets the step at which the last stage begins.
    """

    num_batches = None

    def __init__(self, job: Job, examples: Examples, units: int) -> None:
        super().__init__()
        self.job, self.examples, self.order, self.start = job, examples, Order(job), 0
        self.mixed = Mixed(job, units) if job.mix else None

    def __getitem__(self, index: int) -> tuple[Any, Array, Array]:
        """Return the batch (x, y, weights) of step `start` + `index`, mixed if the job has a mix."""
        step = self.start + index
        rows, weights = self.order.step(step)
        x, y = take(self.examples.x, rows), self.examples.y[rows]
        return (fed(x), y, weights) if self.mixed is None else self.mixed.batch(step, x, y, weights)


class Watch(keras.callbacks.Callback):
    """Keras callback that ends each round: it asks a `Stopper`, keeps the best state, and stops `fit`.

    Set `before` to the steps that are done, before each call of `fit`. `network` is judged; `fit` may train another
    model on its variables (crops, a custom training step). `program_engine.Training` does the same without Keras.
    `rate_ends_near_zero` and `metrics` are as in `Stopper`.

    Attributes:
        best_state: Variables of the network in the round that is kept; None: no round is kept yet.
        kept_by_user: Whether a callback of the user's decides which round that is (see `keep`), and not the score.
    """

    def __init__(
        self, job: Job, objective: Objective, network: keras.Model, examples: Examples, progress: Progress | None,
        rate_ends_near_zero: bool = False, metrics: CompiledMetrics | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.job, self.network, self.progress, self.examples, self.before = job, network, progress, examples, 0
        y, weights = examples.scored_labels(job.stop), examples.scored_weights(job.stop)
        self.stopper = Stopper(job, objective, y, weights, rate_ends_near_zero, metrics)
        self.best_state: list[Array] | None = None
        self.kept_by_user, self._kept_step, self._judged = False, 0, list[Array]()
        self.average = Average(job.limits.average, variable_indices(network, averaged_variables(network)))

    @property
    def best_step(self) -> int:
        """The step of the round that is kept; the last step if a callback has kept none yet."""
        return (self._kept_step or self.stopper.steps) if self.kept_by_user else self.stopper.best_step

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record and judge a round, and set whether Keras stops.

        A Keras epoch is a round. `logs` gets what later callbacks may monitor. The learning rate changes by the factor
        by which `Stopper.rate` does.
        """
        limits, stopper, logs = self.job.limits, self.stopper, {} if logs is None else logs
        rate = stopper.rate
        steps = min(limits.steps, self.before + (epoch + 1) * limits.round_steps)
        stopper.record_round(steps, logs.get("loss", np.nan))
        self._judge_round()
        if len(self.job.stop):
            logs |= self._callback_logs()
            self.model.stop_training = self.model.stop_training or stopper.over or stopper.first_stage_ended
        if stopper.rate != rate:
            optimizer = self.model.optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) * stopper.rate / rate
        if self.progress:
            self.progress(self.job.id, steps, limits.steps)

    def _callback_logs(self) -> dict[str, Any]:
        """Return the logs that callbacks may monitor: "val_loss" (the early-stopping loss), metrics as "val_NAME".

        A metric with several values is an array. Call it after `_judge_round`.
        """
        history = self.stopper.history
        metrics = {name: values[-1] for name, values in history.items() if name.startswith("val_")}
        several = {name: np.array(value) for name, value in metrics.items() if isinstance(value, list)}
        return {"val_loss": history["stop_loss"][-1], **metrics, **several}

    def _judge_round(self) -> None:
        """Judge the network, and keep its state if it is the best so far.

        If an average of the weights over the rounds is asked for, it is judged and kept; training continues from the
        weights of the network. Call it after `stopper.record_round`.
        """
        now = state_of(self.network)
        self._judged = self.average.with_average(now) if self.average.decay else now
        if self._judged is not now:
            set_state(self.network, self._judged)
        if self.stopper.improved(self._stopping_logits()) and not self.kept_by_user:
            self.best_state = self._judged
        if self._judged is not now:
            set_state(self.network, now)
        if self.stopper.first_stage_ended:
            self.average.restart()

    def _stopping_logits(self) -> Array:
        """Raw logits of the stopping rows, float32 (S, units)."""
        return logits_of(self.network, self.examples.x, self.job.stop, self.examples.scored_outputs)

    def keep(self) -> None:
        """Keep the state that was judged last, because a callback of the user chose this round."""
        self.best_state, self._kept_step = self._judged, self.stopper.steps

    def as_judged(self, member: Callable[[], Member]) -> Member:
        """Apply `member` to the network with the weights that were judged last.

        These may be an average of the weights. The network gets its weights back.
        """
        now = state_of(self.network)
        set_state(self.network, self._judged or now)
        try:
            return replace(member(), best_step=self.stopper.steps)
        finally:
            set_state(self.network, now)


def logits_of(model: keras.Model, x: Any, rows: Array, scored: Scored = lambda outputs, _: outputs) -> Array:
    """Return raw logits of some rows, float32 (len(rows), units), computed in large batches.

    `scored` takes from the outputs of each batch those that are wanted, such as a sample of pixels. Without rows, the
    result is empty.
    """
    logits = [scored(np.asarray(model.predict_on_batch(take(x, chunk))), chunk) for chunk in chunks(x, rows)]
    return np.concatenate(logits) if logits else scored(no_logits(model), rows)

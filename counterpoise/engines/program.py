"""The compiled program: a loop of training steps that reads its variables and rows from the calling thread.

One model, one optimizer and one trace serve every job of a network and loss family, and of every network that is alike
(see `engines.program_cache`). TensorFlow records which variables a traced function uses; here each is replaced at
call time by the variable of the calling thread's `Slot`. So jobs differ only in the arrays that are put into a slot,
and threads share a trace, yet never a variable. The rows of a block of steps are gathered from tensors that hold the
data once, just before its loop runs: inside a loop that XLA compiles a gather is slow.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from counterpoise.core.errors import ModelError
from counterpoise.core.structure import chunk_rows, leaves
from counterpoise.core.target import Target
from counterpoise.data.inputs import beyond_int32
from counterpoise.engines import program_rules
from counterpoise.engines.dropout_masks import DropoutMasks
from counterpoise.engines.loss_constants import ClassConstants
from counterpoise.engines.weight_averaging import averaged_variables
from counterpoise.networks.batch_ensemble import n_members
from counterpoise.networks.forward import no_logits
from counterpoise.networks.weights import variable_indices

Array = np.ndarray

#: Seconds that one call should last at most, so that an interrupt is answered soon.
CALL_SECONDS = 0.25


class Form(NamedTuple):
    """The properties of the data that a trace assumes; part of the key under which a program is cached.

    Attributes:
        x, y: Specs of inputs and labels for any number of rows.
        index_type: Integer type of row numbers, "int32" or "int64".
    """

    x: Any
    y: Any
    index_type: str


class Memory:
    """The data as tensors, once for all jobs.

    Attributes:
        x: Tensors in the structure of the input; doubles are kept as float32, int64 as int32 or float32.
        y: int32 (N,), class codes, or labels (N, L); of elements int (N, ...).
        form: Specs of x and y for any number of rows, and the integer type of row numbers.
        values_per_row: Numbers in a row of the input.
        rows_per_chunk: Rows whose logits are computed in one call.
    """

    def __init__(self, x: Any, y: Array) -> None:
        self.x = tf.nest.map_structure(_to_tensor, x)
        self.y = tf.constant(y)
        x_form, y_form = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), (self.x, self.y))
        self.form = Form(x_form, y_form, "int32" if len(y) < 2**31 else "int64")
        self.values_per_row = sum(int(np.prod(a.shape[1:])) for a in leaves(x))
        self.rows_per_chunk = chunk_rows(x)

    def max_call_steps(self, rows: int, masks: int = 0) -> int:
        """Return the most steps of one call of the program, with `rows` rows each, by the memory that they take.

        `masks` is the number of values per row of dropout masks, which take a byte each.
        """
        return program_rules.max_call_steps(rows, self.values_per_row + masks // 4)


class Slot:
    """The variables of one thread, in the order of `Program.variables`: network, optimizer, class constants."""

    def __init__(self, variables: Sequence[Any]) -> None:
        self.variables = [tf.Variable(v.value, trainable=False) for v in variables]
        self.handles = [v.handle for v in self.variables]

    def set_all(self, values: Sequence[Array]) -> None:
        """Set all variables: a job begins, or continues from other weights."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)

    def set_first(self, values: Sequence[Array]) -> None:
        """Set the first `len(values)` variables; the others keep their values."""
        for variable, value in zip(self.variables, values, strict=False):
            variable.assign(value)

    def set_variable(self, index: int, value: Any) -> None:
        """Set one variable."""
        self.variables[index].assign(value)

    def values(self, count: int | None = None) -> list[Array]:
        """Return copies of the values of the first `count` variables; None: of all."""
        return [np.array(v.numpy()) for v in self.variables[:count]]


class Program:
    """The compiled functions of one network and loss family.

    Args:
        model: The network, compiled with the Keras loss `loss`.
        loss: The loss.
        form: The form of the data.
        mode: Whether XLA compiles the loop, and how short batches are run.
        target: What the labels are; its weights may have axes behind the rows.
        alike: Equal for networks that may share the program (see `engines.program_cache`).

    Attributes:
        traces: How often each function was traced: "block" and "logits".
        weight_axes: Lengths of the axes of loss weights behind steps and rows: (), or (members,) or (labels,).
        masks: The masks of its dropout, drawn before each loop.
        variables: The traced variables of network, optimizer and class constants, which a slot replaces.
        n_model_variables: How many of them, from the first, are the network's.
        initial_optimizer_values: Initial values of the optimizer's variables.
        averaged_indices: Indices of the variables whose average is judged (see `engines.weight_averaging`).
        rate_index: Index of the learning rate among the variables; None when a schedule decides it.
    """

    def __init__(
        self, model: keras.Model, loss: Any, form: Form, mode: program_rules.CompileMode, target: Target,
        alike: str | None = None,
    ) -> None:  # fmt: skip
        self.model, self.form, self.mode, self.alike = model, form, mode, alike
        # One replica has nothing to sum; and summing registers a gradient that TensorFlow keeps, the trace with it.
        program_rules.inner_optimizer(self.model.optimizer)._all_reduce_sum_gradients = list
        self.traces = Counter[str]()
        self.weight_axes = target.weight_axes(int(model.output.shape[-1]), n_members(model))
        self.masks = DropoutMasks(model, form.x)
        self._class_constants = ClassConstants(loss, int(model.output.shape[-1]))
        optimizer = self.model.optimizer.variables
        self.variables = [*self.model.variables, *optimizer, *self._class_constants.variables]
        self.n_model_variables = len(self.model.variables)
        self.averaged_indices = variable_indices(self.model, averaged_variables(self.model))
        self.initial_optimizer_values = [np.array(v.numpy()) for v in optimizer]
        rate = program_rules.learning_rate_variable(self.model.optimizer)
        self.rate_index = next((i for i, v in enumerate(self.variables) if v is rate), None)
        self._functions: dict[Any, Any] = {}
        self._current, self._lock = threading.local(), threading.Lock()
        self._step_seconds: dict[int, float] = {}
        self._capacity: dict[int, int] = {}  # lines of the blocks that XLA compiled, by rows of a batch

    def trace(self, memory: Memory, rows: int, drawn: int, round_steps: int) -> None:
        """Trace the functions for jobs with full steps of `rows` rows; call it before `block`.

        `drawn` is the number of rows in an epoch, and `round_steps` the number of steps in the longest round. XLA
        compiles here, in the caller's thread, so that it fails before any training.
        """
        if self.mode.xla and (self.mode.pad or drawn >= rows):
            # Steps of a block: a power of two that covers a round, at least 32, within the limit of one call.
            wanted = min(memory.max_call_steps(rows, self.masks.values), 1 << max(5, (round_steps - 1).bit_length()))
            if wanted > self._capacity.get(rows, 0):
                run = self._cached_function((wanted, rows), lambda: self._trace_block(wanted, rows))
                weights = np.zeros((wanted, rows, *self.weight_axes), np.float32)
                # A call with 0 steps, so that XLA compiles the block and nothing changes.
                arguments = np.zeros((wanted, rows), self.form.index_type), weights, np.int32(0)
                self._call_with_slot(self.slot(), memory, run, *map(tf.constant, arguments))
                self._capacity[rows] = wanted
        if not (self.mode.xla and self.mode.pad):
            self._cached_function(("any",), self._trace_block)
        self._cached_function(("logits",), self._trace_logits)

    def slot(self) -> Slot:
        """Make new variables for one thread."""
        return Slot(self.variables)

    def steps_per_call(self, memory: Memory, rows: int) -> int:
        """Return the most steps of the next call of `block` with `rows` rows each; 8 until a call was timed.

        A call should last at most `CALL_SECONDS`. Only how steps are cut into calls depends on the clock; results must
        not. The number may not exceed the lines of the block that XLA compiled (`_capacity`).
        """
        seconds = self._step_seconds.get(rows)
        bound = 8 if seconds is None else max(1, int(CALL_SECONDS / seconds))
        return min(bound, self._capacity.get(rows, memory.max_call_steps(rows, self.masks.values)))

    def block(self, slot: Slot, memory: Memory, rows: Array, weights: Array) -> Array:
        """Take steps, one per line of `rows` (k, B) and `weights` (k, B); return their losses, float32 (k,).

        The variables of `slot` change. Weights may have axes behind (see `Target.weight_axes`): of each member, or of
        each label. Those without are repeated along them, so that one trace serves both.
        """
        steps, batch = rows.shape
        if weights.ndim == 2 and self.weight_axes:
            weights = np.repeat(weights[..., None], self.weight_axes[0], axis=-1)
        run, capacity = self._function_for_batch(batch), self._capacity.get(batch) or steps
        rows, weights = (_padded_lines(lines, capacity) for lines in (rows.astype(self.form.index_type), weights))
        start = time.perf_counter()
        losses = self._call_with_slot(slot, memory, run, tf.constant(rows), tf.constant(weights), tf.constant(steps))
        if steps:
            self._step_seconds[batch] = (time.perf_counter() - start) / steps
        return losses[:steps]

    def logits(self, slot: Slot, memory: Memory, rows: Array, scored: Callable[[Array, Array], Array]) -> Array:
        """Compute raw logits of rows, float32 (len(rows), units), of elements (len(rows), k, units).

        `scored` takes the outputs and the numbers of some rows, and returns those that scores are taken from.
        """
        run = self._cached_function(("logits",), self._trace_logits)
        chunks = [rows[i : i + memory.rows_per_chunk] for i in range(0, len(rows), memory.rows_per_chunk)]
        logits = [
            scored(self._call_with_slot(slot, memory, run, tf.constant(chunk.astype(self.form.index_type))), chunk)
            for chunk in chunks
        ]
        return np.concatenate(logits) if logits else scored(no_logits(self.model), rows)

    # Tracing ---------------------------------------------------------------------------------------------------

    def _call_with_slot(self, slot: Slot, memory: Memory, run: Any, *args: Any) -> Array:
        """Run a traced function on the variables of a slot, read through `_handle_in_slot`."""
        self._current.handles = slot.handles
        return np.asarray(run(memory.x, memory.y, *args))

    def _cached_function(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return the function of a key for any slot; `make` traces it when first needed, one thread at a time."""
        with self._lock:
            if key not in self._functions:
                self._functions[key] = self._reading_from_slot(make())
            return self._functions[key]

    def _reading_from_slot(self, concrete: Any) -> Any:
        """Let a traced function read its variables from the slot of the calling thread.

        Raises:
            ModelError: The function uses a variable that is not one of `variables`.
        """
        order = {id(v.value.handle): index for index, v in enumerate(self.variables)}
        captured = concrete.captured_inputs
        if any(c.dtype == tf.resource and id(c) not in order for c in captured):
            raise ModelError("a layer uses a TensorFlow variable or table that Keras does not track for the model")
        concrete.set_external_captures([self._handle_in_slot(order[id(c)]) if id(c) in order else c for c in captured])
        return concrete

    def _handle_in_slot(self, index: int) -> Callable[[], Any]:
        """Return a function that looks up a variable of the slot of the calling thread."""
        return lambda: self._current.handles[index]

    def _function_for_batch(self, batch: int) -> Any:
        """Return the block function for steps of `batch` rows: the one by XLA, or the one for any number of rows."""
        capacity = self._capacity.get(batch)
        if capacity is None:
            return self._cached_function(("any",), self._trace_block)
        return self._cached_function((capacity, batch), lambda: self._trace_block(capacity, batch))

    def _trace_block(self, capacity: int | None = None, batch: int | None = None) -> Any:
        """Trace a block of steps: gather its rows, then step by step forward, loss, gradient and update.

        With `capacity` (lines of the block) and `batch`, XLA compiles the loop for this shape.
        """

        def loop(x: Any, y: Any, weights: Any, masks: Any, steps: Any) -> Any:
            def body(i: Any, losses: Any) -> tuple[Any, Any]:
                with self.masks.used_in_layers([mask[i] for mask in masks]):
                    loss = self._train_step(tf.nest.map_structure(lambda array: array[i], x), y[i], weights[i])
                return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [loss])

            none = tf.zeros(tf.shape(weights)[:1])
            return tf.while_loop(lambda i, _: i < steps, body, (0, none), parallel_iterations=1)[1]

        compiled = loop if capacity is None else tf.function(loop, jit_compile=True, autograph=False)

        def block(x: Any, y: Any, rows: Any, weights: Any, steps: Any) -> Any:
            self.traces["block"] += 1
            masks = self.masks.draw_masks(rows, steps)
            return compiled(_gather_rows(x, rows), tf.gather(y, rows), weights, masks, steps)

        shape = (capacity, batch)
        rows = tf.TensorSpec(shape, self.form.index_type)
        weights = tf.TensorSpec((*shape, *self.weight_axes), tf.float32)
        return self._trace(block, (rows, weights, tf.TensorSpec((), tf.int32)))

    def _trace_logits(self) -> Any:
        """Trace the computation of raw logits for any number of rows, without training."""

        def logits(x: Any, y: Any, rows: Any) -> Any:
            self.traces["logits"] += 1
            return self.model(_gather_rows(x, rows), training=False)

        return self._trace(logits, (tf.TensorSpec([None], self.form.index_type),))

    def _trace(self, function: Callable[..., Any], specs: tuple[Any, ...]) -> Any:
        """Trace a function of (x, y, *specs) for data of the program's form."""
        # No `if` or `for` here asks a tensor; turning our code into a graph's would take a second.
        return tf.function(function, autograph=False).get_concrete_function(self.form.x, self.form.y, *specs)

    def _train_step(self, inputs: Any, targets: Any, weights: Any) -> Any:
        """Take one step, and return its loss (regularization included).

        It must be the step of Keras `fit` (tests/engines/test_program.py compares them).
        """
        model = self.model
        self._class_constants.restart()  # the loss reads its class constants from the first one on
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = model.compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=weights, training=True)
            scaled = model.optimizer.scale_loss(loss)
        trainable = model.trainable_weights
        model.optimizer.apply(tape.gradient(scaled, trainable), trainable)
        return tf.cast(loss, tf.float32)


def _padded_lines(lines: Array, count: int) -> Array:
    """Return an array with lines of zeros appended, up to `count` lines."""
    if len(lines) == count:
        return lines
    return np.concatenate([lines, np.zeros((count - len(lines), *lines.shape[1:]), lines.dtype)])


def _gather_rows(x: Any, rows: Any) -> Any:
    """Return rows of each tensor in a structure; the shape of `rows` replaces axis 0."""
    return tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), x)


def _to_tensor(array: Array) -> Any:
    """Return an array as a tensor, with float64 as float32 and int64 as int32 (or float32 if 32 bits are too few)."""
    small = np.float32 if beyond_int32(array) else {"float64": np.float32, "int64": np.int32}.get(array.dtype.name)
    return tf.constant(array if small is None else array.astype(small))

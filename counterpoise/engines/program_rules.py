"""Whether and how the compiled program trains jobs: static rules from layer types, shapes and steps.

The constants were found by `make bench-train`. XLA rounds differently, so other constants change the last digits of
results. Nothing here looks at the values of data or at a clock, so that the same jobs on the same network are trained
alike. The functions about layers and optimizers are what the rules and the program look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from counterpoise.core.examples import Examples
from counterpoise.core.job import Limits
from counterpoise.core.structure import leaves, outside_memory
from counterpoise.networks.batch_ensemble import per_row
from counterpoise.networks.network import Network

#: Steps of one thread from which compiling with XLA, a second and a half of one core, is earned back.
XLA_STEPS = 1500
#: The same for small steps, whose arithmetic is less than `SMALL_STEP` products of a row and a weight.
SMALL_XLA_STEPS = 5000
SMALL_STEP = 2_000_000
#: Jobs that are trained at the same time, unless another number is given.
THREADS = 2
#: Row numbers (rows times steps) of one call of the program at most: bounds the matrix of rows.
CALL_ROWS = 65_536
#: Values of the rows that one call gathers at most (8 MB of float32), unless a single step has more.
CALL_VALUES = 2_097_152

#: Layers whose output for a row depends on that row alone, in training too: a short batch may be filled up with rows
#: of weight 0.
ROW_WISE = frozenset(
    """InputLayer Dense EinsumDense Activation ReLU LeakyReLU PReLU ELU Softmax Flatten Reshape Permute RepeatVector
    Concatenate Add Subtract Multiply Average Maximum Minimum Dot LayerNormalization RMSNormalization UnitNormalization
    GroupNormalization Embedding Normalization Rescaling Identity Cropping1D Cropping2D ZeroPadding1D ZeroPadding2D
    Conv1D Conv2D DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D MaxPooling1D MaxPooling2D
    AveragePooling1D AveragePooling2D GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D
    GlobalMaxPooling2D UpSampling1D UpSampling2D TableEncoder PixelRange ProbabilityToLogit MemberDense MemberHead
    PoolMembers""".split()
)

#: The same for operations of `keras.ops` in a functional model. Others may look at the whole batch (`mean`, `sort`).
ROW_WISE_OPERATIONS = frozenset(
    """Absolute Add Subtract Multiply Divide TrueDivide Power Negative Maximum Minimum Clip Exp Expm1 Log Log1p Sqrt
    Square Reciprocal Sin Cos Tanh Sign Cast ExpandDims Relu Relu6 LeakyRelu Elu Selu Gelu Silu Sigmoid HardSigmoid
    LogSigmoid Softplus Softsign""".split()
)

#: Layers that XLA makes faster on a CPU, those of batch ensembles too (`tabular`, batches of 256: 11 ms a step without
#: XLA, 6.5 with it). It makes convolutions and recurrent layers slower.
DENSE = frozenset(
    """InputLayer Dense EinsumDense Activation ReLU LeakyReLU PReLU ELU Softmax Flatten Reshape Permute Concatenate
    Add Subtract Multiply Average Maximum Minimum LayerNormalization RMSNormalization UnitNormalization
    BatchNormalization Embedding Normalization Rescaling Identity Dropout TableEncoder ProbabilityToLogit MemberDense
    MemberHead PoolMembers""".split()
)


#: How the attributes of a layer end that are functions which a user may write.
_FUNCTIONS = ("activation", "regularizer", "constraint")


@dataclass(frozen=True)
class CompileMode:
    """How the program runs jobs of one network and loss family; stores of `compare` save it by the names of its fields.

    Attributes:
        xla: Whether the loop of steps is compiled with XLA.
        pad: Whether short batches are filled up with rows of weight 0 (else they run in a trace of their own).
    """

    xla: bool
    pad: bool


def why_not_program(network: Network, examples: Examples, callbacks: Sequence[Any] = ()) -> str | None:
    """Return why the program cannot train this network, or None if it can.

    The text completes 'Training uses engine="fit", because ...'. It depends on no job: `run` sends jobs that mix or
    crop rows to `fit` itself.
    """
    if keras.backend.backend() != "tensorflow":
        return f"the compiled program needs the TensorFlow backend, but the backend here is {keras.backend.backend()}"
    if callbacks:
        return "the compiled program does not run Keras callbacks"
    if network.custom_train_step is not None:
        return f"the model has a {network.custom_train_step} of its own"
    if any(a.dtype.kind not in "fiub" for a in leaves(examples.x)):
        return "an input is text, which the compiled program cannot keep in memory"
    if outside_memory(examples.x):
        return "the rows do not fit in memory"
    if getattr(network.optimizer(), "use_ema", False):
        return "the optimizer averages weights at the end of fit"
    return None


def compile_mode(model: keras.Model, loss: Any, limits: Sequence[Limits]) -> CompileMode:
    """Return how the program runs jobs of one network and loss family; `compile_modes` keeps the result.

    `limits` are those of all its jobs. XLA needs enough steps, float32 layers of `DENSE`, no function of a user, no
    random numbers in the loop, and a plain loss. Padding needs a plain loss, layers of `ROW_WISE` without activity
    regularizers, and operations of `ROW_WISE_OPERATIONS`.
    """
    layers = opened_layers(model)
    kinds = {_layer_kind(layer) for layer in layers}
    full = all(getattr(layer, "compute_dtype", "float32") == "float32" for layer in layers)
    known = kinds <= DENSE and not any(map(_has_foreign_function, layers)) and not draws_in_loop(model)
    xla = repays_xla(model, limits) and known and full and plain_loss(loss)
    active = any(getattr(layer, "activity_regularizer", None) is not None for layer in layers)
    operations = {_layer_kind(one) for one in operations_of(model) if not isinstance(one, keras.Layer)}
    row_wise = kinds <= ROW_WISE and operations <= ROW_WISE_OPERATIONS and not active
    return CompileMode(xla=xla, pad=row_wise and plain_loss(loss))


def _layer_kind(layer: Any) -> str:
    """Return the class name of a layer or operation of Keras or of ours.

    A user's class gets " of a user" at its end, so that it equals no name in `DENSE` and `ROW_WISE`.
    """
    kind = type(layer)
    return (
        kind.__name__ if kind.__module__.startswith(("keras.", "counterpoise.")) else kind.__qualname__ + " of a user"
    )


def _has_foreign_function(layer: Any) -> bool:
    """Return whether a layer has an activation, regularizer or constraint of a user, which may draw random numbers."""
    given = [value for name, value in vars(layer).items() if name.endswith(_FUNCTIONS) and value is not None]
    modules = [getattr(value, "__module__", None) or type(value).__module__ for value in given]
    return any(not module.startswith(("keras.", "counterpoise.")) for module in modules)


def is_plain_dropout(layer: Any) -> bool:
    """Whether a layer is a dropout whose masks can be drawn before the loop (see `engines.dropout_masks`)."""
    return type(layer) is keras.layers.Dropout and layer.compute_dtype == "float32" and 0 < layer.rate < 1


def draws_in_loop(model: keras.Model) -> bool:
    """Return whether a network draws random numbers in the loop of steps, which XLA does slowly on a CPU.

    Whatever draws while training keeps the state of its generator among the variables of the model.
    """
    drawn_before = {id(x.seed_generator.state) for x in model._flatten_layers() if is_plain_dropout(x)}
    return any(v.name == "seed_generator_state" and id(v) not in drawn_before for v in model.variables)


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimizer that updates variables: itself, or the one inside a `LossScaleOptimizer`."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def learning_rate_variable(optimizer: Any) -> Any:
    """Return the variable of an optimizer's learning rate, which training may set; None if a schedule decides it."""
    rate = inner_optimizer(optimizer)._learning_rate
    return rate if isinstance(rate, keras.Variable) else None


def repays_xla(model: keras.Model, limits: Sequence[Limits]) -> bool:
    """Return whether the jobs have enough steps per thread to repay compilation by XLA."""
    weights = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    small = weights * max(one.batch_size for one in limits) < SMALL_STEP
    threads = min(THREADS, len(limits))
    return sum(one.steps for one in limits) >= threads * (SMALL_XLA_STEPS if small else XLA_STEPS)


def plain_loss(loss: Any) -> bool:
    """Return whether the loss of a batch is the mean, over its rows, of one weighted number per row.

    Only then do rows of weight 0 leave it unchanged (see `step_blocks.padded_batch`).
    """
    loss = per_row(loss)
    if getattr(loss, "reduction", None) != "sum_over_batch_size" or getattr(loss, "ignore_class", None) is not None:
        return False
    from counterpoise.losses.base import ClassLoss, LabelLoss

    return isinstance(loss, (ClassLoss, LabelLoss)) or type(loss).__module__.startswith("keras.")


def opened_layers(model: Any) -> list[Any]:
    """Return all layers of a Sequential or Functional model, with models inside it opened, in order.

    Any other layer or model is returned alone.
    """
    if not isinstance(model, keras.Model) or not (
        isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"
    ):
        return [model]
    return [inner for layer in model.layers for inner in opened_layers(layer)]


def operations_of(model: Any) -> Iterator[Any]:
    """Yield a model, its layers, and the operations inside of these that are not layers."""
    for layer in [model, *model._flatten_layers(include_self=False)]:
        yield layer
        yield from (
            operation for operation in getattr(layer, "operations", ()) if not isinstance(operation, keras.Layer)
        )


def full_batch_rows(batch_size: int, drawn: int) -> int:
    """Return the rows of a full step: the batch size, or for a plan that draws fewer rows the next power of two.

    The power of two lets jobs of about equal size share a compiled block.
    """
    return min(batch_size, 1 << max(0, drawn - 1).bit_length())


def max_call_steps(rows: int, values: int) -> int:
    """Return the most steps of one call of the program, with batches of `rows` rows of `values` values."""
    return int(np.clip(min(CALL_ROWS // rows, CALL_VALUES // max(1, rows * values)), 1, 512))

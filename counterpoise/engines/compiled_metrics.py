"""The metrics that the user's model was compiled with, on the corrected output of the early-stopping rows.

Keras computes them on what it is given: targets and outputs in the form of the user's own model. So do we, once a
round, on all stopping rows together. They are noted in the history as "val_NAME" and decide nothing, unless a callback
monitors them. Metrics of Keras and of ours are copied. A class of the user's own cannot be copied safely, and so the
object itself counts: one training at a time uses it, and restores the counts that it had.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from counterpoise.networks.cloning import keras_text
from counterpoise.networks.network import Network
from counterpoise.networks.user_loss import compiled_form, shaped

Array = np.ndarray

#: Of all trainings, one at a time computes metrics: objects may be the user's.
_LOCK = threading.Lock()


def metrics_of(network: Network) -> CompiledMetrics | None:
    """Return the metrics of the compiled model, or None if there are none to compute.

    They are made once per network, in the thread that calls first.
    """
    if "metrics" not in network.cache:
        network.cache["metrics"] = _usable_metrics(network)
    return network.cache["metrics"]


def _usable_metrics(network: Network) -> CompiledMetrics | None:
    """The metrics that the model was compiled with and that can be computed, or None.

    Each metric that is left out is reported once in the log (see `_is_computable`).
    """
    compiled_metrics = getattr(network.model, "_compile_metrics", None) if network.given else None
    if compiled_metrics is None:
        return None
    plain, weighted = (
        [m for m in keras.tree.flatten(group or []) if m is not None]
        for group in (compiled_metrics._user_metrics, compiled_metrics._user_weighted_metrics)
    )
    form = (
        "labels" if network.target.independent else compiled_form(network.model.loss, network.units, network.elements)
    )
    try:
        return CompiledMetrics(network, form, plain, weighted) if plain or weighted else None
    except Exception:  # one of them fails: try each alone
        usable = [[m for m in group if _is_computable(m, network, form)] for group in (plain, weighted)]
    return CompiledMetrics(network, form, *usable) if any(usable) else None


def _is_computable(metric: Any, network: Network, form: str) -> bool:
    """Whether a metric can be computed for this model; if not, the log reports it once."""
    try:
        CompiledMetrics(network, form, [metric], [])
    except Exception as error:
        network.warn_once(
            f"Metric {_metric_name(metric)!r} of the compiled model is left out, because it cannot be computed on the "
            f"model's output and labels ({keras_text(error):.200})."
        )
        return False
    return True


def _metric_name(metric: Any) -> str:
    """The name of a metric in messages; it may be a name, a Keras object, or a function."""
    return metric if isinstance(metric, str) else str(getattr(metric, "name", None) or getattr(metric, "__name__", "?"))


def _trial_rows(network: Network) -> tuple[Array, Array]:
    """Return log-probabilities and labels of two rows per class, to try metrics on them."""
    classes = network.classes
    codes = np.arange(2 * classes) % classes
    y = np.eye(classes, dtype=np.int32)[codes] if network.target.independent else codes
    shift = np.zeros(network.target.shape(classes))
    return network.target.log_p(np.zeros((len(y), network.units)), shift), y


class CompiledMetrics:
    """Metrics of one model (see the module).

    Args:
        network: Whose model they were compiled into.
        form: The form of its targets: "column", "one_hot", "codes" or "labels" (see `networks.user_loss`).
        plain: Metrics as `compile(metrics=...)` takes them, in one list.
        weighted: Those that count the rows by their weights, as `compile(weighted_metrics=...)` takes them.

    Attributes:
        names: What they are called in logs, "val_" left out.
        directions: name -> "up" or "down", for those that have one.
        model: A model that puts out what it is fed, compiled with the metrics and nothing else.
        arguments: The metrics as arguments of `compile`, for `copies`.
    """

    def __init__(self, network: Network, form: str, plain: Sequence[Any], weighted: Sequence[Any]) -> None:
        self.form, self.units, self.probabilities = form, network.units, network.probabilities
        self.target = network.target
        output = keras.Input((self.units,), name="output")
        self.model = keras.Model(output, keras.layers.Identity()(output))
        self.arguments = {"metrics": plain, "weighted_metrics": weighted}
        self._used_themselves = [m for m in (*plain, *weighted) if _is_used_itself(m)]
        plain, weighted = ([_copy_of(m) for m in group] for group in (plain, weighted))
        self.model.compile(metrics=plain, weighted_metrics=weighted, jit_compile=False)
        self._compute = _metrics_function(self.model)
        # Calling the metrics here also finds out whether they can be computed (see `_is_computable`).
        self.names = tuple(self(*_trial_rows(network)))
        self.directions = {
            m.name: getattr(m, "_direction", None) for m in self.objects if getattr(m, "_direction", None)
        }

    def copies(self) -> dict[str, list[Any]]:
        """Arguments of `compile`: copies of the metrics that can be copied (see `_is_used_itself`)."""
        return {name: [_copy_of(m) for m in group if not _is_used_itself(m)] for name, group in self.arguments.items()}

    @property
    def objects(self) -> list[Any]:
        """The metrics as Keras objects."""
        return list(self.model._compile_metrics.metrics)

    def __call__(self, log_p: Array, y: Array, weights: Array | None = None) -> dict[str, Any]:
        """The value of each metric: a float, or a list where it has several (one per threshold).

        NaN for every metric if a score is not finite, or if no row has a label.

        Args:
            log_p: float64 (S, C), corrected log-probabilities of the stopping rows.
            y: int32 (S,), their classes.
            weights: float (S,), the user's weights; None: all alike.
        """
        if not np.isfinite(log_p).all():  # a training that diverged
            return dict.fromkeys(self.names, float("nan"))
        log_p, y, weights = self.target.labeled(log_p, y, weights)  # metrics cannot leave out a label of a row
        if not len(y):
            return dict.fromkeys(self.names, float("nan"))
        targets = keras.ops.convert_to_numpy(shaped(np.asarray(y, np.int32), self.form, self.units))
        w = np.ones(len(y)) if weights is None else weights
        with _LOCK, _counts_restored(self._used_themselves):
            computed = self._compute(targets, self.outputs(log_p), w.astype(np.float32))
            values = {name: np.asarray(value) for name, value in computed.items() if name != "loss"}
        return {name: value.tolist() if value.ndim else float(value) for name, value in values.items()}

    def outputs(self, log_p: Array) -> Array:
        """The output, float32 (S, units), of the user's model if it predicted these probabilities."""
        return self.target.output(log_p, self.units, self.probabilities)


def _metrics_function(model: keras.Model) -> Any:
    """Return a function (targets, outputs, weights) -> {name: value} of all metrics.

    Its values are of the given rows alone. With TensorFlow, it is traced at its first call for any number of rows.
    """

    def compute(targets: Any, outputs: Any, weights: Any) -> dict[str, Any]:
        model.reset_metrics()
        return model.compute_metrics(None, targets, outputs, weights)

    if keras.backend.backend() != "tensorflow":
        return lambda *arrays: compute(*map(keras.ops.convert_to_tensor, arrays))
    import tensorflow as tf

    traced: list[Any] = []

    def run(*arrays: Array) -> dict[str, Any]:
        """Call the traced function; at the first call, make it from the shapes of these arrays."""
        if not traced:
            compute(*map(tf.constant, arrays))  # makes the variables, outside the trace
            forms = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays]
            traced.append(tf.function(compute, autograph=False).get_concrete_function(*forms))
        return traced[0](*map(tf.constant, arrays))

    return run


def _is_used_itself(metric: Any) -> bool:
    """Whether a metric must be used itself, because a copy from its configuration may differ.

    This holds for Keras metrics of the user's own classes, and for functions that Keras wraps as a mean.
    """
    kind = type(metric)
    described = kind.__module__.startswith(("keras.", "counterpoise.")) and kind is not keras.metrics.MeanMetricWrapper
    return isinstance(metric, keras.metrics.Metric) and not described


def _copy_of(metric: Any) -> Any:
    """A copy of a metric if it can be copied (see `_is_used_itself`), otherwise the metric itself.

    Names and functions are returned as they are: `compile` makes objects of them.
    """
    if isinstance(metric, keras.metrics.Metric) and not _is_used_itself(metric):
        return type(metric).from_config(metric.get_config())
    return metric


@contextmanager
def _counts_restored(metrics: Sequence[Any]) -> Iterator[None]:
    """Let metrics count in the block, and restore the counts that they had before it.

    The caller holds `_LOCK`, because trainings in other threads may use the same metrics.
    """
    before = [(variable, np.array(variable)) for metric in metrics for variable in metric.variables]
    counted = {id(variable) for variable, _ in before}
    try:
        yield
    finally:
        for metric in metrics:
            if any(id(variable) not in counted for variable in metric.variables):
                metric.reset_state()  # it had counted nothing yet
        for variable, value in before:
            variable.assign(value)

"""The per-class table at the end of each epoch: exact scores, computed in NumPy, logged, and early stopping on any.

Users name the logged scores in other callbacks (`monitor="val_recall_1"`), so the names never change. The scores are
those of `metrics/`; `tests/callbacks/` compares them with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.core.checks import check_choice, check_int
from counterpoise.core.errors import ModelError, OptionError, TargetError, did_you_mean
from counterpoise.core.terminal_text import terminal_text
from counterpoise.metrics.decision_scores import confusion, decision_scores, default_decision
from counterpoise.metrics.proba_scores import log_loss
from counterpoise.metrics.rank_scores import average_precision
from counterpoise.networks.cloning import last_activation
from counterpoise.networks.output import PROBABILITY_ACTIVATIONS, emits_probabilities
from counterpoise.networks.user_loss import single
from counterpoise.plans.elements import Elements, read_elements
from counterpoise.plans.weight_table import codes_among

Array = np.ndarray

#: Scores of one class. Each is logged as PREFIX + SCORE + "_" + CLASS.
COLUMNS = ("recall", "precision", "f1", "average_precision")


class PerClass(keras.callbacks.Callback):
    """Score every class on validation rows after each epoch, and log the scores.

    The scores are also printed, and training can stop on any of them.

    Put this callback before callbacks that read the log (EarlyStopping, ModelCheckpoint and TensorBoard of Keras).

    Args:
        x: Validation inputs. y: their labels: codes (N,), (N, 1), (N, T) ..., or one-hot.
        sample_weight: Weight of each element. 0 leaves the element out. None: all weights are 1.
        labels: Names of the classes in code order; None: 0, 1, ...
        output: "logits", "probabilities", or "auto" (the last activation, or the loss if there is none).
        ignore: One or several codes whose elements are ignored.
        prefix: Prefix of the logged names.
        show: Whether to print the table.
        stop_on: Name of a score without prefix, for example "recall_1", "f1_fraud" or "macro_f1": training stops after
            `patience` epochs without a better score, and the model keeps the weights of the best epoch.
        patience: See `stop_on`.
        batch_size: Rows per prediction.

    Attributes:
        history: One dict of all scores per epoch, without prefix.
        best_epoch: With `stop_on`, the epoch whose weights the model has at the end.

    Raises:
        OptionError: The score is unknown. ModelError: The outputs do not fit the labels.

    Example:
        >>> x, y = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([0, 0, 0, 1])
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        >>> scores = PerClass(x, y, labels=["fine", "fraud"], show=False)
        >>> log = model.fit(x, y, epochs=2, callbacks=[scores], verbose=0)
        >>> max(log.history["val_average_precision_fraud"])
        1.0
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        labels: Sequence[Any] | None = None,
        output: str = "auto",
        ignore: Any = (),
        prefix: str = "val_",
        show: bool = True,
        stop_on: str | None = None,
        patience: int = 10,
        batch_size: int = 1024,
    ) -> None:
        super().__init__()
        self.x, self.labels, self.prefix, self.show = x, labels, prefix, show
        self.output = check_choice(output, "output", ("auto", "logits", "probabilities"))
        ignored = tuple(ignore) if isinstance(ignore, (list, tuple, set)) else (ignore,)
        elements = read_elements(y, "auto", None, sample_weight, ignored)
        # Elements of weight 0 are left out of all scores.
        self._shape, self._counted = elements.codes.shape, elements.weight.ravel() > 0
        self.y = _class_codes(elements, labels).ravel()[self._counted]
        self.weight = elements.weight.ravel()[self._counted]
        self.stop_on, self.patience = stop_on, check_int(patience, "patience")
        self.batch_size = check_int(batch_size, "batch_size")
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget the scores and the best epoch of an earlier training."""
        self.history, self.best_epoch, self._best, self._weights = [], None, -np.inf, None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Score the validation rows, and log, print and compare the scores as the options demand."""
        scores, names = self.scores()
        self.history.append(scores)
        if logs is not None:
            logs.update({self.prefix + name: value for name, value in scores.items()})
        if self.show:
            print(table_text(epoch, scores, names))
        if self.stop_on is not None:
            self._track_best(epoch, scores)

    def on_train_end(self, logs: Any = None) -> None:
        """Set the weights of the best epoch, if `stop_on` has kept some."""
        if self._weights is not None:
            self.model.set_weights(self._weights)

    def scores(self) -> tuple[dict[str, float], list[str]]:
        """Return all scores of the current model, and the names of the classes.

        Raises:
            OptionError: The number of names differs from the number of classes.
        """
        proba = self._probabilities(np.asarray(self.model.predict(self.x, batch_size=self.batch_size, verbose=0)))
        names = _log_names(range(proba.shape[1]) if self.labels is None else self.labels)
        if len(names) != proba.shape[1]:
            raise OptionError(
                f"labels has {len(names)} names. Expected {proba.shape[1]}, one for each class of the model."
            )
        return class_scores(self.y, proba, self.weight, names), names

    def _probabilities(self, out: Array) -> Array:
        """Return the probabilities, float64 (n, C), of the n elements with a weight above 0.

        Args:
            out: Outputs of the model (N, ..., units). One unit becomes two columns. Rows are scaled to the sum 1.

        Raises:
            ModelError: The outputs and the labels differ in shape, or it is unclear whether outputs are logits.
        """
        if out.shape[:-1] != self._shape:
            raise ModelError(
                f"The model's output has shape {out.shape}, but the labels have shape {self._shape}. Expected one "
                "output per label."
            )
        z = out.reshape(-1, out.shape[-1])[self._counted].astype(np.float64)
        logits = self._model_returns_logits()
        if z.shape[1] == 1:
            p = 1 / (1 + np.exp(-np.clip(z, -700, 700))) if logits else z
            return np.concatenate([1 - p, p], axis=1)
        if logits:
            z = np.exp(z - z.max(axis=1, keepdims=True))
        return z / z.sum(axis=1, keepdims=True)

    def _model_returns_logits(self) -> bool:
        """Return whether the outputs are logits: as `output` says, else by the last activation, else by the loss.

        Raises:
            ModelError: `output` is "auto", and neither the activation nor the loss shows it.
        """
        if self.output != "auto":
            return self.output == "logits"
        activation = last_activation(self.model)
        if activation in ("linear", *PROBABILITY_ACTIVATIONS):
            return activation == "linear"
        return not emits_probabilities(self.model, "auto", single(self.model.loss) if self.model.compiled else None)

    def _track_best(self, epoch: int, scores: dict[str, float]) -> None:
        """Keep the weights of the best epoch, or end training after `patience` worse epochs.

        The best epoch has the lowest log loss, or the highest value of any other score. It never has a score of nan.

        Raises:
            OptionError: There is no score of this name.
        """
        if self.stop_on not in scores:
            raise OptionError(f"There is no score {self.stop_on!r}.{did_you_mean(self.stop_on, scores)}")
        value = -scores[self.stop_on] if self.stop_on == "log_loss" else scores[self.stop_on]
        if value > self._best:
            self._best, self.best_epoch, self._weights = value, epoch, self.model.get_weights()
        elif epoch - (self.best_epoch or 0) >= self.patience:
            self.model.stop_training = True


def _log_names(labels: Iterable[Any]) -> list[str]:
    """Return the part of the logged names for each label: letters, digits, and "_" for all other characters."""
    return ["".join(c if c.isalnum() else "_" for c in str(label)) for label in labels]


def _class_codes(elements: Elements, labels: Sequence[Any] | None) -> Array:
    """Return the class codes of the elements, int64, in the shape of the labels.

    Text is looked up in `labels`, the names in code order. Whole numbers are codes already.

    Raises:
        TargetError: A label is text without `labels`, is not one of `labels`, or is a negative number.
    """
    if labels is not None and any(isinstance(c, str) for c in elements.classes):
        return codes_among(elements, labels, "names in labels=").astype(np.int64)
    if any(isinstance(c, str) or c < 0 for c in elements.classes):
        raise TargetError(
            f"y has the labels {', '.join(map(repr, elements.classes[:5]))}. Expected the class codes 0, 1, ... of the "
            "model. Convert y to codes, or pass the class names in code order as labels=."
        )
    return np.array([*elements.classes, 0], np.int64)[elements.codes]


def class_scores(y: Array, proba: Array, weight: Array, names: Sequence[str]) -> dict[str, float]:
    """Compute every score of all classes together, and of `COLUMNS` for each class.

    Decisions are at 0.5 for two classes, otherwise for the largest probability. A score of a class without rows is nan.
    `minority_f1` is for the class with the least weight. `support_NAME` is the sum of the weights of a class.

    Args:
        y: int (n,), class codes. proba: float (n, C). weight: float (n,). names: Names of the C classes for the keys.
    """
    classes = proba.shape[1]
    matrix = confusion(y, default_decision(proba), classes, sample_weight=weight)
    hits, true, decided = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    present = true > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "recall": np.where(present, hits / true, np.nan),
            "precision": np.where(present, np.where(decided > 0, hits / decided, 0.0), np.nan),
            "f1": np.where(present, 2 * hits / (true + decided), np.nan),
            "average_precision": np.array([_average_precision_of(y, proba[:, c], c, weight) for c in range(classes)]),
        }
    rarest = int(np.argmin(np.where(present, true, np.inf)))
    chosen = decision_scores(matrix)
    overall = {
        **{k: chosen[k] for k in ("balanced_accuracy", "g_mean", "mcc")},
        "macro_f1": float(columns["f1"][present].mean()),
        "minority_f1": float(columns["f1"][rarest]),
        "macro_average_precision": float(columns["average_precision"][present].mean()),
        "log_loss": log_loss(y, proba, sample_weight=weight),
    }
    each = {f"{key}_{name}": float(v) for key, values in columns.items() for name, v in zip(names, values, strict=True)}
    return {**overall, **each, **{f"support_{name}": float(n) for name, n in zip(names, true, strict=True)}}


def _average_precision_of(y: Array, p: Array, code: int, weight: Array) -> float:
    """Return the average precision of a class, with probabilities `p` (n,), against the rest."""
    return average_precision((y == code).astype(int), np.stack([1 - p, p], axis=1), sample_weight=weight)


def table_text(epoch: int, scores: dict[str, float], names: Sequence[str]) -> str:
    """Format the scores of one epoch as a table; `names` are the classes in `scores`.

    Example:
        >>> y, p = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])
        >>> print(table_text(0, class_scores(y, p, np.ones(3), ["fine", "fraud"]), ["fine", "fraud"]))
        epoch 1: balanced accuracy 0.750, MCC 0.500
        class     recall  precision     f1  average precision  support
        fine       0.500      1.000  0.667              1.000        2
        fraud      1.000      0.500  0.667              1.000        1
    """
    wide = max(8, *(len(terminal_text(name)) for name in names))
    lines = [f"epoch {epoch + 1}: balanced accuracy {scores['balanced_accuracy']:.3f}, MCC {scores['mcc']:.3f}"]
    lines.append(f"{'class':<{wide}}  recall  precision     f1  average precision  support")
    for name in names:
        text = terminal_text(name)
        r, p, f, a = (scores[f"{key}_{name}"] for key in COLUMNS)
        lines.append(
            f"{text:<{wide}}   {r:5.3f}      {p:5.3f}  {f:5.3f}              {a:5.3f}  {scores[f'support_{name}']:7g}"
        )
    return "\n".join(lines)

"""Checks of the user's Keras callbacks: what they monitor must be logged, what they do must make sense here.

`check_training_callbacks` runs before any training. Names that an earlier callback may add to the logs are known only
in the first round, in which `user_callbacks` calls `check_logged` again. Nothing here changes a callback.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.engines.compiled_metrics import CompiledMetrics, metrics_of
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import SETTERS

#: Class names of Keras callbacks that do not work here, subclasses included -> end of the message: why, and what works.
REFUSED = {
    "BackupAndRestore": "does not store which rows were sampled, so it cannot resume this training. To save "
    "the best classifier so far, use ModelCheckpoint. To resume after the last finished fit, use "
    "cp.compare(store=FOLDER)",
    "SwapEMAWeights": "needs the validation of Keras, which Counterpoise does not run. Use "
    "recipe=cp.Recipe(average_weights=3), which scores and keeps averaged weights",
    "OrbaxCheckpoint": "saves a Keras training, not a classifier. To save the best classifier so far, use "
    "ModelCheckpoint",
}


def check_training_callbacks(
    callbacks: Sequence[Any], network: Network, networks: int = 1, folds: bool = False
) -> None:
    """Raise an OptionError if a callback cannot work in this training.

    Args:
        callbacks: Keras callbacks, in their order.
        network: What is trained.
        networks: How many networks are trained.
        folds: Whether a network on all rows is trained last (`folds=`), which has no early-stopping rows.
    """
    if not callbacks:
        return
    metrics = metrics_of(network)
    # any_name: an earlier callback may add any name to the logs, so names can no longer be checked.
    names, any_name = ["loss", "val_loss", *(f"val_{name}" for name in (metrics.names if metrics else ()))], False
    for callback in callbacks:
        _check_kind(callback, networks)
        unchecked = any_name or (
            network.custom_train_step is not None and not str(monitored_name(callback)).startswith("val_")
        )
        if not unchecked:
            check_logged(callback, names)
        _check_known_direction(callback, metrics, unchecked)
        if folds:
            _check_needs_no_validation(callback)
        if isinstance(callback, keras.callbacks.ModelCheckpoint) and not any_name:
            _check_file_fields(callback, names)
        names += ["learning_rate"] if isinstance(callback, SETTERS) else []
        any_name = any_name or _may_add_logs(callback)


def _may_add_logs(callback: Any) -> bool:
    """Return whether a callback may add names to the logs: it is not part of Keras, or a `LambdaCallback`."""
    foreign = not type(callback).__module__.startswith("keras.")
    return foreign or isinstance(callback, keras.callbacks.LambdaCallback)


def _check_kind(callback: Any, networks: int) -> None:
    """Raise an OptionError for kinds of callbacks in `REFUSED`, or settings that fail here.

    `networks` is how many networks are trained: a checkpoint, and a CSV log that overwrites its file, need one.
    """
    kind = next((c.__name__ for c in type(callback).__mro__ if c.__name__ in REFUSED), None)
    if kind:
        raise OptionError(f"{kind} {REFUSED[kind]}.")
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        _check_checkpoint(callback, networks)
    if isinstance(callback, keras.callbacks.CSVLogger) and networks > 1 and not callback.append:
        raise OptionError(
            f"CSVLogger overwrites its file for each of the {networks} networks, so only the last one remains. Pass "
            f"CSVLogger(..., append=True)."
        )


def _check_checkpoint(callback: Any, networks: int) -> None:
    """Raise an OptionError unless a ModelCheckpoint can save a whole classifier.

    This needs one network, all weights, saving at the end of a round, and a file name that ends in .keras.
    """
    if networks > 1:
        raise OptionError(
            f"ModelCheckpoint needs a single network, but here {networks} networks make one classifier. Leave "
            "ModelCheckpoint out, and save the classifier that fit returns with clf.save()."
        )
    if callback.save_weights_only:
        raise OptionError(
            "ModelCheckpoint(save_weights_only=True) would save weights that cannot be loaded again. Leave "
            "save_weights_only out. The file is then a classifier for cp.load."
        )
    if callback.save_freq != "epoch":
        raise OptionError(
            f"ModelCheckpoint(save_freq={callback.save_freq}) counts steps, but metrics exist only at the end of a "
            f"round. Leave save_freq out."
        )
    if not callback.filepath.endswith(".keras"):
        raise OptionError(
            f"ModelCheckpoint writes {callback.filepath!r}. Expected a name that ends in .keras. Rename the file."
        )


def _check_file_fields(callback: Any, names: Sequence[str]) -> None:
    """Raise an OptionError if a field in the file name of a checkpoint cannot be filled in.

    Fields are "epoch" and the names of the logs, for example {val_loss:.3f}.
    """
    try:
        fields = [(field, how) for _, field, how, _ in string.Formatter().parse(callback.filepath) if field is not None]
        for field, how in fields:
            format(1 if field == "epoch" else 0.5, how or "")  # only raises an error if the format is wrong
    except ValueError as error:
        raise OptionError(
            f"ModelCheckpoint writes {callback.filepath!r}, whose fields cannot be filled in ({error}). Expected "
            "fields such as {epoch:02d} and {val_loss:.3f}."
        ) from None
    for field, _ in fields:
        if field.split(".")[0].split("[")[0] not in ("epoch", *names):
            raise OptionError(
                f"ModelCheckpoint names its file by {field!r}, which {not_logged_text(field, ['epoch', *names])}"
            )


def _check_known_direction(callback: Any, metrics: CompiledMetrics | None, unchecked: bool) -> None:
    """Raise an OptionError for mode="auto" if Keras does not know the metric's direction.

    Keras itself would raise an error only after the first round. `unchecked` is whether the name cannot be checked.
    """
    name = monitored_name(callback)
    if (
        name is None
        or unchecked
        or getattr(callback, "mode", None) != "auto"
        or not hasattr(callback, "_set_monitor_op")
    ):
        return
    bare = name.removeprefix("val_")
    if bare != "loss" and bare not in (metrics.directions if metrics else {}):
        raise OptionError(
            f"{type(callback).__name__} monitors {name!r} with mode='auto', but Keras does not know whether higher "
            f"is better for this metric. Pass mode='max' or mode='min'."
        )


def _check_needs_no_validation(callback: Any) -> None:
    """Raise an OptionError if a callback monitors validation, which the training on all rows (`folds=`) lacks."""
    name = monitored_name(callback)
    if name is not None and name.startswith("val_"):
        raise OptionError(
            f"{type(callback).__name__} monitors {name!r}, but with folds= the last training is on all rows and has no "
            "validation. Leave the callback out, or use validation= instead of folds=."
        )


def monitored_name(callback: Any) -> str | None:
    """Return the name in the logs that a callback acts on (its `monitor`), or None.

    A checkpoint that saves every round acts on none.
    """
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and not callback.save_best_only:
        return None
    name = getattr(callback, "monitor", None)
    return name if isinstance(name, str) else None


def check_logged(callback: Any, names: Iterable[str]) -> None:
    """Raise an OptionError if a callback monitors a name that is not logged."""
    name, logged = monitored_name(callback), list(names)
    if name is not None and name not in logged:
        raise OptionError(f"{type(callback).__name__} monitors {name!r}, which {not_logged_text(name, logged)}")


def not_logged_text(name: str, logged: Sequence[str]) -> str:
    """Return the end of an error message about a name that is not logged, after "monitors NAME, which".

    Example:
        >>> not_logged_text("val_acc", ["loss", "val_loss", "val_accuracy"])
        "this training does not log. Expected one of: loss, val_loss, val_accuracy. Did you mean 'val_accuracy'?"
    """
    longer = next((k for k in logged if k.startswith(name)), None)
    hint = f" Did you mean {longer!r}?" if longer else did_you_mean(name, logged)
    listed = f" Expected one of: {', '.join(logged)}." if "Did you mean" in hint else ""
    return f"this training does not log.{listed}{hint}"

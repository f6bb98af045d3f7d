"""Keras callbacks of the user in a training of ours, called by `keras_fit` as in their own `fit`.

What they see is a model of the user's form: it puts out what the compiled model puts out (with a table, on encoded
rows), has its metrics, and saves a whole classifier. A training of ours may call `fit` several times; to callbacks it
is one training, whose epochs are its rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from counterpoise.core.job import Member
from counterpoise.engines.callback_checks import check_logged, monitored_name
from counterpoise.engines.compiled_metrics import metrics_of
from counterpoise.networks.network import Network

#: Writes the classifier of a member, as it is at the end of a round, to a file.
Save = Callable[[Member, str], None]
#: Hooks that Keras calls at every step; they are passed on only when a callback has one.
STEP_HOOKS = ("on_train_batch_begin", "on_train_batch_end")


class RoundSaver(keras.callbacks.Callback):
    """Provides the function that saves a classifier to the user's callbacks, and does nothing else."""

    def __init__(self, save: Save) -> None:
        super().__init__()
        self.save = save


class UserCallbacks(keras.callbacks.Callback):
    """All callbacks of the user as one (see the module).

    Args:
        callbacks: The user's, and perhaps a `RoundSaver`.
        network: What is trained.
        fitted: The model whose `fit` is called.
        logits_model: The network, inputs to logits; the same model unless the user's own step trains a part of it.
        rounds: Most rounds of the training.
        member: Makes a member of the network as it is judged at the end of this round.
        keep_round: Called at the end of each round that is the best so far of a callback that keeps one.

    Attributes:
        shown: The model that callbacks see as `model`.
        hooks: Calls the users' callbacks in their order, each after its `_LogCheck`.
        keeper: The `EarlyStopping(restore_best_weights=True)` that decides which round is kept; None: our score does.

    Pass it to every `fit` of the training, in order. Call `start_stage` between two stages, `finish` after the last
    `fit`, and `release` in any case.
    """

    def __init__(
        self, callbacks: Sequence[Any], network: Network, fitted: keras.Model, logits_model: keras.Model, rounds: int,
        member: Callable[[], Member], keep_round: Callable[[], None],
    ) -> None:  # fmt: skip
        super().__init__()
        # The saver is no callback of the user's: it is only carried along with them.
        saver = next((c for c in callbacks if isinstance(c, RoundSaver)), None)
        self.users = [c for c in callbacks if not isinstance(c, RoundSaver)]
        self.shown = fitted if fitted is not logits_model else _model_for_callbacks(network, logits_model)
        guarded = [callback for c in self.users for callback in ((_LogCheck(c), c) if monitored_name(c) else (c,))]
        self.hooks = keras.callbacks.CallbackList(guarded, model=self.shown, epochs=rounds, steps=None, verbose=1)
        self.stoppers = [c for c in self.users if isinstance(c, keras.callbacks.EarlyStopping)]
        self.keeper = next((c for c in self.stoppers if c.restore_best_weights), None)
        self.keep_round, self.begun, self.rounds = keep_round, False, 0
        if saver is not None:
            # What a ModelCheckpoint of the user's calls to save the model writes a whole classifier.
            self.shown.save = lambda filepath, overwrite=True, **_: saver.save(member(), str(filepath))
        for hook in STEP_HOOKS:
            if any(_has_hook(callback, hook) for callback in self.users):
                setattr(self, hook, getattr(self.hooks, hook))

    def on_train_begin(self, logs: Any = None) -> None:
        """Call the users' hooks at the first `fit` of the training; later ones continue it."""
        if not self.begun:
            self.begun, self.shown.stop_training = True, False
            for stopper in self.stoppers:
                stopper.best = None  # Keras 3.13 leaves it from an earlier training
            self.hooks.on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Call the users' hooks with the round of the whole training as epoch."""
        self.hooks.on_epoch_begin(self.rounds, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Call the users' hooks, keep their best round, and pass on that they ask to stop."""
        self.hooks.on_epoch_end(self.rounds, logs)
        if self.keeper is not None and self.keeper.best_epoch == self.rounds:
            self.keep_round()
        self.model.stop_training = self.model.stop_training or self.shown.stop_training
        self.rounds += 1

    def start_stage(self) -> None:
        """Begin the last stage of a deferred plan: `EarlyStopping` looks for the best round among its own rounds."""
        self.shown.stop_training = False
        for stopper in self.stoppers:
            stopper.on_train_begin()
            stopper.best = None  # as in `on_train_begin`

    def finish(self) -> None:
        """Call the users' hooks for the end of the whole training, if it has begun."""
        if self.begun:
            self.hooks.on_train_end()

    def release(self) -> None:
        """Take back the change of `save`, so that the model is as it was given."""
        self.shown.__dict__.pop("save", None)


class _LogCheck(keras.callbacks.Callback):
    """Checks in the first round that what a callback of the user's monitors is in the logs.

    What callbacks before it add to the logs is known only then (see `callback_checks`).
    """

    def __init__(self, user: Any) -> None:
        super().__init__()
        self.user = user

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raise an `OptionError` in the first round if the monitored name is not in the logs."""
        if epoch == 0:
            check_logged(self.user, logs or {})


def _model_for_callbacks(network: Network, logits_model: keras.Model) -> keras.Model:
    """Return the network with the output of the user's model in place of logits, on the same variables.

    It is compiled with the user's loss and metrics, for callbacks to look at; it is not trained itself.
    """
    outputs = keras.layers.Activation(network.output_activation, name="output")(logits_model.output)
    shown = keras.Model(logits_model.input, outputs, name=network.label)
    shown.compile(optimizer=logits_model.optimizer, loss=network.given_loss, jit_compile=False)
    shown.optimizer = logits_model.optimizer  # not one that scales the loss of the scaled one
    metrics = metrics_of(network)
    if metrics is not None:
        shown._compile_metrics = metrics.model._compile_metrics
    return shown


def _has_hook(callback: Any, hook: str) -> bool:
    """Return whether a callback overrides a hook of batches, by its long or short name."""
    names = (hook, hook.replace("_train_", "_"))
    return any(not getattr(getattr(callback, name), "_is_default", False) for name in names)

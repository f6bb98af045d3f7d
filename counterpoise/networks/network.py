"""The network that a job trains: inputs, the encoder, the user's model, and logits at the end.

`Network` is the recipe; `fresh(seed)` makes one with initial weights that depend on the seed alone. Whatever the
user's model ends in (softmax, sigmoid or logits), ours ends in logits, because corrections are additions there.

Kept: `Network` is a `core.model.Model`, and goes pickled to other processes. The store of a comparison contains weights
in the order of the network's variables, and is refused if layers or initial weights of a seed are others than before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import keras
import numpy as np

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Limits
from counterpoise.core.structure import mapped, take
from counterpoise.networks.augmentation import Augmentation, asked_for
from counterpoise.networks.batch_ensemble import pool_of
from counterpoise.networks.built_in import BuiltIn, resolve_model
from counterpoise.networks.cloning import (
    Frozen,
    custom_train_step,
    keep_layer_state,
    keep_weights,
    keras_text,
    last_activation,
    plain,
    without_activation,
)
from counterpoise.networks.cloning import clone as cloned
from counterpoise.networks.encoder import (
    encoded,
    encoder_before,
    encoder_of_config,
    rows_to_learn_from,
    spec_behind,
    without_picture,
)
from counterpoise.networks.input_names import by_name, input_names
from counterpoise.networks.input_spec import InputSpec, spec_of
from counterpoise.networks.optimizers import checked_optimizer, fresh_optimizer
from counterpoise.networks.output import PROBABILITY_ACTIVATIONS, ProbabilityToLogit, check_units, emits_probabilities
from counterpoise.networks.output_bias import OutputBias, find_output_bias
from counterpoise.networks.placement import check_one_device, check_text, check_undistributed
from counterpoise.networks.recipe import PLAIN, Recipe
from counterpoise.networks.user_loss import (
    ElementModelLoss,
    LabelModelLoss,
    ModelLoss,
    is_cross_entropy,
    loss_label,
    single,
)
from counterpoise.networks.weights import fresh_state, learn_once, note_backend_use, seeded, set_state, variable_indices
from counterpoise.targets.kinds import target_of

Array = np.ndarray

logger = logging.getLogger("counterpoise")


class Assembled(NamedTuple):
    """A network and the models in it.

    Attributes:
        model: Inputs to logits.
        inner: The user's model in it, or a copy.
        encoder: Inputs to what the user's model is fed, or None where that is the same.
    """

    model: keras.Model
    inner: keras.Model
    encoder: keras.Model | None


class Network:
    """A recipe for networks of one shape.

    Args:
        model: A Keras model, a builder `build(spec, n_classes)` returning logits, or the name of a built-in network;
            "auto" is the one that suits the rows.
        examples: The data; a table gets the encoder in front.
        output: "logits", "probabilities", or "auto" (the compiled loss's `from_logits`, else the last activation).
        initial_weights: "keep" starts from the weights of the given model, "fresh" draws new ones; "auto" keeps those
            of an instance.
        optimizer: A Keras optimizer or name; None takes the compiled model's, or that of the built-in network, else
            Adam(1e-3).
        clone: False trains the given object itself, from the weights that it has.
        augment: What changes pictures while the network trains (see `networks.augmentation`); None: what the built-in
            network comes with; False: nothing.
        flip, contrast: What is added to that (see `feed.small_moves`); None: nothing.

    Attributes:
        model: The Keras model of the user, a builder, or a `BuiltIn`.
        given: Whether `model` is the user's own Keras model.
        keep: Whether networks start from the weights of that model.
        target: What its output is for (see `core.target`).
        elements: Shape of the elements of a row that have an output of their own; (): the row has one.
        units: 1 or C, or one per label: width of the logits.
        raw_spec: What the network receives, before any encoder.
        for_pictures: Whether it is a built-in network for pictures, which may have no axis of channels.
        n_members: Networks in the network (see `networks.batch_ensemble`); 1 for a plain one.
        probabilities: Whether the user's model puts out probabilities.
        custom_train_step: "train_step" or "compute_loss" where the model's class has its own, else None.
        encoder_rows: Rows that the encoder learns from, in place of all training rows; None: these.
        body: The frozen model before the network (see `networks.frozen_body`), or None; never pickled.
        cache: What engines compiled and may use again as long as the network lives; never pickled.
        compile_modes: How the program trains each loss family, decided once (see `engines.compile_modes`). They go
            with the network to other processes and, written with a run, to later ones.

    Raises:
        ModelError: the model does not fit the inputs or the classes, or its output is not known.
        OptionError: unknown name or option.
    """

    def __init__(
        self,
        model: Any,
        examples: Examples,
        *,
        output: str = "auto",
        initial_weights: str = "auto",
        optimizer: Any = None,
        clone: bool = True,
        augment: Any = None,
        flip: str | None = None,
        contrast: float | None = None,
    ) -> None:
        note_backend_use()
        check_one_device()
        check_choice(output, "output", ("auto", "logits", "probabilities"))
        check_choice(initial_weights, "initial_weights", ("auto", "keep", "fresh"))
        self.model = resolve_model(model, examples)
        self.given = isinstance(self.model, keras.Model)
        self.target, self.classes = target_of(examples), len(examples.classes)
        self.elements = tuple(examples.y.shape[1:]) if self.target.per_element else ()
        self.output, self.clone = output, clone
        # A model of the user's keeps its weights unless fresh ones are asked for; builders have none to keep.
        self.keep = self.given and initial_weights != "fresh"
        _check_clone(clone, self.model, initial_weights)
        self._optimizer = checked_optimizer(optimizer)
        changes = asked_for({"augment": augment, "flip": flip, "contrast": contrast})
        if changes and self.target.per_element:
            raise OptionError(
                f"{changes}= would change the images, but not their masks. Leave {changes} out, or augment images and "
                "masks together and pass them as arrays."
            )
        self.for_pictures = isinstance(self.model, BuiltIn) and self.model.augment is not None
        augment = self.model.augment if self.for_pictures and augment is None else augment
        self._augmentation = Augmentation(augment, flip, contrast)
        encoder = encoder_before(self.model, examples)
        self._encoder_config = None if encoder is None else encoder.get_config()
        self.raw_spec = spec_of(examples)
        check_text(self.raw_spec.dtype)
        self.encoder_rows: Array | None = None
        self.body: keras.Model | None = None
        self.cache: dict[str, Any] = {}
        self.compile_modes: dict[str, Any] = {}
        # One network is made at once: it shows widths, outputs and errors, and later serves as `spare`.
        assembled = self.assembled(0)
        sample = self.cache["spare"] = assembled.model
        self.custom_train_step = custom_train_step(assembled.inner)
        if self.custom_train_step and self.target.per_element:
            raise ModelError(
                f"The model has a {self.custom_train_step} of its own, which cannot train on rows with "
                f"{self.target.what}. Pass a model that uses the training step of keras.Model."
            )
        if self.custom_train_step and self._augmentation:
            raise OptionError(
                f"{changes}= adds layers in front of a model, but the model's own {self.custom_train_step} receives "
                f"the original rows. Leave {changes} out, and put the layers into the model."
            )
        self.probabilities = self._emits_probabilities(assembled.inner)
        pool = pool_of(sample)
        self.n_members = 1 if pool is None else pool.n_members
        self._shift_indices = [] if pool is None else variable_indices(sample, [pool.log_shifts])
        self.units = int(sample.output.shape[-1])
        table = self._encoder_config is not None
        self._encoder_indices = variable_indices(sample, sample.get_layer("encoder").variables) if table else []

    kind = "network"
    stops_early = True

    @property
    def refit_rows(self) -> int:
        """Largest number of training rows for which a fold trains a second time (see `Recipe`)."""
        return self.recipe.refit_rows

    def content(self) -> str:
        """Return "", because the network is described in the manifest of the run (see `comparison.manifest`)."""
        return ""

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        """Return the limits as given, because they suit a network (see `core.model`)."""
        return given

    def to_keras(self, weights: Sequence[Array], examples: Examples) -> keras.Model:
        """Return a network with these weights, as `weights.state_of` returns them."""
        model = self.fresh(0)
        set_state(model, weights)
        return model

    @property
    def label(self) -> str:
        """Name of the network in a report."""
        return str(getattr(self.model, "name", None) or getattr(self.model, "__name__", "model"))

    @property
    def recipe(self) -> Recipe:
        """Recipe of a built-in network, else `PLAIN`."""
        return self.model.recipe if isinstance(self.model, BuiltIn) else PLAIN

    @property
    def was_trained(self) -> bool:
        """Whether the given model's optimizer has taken steps."""
        return bool(self.given and self.model.compiled and int(self.model.optimizer.iterations.numpy()) > 0)

    @cached_property
    def output_bias(self) -> OutputBias:
        """The layer with the output bias, or the reason why the bias is not changed; found once."""
        return find_output_bias(self)

    @property
    def user_loss(self) -> ModelLoss | None:
        """The compiled model's own loss, on codes and logits, when it is not a plain cross-entropy; else None."""
        if not (self.given and self.model.compiled):
            return None
        loss = self.given_loss
        if is_cross_entropy(loss, self.units, self.target.independent):
            return None
        if "user_loss" not in self.cache:
            if self.target.per_element:
                self.cache["user_loss"] = ElementModelLoss(loss, self.units, self.output_activation, self.elements)
            else:
                loss_class = LabelModelLoss if self.target.independent else ModelLoss
                self.cache["user_loss"] = loss_class(loss, self.units, self.output_activation)
        return self.cache["user_loss"]

    @property
    def given_loss(self) -> Any:
        """The loss that the given model was compiled with, or None."""
        return single(self.model.loss) if self.given and self.model.compiled else None

    @property
    def loss_factor(self) -> float | None:
        """Factor of the loss that the given model was compiled with (`loss_weights=`), or None."""
        compiled = getattr(self.model, "_compile_loss", None) if self.given else None
        factors = keras.tree.flatten(getattr(compiled, "_user_loss_weights", None))
        return float(factors[0]) if len(factors) == 1 and factors[0] is not None else None

    @property
    def output_activation(self) -> str:
        """The activation from logits to the user's output: linear, sigmoid or softmax."""
        if not self.probabilities:
            return "linear"
        # Only a plain model shows its last activation; any other has that of its target.
        seen = last_activation(self.model) if self.given and plain(self.model) else None
        if seen in PROBABILITY_ACTIVATIONS:
            return seen
        return "sigmoid" if self.target.independent or self.units == 1 else "softmax"

    @property
    def loss_label(self) -> str:
        """Return a blank and the name of the compiled loss, or "" without one."""
        return "" if self.given_loss is None else f" {loss_label(self.given_loss)!r}"

    def warn_once(self, sentence: str) -> None:
        """Log a sentence as a warning, unless it was logged for this network before."""
        logged = self.cache.setdefault("logged", set())
        if sentence not in logged:
            logged.add(sentence)
            logger.warning("%s", sentence)

    def fresh(self, seed: int) -> keras.Model:
        """Return a new network, inputs to logits (float32), with initial weights that depend on `seed` alone."""
        return self.assembled(seed).model

    def spare(self, keep: bool = False) -> keras.Model:
        """Return the network that was made to look at, or a new `fresh(0)` if it was taken.

        With `keep` it stays here for later calls, so only look at it. Without, it belongs to the caller.
        """
        made = self.cache.pop("spare", None) or self.fresh(0)
        return self.cache.setdefault("spare", made) if keep else made

    def assembled(self, seed: int) -> Assembled:
        """Make a network as `fresh` does, and return it with the models that it is made of.

        Raises:
            ModelError: The model does not fit the inputs or the classes.
        """
        with seeded(seed):
            if self._encoder_config is None:
                inner = self._new_inner(self.raw_spec)
                inputs = h = self.raw_spec.inputs(input_names(inner))
            else:
                inputs = self.raw_spec.inputs()
                h = encoded(encoder_of_config(self._encoder_config), inputs)
                inner = self._new_inner(self.raw_spec.behind(spec_behind(h)))
            seen = self._augmentation(h, gray=self.for_pictures) if self._augmentation else h
            logits = self._inner_logits(inner, seen)
        check_units(logits, self.target, self.classes, self.elements)
        logits = keras.layers.Activation("linear", dtype="float32", name="as_float32")(logits)
        encoder = None if h is inputs else keras.Model(inputs, h, name="encoder")
        return Assembled(keras.Model(inputs, logits, name="network"), inner, encoder)

    def optimizer(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer of the wanted kind, in its initial state.

        It is that of `optimizer=`, else of the built-in network, else of the compiled model, else Adam(1e-3).

        Raises:
            OptionError: The optimizer cannot be made again (see `fresh_optimizer`).
        """
        wanted = self._optimizer
        if wanted is None and isinstance(self.model, BuiltIn):
            return self.model.optimizer()
        if wanted is None and self.given and self.model.compiled:
            wanted = self.model.optimizer
        if wanted is None:
            return keras.optimizers.Adam(1e-3)
        return fresh_optimizer(wanted)

    def initial_state(
        self, seed: int, x: Any, rows: Array, member_shifts: Array | None = None, bias: Array | None = None
    ) -> list[Array]:
        """Return values of all variables, in Keras order, for a training with this seed.

        They are those of `fresh(seed)`, but those of the encoder are learned from the training rows `rows` of `x`, and
        those of random layers (Dropout) depend on `seed` too, so that members do not share their masks.

        `member_shifts` (members, C) are the training shifts that the network itself is to remove; None: none. `bias`,
        (units,) or (members, units), is where its output starts; None: where the model has it.
        """
        cache = self.cache if self.clone else {}
        state = list(fresh_state(cache, self.fresh, seed))
        if self._encoder_config is not None:
            encoder = encoder_of_config(self._encoder_config)
            rows = rows if self.encoder_rows is None else self.encoder_rows
            values = learn_once(
                cache, x, rows, lambda: encoder.learned(take(without_picture(x), rows_to_learn_from(encoder, rows)))
            )
            for index, value in zip(self._encoder_indices, values, strict=True):
                state[index] = value
        for index in self._shift_indices:
            state[index] = (
                np.zeros_like(state[index]) if member_shifts is None else member_shifts.astype(state[index].dtype)
            )
        head = self.output_bias.index if bias is not None else None
        if bias is not None and head is not None:
            state[head] = np.broadcast_to(bias, state[head].shape).astype(state[head].dtype)
        return state

    def _emits_probabilities(self, inner: keras.Model) -> bool:
        """Return whether the inner model puts out probabilities (see `emits_probabilities`)."""
        return emits_probabilities(inner, self.output, self.given_loss, self.given)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: all but the cache and the frozen body.

        Keras loses what is frozen inside of layers, so it is pickled next to the model.
        """
        frozen = Frozen.of(self.model) if self.given else None
        return {**self.__dict__, "cache": {}, "body": None, "frozen": frozen}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what was pickled."""
        frozen = state.pop("frozen")
        self.__dict__.update(state)
        if frozen is not None:
            frozen.apply(self.model)

    def _new_inner(self, spec: InputSpec) -> keras.Model:
        """Return the user's model for rows of this spec, without what is put around it: built, cloned, or the original.

        Raises:
            ModelError: A builder returned something else than a Keras model.
        """
        if not self.given:
            inner = self.model(spec, self.classes)
            if not isinstance(inner, keras.Model):
                raise ModelError(f"The builder returned {type(inner).__name__}. Expected a keras.Model.")
            return inner
        return self.model if not self.clone else cloned(self.model, self.keep)

    def _inner_logits(self, inner: keras.Model, h: Any) -> Any:
        """Return the logits of the inner model on inputs `h`, a Keras tensor or several.

        They are its output, what is before its last activation, or the logits that its probabilities mean.

        Raises:
            ModelError: It does not take such inputs, or has several outputs.
        """
        built = inner.built
        try:
            out = inner(by_name(inner, h))
        except Exception as error:
            shape = mapped(lambda tensor: tuple(tensor.shape), h)
            raise ModelError(f"The model does not take an input of shape {shape}: {keras_text(error)}") from error
        if _takes_text(getattr(inner, "inputs", None)) and not _takes_text(h):
            raise ModelError(
                "The model takes text, but the rows are numbers. Pass rows of text, or a model that takes numbers."
            )
        if not hasattr(out, "shape"):
            raise ModelError(
                "The model has several outputs. Expected a single output, with one unit or one unit per class."
            )
        if not built and self.given and self.clone:  # a subclassed model has its layers only once it was called
            if self.keep:
                keep_weights(self.model, inner)
            keep_layer_state(self.model, inner)
        if not self._emits_probabilities(inner):
            return out
        # The user's own object (clone=False) is not divided into layers.
        bare = without_activation(inner) if (self.clone or not self.given) else None
        undo = ProbabilityToLogit(self.target.independent, name="to_logit")
        return bare(by_name(bare, h)) if bare is not None else undo(out)


def _takes_text(inputs: Any) -> bool:
    """Return whether one of the tensors of a structure is text."""
    return any(getattr(tensor, "dtype", "") == "string" for tensor in keras.tree.flatten(inputs))


def _check_clone(clone: bool, model: Any, initial_weights: str) -> None:
    """Raise an `OptionError` if clone=False does not go with the model or the weights.

    It needs a Keras model that is not distributed, whose weights are kept.
    """
    if not clone and not isinstance(model, keras.Model):
        raise OptionError("clone=False trains the model itself, but model= is not a Keras model. Remove clone=.")
    if not clone:
        check_undistributed(model)
    if not clone and initial_weights == "fresh":
        raise OptionError(
            'clone=False keeps the weights of the model, but initial_weights="fresh" replaces them. '
            "Leave one of them out."
        )

"""The loss of a job, the shift of the logits that training causes, the first output bias, and the stopping score.

A loss is named in a job by `(name, constants)`, and the job's target maps the name to its class (`Target.losses`), so
that a job stays a plain value that can be hashed, pickled and sent to another process. The name "model" is the loss of
the user's compiled model; its constant "additive" is its own term, where that is known. Texts of `Objective.family` are
saved with compile modes in stores of `compare`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.job import Job
from counterpoise.core.target import Target
from counterpoise.engines.mixing import MIXES
from counterpoise.losses.multilabel import MultiLabelFocal
from counterpoise.losses.pointwise import Focal
from counterpoise.networks.batch_ensemble import BatchEnsembleLoss
from counterpoise.networks.user_loss import returns_one_number
from counterpoise.plans.plan import Plan
from counterpoise.targets.kinds import target_of

Array = np.ndarray


def focal_gamma(loss: tuple[str, Mapping[str, Any]]) -> float:
    """Return gamma of a job's focal loss, and 0 for any other loss; 2.0 is the default of the loss class.

    The effect of gamma is undone before the training shift is removed.
    """
    name, constants = loss
    return float(constants.get("gamma", 2.0)) if name == "focal" else 0.0


def check_loss(target: Target, name: str) -> None:
    """Raise an OptionError if a target has no loss of this name; "model" is the own loss of a model."""
    if name != "model" and name not in target.losses:
        rows = f" for rows with {target.what}" if target.many_per_row else ""
        raise OptionError(f"There is no loss {name!r}{rows}.{did_you_mean(name, target.losses)}")


def check_weights(job: Job, network: Any) -> None:
    """Raise a ModelError if a job weights rows, but its loss is the model's, which returns one number per batch.

    The weights would multiply the whole batch, and do nothing. A training step of the model's own may use them.
    """
    if job.loss[0] != "model" or network.custom_train_step or network.user_loss is None:
        return
    weighted = any(not np.allclose(weights, weights.flat[0]) for weights in (p.weights() for p in job.plan.stages))
    if weighted and returns_one_number(network.user_loss, network.elements):
        raise ModelError(
            f"The model's loss{network.loss_label} returns one number per batch, but rows have weights, from the "
            "strategy or from sample_weight=. Expected one value per row. Remove the mean from the loss, or choose a "
            "strategy that draws rows, for example oversample."
        )


class Objective:
    """The loss of a job, its training shift and its stopping score.

    Attributes:
        target: What the rows' labels are (see `core.target`).
        key: A text; jobs with equal keys share a compiled loss in the `fit` engine.
        family: A text; jobs of one family differ in the class counts of their loss at most, and share a trace of the
            program.
        log_shift: float64 (C,) or (L, 2), to be subtracted from the logits: the plan's shift less the loss's own term.
        member_shifts: float64 (members, C), what a batch ensemble removes itself; None: all its members follow one
            plan.
        gamma: Focusing of a focal loss, undone before the shift; 0 = none.
        needs_calibration: True when shift correction alone does not correct the probabilities.
    """

    def __init__(self, job: Job) -> None:
        self.target = target_of(job)
        self.name, self.constants = job.loss
        check_loss(self.target, self.name)
        mixed = "" if job.mix is None else " mixed"
        self.key = f"{self.name} {_as_json(self.constants)}{mixed}"
        self.family = f"{self.name} {_as_json(_without_counts(self.constants))}{mixed}"
        self._loss = None if self.name == "model" else self.target.losses[self.name](**self.constants)
        self.log_shift: Array = self._log_shift(job.plan)
        plans = job.plan.of_members
        self.member_shifts = np.stack([self._log_shift(plan) for plan in plans]) if plans else None
        self._first_plans = plans or job.plan.stages[:1]
        self._mix, self._init_bias = job.mix, job.init_bias
        self.gamma = focal_gamma(job.loss)
        own = self.name == "model" or bool(getattr(self._loss, "needs_calibration", False))
        self.needs_calibration = bool(job.plan.needs_calibration or own or job.mix)

    def loss(self, network: Any) -> Any:
        """Return the Keras loss to compile with: that of the job, or the user's ("model").

        For a network with several members, the loss is applied to all of them.
        """
        loss = network.user_loss if self._loss is None else self._loss
        return loss if network.n_members == 1 else BatchEnsembleLoss(loss, network.target.independent)

    def initial_bias(self, network: Any) -> Array | None:
        """Return the output bias to begin with: the constant that minimizes the loss on the rows of the first stage.

        float64 (units,), or (members, units) if the members follow plans of their own. None: the bias stays as it is,
        because the job or the network asks for that, or because the loss has no best constant. It follows from class
        shares alone.
        """
        if not self._init_bias or network.output_bias.index is None:
            return None
        constants = [self._best_bias(plan, network) for plan in self._first_plans]
        defined = [constant for constant in constants if constant is not None]
        if len(defined) < len(constants):
            return None
        return np.stack(defined) if self.member_shifts is not None else defined[0]

    def _best_bias(self, plan: Plan, network: Any) -> Array | None:
        """Return the bias that minimizes the loss on the rows of one plan, float64 (units,).

        None: the loss has no best constant. Results are kept in the cache of the network, by loss and class shares.
        """
        shares = plan.prior if self._mix is None else MIXES[self._mix[0]](**self._mix[1]).label_shares(plan.prior)
        constants, key = network.cache.setdefault("constants", {}), (self.key, shares.tobytes())
        if key not in constants:
            try:
                loss = network.user_loss if self._loss is None else self._loss
                constants[key] = self.target.start(loss, shares, network.units)
            except Exception:  # a loss may refuse a batch of one row per class; training reports what is wrong with it
                constants[key] = None
        return constants[key]

    def stopping_log_p(self, logits: Array, y: Array, weights: Array | None = None) -> Array:
        """Return log-probabilities, float64 (S, C) or (S, L, 2), from which the stopping score is computed.

        `weights` (S,) are the user's. Where the shift alone is not enough, a constant per class is fitted on the same
        rows first, so that the score measures what the network has learned and not its intercept. Those of a network
        that broke down are NaN, and so is its score.
        """
        with np.errstate(invalid="ignore"):
            log_p = self.target.log_p(logits, self.log_shift, self.gamma if self._loss is not None else 0.0)
        return self.target.with_intercept(log_p, y, weights) if self.needs_calibration else log_p

    def _log_shift(self, plan: Plan) -> Array:
        """Return the shift of the logits by plan and loss, float64 (C,) or (L, 2).

        A loss with an additive term a_c inside the softmax (`additive`, by the class shares of the rows drawn) has
        already removed this part of the plan's shift. Plans of several members are corrected by the network itself.
        """
        if plan.of_members:
            return plan.log_shift
        if self.name == "model":
            value = self.constants.get("additive")
        else:
            additive = getattr(self._loss, "additive", None)
            value = None if additive is None else additive(plan.drawn_shares)
            value = _focal_term(self._loss) if value is None else value
        if value is None:
            return plan.log_shift
        term = np.asarray(value, dtype=float)
        return plan.log_shift - (term - term.mean(axis=-1, keepdims=True))


def _focal_term(loss: Any) -> Array | None:
    """Return minus the log of what a focal loss weighs each class, float (C,) or (L or 1, 2); None if it weighs none.

    The weights remain in its outputs after the effect of gamma is undone. For elements, class weights around the loss
    belong to them.
    """
    own = getattr(loss, "loss", loss)
    if not isinstance(own, (Focal, MultiLabelFocal)) or (own is loss and own.alpha is None):
        return None
    alpha = own.alpha
    if isinstance(own, MultiLabelFocal) and alpha is not None:  # alpha is the weight of each label's presence
        alpha = np.stack([1.0 - np.atleast_1d(alpha), np.atleast_1d(alpha)], axis=-1)
    return -np.log((1.0 if alpha is None else alpha) * getattr(loss, "weights", 1.0))


def _without_counts(constants: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constants of a loss, with class counts or weights replaced by a text with their number.

    Losses that differ only in these values share a trace (see `loss_constants`).
    """
    kept = "weights" if "weights" in constants else "counts"  # what the trace takes from outside is that of one loss
    return {k: f"{len(v)} classes" if k == kept else v for k, v in constants.items()}


def _as_json(constants: Mapping[str, Any]) -> str:
    """Return the constants of a loss as a text that is equal for equal constants."""
    return json.dumps(dict(constants), sort_keys=True, default=_json_value)


def _json_value(value: Any) -> Any:
    """Convert a value that JSON does not know: an array to lists, anything else to its text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)

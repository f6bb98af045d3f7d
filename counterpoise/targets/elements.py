"""A class for each element of a row: the pixels of an image, the steps of a sequence. One problem over all elements.

Splits, draws and intervals are those of rows, since the elements of a row belong together. Rules and scores are taken
from a sample of each row whose weights give the shares of all elements (see `core.sample`); then an element is decided
as a row of one class is. Elements of code -1 count nowhere. `kind` is saved in model files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core.element_labels import element_codes
from counterpoise.core.errors import OptionError
from counterpoise.core.labels import count_codes
from counterpoise.core.rule import Rule
from counterpoise.core.target import Problem
from counterpoise.core.units import Units
from counterpoise.decide.aim import WHOLE_ROW_AIMS, Aim
from counterpoise.decide.lesion_threshold import lesion_threshold
from counterpoise.decide.rule import Decision
from counterpoise.decide.rule_fields import rule_to_dict
from counterpoise.metrics.lesions import region_counts
from counterpoise.plans import class_plans
from counterpoise.plans.element_plan import ElementPlan, crop_share, crops_of_masks, element_counts, element_plan
from counterpoise.plans.image_plan import image_plan
from counterpoise.plans.plan import Plan
from counterpoise.targets import element_losses, strategy_sets
from counterpoise.targets.element_losses import IGNORED, LOSSES
from counterpoise.targets.element_rules import ElementRuleLayer
from counterpoise.targets.one_of import OneOf

Array = np.ndarray

#: The target of one class per row, as which each element is scored and decided.
_EACH = OneOf()
#: Plans that draw rows by the rarest class that they contain.
DRAWN = (class_plans.oversample, class_plans.undersample)
#: Plans that weigh classes.
WEIGHING = (
    class_plans.class_weight, class_plans.power, class_plans.effective_number, class_plans.to_prior, class_plans.cost,
)  # fmt: skip


@dataclass(frozen=True)
class ElementProblem(Problem):
    """The one problem of elements (see `Problem`): `rows` are those that the elements are of.

    Attributes:
        at: int64 (n,), places of the elements among all.
        axes: Axes of the labels: 2 of sampled elements (N, k).
    """

    at: Array | None = None
    axes: int = 2

    def log_p(self, log_p: Array) -> Array:
        """Return log-probabilities (M, N, k, C) of M members as (M, n, C)."""
        return log_p.reshape(len(log_p), -1, log_p.shape[-1])[:, self.at]

    def proba(self, proba: Array) -> Array:
        """Return probabilities (..., N, k, C) as (..., n, C)."""
        return proba.reshape(*proba.shape[: -1 - self.axes], -1, proba.shape[-1])[..., self.at, :]

    def decision(self, decision: Array) -> Array:
        """Return decisions (N, k) as (n,)."""
        return decision.reshape(-1)[self.at]

    def over_all_rows(self, proba: Array) -> tuple[Array, Array, Array | None]:
        """Return codes (n,) and probabilities (n, C) of all elements with a class, and None: they have no weights."""
        return self.y, self.proba(proba), None

    @property
    def row_groups(self) -> Array:
        """Return the row of each element, (n,): elements of one row are drawn together."""
        return self.rows

    def of_whole(self, values: Array) -> Array:
        """Return values (N, ...) that belong to rows as (n, ...), one for each element."""
        of_elements = self.of_rows(values)
        assert of_elements is not None
        return of_elements

    def of_rows(self, values: Array | None) -> Array | None:
        """Return values (N, ...) of rows, or (N, k) of their elements, as (n, ...)."""
        if values is None or values.ndim == 1:
            return super().of_rows(values)
        return values.reshape(-1)[self.at]


class Elements:
    """A class per element (see `core.target.Target`, which describes each method).

    Most methods lay the elements out as rows, and let the target of one class per row (`_EACH`) do the work.
    """

    kind = "elements"
    independent = False
    per_element = many_per_row = True
    what = "a class per element (pixel or step)"
    default = strategy_sets.DEFAULT["elements"]
    strategies = strategy_sets.ALL["elements"]
    losses: Mapping[str, Callable[..., Any]] = LOSSES

    def widths(self, n: int) -> tuple[int, ...]:
        """Return the units that an output for n classes may have, as for one class per row."""
        return _EACH.widths(n)

    def shape(self, n: int) -> tuple[int, ...]:
        """Return the shape (n,) of the log-probabilities of one element, and of a training shift."""
        return _EACH.shape(n)

    def scored_shape(self, y: Array, n: int) -> tuple[int, ...]:
        """Return the shape (N, k, n) of log-probabilities of sampled elements with labels (N, k)."""
        return (*y.shape, n)

    def fits(self, shape: tuple[int | None, ...], n: int) -> bool:
        """Return whether an output of this shape has axes of elements, and units for n classes."""
        return len(shape) > 2 and shape[-1] in self.widths(n)

    def counts(self, y: Array, n: int, weights: Array | None = None) -> Array:
        """Count elements of each class, int64 (C,); with weights (N,) of rows, their sums."""
        if weights is None:
            return count_codes(y.reshape(-1), n)
        return np.asarray(weights @ element_counts(y, n))

    def are_labels(self, y: Array, n: int) -> bool:
        """Return whether y has two axes or more, and whole numbers that are class codes or -1."""
        fits = y.ndim > 1 and y.dtype.kind == "i" and y.size > 0
        return bool(fits and y.min() >= IGNORED and y.max() < n)

    def codes(self, given: Any, classes: Array) -> Array:
        """Return the labels of new rows as class codes (N, ...), -1 for elements without a class."""
        return element_codes(given, classes)

    def columns_of(self, schema: Any, classes: Sequence[Any], options: Mapping[str, str]) -> str:
        """Return "target", the only column that labels of elements come from."""
        return "target"

    def problems(self, y: Array, classes: Sequence[Any]) -> tuple[Problem, ...]:
        """Return the one problem of all elements that have a class."""
        elements = int(np.prod(y.shape[1:]))
        at = np.flatnonzero(y.reshape(-1) >= 0)
        return (ElementProblem(at // max(1, elements), y.reshape(-1)[at], tuple(classes), at=at, axes=y.ndim),)

    def labeled(self, log_p: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array, Array | None]:
        """Return scores, codes and weights of all elements that have a class, (n, ...) each.

        Arrays of one axis are such already.
        """
        if y.ndim == 1:
            return log_p, y, weights
        (problem,) = self.problems(y, ())
        return problem.log_p(log_p[None])[0], problem.y, problem.of_rows(weights)

    def plan(self, make: Callable[..., Plan], y: Array, n: int, sample_weight: Array | None) -> ElementPlan:
        """Return the plan of elements that `make` means for rows with a class per element.

        `uniform`, `crops_of_masks` and the functions of `DRAWN` have plans of their own. Of any other function the
        class weights are taken; it raises an OptionError if it draws or creates rows, or weighs all classes alike.
        """
        counts, function = element_counts(y, n), make.func if isinstance(make, partial) else make
        if function is class_plans.uniform:
            return element_plan(counts, name="uniform", sample_weight=sample_weight)
        if function is crops_of_masks:
            share = crop_share(**(make.keywords if isinstance(make, partial) else {}))
            return element_plan(counts, name="crops", sample_weight=sample_weight, crops=share)
        if function in DRAWN:
            drawing = image_plan(counts, make, sample_weight=sample_weight)
            return element_plan(counts, name=drawing.name, drawing=drawing, sample_weight=sample_weight)
        mass = (counts if sample_weight is None else counts * np.asarray(sample_weight)[:, None]).sum(axis=0)
        plan = make(np.arange(n), sample_weight=mass.astype(np.float64), classes=range(n))
        # Weights of equally frequent classes are 1, as are those of a plan that does not weigh.
        weighs = function in WEIGHING or np.any(plan.class_weights != 1)
        if (fault := plan.beyond_weights) or not weighs:
            raise OptionError(
                f"Plan {plan.name!r} {fault or 'has no class weights'}, but these rows have a class per element "
                "(pixel or step). Choose, for example, class_weight or oversample."
            )
        return element_plan(counts, plan.class_weights, name=plan.name, sample_weight=sample_weight)

    def weighted(self, loss: tuple[str, Mapping[str, Any]], plan: ElementPlan) -> tuple[str, Mapping[str, Any]]:
        """Return the loss with the class weights of the plan among its constants.

        A loss without a value per element raises an OptionError.
        """
        name, constants = loss
        if plan.element_weights is None:
            return loss
        if name in element_losses.UNWEIGHTED:
            raise OptionError(
                f"The loss {name!r} has no value per element (pixel or step), so class weights cannot be "
                "applied. Choose a strategy without class weights, or a strategy with cross-entropy."
            )
        return name, {**constants, "weights": plan.element_weights.tolist()}

    def weight_axes(self, units: int, n_members: int) -> tuple[int, ...]:
        """Return (): a row of a batch has one weight, and class weights belong to the loss."""
        return ()

    def start(self, loss: Any, shares: Array, units: int) -> Array | None:
        """Return the constant logits, float64 (units,), that minimize a loss; None if there are none."""
        return element_losses.start(loss, shares, units)

    def log_p(self, logits: Array, log_shift: Array, gamma: float = 0.0) -> Array:
        """Return log-probabilities float64 (N, ..., C) of raw logits (N, ..., units)."""
        flat = _EACH.log_p(logits.reshape(-1, logits.shape[-1]), log_shift, gamma)
        return flat.reshape(*logits.shape[:-1], flat.shape[-1])

    def output(self, log_p: Array, units: int, probabilities: bool) -> Array:
        """Return the output (N, ..., units) of a model that predicts log_p (N, ..., C)."""
        flat = _EACH.output(log_p.reshape(-1, log_p.shape[-1]), units, probabilities)
        return flat.reshape(*log_p.shape[:-1], units)

    def with_intercept(self, log_p: Array, y: Array, weights: Array | None = None) -> Array:
        """Return log-probabilities (N, k, C), with the intercept that fits the elements with a class best."""
        own, codes, w = self.labeled(log_p, y, weights)
        out = log_p.copy().reshape(-1, log_p.shape[-1])
        out[np.flatnonzero(y.reshape(-1) >= 0)] = _EACH.with_intercept(own, codes, w)
        return out.reshape(log_p.shape)

    def log_loss(self, log_p: Array, y: Array, weights: Array | None = None) -> float:
        """Return the mean log loss over elements; nan if all weights are 0."""
        own, codes, w = self.labeled(log_p, y, weights)
        return _EACH.log_loss(own, codes, w) if _total_weight(codes, w) > 0 else float("nan")

    def stopping(self, log_p: Array, y: Array, on: str, weights: Array | None = None) -> tuple[Array, float]:
        """Return the losses of elements summed by row, float64 (N,), and one number for all.

        The sums are scaled so that their mean over the rows is the mean over the elements.
        """
        own, codes, w = self.labeled(log_p, y, weights)
        if not _total_weight(codes, w) > 0:
            return np.zeros(len(y)), 0.0
        losses, missed = _EACH.stopping(own, codes, on, w)
        rows = np.flatnonzero(y.reshape(-1) >= 0) // int(np.prod(y.shape[1:]))
        return np.bincount(rows, losses, len(y)) * (len(y) / len(losses)), missed

    def recalls(self, log_p: Array, y: Array, weights: Array | None = None) -> dict[int, float]:
        """Return class code -> recall of the elements of this class."""
        return _EACH.recalls(*self.labeled(log_p, y, weights))

    def fit_rule(
        self, log_p: Array, y: Array, log_shifts: Array, *, calibrate: Callable[[Array], str | None], **how: Any
    ) -> Rule:
        """Return a rule of one class per row, fitted on all sampled elements with a class."""
        (problem,) = self.problems(y, ())
        weights = _with_mean_one(problem.of_rows(how.pop("sample_weight", None)))
        rule: Rule = _EACH.fit_rule(
            problem.log_p(log_p), problem.y, log_shifts, calibrate=calibrate, sample_weight=weights, **how
        )
        return rule

    def apply(self, rule: Rule, log_p: Array, column_values: Array | None = None) -> Decision:
        """Return probabilities (N, ..., C) and decisions (N, ...) of all elements."""
        shape = log_p.shape[1:-1]
        flat = _EACH.apply(rule, log_p.reshape(len(log_p), -1, log_p.shape[-1]))
        return Decision(flat.proba.reshape(*shape, -1), flat.decision.reshape(shape))

    def unit_proba(self, proba: Array, units: Units) -> Array:
        """Raise an OptionError, because elements have no units."""
        raise OptionError(
            "unit= is for one class or several labels per row, but these rows have a class per element "
            "(pixel or step). Remove unit=."
        )

    def log_p_of(self, proba: Array) -> Array:
        """Return log-probabilities, float64 (N, ..., C), of probabilities (N, ..., C)."""
        return _EACH.log_p_of(proba)

    def raw(self, logits: Sequence[Array]) -> Array:
        """Return the mean output (N, ..., C) of M members without any correction."""
        shape = np.shape(logits[0])[:-1]
        return _EACH.raw([np.reshape(z, (-1, np.shape(z)[-1])) for z in logits]).reshape(*shape, -1)

    def joint_scores(self, y: Array, proba: Array, decision: Array, weights: Array | None = None) -> dict[str, float]:
        """Return {}: there is one problem, so that its scores are those of all elements."""
        return {}

    def layer(self, rule: Rule) -> ElementRuleLayer:
        """Return the Keras layer "rule" of model files, which decides each element."""
        return ElementRuleLayer(rule_to_dict(rule), name="rule")

    def rule_of(self, values: Any) -> Rule:
        """Return the checked rule of plain values from a model file."""
        return _EACH.rule_of(values)

    def choose(
        self, rule: Rule, scores: Mapping[str, Array], aim: Mapping[str, Any], confidence: float | None,
        classes: Sequence[Any],
    ) -> Rule:  # fmt: skip
        """Return the rule with a threshold chosen on lesions or on sampled elements.

        An aim of `WHOLE_ROW_AIMS` uses the lesions of whole rows. A `confidence` raises an OptionError, because
        elements are not independent.
        """
        if confidence is not None:
            raise OptionError(
                "confidence= needs independent rows, but the elements (pixels or steps) of a row are not "
                "independent. Remove confidence=. The threshold is then an estimate."
            )
        if len(aim) == 1 and (name := next(iter(aim))) in WHOLE_ROW_AIMS:
            return _rule_by_lesions(rule, scores, Aim(name, tuple(np.ravel(aim[name]).astype(float).tolist())))
        return _EACH.choose(rule, self._flat_scores(scores), aim, confidence, classes)

    def at_prior(self, rule: Rule, prior: Any, scores: Mapping[str, Array]) -> Rule:
        """Return the rule for rows whose elements have other class shares."""
        return _EACH.at_prior(rule, prior, self._flat_scores(scores))

    def describe(self, rule: Rule, y: Array, classes: Sequence[Any], of: str = "rows") -> dict[str, Any]:
        """Return the entry of the threshold in the model card."""
        return _EACH.describe(rule, y, classes, of)

    def columns(self, decision: Decision, classes: Array) -> dict[str, Any]:
        """Return columns by name: elements of each row decided for each class, and in how many regions they are."""
        counts, labels = element_counts(decision.decision, len(classes)), classes.tolist()
        regions = {
            f"regions_{label}": region_counts(decision.decision == code) for code, label in enumerate(labels) if code
        }
        return {f"elements_{label}": counts[:, code] for code, label in enumerate(labels)} | regions

    def decided(self, decision: Array, classes: Array) -> Array:
        """Return decisions (N, ...) as labels."""
        return classes[decision]

    def _flat_scores(self, scores: Mapping[str, Array]) -> dict[str, Array]:
        """Return stored scores of sampled elements in the form of scores of rows, one per element with a class."""
        if "log_p" not in scores:
            return dict(scores)
        (problem,) = self.problems(scores["y"], ())
        weight = _with_mean_one(problem.of_rows(scores.get("weight")))
        flat = {"log_p": problem.log_p(scores["log_p"]), "y": problem.y.astype(np.int64)}
        return flat if weight is None else {**flat, "weight": weight}


def _rule_by_lesions(rule: Rule, scores: Mapping[str, Array], goal: Aim) -> Rule:
    """Return the rule with a threshold chosen on whole rows (see `decide.lesion_threshold`).

    Raises:
        OptionError: There are more than two classes, or no counts of lesions were stored.
    """
    if len(rule.prior) > 2:
        raise OptionError(f"{goal.name}= is for two classes, but there are {len(rule.prior)}. Choose another aim.")
    if "lesions" not in scores:
        raise OptionError(
            f"{goal.name}= needs lesions of images that were not used for training, which this classifier "
            "lacks. Train the classifier with cp.fit or cp.compare. An ensemble needs vote='soft' or 'log'."
        )
    return lesion_threshold(rule, scores["lesions"], goal)


def _with_mean_one(weights: Array | None) -> Array | None:
    """Return weights (n,) divided by their mean: checks of a rule see as many cases as there are sampled elements."""
    return None if weights is None else weights * (len(weights) / weights.sum())


def _total_weight(codes: Array, weights: Array | None) -> float:
    """Return the total weight of elements, which is their number without weights."""
    return float(len(codes) if weights is None else weights.sum())

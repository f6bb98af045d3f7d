"""`wrap`: a classifier from a model or from scores that Counterpoise did not train.

The networks of the classifier are the model itself, or a layer that passes scores on; only the rule is fitted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.model_card import noted, ruled, stored_scores
from counterpoise.core.errors import ModelError, OptionError, TargetError
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.core.labels import Labels, class_labels
from counterpoise.core.masked import unmasked
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.structure import leaves
from counterpoise.core.target import Target
from counterpoise.core.version import version
from counterpoise.data.frames import check_row_order, frame_columns
from counterpoise.data.loading import dataset_kind, load_without_y
from counterpoise.networks.cloning import last_activation
from counterpoise.networks.output import ProbabilityToLogit
from counterpoise.plans.class_plans import Plan
from counterpoise.targets.kinds import target_of
from counterpoise.targets.shares import shares_of

Array = np.ndarray


def wrap(
    model: Any, x: Any = None, y: Any = None, *, plan: Plan | None = None, classes: Sequence[Any] | None = None,
    output: str = "auto", aim: str = "f1", calibrate: str | None = "auto",
) -> Classifier:  # fmt: skip
    """Add corrected probabilities and a tuned threshold to an existing model.

    `wrap(keras_model, x, y, plan=...)` or `wrap(scores, y, plan=...)`. The rows must not have been used to train the
    model.

    Args:
        model: A Keras model that ends in one unit, or in one unit per class. Or scores from any library, such as
            `predict_proba` of scikit-learn or LightGBM: float (N,) for the second class, or (N, C). The columns of a
            frame may have the names of the classes, in any order. A classifier made from scores expects scores in
            place of rows.
        x: For a Keras model, the rows in the form that the model takes, or a dataset of rows and labels. For scores,
            you can pass the labels here.
        y: Labels (N,). Several labels per row: (N, L) of 0, 1 and missing, or `cp.labels(y)`, for a model with one unit
            per label. Without labels, only the prior shift of the plan is corrected, and the decision is the default
            (0.5, or the most probable class).
        plan: The sampling plan with which the model was trained (`cp.plans...`). Its prior shift is corrected. None:
            there was no plan, or it is unknown. The correction is then fitted on the labels.
        classes: Labels in the order of the model's outputs; for one unit (negative, positive). None: sorted labels.
            With several labels per row, the names of the labels.
        output: "logits", "probabilities" or "auto". For a model, "auto" uses the last activation. For scores, "auto"
            expects probabilities if all scores are in [0, 1]. With several labels per row, probabilities are sigmoids.
        aim: Aim of the threshold (see `cp.decide.Aim`).
        calibrate: "auto", a kind, or None (see `cp.decide.fit_calibrator`).

    Raises:
        OptionError, ModelError, TargetError: The outputs and the labels do not fit together.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(2000) < 0.1).astype(int)
        >>> z = rng.normal(size=2000) + 2 * y
        >>> balanced = 1 / (1 + np.exp(-(2 * z - 2)))   # what a model trained on balanced rows says
        >>> clf = wrap(balanced, y)
        >>> round(float(balanced.mean()), 2), round(float(clf.predict_proba(balanced)[:, 1].mean()), 2)
        (0.28, 0.11)
    """
    rows = x if isinstance(model, keras.Model) else model
    if isinstance(model, keras.Model):
        x, y = _rows_and_labels(model, x, y) if dataset_kind(x) else (x, y)
    else:
        x, y = _score_array(model), x if y is None else y
    check_row_order(rows, {"y": y})
    several = as_labels_if_several(y) if y is not None else None
    # Without labels, a plan with one shift per label (L, 2) shows that a row has several labels.
    kind = several.kind if isinstance(several, Labels) else "labels" if np.ndim(_plan_shift(plan)) == 2 else "one_of"
    target = target_of(kind)
    if isinstance(model, keras.Model):
        members, name = _members_of_keras(model, output, target.independent), model.name
    else:
        members, name = _members_of_scores(x, output, target.independent), "scores"
    order = _class_order(members, several if target.independent else y, plan, classes)
    order = order if isinstance(model, keras.Model) else _in_order_of_columns(order, model, classes is not None)
    if not target.independent and len(order) < 2:
        raise TargetError(
            f"There is only one class ({', '.join(map(repr, order))}). Expected labels of two classes or more. Pass "
            "rows of the other classes too."
        )
    shape = target.shape(len(order))
    even = np.full(shape, 1.0 / shape[-1])
    shift, base = (np.zeros(shape), even) if plan is None else _shift_and_prior(plan, order)
    _check_widths(members, order, shift, target)
    card = {
        "counterpoise": version(), "strategy": "wrapped", "idea": "A model trained elsewhere.", "network": name,
        "plan": None if plan is None else plan.name, "log_shifts": [shift.tolist()],
    }  # fmt: skip
    unfitted = Classifier(members, _default_rule(shift, even), order, None, {}, {}, kind)
    if y is not None:
        given = y if several is None or not target.many_per_row else several
        return _with_fitted_rule(unfitted, x, target.codes(given, np.array(order, dtype=object)), aim, calibrate, card)
    rule = _default_rule(shift, base)
    card |= {"rule": "only the prior shift of the sampling plan was corrected, because no labels were passed"}
    return Classifier(members, rule, order, None, card, {}, kind)


def _plan_shift(plan: Any) -> Any:
    """Return what training under a plan adds to the logits, float (C,) or (L, 2).

    Return 0.0 without a plan.
    """
    return 0.0 if plan is None else plan.log_shift


def _shift_and_prior(plan: Plan, order: Sequence[Any]) -> tuple[Array, Array]:
    """Return the shift of a plan and its prior, float (C,) or (L, 2), in the order of the classes.

    A plan that was made from other labels, such as class codes, is in the order of the classes already.
    """
    shift, base = np.asarray(plan.log_shift, dtype=np.float64), np.asarray(plan.base_prior, dtype=np.float64)
    if shift.ndim == 1 and set(plan.classes) == set(order):
        at = [list(plan.classes).index(label) for label in order]
        return shift[at], base[at]
    return shift, base


def _default_rule(shift: Array, prior: Array) -> Rule | LabelRules:
    """Return the rule that removes the prior shift and decides by default.

    Two classes are decided at 0.5, more by the most probable class. `shift` and `prior` are float (C,), or (L, 2) for
    several labels per row, which gives one rule per label.
    """
    if shift.ndim == 2:
        return LabelRules(tuple(Rule(*pair, threshold=0.5) for pair in zip(shift[:, None], prior, strict=True)))
    return Rule(shift[None], prior, threshold=0.5 if len(prior) == 2 else None)


def _rows_and_labels(model: keras.Model, dataset: Any, y: Any) -> tuple[Any, Any]:
    """Return the rows and labels of a dataset; raise an OptionError if it contains weights, which `wrap` cannot use."""
    inputs = leaves(getattr(model, "inputs", None) or [None])  # a subclassed model may have none
    shape = getattr(inputs[0], "shape", None)
    rows, labels, weights = load_without_y(dataset, y, None, None if shape is None else tuple(shape[1:]))
    if weights is not None:
        raise OptionError("The dataset contains weights, which wrap() does not support. Leave the weights out.")
    return rows, labels


def _with_fitted_rule(
    unfitted: Classifier, rows: Any, y: Array, aim: str, calibrate: str | None, card: dict[str, Any]
) -> Classifier:
    """Return the classifier with a rule fitted on labeled rows, and their scores.

    `y` are integer codes. The entries about the rows and the rule are added to `card` in place.

    Raises:
        OptionError: There are no rows. TargetError: The numbers of rows and labels differ.
    """
    if rows is None:
        raise OptionError("Labels were passed without rows. Pass x, rows that were not used to train the model.")
    target, order, shifts = unfitted.target, unfitted.classes_.tolist(), unfitted.rule.log_shifts
    log_p = target.log_p(unfitted.member_logits(rows)[0], shifts[0])
    if len(y) != len(log_p):
        raise TargetError(f"{len(log_p)} rows but {len(y)} labels. Expected one label per row.")
    for p in target.problems(y, order) if target.independent else ():
        if len(np.unique(p.y)) < 2:
            state = f"is always {p.y[0]}" if len(p.y) else "is never known"
            raise TargetError(
                f"Label {p.name!r} {state} in these rows, so its probability and threshold cannot be fitted. Pass rows "
                "with 0 and rows with 1, or leave the label out of the scores and the labels."
            )
    rule = target.fit_rule(log_p[None], y, shifts, aim=aim, calibrate=lambda codes: calibrate)
    scores = stored_scores(log_p[None], y)
    note = f"{len(y)} rows given to wrap()"
    card |= {"rows": len(y), "classes": shares_of(target, y, order), "rule": note, "metrics_of": note}
    card = noted(card | ruled(target, rule, scores, order), scores)
    return Classifier(unfitted.members, rule, order, None, card, scores, unfitted.kind)


def _members_of_keras(model: keras.Model, output: str, independent: bool) -> keras.Model:
    """Return the networks of the classifier: from the inputs of a Keras model to logits (N, units).

    A saved classifier finds its networks by the name "members". `independent`: one sigmoid per label, no softmax.
    Raise a ModelError for a model without inputs, with another output shape, or with an unclear activation.
    """
    if not model.built or not model.inputs:
        raise ModelError("The model has no inputs yet. Call it once on rows, or build it with keras.Input layers.")
    given = model.inputs[0] if len(model.inputs) == 1 else model.input
    out = model(given)
    if not hasattr(out, "shape") or len(out.shape) != 2:
        raise ModelError(
            "The model has several outputs, or its output has a wrong shape. Expected one output of shape "
            "(None, units)."
        )
    kind = last_activation(model) if output == "auto" else output
    if kind not in ("softmax", "sigmoid", "linear", "logits", "probabilities"):
        raise ModelError(
            f"It is unclear whether the model's output ({kind or 'no known activation'}) is logits or probabilities. "
            'Pass output="logits" or output="probabilities".'
        )
    if independent and kind == "softmax":
        raise ModelError(
            "The model ends in softmax, which is for one class per row, but these rows have several labels. "
            "Expected a sigmoid, or logits, for each label."
        )
    logits = out if kind in ("linear", "logits") else ProbabilityToLogit(independent, name="to_logit")(out)
    return keras.Model(given, logits, name="members")


def _score_array(given: Any) -> Array:
    """Return the scores as float32 (N, units); scores of shape (N,) become (N, 1).

    Raise an OptionError if they are no numbers, are not finite, or have more than two axes.
    """
    scores = np.asarray(unmasked(given))
    if scores.dtype.kind not in "fiu" or scores.ndim not in (1, 2):
        raise OptionError(
            f"model= is {type(given).__name__}. Expected a Keras model, or an array of scores of shape (N,) or (N, C). "
            "The scores must be of rows that were not used to train the model."
        )
    if not np.isfinite(scores).all():
        raise OptionError("The scores contain NaN or infinite values. Check the model that returned these scores.")
    return (scores[:, None] if scores.ndim == 1 else scores).astype(np.float32)


def _members_of_scores(scores: Array, output: str, independent: bool) -> keras.Model:
    """Return the networks of a classifier of scores: a Keras model that takes rows of scores and returns logits.

    `scores` (N, units) give the width. With output="auto", they are probabilities if all are in [0, 1].
    """
    if output == "auto":
        output = "probabilities" if scores.min() >= 0 and scores.max() <= 1 else "logits"
    inputs = keras.Input(scores.shape[1:], name="scores")
    layer = ProbabilityToLogit(independent) if output == "probabilities" else keras.layers.Activation("linear")
    return keras.Model(inputs, layer(inputs), name="members")


def _class_order(members: keras.Model, y: Any, plan: Plan | None, classes: Sequence[Any] | None) -> list[Any]:
    """Return the classes in the order of the outputs.

    They are `classes`, else those of the label records, of the plan, or of `y`, else numbers from 0. Labels that look
    alike cause a warning.
    """
    if classes is not None:
        return list(classes)
    if isinstance(y, Labels):
        return list(y.classes)
    if plan is not None:
        return list(plan.classes) if np.ndim(plan.log_shift) == 1 else list(range(len(plan.log_shift)))
    if y is not None:
        labels = list(class_labels(y).classes)
        warn_look_alikes(labels)
        return labels
    return list(range(max(2, members.output.shape[-1])))


def _in_order_of_columns(order: list[Any], scores: Any, given: bool) -> list[Any]:
    """Return the classes in the order of the columns of a frame of scores, if these columns have their names.

    Raises:
        OptionError: `order` was `given` by the user, and the columns have another order.
    """
    names = frame_columns(scores)
    if names is None or names == list(map(str, order)) or sorted(names) != sorted(map(str, order)):
        return order
    if given:
        raise OptionError(
            f"classes is {order}, but the columns of the scores are {names}. Pass the classes in the order of the "
            "columns, or leave classes= out."
        )
    return [next(label for label in order if str(label) == name) for name in names]


def _check_widths(members: keras.Model, order: Sequence[Any], shift: Array, target: Target) -> None:
    """Raise an OptionError if the model or the shift of the plan does not fit the classes.

    `order` are the classes, or the labels with several labels per row. `shift` is float (C,) or (L, 2).
    """
    units, what = members.output.shape[-1], "labels" if target.independent else "classes"
    if units not in target.widths(len(order)):
        count = units if target.independent else max(2, units)
        raise OptionError(
            f"The model has outputs for {count} {what}, but there are {len(order)} labels ({order[:6]}). Pass "
            "classes=[...], the labels in the order of the outputs."
        )
    if shift.shape != target.shape(len(order)):
        raise OptionError(
            f"The plan is for {len(shift)} {what}, but the model is for {len(order)} {what}. Pass the plan that was "
            "used to train the model."
        )

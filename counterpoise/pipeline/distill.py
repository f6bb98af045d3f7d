"""`distill`: one network instead of an ensemble, trained on the probabilities of the ensemble.

A soft label becomes one copy of the row for each class, weighted by its probability: the cross-entropy is the same. The
training is therefore an ordinary one on weighted rows, on any engine, with any network.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.rows import row_shape
from counterpoise.core.checks import check_classifier
from counterpoise.core.errors import GuaranteeError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Holdout
from counterpoise.core.logits import SMALLEST
from counterpoise.core.progress import progress_bar
from counterpoise.core.rule import Rule
from counterpoise.data.loading import dataset_kind, load_without_y
from counterpoise.data.split import hold_out
from counterpoise.decide.aim import Aim
from counterpoise.decide.prior import to_prior
from counterpoise.pipeline.assembly import card_entries_of_rows
from counterpoise.pipeline.fit import EPOCHS, warn_if_cut_off
from counterpoise.pipeline.models import models_of
from counterpoise.pipeline.order import on_holdout
from counterpoise.pipeline.reading import read_for
from counterpoise.pipeline.settings import Settings
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Single, Strategy
from counterpoise.targets.kinds import target_of

Array = np.ndarray

logger = logging.getLogger("counterpoise")

#: A class less probable than this is left out of a row's soft label.
LEAST_PROBABILITY = 1e-3


def distill(
    teacher: Classifier,
    model: Any,
    data: Any,
    y: Any = None,
    *,
    truth: float = 0.0,
    validation: float = 0.2,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    epochs: int | str = "auto",
    batch_size: int | str = "auto",
    optimizer: Any = None,
    patience: int = 10,
    seed: int = 0,
    verbose: Any = "auto",
) -> Classifier:
    """Train one network on the probabilities of a classifier, such as an ensemble.

    The student (the new network) minimizes sum_c t_c (-log s_c), t = (1 - truth) * teacher + truth * label, over the
    training rows. The held-out rows, with their true labels, determine when training stops. They also fit the decision
    rule of the student for the aim of the teacher. If no threshold of the student reaches this aim, the threshold
    maximizes F1, and the log reports this. The student keeps a threshold that was set by hand, but not a guarantee. To
    get a guarantee, call `clf.decide`.

    Args:
        teacher: A trained classifier with one or several networks.
        model: A Keras model, a builder or a name, as for `fit`.
        data: Rows, as for `fit`. Prefer rows on which the teacher was not trained, because a teacher is overconfident
            on its training rows. Its training rows are allowed.
        y: Labels, or the name of the target column.
        truth: Share of the true label in each soft label, 0 to 1.
        validation: Share of rows held out for early stopping and for the decision rule.
        groups, time, sample_weight: As for `fit`; weights multiply the soft labels.
        epochs, batch_size, optimizer, patience, seed, verbose: As for `fit`.

    Raises:
        OptionError: The teacher is not a `Classifier`, `truth` is out of range, or the labels differ from the labels of
            the teacher.
        DataError, ModelError: As for `fit`.

    Example:
        >>> from counterpoise.pipeline.fit import fit
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(300) < 0.2).astype(int)
        >>> x = rng.normal(size=(300, 2)) + 2 * y[:, None]
        >>> teacher = fit("mlp", x, y, strategy="easy_ensemble", epochs=3, verbose=0)
        >>> student = distill(teacher, "mlp", x, y, epochs=3, verbose=0)
        >>> len(teacher.rule.log_shifts), len(student.rule.log_shifts)
        (5, 1)

    Reference: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network" (2015), at temperature 1, so
        that the student's probabilities are those of the teacher.
    """
    check_classifier(teacher, "distill")
    if teacher.target.many_per_row:
        raise OptionError(
            f"distill supports only one class per row, but the teacher has {teacher.target.what}. To get one small "
            "network for such rows, train it on the labels: cp.fit(model, data, y)."
        )
    if not isinstance(truth, (int, float)) or not 0 <= truth <= 1:
        raise OptionError(f"truth= is {truth!r}. Expected a share from 0 to 1.")
    if dataset_kind(data):  # read once, because a second pass of a dataset that shuffles has another order
        data, y, sample_weight = load_without_y(data, y, sample_weight, row_shape(teacher, data))
    examples = read_for(model, data, y, groups=groups, time=time, sample_weight=sample_weight)
    if list(examples.classes) != teacher.classes_.tolist():
        raise OptionError(
            f"The labels are {list(examples.classes)}, but the labels of the teacher are {teacher.classes_.tolist()}. "
            f"Pass rows of the same classes."
        )
    if (target := target_of(examples)).many_per_row:
        raise OptionError(
            f"distill supports only one class per row, but these rows have {target.what}. Pass labels with one class "
            "per row, as the teacher has."
        )
    if (column := teacher.rule.cost_column) is not None and examples.schema is None:
        raise OptionError(
            f"The teacher decides by the costs in column {column.name!r}, but the rows are not a table. Pass a table, "
            "or pass teacher.decide(f1=True) as the teacher."
        )
    proba = teacher.predict_proba(data)
    log_p = np.log(np.maximum(proba if examples.numbers is None else proba[examples.numbers], SMALLEST))
    taught_p = np.exp(to_prior(log_p, teacher.rule.prior, _class_shares(examples)))
    soft = (1 - truth) * taught_p + truth * np.eye(len(examples.classes))[examples.y]
    rows, held = hold_out(examples, validation, seed)
    learners, (student,), _ = models_of(
        model, [_student_strategy(teacher)], examples, verbose=verbose, optimizer=optimizer
    )
    if len(learners) > 1:
        raise OptionError("The student must be one model. Pass a network or trees, not a blend or a list.")
    taught, holdout, first_copies = _soft_labeled(learners[""].examples, soft, rows, held)
    settings = Settings(epochs=epochs, batch_size=batch_size, patience=patience, seed=seed, recipe="auto")
    settings = settings.resolved_for({"": learners[""].model}, len(rows), EPOCHS)
    trainer = Trainer.of(taught, learners[""].model, settings)
    if trainer.network is not None:
        trainer.network.encoder_rows = first_copies
    with progress_bar(verbose) as progress:
        clf = on_holdout(student, replace(trainer, progress=progress), holdout)
    clf = clf.with_card(**card_entries_of_rows(examples), teacher=_teacher_entry(teacher))
    warn_if_cut_off(clf)
    return _with_aim_of_teacher(clf, teacher)


def _class_shares(examples: Examples) -> Array:
    """Return the class shares of all rows (C,), to which the probabilities of the teacher are corrected."""
    counts = target_of(examples).counts(examples.y, len(examples.classes), examples.sample_weight)
    return counts / counts.sum()


def _student_strategy(teacher: Classifier) -> Strategy:
    """Return the student's strategy, with aim "argmax" if the teacher has it, otherwise F1."""
    aim = "argmax" if teacher.rule.aim == "argmax" else "f1"
    name = teacher.card_without_metrics.get("strategy")
    return Single("distilled", f"One network trained on the probabilities of {name}.", aim=aim)


def _with_aim_of_teacher(clf: Classifier, teacher: Classifier) -> Classifier:
    """Return the student with a threshold for the aim of the teacher.

    A threshold that was set by hand, and costs, are copied. If the student cannot reach the aim, it keeps its own
    threshold, and the log has a warning.
    """
    aim = Aim.parse(teacher.rule.aim)
    if aim.name == "given":
        return clf.decide(threshold=teacher.rule.threshold)
    if (column := teacher.rule.cost_column) is not None:
        return clf.decide(cost_column=column.name, cost_fp=column.cost_fp)
    if isinstance(teacher.rule, Rule) and teacher.rule.costs is not None:
        return clf.decide(costs=teacher.rule.costs)
    if str(aim) == clf.rule.aim:
        return clf
    asked: dict[str, Any] = {aim.name: aim.values or True}
    try:
        return clf.decide(**asked)
    except GuaranteeError as error:
        logger.warning(
            "The threshold of the student maximizes F1, because the student cannot reach the goal of the teacher's "
            "threshold: %s",
            error,
        )
        return clf


def _soft_labeled(examples: Examples, soft: Array, rows: Array, held: Array) -> tuple[Examples, Holdout, Array]:
    """Return training rows copied once per class, weighted by their soft label, then the held-out rows as they are.

    `soft` is (N, C). `rows` and `held` are the numbers of training and held-out rows.

    Returns:
        The examples, which of them train and are held out, and the number of one copy of each training row: an encoder
        must count levels and words by these, not by all copies.
    """
    copied, code = np.nonzero(soft[rows] >= LEAST_PROBABILITY)
    weight = soft[rows[copied], code]
    copies = examples.subset(np.concatenate([rows[copied], held]))
    weights = np.concatenate([weight / weight.mean(), np.ones(len(held))])
    weights *= 1.0 if copies.sample_weight is None else copies.sample_weight
    labels = np.concatenate([code, examples.y[held]]).astype(examples.y.dtype)
    last = np.arange(len(copied), len(labels))
    first_copies = np.unique(copied, return_index=True)[1]
    return replace(copies, y=labels, sample_weight=weights), Holdout(np.arange(len(copied)), last), first_copies


def _teacher_entry(teacher: Classifier) -> Mapping[str, Any]:
    """Return the entry of the model card on the teacher."""
    return {"strategy": teacher.card_without_metrics.get("strategy"), "members": len(teacher.rule.log_shifts)}

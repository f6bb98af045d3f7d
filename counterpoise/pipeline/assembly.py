"""Trained members, their rule and the rows to a classifier, with the entries of its model card.

The keys of the entries and of the stored scores are saved in model files: `classifier.contents` checks them, and the
page of the card reads them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.classifier.group_thresholds import codes_of
from counterpoise.classifier.model_card import stored_scores
from counterpoise.core.examples import VALIDATION, Examples
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.job import Job, Member
from counterpoise.core.version import version
from counterpoise.networks.frozen_body import with_body
from counterpoise.networks.input_names import like
from counterpoise.networks.network import Network
from counterpoise.pipeline.budget import TrainingLength
from counterpoise.pipeline.models import unused_label
from counterpoise.pipeline.trainer import Trainer
from counterpoise.pipeline.units import unit_guarantee_scores
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets.kinds import target_of
from counterpoise.targets.shares import shares_of

Array = np.ndarray


def assemble(
    strategy: Strategy,
    trainer: Trainer,
    members: Sequence[Member],
    rule: Any,
    card: Mapping[str, Any],
    scores: Mapping[str, Array],
) -> Classifier:
    """Return a classifier of trained members and their rule.

    `members` are in the order of `strategy.singles`. `card` is its model card, and `scores` are its stored scores (see
    `classifier.model_card.stored_scores`).
    """
    examples = trainer.examples
    keys = [single.model for single in strategy.singles]
    _warn_of_equal_models(keys, members, trainer)
    joined = _joined_model(keys, members, trainer)
    clf = Classifier(joined, rule, examples.classes, examples.schema, card, scores, examples.kind)
    clf.history = tuple(member.history for member in members)
    return clf


def _warn_of_equal_models(keys: Sequence[str], members: Sequence[Member], trainer: Trainer) -> None:
    """Warn if two models of a blend have become the same: their weights then add nothing to each other."""
    labels = [trainer.learners[key].model.label for key in keys]
    for i, one in enumerate(members):
        for j, other in enumerate(members[:i]):
            alike = keys[i] != keys[j] and len(one.weights) == len(other.weights) > 0
            if alike and all(map(np.array_equal, one.weights, other.weights)):
                warnings.warn(
                    f"Two models of the blend, {labels[j]!r} and {labels[i]!r}, became equal, because they start and "
                    "train alike. Together they count as one model. Pass different models. To average several "
                    'trainings of one model, pass a strategy such as cp.ensemble(["none", "none"]).',
                    UserWarning,
                    stacklevel=2,
                )
                return


def _joined_model(keys: Sequence[str], members: Sequence[Member], trainer: Trainer) -> keras.Model:
    """Return all members as one Keras model with one output per member, in order; its layer names are saved.

    `keys` is the key of the model of each member. Members of one model form a group and share its frozen body.
    """
    outputs: dict[int, Any] = {}
    groups: list[str] = []
    inputs = None
    for key in dict.fromkeys(keys):
        learner, numbers = trainer.learners[key], [i for i, other in enumerate(keys) if other == key]
        made = [learner.model.to_keras(members[i].weights, learner.examples) for i in numbers]
        for number, model in zip(numbers, made, strict=True):
            model.name = f"member_{number}"
        own = like(made[0].input)
        group = keras.Model(own, [model(own) for model in made], name="members")
        group = with_body(group, learner.model) if isinstance(learner.model, Network) else group
        # All members are of one model, so no outer model is needed.
        if len(numbers) == len(keys):
            return group
        # Labels may contain characters that Keras refuses in names, such as those of a lambda.
        group.name = unused_label(re.sub(r"[^A-Za-z0-9_.-]", "_", f"members of {learner.model.label}"), groups)
        groups.append(group.name)
        inputs = like(group.input) if inputs is None else inputs
        logits = group(inputs)
        outputs |= dict(zip(numbers, logits if isinstance(logits, (list, tuple)) else [logits], strict=True))
    return keras.Model(inputs, [outputs[i] for i in range(len(keys))], name="members")


def with_judging_rows(clf: Classifier, kept: Examples, what: str) -> Classifier:
    """Return the classifier with the scores of rows `kept` for nothing else, for guarantees and metrics of the card.

    `what` states what the rows are, and completes the sentence "300 ..." of the card.
    """
    rows = np.arange(len(kept))
    log_p, weights = clf.log_p(clf.encoded_logits(kept.x, kept.scored_outputs)), kept.scored_weights(rows)
    by = codes_of(kept.by, clf.card_without_metrics.get("by", {}))
    own = stored_scores(log_p, kept.scored_labels(rows), weights, amount=kept.amount, by=by, groups=kept.groups)
    scores = {f"guarantee_{name}": values for name, values in own.items()}
    if clf.unit is not None:
        scores |= unit_guarantee_scores(clf.target, kept, clf.target.apply(clf.rule.unreviewed, log_p).proba)
    entries: dict[str, Any] = {"guarantee_rows": len(kept), "metrics_of": f"{len(kept)} {what}"}
    if faults := _faults_for_guarantees(kept):
        entries["guarantee_note"] = (
            f"A guarantee assumes independent rows of equal weight, but these rows {' and '.join(faults)}."
        )
    elif kept.groups is not None:
        entries["guarantee_note"] = (
            "Rows of one group are not independent, so the guarantee uses one row of each group."
        )
    return clf.with_card(scores, **entries)


def _faults_for_guarantees(kept: Examples) -> list[str]:
    """Return why these rows do not fit the assumptions of a guarantee, as ends of a sentence; empty if they fit."""
    weighted = kept.sample_weight is not None and np.ptp(kept.sample_weight) > 0
    faults = {"come in time order": kept.time is not None, "have weights": weighted}
    return [fault for fault, present in faults.items() if present]


def card_entries(
    strategy: Strategy, trainer: Trainer, members: Sequence[Member], length: TrainingLength, note: str
) -> dict[str, Any]:
    """Return the entries of the model card about strategy, rows, training and rule, as plain values.

    `note` is the sentence about the rows that fitted the rule.
    """
    settings = trainer.settings
    return {
        "counterpoise": version(),
        "strategy": strategy.name,
        "idea": strategy.idea,
        "members": list(strategy.member_names),
        "network": trainer.label_of(strategy),
        "models": [trainer.models[single.model].label for single in strategy.singles],
        **card_entries_of_rows(trainer.examples),
        "seed": settings.seed,
        "batch_size": settings.batch_size,
        "steps": [m.best_step for m in members],
        "limit": length.limit,
        "cut_off": length.cut_off,
        "engines": sorted({m.engine for m in members}),
        "log_shifts": [np.asarray(m.log_shift).tolist() for m in members],
        "member_shifts": [None if m.member_shifts is None else m.member_shifts.tolist() for m in members],
        "needs_calibration": any(m.needs_calibration for m in members),
        "rule": note,
        "metrics_of": note,
    }


def stopping_note(count: int, examples: Examples, strategy: Strategy, tune_threshold: bool, stops: bool) -> str:
    """Return the card's sentence about `count` held-out rows: what they were used for, except for the threshold.

    `stops` is whether they end the training of any model; a forest does not stop early.
    """
    word = "held-out" if examples.split is None or not len(examples.rows_with_role(VALIDATION)) else "validation"
    # A model that does not stop early always has its probabilities checked.
    checks = not stops or (not tune_threshold and strategy.aim != "argmax")
    uses = ["for early stopping"] * stops + ["to check the probabilities"] * checks
    return f"{count} {word} rows were used {' and '.join(uses)}"


def ends_training(jobs: Sequence[Job], trainer: Trainer) -> bool:
    """Return whether early-stopping rows end the training of any of these jobs."""
    return any(trainer.learner(job).model.stops_early for job in jobs)


def split_counts(rows: Fold | Holdout, test: int) -> dict[str, int]:
    """Return the numbers of training, validation and test rows, for the card and for leaderboard.json."""
    return {"training": len(rows.train), "validation": len(rows.stop), "test": test}


def card_entries_of_rows(examples: Examples) -> dict[str, Any]:
    """Return the entries of the card about the rows: source, number, columns, classes."""
    return {
        "source": examples.source,
        "rows": len(examples),
        "text_column": examples.text_column,
        "images": None if examples.pictures is None else asdict(examples.pictures),
        "columns": None
        if examples.schema is None
        else {
            "numeric": len(examples.schema.numeric),
            "categorical": len(examples.schema.categorical),
            "excluded": [c.name for c in examples.schema.excluded],
        },
        "classes": shares_of(target_of(examples), examples.y, examples.classes),
        **({"label_options": dict(examples.label_options)} if examples.label_options else {}),
    }

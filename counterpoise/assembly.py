"""Trained members and rows to a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.classifier import Classifier, like
from counterpoise.core.records import Examples, Member, Rule
from counterpoise.train.network import Network, set_state

Array = np.ndarray


def assemble(
    network: Network,
    members: Sequence[Member],
    rule: Rule,
    examples: Examples,
    card: Mapping[str, Any],
    scores: Mapping[str, Array],
) -> Classifier:
    """Join trained members and their rule into a classifier."""
    networks = []
    for number, member in enumerate(members):
        net = network.fresh(0)
        set_state(net, member.weights)
        net.name = f"member_{number}"
        networks.append(net)
    inputs = like(networks[0].input)
    joined = keras.Model(inputs, [net(inputs) for net in networks], name="members")
    clf = Classifier(joined, rule, examples.classes, examples.schema, card, scores)
    clf.history = tuple(member.history for member in members)
    return clf


def with_promise_rows(clf: Classifier, kept: Examples) -> Classifier:
    """The classifier with the scores of rows that nothing else saw; they carry promises, and the card's metrics."""
    log_p = clf.log_p(clf.encoded_logits(kept.x))
    scores = clf.scores | {"promise_log_p": log_p.astype(np.float32), "promise_y": kept.y}
    if kept.sample_weight is not None:
        scores["promise_weight"] = kept.sample_weight
    note = f"{len(kept)} rows kept from training, stopping, calibration and selection"
    card = clf.card | {"promise_rows": len(kept), "metrics_of": note}
    faults = _against_promises(kept)
    if faults:
        card["promise_note"] = f"A promise takes its rows as independent and equal; these {' and '.join(faults)}."
    more = Classifier(clf.members, clf.rule, clf.classes_.tolist(), clf.schema, card, scores)
    more.history = clf.history
    return more


def _against_promises(kept: Examples) -> list[str]:
    said = {"come in groups": kept.groups, "come in time order": kept.time, "carry weights": kept.sample_weight}
    return [what for what, present in said.items() if present is not None]

"""From rows to outputs, probabilities and decisions, batch by batch: the bodies of the methods of `Classifier`.

Batches keep the data that the rule works on in the processor's cache. Results must not depend on the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from counterpoise.classifier.deciding import written_decisions
from counterpoise.classifier.rows import row_chunks, with_column_values
from counterpoise.core.errors import DataError
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.structure import chunk_rows, rows_in, take
from counterpoise.data.inputs import check_inputs
from counterpoise.decide.rule import Decision
from counterpoise.metrics.members import mean_table, member_table
from counterpoise.networks.batch_ensemble import n_members
from counterpoise.networks.member_outputs import strategy_weights

Array = np.ndarray


def values_by_batch(clf: Any, x: Any, rule: Rule | LabelRules, value_of: Callable[[Decision], Any]) -> list[Any]:
    """Return `value_of(decision)` of each batch of rows, which have any form that `fit` takes.

    Raises:
        DataError: There are no rows.
    """
    results = []
    for chunk in row_chunks(clf, x):
        encoded, values = with_column_values(clf, chunk, rule.column)
        for rows, logits in logit_batches(clf, encoded):
            results.append(
                value_of(clf.target.apply(rule, clf.log_p(logits), None if values is None else values[rows]))
            )
    if not results:
        raise DataError(f"The {type(x).__name__} has no elements. Expected at least one row to predict.")
    return results


def logit_batches(clf: Any, encoded: Any) -> Iterator[tuple[slice, list[Array]]]:
    """Yield slices of row numbers, and the raw logits of each member for these rows, in the order of the rows.

    Inputs that the networks do not take raise an error first. Batches are small enough for memory (see `chunk_rows`).
    """
    check_inputs(encoded, clf.members.input)
    size = chunk_rows(encoded)
    for start in range(0, rows_in(encoded), size):
        rows = slice(start, start + size)
        yield rows, clf._forward(take(encoded, rows))


def encoded_logits(clf: Any, encoded: Any, scored: Callable[[Array, Array], Array] | None = None) -> list[Array]:
    """Return the raw logits of each member (see `Classifier.encoded_logits`).

    `scored` is called for each batch and member with the logits and the row numbers, int64 (n,). Its results take the
    place of the logits.
    """
    outputs = []
    for chunk, batch in logit_batches(clf, encoded):
        numbers = np.arange(chunk.start, chunk.start + len(batch[0]))
        outputs.append(batch if scored is None else [scored(logits, numbers) for logits in batch])
    return [np.concatenate(columns) for columns in zip(*outputs, strict=True)]


def prediction_frame(clf: Any, x: Any, rule: Rule | LabelRules) -> Any:
    """Return probabilities and decisions by a rule as a polars frame (see `Classifier.predict_frame`)."""
    import polars as pl

    labels = written_decisions(clf.classes_, clf.rule)
    return pl.concat(values_by_batch(clf, x, rule, lambda result: pl.DataFrame(clf.target.columns(result, labels))))


def log_p(clf: Any, logits: Sequence[Array]) -> Array:
    """Return log-probabilities float64 (M, N, C) or (M, N, L, 2) of each member, without its training shift."""
    # The gamma of each member's focal loss; 0 undoes nothing.
    powers = np.zeros(len(logits)) if clf.rule.gammas is None else clf.rule.gammas
    members = zip(logits, clf.rule.log_shifts, powers, strict=True)
    return np.stack([clf.target.log_p(z, shift, float(g)) for z, shift, g in members])


def member_scores(clf: Any) -> list[dict[str, Any]]:
    """Return the scores of each member alone (see `Classifier.members_`).

    The scores are those on the rows that fitted the rule: one dict per member, with the means over all problems that
    have rows. The list is empty if the classifier stores no scores. The members of a batch ensemble are those inside
    its network, with equal shares.
    """
    if "log_p" not in clf.scores:
        return []
    proba, weights = np.exp(clf.scores["log_p"].astype(np.float64)), clf.rule.weights
    if "member_outputs" in clf.scores:
        proba = clf.scores["member_outputs"]
        weights = strategy_weights(n_members(clf.members), len(proba))
    names = clf.card_without_metrics.get("members", ())
    names = names if len(names) == len(proba) else [f"member {number}" for number in range(len(proba))]
    user = clf.scores.get("weight")
    return mean_table(
        [
            member_table(names, p.log_p(proba), p.y, weights=weights, sample_weight=p.of_rows(user))
            for p in clf.target.problems(clf.scores["y"], clf.classes_.tolist())
            if len(p.rows)
        ]
    )

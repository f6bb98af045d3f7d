"""Trees for several labels per row, each 1, 0 or not known (-1): boosters that grow in step, and one forest for all.

Boosters, one for each label, grow round by round together, so that all of them end at the round whose mean log loss
over the labels is the lowest, and become one layer. A forest has one set of trees whose leaves hold the shares of every
label: what a split gains is the mean over the labels, so that rare ones borrow from those they occur with.
`TreeModel` calls these in the place of `fitting` and `conversion.layer_of` if labels are (N, L).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core import logits as lg
from counterpoise.forests.conversion import tree_of_leaf, tree_of_sklearn, trees_of_booster
from counterpoise.forests.fitting import (
    Grown,
    Rows,
    boosting_parameters,
    can_stop,
    fitted_forest,
    log_proba_of,
    quietly,
)  # fmt: skip
from counterpoise.forests.tree_layer import TreeEnsemble
from counterpoise.forests.trees import assembled

Array = np.ndarray

#: How a forest counts a label that is not known: as a class of its own, which no probability counts.
NOT_KNOWN_CODE = 2


def grow_boosters(
    rows: Rows, stop: Rows, log_shift: Array, options: Mapping[str, Any], *, rounds: int, patience: int | None,
    categorical: Sequence[int], monotone: Sequence[int], seed: int,
) -> Grown:  # fmt: skip
    """Grow boosted trees of LightGBM for each label, on the rows where it is known; see `fitting.grow_boosted`.

    Args:
        rows, stop: As there, with y (N, L) and weights (N, L).
        log_shift: float64 (L, 2), what the plan adds to the logits of each label.
        options, rounds, patience, categorical, monotone, seed: As there.

    Returns:
        Grown: its model is a list of L boosters, its rounds are those of all of them.
    """
    import lightgbm

    parameters = boosting_parameters(2, options, monotone, rows.x.size, seed)
    how: dict[str, Any] = {"categorical_feature": list(categorical), "params": parameters, "free_raw_data": False}
    boosters, checks, losses = [], [], list[float]()
    with quietly():
        for label in range(rows.y.shape[1]):
            own, stop_rows = _rows_of_label(rows, label), _rows_of_label(stop, label)
            data = lightgbm.Dataset(own.x, own.y, weight=own.weights, **how)
            boosters.append(lightgbm.Booster(parameters, data))
            if patience is not None and len(stop_rows.y) and can_stop(parameters):
                boosters[-1].add_valid(lightgbm.Dataset(stop_rows.x, stop_rows.y, reference=data, **how), "stop")
                checks.append((boosters[-1], _stop_loss_metric(stop_rows, log_shift[label])))
        growing, best = list(boosters), 0
        for number in range(rounds):
            # `update` returns True where a booster can grow no further.
            growing = [booster for booster in growing if not booster.update()]
            if checks:
                losses.append(float(np.mean([booster.eval_valid(score)[0][2] for booster, score in checks])))
                best = best if losses[-1] >= losses[best] else number
            if not growing or (checks and number - best >= (patience or 0)):
                break
    taken = (best if losses else number) + 1
    history = {"step": [float(i + 1) for i in range(len(losses))], "stop_loss": losses} if losses else {}
    return Grown(boosters, taken, history, len(losses) < rounds if checks else None)


def _rows_of_label(rows: Rows, label: int) -> Rows:
    """Return the rows where a label is known, with its codes (n,) and weights (n,), or None."""
    known = rows.y[:, label] >= 0
    weights = None if rows.weights is None else np.asarray(rows.weights)
    weights = weights if weights is None or weights.ndim == 1 else weights[:, label]
    return Rows(rows.x[known], rows.y[known, label], None if weights is None else weights[known])


def _stop_loss_metric(stop: Rows, log_shift: Array) -> Any:
    """Return the corrected log loss of rows as a metric function of LightGBM.

    The function returns (name, value, whether higher is better).
    """

    def score(proba: Array, _: Any) -> tuple[str, float, bool]:
        return "stop_loss", lg.log_loss(lg.log_proba(log_proba_of(proba), log_shift), stop.y, stop.weights), False

    return score


@dataclass(frozen=True)
class LabelForest:
    """A forest over several labels, and what its leaves count.

    Attributes:
        forest: Of scikit-learn, fitted on codes (N, L): 0, 1, and 2 where a label is not known.
        odds: float64 (L,), weight of a row with the label over that of one without; leaves are counted under it, as
            those of a forest with class weights are.
    """

    forest: Any
    odds: Array

    def leaves(self, number: int) -> Array:
        """Return shares with each label, then without it, of each node of tree `number`: float64 (nodes, 2 L).

        The two sum to the share of the leaf's rows where the label is known.
        """
        one, labels = self.forest.estimators_[number], len(self.odds)
        classes = one.classes_ if labels > 1 else [one.classes_]
        # Shares of the codes 0, 1 and 2 (not known); a tree that saw no row of a code lacks it.
        shares = np.zeros((one.tree_.node_count, labels, 3))
        for label in range(labels):
            shares[:, label, np.asarray(classes[label], int)] = one.tree_.value[:, label, : len(classes[label])]
        known = shares[..., :2].sum(axis=2)
        positive = self.odds * shares[..., 1]
        counted = positive + shares[..., 0]
        share = np.divide(positive, counted, out=np.zeros_like(counted), where=counted > 0)
        return np.concatenate([known * share, known * (1 - share)], axis=1)

    def logits(self, x: Array, prior: Array, floor: float) -> Array:
        """Return the log-odds of each label, float64 (N, L), with the prior as one more tree.

        `prior` is (L, 2). Mean probabilities are kept between `floor` and 1 - `floor`.
        """
        leaf = self.forest.apply(x)
        total = np.tile(_with_then_without(prior), (len(x), 1))
        for number in range(leaf.shape[1]):
            total += self.leaves(number)[leaf[:, number]]
        p = np.clip(total / (leaf.shape[1] + 1), floor, 1 - floor)
        return np.log(p[:, : len(prior)]) - np.log(p[:, len(prior) :])


def grow_label_forest(rows: Rows, options: Mapping[str, Any], *, kind: str, trees: int, seed: int) -> Grown:
    """Grow a forest over several labels; the gain of a split is averaged over the labels.

    Args:
        rows: With y (N, L), weights (N, L) of rows and labels, or None, and the user's weights of the rows.
        options: Parameters of scikit-learn's forest.
        kind: "forest" or "extra_trees" (see `grow_forest`).
        trees: How many.
        seed: Of all that is random.
    """
    codes = np.where(rows.y < 0, NOT_KNOWN_CODE, rows.y)
    own = np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
    odds = np.ones(rows.y.shape[1])
    if rows.weights is not None:
        # The plan's factor on the user's weights. Odds are its mean over rows with a label, divided by that without it.
        each = rows.weights / np.where(own > 0, own, 1.0)[:, None]
        both = [[each[(rows.y[:, i] == code) & (own > 0), i] for code in (0, 1)] for i in range(len(odds))]
        odds = np.array([b.mean() / a.mean() if len(a) and len(b) and a.mean() > 0 else 1.0 for a, b in both])
    forest = fitted_forest(
        Rows(rows.x, codes[:, 0] if codes.shape[1] == 1 else codes, rows.sample_weight), options, kind=kind,
        trees=trees, seed=seed,
    )  # fmt: skip
    return Grown(LabelForest(forest, odds), trees, {})


def layer_of_labels(grown: Grown, prior: Array, **kwargs: Any) -> TreeEnsemble:
    """Return a Keras layer that computes the logits (N, L) of boosters or of a forest over several labels.

    Args:
        grown: What `grow_boosters` or `grow_label_forest` gave.
        prior: float64 (L, 2), shares of each label without and with it, one more tree of a forest.
        **kwargs: Of the layer.
    """
    if isinstance(grown.model, LabelForest):
        forest = grown.model.forest
        each = [tree_of_sklearn(one.tree_, grown.model.leaves(i)) for i, one in enumerate(forest.estimators_)]
        trees = assembled([*each, tree_of_leaf(_with_then_without(prior))], forest.n_features_in_)
        return TreeEnsemble.of(trees, scale=1.0 / (len(each) + 1), link="odds", **kwargs)
    each_label = [trees_of_booster(booster, grown.rounds) for booster in grown.model]
    # A booster that ended early adds nothing in later rounds.
    nothing = tree_of_leaf(np.zeros(1))
    in_turn = [
        trees[number] if number < len(trees) else nothing for number in range(grown.rounds) for trees in each_label
    ]
    width = int(grown.model[0].num_feature())
    scale = float(grown.model[0].params.get("sigmoid", 1.0))
    return TreeEnsemble.of(assembled(in_turn, width), classes=len(each_label), scale=scale, **kwargs)


def _with_then_without(prior: Array) -> Array:
    """Return a prior (L, 2) as shares with each label, then without it: float64 (2 L,), as `LabelForest.leaves`."""
    return np.concatenate([np.asarray(prior)[:, 1], np.asarray(prior)[:, 0]])

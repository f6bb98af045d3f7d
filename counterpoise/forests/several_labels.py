"""Trees for several labels per row, each 1, 0 or not known (-1): boosters that grow in step, and forests.

Boosters, one for each label, grow round by round together, so that all of them end at the round whose mean log loss
over the labels is the lowest, and become one layer. Labels that are known in the same rows share one forest, whose
leaves hold the shares of each: what a split gains is the mean over these labels, so that rare ones borrow from those
they occur with. A forest is grown on the rows where its labels are known, so that missing labels teach nothing.
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
    """A forest over the labels that are known in the same rows, and what its leaves count.

    Attributes:
        labels: int (G,), which labels these are.
        forest: Of scikit-learn, fitted on the rows where they are known, with codes (n, G).
        odds: float64 (G,), weight of a row with the label over that of one without; leaves are counted under it, as
            those of a forest with class weights are.
    """

    labels: Array
    forest: Any
    odds: Array

    def shares(self, number: int) -> Array:
        """Return the share with each label in each node of tree `number`, float64 (nodes, G)."""
        classes = self.forest.classes_ if len(self.labels) > 1 else [self.forest.classes_]
        counts = self.forest.estimators_[number].tree_.value
        shares = np.zeros((len(counts), len(self.labels), 2))
        for i, codes in enumerate(classes):  # a label that all rows have, or none, has one code
            shares[:, i, np.asarray(codes, int)] = counts[:, i, : len(codes)]
        positive = self.odds * shares[..., 1]
        return np.asarray(positive / (positive + shares[..., 0]))


@dataclass(frozen=True)
class LabelForests:
    """One forest for each set of labels that are known in the same rows; all have equally many trees.

    Attributes:
        forests: The forests. A label that no row knows is in none of them, and has its prior.
    """

    forests: tuple[LabelForest, ...]

    def logits(self, x: Array, prior: Array, floor: float) -> Array:
        """Return the log-odds of each label, float64 (N, L), with the prior as one more tree.

        `prior` is (L, 2). Mean probabilities are kept between `floor` and 1 - `floor`.
        """
        p = np.tile(np.asarray(prior, np.float64)[:, 1], (len(x), 1))
        for one in self.forests:
            leaf = one.forest.apply(x)
            for number in range(leaf.shape[1]):
                p[:, one.labels] += one.shares(number)[leaf[:, number]]
            p[:, one.labels] /= leaf.shape[1] + 1
        p = np.clip(p, floor, 1 - floor)
        return np.log(p) - np.log(1 - p)


def labels_known_together(rows: Rows) -> list[tuple[Array, Array]]:
    """Return each set of labels that are known in the same rows, int (G,), and these rows, bool (N,).

    Rows of weight 0 and labels that no row knows are left out.

    Example:
        >>> [labels for labels, _ in labels_known_together(Rows(np.ones((2, 1)), np.array([[1, 0, -1], [0, 1, 1]])))]
        [array([0, 1]), array([2])]
    """
    counted = np.ones(len(rows.y), bool) if rows.sample_weight is None else np.asarray(rows.sample_weight) > 0
    groups: dict[bytes, list[int]] = {}
    for label, known in enumerate(((rows.y >= 0) & counted[:, None]).T):
        if known.any():
            groups.setdefault(known.tobytes(), []).append(label)
    return [(np.array(labels), (rows.y[:, labels[0]] >= 0) & counted) for labels in groups.values()]


def grow_label_forests(rows: Rows, options: Mapping[str, Any], *, kind: str, trees: int, seed: int) -> Grown:
    """Grow a forest for each set of labels that are known in the same rows; a split gains the mean over its labels.

    Args:
        rows: With y (N, L), weights (N, L) of rows and labels, or None, and the user's weights of the rows.
        options: Parameters of scikit-learn's forest.
        kind: "forest" or "extra_trees" (see `grow_forest`).
        trees: How many, of each forest.
        seed: Of all that is random.
    """
    own = np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
    odds = np.ones(rows.y.shape[1])
    if rows.weights is not None:
        # The plan's factor on the user's weights. Odds are its mean over rows with a label, divided by that without it.
        each = rows.weights / np.where(own > 0, own, 1.0)[:, None]
        both = [[each[(rows.y[:, i] == code) & (own > 0), i] for code in (0, 1)] for i in range(len(odds))]
        odds = np.array([b.mean() / a.mean() if len(a) and len(b) and a.mean() > 0 else 1.0 for a, b in both])
    forests = []
    for labels, known in labels_known_together(rows):
        codes = rows.y[np.ix_(known, labels)]
        weights = None if rows.sample_weight is None else rows.sample_weight[known]
        taken = Rows(rows.x[known], codes[:, 0] if len(labels) == 1 else codes, weights)
        forest = fitted_forest(taken, options, kind=kind, trees=trees, seed=seed)
        forests.append(LabelForest(labels, forest, odds[labels]))
    return Grown(LabelForests(tuple(forests)), trees, {})


def layer_of_labels(grown: Grown, prior: Array, **kwargs: Any) -> TreeEnsemble:
    """Return a Keras layer that computes the logits (N, L) of boosters or of a forest over several labels.

    Args:
        grown: What `grow_boosters` or `grow_label_forests` gave.
        prior: float64 (L, 2), shares of each label without and with it, one more tree of a forest.
        **kwargs: Of the layer.
    """
    if isinstance(grown.model, LabelForests):
        return _layer_of_forests(grown.model.forests, grown.rounds, np.asarray(prior), **kwargs)
    each_label = [trees_of_booster(booster, grown.rounds) for booster in grown.model]
    # A booster that ended early adds nothing in later rounds.
    nothing = tree_of_leaf(np.zeros(1))
    in_turn = [
        trees[number] if number < len(trees) else nothing for number in range(grown.rounds) for trees in each_label
    ]
    width = int(grown.model[0].num_feature())
    scale = float(grown.model[0].params.get("sigmoid", 1.0))
    return TreeEnsemble.of(assembled(in_turn, width), classes=len(each_label), scale=scale, **kwargs)


def _layer_of_forests(forests: Sequence[LabelForest], trees: int, prior: Array, **kwargs: Any) -> TreeEnsemble:
    """Return the layer of forests with `trees` trees each; `prior` (L, 2) is one more tree of each label."""
    width, scale, positive = forests[0].forest.n_features_in_, 1.0 / (trees + 1), prior[:, 1]
    if len(forests[0].labels) == len(prior):  # one forest of all labels: the shares with, then without, in each leaf
        each = [(forests[0].forest.estimators_[i].tree_, forests[0].shares(i)) for i in range(trees)]
        grown = [tree_of_sklearn(tree, np.concatenate([share, 1 - share], axis=1)) for tree, share in each]
        last = tree_of_leaf(np.concatenate([positive, 1 - positive]))
        return TreeEnsemble.of(assembled([*grown, last], width), scale=scale, link="odds", **kwargs)
    # Otherwise the trees of the labels follow each other: one of each label, then the next of each.
    forest_of = {int(label): (one, i) for one in forests for i, label in enumerate(one.labels)}
    in_turn = []
    for number in range(trees):
        for label in range(len(prior)):
            if label not in forest_of:
                in_turn.append(tree_of_leaf(positive[[label]]))
                continue
            one, i = forest_of[label]
            in_turn.append(tree_of_sklearn(one.forest.estimators_[number].tree_, one.shares(number)[:, [i]]))
    in_turn += [tree_of_leaf(positive[[label]]) for label in range(len(prior))]
    layout = assembled(in_turn, width)
    return TreeEnsemble.of(layout, classes=len(prior), scale=scale, link="probability", **kwargs)

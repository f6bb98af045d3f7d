"""Fitted boosted trees of LightGBM and forests of scikit-learn to plain trees and their Keras layer.

Only public dumps and attributes of the libraries are read. For float32 rows, a row must reach the leaf that the library
sends it to (tests/forests/test_conversion.py compares them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from counterpoise.core.errors import ModelError
from counterpoise.forests.tree_layer import TreeEnsemble
from counterpoise.forests.trees import Tree, assembled

Array = np.ndarray

#: What LightGBM calls the objectives whose sums are logits of classes.
OBJECTIVES = ("binary", "multiclass")
#: What NaN counts as, by LightGBM's name of a node's kind of missing values and by whether they go left.
MISSING = {("None", False): 0.0, ("None", True): 0.0, ("NaN", True): -np.inf, ("NaN", False): np.inf}


def layer_of(model: Any, prior: Array | None = None, **kwargs: Any) -> TreeEnsemble:
    """Return a Keras layer that computes the logits of a fitted classifier.

    Args:
        model: A `lightgbm.LGBMClassifier` or `lightgbm.Booster` (objective "binary" or "multiclass"), or a forest
            with `estimators_` of scikit-learn's kind (`RandomForestClassifier`, `ExtraTreesClassifier`,
            `BalancedRandomForestClassifier`), fitted on float32 rows.
        prior: float (C,), class shares that a forest averages in as one more tree, so that no probability is 0: of T
            trees, p becomes (T p + prior) / (T + 1). None: the forest as it is.
        **kwargs: Of the layer, for example `name`.

    Returns:
        Rows float32 (N, d) to logits float32 (N, 1) for two classes, (N, C) for more; of a forest, the log-odds or
        logarithms of its probabilities.

    Raises:
        ModelError: the model is not fitted, not a classifier, or has trees that are not piecewise constant.

    Example:
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(50, 3)).astype("float32")
        >>> forest = RandomForestClassifier(5, random_state=0).fit(x, x[:, 0] > 0)
        >>> p = 1 / (1 + np.exp(-np.asarray(layer_of(forest)(x))[:, 0]))
        >>> bool(np.abs(p - forest.predict_proba(x)[:, 1]).max() < 1e-6)
        True
    """
    booster = getattr(model, "booster_", model) if hasattr(type(model), "booster_") else model
    if hasattr(booster, "dump_model"):
        return _layer_of_booster(booster, **kwargs)
    if hasattr(model, "estimators_") and hasattr(model, "classes_"):
        return _layer_of_forest(model, prior, **kwargs)
    raise ModelError(
        f"{type(model).__name__} cannot become a Keras layer. Expected a fitted LightGBM classifier or a fitted forest "
        "of scikit-learn or imbalanced-learn."
    )


def _layer_of_forest(forest: Any, prior: Array | None, **kwargs: Any) -> TreeEnsemble:
    """Return a layer with the trees of a fitted forest.

    With a prior, a tree of one leaf that contains it is added.
    """
    binary = len(forest.classes_) == 2
    grown = [tree_of_sklearn(one.tree_, _class_shares(one.tree_, binary)) for one in forest.estimators_]
    if prior is not None:
        grown.append(tree_of_leaf(prior[1:] if binary else prior))
    trees = assembled(grown, forest.n_features_in_)
    return TreeEnsemble.of(trees, scale=1.0 / len(grown), link="probability", **kwargs)


def tree_of_leaf(values: Array) -> Tree:
    """Return a tree that is one leaf, whose numbers are `values` (P,)."""
    leaf, zero = np.array([-1]), np.zeros(1, np.int64)
    return Tree(leaf, leaf, zero, np.zeros(1), np.full(1, np.inf), {}, np.asarray(values, np.float64)[None])


def _class_shares(tree: Any, binary: bool) -> Array:
    """Return the class shares in each node, float64 (nodes, C).

    If `binary`, they are only those of the second class, (nodes, 1).
    `tree.value` is (nodes, outputs, classes), and a classifier has a single output.
    """
    shares = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
    return np.asarray(shares[:, 1:] if binary else shares)


def tree_of_sklearn(tree: Any, values: Array) -> Tree:
    """Return a tree of scikit-learn, whose nodes have the numbers `values` (nodes, P)."""
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing=np.where(np.asarray(tree.missing_go_to_left, dtype=bool), -np.inf, np.inf),
        members={},
        values=values,
    )


def _layer_of_booster(booster: Any, **kwargs: Any) -> TreeEnsemble:
    """Return the layer of a LightGBM booster; a random forest of LightGBM averages its trees.

    Another objective than `OBJECTIVES`, or a model without trees, is a ModelError.
    """
    dump = booster.dump_model()
    objective, *options = str(dump.get("objective", "")).split() or [""]
    if objective not in OBJECTIVES:
        name = f"objective {objective!r}" if objective else "an objective of your own"
        raise ModelError(
            f"LightGBM was trained with {name}. Expected a classifier, with objective "
            f"{' or '.join(map(repr, OBJECTIVES))}."
        )
    grown = [_tree_of_lightgbm(info["tree_structure"]) for info in dump["tree_info"]]
    if not grown:
        raise ModelError("The LightGBM model contains no trees. Train it for at least one round.")
    # For two classes, LightGBM applies the sigmoid to `slope` times the sum.
    slope = next((float(o.partition(":")[2]) for o in options if o.startswith("sigmoid:")), 1.0)
    classes = int(dump["num_tree_per_iteration"])
    mean = classes / len(grown) if dump.get("average_output") else 1.0
    trees = assembled(grown, int(dump["max_feature_idx"]) + 1)
    return TreeEnsemble.of(trees, classes=classes, scale=slope * mean if classes == 1 else mean, **kwargs)


def trees_of_booster(booster: Any, rounds: int) -> list[Tree]:
    """Return the trees of the first `rounds` rounds of a booster for two classes.

    There is one tree per round.
    """
    dump = booster.dump_model(num_iteration=rounds)
    return [_tree_of_lightgbm(info["tree_structure"]) for info in dump["tree_info"]]


def _tree_of_lightgbm(root: Mapping[str, Any]) -> Tree:
    """Return one tree as arrays, from the nested nodes of LightGBM's dump.

    Nodes are numbered level by level. -1 marks a leaf in `left` and `right`. Trees with linear leaves or with zeros
    as missing values are a ModelError.
    """
    nodes, left, right = [root], [-1], [-1]
    for number, node in enumerate(nodes):  # grows while it is walked
        if "split_feature" in node:
            left[number], right[number] = len(nodes), len(nodes) + 1
            nodes += [node["left_child"], node["right_child"]]
            left += [-1, -1]
            right += [-1, -1]
    members: dict[int, frozenset[int]] = {}
    n = len(nodes)
    feature, threshold, missing = np.zeros(n, np.int64), np.zeros(n), np.full(n, np.inf)
    for number, node in enumerate(nodes):
        if "split_feature" not in node:
            if "leaf_const" in node or "leaf_coeff" in node:
                raise ModelError("LightGBM was trained with linear_tree=True. Expected trees with constant leaves.")
            continue
        feature[number] = node["split_feature"]
        if node["decision_type"] == "==":
            members[number] = frozenset(int(category) for category in str(node["threshold"]).split("||"))
            continue
        kind = (node["missing_type"], bool(node["default_left"]))
        if kind not in MISSING:
            raise ModelError("LightGBM was trained with zero_as_missing=True. Expected missing values as NaN.")
        threshold[number], missing[number] = node["threshold"], MISSING[kind]
    values = np.array([[node.get("leaf_value", 0.0)] for node in nodes], dtype=np.float64)
    return Tree(np.array(left), np.array(right), feature, threshold, missing, members, values)

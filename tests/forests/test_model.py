"""Trees as models: grown on drawn and weighed rows, ended after correction, kept as arrays, monotone where asked."""

from __future__ import annotations

from datetime import datetime, timedelta

import keras
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss

import counterpoise as cp
from counterpoise.core.errors import ArtifactError, ColumnError, ModelError, OptionError
from counterpoise.core.job import Limits
from counterpoise.data.read import read
from counterpoise.forests.conversion import layer_of
from counterpoise.forests.fitting import Rows, grow_boosted
from counterpoise.forests.model import TreeModel

RNG = np.random.default_rng(1)
N = 400
Y = (RNG.random(N) < 0.2).astype(np.int32)
X = RNG.normal(size=(N, 3)).astype(np.float32) + Y[:, None]
X[::9, 1] = np.nan
LEVEL = np.where(RNG.random(N) < 0.5, np.where(Y, "a", "b"), RNG.choice(["a", "b", "c"], N))
TABLE = read(pl.DataFrame({"u": X[:, 0], "v": X[:, 1], "w": X[:, 2], "level": LEVEL}), y=Y)
LIMITS = Limits(steps=12, round_steps=1, patience=5, batch_size=256)
ALL = np.arange(N)


def grown(model, log_shift=(0.0, 0.0), examples=TABLE, stop=ALL[300:], limits=LIMITS):
    flat = model.rows(examples, ALL[:300], 0)
    rows = Rows(flat.matrix(ALL[:300]), examples.y[:300])
    held = Rows(flat.matrix(stop), examples.y[stop])
    trees = model.grow(flat, rows, held, np.asarray(log_shift), limits, seed=3)
    return flat, trees


@pytest.mark.parametrize("classes", [2, 60])
def test_a_forest_of_many_classes_has_as_many_leaves(classes, monkeypatch):
    monkeypatch.setattr("counterpoise.forests.model.grow_forest", lambda _, options, **how: options)
    rows = Rows(np.zeros((2000, 1)), np.arange(2000) % classes)
    options = TreeModel("forest").grow(None, rows, rows, np.zeros(classes), LIMITS, seed=0)
    assert options["max_leaf_nodes"] == 1024


@pytest.mark.parametrize("name", ["boosted", "forest", "extra_trees", "balanced_forest"])
def test_the_keras_model_gives_what_the_library_gives(name):
    model = cp.trees(name, n_estimators=12)
    flat, trees = grown(model)
    prior = np.array([0.8, 0.2])
    network = model.to_keras(model.weights(flat, trees, prior), TABLE)
    logits = np.asarray(network(TABLE.x))[:, 0].astype(float)
    matrix = flat.matrix(ALL)
    assert model.logits(trees, prior, matrix)[:, 0] == pytest.approx(logits, abs=1e-5)
    if name == "boosted":
        assert logits == pytest.approx(trees.model.predict(matrix, raw_score=True), abs=1e-5)
        return
    p = (12 * trees.model.predict_proba(matrix)[:, 1] + prior[1]) / 13  # one more tree: the class shares
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize("name", ["forest", "extra_trees", "balanced_forest"])
def test_forests_split_categories_in_their_order(name):
    """The level column is one column of the matrix: it and its numbers in order grow the same trees."""
    codes = np.unique(LEVEL, return_inverse=True)[1].astype(np.float64)
    numbers = read(pl.DataFrame({"u": X[:, 0], "v": X[:, 1], "w": X[:, 2], "level": codes + 0.5}), y=Y)
    (one, own), (other, as_number) = (grown(cp.trees(name, n_estimators=3), examples=e) for e in (TABLE, numbers))
    assert own.model.predict_proba(one.matrix(ALL)) == pytest.approx(
        as_number.model.predict_proba(other.matrix(ALL)), abs=1e-12
    )


def test_other_names_of_a_parameter_replace_our_values():
    """LightGBM ignores an alias where the main name, which has our value, is there too."""
    own, theirs = cp.trees(min_data_in_leaf=80, n_estimators=5), cp.trees(min_child_samples=80, n_estimators=5)
    assert own.content() == theirs.content()
    leaves = [tree["num_leaves"] for tree in grown(theirs)[1].model.dump_model()["tree_info"]]
    assert max(leaves) <= 300 // 80


def test_boosting_ends_by_the_corrected_loss_of_the_stopping_rows():
    shift = np.array([-1.0, 1.0])
    flat, trees = grown(TreeModel(), shift)
    for round_, loss in zip(trees.history["step"], trees.history["stop_loss"], strict=True):
        z = trees.model.predict(flat.matrix(ALL[300:]), raw_score=True, num_iteration=int(round_))
        corrected = 1 / (1 + np.exp(-(z - 2.0)))
        assert loss == pytest.approx(log_loss(Y[300:], corrected), abs=1e-6)
    assert trees.rounds == np.argmin(trees.history["stop_loss"]) + 1


def test_three_classes_are_scored_alike():
    y = np.arange(N) % 3
    rows, stop = Rows(X[:300], y[:300]), Rows(X[300:], y[300:])
    how = {"rounds": 4, "patience": 9, "categorical": [], "monotone": [], "seed": 0}
    options = {"learning_rate": 0.1, "sigmoid": 2.0}  # LightGBM ignores "sigmoid" with three classes
    trees = grow_boosted(rows, stop, np.zeros(3), options, **how)
    assert TreeModel(options=options).logits(trees, np.ones(3), X) == pytest.approx(
        np.asarray(layer_of(trees.model)(X)), abs=1e-5
    )
    assert trees.history["stop_loss"][-1] == pytest.approx(log_loss(y[300:], trees.model.predict(X[300:])), abs=1e-6)


@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_a_monotone_column_never_lowers_the_probability(name):
    examples = read(pl.DataFrame({"u": np.abs(X[:, 0]), "w": X[:, 2]}), y=Y)
    model = cp.trees(name, n_estimators=20, monotone={"u": 1})
    flat, trees = grown(model, examples=examples)
    network = model.to_keras(model.weights(flat, trees, np.array([0.8, 0.2])), examples)
    offset = examples.schema.numeric[0].offset
    line = np.stack([np.linspace(0, 4, 60) - offset, np.full(60, 0.3)], axis=1).astype("float32")
    assert np.all(np.diff(np.asarray(network({"numeric": line}))[:, 0]) >= -1e-6)
    with pytest.raises(ColumnError, match="monotone names the column 'z'"):
        grown(cp.trees(name, n_estimators=2, monotone={"z": 1}), examples=examples)


@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_what_monotone_cannot_hold_is_refused(name):
    model = cp.trees(name, n_estimators=2, monotone={"u": 1})
    with pytest.raises(ModelError, match="monotone= is for two classes, but these rows have 3"):
        grown(model, log_shift=np.zeros(3))
    hours = [datetime(2024, 1, 1) + timedelta(hours=7 * hour) for hour in range(N)]
    with pytest.raises(ColumnError, match="monotone names the column 'u', which contains dates"):
        grown(model, examples=read(pl.DataFrame({"u": hours, "w": X[:, 2]}), y=Y))


@pytest.mark.parametrize(
    ("strategy", "weight", "odds_seen"),
    [("none", 1.0, 1.0), ("none", 10.0, 10.0), ("class_weight", 1.0, 9.0), ("class_weight", 10.0, 9.0)],
)
def test_weights_are_part_of_the_shift_of_a_balanced_forest(strategy, weight, odds_seen):
    """Of each class, trees see equally many rows, with the weights of the user and of the plan.

    One row in ten is positive. `class_weight` gives both classes the same sum of weights: a positive row has nine times
    the weight of another row.
    """
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 2)), (np.arange(2000) % 10 == 0).astype(int)
    model = cp.trees("balanced_forest", n_estimators=30, max_leaf_nodes=8)
    clf = cp.fit(model, x, y, strategy=strategy, sample_weight=np.where(y == 1, weight, 1.0), verbose=0)
    assert np.diff(clf.rule.log_shifts[0]) == pytest.approx(np.log(odds_seen / (weight / 9)), abs=1e-6)


def test_stored_trees_that_were_changed_are_refused_before_room_is_made():
    model = cp.trees()
    weights = model.weights(*grown(model), np.array([0.8, 0.2]))
    for broken in (
        (np.frombuffer(weights[0].tobytes().replace(b'"trees": 12', b'"trees": 12000000'), np.uint8), *weights[1:]),
        (np.frombuffer(b"[1]", np.uint8), *weights[1:]),
        weights[:-1],
    ):
        with pytest.raises(ArtifactError, match="stored trees are damaged"):
            model.to_keras(broken, TABLE)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: cp.trees("boostd"), OptionError, "Did you mean 'boosted'"),
        (lambda: cp.trees(n_estimators=0), OptionError, "whole number of 1 or more"),
        (lambda: cp.trees(linear_tree=True), ModelError, "linear_tree"),
        (lambda: cp.trees(num_leafs=7), OptionError, "no parameter 'num_leafs'.*Did you mean 'num_leaf"),
        (lambda: cp.trees("forest", max_depht=7), OptionError, "no parameter 'max_depht'.*Did you mean 'max_depth'"),
        (lambda: cp.trees(metric="auc"), OptionError, "metric cannot be set, because boosting stops"),
        (lambda: cp.trees(n_iter=5), OptionError, "n_iter cannot be set.*Pass n_estimators"),
        (lambda: cp.trees(scale_pos_weight=9.0), OptionError, "prior shift.*class_weight"),
        (lambda: cp.trees("forest", class_weight="balanced"), OptionError, "prior shift.*class_weight"),
        (
            lambda: cp.trees(boosting_type="rf", subsample=0.5),
            OptionError,
            r"boosting_type='rf' .*cp.trees\(.forest.\)",
        ),
        (lambda: cp.trees(eta=0.1, learning_rate=0.2), OptionError, "another name of learning_rate|Pass one"),
        (lambda: cp.trees(cat_column=[0]), OptionError, "cat_column cannot be set.*Pass the column as text"),
        (lambda: cp.trees(early_stopping_min_delta=1.0), OptionError, "boosting stops by"),
        (lambda: cp.trees(ignore_column=[0]), OptionError, "data files of LightGBM"),
        (lambda: cp.trees(subsample=0.5), OptionError, "no effect without bagging_freq"),
        (lambda: cp.trees("balanced_forest", sampling_strategy=0.5), OptionError, "equally many rows of each class"),
        (lambda: cp.trees(monotone={"u": 1}, mc=[1]), OptionError, "Pass monotone= only"),
        (lambda: cp.trees("forest", monotone={"u": 1}, monotonic_cst=[1]), OptionError, "Pass monotone= only"),
    ],
)
def test_what_is_no_tree_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_what_decides_the_trees_is_in_their_content():
    texts = {
        cp.trees(*a, **k).content()
        for a, k in (((), {}), (("forest",), {}), ((), {"num_leaves": 7}), ((), {"monotone": {"u": 1}}))
    }
    assert len(texts) == 4


@pytest.mark.parametrize("name", ["boosted", "forest"])
def test_a_classifier_of_trees_is_saved_loaded_and_corrected(name, tmp_path):
    rare = np.concatenate([np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:50]])
    frame = pl.DataFrame({"u": X[:, 0], "v": X[:, 1], "level": LEVEL})[rare]
    clf = cp.fit(cp.trees(name, n_estimators=30), frame, Y[rare], strategy="undersample", verbose=0)
    proba = clf.predict_proba(frame)
    assert proba[:, 1].mean() == pytest.approx(Y[rare].mean(), abs=0.1)  # the balanced rows' share is 0.5
    clf.save(tmp_path / "m.keras")
    assert cp.load(tmp_path / "m.keras").predict_proba(frame) == pytest.approx(proba, abs=1e-9)
    assert clf.card["engines"] == ["trees"]
    assert isinstance(keras.saving.load_model(tmp_path / "m.keras"), keras.Model)


def test_losses_mixing_and_callbacks_are_for_networks():
    for strategy in ("focal", "mixup", "crt", "snapshot_ensemble", "drw"):
        with pytest.raises(ModelError, match=r"trees cannot do|boosted cannot change"):
            cp.fit("boosted", X, Y, strategy=strategy, verbose=0)
    with pytest.raises(OptionError, match=r"callbacks were passed, but .* is not a network"):
        cp.fit("boosted", X, Y, callbacks=[keras.callbacks.TerminateOnNaN()], verbose=0)

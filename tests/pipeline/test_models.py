"""Several models in one comparison and in one file."""

from __future__ import annotations

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
from leaderboard_schema import check_board
from sklearn.naive_bayes import GaussianNB

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.label_columns import as_labels_if_several
from counterpoise.data.read import read
from counterpoise.forests.model import TreeModel
from counterpoise.pipeline import models
from counterpoise.pipeline.models import model_for
from counterpoise.strategies.resolve import suits
from counterpoise.strategies.select import find, select

RNG = np.random.default_rng(2)
N = 300
Y = (RNG.random(N) < 0.25).astype(np.int32)
X = RNG.normal(size=(N, 3)).astype(np.float32) + Y[:, None]
HOW = {"epochs": 2, "verbose": 0, "batch_size": 64}
BOOSTED, FOREST = cp.trees(n_estimators=15), cp.trees("forest", n_estimators=10)


@pytest.fixture(scope="module")
def both():
    own = cp.external("bayes", GaussianNB())
    return cp.compare(["mlp", BOOSTED, FOREST], X, Y, strategies=["none", "oversample", "focal", own], folds=2, **HOW)


def test_every_model_under_every_strategy_that_it_can_train(both):
    check_board(both.record)
    rows = {row["strategy"]: row["model"] for row in both.leaderboard}
    assert rows == {
        "none": "mlp", "oversample": "mlp", "focal": "mlp", "external:bayes": "external:bayes",
        "boosted:none": "boosted", "boosted:oversample": "boosted", "forest:none": "forest",
        "forest:oversample": "forest",
    }  # fmt: skip
    assert both.record["network"] == "mlp, boosted, forest"
    assert both.best.card["strategy"] in rows
    assert "Oversampling (boosted)" in both.html()


def test_alone_and_among_others_a_model_gets_the_same_scores(both):
    alone = cp.compare(BOOSTED, X, Y, strategies="oversample", folds=2, refit=False, **HOW)
    of = {row["strategy"]: row["scores"]["average_precision"]["mean"] for row in both.leaderboard}
    scores = {row["strategy"]: row["scores"]["average_precision"]["mean"] for row in alone.leaderboard}
    assert scores == {"none": of["boosted:none"], "oversample": of["boosted:oversample"]}


def test_a_comparison_of_several_models_goes_on_where_it_was_stopped(tmp_path):
    how = {"strategies": "none", "folds": 2, **HOW}
    first = cp.compare(["mlp", BOOSTED], X, Y, store=tmp_path / "run", **how)
    trained = []

    def counting(jobs, *args, **more):
        trained.extend(jobs)
        yield from ()

    again = cp.compare(["mlp", BOOSTED], X, Y, store=tmp_path / "run", executor=counting, **how)
    assert trained == []
    scores = [[row["scores"]["log_loss"]["mean"] for row in comparison.leaderboard] for comparison in (first, again)]
    assert scores[0] == scores[1]


def test_a_blend_is_one_file_whose_weights_no_stopping_row_has_chosen(tmp_path):
    clf = cp.fit(cp.blend(["mlp", BOOSTED, FOREST]), X, Y, **HOW)
    assert len(clf.rule.weights) == 3
    assert clf.rule.weights.sum() == pytest.approx(1)
    assert "out-of-fold" in clf.card["rule"]
    assert clf.card["limit"] == 6, "two passes of the network, not the rounds of the trees"
    assert clf.card["network"] == "mlp+boosted+forest"
    bare = clf.with_rule(replace(clf.rule, calibrator=None, intercept=None))
    parts = [np.exp(p) for p in clf.log_p(clf.encoded_logits(clf.encoded(X)))]
    pooled = sum(w * p for w, p in zip(clf.rule.weights, parts, strict=True))
    assert bare.predict_proba(X) == pytest.approx(pooled, abs=1e-6)
    clf.save(tmp_path / "m.keras")
    assert cp.load(tmp_path / "m.keras").predict_proba(X) == pytest.approx(clf.predict_proba(X), abs=1e-9)


def test_a_share_that_the_user_chose_is_held_out_for_a_blend():
    pair = cp.blend([cp.trees(name, n_estimators=2) for name in ("forest", "extra_trees")])
    clf = cp.fit(pair, X, Y, validation=0.4, verbose=0)
    assert len(clf.scores["y"]) == pytest.approx(0.4 * len(Y), abs=2)


def test_a_blend_is_a_row_of_the_leaderboard_and_shares_its_trainings():
    trained = []

    def counting(jobs, examples, model, **how):
        from counterpoise.engines.run import run

        trained.extend(jobs := list(jobs))
        yield from run(jobs, examples, model, **how)

    comparison = cp.compare(
        ["mlp", BOOSTED, cp.blend(["mlp", BOOSTED], pooling="equal"), cp.blend(["mlp", BOOSTED])], X, Y,
        strategies="none", folds=2, refit=False, executor=counting, **HOW,
    )  # fmt: skip
    assert {row["strategy"] for row in comparison.leaderboard} == {"none", "boosted:none", "blend:none", "blend_2:none"}
    row = next(row for row in comparison.leaderboard if row["strategy"] == "blend:none")
    assert [member["weight"] for member in row["members"]] == [0.5, 0.5]
    assert len({job.id for job in trained if job.limits.patience}) == 4  # two models, two folds


def test_wrong_lists_of_models():
    with pytest.raises(OptionError, match="fit trains one"):
        cp.fit(["mlp", "boosted"], X, Y, verbose=0)
    with pytest.raises(OptionError, match="list of models is empty"):
        cp.compare([], X, Y, verbose=0)
    with pytest.raises(OptionError, match="two or more"):
        cp.blend(["mlp"])
    with pytest.raises(OptionError, match="member of another blend"):
        cp.blend(["mlp", cp.blend(["mlp", "boosted"])])
    with pytest.raises(OptionError, match='"auto" cannot be a member of a blend'):
        cp.blend(["auto", "boosted"])
    assert cp.blend(name for name in ("mlp", "boosted")).models == ("mlp", "boosted")


def test_a_vote_that_a_blend_replaces_causes_a_warning():
    pair = cp.blend([cp.trees(name, n_estimators=2) for name in ("forest", "extra_trees")])
    for how, words in (({"vote": "hard"}, "vote='hard'"), ({"weights": [0.9, 0.1]}, "weights=")):
        strategy = cp.ensemble(["none", "undersample"], **how)
        with pytest.warns(UserWarning, match=f"{words} of the strategy 'ensemble' has no effect.*learned weights"):
            cp.fit(pair, X, Y, strategy=strategy, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        cp.fit(pair, X, Y, strategy=cp.ensemble(["none", "undersample"]), verbose=0)


def test_what_auto_stands_for():
    table, focal = Examples(X, Y, (0, 1)), find("focal")
    assert model_for("auto", table) == models.AUTO == model_for("auto", table, select("default,focal"))
    assert model_for("auto", table, [focal]) == model_for("auto", table, network_alone=True) == "tabular"
    assert model_for("auto", Examples(np.zeros((N, 8, 8, 1), "float32"), Y, (0, 1))) == "cnn"
    assert model_for("auto", Examples(np.array(["a b"] * N), Y, (0, 1))) == "text"
    assert model_for("auto", read(X, y=np.stack([Y, Y[::-1]], axis=1), pick=as_labels_if_several)) == models.AUTO
    assert model_for("mlp", table) == "mlp"
    large = Examples(np.broadcast_to(X[:1], (400_000, 3)), np.resize(Y, 400_000), (0, 1))
    assert model_for("auto", large).models == ("tabular", "boosted")
    assert [suits(find(name), TreeModel()) for name in ("drw", "mixup", "crt", "smote")] == [False] * 3 + [True]


def test_auto_in_a_comparison_is_one_model_whose_network_takes_what_trees_cannot(monkeypatch):
    monkeypatch.setattr(models, "AUTO", replace(models.AUTO, models=("mlp", BOOSTED, FOREST)))
    comparison = cp.compare("auto", X, Y, strategies="oversample,focal,drw", folds=2, **HOW)
    check_board(comparison.record)
    rows = {row["strategy"]: (row["model"], row["status"], len(row["members"])) for row in comparison.leaderboard}
    pooled = ("mlp+boosted+forest", "ok", 3)
    assert rows == {"none": pooled, "oversample": pooled, "focal": ("mlp", "ok", 0), "drw": ("mlp", "ok", 0)}
    assert comparison.record["network"] == "mlp+boosted+forest, mlp"
    assert comparison.best.card["network"] == rows[comparison.best.card["strategy"]][0]


@pytest.mark.parametrize("how", ["split", "few rows"])
def test_rows_that_ended_the_trainings_weigh_no_model(monkeypatch, how):
    monkeypatch.setattr(models, "AUTO", replace(models.AUTO, models=(BOOSTED, FOREST)))
    rows = np.arange(N) if how == "split" else np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:4]]
    split = np.array(["train", "train", "val"])[rows % 3] if how == "split" else None
    clf = cp.fit("auto", X[rows], Y[rows], split=split, **HOW)
    assert clf.card["network"] == "boosted+forest"
    assert (clf.rule.vote, clf.rule.weights.tolist()) == ("soft", [0.5, 0.5])


def test_the_models_of_all_folds_in_one_file(tmp_path):
    clf = cp.fit(cp.blend([BOOSTED, FOREST]), X, Y, strategy="undersample", folds=2, keep="all", **HOW)
    weights = clf.rule.weights
    assert weights == pytest.approx(np.tile(weights[:2], 2), abs=1e-6)
    assert clf.card["models"] == ["boosted", "forest"] * 2
    assert "the average of the models of 2 folds" in clf.card["rule"]
    members = [np.exp(p) for p in clf.log_p(clf.encoded_logits(clf.encoded(X)))]
    pooled = sum(w * p for w, p in zip(weights, members, strict=True))
    bare = clf.with_rule(replace(clf.rule, calibrator=None, intercept=None))
    assert bare.predict_proba(X) == pytest.approx(pooled, abs=1e-6)
    clf.save(tmp_path / "m.keras")
    again = cp.load(tmp_path / "m.keras").decide(recall_floor=0.9)
    assert again.predict_proba(X) == pytest.approx(clf.predict_proba(X), abs=1e-6)
    with pytest.raises(OptionError, match="requires folds"):
        cp.fit(BOOSTED, X, Y, keep="all", verbose=0)


def test_two_models_of_one_label_are_one_blend(tmp_path):
    small = cp.trees("forest", n_estimators=3, max_depth=2)
    clf = cp.fit(cp.blend([FOREST, small, cp.trees("forest", n_estimators=4)]), X, Y, **HOW)
    assert len(clf.rule.weights) == 3
    clf.save(tmp_path / "m.keras")
    assert cp.load(tmp_path / "m.keras").predict_proba(X) == pytest.approx(clf.predict_proba(X), abs=1e-9)


def test_models_that_become_equal_in_a_blend_are_reported():
    """Different names for one model escape the check before the training: here its default, written out."""
    named = cp.trees("extra_trees", n_estimators=4), cp.trees("extra_trees", n_estimators=4, min_samples_leaf=2)
    with pytest.warns(UserWarning, match=r"'extra_trees' and 'extra_trees', became equal.*cp\.ensemble"):
        clf = cp.fit(cp.blend(named), X, Y, **HOW)
    assert np.array_equal(*clf.member_logits(X))


def test_a_lambda_can_be_a_model_of_a_blend(tmp_path):
    build = lambda spec, n: keras.Sequential([*map(keras.layers.Input, [(3,)]), keras.layers.Dense(1)])  # noqa: E731
    clf = cp.fit(cp.blend([build, FOREST]), X, Y, **HOW)
    clf.save(tmp_path / "m.keras")
    assert cp.load(tmp_path / "m.keras").predict_proba(X) == pytest.approx(clf.predict_proba(X), abs=1e-6)


def test_a_model_that_is_listed_twice_is_refused():
    for several in (["forest", "forest"], [FOREST, "mlp", FOREST], ["forest", cp.trees("forest")]):
        with pytest.raises(OptionError, match="listed twice in the blend"):
            cp.fit(cp.blend(several), X, Y, **HOW)
    for several in (["mlp", "mlp"], [cp.blend(["mlp", "forest"]), cp.blend(["mlp", "forest"])]):
        with pytest.raises(OptionError, match="listed twice in the list of models, but"):
            cp.compare(several, X, Y, folds=2, **HOW)
    images = np.zeros((len(Y), 8, 8, 1), np.float32)
    with pytest.raises(OptionError, match=r"the model of .auto. for these rows"):
        models.models_of(["auto", "cnn"], [find("none")], read(images, y=Y))

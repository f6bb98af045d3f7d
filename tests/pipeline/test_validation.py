"""Validation rows of the user's own, and columns that say what rows do: who sees which rows, to the last bit."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

import counterpoise as cp
from counterpoise.core.errors import CounterpoiseError, DataError, OptionError, SplitError, TargetError
from counterpoise.data.read import read
from counterpoise.data.split import hold_out

N = 240
RNG = np.random.default_rng(0)
Y = (np.arange(N) % 5 == 0).astype(int)
X = (RNG.normal(size=(N, 3)) + Y[:, None]).astype("float32")
TRAIN, HELD = hold_out(read(X, y=Y), 0.2, 0)
OWN = (X[HELD], Y[HELD])


def fit(x, y=None, **how):
    return cp.fit("mlp", x, y, **{"epochs": 2, "batch_size": 32, "verbose": 0} | how)


def frame(**more):
    return pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "k": np.where(X[:, 2] > 0, "u", "v"), "t": Y, **more})


def roles_of(role_of=None):
    roles = np.full(N, "train", object)
    roles[HELD] = "validation"
    if role_of:
        roles = role_of(roles)
    return roles


@pytest.mark.parametrize("strategy", ["oversample", "focal"])
def test_rows_that_were_held_out_here_or_given_make_one_classifier(strategy):
    """The law that ties the three ways together."""
    here = fit(X, Y, strategy=strategy)
    given = fit(X[TRAIN], Y[TRAIN], validation=OWN, strategy=strategy, tune_threshold=True)
    column = fit(X, Y, split=roles_of(), strategy=strategy, tune_threshold=True)
    for other in (given, column):
        assert np.array_equal(other.predict_proba(X), here.predict_proba(X))
        assert other.rule.threshold == here.rule.threshold
        assert other.history == here.history
        assert other.card["split"] == {"training": len(TRAIN), "validation": len(HELD), "test": 0}
    assert "split" not in here.card


def test_a_column_of_training_and_test_rows_trains_on_the_first_alone():
    test = np.arange(0, N, 3)
    rest = np.setdiff1d(np.arange(N), test)
    split = np.where(np.isin(np.arange(N), test), "test", "train")
    column, alone = fit(X, Y, split=split, strategy="oversample"), fit(X[rest], Y[rest], strategy="oversample")
    assert np.array_equal(column.predict_proba(X), alone.predict_proba(X))
    assert column.rule.threshold == alone.rule.threshold
    assert column.card["metrics_of"] == f"{len(test)} test rows, not used for training or tuning"
    assert " held-out rows were used for early stopping" in column.card["rule"]  # none of the split is a validation row
    judged = average_precision_score(Y[test], column.predict_proba(X[test])[:, 1])
    assert column.card["metrics"]["average_precision"]["value"] == pytest.approx(judged, abs=1e-6)
    floor = column.decide(recall_floor=0.5, confidence=0.8).card["threshold"]
    assert floor["word"] == "guarantee"
    assert "guaranteed by 16 rows" in floor["text"]


def test_test_rows_and_their_labels_change_nothing_but_the_judgment():
    test = np.arange(0, N, 3)
    split = roles_of(lambda roles: np.where(np.isin(np.arange(N), test), "test", roles))
    other = X.copy(), Y.copy()
    other[0][test] = 100.0
    other[1][test] = 1 - Y[test]
    a, b = fit(X, Y, split=split), fit(*other, split=split)
    assert np.array_equal(a.predict_proba(X), b.predict_proba(X))
    assert a.history == b.history
    assert a.card["metrics"] != b.card["metrics"]


def test_columns_and_levels_are_learned_from_training_rows_alone():
    data = frame()
    data.loc[HELD, "k"] = "only here"
    data.loc[HELD, "a"] = 1e6
    given = fit(data.iloc[TRAIN], "t", validation=data.iloc[HELD])
    column = fit(data.assign(role=roles_of()), "t", split="role")
    for clf in (given, column):
        levels = next(c for c in clf.schema.columns if c.name == "k").levels
        assert set(levels) == {"u", "v"}
        assert not any(c.name == "role" for c in clf.schema.columns)
    assert np.array_equal(given.predict_proba(data), column.predict_proba(data))


@pytest.mark.parametrize("case", ["arrays", "list", "dataset", "frame", "file", "scan"])
def test_every_form_of_rows_is_the_same_rows(case, tmp_path):
    data, held = frame().iloc[TRAIN], frame().iloc[HELD]
    if case in ("arrays", "list", "dataset"):
        want = fit(X[TRAIN], Y[TRAIN], validation=OWN)
        rows = {"arrays": OWN, "list": [X[HELD].tolist(), Y[HELD].tolist()]}.get(case)
        if case == "dataset":
            rows = tf.data.Dataset.from_tensor_slices(OWN).batch(7)
        got = fit(X[TRAIN], Y[TRAIN], validation=rows)
    else:
        held.to_csv(tmp_path / "held.csv", index=False)
        data.to_parquet(tmp_path / "rows.parquet", index=False)
        want = fit(data, "t", validation=held)
        if case == "scan":
            got = fit(cp.scan(tmp_path / "rows.parquet", "t"), validation=tmp_path / "held.csv")
            assert got.card["split"] == want.card["split"]
            assert got.card["engines"] == ["fit"]
            assert got.history[0]["stop_loss"][-1] < 1
            return
        got = fit(data, "t", validation=held if case == "frame" else tmp_path / "held.csv")
    rows = X if case in ("arrays", "list", "dataset") else data
    assert np.array_equal(got.predict_proba(rows), want.predict_proba(rows))


def test_rows_given_stop_training_and_choose_a_threshold_when_asked(caplog):
    caplog.set_level(logging.WARNING, "counterpoise")
    quiet = fit(X[TRAIN], Y[TRAIN], validation=OWN)
    assert not [r for r in caplog.records if "threshold" in r.message], "the baseline has no threshold to be tuned"
    plain = fit(X[TRAIN], Y[TRAIN], validation=OWN, strategy="oversample")
    assert [r for r in caplog.records if "pass tune_threshold=True" in r.message]
    tuned = fit(X[TRAIN], Y[TRAIN], validation=OWN, strategy="oversample", tune_threshold=True)
    assert plain.rule.threshold == 0.5 != tuned.rule.threshold
    assert np.array_equal(plain.predict_proba(X), tuned.predict_proba(X)), "probabilities are checked all the same"
    yes, no = "; the threshold was tuned on these rows", "; the threshold was not tuned on these rows"
    assert plain.card["rule"].endswith(f"early stopping and to check the probabilities{no}")
    assert tuned.card["rule"].endswith(f"early stopping{yes}")
    assert quiet.card["rule"].endswith(f"early stopping{no}")
    assert fit(X, Y, folds=2).card["rule"].endswith(f"out-of-fold predictions{no}")
    assert fit(X, Y, folds=2, strategy="oversample").card["rule"].endswith(f"out-of-fold predictions{yes}")
    later = plain.decide(f1=True)
    assert later.rule.threshold == pytest.approx(tuned.rule.threshold), "later is early enough"
    assert later.card["rule"] == later.card["metrics_of"] == plain.card["rule"].replace(no, yes)
    assert fit(X, Y, strategy="oversample", tune_threshold=False).rule.threshold == 0.5
    assert fit(X, Y, strategy="oversample", folds=2, tune_threshold=False).rule.threshold == 0.5
    assert fit(X[TRAIN], Y[TRAIN], validation=OWN, strategy="threshold").rule.threshold != 0.5


def test_weights_of_validation_rows_count_them():
    """A row of weight 2 is the row twice: for the stopping score, the correction and the threshold."""
    weight = np.random.default_rng(1).integers(1, 4, len(HELD))
    again = np.repeat(HELD, weight)
    how = {"strategy": "focal", "tune_threshold": True}
    weighed = fit(X[TRAIN], Y[TRAIN], validation=(*OWN, weight), **how)
    repeated = fit(X[TRAIN], Y[TRAIN], validation=(X[again], Y[again]), **how)
    for key in ("stop_loss", "recall 0", "recall 1"):
        assert np.allclose(weighed.history[0][key], repeated.history[0][key])
    assert np.allclose(weighed.predict_proba(X), repeated.predict_proba(X), atol=1e-6)
    assert weighed.rule.threshold == pytest.approx(repeated.rule.threshold, abs=1e-6)


def test_validation_rows_with_other_class_shares_do_not_move_the_probabilities(caplog):
    """Balanced validation rows beside rare cases are common; their shares are not those of the training rows."""
    rng = np.random.default_rng(2)
    y = (rng.random(4000) < 0.1).astype(int)
    x = (rng.normal(size=(4000, 1)) + 2 * y[:, None]).astype("float32")
    train, held = np.arange(2000), np.arange(2000, 3000)
    cases = held[y[held] == 1]
    balanced = np.concatenate([cases, held[y[held] == 0][: len(cases)]])
    how = {"strategy": "oversample", "epochs": 20, "batch_size": 128}
    with pytest.warns(UserWarning, match=r"makes up 9.2% of the training rows and 50.0% of the validation rows"):
        clf = fit(x[train], y[train], validation=(x[balanced], y[balanced]), **how)
    assert clf.predict_proba(x[3000:])[:, 1].mean() == pytest.approx(0.1, abs=0.03)
    assert clf.rule.prior[1] == pytest.approx(y[train].mean(), abs=1e-3)
    caplog.clear()
    fit(x[train], y[train], validation=(x[held], y[held]), **how)
    assert "makes up" not in caplog.text
    # Equal numbers of rows, but other sums of weights.
    weight = np.where(y[train] == 1, 1.0, 20.0)
    with pytest.warns(UserWarning, match=r"makes up 0.5% of the training rows and 9.3% of the validation rows"):
        clf = fit(x[train], y[train], sample_weight=weight, validation=(x[held], y[held]), **how)
    assert clf.rule.prior[1] == pytest.approx(np.average(y[train], weights=weight), abs=1e-4)


def test_several_inputs_and_texts_take_validation_rows():
    x = {"u": X, "w": X[:, :2].copy()}
    a, b = keras.Input((3,), name="u"), keras.Input((2,), name="w")
    model = keras.Model({"u": a, "w": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
    part = {k: v[HELD] for k, v in x.items()}
    how = {"epochs": 1, "verbose": 0, "output": "logits"}
    clf = cp.fit(model, {k: v[TRAIN] for k, v in x.items()}, Y[TRAIN], validation=(part, Y[HELD]), **how)
    assert clf.card["split"]["validation"] == len(HELD)
    words = np.where(Y == 1, "bad day", "good day")
    text = cp.fit("text", words[TRAIN], Y[TRAIN], validation=(words[HELD], Y[HELD]), epochs=1, verbose=0)
    assert text.card["split"]["validation"] == len(HELD)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"validation": OWN, "folds": 3}, OptionError, "folds and your own validation rows"),
        ({"validation": OWN, "groups": np.arange(N)}, OptionError, "groups and your own validation rows"),
        ({"validation": OWN, "split": roles_of()}, OptionError, "split and your own validation rows"),
        ({"split": roles_of(), "folds": 3}, OptionError, "folds= and split= cannot be combined"),
        ({"validation": (X[:9, :2], Y[:9])}, DataError, "validation lacks the column 'x2'"),
        ({"validation": (X[:9], Y[:8])}, DataError, "validation: y has 8 labels for 9 rows"),
        ({"validation": (X[:9], Y[:9] + 1)}, TargetError, "validation: y is 2 in row 1"),
        ({"validation": (X[:9], np.ma.array(Y[:9], mask=[0] * 8 + [1]))}, TargetError, r"validation: .* row 9\."),
        ({"validation": (X[1:4], Y[1:4])}, SplitError, "class 1 has 0 rows among the validation rows"),
        ({"validation": (X[:9], Y[:9], np.zeros(9))}, DataError, "validation: sample_weight sums to zero"),
        ({"validation": (X[:9], Y[:9], Y[:9])}, DataError, "weight of the validation rows is 0 in every row"),
        ({"validation": X}, OptionError, "validation= is ndarray. Expected a share"),
        ({"validation": (X, Y, Y, Y)}, OptionError, "validation= is a tuple of 4. Expected a share"),
        ({"validation": None}, OptionError, "validation= is NoneType"),
        ({"validation": frame()}, OptionError, "validation= is a table, but the labels of the training rows"),
        ({"validation": True}, OptionError, "validation= is True. Expected a share"),
        ({"split": np.full(N, "test")}, DataError, "split= names marks no row"),
        ({"split": np.where(np.arange(N) % 2, "train", "tset")}, DataError, "'tset' in rows 1, .* mean 'test'"),
        ({"split": [None, *["train"] * (N - 1)]}, DataError, "split= has no value in row 1"),
        ({"split": roles_of(), "groups": np.arange(N) // 3}, SplitError, "groups have rows in the training part"),
        ({"split": roles_of(), "time": np.arange(N)}, SplitError, "begins before the training part ends"),
        ({"strategy": "threshold", "tune_threshold": False}, OptionError, "only tunes the threshold"),
        (
            {"split": roles_of(lambda roles: np.where(np.arange(N) % 3, roles, "test")), "guarantee_rows": 0.2},
            OptionError,
            "guarantee_rows cannot be combined with test rows",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_one_line_before_training(how, error, words):
    with pytest.raises(error, match=words):
        fit(X, Y, **how)


def test_rows_of_another_type_or_another_structure_are_refused():
    pixels, labels = (RNG.random((40, 4, 4, 1)) * 255).astype("uint8"), np.arange(40) % 2
    for rows, words in (
        (pixels / 255.0, "has the type float64, but the training rows have uint8"),
        (pixels[:, :3], "has rows of shape"),
        ({"a": pixels}, "validation has the inputs"),
    ):
        with pytest.raises(CounterpoiseError, match=words):
            cp.fit("cnn", pixels, labels, validation=(rows, labels), verbose=0)


def test_a_scan_takes_no_split(tmp_path):
    frame().to_parquet(tmp_path / "rows.parquet", index=False)
    rows = cp.scan(tmp_path / "rows.parquet", "t")
    with pytest.raises(OptionError, match="split cannot be used with a scan"):
        cp.fit("mlp", rows, split="role")


def test_guarantee_rows_are_kept_from_the_training_rows():
    clf = fit(X[TRAIN], Y[TRAIN], validation=OWN, guarantee_rows=0.3)
    assert clf.card["split"]["validation"] == len(HELD)
    assert clf.card["split"]["training"] + clf.card["guarantee_rows"] == len(TRAIN)


def test_validation_labels_in_another_order_than_their_rows_are_refused():
    frame, labels = pd.DataFrame(X), pd.Series(Y)
    with pytest.raises(DataError, match="validation: y has the same index as the rows, but in another order"):
        fit(frame.iloc[TRAIN], labels.iloc[TRAIN], validation=(frame.iloc[HELD], labels.iloc[HELD[::-1]]))


def test_labels_named_by_an_index_of_pandas_take_a_table_of_validation_rows():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"u": rng.normal(size=120), "a": np.arange(120) % 2, "b": np.arange(120) // 2 % 2})
    clf = cp.fit(cp.trees("forest", n_estimators=3), table[:80], table.columns[-2:], validation=table[80:], verbose=0)
    assert clf.classes_.tolist() == ["a", "b"]


def test_validation_labels_without_names_have_the_columns_of_the_training_labels():
    z = (RNG.random((N, 3)) < 0.4).astype(float)
    z[:, 1] = 0  # left out, because no row has this label
    table = pd.DataFrame(np.c_[X, z], columns=["p", "q", "r", "a", "b", "c"])
    features, own = table[["p", "q", "r"]].iloc[HELD], {"epochs": 2, "verbose": 0}
    named = cp.fit("mlp", table.iloc[TRAIN], ["a", "b", "c"], validation=table.iloc[HELD], **own)
    for labels in (z[HELD], z[HELD].tolist(), table[["c", "b", "a"]].iloc[HELD]):
        clf = cp.fit("mlp", table.iloc[TRAIN], ["a", "b", "c"], validation=(features, labels), **own)
        assert clf.classes_.tolist() == ["a", "c"]
        assert clf.scores["y"].tolist() == named.scores["y"].tolist()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("form", [np.asarray, lambda y: y.astype(float).tolist()])
def test_columns_without_names_are_matched_by_the_labels_of_training(named, form):
    """They are as many as in training, where a rare label was left out."""
    labels = np.stack([Y, np.zeros(N, int), X[:, 0] > 1], axis=1).astype(int)
    labels[:2, 1] = 1
    given = pd.DataFrame(labels, columns=["ill", "rare", "old"])
    y = given.iloc[TRAIN] if named else labels[TRAIN]
    with pytest.warns(UserWarning, match="was left out") as noticed:
        clf = fit(X[TRAIN], y, validation=(X[HELD], form(labels[HELD])))
    assert len(clf.classes_) == 2
    assert np.array_equal(clf.scores["y"], labels[HELD][:, [0, 2]])
    assert not [one for one in noticed if "misspelled" in str(one.message)]

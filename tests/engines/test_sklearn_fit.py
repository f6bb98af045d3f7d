"""Estimators of scikit-learn's kind in a network's place: laws and the same fit by hand."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from trainers import trainer_of

import counterpoise as cp
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold
from counterpoise.data.read import read
from counterpoise.engines.sklearn_fit import ExternalModel, _takes_levels, plain_settings, train_estimator
from counterpoise.forests.rows import FlatRows
from counterpoise.pipeline.jobs import job_of
from counterpoise.pipeline.settings import Settings

RNG = np.random.default_rng(0)
Y = (RNG.random(400) < 0.25).astype(np.int32)
X = RNG.normal(size=(400, 3)).astype(np.float32) + Y[:, None]
FOLD = Fold(0, 1, np.arange(200), np.arange(200, 260), np.arange(260, 400))
SEEN = np.arange(260)  # by what does not stop early
LEVELS = RNG.integers(0, 4, (400, 1)) + 2 * Y[:, None]
TABLE = {"numeric": np.where(RNG.random(X.shape) < 0.1, np.nan, X), "categorical": LEVELS}


def examples(x=X, y=Y, **more):
    return Examples(x, y, tuple(range(int(y.max()) + 1)), **more)


def job(estimator, data=None, settings=None, fold=FOLD, **options):
    strategy = cp.external("it", estimator, **options)
    model = ExternalModel("it", estimator)
    return job_of(strategy, trainer_of(data or examples(), settings or Settings(), model), fold)


def train(estimator, data=None, **how):
    return train_estimator(job(estimator, data, **how), data or examples(), ExternalModel("it", estimator))


def test_it_says_what_a_fit_by_hand_says():
    member = train(GaussianNB())
    by_hand = GaussianNB().fit(X[SEEN], Y[SEEN])
    assert np.exp(member.logits) == pytest.approx(by_hand.predict_proba(X[FOLD.test]), abs=1e-6)
    assert member.stop_logits.shape == (0, 2)
    assert (member.weights, member.error, member.rows_seen, member.engine) == ((), "", 260, "external")
    assert member.memory > 2**20
    assert not member.log_shift.any()


def test_a_plan_draws_its_rows_and_its_shift_is_known():
    member = train(GaussianNB(), plan=cp.plans.oversample)
    n = np.bincount(Y[SEEN])
    assert member.rows_seen == 2 * n.max()
    assert member.log_shift[1] - member.log_shift[0] == pytest.approx(np.log(n[0] / n[1]))


@pytest.mark.parametrize(
    "model", [LogisticRegression(C=1e4), make_pipeline(StandardScaler(), LogisticRegression(C=1e4))]
)
def test_a_weight_of_two_counts_as_the_row_twice(model):
    weights = np.where(np.arange(400) % 3 == 0, 2.0, 1.0)
    twice = np.concatenate([np.arange(400), SEEN[weights[SEEN] == 2]])  # such rows stand twice in the table
    alone = dataclasses.replace(FOLD, train=np.append(SEEN, np.arange(400, len(twice))), stop=FOLD.stop[:0])
    single = train(model, examples(sample_weight=weights))
    again = train(model, dataclasses.replace(examples(), x=X[twice], y=Y[twice]), fold=alone)
    if isinstance(model, LogisticRegression):  # the scaler of a pipeline gets no weights
        assert single.logits == pytest.approx(again.logits, abs=1e-3)
    else:
        assert np.abs(single.logits - again.logits).max() < 0.05


def test_weights_that_it_cannot_take_are_an_error_of_its_own():
    member = train(KNeighborsClassifier(), plan=cp.plans.class_weight)
    assert "KNeighborsClassifier does not support sample weights, but the plan weights rows" in member.error
    assert train(KNeighborsClassifier()).error == ""


def test_decision_values_stand_for_logits():
    member = train(LinearSVC(random_state=0))
    svc = LinearSVC(random_state=0).fit(X[SEEN], Y[SEEN])
    assert member.logits[:, 1] - member.logits[:, 0] == pytest.approx(svc.decision_function(X[FOLD.test]), abs=1e-5)


def test_same_seed_same_numbers_and_another_fold_another_seed():
    forest = RandomForestClassifier(5)
    first, again = (train(forest).logits for _ in range(2))
    assert np.array_equal(first, again)
    elsewhere = train(forest, fold=dataclasses.replace(FOLD, index=2)).logits
    assert not np.array_equal(first, elsewhere)
    fixed = RandomForestClassifier(5, random_state=7).fit(X[SEEN], Y[SEEN]).predict_proba(X[FOLD.test])
    logits = train(RandomForestClassifier(5, random_state=7)).logits
    assert np.exp(logits) == pytest.approx(np.clip(fixed, 1e-7, 1), abs=1e-6)
    assert not hasattr(forest, "classes_")


def test_stopping_rows_end_what_is_set_to_stop():
    boosted = HistGradientBoostingClassifier(max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0)
    member = train(boosted)
    rows = {"X_val": X[FOLD.stop], "y_val": Y[FOLD.stop]}
    by_hand = boosted.fit(X[FOLD.train], Y[FOLD.train], **rows)
    assert member.steps == by_hand.n_iter_ < 200
    assert np.exp(member.logits) == pytest.approx(by_hand.predict_proba(X[FOLD.test]), abs=1e-6)
    whole = train(boosted, settings=Settings(early_stopping=False))
    assert whole.steps == 200


def test_stopping_rows_count_by_their_weights():
    boosted = HistGradientBoostingClassifier(max_iter=200, early_stopping=True, n_iter_no_change=3, random_state=0)
    weights = np.where(Y == 1, 5.0, 1.0)
    member = train(boosted, examples(sample_weight=weights))
    rows = {"X_val": X[FOLD.stop], "y_val": Y[FOLD.stop], "sample_weight_val": weights[FOLD.stop]}
    own = weights[FOLD.train] / weights[FOLD.train].mean()
    by_hand = boosted.fit(X[FOLD.train], Y[FOLD.train], sample_weight=own, **rows)
    assert member.steps == by_hand.n_iter_
    assert np.exp(member.logits) == pytest.approx(by_hand.predict_proba(X[FOLD.test]), abs=1e-4)
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=200, early_stopping_rounds=5, verbosity=-1)
    assert train(model, examples(sample_weight=weights)).error == ""
    alone = {"eval_X": X[FOLD.stop], "eval_y": Y[FOLD.stop], "eval_sample_weight": [weights[FOLD.stop]]}
    model.fit(X[FOLD.train], Y[FOLD.train], sample_weight=own, **alone)
    assert train(model, examples(sample_weight=weights)).steps == model.best_iteration_


def test_lightgbm_stops_and_knows_levels():
    lightgbm = pytest.importorskip("lightgbm")
    model = lightgbm.LGBMClassifier(n_estimators=200, early_stopping_rounds=5, verbosity=-1)
    table = examples(TABLE)
    member = train(model, table)
    assert member.error == ""
    assert 1 <= member.steps < 200
    assert FlatRows(table, FOLD.train, keep_nan=True, integer_levels=254).categorical == [3]


def test_ids_are_content():
    same = job(RandomForestClassifier(5)).id
    assert same == job(RandomForestClassifier(5, n_jobs=2, verbose=1)).id
    assert same == pickle.loads(pickle.dumps(job(RandomForestClassifier(5)))).id
    others = [
        job(RandomForestClassifier(6)), job(DecisionTreeClassifier()), job(RandomForestClassifier(5, max_depth=3)),
        job(RandomForestClassifier(5), plan=cp.plans.oversample),
        job(RandomForestClassifier(5), settings=Settings(seed=1)),
    ]  # fmt: skip
    assert len({same, *(other.id for other in others)}) == 6
    assert plain_settings(make_pipeline(StandardScaler(), GaussianNB())) != plain_settings(
        make_pipeline(StandardScaler())
    )
    assert plain_settings(np.mean) == "numpy.mean"


def test_ids_change_with_the_code_of_the_user(monkeypatch):
    class Own(GaussianNB):
        def fit(self, x, y):
            return super().fit(x, y)

    before = job(Own()).id
    assert job(Own()).id == before != job(GaussianNB()).id
    monkeypatch.setattr(Own, "fit", lambda self, x, y: GaussianNB.fit(self, x[::2], y[::2]))
    assert job(Own()).id != before


def test_tables_are_laid_out_from_training_rows_alone():
    table = examples(TABLE)
    rows = np.arange(400)
    bare = FlatRows(table, FOLD.train, keep_nan=True, integer_levels=254).matrix(rows)
    assert bare[:, :3] == pytest.approx(TABLE["numeric"], nan_ok=True)
    assert bare[:, 3] == pytest.approx(np.where(LEVELS[:, 0] > 0, LEVELS[:, 0] - 1.0, np.nan), nan_ok=True)
    filled = FlatRows(table, FOLD.train).matrix(rows)
    medians = np.nanmedian(TABLE["numeric"][FOLD.train], axis=0)
    lacking = np.isnan(TABLE["numeric"])
    assert filled[:, :3] == pytest.approx(np.where(lacking, medians, TABLE["numeric"]))
    assert np.array_equal(filled[:, 3:6] == 1, lacking)
    assert np.array_equal(filled[:, 6:].argmax(axis=1), LEVELS[:, 0])
    seen_less = FlatRows(table, np.flatnonzero(LEVELS[:, 0] < 3)).matrix(rows)
    assert seen_less.shape[1] == filled.shape[1] - (LEVELS.max() - 2)


def test_arrays_of_any_rank_and_dicts_are_flattened_and_text_is_refused():
    flat = FlatRows(examples({"a": X.reshape(400, 3, 1), "b": X[:, 0]}), FOLD.train).matrix(np.arange(400))
    assert flat == pytest.approx(np.column_stack([X, X[:, 0]]))
    with pytest.raises(DataError, match="are text"):
        FlatRows(examples(np.array(["a"] * 400)), FOLD.train)


@pytest.mark.parametrize(
    ("name", "estimator", "message"),
    [
        ("", GaussianNB(), "Expected a word"),
        ("a,b", GaussianNB(), "without commas"),
        ("it", GaussianNB, "estimator is GaussianNB. Expected an instance"),
        ("it", StandardScaler(), "Expected an instance of a classifier"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(name, estimator, message):
    with pytest.raises(OptionError, match=message):
        cp.external(name, estimator)


def test_what_it_raises_and_odd_scores_are_its_own_errors():
    class Odd(GaussianNB):
        def predict_proba(self, x):
            return np.full((len(x), 3), np.nan)

    assert "Expected finite scores of shape (140, 2)" in train(Odd()).error
    broken = train(RandomForestClassifier(0))
    assert broken.error.startswith("InvalidParameterError: ")
    assert broken.logits.shape == (0, 2)


def test_categorical_features_may_be_an_array():
    given = (np.array([0, 1]), np.array(["from_dtype"]), "from_dtype", None)
    boosted = (HistGradientBoostingClassifier(categorical_features=columns) for columns in given)
    assert [_takes_levels(one) for one in boosted] == [False, False, True, False]


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(categorical_features=[0]),
        make_pipeline(HistGradientBoostingClassifier(monotonic_cst=[0, 1])),
        make_pipeline(ColumnTransformer([("scaled", StandardScaler(), [1])]), GaussianNB()),
    ],
)
def test_positions_of_columns_that_move_are_an_error(estimator):
    """The matrix has the numbers first: position 0 of this table would be its second column."""
    level, number = RNG.choice(["a", "b"], 400), RNG.integers(0, 9, 400)
    mixed = read(pl.DataFrame({"level": level, "number": number}), y=Y)
    assert "names columns by position, but the estimator gets" in train(estimator, mixed).error
    only = read(pl.DataFrame({"number": number, "second": RNG.integers(0, 9, 400)}), y=Y)
    assert train(estimator, only).error == ""

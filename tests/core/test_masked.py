"""What is masked is missing, wherever an array comes in."""

from __future__ import annotations

import numpy as np
import pytest

import counterpoise as cp
from counterpoise.classifier.evaluation import evaluate
from counterpoise.core.errors import CounterpoiseError
from counterpoise.core.masked import EXACT, unmasked
from counterpoise.data.read import read

Y = np.arange(40) % 4 == 0
X = np.random.default_rng(0).normal(size=(40, 3)) + Y[:, None]
MASK = np.arange(40) == 5


def masked(values):
    """The values, one of them masked and wrong."""
    return np.ma.array(values, mask=MASK if np.ndim(values) == 1 else np.broadcast_to(MASK[:, None], np.shape(values)))


def test_gaps_keep_what_is_not_masked_exact():
    big = np.ma.array([EXACT + 1, 2], mask=[False, True])
    assert unmasked(big).tolist() == [EXACT + 1, None]
    assert unmasked(np.ma.array([True, False], mask=[0, 1])).tolist() == [True, None]
    assert unmasked(np.ma.array([1, 2])).dtype == np.int64
    assert np.isnan(unmasked(np.ma.array([1.5, 2.5], mask=[1, 0]))[0])
    assert unmasked(np.ma.array([3, 4], mask=[1, 1])).dtype == np.float64
    assert unmasked([1, 2]) == [1, 2]


def test_a_table_with_a_mask_is_the_table_with_gaps():
    gaps = np.where(MASK[:, None], np.nan, X)
    assert np.array_equal(read(masked(X), y=Y).x["numeric"], read(gaps, y=Y).x["numeric"], equal_nan=True)
    column = read({"a": masked(np.arange(40) % 7)}, y=Y)
    assert column.schema.columns[0].missing == 1


def test_prediction_reads_a_mask_as_training_does():
    clf = cp.fit("mlp", X, Y, epochs=1, verbose=0)
    gaps = np.where(MASK[:, None], np.nan, X)
    assert np.array_equal(clf.predict_proba(masked(X)), clf.predict_proba(gaps))
    assert np.array_equal(clf.predict_proba(masked(X.astype("float32"))), clf.predict_proba(gaps))
    for call in (lambda: evaluate(clf, X, masked(Y)), lambda: evaluate(clf, X, Y, sample_weight=masked(np.ones(40)))):
        with pytest.raises(CounterpoiseError, match="row 6"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: read(X, y=masked(Y)),
        lambda: read(X, y=masked(np.where(Y, "a", "b"))),
        lambda: read(X, y=Y, sample_weight=masked(np.ones(40))),
        lambda: read(X, y=Y, groups=masked(np.arange(40))),
        lambda: read(X, y=Y, time=masked(np.arange(40))),
        lambda: read(X.reshape(40, 3, 1).view(np.ma.MaskedArray).copy() + masked(X)[:, :, None], y=Y),
        lambda: cp.plans.oversample(masked(Y.astype(int))),
        lambda: cp.plans.oversample(Y, sample_weight=masked(np.ones(40))),
        lambda: cp.class_weight(masked(Y.astype(int))),
        lambda: cp.sample_weight(Y, sample_weight=masked(np.ones(40))),
    ],
)
def test_a_mask_where_nothing_may_be_missing_names_the_row(call):
    with pytest.raises(CounterpoiseError, match="row 6"):
        call()


def test_scikit_learn_and_wrapped_scores_refuse_a_mask():
    with pytest.raises(ValueError, match="missing in row 6"):
        cp.CounterpoiseClassifier("mlp").fit(X, masked(Y.astype(int)))
    with pytest.raises(CounterpoiseError, match="NaN"):
        cp.wrap(masked(np.linspace(0.1, 0.9, 40)), Y)


def test_a_masked_array_of_records_is_named():
    records = np.ma.array(
        np.rec.fromarrays([X[:, 0], X[:, 1]], names="a,b"), mask=[(True, False)] + [(False,) * 2] * 39
    )
    with pytest.raises(CounterpoiseError, match="a frame or a dict of columns"):
        cp.fit("tabular", records, Y)

"""The sampler front passes imbalanced-learn's own checks."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from imblearn.utils.estimator_checks import parametrize_with_checks
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from counterpoise import plans
from counterpoise.core.errors import OptionError
from counterpoise.sklearn.sampler import PlanSampler

CASES = parametrize_with_checks([PlanSampler(name, random_state=0) for name in ("undersample", "oversample")])


# imbalanced-learn hands pytest a generator, which pytest is giving up.
@pytest.mark.parametrize(CASES.args[0], [*CASES.args[1]], **CASES.kwargs)
def test_imbalanced_learns_checks(estimator, check):
    check(estimator)


def data(n=300):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)), np.repeat(["no", "yes", "maybe"], [n - 50, 30, 20])


@pytest.mark.parametrize(("name", "peer"), [("undersample", RandomUnderSampler), ("oversample", RandomOverSampler)])
def test_class_sizes_are_those_of_imbalanced_learn(name, peer):
    x, y = data()
    got = PlanSampler(name, random_state=1).fit_resample(x, y)[1]
    want = peer(random_state=1).fit_resample(x, y)[1]
    assert np.array_equal(np.unique(got, return_counts=True)[1], np.unique(want, return_counts=True)[1])


@pytest.mark.parametrize("form", ["array", "frame", "text", "missing"])
def test_rows_are_those_of_the_indices(form):
    x, y = data()
    if form == "frame":
        x = pd.DataFrame(x, columns=list("abc"))
    if form == "text":
        x = x.astype(str).astype(object)
    if form == "missing":
        x[::3] = np.nan
    sampler = PlanSampler("oversample", random_state=0)
    x_new, y_new = sampler.fit_resample(x, y)
    rows = sampler.sample_indices_
    if form == "frame":
        assert x_new.equals(x.iloc[rows].reset_index(drop=True))
    elif form == "missing":
        assert np.array_equal(x_new, x[rows], equal_nan=True)
    else:
        assert np.array_equal(x_new, x[rows])
    assert np.array_equal(y_new, y[rows])


def test_a_function_of_labels_is_a_plan_too():
    x, y = data()
    sampler = PlanSampler(partial(plans.oversample, draw="replacement", ratio=0.5), random_state=0)
    counts = np.unique(sampler.fit_resample(x, y)[1], return_counts=True)[1]
    assert counts.tolist() == [125, 250, 125]
    assert sampler.sampling_strategy_ == {"maybe": 125, "yes": 125}
    assert sampler.plan_.log_shift == pytest.approx(plans.oversample(y, 0.5).log_shift)
    by_label = PlanSampler(partial(plans.quota, rows={"no": 5, "maybe": 2, "yes": 1}))
    drawn = np.unique(by_label.fit_resample(x, y)[1], return_counts=True)[1]
    assert (drawn / drawn.min()).tolist() == [2, 5, 1]


def test_it_works_in_pipelines_and_clones():
    x, y = data()
    model = make_pipeline(PlanSampler(random_state=0), LogisticRegression())
    assert len(cross_val_score(model, x, y, cv=3)) == 3
    assert clone(PlanSampler("oversample", ratio=0.3)).get_params()["ratio"] == 0.3


def test_bad_arguments():
    x, y = data()
    with pytest.raises(OptionError, match="Did you mean 'oversample'"):
        PlanSampler("oversampel").fit_resample(x, y)
    with pytest.raises(OptionError, match="ratio is 2"):
        PlanSampler(ratio=2).fit_resample(x, y)
    with pytest.raises(OptionError, match=r"sampling_strategy is 0\.5\. Expected 'auto'"):
        PlanSampler(sampling_strategy=0.5).fit_resample(x, y)
    for plan in ("uniform", partial(plans.oversample, draw="replacement")):
        with pytest.raises(OptionError, match=r"ratio is 0\.5, but it has no effect"):
            PlanSampler(plan, ratio=0.5).fit_resample(x, y)

"""Arguments in another order, under another name, or for another model: one line that says what to type instead."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.pipeline.models import OF_NETWORKS, warn_of_unused
from counterpoise.pipeline.options import DEFAULTS

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] > 0.8).astype(int)
FRAME = pd.DataFrame(X, columns=["a", "b"]).assign(ill=Y)


@pytest.mark.parametrize("function", [cp.fit, cp.compare])
@pytest.mark.parametrize(
    "rows",
    [FRAME, pl.from_pandas(FRAME), X, {"a": X[:, 0], "ill": Y}, "loans.csv", "rows.parquet"],
    ids=lambda rows: type(rows).__name__,
)
def test_rows_in_the_place_of_the_model(function, rows):
    with pytest.raises(OptionError, match=rf"cp\.{function.__name__}\(data=ROWS, y='ill'\)"):
        function(rows, "ill")


def test_without_rows_or_labels():
    with pytest.raises(OptionError, match="fit received no rows"):
        cp.fit("mlp")
    with pytest.raises(OptionError, match="No labels were passed"):
        cp.fit("mlp", FRAME)


@pytest.mark.parametrize("function", [cp.evaluate, cp.monitor, cp.explain])
def test_something_else_in_the_place_of_the_classifier(function):
    with pytest.raises(OptionError, match=f"first argument of {function.__name__} is DataFrame"):
        function(FRAME, "ill")


@pytest.mark.parametrize(
    ("name", "wanted"), [("rf", "forest"), ("xgboost", "boosted"), ("tabluar", "tabular"), ("Boosted", "boosted")]
)
def test_a_model_of_another_name(name, wanted):
    with pytest.raises(OptionError, match=f"no model '{name}'. Did you mean '{wanted}'"):
        cp.fit(name, FRAME, "ill", verbose=0)


def test_an_unknown_way_to_report():
    with pytest.raises(OptionError, match="verbose is 'loud'"):
        cp.fit("boosted", FRAME, "ill", verbose="loud")


def test_what_trees_do_not_use_is_said_and_what_networks_use_is_not():
    with pytest.warns(UserWarning, match="epochs=3 has no effect.*n_estimators"):
        cp.fit(cp.trees("forest", n_estimators=5), FRAME, "ill", epochs=3, verbose=0)
    for model in ("boosted", ["forest", "boosted"], cp.blend(["forest", "boosted"])):
        with pytest.warns(UserWarning, match="patience=3 has no effect"):
            warn_of_unused(model, {"patience": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_unused("boosted", {name: DEFAULTS[name] for name in OF_NETWORKS})
        warn_of_unused(["mlp", "boosted"], {"epochs": 3})
        warn_of_unused("auto", {"epochs": 3})

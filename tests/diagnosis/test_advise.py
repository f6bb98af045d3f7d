from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from counterpoise.core.folds import largest_folds
from counterpoise.data.read import read
from counterpoise.diagnosis.advise import advise
from counterpoise.diagnosis.measure import ClassCount, DiagnosisRecord, half_width, measure


def record(majority=9_000, minority=1_000, **changes) -> DiagnosisRecord:
    """A harmless record of two classes; `changes` make it less so."""
    n = majority + minority
    base = DiagnosisRecord(
        source="data",
        rows=n,
        columns=3,
        classes=(ClassCount("no", majority, majority / n), ClassCount("yes", minority, minority / n)),
        minority="yes",
        imbalance_ratio=majority / minority,
        majority_accuracy=majority / n,
        used=("a", "b", "c"),
        excluded={},
        missing={},
        duplicates=0,
        conflicting=0,
        folds=5,
        positives_per_fold=minority / 5,
        half_width_fold=half_width(minority / 5),
        half_width_total=half_width(minority),
        largest_folds=largest_folds(minority),
        kinds=None,
        leaks={},
    )
    return replace(base, **changes)


def texts(diagnosed):
    return " | ".join(a.text for a in advise(diagnosed))


def test_harmless_data_get_the_two_standing_pieces_only():
    assert len(advise(record())) == 2
    assert "average precision" in texts(record())
    assert "is not needed" in texts(record(600, 500))


@pytest.mark.parametrize(
    ("diagnosed", "words"),
    [
        (record(97, 3), "at most 3 folds"),
        (record(98, 2), "too few rows for cross-validation"),
        (record(leaks={"late": 0.999}), "'late' is known"),
        (record(900, 100), "wide intervals"),
        (record(kinds={"safe": 1, "borderline": 1, "rare": 4, "outlier": 4}), "to SMOTE"),
        (record(kinds={"safe": 9, "borderline": 1, "rare": 0, "outlier": 0}), "separate regions"),
        (record(kinds={"safe": 4, "borderline": 5, "rare": 1, "outlier": 0}), "ensembles"),
        (record(duplicates=500), "duplicates='group'"),
        (record(conflicting=10), "equal features have different labels"),
        (record(missing={"a": 6_000}), "missing for the same reasons"),
    ],
)
def test_each_finding_has_its_advice(diagnosed, words):
    assert words in texts(diagnosed)
    assert words not in texts(record())


def test_advice_carries_its_evidence():
    worst = advise(record(97, 3))[0]
    assert worst.evidence == {"label": "yes", "count": 3, "largest_folds": 3}
    assert worst.to_dict()["reason"] == worst.reason


def test_the_accuracy_without_a_model_is_that_of_the_larger_class():
    assert "never predicts 'yes' is 90.0% accurate" in advise(record())[0].reason
    assert "always predicts the largest class is 90.0% accurate" in advise(replace(record(), minority="no"))[0].reason


def test_missing_values_of_columns_left_out_are_no_matter():
    assert texts(record(missing={"void": 10_000})) == texts(record())


def test_advice_follows_from_real_rows():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [290, 10])
    advice = advise(measure(read(rng.normal(size=(300, 2)), y=y)))
    assert any("SMOTE" in a.text for a in advice)

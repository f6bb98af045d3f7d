"""Confident learning against a loop and against planted labels; the quick model's laws."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from counterpoise.core.errors import LeakError
from counterpoise.core.examples import Examples
from counterpoise.data.read import read
from counterpoise.diagnosis.diagnose import diagnose
from counterpoise.diagnosis.measure import measure
from counterpoise.diagnosis.noise import confident_joint
from counterpoise.diagnosis.quick import _group_folds, overlap, quick_look


def sample(n=450, share=0.25, gap=3.0, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(np.int32)
    return rng.normal(size=(n, 3)) + gap * y[:, None], y


def look(**options):
    x, y = sample(**options)
    return quick_look(read(x, y=y), 1)


def test_the_joint_equals_the_definition():
    rng = np.random.default_rng(0)
    y, proba = rng.integers(0, 3, 300), rng.dirichlet([1, 1, 1], 300)
    level = [proba[y == j, j].mean() for j in range(3)]
    counts = np.zeros((3, 3))
    for label, p in zip(y, proba, strict=True):
        able = [j for j in range(3) if p[j] >= level[j]]
        if able:
            counts[label, max(able, key=lambda j: p[j])] += 1
    scaled = counts / counts.sum(axis=1, keepdims=True) * np.bincount(y)[:, None]
    np.testing.assert_allclose(confident_joint(y, proba), scaled / scaled.sum())


def test_planted_wrong_labels_are_named():
    x, y = sample(gap=5.0)
    wrong = np.flatnonzero(y == 1)[:12]
    y[wrong] = 0
    quick = quick_look(read(x, y=y), 1)
    named = set(quick.suspicion.rows)
    assert len(named & set(wrong)) >= 8
    assert len(named - set(wrong)) <= 2
    assert quick.suspicion.share == pytest.approx(12 / 450, abs=0.015)


def test_suspicious_rows_are_counted_among_all_rows_that_were_read():
    x, y = sample(n=900, gap=5.0)
    wrong = np.flatnonzero(y[500:] == 1)[:12] + 500
    y[wrong] = 0
    both = np.stack([np.where(np.arange(900) < 300, -1, y), 1 - y], axis=1)
    rows = Examples(x, both, ("rare", "other"), kind="labels")
    weighed = replace(rows, sample_weight=(np.arange(900) >= 200).astype(np.float32)).counted()
    for one in (rows, weighed, replace(weighed, y=y[200:], kind="one_of")):
        assert len(set(measure(one, quick=True).quick.suspicion.rows) & set(wrong)) >= 8


@pytest.mark.parametrize("code", [0, 1])
def test_one_group_with_all_rows_of_a_class_allows_no_quick_look(code):
    x, y = sample()
    assert quick_look(read(x, y=y, groups=np.where(y == code, -1, np.arange(len(y)))), 1) is None


def test_overlap_is_one_less_youden():
    rng = np.random.default_rng(0)
    hit, score = rng.random(200) < 0.3, np.round(rng.random(200), 2)
    fpr, tpr, _ = roc_curve(hit, score)
    assert overlap(hit, score) == pytest.approx(1 - (tpr - fpr).max())


def test_noise_overlaps_and_separate_classes_do_not():
    separate = look(gap=6.0)
    same = look(gap=0.0)
    assert separate.overlap < 0.01
    assert separate.roc_auc > 0.999
    assert same.overlap > 0.7
    assert same.doubling.low < 0 < same.doubling.high
    assert same.average_precision == pytest.approx(0.25, abs=0.1)


def test_average_precision_is_at_the_share_among_all_rows():
    """Sampling the others away must not flatter: scores carry the weight of what they stand for."""
    x, y = sample(n=9_000, share=0.05, gap=1.0)
    quick = quick_look(Examples(x, y, (0, 1)), 1)
    assert quick.rows < 9_000
    assert quick.average_precision < 0.5


def test_rows_of_one_group_stay_together():
    rng = np.random.default_rng(0)
    group, y = rng.integers(0, 60, 300), rng.integers(0, 2, 300)
    fold = _group_folds(group, y, 0)
    assert all(len(np.unique(fold[group == g])) == 1 for g in range(60))
    assert np.bincount(fold).min() > 30


def test_too_few_rows_get_no_model():
    x, y = sample(60, 0.1)
    assert quick_look(Examples(x, y, (0, 1)), 1) is None


def test_texts_are_looked_at():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [120, 40]).astype(np.int32)
    texts = [" ".join(rng.choice(["win", "prize", "now"] if k else ["home", "mum", "late"], 6)) for k in y]
    quick = quick_look(Examples(np.array(texts), y, ("ham", "spam")), 1)
    assert quick.roc_auc > 0.99
    assert "words" in quick.model


def test_a_diagnosis_tells_it_in_words_and_json():
    x, y = sample()
    diagnosis = diagnose(x, y)
    assert "doubling the positives" in str(diagnosis)
    plain = json.loads(json.dumps(diagnosis.to_dict()))
    assert plain["quick"]["suspicion"]["rows"] == list(diagnosis.record.quick.suspicion.rows)
    assert diagnose(x, y, quick=False).record.quick is None


def test_the_guard_refuses_a_column_that_is_the_label():
    x, y = sample()
    diagnosis = diagnose(np.c_[x, y + 0.01 * np.arange(450) / 450], y, quick=False)
    assert [c.status for c in diagnosis.checks if c.name == "columns that predict the label alone"] == ["look"]
    with pytest.raises(LeakError, match=r"1 possible leak\. columns that predict the label alone"):
        diagnosis.check()
    assert diagnose(*sample(gap=0.5), quick=False).check() is not None


def test_the_guard_knows_what_was_handled():
    x, y = sample(60, 0.4)
    status = {c.name: c.status for c in diagnose(np.repeat(x, 2, axis=0), np.repeat(y, 2), quick=False).checks}
    assert status["duplicate rows"] == "look"
    grouped = diagnose(np.repeat(x, 2, axis=0), np.repeat(y, 2), groups=np.repeat(np.arange(60), 2), quick=False)
    status = {c.name: c.status for c in grouped.checks}
    assert (status["duplicate rows"], status["groups"], status["time"]) == ("handled", "handled", "unknown")

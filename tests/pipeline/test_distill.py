"""A soft label is a row of each class, weighed; the student says what the teacher says."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import polars as pl
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.decide.new_prior import rule_at_prior
from counterpoise.pipeline.distill import LEAST_PROBABILITY, _soft_labeled

RNG = np.random.default_rng(0)
Y = (RNG.random(400) < 0.25).astype(np.int32)
X = (RNG.normal(size=(400, 3)) + 1.5 * Y[:, None]).astype(np.float32)


@pytest.fixture(scope="module", name="teacher")
def _teacher():
    return cp.fit("mlp", X, Y, strategy="easy_ensemble", epochs=10, batch_size=32, verbose=0)


def test_weighted_rows_have_the_cross_entropy_of_the_soft_labels():
    soft = RNG.dirichlet([1, 1, 1], 50)
    soft[0] = [1.0, 0.0, 0.0]
    y = np.arange(50) % 3
    data = Examples(np.arange(50.0)[:, None], y, ("a", "b", "c"))
    rows, held = np.arange(40), np.arange(40, 50)
    taught, holdout, first_copies = _soft_labeled(data, soft, rows, held)
    log_p = np.log(RNG.dirichlet([1, 1, 1], 50))
    row = taught.x[holdout.train, 0].astype(int)
    ours = np.average(-log_p[row, taught.y[holdout.train]], weights=taught.sample_weight[holdout.train])
    assert np.array_equal(row[first_copies], rows)
    assert (row == 0).sum() == 1  # a class of no probability is no row
    kept = np.where(soft >= LEAST_PROBABILITY, soft, 0.0)
    assert ours == pytest.approx(-(kept[rows] * log_p[rows]).sum() / kept[rows].sum())
    assert taught.sample_weight[holdout.train].mean() == pytest.approx(1.0)
    assert np.array_equal(taught.x[holdout.held, 0], held)
    assert np.array_equal(taught.y[holdout.held], y[held])


def test_one_network_says_what_five_say(teacher, tmp_path):
    student = cp.distill(teacher, "mlp", X, Y, epochs=15, batch_size=32, verbose=0)
    fresh = (RNG.normal(size=(500, 3)) + 1.5 * (RNG.random((500, 1)) < 0.25)).astype(np.float32)
    own, theirs = student.predict_proba(fresh)[:, 1], teacher.predict_proba(fresh)[:, 1]
    assert np.corrcoef(own, theirs)[0, 1] > 0.97
    assert (len(student.rule.log_shifts), student.card["strategy"]) == (1, "distilled")
    assert student.card["teacher"] == {"strategy": "easy_ensemble", "members": 5}
    assert student.card["rows"] == 400
    student.save(tmp_path / "m.keras")
    assert np.array_equal(cp.load(tmp_path / "m.keras").predict_proba(fresh)[:, 1], own)


def test_the_student_decides_for_what_the_teacher_does(teacher):
    student = cp.distill(teacher, "mlp", X, Y, epochs=15, batch_size=32, verbose=0)
    assert (teacher.rule.aim, student.rule.aim) == ("f1", "f1")
    assert abs(student.predict(X).mean() - teacher.predict(X).mean()) < 0.1
    floor = cp.distill(teacher.decide(recall_floor=0.95), "mlp", X, Y, epochs=5, batch_size=32, verbose=0)
    assert floor.rule.aim == "recall_floor(0.95)"
    assert floor.rule.threshold < student.rule.threshold
    (student,) = student.card["members"]
    assert student == "distilled"
    by_hand = cp.distill(teacher.decide(threshold=0.07), "mlp", X, Y, epochs=2, batch_size=32, verbose=0)
    assert (by_hand.rule.aim, by_hand.rule.threshold) == ("given", 0.07)


def test_what_the_student_cannot_reach_is_reported_and_the_student_kept(teacher, caplog):
    strict = teacher.with_rule(replace(teacher.rule, aim="precision_floor(1)"))
    two_levels = np.repeat(np.arange(400)[:, None] % 2, 3, axis=1).astype(np.float32)
    student = cp.distill(strict, "mlp", two_levels, Y, epochs=1, batch_size=32, verbose=0)
    assert "cannot reach the goal of the teacher's threshold: No threshold reaches" in caplog.text
    assert student.rule.aim == "f1"
    costly = cp.distill(teacher.decide(cost=(1, 20)), "mlp", X, Y, epochs=2, batch_size=32, verbose=0)
    assert costly.rule.aim == teacher.decide(cost=(1, 20)).rule.aim


def test_a_teacher_of_other_shares_teaches_those_of_the_rows(teacher):
    moved = teacher.with_rule(rule_at_prior(teacher.rule, 0.7))
    students = [cp.distill(t, "mlp", X, Y, epochs=10, batch_size=32, verbose=0) for t in (teacher, moved)]
    plain, ours = (student.predict_proba(X)[:, 1] for student in students)
    assert ours == pytest.approx(plain, abs=0.02)


def test_copies_of_a_row_teach_the_encoder_nothing():
    rare = [f"u{i}" for i in range(200)]  # levels shown once, which an encoder leaves out
    frame = pl.DataFrame({"a": X[:, 0], "c": rare + [f"k{i % 5}" for i in range(200)], "y": Y})
    teacher = cp.fit("mlp", frame, "y", epochs=1, verbose=0)
    student = cp.distill(teacher, "mlp", frame, "y", epochs=1, verbose=0)
    ours, theirs = (clf.members.non_trainable_variables for clf in (student, teacher))
    assert len(ours) > 3
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b)


def test_groups_stay_whole_and_weights_are_counts(teacher):
    groups = np.arange(400) // 4
    student = cp.distill(teacher, "mlp", X, Y, groups=groups, sample_weight=np.ones(400), epochs=1, verbose=0)
    assert student.card["rows"] == 400
    data = Examples(X, Y, (0, 1), sample_weight=np.where(Y == 1, 3.0, 1.0))
    soft = teacher.predict_proba(X)
    taught, _, _ = _soft_labeled(data, soft, np.arange(300), np.arange(300, 400))
    plain, _, _ = _soft_labeled(replace(data, sample_weight=None), soft, np.arange(300), np.arange(300, 400))
    row = np.nonzero(soft[:300] >= LEAST_PROBABILITY)[0]
    factor = np.concatenate([data.sample_weight[:300][row], data.sample_weight[300:]])
    assert taught.sample_weight == pytest.approx(plain.sample_weight * factor)


def test_truth_alone_is_an_ordinary_training(teacher):
    frame = pl.DataFrame({f"c{j}": X[:, j] for j in range(3)}).with_columns(pl.Series("y", Y))
    of_table = cp.fit("mlp", frame, "y", epochs=2, verbose=0)
    learned = cp.distill(of_table, "mlp", frame, "y", truth=1.0, epochs=2, batch_size=64, verbose=0)
    plain = cp.fit("mlp", frame, "y", epochs=2, batch_size=64, verbose=0)
    assert learned.predict_proba(frame) == pytest.approx(plain.predict_proba(frame), abs=0.02)


def test_a_dataset_that_shuffles_is_read_once(teacher, monkeypatch):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(400, seed=1).batch(50)

    def checked(examples, soft, rows, held):
        assert soft == pytest.approx(teacher.predict_proba(examples.x["numeric"]), abs=0.02)
        return _soft_labeled(examples, soft, rows, held)

    monkeypatch.setattr("counterpoise.pipeline.distill._soft_labeled", checked)
    assert cp.distill(teacher, "mlp", dataset, epochs=1, verbose=0).card["rows"] == 400


def test_costs_of_the_teacher_are_those_of_the_student(teacher):
    costs = [[0, 1], [20, 0]]
    student = cp.distill(teacher.decide(costs=costs), "mlp", X, Y, epochs=1, verbose=0)
    assert student.rule.costs.tolist() == costs
    frame = pl.DataFrame({"a": X[:, 0], "amount": np.arange(400.0), "y": Y})
    of_table = cp.fit("mlp", frame, "y", epochs=1, verbose=0, cost_column="amount", cost_fp=5)
    assert cp.distill(of_table, "mlp", frame, "y", epochs=1, verbose=0).rule.cost_column == of_table.rule.cost_column


def test_bad_requests(teacher):
    with pytest.raises(OptionError, match=r"truth= is 1\.5. Expected a share"):
        cp.distill(teacher, "mlp", X, Y, truth=1.5)
    with pytest.raises(OptionError, match=r"first argument of distill is Sequential"):
        cp.distill(keras.Sequential(), "mlp", X, Y)
    with pytest.raises(OptionError, match="labels of the teacher"):
        cp.distill(teacher, "mlp", X, np.where(Y == 1, "ill", "well"))
    several = np.stack([Y, X[:, 0] > 1], axis=1)
    of_labels = cp.fit("mlp", X, several, epochs=1, verbose=0)
    with pytest.raises(OptionError, match=r"the teacher has several labels\. .* cp\.fit\(model, data, y\)"):
        cp.distill(of_labels, "mlp", X, several)


def test_a_row_of_weight_0_teaches_nothing(teacher):
    weight = (np.arange(400) % 3 > 0).astype(float)
    some = weight > 0
    how = {"epochs": 2, "batch_size": 32, "verbose": 0}
    student = cp.distill(teacher, "mlp", X, Y, sample_weight=weight, **how)
    alone = cp.distill(teacher, "mlp", X[some], Y[some], sample_weight=weight[some], **how)
    assert np.array_equal(student.predict_proba(X), alone.predict_proba(X))

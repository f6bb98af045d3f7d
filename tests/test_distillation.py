"""A soft label is a row of each class, weighed; the student says what the teacher says."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError
from counterpoise.core.records import Examples
from counterpoise.distillation import LEAST, _taught

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
    taught, fold = _taught(data, soft, rows, held)
    log_p = np.log(RNG.dirichlet([1, 1, 1], 50))
    place = taught.x[fold.train, 0].astype(int)
    ours = np.average(-log_p[place, taught.y[fold.train]], weights=taught.sample_weight[fold.train])
    assert (place == 0).sum() == 1  # a class of no probability is no row
    kept = np.where(soft >= LEAST, soft, 0.0)
    assert ours == pytest.approx(-(kept[rows] * log_p[rows]).sum() / kept[rows].sum())
    assert taught.sample_weight[fold.train].mean() == pytest.approx(1.0)
    assert np.array_equal(taught.x[fold.test, 0], held)
    assert np.array_equal(taught.y[fold.test], y[held])


def test_one_network_says_what_five_say(teacher, tmp_path):
    student = cp.distill(teacher, "mlp", X, Y, epochs=15, batch_size=32, verbose=0)
    fresh = (RNG.normal(size=(500, 3)) + 1.5 * (RNG.random((500, 1)) < 0.25)).astype(np.float32)
    said, told = student.predict_proba(fresh)[:, 1], teacher.predict_proba(fresh)[:, 1]
    assert np.corrcoef(said, told)[0, 1] > 0.97
    assert (len(student.rule.log_shifts), student.card["strategy"]) == (1, "distilled")
    assert student.card["teacher"] == {"strategy": "easy_ensemble", "members": 5}
    assert student.card["rows"] == 400
    student.save(tmp_path / "m.keras")
    assert np.array_equal(cp.load(tmp_path / "m.keras").predict_proba(fresh)[:, 1], said)


def test_truth_alone_is_an_ordinary_training(teacher):
    frame = pl.DataFrame({f"c{j}": X[:, j] for j in range(3)}).with_columns(pl.Series("y", Y))
    of_table = cp.fit("mlp", frame, "y", epochs=2, verbose=0)
    learned = cp.distill(of_table, "mlp", frame, "y", truth=1.0, epochs=2, batch_size=64, verbose=0)
    plain = cp.fit("mlp", frame, "y", epochs=2, batch_size=64, verbose=0)
    assert learned.predict_proba(frame) == pytest.approx(plain.predict_proba(frame), abs=0.02)


def test_bad_requests(teacher):
    with pytest.raises(OptionError, match=r"truth is 1\.5; expected a share"):
        cp.distill(teacher, "mlp", X, Y, truth=1.5)
    with pytest.raises(OptionError, match="those of the teacher"):
        cp.distill(teacher, "mlp", X, np.where(Y == 1, "ill", "well"))

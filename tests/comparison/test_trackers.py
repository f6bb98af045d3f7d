"""What trackers are told: the numbers of the comparison, each at its step."""

from __future__ import annotations

import contextlib
import sys
import types

import pytest

from counterpoise.comparison.result import Comparison
from counterpoise.core.errors import MissingExtraError, OptionError
from counterpoise.core.fold_result import FoldResult

tf = pytest.importorskip("tensorflow")


@pytest.fixture(name="comparison")
def _comparison():
    row = {
        "strategy": "none", "rank": 1, "status": "ok", "error": None, "fits": 2, "steps": 40, "rows_seen": 10,
        "seconds": 1.5, "seconds_shared": 0.0, "per_class": [], "vs_none": {}, "duplicate_free": None, "rule_notes": [],
        "scores": {"average_precision": {"mean": 0.5, "low": 0.4, "high": None, "folds": [0.4, 0.6]}},
    }  # fmt: skip
    record = {
        "data": {"source": "toy", "rows": 10, "positive": "yes",
                 "classes": [{"label": "no", "count": 8}, {"label": "yes", "count": 2}]},
        "metric": "average_precision", "folds": 2, "repeats": 1, "seed": 0, "budget": "steps", "network": "mlp",
        "verdict": {"winner": "none", "word": "equivalent", "not_different_from": [],
                    "headline": "Keep the baseline.", "recommendation": "Nothing is better."},
        "rows": [row],
    }  # fmt: skip
    history = {"step": [10, 20], "stop_loss": [0.7, 0.6], "recall 1": [0.0, 0.5]}
    results = tuple(FoldResult("none", 0, k, *[None] * 4, history=(history,)) for k in range(2))
    return Comparison(record, {}, results)


def test_tensorboard_reads_back_what_was_logged(comparison, tmp_path):
    comparison.log_to("tensorboard", tmp_path)
    logged = {}
    for file in tmp_path.rglob("events.*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                run = str(file.parent.relative_to(tmp_path))
                logged[run, value.tag, event.step] = tf.make_ndarray(value.tensor)
    assert logged["none/fold 2", "stop_loss", 20] == pytest.approx(0.6)
    assert logged["none/fold 1", "recall/yes", 20] == pytest.approx(0.5)
    assert logged["none", "score/average_precision", 2] == pytest.approx(0.6)
    assert logged["verdict", "verdict", 0].item() == b"Keep the baseline.\nNothing is better."


def test_a_tracker_that_is_missing_or_unknown_is_named(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'counterpoise\[mlflow\]'"):
        comparison.log_to("mlflow")
    with pytest.raises(OptionError, match="tracker"):
        comparison.log_to("wandb")
    with pytest.raises(OptionError, match="requires a folder"):
        comparison.log_to("tensorboard")


def test_mlflow_gets_settings_scores_and_the_page(comparison, monkeypatch):
    logged = []
    fake = types.ModuleType("mlflow")
    for name in ("set_tracking_uri", "log_params", "log_param", "set_tags", "log_text", "log_dict", "log_metrics"):
        setattr(fake, name, lambda *given, _name=name: logged.append((_name, *given)))
    fake.start_run = lambda **given: contextlib.nullcontext(logged.append(("run", given["run_name"])))
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    comparison.log_to("mlflow", "file:runs")
    assert logged[0] == ("set_tracking_uri", "file:runs")
    assert [t[1] for t in logged if t[0] == "run"] == ["counterpoise toy", "none"]
    metrics = next(t[1] for t in logged if t[0] == "log_metrics")
    assert metrics == {
        "average_precision": 0.5, "average_precision_low": 0.4, "fits": 2.0, "steps": 40.0, "seconds": 1.5,
    }  # fmt: skip
    assert "<html" in next(t[1] for t in logged if t[0] == "log_text" and t[2] == "report.html")

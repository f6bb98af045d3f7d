"""A comparison written to an experiment tracker, TensorBoard or MLflow (`Comparison.log_to`).

Names of runs and curves are kept by users' trackers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.core.lazy import needed
from counterpoise.report import words

if TYPE_CHECKING:
    from counterpoise.comparison.result import Comparison


def to_tensorboard(comparison: Comparison, folder: str | os.PathLike[str]) -> None:
    """Write the curves of each member's training and the scores of each fold to `folder`.

    "loss", "stop_loss" and "recall/LABEL" by optimizer step (run STRATEGY/fold K/member M); "score/METRIC" with the
    fold as step (run STRATEGY); the verdict as text.
    """
    tf = needed("tensorflow", "tensorflow", "Logging to TensorBoard")
    labels = [str(c["label"]) for c in comparison.record["data"]["classes"]]
    scalar = _summary_metadata(tf, "scalars", 1)
    with tf.summary.create_file_writer(os.path.join(folder, "verdict")).as_default():
        tf.summary.write("verdict", tf.constant(str(comparison.verdict)), 0, _summary_metadata(tf, "text", 2))
    for row in comparison.leaderboard:
        with tf.summary.create_file_writer(os.path.join(folder, _run_name(row["strategy"]))).as_default():
            for key, score in row["scores"].items():
                for fold, value in enumerate(score["folds"]):
                    if words.finite(value):
                        tf.summary.write(f"score/{key}", np.float32(value), fold + 1, scalar)
    for run, rounds in _member_runs(comparison, labels):
        with tf.summary.create_file_writer(os.path.join(folder, run)).as_default():
            for name, step, value in rounds:
                tf.summary.write(name, np.float32(value), step, scalar)


def _summary_metadata(tf: Any, plugin: str, data_class: int) -> Any:
    """Return the metadata that tell TensorBoard which `plugin` shows a summary.

    `data_class` is a number of TensorBoard: 1 for scalars, 2 for tensors such as text. `tf.summary.scalar` would set
    both, but needs the package tensorboard.
    """
    metadata = tf.compat.v1.SummaryMetadata(data_class=data_class)
    metadata.plugin_data.plugin_name = plugin
    return metadata


def to_mlflow(comparison: Comparison, destination: str | None = None) -> None:
    """Log one run with the settings, the report and the verdict, and one nested run per strategy with its scores.

    Args:
        comparison: The comparison.
        destination: Tracking URI; None: the one that MLflow is set to.
    """
    mlflow = needed("mlflow", "mlflow", "Logging to MLflow")
    if destination is not None:
        mlflow.set_tracking_uri(str(destination))
    record = comparison.record
    with mlflow.start_run(run_name=f"counterpoise {record['data']['source']}"):
        mlflow.log_params({key: record[key] for key in ("metric", "folds", "repeats", "seed", "budget", "network")})
        mlflow.set_tags({"winner": comparison.verdict.winner, "verdict": comparison.verdict.word})
        mlflow.log_text(str(comparison.verdict), "verdict.txt")
        mlflow.log_text(comparison.html(), "report.html")
        mlflow.log_dict(dict(record), "leaderboard.json")
        for row in comparison.leaderboard:
            with mlflow.start_run(run_name=row["strategy"], nested=True):
                mlflow.log_param("strategy", row["strategy"])
                mlflow.log_metrics(_row_metrics(row))


def _row_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Return means, interval ends and costs of a row as "METRIC", "METRIC_low", ...

    Values that are not finite are left out.
    """
    ends = (("", "mean"), ("_low", "low"), ("_high", "high"))
    scores = {f"{key}{end}": s.get(part) for key, s in row["scores"].items() for end, part in ends}
    costs = {key: row[key] for key in ("fits", "steps", "seconds")}
    return {key: float(value) for key, value in {**scores, **costs}.items() if words.finite(value)}


def _member_runs(comparison: Comparison, labels: list[str]) -> Iterator[tuple[str, list[tuple[str, int, float]]]]:
    """Yield the run name of each member and its curves as (name, step, value) triples.

    Folds and members are numbered from 1, folds on through the repeats. Values that are not finite are left out.
    """
    for result in comparison.fold_results:
        for m, history in enumerate(result.history):
            run = f"{_run_name(result.strategy)}/fold {result.repeat * comparison.record['folds'] + result.fold + 1}"
            rounds = [
                (_curve_name(name, labels), int(step), float(value))
                for name, values in history.items()
                if name != "step"
                for step, value in zip(history["step"], values, strict=False)
                if words.finite(value)
            ]
            yield (f"{run}/member {m + 1}" if len(result.history) > 1 else run), rounds


def _curve_name(name: str, labels: list[str]) -> str:
    """Return the name of a curve with the label instead of the class code: "recall 1" becomes "recall/LABEL"."""
    kind, _, code = name.partition(" ")
    return f"{kind}/{labels[int(code)]}" if code.isdigit() and int(code) < len(labels) else name


def _run_name(name: str) -> str:
    """Return a strategy's name without ":" and "/", which folders and runs cannot contain."""
    return name.replace(":", "_").replace("/", "_")

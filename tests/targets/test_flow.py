"""Rows with several labels, one of them with gaps, from the table to the file and back."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import counterpoise as cp
from counterpoise.classifier.evaluation import evaluate
from counterpoise.core.errors import DataError, ModelError, OptionError, SplitError, TargetError
from counterpoise.data.split import hold_out
from counterpoise.pipeline.reading import read_for

NAMES = ["fracture", "edema", "mass"]
RNG = np.random.default_rng(0)
N = 240
X = RNG.normal(size=(N, 4)).astype(np.float32)
Y = (RNG.random((N, 3)) < 1 / (1 + np.exp(1.2 - 2 * X[:, :3]))).astype(float)
Y[RNG.random(N) < 0.3, 1] = np.nan
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    sex=np.where(X[:, 3] > 0, "f", "m"), **dict(zip(NAMES, Y.T, strict=True))
)
QUICK = {"epochs": 4, "verbose": 0}


@pytest.fixture(scope="module")
def clf():
    return cp.fit("tabular", FRAME, NAMES, strategy="class_weight", **QUICK)


@pytest.fixture(scope="module")
def comparison():
    strategies = "threshold,oversample,label_ensemble,undersample"
    return cp.compare("mlp", X, Y, strategies=strategies, folds=2, **QUICK)


@pytest.fixture(scope="module")
def plain():
    return cp.fit("mlp", X, Y, strategy="class_weight", **QUICK)


def test_a_classifier_of_labels(clf):
    proba, decision = clf.predict_proba(FRAME), clf.predict(FRAME)
    assert proba.shape == decision.shape == (N, 3)
    assert clf.classes_.tolist() == NAMES
    cuts = [part.threshold for part in clf.rule.problem_rules]
    assert np.array_equal(decision, (proba >= cuts).astype(int))
    assert np.all(np.abs(proba.mean(axis=0) - np.nanmean(Y, axis=0)) < 0.12)
    assert [round(row["share"], 3) for row in clf.card["classes"]] == np.nanmean(Y, axis=0).round(3).tolist()
    assert clf.predict_frame(FRAME).columns[:2] == ["probability_fracture", "decision_fracture"]


def test_the_file_gives_the_same_classifier(clf, tmp_path):
    again = cp.load(clf.save(tmp_path / "m.keras"))
    np.testing.assert_allclose(again.predict_proba(FRAME), clf.predict_proba(FRAME), atol=1e-6)
    assert again.kind == "labels"
    assert again.decide(f1=True).rule.problem_rules[0].aim == "f1"
    assert set(again.card["metrics"]) >= {"average_precision", "f1"}


def test_other_thresholds_and_shares_label_by_label(clf):
    moved = clf.decide(recall_floor={"edema": 0.9})
    assert moved.rule.problem_rules[0] is clf.rule.problem_rules[0]
    assert moved.rule.problem_rules[1].aim == "recall_floor(0.9)"
    assert [one["label"] for one in moved.card["threshold"]["labels"]] == NAMES
    with pytest.raises(OptionError, match="names 'edma', which is not a label"):
        clf.decide(recall_floor={"edma": 0.9})
    shares = np.nanmean(Y, axis=0)
    rarer = clf.predict_proba(FRAME, prior=shares / 2)
    assert np.all(rarer.mean(axis=0) < clf.predict_proba(FRAME).mean(axis=0))
    with pytest.raises(OptionError, match="one share for each of 3 labels"):
        clf.predict_proba(FRAME, prior=0.1)


def test_evaluation_by_label(clf):
    record = evaluate(clf, FRAME, resamples=5)
    assert [row["label"] for row in record["labels"]] == NAMES
    mean = np.mean([row["metrics"]["average_precision"]["value"] for row in record["labels"]])
    assert record["metrics"]["average_precision"]["value"] == pytest.approx(mean)
    ends = [record["metrics"]["average_precision"][end] for end in ("low", "high")]
    assert 0 <= ends[0] < ends[1] <= 1
    assert evaluate(clf, FRAME.drop(columns=NAMES), FRAME[NAMES[::-1]], resamples=5)["rows"] == N
    with pytest.raises(TargetError, match="no label 'mass'"):
        evaluate(clf, FRAME.drop(columns=NAMES), FRAME[NAMES[:2]], resamples=5)


def test_labels_that_the_test_rows_cannot_score_are_named(clf):
    rows = FRAME.assign(fracture=1, edema=np.nan)
    with pytest.warns(UserWarning, match=r"without scores: 'fracture' \(always 1\), 'edema' \(never known\)\."):
        record = evaluate(clf, rows, resamples=5)
    assert [row["label"] for row in record["labels"]] == ["mass"]


def test_new_rows_are_read_as_the_training_rows(tmp_path):
    """Without options of its own, `evaluate` reads gaps, doubts and lists as in training, also from a file."""
    rows = FRAME.assign(mass=np.where(np.arange(N) % 5 == 0, -1, FRAME["mass"]))
    features, how = rows.drop(columns=NAMES), {"missing": "absent", "uncertain": "one"}

    def counts(clf, *given, **options):
        return [(row["count"], row["known"]) for row in evaluate(clf, *given, resamples=5, **options)["classes"]]

    clf = cp.fit("mlp", rows, cp.labels(NAMES, **how), **QUICK)
    clf = cp.load(clf.save(tmp_path / "m.keras"))
    wanted = [(int(((rows[n] == 1) | (rows[n] == -1)).sum()), N) for n in NAMES]
    assert counts(clf, rows) == counts(clf, rows, target=NAMES) == counts(clf, features, rows[NAMES]) == wanted
    assert counts(clf, rows, target=cp.labels(NAMES))[1][1] == rows["edema"].notna().sum()
    own = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    for model, x, y in (("mlp", features, rows[NAMES]), (own, X, rows[NAMES].to_numpy())):
        clf = cp.fit(model, x, cp.labels(y, **how), **QUICK)
        assert counts(clf, x, y) == wanted
    listed = [[name for name in NAMES if row[name] == 1] for _, row in rows.iterrows()]
    wanted = [(int((rows[name] == 1).sum()), N) for name in NAMES]
    for y, tags in (("t", listed), (cp.labels("t", separator="|"), ["|".join(row) for row in listed])):
        table = features.assign(t=tags)
        clf = cp.fit("mlp", table, y, **QUICK)
        clf = cp.load(clf.save(tmp_path / "m.keras"))
        every = [wanted[NAMES.index(name)] for name in clf.classes_]
        assert counts(clf, table) == counts(clf, table, target="t") == counts(clf, features, table["t"]) == every
        few = table[["edema" not in row for row in listed]]
        with pytest.warns(UserWarning, match="without scores: 'edema'"):
            assert counts(clf, few)[clf.classes_.tolist().index("edema")] == (0, len(few))


def test_a_comparison_of_labels(comparison, tmp_path):
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert [rows[name]["status"] for name in ("none", "threshold", "oversample", "label_ensemble")] == ["ok"] * 4
    assert "several labels" in rows["undersample"]["error"]
    assert [c["known"] for c in rows["none"]["per_class"]] == (~np.isnan(Y)).sum(axis=0).tolist()
    assert rows["label_ensemble"]["fits"] == 6
    assert len(rows["label_ensemble"]["members"]) == 3
    assert 0 < rows["none"]["scores"]["average_precision"]["mean"] < 1
    assert comparison.best.predict_proba(X).shape == (N, 3)
    comparison.save(tmp_path)
    assert "label_1" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_a_model_of_the_users(activation):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation=activation)])
    model.compile(loss=keras.losses.BinaryFocalCrossentropy(from_logits=activation is None), metrics=["auc"])
    clf = cp.fit(model, X, Y, **QUICK)
    assert clf.predict_proba(X).shape == (N, 3)
    with pytest.raises(ModelError, match=r"Expected \(None, units\) with 3 units for 3 labels"):
        cp.fit(lambda spec, n: keras.Sequential([keras.Input(spec.shape), keras.layers.Dense(1)]), X, Y, **QUICK)


def test_a_served_model_and_a_run_that_goes_on(plain, tmp_path, capfd):
    clf = plain
    clf.export(tmp_path / "served")
    import tensorflow as tf

    run = tf.saved_model.load(str(tmp_path / "served")).signatures["serve"]
    served = run(**{f"x{i}": tf.constant(X[:, i]) for i in range(4)})
    np.testing.assert_allclose(served["probability"].numpy(), clf.predict_proba(X), atol=1e-4)
    how = {"strategies": "threshold", "folds": 2, "epochs": 1, "refit": False, "store": tmp_path / "run"}
    first, again = (cp.compare("mlp", X, Y, verbose=verbose, **how) for verbose in (0, 1))
    assert "2 of 2 fits are done" in capfd.readouterr().err
    scores = [m.leaderboard[0]["scores"]["average_precision"]["folds"] for m in (first, again)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(("format", "needed"), [("litert", "ai_edge_litert.interpreter"), ("onnx", "tf2onnx")])
def test_files_for_other_runtimes_decide_each_label(plain, tmp_path, format, needed):
    runtime = pytest.importorskip(needed)
    clf = plain
    clf = clf.decide(threshold=dict(zip(clf.classes_.tolist(), np.median(clf.predict_proba(X), axis=0), strict=True)))
    path = str(clf.export(tmp_path, format=format))
    rows = {"numeric": X.astype(np.float32)}
    if format == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(path)
        names = [output.name for output in session.get_outputs()]
        outputs = dict(zip(names, session.run(None, rows), strict=True))
    else:
        outputs = runtime.Interpreter(path).get_signature_runner("serve")(**rows)
    proba, decided = clf.predict_proba(X), clf.predict(X)
    np.testing.assert_allclose(outputs["probability"], proba, atol=1e-5)
    thresholds = [rule.threshold for rule in clf.rule.problem_rules]
    assert len(set(thresholds)) == 3
    clear = np.abs(proba - thresholds) > 1e-4
    assert clear.mean() > 0.9
    assert np.array_equal(outputs["decision"][clear], decided[clear])
    assert (decided.mean(axis=0) > 0.3).all()


def test_two_labels_are_no_two_classes():
    clf = cp.fit(lambda spec, n: keras.Sequential([keras.Input(spec.shape), keras.layers.Dense(spec.units(n))]), X,
                 Y[:, [0, 2]], folds=2, **QUICK)  # fmt: skip
    assert clf.predict_proba(X).shape == (N, 2)


def test_validation_rows_with_several_labels():
    """Given rows, in any form and order of columns, are the rows that `fit` holds out."""
    train, held = hold_out(read_for("mlp", FRAME, NAMES), 0.2, 0)
    rows, own = FRAME.iloc[train], FRAME.iloc[held]
    listed = [[name for name in NAMES if row[name] == 1] for _, row in FRAME.iterrows()]
    features = FRAME.drop(columns=NAMES)
    lists = features.assign(tags=listed)
    wanted = cp.fit("mlp", FRAME, NAMES, tune_threshold=True, **QUICK).predict_proba(FRAME)
    dataset = tf.data.Dataset.from_tensor_slices((X, np.nan_to_num(Y, nan=-1.0)))
    clf = cp.fit("mlp", dataset.batch(32), validation=dataset.take(60).batch(32), **QUICK)
    assert evaluate(clf, dataset.batch(32), resamples=5)["classes"][1]["known"] == np.isfinite(Y[:, 1]).sum()
    of_lists = cp.fit("mlp", lists, "tags", tune_threshold=True, **QUICK)
    given = [
        (rows, NAMES, own),
        (rows, NAMES, own[[*NAMES[::-1], *features.columns]]),
        (rows, NAMES, (features.iloc[held], own[NAMES[::-1]])),
        (rows, NAMES, (features.iloc[held], own[NAMES].to_numpy())),
        (features.iloc[train], rows[NAMES], (features.iloc[held], own[NAMES])),
        (rows, cp.labels(NAMES), (features.iloc[held], own[NAMES].fillna(-1))),
        (lists.iloc[train], "tags", lists.iloc[held]),
        (lists.iloc[train], cp.labels("tags"), (features.iloc[held], lists["tags"].iloc[held])),
    ]
    for data, y, validation in given:
        clf = cp.fit("mlp", data, y, validation=validation, tune_threshold=True, **QUICK)
        proba = clf.predict_proba(FRAME)
        if "tags" in data:
            np.testing.assert_array_equal(proba, of_lists.predict_proba(FRAME))
        else:
            np.testing.assert_array_equal(proba, wanted)
    with pytest.raises(DataError, match="validation: the pandas frame lacks the column 'mass'"):
        cp.fit("mlp", rows, NAMES, validation=own.drop(columns="mass"), **QUICK)
    with pytest.raises(SplitError, match=r"'mass' as 1 has 0 rows among the validation rows.*remove the label"):
        cp.fit("mlp", rows, NAMES, validation=own.assign(mass=0), **QUICK)


def test_a_wrapped_model_needs_both_values_of_each_label(plain):
    scores = plain.predict_proba(X)
    for values, words in ((0.0, "'mass' is always 0"), (np.nan, "'mass' is never known")):
        with pytest.raises(TargetError, match=f"Label {words} in these rows"):
            cp.wrap(scores, FRAME[NAMES].assign(mass=values))


def test_a_diagnosis_takes_several_labels():
    listed = FRAME.drop(columns=NAMES).assign(t=[[n for n in NAMES if row[n] == 1] for _, row in FRAME.iterrows()])
    by_name = cp.diagnose(FRAME, NAMES, quick=False).record
    assert by_name.classes == cp.diagnose(FRAME, target=NAMES, quick=False).record.classes
    assert by_name.classes == cp.diagnose(FRAME.drop(columns=NAMES), FRAME[NAMES], quick=False).record.classes
    assert by_name.classes == cp.diagnose(FRAME, cp.labels(NAMES), quick=False).record.classes
    assert {row.label for row in cp.diagnose(listed, "t", quick=False).record.classes} == set(NAMES)

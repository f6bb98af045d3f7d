"""Masks and sequences from arrays to the file and back, and compared: made lesions, tiny networks, few steps."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score, f1_score, log_loss
from small_networks import assert_same, trained

import counterpoise as cp
from counterpoise.classifier.evaluation import evaluate
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.examples import Examples
from counterpoise.metrics.lesions import find_lesions, lesion_recall
from counterpoise.networks.network import Network
from counterpoise.pipeline.settings import Settings

L = keras.layers
QUICK = {"epochs": 6, "batch_size": 8, "verbose": 0}


def lesions(n, side, seed=0, classes=2):
    """Bright disks on noise in some of the images; of three classes, dark ones, too."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, side, side, 1)).astype(np.float32), np.zeros((n, side, side), np.uint8)
    rows, columns = np.mgrid[:side, :side]
    for image in range(n):
        for _ in range(rng.integers(0, 3)):
            center, radius, code = rng.uniform(0, side, 2), rng.uniform(1.5, 3), rng.integers(1, classes)
            disk = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2
            y[image][disk], x[image, ..., 0][disk] = code, x[image, ..., 0][disk] + (2, -2)[code - 1]
    return x, y


def small(spec, n_classes):
    h = inputs = spec.inputs()
    for _ in range(2):
        h = L.Conv2D(6, 3, padding="same", activation="relu")(h)
    return keras.Model(inputs, L.Conv2D(spec.units(n_classes), 1)(h))


X, Y = lesions(64, 16)
PATIENTS = np.arange(64) // 2


@pytest.fixture(scope="module", name="clf")
def _clf():
    ignored = Y.astype(np.int16)
    ignored[:, :2] = -1
    return cp.fit(small, X, ignored, strategy="class_weight", groups=PATIENTS, **QUICK)


def test_a_classifier_of_pixels(clf):
    proba, decided = clf.predict_proba(X), clf.predict(X)
    assert clf.kind == "elements"
    assert proba.shape == (64, 16, 16, 2)
    assert decided.shape == Y.shape
    np.testing.assert_array_equal(decided, proba[..., 1] >= clf.rule.threshold)
    assert proba[..., 1].mean() == pytest.approx(Y.mean(), rel=0.25)
    assert average_precision_score(Y.ravel(), proba[..., 1].ravel()) > 3 * Y.mean()
    assert np.ptp(clf.rule.log_shifts) == pytest.approx(2 * np.log((Y == 0)[:, 2:].sum() / Y[:, 2:].sum()) / 2, rel=0.2)
    assert clf.card["engines"] == ["program"]
    assert sum(c["count"] for c in clf.card["classes"]) == 64 * 14 * 16  # ignored pixels are of no class


def test_the_rule_is_fitted_on_whole_shares(clf):
    y, weight = clf.scores["y"], clf.scores["weight"]
    known = y >= 0
    assert y.shape == weight.shape == clf.scores["log_p"].shape[1:3]
    shares = np.bincount(y[known], weight[known]) / weight[known].sum()
    np.testing.assert_allclose(clf.rule.prior, shares, rtol=1e-6)
    log_p = clf.log_p(clf.member_logits(X[:1]))
    assert log_p.shape == (1, 1, 16, 16, 2)


def test_the_file_gives_the_same_masks(clf, tmp_path):
    again = cp.load(clf.save(tmp_path / "m.keras"))
    np.testing.assert_allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(again.predict(X), clf.predict(X))
    assert again.decide(recall_floor=0.9).rule.threshold < again.rule.threshold
    assert again.card["metrics"]["average_precision"]["low"] < again.card["metrics"]["average_precision"]["high"]
    plain = keras.saving.load_model(tmp_path / "m.keras")(X[:4])
    np.testing.assert_allclose(plain["probability"], clf.predict_proba(X[:4]), atol=1e-5)
    np.testing.assert_array_equal(plain["decision"], clf.predict(X[:4]))


def test_plain_tensorflow_serves_the_export(clf, tmp_path):
    folder = clf.export(tmp_path / "saved")
    run = tf.saved_model.load(str(folder)).signatures["serve"]
    out = run(**{name: tf.constant(X[:3]) for name in run.structured_input_signature[1]})
    np.testing.assert_allclose(out["probability"], clf.predict_proba(X[:3]), atol=1e-5)
    np.testing.assert_array_equal(out["label"], clf.predict(X[:3]))


def test_scores_of_pixels_and_of_lesions(clf):
    x, y = lesions(40, 16, seed=1)
    record = evaluate(clf, x, y, resamples=40)
    proba, decided = clf.predict_proba(x)[..., 1], clf.predict(x)
    value = {key: score["value"] for key, score in record["metrics"].items()}
    assert value["dice"] == pytest.approx(f1_score(y.ravel(), decided.ravel()))
    assert value["f1"] == pytest.approx(value["dice"])
    assert value["average_precision"] == pytest.approx(average_precision_score(y.ravel(), proba.ravel()), abs=1e-6)
    assert value["log_loss"] == pytest.approx(log_loss(y.ravel(), proba.ravel()), rel=1e-5)
    lone = find_lesions(y, np.where(decided == 1, proba, 0.0), 1e-9)
    assert value["lesion_recall"] == pytest.approx(lesion_recall(lone))
    assert record["rows"] == record["groups"] == 40
    for key in ("dice", "iou", "average_precision", "recall"):
        score = record["metrics"][key]
        assert score["low"] < score["value"] < score["high"], key
    frame = clf.predict_frame(x)
    assert frame["elements_1"].to_list() == (decided == 1).sum(axis=(1, 2)).tolist()
    assert frame["regions_1"].sum() > 0


def test_a_row_of_weight_2_counts_as_two_rows(clf):
    x, y = lesions(12, 16, seed=2)
    weights = np.arange(12) % 3
    twice = np.repeat(np.arange(12), weights)
    one = evaluate(clf, x, y, sample_weight=weights, resamples=10)["metrics"]
    other = evaluate(clf, x[twice], y[twice], resamples=10)["metrics"]
    for key in ("f1", "dice", "iou", "dice_image", "dice_present", "lesion_recall"):
        assert one[key]["value"] == pytest.approx(other[key]["value"]), key


def test_regions_are_of_the_class_that_was_rare_in_training(clf):
    x, _ = lesions(6, 16, seed=1)
    y = np.ones(x.shape[:3], int)
    y[:, :4] = 0
    value = evaluate(clf, x, y, resamples=10)["metrics"]["dice"]["value"]
    assert value == pytest.approx(f1_score(y.ravel(), clf.predict(x).ravel()))


def test_regions_do_not_depend_on_the_shares_of_the_rows_that_fitted_the_rule(clf):
    """Held-out images may have more pixels of the rare class than of the background."""
    x, y = lesions(12, 16, seed=1)
    other = clf.with_rule(replace(clf.rule, prior=clf.rule.prior[::-1]))
    values = [evaluate(one, x, y, resamples=10)["metrics"]["dice"]["value"] for one in (clf, other)]
    assert values[0] == values[1] == pytest.approx(f1_score(y.ravel(), clf.predict(x).ravel()))


def test_masks_of_a_dataset_are_those_of_arrays(clf):
    x, y = lesions(12, 16, seed=1)
    batches = tf.data.Dataset.from_tensor_slices((x, y[..., None])).batch(5)
    one, other = (evaluate(clf, *rows, resamples=5)["metrics"] for rows in ((batches,), (x, y)))
    assert one == other
    held = cp.fit(small, batches, validation=batches, epochs=1, verbose=0)
    given = cp.fit(small, x, y, validation=(x, y), epochs=1, verbose=0)
    np.testing.assert_array_equal(held.predict_proba(x), given.predict_proba(x))


def test_a_threshold_for_lesions(tmp_path):
    x, y = lesions(30, 16, seed=2)
    clf = cp.fit(small, X, Y, strategy="class_weight", validation=(x, y), **QUICK)
    cuts, hits, false, _, images = clf.scores["lesions"].T
    assert (images == 30).all()
    assert (np.diff(cuts) < 0).all()
    seen = set()
    for most in (0, 0.1, 0.3, 1, 5):
        wanted = clf.decide(lesion_false_positives=most)
        counts = find_lesions(y, wanted.predict(x).astype(float)).counts().sum(axis=0)
        assert counts[1] <= most * 30
        assert counts[0] == hits[false <= most * 30].max(initial=0)
        seen.add(tuple(counts))
    assert len(seen) > 1
    assert "at most 5 false positives per image" in wanted.card["threshold"]["text"]
    again = cp.load(wanted.save(tmp_path / "m.keras"))
    assert again.decide(lesion_false_positives=0.3).rule.threshold > again.rule.threshold
    np.testing.assert_array_equal(wanted.predict(x, prior=0.2), wanted.predict(x))  # at other probabilities
    with pytest.raises(OptionError, match="0 or more"):
        clf.decide(lesion_false_positives=-1)


def test_images_of_more_pixels_than_are_sampled(monkeypatch):
    monkeypatch.setattr("counterpoise.core.sample.MOST", 100)
    how = {"groups": PATIENTS, "folds": 2, "metric": "lesion_recall", "strategies": "threshold"}
    comparison = cp.compare(small, X, Y, **how, **QUICK)
    rows = {row["strategy"]: row["scores"]["lesion_recall"]["mean"] for row in comparison.leaderboard}
    rules = [r.rule for r in comparison.fold_results if r.strategy == "threshold"]
    assert [rule.aim for rule in rules] == ["lesion_false_positives(1)"] * 2
    assert rows["threshold"] > rows["none"]
    assert comparison.fold_results[0].proba.shape == (32, 100, 2)


def test_masks_of_another_size_are_named():
    with pytest.raises(ModelError, match="16 x 16 elements per row, but each row has 12 x 16 labels"):
        cp.fit(small, X, Y[:, :12], **QUICK)


def test_what_cannot_be_done_with_elements(clf):
    with pytest.raises(OptionError, match="Remove confidence="):
        clf.decide(recall_floor=0.9, confidence=0.95)
    with pytest.raises(OptionError, match="review_alpha and review_budget"):
        clf.decide(review_budget=(1, 10))
    with pytest.raises(OptionError, match="guarantee_rows needs independent rows"):
        cp.fit(small, X, Y, guarantee_rows=0.2, **QUICK)
    with pytest.raises(ModelError, match="have a class per element"):
        cp.fit("boosted", X, Y, **QUICK)

    def pooled(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, L.Dense(1)(L.Flatten()(inputs)))

    with pytest.raises(ModelError, match=r"Expected \(None, 16, 16, units\) with 1 or 2 units"):
        cp.fit(pooled, X, Y, **QUICK)
    with pytest.raises(OptionError, match="explain supports only one class per row"):
        clf.explain(np.zeros((1, 8, 8, 1), "float32"))


def test_three_classes_and_a_loss_of_the_users_own():
    keras.utils.set_random_seed(0)  # the model keeps the weights that it comes with
    x, y = lesions(48, 16, classes=3)
    y[:, 0] = 255
    inputs = keras.Input((16, 16, 1))
    h = L.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    model = keras.Model(inputs, L.Conv2D(3, 1, activation="softmax")(h))
    model.compile(keras.optimizers.Adam(0.02), keras.losses.CategoricalFocalCrossentropy())
    masks = cp.elements(y, ignore=255, names=["tissue", "bright", "dark"])
    clf = cp.fit(model, x, masks, strategy="threshold", folds=2, **{**QUICK, "epochs": 2})
    assert clf.predict_proba(x).shape == (48, 16, 16, 3)
    assert set(clf.predict(x).ravel()) <= {"tissue", "bright", "dark"}
    record = evaluate(clf, x, masks, resamples=10)
    assert [c["label"] for c in record["classes"]] == ["tissue", "bright", "dark"]
    assert record["metrics"]["dice"]["value"] > 0


def test_sequences_of_a_model_that_puts_out_steps():
    rng = np.random.default_rng(0)
    y = (rng.random((60, 12)) < 0.15).astype(int)
    x = (rng.normal(size=(60, 12, 2)) + 2 * y[..., None]).astype(np.float32)
    y[:, 9:] = -1  # padding
    model = keras.Sequential([keras.Input((12, 2)), L.Conv1D(8, 3, padding="same", activation="relu"), L.Dense(1)])
    how = {**QUICK, "epochs": 40, "output": "logits"}
    clf = cp.fit(model, x, y, strategy="dice_cross_entropy", validation=(x[:20], y[:20]), **how)
    assert clf.predict(x).shape == y.shape
    known = y >= 0
    assert average_precision_score(y[known], clf.predict_proba(x)[..., 1][known]) > 2 * y[known].mean()


@pytest.fixture(scope="module", name="comparisons")
def _comparison(tmp_path_factory):
    store = tmp_path_factory.mktemp("run")
    how = {"groups": PATIENTS, "folds": 2, "metric": "dice", **QUICK}
    first = cp.compare(small, X, Y, strategies="threshold,oversample,resampling_ensemble", store=store, **how)
    return first, lambda: cp.compare(
        small, X, Y, strategies="threshold,oversample,resampling_ensemble", store=store, **how
    )


def test_a_comparison_of_masks(comparisons, tmp_path):
    comparison, _ = comparisons
    rows = {row["strategy"]: row for row in comparison.leaderboard}
    assert {row["status"] for row in rows.values()} == {"ok"}
    scores = {name: {key: s["mean"] for key, s in row["scores"].items()} for name, row in rows.items()}
    assert scores["none"]["average_precision"] == scores["threshold"]["average_precision"]
    for result in comparison.fold_results:
        truth, decided = result.regions.counts[:, 1], result.regions
        assert decided.counts.shape == (32, 2, 3)
        assert truth[:, [0, 2]].sum() == Y[result.rows].sum()
        assert result.proba.shape == (32, 256, 2)
        assert len(decided.decided) == len(decided.shown) <= 8
    for name, own in scores.items():
        results = [r.regions.counts[:, 1].sum(axis=0) for r in comparison.fold_results if r.strategy == name]
        wanted = np.mean([2 * tp / max(1, 2 * tp + fp + fn) for tp, fp, fn in results])
        assert own["dice"] == pytest.approx(wanted), name
    best = rows["threshold"]["scores"]["dice"]
    assert best["low"] < best["mean"] < best["high"]
    page = comparison.to_html(tmp_path / "m.html").read_text()
    assert "Lowest Dice coefficient" in page
    assert f"{Y.sum():,} pixels or steps" in page
    assert comparison.best.predict(X).shape == Y.shape


def test_a_comparison_resumes_from_its_folder(comparisons):
    first, again = comparisons
    second = again()
    assert [(r["strategy"], r["scores"]["dice"]) for r in second.leaderboard] == [
        (r["strategy"], r["scores"]["dice"]) for r in first.leaderboard
    ]


def test_a_compiled_model_with_its_own_dice_metrics_and_callbacks():
    def dice_loss(y_true, y_pred):
        both = keras.ops.sum(y_true * y_pred, axis=(1, 2, 3))
        return 1 - (2 * both + 1) / (keras.ops.sum(y_true + y_pred, axis=(1, 2, 3)) + 1)

    inputs = keras.Input((16, 16, 1))
    h = L.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    model = keras.Model(inputs, L.Conv2D(1, 1, activation="sigmoid")(h))
    model.compile(keras.optimizers.Adam(0.01), dice_loss, metrics=["accuracy"])
    history = keras.callbacks.History()
    clf = cp.fit(model, X, Y, strategy="threshold", callbacks=[history], **QUICK)
    assert clf.predict(X).shape == Y.shape
    assert len(history.history["val_loss"]) == 6
    assert 0.5 < history.history["val_accuracy"][-1] <= 1


def test_both_engines_train_alike_on_weighted_pixels_that_are_not_all_known():
    y = Y.astype(np.int8)
    y[:, :3] = -1
    data = Examples(X, y, (0, 1), kind="elements")
    settings = Settings(epochs=2, batch_size=16, early_stopping=False)
    for strategy in ("class_weight", "tversky"):
        members = [trained(Network(small, data), data, strategy, engine, settings)[0] for engine in ("program", "fit")]
        assert [m.engine for m in members] == ["program", "fit"]
        assert members[0].logits.shape == (32, 256, 1)
        assert_same(*members)

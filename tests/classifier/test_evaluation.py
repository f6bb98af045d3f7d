"""Intervals hold the truth about as often as they say; every key has one; labels are found as they are written."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from leaderboard_schema import PER_PROBLEM
from PIL import Image
from scipy import stats
from sklearn import metrics

import counterpoise as cp
from counterpoise.classifier.evaluation import evaluate
from counterpoise.core.errors import ColumnError, DataError, OptionError, TargetError
from counterpoise.core.proportions import wilson
from counterpoise.metrics.measured import joint_intervals, measure
from counterpoise.targets.new_labels import label_codes


def draw(n, seed, share=0.2):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < share).astype(int)
    p = 1 / (1 + np.exp(-(np.log(share / (1 - share)) + 2 * (rng.normal(size=n) + 2 * y) - 2)))
    return y, np.stack([1 - p, p], axis=1)


def test_every_key_has_a_value_within_its_interval():
    y, p = draw(400, 0)
    scores = measure(y, p, (p[:, 1] > 0.3).astype(int), p, resamples=100)
    assert list(scores) == list(PER_PROBLEM)
    for key, score in scores.items():
        assert score["low"] <= score["value"] <= score["high"] or key == "ece", key
    assert scores["roc_auc"]["value"] == pytest.approx(metrics.roc_auc_score(y, p[:, 1]))
    assert scores["brier"]["value"] == pytest.approx(metrics.brier_score_loss(y, p[:, 1]))


def test_intervals_cover():
    """The value of a large sample is the truth; 95 % intervals of 20 small ones must hold it at least 16 times."""
    keys = ("log_loss", "brier", "skill", "calibration_slope", "roc_auc", "f1")
    big, proba = draw(100_000, 99)
    truth = measure(big, proba, (proba[:, 1] > 0.4).astype(int), resamples=1)
    held = dict.fromkeys(keys, 0)
    for seed in range(20):
        y, p = draw(300, seed)
        scores = measure(y, p, (p[:, 1] > 0.4).astype(int), resamples=60, seed=seed)
        for key in keys:
            held[key] += scores[key]["low"] <= truth[key]["value"] <= scores[key]["high"]
    assert min(held.values()) >= 16, held


@pytest.mark.parametrize("weighted", [False, True])
def test_intervals_cover_although_other_rows_have_another_share_of_positives(weighted):
    """A calibrated model must not seem to have too high or too low probabilities more often than one time in ten."""
    keys, held, trials = ("log_loss", "brier", "calibration_intercept"), dict.fromkeys(range(3), 0), 40
    big, proba = draw(100_000, 99, share=0.05)
    truth = measure(big, proba, (proba[:, 1] > 0.4).astype(int), resamples=1)
    for seed in range(trials):
        y, p = draw(400, seed, share=0.05)
        weight = np.ones(400) if weighted else None
        scores = measure(y, p, (p[:, 1] > 0.4).astype(int), sample_weight=weight, resamples=60, seed=seed)
        for i, key in enumerate(keys):
            held[i] += scores[key]["low"] <= truth[key]["value"] <= scores[key]["high"]
    assert min(held.values()) >= 0.85 * trials, held


def test_rows_of_weight_0_are_absent_from_scores_and_intervals():
    y, p = draw(300, 2)
    w = np.random.default_rng(0).random(300)
    groups, d = np.repeat(np.arange(60), 5), (p[:, 1] > 0.3).astype(int)
    w[(w < 0.4) | (groups < 10)] = 0.0
    kept = w > 0
    for given in (None, groups):
        own = None if given is None else given[kept]
        scores = measure(y, p, d, p, sample_weight=w, groups=given, resamples=30)
        alone = measure(y[kept], p[kept], d[kept], p[kept], sample_weight=w[kept], groups=own, resamples=30)
        for key, score in scores.items():
            assert list(score.values()) == pytest.approx(list(alone[key].values()), nan_ok=True), key


def test_weights_change_what_a_model_without_columns_would_score():
    y, p = draw(2000, 3)
    w = np.where(y == 1, 0.2, 1.0)
    clf = cp.wrap(p[:, 1], y)
    scores = cp.evaluate(clf, p[:, 1], y, sample_weight=w, by={"half": np.arange(2000) % 2}, resamples=20)
    share, plain = w[y == 1].sum() / w.sum(), y.mean()
    assert scores["classes"][1]["share"] == pytest.approx(plain)
    assert scores["classes"][1]["weighted_share"] == pytest.approx(share)
    text = repr(scores)
    assert f"without a model: {share:.3f}" in text  # of average precision
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert f"without a model: {entropy:.3f}" in text  # of log loss
    assert f"Per 10,000 cases ({10_000 * share:,.0f} '1')" in text
    priced = cp.evaluate(clf, p[:, 1], y, sample_weight=w, costs=[[0, 1], [9, 0]], resamples=20)["further"]
    cost = w * np.where(y == 1, 9 * (clf.predict(p[:, 1]) == 0), clf.predict(p[:, 1]) == 1)
    assert priced["expected_cost"]["value"] == pytest.approx(cost.sum() / w.sum())
    assert priced["largest_cost_share"]["value"] == pytest.approx(cost.max() / cost.sum())
    # Weights of 0 behind the last positive row made a bin without rows.
    w = np.where(p[:, 1] > p[y == 1, 1].max() - 1e-12, 0.0, w)
    assert cp.evaluate(clf, p[:, 1], y, sample_weight=w, resamples=20)["reliability"]


def test_large_classes_are_thinned_to_the_same_answer():
    y, p = draw(30_000, 1)
    d = (p[:, 1] > 0.5).astype(int)
    scores = measure(y, p, d, resamples=100)
    slope = scores["calibration_slope"]
    assert slope["low"] < slope["value"] < slope["high"]
    assert slope["high"] - slope["low"] < 0.2
    width = scores["log_loss"]["high"] - scores["log_loss"]["low"]
    loss = -np.log(p[np.arange(len(y)), y])
    spread = math.sqrt(sum(loss[y == c].var() * (y == c).sum() for c in (0, 1))) / len(y)
    assert width == pytest.approx(4 * spread, rel=0.25)


def test_several_classes():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([1, 1, 1], 300)
    y = np.array([rng.choice(3, p=row) for row in p])
    scores = measure(y, p, p.argmax(axis=1), resamples=50)
    assert (
        scores["average_precision"]["low"] < scores["average_precision"]["value"] < scores["average_precision"]["high"]
    )
    assert not any(k.endswith("_uncorrected") for k in scores)


def test_hundreds_of_classes_take_seconds_and_keep_what_can_be_known():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(900, 300))
    y = np.repeat(np.arange(300), 3)
    z[np.arange(900), y] += 2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    scores = measure(y, p, p.argmax(axis=1), resamples=20)
    assert list(scores) == [key for key in PER_PROBLEM if not key.endswith("_uncorrected")]
    for key in ("roc_auc", "average_precision", "ece", "log_loss", "recall"):
        assert math.isfinite(scores[key]["low"] + scores[key]["high"]), key
    assert math.isfinite(scores["calibration_slope"]["value"])
    assert math.isnan(scores["calibration_slope"]["low"])
    few = measure(y[:90], p[:90], p[:90].argmax(axis=1), resamples=5)
    assert math.isfinite(few["calibration_slope"]["low"])


def test_thinned_rows_have_every_interval():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(30_000, 10))
    y = rng.integers(0, 10, 30_000)
    z[np.arange(len(y)), y] += 1
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    scores = measure(y, p, p.argmax(axis=1), resamples=3)
    assert scores["calibration_slope"]["low"] < scores["calibration_slope"]["high"]


def test_labels_are_found_by_value_and_text():
    assert label_codes(["1", 0, 0.0], np.array([0, 1])).tolist() == [1, 0, 0]
    assert label_codes(["a", "b", "c"], np.array(["not a", "a"])).tolist() == [1, 0, 0]
    assert label_codes(["a", "b", "c"], np.array(["a", "not a"])).tolist() == [0, 1, 1]
    assert label_codes(["a", "b", "c"], np.array(["c", "a+b"])).tolist() == [1, 1, 0]
    assert label_codes(["C++", "java", "c"], np.array(["c", "C+++java"])).tolist() == [1, 1, 0]
    for label, classes in (("maybe", ["no", "not sure", "yes"]), ("C", ["C++", "java"]), ("A", ["A+", "O"])):
        with pytest.raises(TargetError, match=f"y is '{label}' in row 1"):
            label_codes([label], np.array(classes))
    with pytest.raises(TargetError, match="row 2"):
        label_codes(["a", "z"], np.array(["a", "b"]))


def test_evaluate_finds_the_target_of_training_and_names_the_file(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.3
    frame = pl.DataFrame({"v": rng.normal(size=300) + 2 * y, "ill": np.where(y, "yes", "no")})
    clf = cp.fit("mlp", frame, "ill", strategy="none", epochs=2, verbose=0)
    record = evaluate(clf, frame, resamples=20)
    assert record["rows"] == 300
    right = clf.predict(frame) == frame["ill"].to_numpy()
    assert record["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(right))
    with pytest.raises(ColumnError, match="lacks the target column"):
        evaluate(clf, frame.drop("ill"))
    frame.select("ill", w="v").write_csv(tmp_path / "rows.csv")
    with pytest.raises(ColumnError, match=r"rows.csv lacks the column 'v'"):
        evaluate(clf, tmp_path / "rows.csv")
    with pytest.raises(TargetError, match="only one class"):
        evaluate(clf, frame.filter(pl.col("ill") == "no"))
    with pytest.raises(OptionError, match="Pass y"):
        evaluate(clf, np.zeros((3, 1, 1)))


def test_other_numbers_of_rows_and_of_draws_are_refused():
    y, p = draw(200, 0)
    clf = cp.wrap(p, y)
    for given, words in (
        ({"y": y[:5]}, r"data has 200, y has 5"),
        ({"y": y, "groups": np.arange(3)}, r"groups has 3 values for 200 rows"),
        ({"y": y, "resamples": 0}, r"resamples is 0\. Expected a whole number of at least 1"),
    ):
        with pytest.raises((DataError, OptionError), match=words):
            evaluate(clf, p, **given)
    with pytest.raises(OptionError, match=r"draws is 0\. Expected"):
        cp.monitor(clf, p, draws=0)


def test_what_images_contain_is_not_passed_again(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((4, 4), 9, np.uint8)).save(tmp_path / name / "0.png")
    clf, images = cp.wrap(np.linspace(0, 1, 20), np.arange(20) % 2), cp.images(tmp_path, 4)
    for given in ({"y": [0, 1]}, {"groups": "patient"}, {"sample_weight": [-5, 1]}, {"unit": ["u", "v"]}):
        with pytest.raises(OptionError, match=r"= cannot be passed with images\. Name its column in cp\.images"):
            evaluate(clf, images, **given)


def test_weights_and_groups_are_resampled_as_such():
    """Every row three times in a group of its own says what single rows say; taken as rows it would look surer."""
    y, p = draw(250, 3)
    d = (p[:, 1] > 0.4).astype(int)
    three = np.repeat(np.arange(250), 3)
    single = measure(y, p, d, sample_weight=np.full(250, 2.0), resamples=100)
    grouped = measure(y[three], p[three], d[three], groups=three, resamples=100)
    as_rows = measure(y[three], p[three], d[three], resamples=100)
    plain = measure(y, p, d, resamples=100)
    for key in ("average_precision", "log_loss", "recall", "precision", "f1", "roc_auc"):
        assert grouped[key]["value"] == pytest.approx(single[key]["value"]), key
        width = {name: ends[key]["high"] - ends[key]["low"] for name, ends in
                 {"grouped": grouped, "rows": as_rows, "plain": plain, "single": single}.items()}  # fmt: skip
        assert width["grouped"] > 1.25 * width["rows"], key
        assert width["single"] == pytest.approx(width["plain"], rel=0.35), key
    with pytest.raises(ValueError, match="one group"):
        measure(y, p, d, groups=np.zeros(250))


def test_a_weight_counts_as_rows():
    y, p = draw(200, 4)
    d, w = (p[:, 1] > 0.4).astype(int), np.random.default_rng(0).integers(1, 4, 200)
    weighted = measure(y, p, d, p, sample_weight=w, resamples=2)
    repeated = measure(*(np.repeat(a, w, axis=0) for a in (y, p, d, p)), resamples=2)
    for key, score in weighted.items():
        assert score["value"] == pytest.approx(repeated[key]["value"], nan_ok=True), key


def test_what_goes_beyond_the_leaderboard():
    y, p = draw(600, 5)
    clf = cp.wrap(p[:, 1], y).decide(cost=(1, 9))
    groups = np.arange(600) // 3
    record = evaluate(clf, p[:, 1], y, groups=groups, resamples=50)
    with pytest.warns(
        UserWarning, match="The rows are in 3 groups. Intervals from fewer than 20 groups are too narrow"
    ):
        evaluate(clf, p[:, 1], y, groups=np.arange(len(y)) % 3, resamples=2)
    more = record["further"]
    assert record["groups"] == 200
    for wrong, words in (
        (["a", np.nan, *"b" * 598], "groups= has no value in row 2"), (groups[:9], "groups has 9 values for 600"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            evaluate(clf, p[:, 1], y, groups=wrong, resamples=2)
    decided = clf.predict(p[:, 1])
    cost = np.mean(np.where(y == 1, 9.0 * (decided == 0), 1.0 * (decided == 1)))
    assert more["expected_cost"]["value"] == pytest.approx(cost)
    proba = clf.predict_proba(p[:, 1])[:, 1]
    area = metrics.roc_auc_score(y, proba, max_fpr=0.1)
    assert more["partial_auc"]["value"] == pytest.approx(area)
    tp, fp = np.mean((decided == 1) & (y == 1)), np.mean((decided == 1) & (y == 0))
    assert more["net_benefit"]["value"] == pytest.approx(tp - fp * 0.1 / 0.9)
    for key in ("expected_cost", "partial_auc", "net_benefit", "brier_resolution"):
        assert more[key]["low"] < more[key]["value"] < more[key]["high"], key
    assert math.isnan(more["calibration_error"]["low"])


def test_tables_are_read_as_fit_reads_them(tmp_path):
    """Separator, missing words, money, groups and weights by name, and a column that nobody uses."""
    n = 120
    rng = np.random.default_rng(0)
    ill = np.arange(n) % 3 == 0
    texts = {
        "a": [f"$ {v:.2f}" for v in rng.normal(50, 5, n) + 9 * ill],
        "level": [["u", "w", " v"][i % 3] for i in range(n)],
        "who": [str(i // 2) for i in range(n)],
        "w": [str(1 + i % 2) for i in range(n)],
        "ill": [[" no", "yes"][i] for i in ill.astype(int)],
    }
    pl.DataFrame(texts).write_csv(tmp_path / "t.csv", separator=";")
    clf = cp.fit("mlp", str(tmp_path / "t.csv"), "ill", strategy="none", epochs=1, verbose=0)
    frame = pl.DataFrame({**texts, "odd": [[1]] * n})
    records = [
        evaluate(clf, rows, target="ill", groups="who", sample_weight="w", resamples=2)
        for rows in (str(tmp_path / "t.csv"), frame)
    ]
    assert records[0]["groups"] == records[1]["groups"] == n // 2
    assert records[0]["metrics"]["log_loss"]["value"] == records[1]["metrics"]["log_loss"]["value"]
    given = evaluate(clf, str(tmp_path / "t.csv"), y=np.where(ill, "yes", "no"), groups="who", resamples=2)
    assert given["groups"] == n // 2
    with pytest.raises(ColumnError, match="lacks the column 'whom' for groups"):
        evaluate(clf, frame, target="ill", groups="whom")


def test_means_over_labels_have_the_intervals_of_rows_drawn_with_all_their_labels():
    rng = np.random.default_rng(0)
    n, labels = 300, []
    for share, known in ((0.3, 1.0), (0.1, 0.8)):
        rows = np.flatnonzero(rng.random(n) < known)
        y = (rng.random(len(rows)) < share).astype(int)
        p = np.clip(0.2 * y + 0.7 * rng.random(len(rows)), 0.01, 0.99)
        labels.append((rows, y, np.stack([1 - p, p], axis=1)))
    intervals = joint_intervals(labels, n, resamples=200)

    def scores(drawn):
        times = np.bincount(drawn, minlength=n)
        each = []
        for rows, y, p in labels:
            at = np.repeat(np.arange(len(rows)), times[rows])
            each.append(
                [
                    metrics.average_precision_score(y[at], p[at, 1]),
                    metrics.roc_auc_score(y[at], p[at, 1]),
                    metrics.log_loss(y[at], p[at, 1]),
                ]
            )
        return np.mean(each, axis=0)

    draws = np.array([scores(rng.integers(0, n, n)) for _ in range(250)])
    for number, key in enumerate(("average_precision", "roc_auc", "log_loss")):
        low, high = np.percentile(draws[:, number], [2.5, 97.5])
        width = high - low
        assert intervals[key] == pytest.approx((low, high), abs=0.15 * width)
    twice = [(np.concatenate([r, r + n]), np.tile(y, 2), np.tile(p, (2, 1))) for r, y, p in labels]
    grouped = joint_intervals(twice, 2 * n, groups=np.tile(np.arange(n), 2), resamples=200)
    for key, ends in intervals.items():
        assert grouped[key] == pytest.approx(ends, abs=1e-9)


@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.8, 0.15, 0.05]])
def test_equal_weights_have_the_intervals_of_losses_without_weights(shares):
    """A model without columns, whose losses depend on the class only: with fixed shares they would not vary."""
    rng = np.random.default_rng(0)
    y = rng.choice(len(shares), 400, p=shares)
    proba = np.tile(shares, (400, 1))
    plain, weighted = (measure(y, proba, proba.argmax(axis=1), sample_weight=w) for w in (None, np.ones(400)))
    for key in ("log_loss", "brier"):
        width = plain[key]["high"] - plain[key]["low"]
        assert weighted[key]["high"] - weighted[key]["low"] == pytest.approx(width, rel=0.25)
    assert weighted["skill"]["low"] == pytest.approx(plain["skill"]["low"], abs=1e-9)
    assert weighted["skill"]["high"] == pytest.approx(plain["skill"]["high"], abs=1e-9)


def test_groups_of_one_row_are_rows_without_groups():
    """Units are such groups: a recall of 1 among them has Wilson's interval, not one of width 0."""
    y, p = draw(300, 3)
    d = np.maximum(y, (p[:, 1] > 0.5).astype(int))
    alone = measure(y, p, d, groups=np.random.default_rng(0).permutation(300), resamples=30)
    assert alone == measure(y, p, d, resamples=30)
    low, high = wilson(int(y.sum()), int(y.sum()))
    assert (alone["recall"]["low"], alone["recall"]["high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_proportion_of_1_has_an_interval_in_groups_and_with_weights(weighted):
    """No resample of groups differs from 1. The groups with such rows are the trials, by what they are worth."""
    y, p = draw(300, 4)
    d = np.maximum(y, (p[:, 1] > 0.5).astype(int))
    patient = np.arange(300) // 3
    w = np.random.default_rng(1).exponential(size=300) if weighted else None
    recall = measure(y, p, d, sample_weight=w, groups=patient, resamples=30)["recall"]
    sums = np.bincount(patient[y == 1], None if w is None else w[y == 1])
    worth = sums.sum() ** 2 / (sums**2).sum()
    z2 = stats.norm.ppf(0.975) ** 2
    assert recall["value"] == recall["high"] == 1
    assert recall["low"] == pytest.approx(worth / (worth + z2))  # Wilson's lower end at 1
    nothing = measure(y, p, np.zeros(300, int), sample_weight=w, groups=patient, resamples=30)
    assert (nothing["precision"]["low"], nothing["precision"]["high"]) == (0, 1)  # no alerts, no information
    assert nothing["recall"]["low"] == 0 < nothing["recall"]["high"]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_shares_of_exactly_0_or_1_have_an_interval_with_any_number_of_classes(classes, weighted, grouped):
    """A mean over classes is a share of rows that count by one over their class: what they are worth are the trials."""
    rng = np.random.default_rng(2)
    y = np.append(rng.integers(0, classes, 57), range(classes))
    w = rng.integers(1, 4, len(y)).astype(float) if weighted else np.ones(len(y))
    patient = np.arange(len(y)) // 4
    how = {"sample_weight": w if weighted else None, "groups": patient if grouped else None, "resamples": 20}
    of_class = w / np.bincount(y, w)[y]
    of_others = sum(np.where(y == c, 0, w / w[y != c].sum()) for c in range(classes))
    trials = {"accuracy": w, "balanced_accuracy": of_class, "recall": of_class, "precision": of_class}
    trials["specificity"] = of_others
    if classes == 2:
        trials |= {"recall": w[y == 1], "precision": w[y == 1], "specificity": w[y == 0]}
    scores = measure(y, np.eye(classes)[y] * 0.8 + 0.2 / classes, y, **how)
    z2 = stats.norm.ppf(0.975) ** 2
    for key, each in trials.items():
        rows = {2: {"recall": y == 1, "precision": y == 1, "specificity": y == 0}}.get(classes, {}).get(key, y >= 0)
        sums = np.bincount(patient[rows], each) if grouped else each
        worth = sums.sum() ** 2 / (sums**2).sum()
        ends = [scores[key][name] for name in ("value", "low", "high")]
        assert ends == pytest.approx([1, worth / (worth + z2), 1]), key
    wrong = measure(y, np.eye(classes)[y] * 0.8 + 0.2 / classes, (y + 1) % classes, **how)
    assert wrong["accuracy"]["high"] == pytest.approx(1 - scores["accuracy"]["low"])

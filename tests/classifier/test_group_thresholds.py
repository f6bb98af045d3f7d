"""A threshold for each group: in `decide`, in the file, in every export, in `evaluate` and on the card."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.classifier.group_thresholds import FEWEST_OF_A_CLASS
from counterpoise.core.errors import ArtifactError, ColumnError, OptionError
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.new_prior import rule_at_prior
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict
from counterpoise.report.card_page import to_markdown

#: A feature of levels, a feature of numbers, and a column that is no feature.
COLUMNS = ("sex", "site", "region")


@pytest.fixture(scope="module", name="rows")
def _rows():
    rng = np.random.default_rng(0)
    n = 3000
    sex = rng.choice(["f", "m", "x"], n, p=[0.5, 0.48, 0.02])
    ill = rng.random(n) < np.where(sex == "f", 0.1, 0.25)
    return pl.DataFrame({
        "a": rng.normal(size=n) + 1.5 * ill, "sex": sex, "site": rng.choice([1.5, 2.0], n),
        "region": rng.choice(["north", "south"], n), "ill": np.where(ill, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module", name="clf")
def _clf(rows):
    by = {"sex": "sex", "site": "site", "region": rows["region"][:2000]}
    return cp.fit("mlp", rows[:2000].drop("region"), "ill", by=by, epochs=3, verbose=0)


def decided(clf, **aim):
    with warnings.catch_warnings(action="ignore"):
        return clf.decide(**aim)


@pytest.mark.parametrize("by", COLUMNS)
def test_each_group_has_the_threshold_that_its_own_rows_choose_and_the_file_says_the_same(clf, rows, by, tmp_path):
    with pytest.warns(UserWarning, match="unlawful"):
        own = clf.decide(recall_floor=0.8, by=by)
    new, y = rows[2000:], clf.scores["y"]
    p = np.exp(clf.scores["log_p"][0, :, 1].astype(float))
    for k, (value, cut) in enumerate(own.card["threshold"]["by"]["thresholds"].items(), start=1):
        positive = np.sort(p[(own.scores["by_code"] == k) & (y == 1)])
        assert (positive >= cut).mean() >= 0.8  # and one alert fewer would be too few:
        assert (positive > positive[positive >= cut][0]).mean() < 0.8, value
    names = new[by].cast(pl.String).str.strip_suffix(".0")
    cuts = np.array([own.card["threshold"]["by"]["thresholds"].get(v, own.rule.threshold) for v in names])
    assert (own.predict(new) == np.where(own.predict_proba(new)[:, 1] >= cuts, "yes", "no")).all()
    again = cp.load(own.save(tmp_path / "m.keras"))
    assert again.rule.by == own.rule.by
    assert (again.predict(new) == own.predict(new)).all()
    given = {c: new[c].to_numpy()[:, None] for c in ("a", "sex", "site", *([] if by != "region" else [by]))}
    given = {c: v.astype(object if v.dtype == object else np.float32) for c, v in given.items()}
    assert (own.classes_[again.keras_model()(given)["decision"].numpy()] == own.predict(new)).all()


def test_few_rows_and_unknown_values_take_the_common_threshold(clf, rows):
    own, common = decided(clf, f1=True, by="sex"), clf.decide(f1=True)
    assert (clf.scores["by"][:, 0] == 3).sum() < 2 * FEWEST_OF_A_CLASS
    assert own.rule.by.common == ("x",)
    assert own.rule.threshold == common.rule.threshold
    for value in ("x", "?", None):
        other = rows[2000:2200].with_columns(sex=pl.lit(value, pl.String))
        assert (own.predict(other) == common.predict(other)).all()
    text = own.card["threshold"]["text"]
    assert "including x (too few rows)" in text
    assert "unlawful" in text
    assert "unlawful" in to_markdown(own.card)


def test_evaluate_scores_the_groups_that_decide(clf, rows):
    scores = cp.evaluate(decided(clf, recall_floor=0.8, by="sex"), rows[2000:], resamples=10)
    assert scores["thresholds_by"]["common"] == ["x"]
    assert [table["column"] for table in scores["by"]] == ["sex"]
    assert scores["threshold_spread"] is None


def test_exports_decide_by_an_input_of_their_own_and_send_rows_to_a_human(clf, rows, tmp_path):
    tf = pytest.importorskip("tensorflow")
    own, new = decided(clf, f1=True, by="region", review_budget=(100, 1000)), rows[2000:]
    serve = tf.saved_model.load(str(own.export(tmp_path / "served"))).signatures["serve"]
    numbers = {c: tf.constant(new[c].to_numpy(), tf.float32) for c in ("a", "site")}
    texts = {c: tf.constant(new[c].to_list()) for c in ("sex", "region")}
    labels = [label.decode() for label in serve(**numbers, **texts)["label"].numpy()]
    assert set(labels) == {"yes", "no", "review"}
    assert labels == own.predict(new).tolist()
    for name in ("m.tflite", "m.onnx"):
        pytest.importorskip({"m.onnx": "tf2onnx", "m.tflite": "ai_edge_litert"}[name])
        own.export(tmp_path / name, {"m.onnx": "onnx", "m.tflite": "litert"}[name])  # compared with the classifier
    with pytest.raises(ColumnError, match="'region', which the classifier needs"):
        own.predict(new.drop("region"))


def test_the_layer_decides_as_numpy_and_the_prior_moves_all_thresholds(clf):
    own = decided(clf, recall_floor=0.8, by="site")
    rng = np.random.default_rng(0)
    logits, codes = [rng.normal(-1, 1, (200, 1)).astype("float32")], rng.integers(0, 3, 200)
    for rule in (own.rule, rule_at_prior(own.rule, 0.4)):
        layer = RuleLayer(rule_to_dict(rule))(logits, column_values=codes)["decision"].numpy()
        expected = own.with_rule(rule).decide_from_logits(logits, codes).decision
        assert (layer == expected).all()
    assert (expected == own.decide_from_logits(logits, codes).decision).all()  # a recall flags the same rows


@pytest.mark.parametrize(
    ("aim", "words"),
    [
        ({"by": "sex", "costs": [[0, 1], [5, 0]]}, "exactly one aim"),
        ({"by": "sex", "threshold": 0.3}, "exactly one aim"),
        ({"by": "sex", "recall_floor": 0.8, "confidence": 0.9}, "exactly one aim"),
        ({"by": "sexx", "f1": True}, "Did you mean 'sex'"),
    ],
)
def test_what_does_not_go_together_is_refused(clf, aim, words):
    with pytest.raises(OptionError, match=words):
        clf.decide(**aim)


def test_other_targets_are_refused():
    y = np.arange(60) % 3
    x = np.random.default_rng(0).normal(size=(60, 2))
    three = cp.fit("mlp", x, y, epochs=1, verbose=0)
    with pytest.raises(OptionError, match="has 3 classes"):
        three.decide(f1=True, by="sex")
    labels = cp.fit("mlp", x, np.stack([y == 0, y == 1], axis=1).astype(int), epochs=1, verbose=0)
    with pytest.raises(OptionError, match="several labels"):
        labels.decide(f1=True, by="sex")


@pytest.mark.parametrize(
    "by", [{"values": ["f", "f"]}, {"thresholds": [0.5]}, {"thresholds": [2.0, 0.1]}, {"name": ""}, {"values": []}]
)
def test_a_damaged_file_is_refused(clf, by):
    values = rule_to_dict(decided(clf, f1=True, by="sex").rule)
    assert checked_rule(values).by.values == ("f", "m")
    with pytest.raises(ArtifactError, match=r"the rule\.by"):
        checked_rule({**values, "by": {**values["by"], **by}})


def test_fit_takes_the_cost_column_that_the_command_line_takes(rows):
    paid = rows[:600].with_columns(amount=pl.Series(np.random.default_rng(1).lognormal(3, 1, 600)))
    clf = cp.fit("mlp", paid, "ill", cost_column="amount", cost_fp=5, epochs=1, verbose=0)
    assert clf.rule.cost_column.name == "amount"
    assert "amount" in clf.scores  # so that the budget of a review can be chosen
    assert clf.decide(cost_column="amount", cost_fp=5, review_budget=(50, 1000)).rule.review is not None
    three = paid.with_columns(ill=pl.Series(np.arange(600) % 3))
    with pytest.raises(OptionError, match="the rows have 3 classes"):
        cp.fit("mlp", three, "ill", cost_column="amount", cost_fp=5, verbose=0)
    for given in ({"cost_column": "amount"}, {"cost_fp": 5}):
        with pytest.raises(OptionError, match="cost_fp"):
            cp.fit("mlp", paid, "ill", **given, epochs=1, verbose=0)

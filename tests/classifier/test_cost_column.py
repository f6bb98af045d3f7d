"""Costs of a missed case by row: in `decide`, in the file, and in every export."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.classifier.rows import with_column_values
from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import ColumnError, OptionError
from counterpoise.data.amounts import amounts_in, amounts_of
from counterpoise.data.columns import MOST_INPUTS
from counterpoise.decide.costs import checked_cost_column
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict

FORMATS = (("saved_model", ""), ("litert", ".tflite"), ("onnx", ".onnx"))
COSTS = {"cost_column": "Amount", "cost_fp": 5}


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    fraud = rng.random(n) < 0.15
    return pl.DataFrame({
        "speed": rng.normal(size=n) + 1.8 * fraud, "Amount": rng.lognormal(3, 1.5, n).round(2),
        "site": rng.choice(["a", "b"], n), "fraud": np.where(fraud, "yes", "no"),
    })  # fmt: skip


@pytest.fixture(scope="module", name="rows")
def _rows():
    return table(1200)


@pytest.fixture(scope="module", name="feature")
def _feature(rows):
    """The amount is a feature."""
    return cp.fit("mlp", rows[:800], "fraud", epochs=3, verbose=0)


@pytest.fixture(scope="module", name="extra")
def _extra(rows):
    """The amount is no feature."""
    return cp.fit("mlp", rows[:800].drop("Amount"), "fraud", epochs=3, verbose=0)


@pytest.mark.parametrize("which", ["feature", "extra"])
def test_no_other_decision_is_cheaper_and_the_file_says_the_same(which, request, rows, tmp_path):
    clf = request.getfixturevalue(which).decide(**COSTS)
    new, amount = rows[800:], rows["Amount"][800:].to_numpy()
    p, positive = clf.predict_proba(new)[:, 1], clf.predict(new) == "yes"
    expected = np.stack([p * amount, (1 - p) * 5], axis=1)  # of "no" and of "yes"
    assert 0.05 < positive.mean() < 0.95
    assert np.allclose(expected[np.arange(len(p)), positive.astype(int)], expected.min(axis=1))
    again = cp.load(clf.save(tmp_path / "m.keras"))
    assert (again.predict(new) == clf.predict(new)).all()
    assert "'Amount'" in again.card["threshold"]["text"]
    assert again.card["threshold"]["value"] is None
    given = {"speed": new["speed"].to_numpy()[:, None], "site": new["site"].to_numpy()[:, None].astype(object)}
    whole = clf.keras_model()
    import tensorflow as tf

    tensors = {"speed": tf.constant(given["speed"], tf.float32), "site": tf.constant(given["site"].tolist())}
    tensors["amount"] = tf.constant(amount[:, None], tf.float32)
    assert set(whole.input) == set(tensors)
    decided = whole({name: tensors[name] for name in whole.input})["decision"].numpy()
    assert ((decided == 1) == positive).mean() > 0.995
    assert clf.decide(f1=True).rule.cost_column is None


@pytest.mark.parametrize("which", ["feature", "extra"])
def test_every_export_takes_the_amounts(which, request, rows, tmp_path):
    clf = request.getfixturevalue(which).decide(**COSTS)
    for format, ending in FORMATS:
        clf.export(tmp_path / f"{format}/m{ending}", format)  # compared with `predict` as it is written
        folder = tmp_path / format / ("m" if format == "saved_model" else "")
        schema = json.loads((folder / "schema.json").read_text())
        assert ("amount" in schema["inputs"]) == (which == "extra" or format == "saved_model")
        assert schema["rule"]["cost_column"] == {"name": "Amount", "cost_fp": 5.0}


def test_a_served_model_refuses_a_row_without_an_amount(extra, tmp_path):
    import tensorflow as tf

    clf = extra.decide(**COSTS)
    serve = tf.saved_model.load(str(clf.export(tmp_path / "m"))).signatures["serve"]
    columns = {"speed": tf.constant([1.0, 9.0]), "site": tf.constant(["a", "b"])}
    assert serve(**columns, amount=tf.constant([1.0, 500.0]))["label"].numpy().tolist() == [b"no", b"yes"]
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(tf.errors.InvalidArgumentError, match="finite amount of 0 or more"):
            serve(**columns, amount=tf.constant([1.0, bad]))
    layer = RuleLayer(rule_to_dict(clf.rule))  # elsewhere such a row goes to a human
    logits = [np.full((5, 1), 3.0, np.float32)]
    decided = layer(logits, column_values=np.array([np.nan, -1.0, np.inf, 0.0, 100.0], np.float32))["decision"]
    assert np.asarray(decided).tolist() == [-1, -1, -1, 0, 1]


def test_amounts_that_are_refused(feature, extra, rows):
    clf, new = extra.decide(**COSTS), rows[800:830]
    with pytest.raises(ColumnError, match="lacks the column 'Amount'"):
        clf.predict(new.drop("Amount"))
    assert clf.predict_proba(new.drop("Amount")).shape == (30, 2)  # probabilities need no amount
    for bad, problem in ((-1.0, "a negative value in row 3"), (None, "no finite number in row 3")):
        amount = [*new["Amount"][:2], bad, *new["Amount"][3:]]
        with pytest.raises(OptionError, match=problem):
            clf.predict(new.with_columns(Amount=pl.Series(amount)))
    assert amounts_of(pl.Series(["$1,200.50", "$3"]), "paid").tolist() == [1200.5, 3.0]


def test_amounts_are_read_as_the_feature_is_or_refused(feature, extra, rows, tmp_path):
    new = rows[800:802].with_columns(Amount=pl.Series(["1.200", "950"]))  # text, as points may separate thousands
    assert amounts_in(new, "Amount", feature.schema, "t.csv").tolist() == pytest.approx([1.2, 950.0])
    new.write_csv(tmp_path / "t.csv")
    amounts = with_column_values(feature, str(tmp_path / "t.csv"), CostColumn("Amount", 5.0))[1]
    assert amounts.tolist() == pytest.approx([1.2, 950.0])
    with pytest.raises(
        OptionError, match=r"'Amount' contains '1\.200', whose point may separate decimals or thousands"
    ):
        extra.decide(**COSTS).predict(new)
    plain = rows[800:802].with_columns(Amount=pl.Series(["1.25", "950"]))
    assert amounts_in(plain, "Amount", extra.schema, "t.csv").tolist() == [1.25, 950.0]


@pytest.mark.parametrize("texts", [["1,200"], ["$1,200", "$5"], ["1.200 €", "950 €"], ["1.200 €"]])
def test_amounts_that_other_rows_would_change_are_refused(extra, feature, texts):
    with pytest.raises(OptionError, match="may separate decimals or thousands"):
        amounts_of(pl.Series(texts), "Amount", extra.schema)
    certain = ["1,250.50", *(text for text in texts if "€" not in text)]  # another row decides what a comma means
    assert amounts_of(pl.Series(certain), "Amount", extra.schema)[0] == 1250.5


def test_dates_are_no_amounts():
    with pytest.raises(OptionError, match="Column 'paid' contains dates or times"):
        amounts_of(pl.Series(["2024-01-31"]).str.to_date(), "paid")


@pytest.mark.parametrize("form", [list, tuple, np.array, pd.Series, pl.Series])
def test_a_missing_amount_is_named_in_any_form(extra, rows, form):
    amounts = form([1.0, None, *rows["Amount"][802:830]])
    with pytest.raises(OptionError, match="no finite number in row 2"):
        cp.evaluate(extra, rows[800:830], cost_column=amounts, cost_fp=5, resamples=2)
    assert amounts_of(form([3.0, 2.5]), "paid").tolist() == [3.0, 2.5]
    assert amounts_of(pd.Series([3, 2.5, 3]).astype("category"), "paid").tolist() == [3.0, 2.5, 3.0]


def test_refusals(extra, rows):
    for wrong, match in (
        ({"cost_column": "Amount"}, "above 0 with cost_column"),
        ({"cost_column": "Amount", "cost_fp": 0}, "above 0 with cost_column"),
        ({"cost_fp": 5}, "requires cost_column"),
        ({**COSTS, "costs": [[0, 1], [2, 0]]}, "cannot be combined"),
        ({**COSTS, "f1": True}, "determine the decision"),
        ({**COSTS, "review_budget": (5, 100)}, "were not stored"),
    ):
        with pytest.raises(OptionError, match=match):
            extra.decide(**wrong)
    with pytest.raises(OptionError, match="are not tables"):
        cp.wrap(np.linspace(0.1, 0.9, 40), np.arange(40) % 2).decide(**COSTS)
    with pytest.raises(OptionError, match="for two classes"):
        cp.wrap(np.random.default_rng(0).dirichlet([1, 1, 1], 90), np.arange(90) % 3).decide(**COSTS)
    with pytest.raises(OptionError, match="name of a column"):
        checked_cost_column("", 5)
    with pytest.raises(OptionError, match="were not stored"):
        cp.monitor(extra.decide(**COSTS), rows)


def test_evaluate_pays_what_was_missed(extra, rows):
    clf, new = extra.decide(**COSTS), rows[800:]
    cost = cp.evaluate(clf, new, resamples=5)["further"]["expected_cost"]["value"]
    missed, alert = (clf.predict(new) == "no"), (clf.predict(new) == "yes")
    fraud = (new["fraud"] == "yes").to_numpy()
    paid = np.where(fraud & missed, new["Amount"].to_numpy(), 0.0) + 5.0 * (alert & ~fraud)
    assert cost == pytest.approx(paid.mean())
    for aim in ({"threshold": 0.5}, {"threshold": 0.05}):
        other = cp.evaluate(extra.decide(**aim), new, cost_column="Amount", cost_fp=5, resamples=5)
        assert other["further"]["expected_cost"]["value"] > cost


def test_unclear_rows_go_to_a_human(extra, rows, tmp_path):
    clf = extra.decide(**COSTS, review_alpha=0.1)
    assert set(clf.predict(rows[800:])) == {"no", "yes", "review"}
    clf.export(tmp_path / "m")
    moved = clf.decide(**COSTS).predict(rows[800:], prior=0.4)
    p, amount = extra.predict_proba(rows[800:], prior=0.4)[:, 1], rows["Amount"][800:].to_numpy()
    assert ((moved == "yes") == (p * amount >= (1 - p) * 5)).all()


def test_a_wide_table_has_an_input_of_its_own_for_the_amounts(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, MOST_INPUTS + 4)).astype(np.float32)
    x[:, 3] = np.exp(x[:, 3] * 2)
    y = (rng.random(300) < 1 / (1 + np.exp(2 - 2 * x[:, 0]))).astype(int)
    clf = cp.fit("mlp", x, y, epochs=1, verbose=0).decide(cost_column="x3", cost_fp=1)
    p = clf.predict_proba(x)[:, 1]
    assert ((clf.predict(x) == 1) == (p * x[:, 3] >= 1 - p)).all()
    assert set(clf.keras_model().input) == {"numeric", "x3"}
    assert (cp.load(clf.save(tmp_path / "m.keras")).predict(x) == clf.predict(x)).all()
    clf.export(tmp_path / "m.tflite", "litert")


def test_a_rule_with_a_column_survives_its_dict(extra):
    rule = extra.decide(**COSTS).rule
    assert checked_rule(json.loads(json.dumps(rule_to_dict(rule)))).cost_column == rule.cost_column

"""`evaluate` and `export` as a person types them."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from leaderboard_schema import PER_PROBLEM
from typer.testing import CliRunner

import counterpoise as cp
from counterpoise.cli.evaluate import _show_scores, _threshold_advice
from counterpoise.cli.explain import _write_importance
from counterpoise.cli.main import app
from counterpoise.core.errors import CounterpoiseError, OptionError
from counterpoise.report.card_page import to_markdown
from counterpoise.strategies.select import find


@pytest.fixture(scope="module", name="root")
def _root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shipped")
    rng = np.random.default_rng(0)
    y = rng.random(500) < 0.2
    frame = pl.DataFrame({"v": rng.normal(size=500) + 2 * y, "sex": rng.choice(["f", "m"], 500), "ill": y})
    frame.write_csv(folder / "rows.csv")
    amount = np.exp(2 * np.random.default_rng(1).normal(size=500)).round(2)
    frame.with_columns(amount=amount).write_csv(folder / "amounts.csv")
    frame.with_columns(amount=-amount).write_csv(folder / "debts.csv")
    ill = rng.random(400) < 0.2
    fresh = pl.DataFrame({"v": rng.normal(size=400) + 2 * ill, "sex": rng.choice(["f", "m"], 400)})
    fresh.write_csv(folder / "new.csv")
    cp.fit("mlp", frame, "ill", strategy="none", epochs=15, batch_size=32, verbose=0).save(folder / "m.keras")
    return folder


def run(*words):
    done = CliRunner().invoke(app, [str(w) for w in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_labeled_rows(root, tmp_path, capsys):
    given = ("evaluate", root / "m.keras", root / "rows.csv", "--target", "ill")
    done = run(*given, "--out", tmp_path / "s.json", "--json")
    record = json.loads(done.stdout)
    assert list(record["metrics"]) == list(PER_PROBLEM)
    assert json.loads((tmp_path / "s.json").read_text()) == record
    (tmp_path / "costs.json").write_text('{"True": {"False": 20}, "False": {"True": 1}}')
    costs = json.loads(run(*given, "--costs", tmp_path / "costs.json", "--json").stdout)["further"]["expected_cost"]
    assert costs["low"] < costs["value"] < costs["high"]
    short = run(*given[:3], "--by", "sex", "--first", 50, "--out", tmp_path / "s.json").stdout
    lines = short.splitlines()
    assert "\x1b" not in short
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    for words in ("Decision threshold", "Recall ", "95% CI", "Calibration: ", "By sex", "add --full"):
        assert words in short, words
    capsys.readouterr()
    _show_scores(json.loads((tmp_path / "s.json").read_text()))  # as with --full
    full = capsys.readouterr().out
    for words in ("balanced_accuracy_uncorrected", "precision_first", "by sex, class", "difference from",
                  "probabilities of"):  # fmt: skip
        assert words in full, words


def test_rows_of_one_group_are_drawn_together(root, tmp_path):
    """Every row ten times: the numbers stay, and only by whole groups are the intervals as wide as they were."""
    rows = pl.read_csv(root / "rows.csv").head(60).with_row_index("patient")
    pl.concat([rows] * 10).write_csv(tmp_path / "copies.csv")
    rows.write_csv(tmp_path / "once.csv")
    by_rows, by_groups, alone = (
        json.loads(run("evaluate", root / "m.keras", tmp_path / file, *more, "--json").stdout)
        for file, more in (("copies.csv", ()), ("copies.csv", ("--groups", "patient")), ("once.csv", ()))
    )
    assert (by_rows["groups"], by_groups["groups"], by_groups["rows"]) == (None, 60, 600)
    width = [r["metrics"]["log_loss"]["high"] - r["metrics"]["log_loss"]["low"] for r in (by_rows, by_groups, alone)]
    assert by_groups["metrics"]["log_loss"]["value"] == pytest.approx(by_rows["metrics"]["log_loss"]["value"])
    assert width[1] > 2 * width[0]
    assert width[1] == pytest.approx(width[2], rel=0.5)
    output = run("evaluate", root / "m.keras", tmp_path / "copies.csv", "--groups", "patient").stdout
    assert "in 60 groups" in output
    with pytest.raises(CounterpoiseError, match="Did you mean 'patient'"):
        run("evaluate", root / "m.keras", tmp_path / "copies.csv", "--groups", "patients")


def test_unlabeled_rows(root):
    record = json.loads(run("evaluate", root / "m.keras", root / "new.csv", "--unlabeled", "--json").stdout)
    assert record["classes"][1]["low"] <= record["classes"][1]["share_now"] <= record["classes"][1]["high"]
    assert [c["label"] for c in record["classes"]] == ["False", "True"]
    output = run("evaluate", root / "m.keras", root / "new.csv", "--unlabeled").stdout
    assert "The threshold" in output
    assert "becomes" not in output  # the shares may be what they were
    assert "--prior" not in output


def test_a_moved_share_moves_the_threshold():
    record = {
        "threshold_before": 0.4,
        "threshold_now": 0.2,
        "classes": [{}, {"share_before": 0.2, "share_now": 0.08, "low": 0.05, "high": 0.1}],
    }
    assert _threshold_advice(record) == [
        "The threshold 0.4 becomes 0.2.",
        "For rows like these, run: counterpoise predict ... --prior 0.08",
    ]
    record["classes"][1]["high"] = 0.2
    remains = "The threshold remains 0.4, because the class proportions have not clearly changed."
    assert _threshold_advice(record) == [remains]


def test_card_pages(root, tmp_path):
    run("evaluate", root / "m.keras", root / "rows.csv", "--by", "sex", "--out", tmp_path / "s.json")
    pages = {name: tmp_path / name for name in ("README.md", "card.html")}
    for page in pages.values():
        run("card", root / "m.keras", "--evaluation", tmp_path / "s.json", "--out", page)
    text, html = (page.read_text() for page in pages.values())
    assert text.startswith("---\nlibrary_name: keras\n")
    for words in ("## Data", "By sex, class True", "Decision threshold", "Scores on other rows", 'cp.load("m.keras")'):
        assert words in text, words
    assert "<h2>By sex, class True</h2>" in html
    assert "<script" not in html
    with pytest.raises(OptionError, match=r"must end in \.html or \.md"):
        run("card", root / "m.keras", "--out", tmp_path / "card.pdf")
    with pytest.raises(OptionError, match="--evaluation"):
        run("card", root / "m.keras", "--evaluation", root / "rows.csv", "--out", tmp_path / "x.html")


@pytest.mark.parametrize("strategy", ["none", "threshold"])
def test_a_card_describes_training_and_decision_apart(root, strategy):
    """The strategy's sentence stays true after another threshold is set."""
    card = dict(cp.load(root / "m.keras").decide(threshold=0.123456).card)
    text = to_markdown({**card, "strategy": strategy, "idea": find(strategy).idea})
    assert "predicts 'True' (the positive class) or 'False'" in text
    assert "Decision threshold: 0.123456." in text
    assert "0.5" not in text.split("## Decision")[0]
    assert "default threshold" not in text
    assert text.count("Average precision") == 1


def test_the_card_of_labels_lists_each_threshold_and_score(tmp_path):
    rng = np.random.default_rng(0)
    p, y = rng.random((60, 2)), rng.integers(0, 2, (60, 2))
    clf = cp.wrap(p, cp.labels(y), classes=["mass", "edema"])
    text = to_markdown(clf.card, evaluation=cp.evaluate(clf, p, cp.labels(y), resamples=10))
    assert "predicts 2 labels per row: 'mass', 'edema'" in text
    assert text.count("Scores are means over the labels.") == 2
    assert "nan" not in text
    for label, one in zip(("mass", "edema"), clf.rule.problem_rules, strict=True):
        assert f"| {label} | {one.threshold:.3g} |" in text


def test_why(root, tmp_path):
    shown = run("explain", root / "m.keras", root / "rows.csv", "--out", tmp_path / "why.json").stdout
    assert "average precision lost" in shown
    assert json.loads((tmp_path / "why.json").read_text())["columns"][0]["columns"] == ["v"]
    record = json.loads((tmp_path / "why.json").read_text())
    for name, start in (("why.html", b"<!doctype html>"), ("why.svg", b"<svg"), ("why.png", b"\x89PNG")):
        _write_importance(tmp_path / name, record, "m.keras")
        assert (tmp_path / name).read_bytes().startswith(start)
    rows = pl.read_csv(root / "new.csv").head(5)
    rows.write_csv(tmp_path / "five.csv")
    done = run("predict", root / "m.keras", tmp_path / "five.csv", "--reasons", 1, "--background", root / "new.csv")
    assert done.stdout.startswith("probability,decision,reason_1,reason_1_effect")
    with pytest.raises(OptionError, match="requires --reasons"):
        run("predict", root / "m.keras", root / "new.csv", "--background", root / "new.csv")


def test_export(root, tmp_path):
    output = run("export", root / "m.keras", "--format", "saved_model", "--out", tmp_path / "served")
    assert "saved" in output.stdout
    assert (tmp_path / "served" / "schema.json").exists()


def test_train_with_a_guarantee(root, tmp_path):
    done = run(
        "train", root / "rows.csv", "--target", "ill", "--strategy", "none", "--epochs", 2, "--guarantee-rows", 0.4,
        "--model", "mlp", "--recall-floor", 0.8, "--confidence", 0.9, "--out", tmp_path / "m.keras",
    )  # fmt: skip
    assert "This is guaranteed by" in done.stdout
    assert cp.load(tmp_path / "m.keras").card["threshold"]["word"] == "guarantee"


def test_refusals(root, tmp_path):
    with pytest.raises(OptionError, match="cannot be combined"):
        run("evaluate", root / "m.keras", root / "rows.csv", "--unlabeled", "--target", "ill")
    with pytest.raises(CounterpoiseError, match="lacks the target column"):
        run("evaluate", root / "m.keras", root / "new.csv")
    with pytest.raises(OptionError, match="Column 'v' contains a negative value in row"):
        run("evaluate", root / "m.keras", root / "rows.csv", "--cost-column", "v")
    with pytest.raises(OptionError, match="--by needs labels"):
        run("evaluate", root / "m.keras", root / "rows.csv", "--unlabeled", "--by", "sex")
    with pytest.raises(OptionError, match="no export format"):
        run("export", root / "m.keras", "--format", "pickle", "--out", tmp_path / "x")
    with pytest.raises(OptionError, match="--confidence requires"):
        run("train", root / "rows.csv", "--target", "ill", "--strategy", "none", "--confidence", 0.9,
            "--out", tmp_path / "m.keras")  # fmt: skip


def test_train_decides_by_costs_and_leaves_rows_to_a_human(root, tmp_path):
    (tmp_path / "costs.json").write_text('{"True": {"False": 20}, "False": {"True": 1}}')
    how = ("train", root / "rows.csv", "--target", "ill", "--model", "mlp", "--epochs", 2, "--strategy", "none")
    done = run(*how, "--costs", tmp_path / "costs.json", "--out", tmp_path / "m.keras")
    assert "decision threshold 0.04762 (chosen for costs)" in done.stdout
    done = run(*how, "--review-alpha", 0.2, "--out", tmp_path / "m.keras")
    assert "goes to a human. On average, at most 20% of the rows of each class are decided wrongly" in done.stdout
    with pytest.raises(OptionError, match="--costs and --alerts cannot be combined"):
        run(*how, "--costs", tmp_path / "costs.json", "--alerts", 5, "--out", tmp_path / "m.keras")


def test_train_decides_by_a_column(root, tmp_path):
    how = ("--target", "ill", "--model", "mlp", "--epochs", 2, "--strategy", "none", "--out", tmp_path / "m.keras")
    costs = ("--cost-column", "amount", "--cost-fp", 2)
    done = run("train", root / "amounts.csv", *how, *costs, "--drop", "amount", "--review-alpha", 0.2)
    assert "A missed case costs the amount in column 'amount', and a false positive costs 2." in done.stdout
    clf = cp.load(tmp_path / "m.keras")
    assert {c.name for c in clf.schema.columns} == {"v", "sex"}
    assert "recall" in clf.card["metrics"]  # the amounts of the rows are stored with their scores
    frame = pl.read_csv(root / "amounts.csv")
    p = clf.decide(cost_column="amount", cost_fp=2).predict_proba(frame)[:, 1]
    decided = pl.read_csv(
        run("predict", tmp_path / "m.keras", root / "amounts.csv").stdout.encode(), infer_schema=False
    )["decision"]
    positive = p * frame["amount"].to_numpy() >= (1 - p) * 2
    kept = (decided != "review").to_numpy()
    assert ((decided == "True").to_numpy() == positive)[kept].mean() > 0.9
    budget = clf.decide(cost_column="amount", cost_fp=2, review_budget=(10, 100))
    assert 0.05 < np.mean(budget.predict(frame) == "review") < 0.2
    assert cp.monitor(clf, frame).flagged_before.sum() == pytest.approx(1)
    run("train", root / "amounts.csv", *how, *costs)
    assert "amount" in {c.name for c in cp.load(tmp_path / "m.keras").schema.columns}  # else it stays a feature
    for table, words, match in (
        ("debts.csv", costs, "'amount' contains a negative value in rows 1, 2"),
        ("rows.csv", costs, "'amount' is not a column of"),
        ("amounts.csv", costs[:2], "--cost-column contains the cost of a missed case. Add --cost-fp"),
        ("amounts.csv", (*costs, "--cost-fn", 2), "Remove --cost-fn"),
        ("amounts.csv", (*costs, "--alerts", 5), "--cost-column and --alerts cannot be combined"),
    ):
        with pytest.raises(CounterpoiseError, match=match):
            run("train", root / table, *how, *words)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("predict", "new.csv", "--skip-bad"), "--skip-bad is for images"),
        (("predict", "new.csv", "--root", "."), "--root requires --images"),
        (("evaluate", "rows.csv", "--root", "."), "--root requires --images"),
        (("predict", "new.csv", "--out", "p.parquet"), "must end in .csv"),
        (("evaluate", "rows.csv", "--out", "e.csv"), "must end in .json"),
        (("explain", "rows.csv", "--out", "e.csv"), "must end in .html or .svg"),
    ],
)
def test_options_without_an_effect_and_names_of_other_formats_are_refused(root, tmp_path, words, fault):
    command, data, option, *value = words
    value = [tmp_path / name if option == "--out" else name for name in value]
    with pytest.raises(CounterpoiseError, match=fault):
        run(command, root / "m.keras", root / data, option, *value)
    assert not list(tmp_path.iterdir())

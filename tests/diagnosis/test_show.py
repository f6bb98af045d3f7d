from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console

from counterpoise.data.read import read
from counterpoise.diagnosis.diagnose import diagnose

TABLE = {"a[b]": [1.5, 1.5, 2, 3, 4], "<i>": list("uvuvu"), "same": [1] * 5}
Y = ["no", "yes", "no", "no", "no"]


@pytest.fixture(scope="module")
def diagnosis():
    return diagnose(TABLE, Y)


def test_plain_text_shows_classes_facts_and_advice(diagnosis):
    lines = str(diagnosis).splitlines()
    assert any(line.split() == ["yes", "*", "1", "20.00%"] for line in lines)
    assert any("same: has one value" in line for line in lines)
    assert "Advice" in lines
    assert repr(diagnosis) == str(diagnosis)


def test_rich_html_and_dict_tell_the_same(diagnosis):
    console = Console(width=400, record=True, file=StringIO())
    console.print(diagnosis)
    shown, page = console.export_text(), diagnosis._repr_html_()
    for advice in diagnosis.advice:
        assert advice.text in shown
    assert "20.00%" in shown
    assert "20.00%" in page
    plain = diagnosis.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert [a["text"] for a in plain["advice"]] == [a.text for a in diagnosis.advice]


def test_names_of_columns_are_no_markup():
    page = diagnose({"<b>": [1.0, 1.0, 1.0], "a": [1.5, 2, 3]}, [0, 1, 1])._repr_html_()
    assert "<b>:" not in page
    assert "&lt;b&gt;: has one value" in page


def test_examples_that_were_read_are_not_read_again(diagnosis):
    assert diagnose(read(TABLE, y=Y)).to_dict() == diagnosis.to_dict()


def test_of_many_classes_the_largest_and_the_rarest_are_shown():
    y = [c for c in range(40) for _ in range(c + 2)]
    text = str(diagnose({"a": [float(i) for i in range(len(y))]}, y))
    assert "... 20 more" in text
    assert len(text.splitlines()) < 60


def test_options_of_read_pass_through(tmp_path):
    (tmp_path / "a.csv").write_text("a,b,y\n1,2,u\n2,5,v\n3,1,v\n")
    diagnosis = diagnose(tmp_path / "a.csv", target="y", positive="v", drop=["b"], folds=2)
    assert diagnosis.record.minority == "v"
    assert diagnosis.record.used == ("a",)
    assert diagnosis.record.folds == 2

"""The glossary, kept: words that were retired from names, messages, docstrings and pages, and British spellings."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md"),
    *(ROOT / "examples").glob("*.py"),
]  # fmt: skip
CODE = [
    *(ROOT / "counterpoise").rglob("*.py"), *(ROOT / "counterpoise").rglob("*.j2"),
    *(ROOT / "benchmarks").rglob("*.py"),
]  # fmt: skip
#: What only developers read.
TOOLS = [
    *(p for p in (ROOT / "tests").rglob("*.py") if p.name != "test_words.py"),
    *(ROOT / "requirements").glob("*.py"), *(ROOT / "docs").rglob("*.py"), ROOT / "Makefile", ROOT / "pyproject.toml",
]  # fmt: skip
PERCENT = r"[0-9] %(?![a-z(}`\"])"

#: Pattern -> what to write.
RETIRED = {
    r"untouched": "baseline",
    r"told apart|tell\w* \w+ apart|told from": "significantly different; separate",
    r"\btwins?\b": "duplicate",
    r"\bknobs?\b": "hyperparameter",
    r"\bentrants?\b": "external model",
    r"\braces?\b|\braced\b|\bracing\b|\bheats\b": "comparison",
    r"\bpromis(e|es|ed|ing)\b": "guarantee",
    r"\bAUROC\b|ROC area": "ROC AUC",
    r"\bundecided\b": "inconclusive",
    r"true probabilities": "corrected probabilities",
    r"\banew\b|\bafresh\b|once more": "again; in each epoch",
    r"leak guard": "leakage check",
    r"\bsome (\d+|dozens?|tens|hundreds?)\b": "about",
    PERCENT: "98%",
}
#: British spellings, by stem.
BRITISH = re.compile(
    r"(normalis|realis|optimis|minimis|maximis|standardis|regularis|recognis|memoris|summaris|generalis|factoris"
    r"|initialis|serialis|parametris|tokenis|vectoris|discretis|randomis|categoris|visualis|penalis|utilis|organis)"
    r"(e|ed|es|ing|ation)\b|\b(colou?rs?|grey|centre|behaviour|neighbours?|artefacts?|catalogue|labelled|labelling"
    r"|modelled|modelling|cancelled|favour\w*|judgement|licence)\b",
    re.IGNORECASE,
)
#: American words that the pattern above also finds, and names of others that are spelled so.
KEEP = re.compile(
    r"\bcolors?\b|\w*NearestNeighbours?\b|\w*nearest_neighbours?\b|neighbourhood_cleaning_rule", re.IGNORECASE
)
#: Names of variables, fields, functions and parameters that name nothing.
NAMES = {
    "said",
    "told",
    "apart",
    "twins",
    "untouched",
    "race",
    "races",
    "entrant",
    "knob",
    "promise",
    "beside",
    "found",
    "place",
    "once",
}


def faults(text: str, leave: str = "") -> Iterator[str]:
    """Each retired word or British spelling, with the line; `leave` is a pattern that may occur."""
    for pattern, better in RETIRED.items():
        for match in re.finditer(pattern, text, re.IGNORECASE) if pattern != leave else ():
            yield f"{line_of(match)}: {match[0]!r} -> {better}"
    for match in BRITISH.finditer(KEEP.sub("", text)):
        yield f"{line_of(match)}: {match[0]!r} is British"


def line_of(match: re.Match[str]) -> int:
    return match.string.count("\n", 0, match.start()) + 1


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "CHANGELOG.md"], ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_keep_the_glossary(page):
    assert list(faults(page.read_text(encoding="utf-8"))) == []


def test_the_code_keeps_the_glossary():
    faults_of = {str(path.relative_to(ROOT)): list(faults(path.read_text(encoding="utf-8"))) for path in CODE}
    assert {path: lines for path, lines in faults_of.items() if lines} == {}


def test_tests_and_tools_keep_the_glossary():
    """But for "% of a number", which is arithmetic there."""
    faults_of = {str(path.relative_to(ROOT)): list(faults(path.read_text(encoding="utf-8"), PERCENT)) for path in TOOLS}
    assert {path: lines for path, lines in faults_of.items() if lines} == {}


def test_no_name_says_nothing():
    """`message`, `proba`, `decision`, `matches`: the noun of what it holds."""
    bad: dict[str, set[str]] = {}
    for path in (p for p in (*CODE, *TOOLS) if p.suffix == ".py"):
        text = path.read_text(encoding="utf-8")
        if not re.search(rf"\b({'|'.join(NAMES)})\b", text):  # the tokenizer is slow
            continue
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        if words := {token.string for token in tokens if token.type == tokenize.NAME} & NAMES:
            bad[str(path.relative_to(ROOT))] = words
    assert bad == {}


def test_the_check_finds_what_it_is_for():
    assert len(list(faults("The untouched model\nis 98 % accurate\nand normalised."))) == 3
    assert list(faults("The color of EditedNearestNeighbours is 98% gray.")) == []

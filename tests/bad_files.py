"""Files that cannot be used as asked: what is wrong, how to make it, and what the refusal must say.

A case is written for the command line too: `data` and `arguments` are what a person types after a command, `options`
is the same for the function.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

GOOD = "a,b,y\n1,2,no\n2,3,yes\n3,4,no\n4,6,no\n"


@dataclass(frozen=True)
class Case:
    """A file that cannot be used as asked.

    Attributes:
        name: What is wrong.
        make: Writes the file(s) into a folder.
        words: Each must stand in the message.
        data: The file to name, inside the folder.
        arguments: Data options of the command line.
        options: The same for `read`.
    """

    name: str
    make: Callable[[Path], object]
    words: tuple[str, ...]
    data: str = "data.csv"
    arguments: tuple[str, ...] = ("--target", "y")
    options: dict[str, Any] = field(default_factory=lambda: {"target": "y"})


def text(content: str | bytes, name: str = "data.csv") -> Callable[[Path], object]:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(raw)


def cut_parquet(folder: Path) -> None:
    pl.DataFrame({"a": [1.5, 2.5], "y": [0, 1]}).write_parquet(folder / "data.parquet")
    whole = (folder / "data.parquet").read_bytes()
    (folder / "data.parquet").write_bytes(whole[: len(whole) // 2])


def with_options(*arguments: str, **options: Any) -> dict[str, Any]:
    return {"arguments": ("--target", "y", *arguments), "options": {"target": "y", **options}}


CASES = (
    Case("one class only", text("a,y\n1,no\n2,no\n"), ("'y'", "one class", "'no'")),
    Case("missing labels", text("a,y\n1,no\n2,\n3,yes\n4,NA\n"), ("'y'", "missing", "rows 2, 4", "--skip-bad")),
    Case(
        "no such target",
        text(GOOD.replace("y\n", "outcome\n", 1)),
        ("'outcom'", "Did you mean 'outcome'"),
        arguments=("--target", "outcom"),
        options={"target": "outcom"},
    ),
    Case("a long line", text(GOOD + "1,2,no,5\n"), ("line 6", "4 fields", "Expected 3")),
    Case("a short line", text("a,b,y\n1,2,no\n2,yes\n"), ("line 3", "2 fields", "Expected 3")),
    Case("an open quote", text('a,b,y\n1,"2,no\n2,3,yes\n'), ("line 2",)),
    Case("two columns with the same name", text("a,a,y\n1,2,no\n2,3,yes\n"), ("'a'", "more than once")),
    Case("latin-1 text", text("a,y\nx,no\ncafé,yes\n".encode("latin-1")), ("line 3", "0xe9", "UTF-8")),
    Case("utf-16 text", text(GOOD.encode("utf-16")), ("UTF-16", "UTF-8")),
    Case("gzip data", text(gzip.compress(GOOD.encode())), ("gzip-compressed", "gunzip")),
    Case("a workbook", text(b"PK\x03\x04more"), ("zip archive or an Excel workbook",)),
    Case("a JSON file", text('[{"a": 1, "y": "no"}]'), ("JSON", "not CSV text")),
    Case("an error page", text("\n<!DOCTYPE html><html>gone</html>"), ("HTML", "error page")),
    Case("Parquet named CSV", text(b"PAR1more"), ("Parquet (name it FILE.parquet)",)),
    Case("an empty file", text(""), ("data.csv", "empty")),
    Case("a header only", text("a,b,y\n"), ("data.csv", "header", "no rows")),
    Case("an infinite number", text("a,y\n1,no\ninf,yes\n3,no\n"), ("'a'", "infinite", "row 2")),
    Case("a number beyond float32", text("a,y\n1,no\n1e300,yes\n3,no\n"), ("'a'", "float32", "row 2")),
    Case("no such file", text(GOOD, "data2.csv"), ("does not exist", "Did you mean", "data2.csv")),
    Case("a folder", lambda folder: (folder / "data.csv").mkdir(), ("is a folder",)),
    Case("an unknown file type", text(GOOD, "data.xlsx"), ("'.xlsx'", ".csv", ".parquet"), data="data.xlsx"),
    Case("a damaged Parquet file", cut_parquet, ("data.parquet", "damaged"), data="data.parquet"),
    Case("an empty Parquet file", text(b"", "data.parquet"), ("data.parquet", "empty"), data="data.parquet"),
    Case("numbers as labels", text("a,y\n1,0.5\n2,0.7\n3,0.9\n"), ("'y'", "0.5", "not classes")),
    Case(
        "positive of three classes",
        text("a,y\n1,u\n2,v\n3,w\n"),
        ("u, v, w", "--one-vs-rest u"),
        **with_options("--positive", "u", positive="u"),
    ),
    Case(
        "no such class",
        text(GOOD),
        ("yess", "Did you mean 'yes'"),
        **with_options("--positive", "yess", positive="yess"),
    ),
    Case(
        "no such class to merge",
        text("a,y\n1,u\n2,v\n3,w\n"),
        ("x", "is not a class", "u, v, w"),
        **with_options("--merge-rare", "u,x", merge_rare=("u", "x")),
    ),
    Case("no such column to drop", text(GOOD), ("'c'", "a, b, y"), **with_options("--drop", "c", drop=("c",))),
    Case(
        "no such group column", text(GOOD), ("'bb'", "Did you mean 'b'"), **with_options("--groups", "bb", groups="bb")
    ),
    Case(
        "a time that is no time",
        text("a,t,y\n1,2024-01-01,no\n2,soon,yes\n"),
        ("t", "'soon'", "row 2"),
        **with_options("--time", "t", time="t"),
    ),
    Case(
        "a missing group",
        text("a,g,y\n1,p,no\n2,,yes\n"),
        ("groups", "g", "no value in row 2"),
        **with_options("--groups", "g", groups="g"),
    ),
    Case(
        "no row left",
        text("a,y\ninf,no\n1,\n"),
        ("No row", "data.csv", "row 2", "row 1"),
        **with_options("--skip-bad", skip_bad=True),
    ),
    Case("labels beyond whole numbers", text("a,y\n1,1e30\n2,2\n"), ("'y'", "row 1", "not classes")),
    Case("no column left", text("a,y\n1,no\n1,yes\n"), ("No column", "'a' has one value")),
    Case("no column but the target", text("y\nno\nyes\n"), ("No column", "data.csv")),
)

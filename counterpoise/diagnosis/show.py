"""A diagnosis to look at: plain text, rich tables and HTML, all from one record.

All forms share the lines of `_facts`, which the report of a comparison shows too.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from counterpoise.core.terminal_text import terminal_text
from counterpoise.diagnosis.advise import Advice, advise
from counterpoise.diagnosis.guard import Check, leak_checks, refuse_leaks
from counterpoise.diagnosis.measure import DiagnosisRecord

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

#: Classes that are listed one by one.
_MOST_CLASSES = 20


@dataclass(frozen=True)
class Diagnosis:
    """The diagnosis of some rows: print it, or read `record` and `advice`.

    Attributes:
        record: The numbers that were measured.

    Example:
        >>> import counterpoise as cp
        >>> diagnosis = cp.diagnose([[0.0], [1.0], [2.0], [3.0], [4.0]] * 4, [0, 0, 0, 0, 1] * 4, quick=False)
        >>> diagnosis.record.imbalance_ratio
        4.0
    """

    record: DiagnosisRecord

    @property
    def advice(self) -> tuple[Advice, ...]:
        """The advice, with the most urgent first."""
        return advise(self.record)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The leakage checks and their findings."""
        return leak_checks(self.record)

    def check(self) -> Diagnosis:
        """Raise an error if the data may leak, and return the diagnosis otherwise.

        Raises:
            LeakError: A column alone predicts the label, many rows are repeated, or there are near-duplicates. The
                message names all of them.
        """
        refuse_leaks(self.checks)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return record, facts in words, leakage checks, and advice as JSON values."""
        facts = [list(fact) for fact in _facts(self.record)]
        checks, advice = [c.to_dict() for c in self.checks], [a.to_dict() for a in self.advice]
        return {**self.record.to_dict(), "facts": facts, "checks": checks, "advice": advice}

    def __str__(self) -> str:
        """Return the diagnosis as plain text, with its warnings and advice."""
        rows = _class_rows(self.record)
        lines = [f"Diagnosis of {self.record.source}", "", *_plain_table(("class", "rows", "share"), rows), ""]
        lines += [f"{name:<24}{value}" for name, value in _facts(self.record)]
        lines += _section("Noticed", self.record.warnings)
        lines += _section("Advice", [f"{a.text}\n    {a.reason}" for a in self.advice])
        return terminal_text("\n".join(lines))

    __repr__ = __str__

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the parts that rich prints, with leakage checks only where they noticed something."""
        from rich import box
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        yield Text(f"Diagnosis of {self.record.source}", style="bold")
        classes = Table("class", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for name in ("rows", "share"):
            classes.add_column(name, justify="right")
        yield _rich_table(classes, _class_rows(self.record))
        yield _rich_table(Table("", "", show_header=False, box=None, pad_edge=False), _facts(self.record))
        looks = [(c.name, f"{c.finding} {c.action}".strip()) for c in self.checks if c.status == "look"]
        if looks:
            yield Text("\nLeakage checks", style="bold yellow")
            yield _rich_table(Table("", "", show_header=False, box=None, pad_edge=False), looks)
        for warning in self.record.warnings:
            yield Text(f"! {warning}", style="yellow")
        yield Text("\nAdvice", style="bold")
        for advice in self.advice:
            yield Text.assemble(("> ", "cyan"), (advice.text, "bold"))
            yield Padding(Text(advice.reason), (0, 0, 0, 2))

    def _repr_html_(self) -> str:
        """Return the diagnosis as HTML for notebooks, with all text escaped."""
        escape = html.escape
        classes = _html_table(("class", "rows", "share"), _class_rows(self.record))
        facts = _html_table((), list(_facts(self.record)))
        checks = _html_table(
            ("check", "", "finding"), [(c.name, c.status, f"{c.finding} {c.action}".strip()) for c in self.checks]
        )
        noticed = "".join(f"<li>{escape(w)}</li>" for w in self.record.warnings)
        advised = "".join(f"<li><b>{escape(a.text)}</b><br>{escape(a.reason)}</li>" for a in self.advice)
        title = f"<h4>Diagnosis of {escape(self.record.source)}</h4>"
        leaks = f"<details><summary>Leakage checks</summary>{checks}</details>"
        return f"<div>{title}{classes}{facts}<ul>{noticed}</ul>{leaks}<h5>Advice</h5><ul>{advised}</ul></div>"


def _class_rows(r: DiagnosisRecord) -> list[tuple[str, str, str]]:
    """Return label, count and share of each class as text, largest first.

    The rarest class is marked by a star. Of more than `_MOST_CLASSES`, only the largest and the rarest are listed.
    """
    ordered = sorted(r.classes, key=lambda c: -c.count)
    rows = [
        (c.label + (" *" if c.label == r.minority else ""), f"{c.count:,}", f"{100 * c.share:.2f}%") for c in ordered
    ]
    if len(rows) <= _MOST_CLASSES:
        return rows
    half = _MOST_CLASSES // 2
    return [*rows[:half], (f"... {len(rows) - 2 * half} more", "", ""), *rows[-half:]]


def _facts(r: DiagnosisRecord) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line of the short summary."""
    yield "rows", f"{r.rows:,}"
    yield "columns", f"{r.columns:,}" + (f" ({len(r.used):,} used)" if r.used else "")
    for reason in dict.fromkeys(r.excluded.values()):
        yield "left out", f"{_listed_names([n for n, why in r.excluded.items() if why == reason])}: {reason}"
    if r.missing:
        yield "missing values", _most_missing(r)
    yield "rare class", r.minority
    yield "imbalance ratio", f"{r.imbalance_ratio:,.1f} to 1"
    yield "majority accuracy", f"{100 * r.majority_accuracy:.2f}% if the largest class is always predicted"
    if r.duplicates is not None:
        yield (
            "duplicate rows",
            f"{r.duplicates:,} ({100 * r.duplicates / r.rows:.1f}%), {r.conflicting:,} with conflicting labels",
        )
    if r.groups is not None:
        yield "groups", f"{r.groups:,}"
    yield (
        f"in each of {r.folds} folds",
        f"{r.positives_per_fold:,.1f} rare rows; a recall of 0.8 has a 95% CI of ±{r.half_width_fold:.2f}",
    )
    yield "in all folds", f"a recall of 0.8 has a 95% CI of ±{r.half_width_total:.2f}"
    yield (
        "possible folds",
        f"up to {r.largest_folds:,}" if r.largest_folds else "none, because the rarest class is too small",
    )
    if r.kinds is not None:
        yield "kinds of rare rows", ", ".join(f"{kind} {count:,}" for kind, count in r.kinds.items())
    yield from _quick_facts(r)
    for name, area in (r.leaks or {}).items():
        yield "possible leak", f"{name}: ROC AUC {area:.3f} alone"


def _quick_facts(r: DiagnosisRecord) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line on near-duplicates and the quick model, if measured."""
    if r.near is not None:
        sample = f" ({r.compared:,} rows compared)" if r.compared < r.rows else ""
        yield "near-duplicates", f"{max(0, r.near - (r.duplicates or 0)):,} in addition to equal rows{sample}"
    if r.quick is None:
        return
    q, d, s = r.quick, r.quick.doubling, r.quick.suspicion
    yield (
        "quick model",
        f"average precision {q.average_precision:.2f}, ROC AUC {q.roc_auc:.3f} ({q.model}, {q.rows:,} rows)",
    )
    yield "overlap of the classes", f"{100 * q.overlap:.0f}% of the scores (0% = separate, 100% = the same)"
    yield (
        "labels that look wrong",
        f"up to {100 * s.share:.1f}% of all rows, {100 * s.leaving:.0f}% of the rare rows",
    )
    yield "doubling the positives", f"changed average precision by {d.gain:+.3f} [{d.low:+.3f}, {d.high:+.3f}]"


def _listed_names(names: Sequence[str]) -> str:
    """Return the first 8 names as text, and of more also how many there are."""
    return ", ".join(names[:8]) + (f", ... ({len(names)} columns)" if len(names) > 8 else "")


def _most_missing(r: DiagnosisRecord) -> str:
    """Return the five columns with most missing values, each with its share, as text."""
    ordered = sorted(r.missing.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{name} {100 * count / r.rows:.1f}%" for name, count in ordered[:5])
    return listed + (f", ... ({len(ordered)} columns)" if len(ordered) > 5 else "")


def _plain_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table as text: the first column aligned left, the others right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])

    return [line(head), "  ".join("-" * w for w in widths), *(line(row) for row in rows)]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    """Return the lines of a section of plain text; [] if it has none."""
    return ["", title, *(f"  - {line}" for line in lines)] if lines else []


def _rich_table(table: Any, rows: Any) -> Any:
    """Add rows to a rich table as literal text, and return the table."""
    from rich.text import Text

    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as HTML with all text escaped; an empty `head` gives no line of heads."""
    top = "<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + "</tr>" if head else ""
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table>{top}{body}</table>"

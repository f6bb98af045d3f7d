"""The verdict as the page says it: one sentence, what stands below it, and the evidence in figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from counterpoise.report import words
from counterpoise.report.series import styles
from counterpoise.report.tables import PER, Record, Row, binary_counts, row_of


def verdict(record: Record) -> Row:
    """Return the verdict: its word, one sentence for the top, one below it, the rest, and the evidence."""
    given = record.get("verdict") or {}
    text = str(given.get("text") or _own_sentence(record, given))
    head, after = first_sentence(text)
    lead, rest = first_sentence(after)
    winner = row_of(record, given.get("winner"))
    told = {"head": head, "lead": lead, "rest": rest, "evidence": _evidence(record, winner)}
    return {"word": given.get("word", ""), **told}


def first_sentence(text: str) -> tuple[str, str]:
    """Split after the first sentence (a full stop, a blank, a capital letter).

    Example:
        >>> first_sentence("About 0.5 more. Use it.")
        ('About 0.5 more.', 'Use it.')
    """
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _own_sentence(record: Record, given: Mapping[str, Any]) -> str:
    if row_of(record, given.get("winner")) is None:
        return "No verdict: no strategy could be judged."
    looks = styles(record)
    winner = looks[given["winner"]].title
    tied = ", ".join(looks[t].title for t in given.get("tied_with") or [] if t in looks)
    if given.get("word") == "better":
        return f"{winner} is better than the rest."
    return f"{winner} scored highest" + (f", but cannot be told from: {tied}." if tied else ".")


def _evidence(record: Record, winner: Mapping[str, Any] | None) -> list[Row]:
    if winner is None:
        return []
    key = record["metric"]
    title = styles(record)[winner["strategy"]].title
    value, span = words.interval((winner.get("scores") or {}).get(key))
    facts = [{"label": f"{words.capital(words.metric(key))}, {title}", "value": value, "detail": _confidence(span)}]
    against = (winner.get("vs_none") or {}).get(key)
    if against and winner["strategy"] != "none":
        value, span = words.interval(against, sign=True, at="difference")
        p = words.probability(against.get("p"))
        detail = _confidence(span) + (f", p {p}" if p != words.NOTHING else "")
        facts.append({"label": "Difference to the untouched model", "value": value, "detail": detail})
    return facts + _cases(record, winner["strategy"])


def _confidence(span: str) -> str:
    return f"95 % interval {span}" if span else ""


def _cases(record: Record, winner: str) -> list[Row]:
    """Per 10,000 cases, how many more are found and how many more false alarms are raised."""
    counts = [binary_counts(record, name) for name in (winner, "none")]
    if winner == "none" or None in counts:
        return []
    new, old = ({k: PER * v / sum(c.values()) for k, v in c.items()} for c in counts if c)
    found, alarms = new["tp"] - old["tp"], new["fp"] - old["fp"]
    label = f"Rare cases found in {PER:,}, against untouched"
    detail = f"and {words.number(abs(alarms), 1)} {'more' if alarms >= 0 else 'fewer'} false alarms"
    return [{"label": label, "value": words.number(found, 1, sign=True), "detail": detail}]

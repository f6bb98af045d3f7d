"""The verdict as the page says it: one sentence, what stands below it, and the evidence in figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from counterpoise.report import board, words
from counterpoise.report.series import styles
from counterpoise.report.tables import PER, Record, Row, row_of


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
    value, span = board.scores(record)[winner["strategy"]]
    facts = [{"label": f"{words.capital(words.metric(key))}, {title}", "value": value, "detail": _confidence(span)}]
    if against := board.against(record, winner):
        value, span = board.gains(record)[winner["strategy"]]
        p = words.probability(against.get("p"))
        detail = _confidence(span) + (f", p {p}" if p != words.NOTHING else "")
        facts.append({"label": "Difference to the untouched model", "value": value, "detail": detail})
    return facts + _chosen_anew(record) + _effect(record) + _cost(record, winner)


def _confidence(span: str) -> str:
    return f"95 % interval {span}" if span else ""


def _named(record: Record, name: str) -> str:
    looks = styles(record)
    return looks[name].title if name in looks else words.strategy(name)


def _chosen_anew(record: Record) -> list[Row]:
    """The score of the choice itself, on rows that chose nothing, and what was chosen how often."""
    inside = record.get("nested")
    if not inside:
        return []
    value, span = words.interval(inside)
    picked = Counter(inside.get("chosen") or [])
    told = ", ".join(f"{_named(record, name)} {times} ×" for name, times in picked.most_common())
    label = f"{words.capital(words.metric(record['metric']))} of a winner chosen anew in each fold"
    return [{"label": label, "value": value, "detail": "; ".join(part for part in (_confidence(span), told) if part)}]


def _effect(record: Record) -> list[Row]:
    """Among so many cases, how many more are found and how many more false alarms are raised."""
    effect = (record.get("verdict") or {}).get("effect")
    if not effect or effect["strategy"] == "none":
        return []
    whose = f"Cases of “{effect['label']}” found" if effect.get("classes") else "Cases found"
    label = f"{whose} in {effect['per']:,}, {_named(record, effect['strategy'])} against untouched"
    alarms = effect["false_alarms"]
    detail = f"and {words.change(abs(alarms)).lstrip('+')} {'more' if alarms >= 0 else 'fewer'} false alarms"
    return [{"label": label, "value": words.change(effect["found"]), "detail": detail}]


def _cost(record: Record, winner: Mapping[str, Any]) -> list[Row]:
    """What so many cases cost with the winner, and what they cost with the untouched model."""
    prices, cost = record.get("costs"), winner.get("cost")
    if not prices or not words.finite(cost):
        return []
    before = (row_of(record, "none") or {}).get("cost")
    against = f"untouched {words.number(before, 0)}; " if words.finite(before) and winner["strategy"] != "none" else ""
    label = f"Cost of {PER:,} cases, {_named(record, winner['strategy'])}"
    return [{"label": label, "value": words.number(cost, 0), "detail": against + words.prices(prices)}]

"""The descriptive sections of the page: ensemble members, data and leakage checks, diagnosis, methods, model card.

Each function reads entries of the record, and returns None or nothing for entries that it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from counterpoise.core.titles import capital, metric_name
from counterpoise.report import columns, words
from counterpoise.report.card_page import html_sections
from counterpoise.report.series import styles
from counterpoise.report.tables import ranked

Record = Mapping[str, Any]
Fact = tuple[str, Any]

#: Value of `budget` -> what it means, in words.
BUDGETS = {
    "steps": "every strategy can use as many optimizer steps as the baseline",
    "epochs": "every strategy trains for the same number of epochs, so the number of steps can differ",
}


def data_facts(record: Record) -> dict[str, Any]:
    """Return what the page shows of the data, as a dict of four entries.

    "classes" has label, count, share and the width of a bar in percent of the largest class; "facts" has (name, text)
    pairs; "counted" is what is counted, such as "Rows"; "excluded" has the columns left out, with the reason.
    """
    data = record["data"]
    total = sum(c["count"] for c in data["classes"])
    counts = [c["count"] for c in data["classes"]]
    classes = [
        {"label": c["label"], "count": words.count(c["count"]), "share": share}
        | {"width": round(100 * c["count"] / max(counts), 2) if total else 0}
        for c, share in zip(data["classes"], columns.shares(n / total if total else None for n in counts), strict=True)
    ]
    facts: list[Fact] = [
        ("Rows", words.count(data.get("rows"))),
        ("Columns", _column_count(data.get("columns"))),
        ("Target", data.get("target")),
        ("Positive class", data.get("positive")),
        ("Imbalance ratio", f"{words.number(max(counts) / min(counts), 1)} to 1" if min(counts) else None),
        ("Duplicates", _duplicates_text(data.get("duplicates"))),
    ]
    return {
        "classes": classes,
        "facts": _known_facts(facts),
        "counted": "Pixels or steps" if data.get("kind") == "elements" else "Rows",
        "excluded": [_excluded_column(c) for c in data.get("excluded_columns") or []],
    }


def diagnosis_facts(record: Record) -> dict[str, Any] | None:
    """Return the diagnosis in words ("facts": name and text) and its advice; None if there is none."""
    diagnosis = record.get("diagnosis")
    if not diagnosis:
        return None
    facts = [(capital(str(name)), str(text)) for name, text in diagnosis.get("facts") or []]
    return {"facts": facts, "advice": [_advice_text(a) for a in diagnosis.get("advice") or []]}


#: Status of a leakage check (see `diagnosis.guard`) -> what the page shows.
STATUS = {"clear": "clear", "handled": "handled", "look": "please check", "unknown": "not checked"}


def leak_checks(record: Record) -> list[dict[str, str]]:
    """Return the leakage checks: name, status (also in words), the finding and what is done."""
    checks = (record.get("diagnosis") or {}).get("checks") or []
    return [
        {
            "name": capital(str(c["name"])),
            "status": str(c["status"]),
            "word": STATUS.get(str(c["status"]), str(c["status"])),
            "finding": str(c["finding"]),
            "action": str(c.get("action") or ""),
        }
        for c in checks
    ]


def duplicate_free(record: Record) -> dict[str, Any] | None:
    """Return average precision on all test rows, and on those without a duplicate in training.

    The result has "rows" (one for each strategy) and "share", the share of test rows without a duplicate. It is None
    if there are no duplicates, or if they were not looked for.
    """
    known = [r for r in record["rows"] if (r.get("duplicate_free") or {}).get("rows")]
    rows = sum(c["count"] for c in record["data"]["classes"])
    one_class = record["data"].get("kind", "one_of") == "one_of"
    total = (rows if one_class else record["data"]["rows"]) * (record.get("repeats") or 1)
    kept = known[0]["duplicate_free"]["rows"] if known else total
    if not known or kept >= total:
        return None
    looks = styles(record)
    rows = [
        {
            "name": looks[r["strategy"]].title,
            "all": words.number((r["scores"].get("average_precision") or {}).get("mean")),
            "free": words.number(r["duplicate_free"].get("average_precision")),
        }
        for r in known
    ]
    return {"rows": rows, "share": words.share(kept / total)}


def members(record: Record) -> list[dict[str, str]]:
    """Return the scores of each ensemble member alone, ensemble after ensemble."""
    return [
        {
            "strategy": styles(record)[row["strategy"]].title if not index else "",
            "name": member["name"],
            "weight": words.number(member["weight"], 2),
            "average_precision": words.number(member["average_precision"]),
            "log_loss": words.number(member["log_loss"], 4),
            "correlation": words.number(_mean_with_others(member["correlation"], index), 2),
        }
        for row in ranked(record)
        for index, member in enumerate(row.get("members") or [])
    ]


def _mean_with_others(correlation: Sequence[Any], index: int) -> float | None:
    """Return the mean correlation of member `index` with the others, or None without any.

    `correlation` has its correlation with each member, itself included; None where it is not defined.
    """
    others = [r for i, r in enumerate(correlation) if i != index and r is not None]
    return sum(others) / len(others) if others else None


def card_text(record: Record) -> Markup | None:
    """Return the model card as HTML, without the folders of its source; None if there is no card."""
    card = dict(record.get("model_card") or {})
    if not card:
        return None
    if card.get("source"):
        card["source"] = words.file_name(card["source"])
    return Markup(html_sections(card, heading="h3"))


def method_facts(record: Record) -> list[Fact]:
    """Return how the comparison was run, as (name, text) pairs of what is recorded."""
    budget, how = record.get("budget"), {**record, **(record.get("settings") or {})}
    inside, costs = record.get("nested"), record.get("costs")
    repeats = record.get("repeats") or 1
    given, delay = record.get("split"), record.get("label_delay")
    folds = f"{record['folds']} folds" if record.get("folds") and not given else None
    facts: list[Fact] = [
        ("Main metric", metric_name(record["metric"])),
        ("Cross-validation", f"{folds}, {repeats} {'repeat' if repeats == 1 else 'repeats'}" if folds else None),
        ("Split", given and ", ".join(f"{words.count(rows)} {what} rows" for what, rows in given.items())),
        ("Label delay", delay and words.delay(delay)),
        ("Nested", inside and f"{inside['inner_folds']} inner folds in each training fold choose the strategy again"),
        ("Costs", costs and f"{words.prices(costs)}; all strategies except the baseline minimize the expected cost"),
        ("Tuning", _tuning_text(how)),
        ("Limit", _limit_text(how)),
        ("Network", record.get("network")),
        ("Budget", f"{budget}: {BUDGETS[budget]}" if budget in BUDGETS else budget),
        ("Epochs", value_text(how.get("epochs"))),
        ("Extended", _extension_text(how)),
        ("Batch size", value_text(how.get("batch_size"))),
        ("Seed", record.get("seed")),
        ("Version", f"Counterpoise {record['version']}" if record.get("version") else None),
    ]
    return _known_facts(facts)


def _tuning_text(how: Mapping[str, Any]) -> str | None:
    """Return how hyperparameters were tuned, in words; None if they were not."""
    if not how.get("tune"):
        return None
    steps = f", at most {words.count(how['tune_steps'])} steps each" if how.get("tune_steps") else ""
    return f"{words.count(how['tune'])} trials per strategy and fold{steps}, on training rows only"


def _extension_text(how: Mapping[str, Any]) -> str | None:
    """Return how the step budget was extended, in words; None if it was not."""
    if (how.get("extension") or 1) == 1:
        return None
    return f"{how['extension']} times the default step budget for all strategies, because some were still improving"


def _limit_text(how: Mapping[str, Any]) -> str | None:
    """Return how the run was limited, in words; None without a limit."""
    if how.get("limit") is None:
        return None
    what = (
        "seconds of training (results depend on the machine)" if how.get("time_limited") else "steps over all networks"
    )
    return (
        f"{words.count(how['limit'])} {what}; strategies with a worse loss on the early-stopping rows were "
        "stopped early"
    )


def value_text(value: Any) -> str | None:
    """Return a value as text: numbers with at most six significant digits, lists joined by commas.

    Example:
        >>> [value_text(value) for value in (0.12345678, 11183, [52, 52], True, {"a": 3}, [None])]
        ['0.123457', '11,183', '52, 52', 'yes', 'a: 3', None]
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return words.count(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {value_text(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(text for v in value if (text := value_text(v)) is not None) or None
    return str(value)


def _known_facts(facts: list[Fact]) -> list[Fact]:
    """Return the facts whose value is neither None, "" nor a dash."""
    return [(name, value) for name, value in facts if value not in (None, "", words.NOTHING)]


def _column_count(value: Any) -> str | None:
    """Return the number of columns as text; `value` is their names or already a number."""
    return words.count(len(value)) if isinstance(value, (list, tuple)) else value_text(value)


def _duplicates_text(value: Any) -> str | None:
    """Return the entries about duplicates as "name: value" texts, shares in percent."""
    if not isinstance(value, Mapping):
        return value_text(value)
    texts = {k: words.share(v) if "share" in str(k) and words.finite(v) else value_text(v) for k, v in value.items()}
    return ", ".join(f"{str(k).replace('_', ' ')}: {v}" for k, v in texts.items() if v is not None)


def _excluded_column(column: Any) -> dict[str, str]:
    """Return name and reason of a column that was left out; an entry may also be only a name."""
    if not isinstance(column, Mapping):
        return {"name": str(column), "reason": ""}
    reason = [str(column[k]) for k in ("kind", "reason") if column.get(k)]
    return {"name": str(column.get("name")), "reason": ": ".join(reason)}


def _advice_text(item: Any) -> dict[str, str]:
    """Return text and evidence of a piece of advice; an entry may also be only a text."""
    if not isinstance(item, Mapping):
        return {"text": str(item), "evidence": ""}
    return {"text": str(item.get("text") or item.get("advice") or ""), "evidence": str(item.get("reason") or "")}

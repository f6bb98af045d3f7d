"""An evaluation in a few lines: for the terminal, and as the repr of its record.

It reads the keys of `evaluation.evaluate` and measures nothing. All tables are in `cli.evaluation_tables`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterpoise.core.titles import PER, capital, metric_name
from counterpoise.decide.aim import threshold_text
from counterpoise.report.words import OF_GROUP, value_with_interval
from counterpoise.targets.shares import scored_share

#: Groups, labels and classes that a summary lists at most, columns whose groups it lists, and characters of a line.
MOST_VALUES, MOST_COLUMNS, LINE_WIDTH = 5, 2, 80
#: Metrics of a summary, in its order; accuracy is for more than two classes, where a recall is a mean.
SUMMARY_METRICS = ("accuracy", "recall", "precision", "specificity", "dice", "dice_present", "lesion_recall",
           "average_precision", "log_loss")  # fmt: skip
#: Keys of "further" in a summary, in its order, with their names.
SUMMARY_FURTHER = {
    "expected_cost": "cost per case", "largest_cost_share": "share of the costliest row",
    "amount_recall": "recall by amount", "precision_first": "precision of the first rows",
    "lift_first": "lift of the first rows",
}  # fmt: skip


class Evaluation(dict[str, Any]):
    """The result of `evaluate`: a dictionary whose repr is a summary of a few lines."""

    def __repr__(self) -> str:
        return "\n".join([*summary_lines(self), f"Keys: {', '.join(self)}"])


def summary_lines(record: Mapping[str, Any], width: int = LINE_WIDTH) -> list[str]:
    """Return an evaluation as lines: threshold, scores, calibration, and groups that differ.

    Args:
        record: What `evaluate` returned; numbers that are not finite may be None.
        width: Characters of a line. A table that is wider becomes a line for each of its rows.

    Returns:
        The lines. Only those of tables are padded; the others may be longer than `width`.
    """
    of = record["units"] or record
    cells = [("", "value", "95% CI", ""), *_metric_cells(record, of)]
    lines = [*_opening_sentences(record, of), "", *aligned_lines(cells, width)]
    lines += [*_found_per_cases(record, of), _calibration_line(of["metrics"], len(of["classes"]) == 2)]
    lines += _review_and_unit_sentences(record)
    if of["labels"]:
        lines += ["", *_label_lines(of["labels"], width)]
    return lines + list(_group_lines(record["by"], width))


def thresholds_text(record: Mapping[str, Any]) -> str:
    """Return the threshold of each group as one line, for an evaluation with thresholds by group.

    Example:
        >>> thresholds_text({"threshold": 0.5, "thresholds_by": {"column": "site", "thresholds": {"a": 0.25}}})
        'thresholds by site: a 0.25; all others: 0.5'
    """
    by = record["thresholds_by"]
    each = ", ".join(f"{value} {threshold:.4g}" for value, threshold in by["thresholds"].items())
    return f"thresholds by {by['column']}: {each}; all others: {record['threshold']:.4g}"


def aligned_lines(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the lines of a table, whose first row is the heading.

    A table that is too wide loses its last column if that has no heading, and otherwise becomes sentences.

    Example:
        >>> aligned_lines([("", "value", ""), ("recall", "0.5", "of 12"), ("F1", "0.25", "")], 40)
        ['        value', 'recall  0.5    of 12', 'F1      0.25']
        >>> aligned_lines([("", "value", "n"), ("recall", "0.5", "12")], 10)
        ['recall: value 0.5, n 12']
    """
    for cells in (rows, [row[:-1] for row in rows] if rows[0][-1] == "" else rows):
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        if sum(widths) + 2 * (len(widths) - 1) <= width:
            return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    (title, *heads), *body = rows
    lines = [title] if title else []
    for name, *values in body:
        parts = [f"{head} {cell}".strip() for head, cell in zip(heads, values, strict=True) if cell not in ("", "-")]
        lines.append(f"{name}: {', '.join(parts)}")
    return lines


def _number_text(value: float | None) -> str:
    """Return a number as text, with digits by its size; "-" for None and values that are not finite."""
    if not _is_finite(value):
        return "-"
    assert value is not None
    size = abs(value)
    form = ",.0f" if size >= 1000 else ".1f" if size >= 100 else ".3f" if size >= 0.0095 or size == 0 else ".2g"
    return f"{value:{form}}"


def _signed_text(value: float) -> str:
    """Return a difference as text with its sign and two decimals, or one significant digit if it is small."""
    return f"{value:+.2f}" if abs(value) >= 0.005 else f"{value:+.1g}"


def _percent_text(share: float) -> str:
    """Return a share of 0 to 1 as text in percent, with three digits."""
    return f"{100 * share:.3g}%"


def _target_form(record: Mapping[str, Any]) -> str:
    """Return what the rows of an evaluation have: "labels", "elements", "two" (classes) or "many".

    "labels" means several labels per row, and "elements" a class per pixel or step.
    """
    if record["labels"]:
        return "labels"
    if "dice" in record["metrics"]:
        return "elements"
    return "two" if len(record["classes"]) == 2 else "many"


def _opening_sentences(record: Mapping[str, Any], of: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first sentences: rows and the rare class, then the threshold.

    For several labels, the threshold is left out. `of` is the part of the record with the scores: `record["units"]` if
    units are decided, else the record itself.
    """
    form, classes = _target_form(record), of["classes"]
    rows = f"{record['rows']:,} rows" if of is record else f"{of['count']:,} units of {record['rows']:,} rows"
    rows += "" if record["groups"] is None else f" in {record['groups']:,} groups"
    if form == "labels":
        yield f"{rows} with {len(record['labels'])} labels. Scores are means over the labels."
        return
    rare = classes[1] if len(classes) == 2 else min(classes, key=lambda c: c["share"])
    share = f"{str(rare['label'])!r} ({_percent_text(rare['share'])}"
    share += f", weighted {_percent_text(rare['weighted_share'])}" if "weighted_share" in rare else ""
    share += " of the pixels or steps)" if form == "elements" else ")"
    if form == "two":
        share = f"{rare['count']:,} {share}"
    yield f"{rows}: {share}." if len(classes) == 2 else f"{rows} of {len(classes)} classes; rarest: {share}."
    text = f"{capital(threshold_text(of['threshold'], of['aim']))}."
    if of is record and (spread := record["threshold_spread"]) is not None:
        low, high = (_number_text(spread[end]["threshold"]) for end in ("low", "high"))
        text += f" On resampled rows, the threshold is between {low} and {high} (95% of bootstrap draws)."
    yield text
    if record["thresholds_by"] is not None:
        yield f"{capital(thresholds_text(record))}."


def _metric_cells(record: Mapping[str, Any], of: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the cells (name, value, interval, reference) of each metric in `of`.

    The reference is that of `_score_without_model`. Specificity is shown as its complement, the false positive rate.
    `of` is as in `_opening_sentences`.
    """
    metrics, form, two = of["metrics"], _target_form(record), len(of["classes"]) == 2
    for key in SUMMARY_METRICS:
        if key not in metrics or (key == "specificity" and not two) or (key == "accuracy" and form != "many"):
            continue
        score = metrics[key]
        name = metric_name(key) + (" (mean)" if form == "many" and key not in ("accuracy", "log_loss") else "")
        if key == "specificity":
            name, score = "false positive rate", _complement_score(score)
        yield (capital(name), *_value_and_interval(score), _score_without_model(key, metrics, of["classes"], form))
    for key, name in SUMMARY_FURTHER.items():
        if of is record and key in record["further"]:
            yield (capital(name), *_value_and_interval(record["further"][key]), "")


def _value_and_interval(score: Mapping[str, Any]) -> tuple[str, str]:
    """Return a score and its interval as two texts, "-" for what is missing."""
    ends = f"{_number_text(score['low'])} to {_number_text(score['high'])}" if _is_finite(score["low"]) else "-"
    return _number_text(score["value"]), ends


def _complement_score(score: Mapping[str, Any]) -> dict[str, Any]:
    """Return the score 1 - value; the ends of its interval change places. None stays None."""
    flipped = {"value": "value", "low": "high", "high": "low"}
    return {end: 1 - score[of] if _is_finite(score[of]) else None for end, of in flipped.items()}


def _score_without_model(key: str, metrics: Mapping[str, Any], classes: Sequence[Mapping[str, Any]], form: str) -> str:
    """Return the score of a model that knows only the class proportions, as text.

    It is "" for metrics without such a score. `form` is the result of `_target_form`.
    Skill is 1 - loss / loss without a model, so it gives the log loss without a model.
    """
    if key == "average_precision" and form == "two":
        return f"without a model: {_number_text(scored_share(classes[1]))}"
    skill = metrics["skill"]["value"]
    if key == "log_loss" and form != "labels" and _is_finite(skill) and skill < 1:
        return f"without a model: {_number_text(metrics[key]['value'] / (1 - skill))}"
    return ""


def _found_per_cases(record: Mapping[str, Any], of: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence with the expected hits and false positives among `PER` cases.

    Nothing is yielded for labels, elements, or more than two classes.
    """
    recall, specificity = (of["metrics"][key]["value"] for key in ("recall", "specificity"))
    if _target_form(record) != "two" or not (_is_finite(recall) and _is_finite(specificity)):
        return
    label, share = str(of["classes"][1]["label"]), scored_share(of["classes"][1])
    hits, alerts = PER * share * recall, PER * (1 - share) * (1 - specificity)
    yield f"Per {PER:,} cases ({PER * share:,.0f} {label!r}): {hits:,.0f} found, {alerts:,.0f} false positives."


def _calibration_line(metrics: Mapping[str, Mapping[str, Any]], two: bool) -> str:
    """Return calibration in one line: significant errors, slope and calibration error.

    A slope below 1 means overconfident probabilities, an intercept above 0 means probabilities that are too low.
    The intercept of more than two classes (`two` is False) is a distance without a sign, so it is not judged.
    """
    slope, intercept, error = (metrics[key] for key in ("calibration_slope", "calibration_intercept", "ece"))
    faults = []
    if _is_finite(slope["low"]) and not slope["low"] <= 1 <= slope["high"]:
        faults.append("overconfident" if slope["high"] < 1 else "underconfident")
    if two and _is_finite(intercept["low"]) and not intercept["low"] <= 0 <= intercept["high"]:
        faults.append(f"too {'low' if intercept['low'] > 0 else 'high'} on average")
    known = _is_finite(slope["low"]) and _is_finite(intercept["low"])
    text = f"probabilities are {' and '.join(faults)}" if faults else "no significant error" if known else ""
    numbers = [] if not _is_finite(slope["value"]) else [f"slope {value_with_interval(slope)}"]
    numbers += [] if not _is_finite(error["value"]) else [f"expected calibration error {_number_text(error['value'])}"]
    return f"Calibration: {'; '.join([*([text] if text else []), *numbers])}."


def _is_finite(value: float | None) -> bool:
    """Return whether a score is a finite number; None is an undefined score in JSON."""
    return value is not None and math.isfinite(value)


def _review_and_unit_sentences(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield sentences on rows or units that go to a human, and on units and their single rows.

    Both are optional parts of the record ("review" and "units"); nothing is yielded for a part that is None.
    """
    units = record["units"]
    what = "rows" if units is None else "units"
    if (review := (units or record)["review"]) is not None:
        yield (
            f"{capital(what)} that go to a human: {value_with_interval(review['share'])}. Error of all other {what}: "
            f"{value_with_interval(review['error'])}."
        )
    if units is not None:
        several = "unit contains" if units["mixed"] == 1 else "units contain"
        mixed = f" {units['mixed']:,} {several} rows of several classes." if units["mixed"] else ""
        how = f"{units['aggregate']} of the probabilities, {'' if units['calibrated'] else 'not '}calibrated"
        yield f"Unit: {' + '.join(units['columns'])} ({how}).{mixed}"
        keys = ("average_precision", "recall", "precision")
        shown = ", ".join(f"{metric_name(key)} {_number_text(record['metrics'][key]['value'])}" for key in keys)
        yield f"Single rows: {shown}."


def _label_lines(labels: Sequence[Mapping[str, Any]], width: int) -> list[str]:
    """Return the lines of a table of the `MOST_VALUES` labels with the lowest average precision."""
    order = sorted(labels, key=lambda one: one["metrics"]["average_precision"]["value"] or 0.0)
    rows: list[tuple[str, ...]] = [("label", "average precision", "recall", "precision", "threshold")]
    for one in order[:MOST_VALUES]:
        ap, recall, precision = (one["metrics"][key] for key in ("average_precision", "recall", "precision"))
        rows.append((str(one["label"]), value_with_interval(ap), *map(_number_text, (recall["value"],
                     precision["value"], one["threshold"]))))  # fmt: skip
    more = len(order) - MOST_VALUES
    rest = [f"{more:,} more labels have a higher average precision."] if more > 0 else []
    return [*aligned_lines(rows, width), *rest]


def _group_lines(tables: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    """Yield the lines of each column of groups: a table, the significant differences, and notes.

    Several tables of one column are for several classes. Then only the differences are listed.
    """
    for index, column in enumerate(dict.fromkeys(table["column"] for table in tables)):
        mine = [table for table in tables if table["column"] == column]
        yield ""
        if len(mine) == 1 and index < MOST_COLUMNS:
            yield from _group_table(mine[0], width)
        differing = [text for table in mine if (text := _difference_sentence(table, len(mine) > 1))]
        yield from differing[:MOST_VALUES]
        if len(differing) > MOST_VALUES:
            yield f"{len(differing) - MOST_VALUES} more classes differ by {column}."
        if not differing:
            yield f"By {column}: no score differs significantly from {mine[0]['reference']!r}."
        yield from dict.fromkeys(note for table in mine for note in table["notes"])


def _group_table(table: Mapping[str, Any], width: int) -> list[str]:
    """Return the lines of a table of the first `MOST_VALUES` groups: rows, positives and two rates."""
    heads = (f"By {table['column']}", "rows", repr(table["class"]), "recall (95% CI)", "false positive rate (95% CI)")
    rows: list[tuple[str, ...]] = [heads]
    for value in table["values"][:MOST_VALUES]:
        scores = (value_with_interval(value["scores"][key]) for key in ("recall", "false_positive_rate"))
        rows.append((str(value["value"])[:30], f"{value['rows']:,}", f"{value['positives']:,}", *scores))
    more = len(table["values"]) - MOST_VALUES
    return [*aligned_lines(rows, width), *([f"and {more:,} more values."] if more > 0 else [])]


def _difference_sentence(table: Mapping[str, Any], named: bool) -> str:
    """Return a sentence with the significant differences of each group, or "".

    Significant are those whose simultaneous interval excludes 0. `named` is whether the sentence names the class of the
    table.
    """
    different = []
    for value in table["values"]:
        scores = [
            f"{OF_GROUP[key]} {_signed_text(score['value'])}"
            for key, score in value["differences"].items()
            if _is_finite(score["low"]) and not score["low"] <= 0 <= score["high"]
        ]
        if scores:
            different.append(f"{value['value']}: {', '.join(scores)}")
    if not different:
        return ""
    more = f"; and {len(different) - MOST_VALUES} more" if len(different) > MOST_VALUES else ""
    of = f" for class {table['class']!r}" if named else ""
    where = f"Significantly different from {table['reference']!r}{of}"
    return f"{where}: {'; '.join(different[:MOST_VALUES])}{more}."

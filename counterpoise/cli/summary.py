"""The printed output of `train`, `predict` and `diagnose`: answer, evidence, cost, and next step, as in a verdict.

The summary of `evaluate` is in `classifier.evaluation_summary`, because it is also the repr of the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.cli.show import model_text, rule_text
from counterpoise.core.titles import PER, capital, metric_name, strategy_title

if TYPE_CHECKING:
    from counterpoise.diagnosis.show import Diagnosis

#: Lines of a terminal that a diagnosis may fill, for its classes and for its advice.
MOST_CLASSES, MOST_ADVICE = 5, 4


@dataclass(frozen=True)
class Summary:
    """Four texts of a command, and notes between them.

    Attributes:
        answer: What was done, or what the data are.
        evidence: How sure that is.
        cost: What it means in decisions.
        next_step: What to do next.
        notes: Further sentences.
    """

    answer: str
    evidence: str = ""
    cost: str = ""
    next_step: str = ""
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the texts that are not empty, one line each.

        Example:
            >>> Summary("saved m.keras", next_step="Score it on new rows.").lines()
            ['saved m.keras', 'Next: Score it on new rows.']
        """
        next_step = f"Next: {self.next_step}" if self.next_step else ""
        return [text for text in (self.answer, self.evidence, self.cost, *self.notes, next_step) if text]


def train_summary(clf: Any, strategy: str, rows: int, out: Path, notes: tuple[str, ...], next_step: str) -> Summary:
    """Return what `train` prints on the saved file: model, threshold, scores, and cases found of 10,000.

    If the classifier decides units, threshold, scores and cases are those of units. An empty `next_step` becomes the
    advice to score the model on new rows.
    """
    card = clf.card
    rule, of = (clf.rule, card) if clf.unit is None else (clf.unit.rule, card["unit"])
    models, decided = model_text(card, clf.rule.weights), rule_text(rule, clf.classes_.tolist())
    decided += "" if clf.unit is None else f" for units ({clf.unit.name})"
    metrics = of.get("metrics", {})
    keys = ("average_precision", "recall", "precision")
    scores = [text for key in keys if (text := _metric_text(key, metrics.get(key)))]
    new, new_data = ("rows", "ROWS.csv") if clf.pictures is None else ("images", "IMAGES")
    of_what = ("" if clf.unit is None else "for units; ") + card.get("metrics_of", "stored rows")
    evidence = f"{capital('; '.join(scores))} ({of_what})." if scores else ""
    return Summary(
        f"saved {out}: {strategy_title(strategy)}, {models}, {rows:,} rows, {decided}", evidence,
        _decisions_sentence(clf, rule, metrics),
        next_step or f"Score it on new {new}: counterpoise evaluate {out} {new_data}", notes,
    )  # fmt: skip


def _metric_text(key: str, score: Mapping[str, Any] | None) -> str:
    """Return a metric as text, with its 95% CI if there is one; "" where it was not measured."""
    if not score or score.get("value") is None:
        return ""
    ends = "" if score.get("low") is None else f" (95% CI {score['low']:.2f} to {score['high']:.2f})"
    return f"{metric_name(key)} {score['value']:.3f}{ends}"


def _decisions_sentence(clf: Any, rule: Any, metrics: Mapping[str, Any]) -> str:
    """Return a sentence on cases found and false positives per `PER` cases, or "".

    It can be said of two classes with known recall and specificity, neither for several labels nor for pixels.
    """
    recall, specificity = ((metrics.get(key) or {}).get("value") for key in ("recall", "specificity"))
    if clf.target.independent or clf.target.per_element or len(clf.classes_) != 2:
        return ""
    if recall is None or specificity is None:
        return ""
    share = float(rule.prior[1])
    hits, alerts = PER * share * recall, PER * (1 - share) * (1 - specificity)
    return (
        f"Per {PER:,} cases ({PER * share:,.0f} {str(clf.classes_[1])!r}): {hits:,.0f} found, {alerts:,.0f} false "
        "positives."
    )


def predict_summary(clf: Any, model: Path, data: Path, table: Any, out: Path, prior: float | None = None) -> Summary:
    """Return what `predict` prints on the file it wrote, and on a change of the class proportions.

    `prior` is the share of --prior, which the mean probability is compared with; None: the share in training. For
    several labels, or more than two classes, only the answer and the next step are filled in.
    """
    of_units = clf.unit is not None and "rows" in table.columns
    answer = f"saved {out}: {table.height:,} {'units' if of_units else 'rows'} with {', '.join(table.columns)}"
    label = f"When the labels are known, score the model: counterpoise evaluate {model} {data}"
    if clf.target.independent or len(clf.classes_) > 2:
        return Summary(answer, next_step=label)
    counts = table["decision"].value_counts(sort=True).rows()
    shown = ", ".join(f"{count:,} {str(name)!r} ({100 * count / table.height:.3g}%)" for name, count in counts)
    rule = clf.unit.rule if of_units else clf.rule
    mean, share = float(table["probability"].mean()), float(rule.prior[1]) if prior is None else prior
    origin = "share in training" if prior is None else "share of --prior"
    positive = repr(str(clf.classes_[1]))
    evidence = f"Decisions: {shown}. Mean probability of {positive}: {mean:.3g} ({origin}: {share:.3g})."
    # A mean probability below two thirds of this share, or above one and a half, hints at a change.
    moved = not 0.67 < mean / share < 1.5 if share > 0 else False
    step = f"Check the class proportions: counterpoise evaluate {model} {data} --unlabeled"
    return Summary(answer, evidence, _expected_cost_sentence(rule, clf.classes_[1], table), step if moved else label)


def _expected_cost_sentence(rule: Any, positive: Any, table: Any) -> str:
    """Return a sentence on the expected cost of the decisions of a rule, by their probabilities.

    `table` has the columns "probability", of the label `positive`, and "decision".

    Returns "" where the rule does not decide by costs of two classes, or leaves some rows to a human.
    """
    from counterpoise.classifier.further import rule_costs

    costs = rule_costs(rule)
    if costs is None or rule.review is not None:
        return ""
    p = table["probability"].to_numpy()
    decided = np.array([str(label) == str(positive) for label in table["decision"].to_list()], dtype=int)
    expected = (1 - p) * costs[0, decided] + p * costs[1, decided]
    return f"Expected cost per {PER:,} cases, computed from the probabilities: {PER * float(np.mean(expected)):,.0f}."


def diagnosis_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Yield the lines of `diagnose` that fit on a screen.

    They are answer, evidence, cost, findings and advice.
    """
    r = diagnosis.record
    share = next((c.share for c in r.classes if c.label == r.minority), float("nan"))
    what = "the pixels or steps of " if r.per_element else ""
    yield f"{r.minority!r} is {100 * share:.3g}% of {what}{r.rows:,} rows ({r.imbalance_ratio:,.1f} to 1)."
    others = [f"{c.label!r} {c.count:,}" for c in sorted(r.classes, key=lambda c: -c.count)]
    more = f", {len(others) - MOST_CLASSES} more" if len(others) > MOST_CLASSES else ""
    yield f"{'Rows with each class' if r.per_element else 'Classes'}: {', '.join(others[:MOST_CLASSES])}{more}."
    evidence = f"A recall of 0.8 has a 95% CI of ±{r.half_width_fold:.2f} in each of {r.folds} folds"
    evidence += f", and of ±{r.half_width_total:.2f} in all folds together."
    if r.quick is not None:
        q = r.quick
        evidence += f" A quick model has average precision {q.average_precision:.2f} and ROC AUC {q.roc_auc:.3f}."
    yield evidence
    accuracy = f"{100 * r.majority_accuracy:.1f}%"
    elements = "pixels or steps" if r.per_element else "rows"
    largest = f"A model that always predicts the largest class has accuracy {accuracy}"
    yield f"{largest} and finds no {r.minority!r} {elements}."
    for check in diagnosis.checks:
        if check.status == "look":
            yield f"! {capital(check.name)}: {check.finding} {check.action}".rstrip()
    yield from (f"! {warning}" for warning in r.warnings)
    # The first advice comes last, as the next step.
    first, *rest = [advice.text for advice in diagnosis.advice] or [""]
    yield from (f"- {text}" for text in rest[: MOST_ADVICE - 1])
    if first:
        yield f"Next: {first}"
    yield "For all numbers and the reasons for the advice, add --full."

"""Verdicts and effects in plain words, with the numbers they rest on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from counterpoise.comparison.posterior import CERTAIN, Difference
from counterpoise.comparison.verdict import Verdict
from counterpoise.core.errors import OptionError
from counterpoise.metrics.catalog import METRICS

Array = np.ndarray


def called(strategy: str) -> str:
    """How a strategy is named in a sentence."""
    return "the untouched model" if strategy == "none" else strategy


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    Example:
        >>> listed(["none", "focal", "smote"])
        'the untouched model, focal and smote'
    """
    spoken = [called(name) for name in names]
    return spoken[0] if len(spoken) == 1 else f"{', '.join(spoken[:-1])} and {spoken[-1]}"


def number(value: float, signed: bool = False) -> str:
    """Three decimals, more where the value is small.

    Example:
        >>> number(0.61234), number(0.0004567), number(0.02, signed=True)
        ('0.612', '0.00046', '+0.020')
    """
    if not math.isfinite(value):
        return "unknown"
    sign = "+" if signed else ""
    if value == 0 or abs(value) >= 0.01:
        return f"{value:{sign}.3f}"
    return f"{value:{sign}.{1 - math.floor(math.log10(abs(value)))}f}"


def percent(probability: float) -> str:
    """A probability in per cent, never rounded up to certainty.

    Example:
        >>> percent(0.976), percent(0.9999), percent(0.0001)
        ('98 %', 'over 99 %', 'under 1 %')
    """
    if not math.isfinite(probability):
        return "unknown"
    if probability > 0.99:
        return "over 99 %"
    return "under 1 %" if probability < 0.01 else f"{100 * probability:.0f} %"


def small(p: float) -> str:
    """A p value with its sign, no smaller than is meaningful.

    Example:
        >>> small(0.0123), small(1e-7)
        ('= 0.012', 'below 0.001')
    """
    return "below 0.001" if p < 0.001 else f"= {number(p)}"


def _title(metric: str) -> str:
    """What a metric is called within a sentence: without its explanation, names with their capital."""
    title, _, rule = METRICS[metric].title.partition(" (")
    said = title + rule.partition(")")[2]
    return said if said.startswith(("Brier", "Matthews", "F1", "G-")) else said[:1].lower() + said[1:]


class Gap(NamedTuple):
    """Two strategies side by side in one metric.

    Attributes:
        metric: Its key.
        ahead, behind: The strategies; `difference` is above 0 where `ahead` is better.
        means: Their means.
        difference: What is known about the difference.
        rope: The smallest difference that matters.
        level: Confidence of the interval.
    """

    metric: str
    ahead: str
    behind: str
    means: tuple[float, float]
    difference: Difference
    rope: float
    level: float = 0.95

    def title(self) -> str:
        """What the metric is called."""
        return _title(self.metric)

    def lead(self) -> str:
        """Who has the best mean; `behind` is the one recommended, `ahead` the best of the others."""
        if self.difference.mean > 0:
            return f"The best mean is that of {called(self.ahead)}: {self.numbers()}."
        return f"It has the best mean, too; next is {called(self.ahead)}: {self.numbers()}."

    def numbers(self) -> str:
        """Means, difference and interval in one clause."""
        hints = {"higher": "", "lower": " (lower is better)", "one": " (1 is best)", "zero": " (0 is best)"}
        d = self.difference
        place = "ahead" if d.mean >= 0 else "behind"
        return (
            f"{self.title()}{hints[METRICS[self.metric].direction]} {number(self.means[0])} "
            f"against {number(self.means[1])}, {place} by {number(abs(d.mean))} "
            f"({100 * self.level:.0f} % interval of the lead: {number(d.low, signed=True)} to "
            f"{number(d.high, signed=True)})"
        )


def better(gap: Gap, p_adjusted: float, best: str, others: Sequence[str]) -> str:
    """The winner is shown better than the reference."""
    winner = called(gap.ahead)
    text = (
        f"Take {winner}: it is better than {called(gap.behind)}: {gap.numbers()}. "
        f"The chance that it is better by more than {number(gap.rope)} is {percent(gap.difference.right)} "
        f"(p {small(p_adjusted)} after correction for the number of strategies tried)."
    )
    if best != gap.ahead:
        text += f" {called(best)} has the best mean but is not shown to be better than {winner}."
        text += f" Of what is shown to help, the simplest is {winner}."
    rest = [name for name in others if name != best]
    if rest:
        text += f" Not told from the best by these data either: {listed(rest)}."
    return text


def external_better(gap: Gap, kind: str, p_adjusted: float, ours: Verdict) -> str:
    """An entrant that is no network is shown better than the best of ours."""
    d = gap.difference
    return (
        f"{kind.capitalize()} is the better tool here: {gap.ahead} by {number(d.mean)} "
        f"[{number(d.low, signed=True)}, {number(d.high, signed=True)}] over the best network, {called(gap.behind)} "
        f"({gap.title()} {number(gap.means[0])} against {number(gap.means[1])}; p {small(p_adjusted)} after correction "
        f"for the number of such entrants). The saved model is {called(ours.winner)}, the network to take if it must "
        f"be one. Among the networks: {ours.text}"
    )


def no_external(gap: Gap) -> str:
    """No entrant that is no network is shown better than the best of ours."""
    shown = " A network is the better tool here." if gap.difference.left >= CERTAIN else ""
    return (
        f"No entrant of another kind is shown better; the best of them is {gap.ahead}, held against "
        f"{called(gap.behind)}: {gap.numbers()}.{shown}"
    )


def chosen(among: int, metric: str, inside: tuple[float, float, float] | None, nestable: bool = True) -> str:
    """How far the winner's score can be believed: it was chosen for it. `inside`: mean and interval of nested folds."""
    if inside is not None:
        mean, low, high = inside
        return (
            f"Chosen anew inside the training folds, the winner has {_title(metric)} {number(mean)} "
            f"[{number(low)}, {number(high)}] on rows that chose nothing."
        )
    if among < 3:
        return ""
    how_much = " (a nested race says how much)" if nestable else ""
    return f"The winner's score was chosen among {among}: expect a little less of it{how_much}."


def nothing_else(metric: str, winner: str, mean: float, losers: int) -> str:
    """Everything else is identical (`losers` 0) or shown worse."""
    if not losers:
        return f"All strategies have the same {_title(metric)}, {number(mean)}; tied: the simplest is {called(winner)}."
    count = "The other strategy is" if losers == 1 else f"Each of the {losers} other strategies is"
    return f"Keep {called(winner)}: {_title(metric)} {number(mean)}. {count} shown to be worse."


def equivalent(gap: Gap, others: Sequence[str]) -> str:
    """All in the tie differ by less than matters."""
    return (
        f"No difference that matters; tied: the simplest is {called(gap.behind)}. {gap.lead()} "
        f"The chance that the two differ by less than {number(gap.rope)} is {percent(gap.difference.rope)}. "
        f"In the tie: {listed([gap.behind, *others])}."
    )


def inconclusive(gap: Gap, others: Sequence[str], more: int | None, fixed: bool, taken: str) -> str:
    """The data do not tell; what to take until they do, and what would help.

    Args:
        gap: The best mean of the others before the simplest.
        others: What is not told apart from it.
        more, fixed: Repeats that would decide; whether the interval comes from rows, not from repeats.
        taken: The strategy recommended: the simplest, or another where that is likely to lie behind.
    """
    simplest = called(gap.behind)
    advice = (
        f"tied: the simplest is {simplest}. Stay with it for now."
        if taken == gap.behind
        else f"nothing is shown better than {simplest}, but that likely lies behind. Take {called(taken)} for now."
    )
    return (
        f"Inconclusive; {advice} {gap.lead()} {_doubt(gap)} "
        f"Not told apart: {listed([gap.behind, *others])}. {_what_helps(more, fixed)}"
    )


def _doubt(gap: Gap) -> str:
    """Why a lead does not count: it may be chance by itself, or because so many strategies were tried."""
    d, rival = gap.difference, called(gap.ahead)
    right = f"{percent(d.right)} that {rival} is better by more than {number(gap.rope)}"
    if d.right >= CERTAIN:
        return f"Alone it would be shown better ({right}), but among so many that were tried it may be chance."
    return (
        f"That may be chance: {right}, {percent(d.rope)} that they differ by less, {percent(d.left)} that it is worse."
    )


def _what_helps(more: int | None, fixed: bool) -> str:
    if more is not None:
        return f"About {more} more {'repeat' if more == 1 else 'repeats'} of the folds would decide."
    if fixed:
        return "More data would be needed to decide."
    return "No number of repeats would decide: that takes more folds or more data."


def alone(winner: str) -> str:
    """Only one strategy has scores."""
    return f"Only {called(winner)} could be scored: there is nothing to compare it with."


def rates(confusion: Array, positive: int = 1) -> tuple[float, float]:
    """Found cases and false alarms of one class per case judged, from a confusion matrix (C, C) [true, decided].

    Example:
        >>> rates(np.array([[90, 5], [2, 3]]))
        (0.03, 0.05)
    """
    matrix = np.asarray(confusion, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.sum() <= 0:
        raise OptionError(f"confusion has shape {matrix.shape} and sum {matrix.sum()}; expected C x C, rows in it.")
    found = matrix[positive, positive]
    return float(found / matrix.sum()), float((matrix[:, positive].sum() - found) / matrix.sum())


def effect_in_words(
    found: float,
    false_alarms: float,
    *,
    per: int = 10_000,
    cost_missed: float | None = None,
    cost_false_alarm: float | None = None,
    label: str | None = None,
    right: float | None = None,
) -> str:
    """Say what a change of strategy means for the people concerned.

    Args:
        found: Difference in true positives per case judged (new minus old).
        false_alarms: Difference in false positives per case judged.
        per: Number of cases to speak of.
        cost_missed, cost_false_alarm: When both are given, the change in cost per `per` cases is added.
        label: The class spoken of, where there are more than two.
        right: Then also the difference in right decisions, over all classes, per case judged.

    Raises:
        OptionError: A difference outside [-1, 1], or only one of the costs.

    Example:
        >>> effect_in_words(0.0014, 0.006)
        'per 10,000 cases: 14 more found, 60 more false alarms'
        >>> effect_in_words(-0.0001, -0.02, per=1000, cost_missed=50, cost_false_alarm=1)
        'per 1,000 cases: less than 1 fewer found, 20 fewer false alarms; cost falls by 15'
        >>> effect_in_words(0.002, 0.01, label="fall", right=-0.008)
        "per 10,000 cases: of class 'fall' 20 more found, 100 more false alarms; of all classes 80 fewer right"
    """
    if not (abs(found) <= 1 and abs(false_alarms) <= 1):
        raise OptionError(f"found={found}, false_alarms={false_alarms}; expected rates per case between -1 and 1.")
    if (cost_missed is None) != (cost_false_alarm is None):
        raise OptionError("Only one of cost_missed and cost_false_alarm was given; give both or none.")
    of = "" if label is None else f"of class {label!r} "
    text = f"per {per:,} cases: {of}{_change(found * per)} found, {_change(false_alarms * per)} false alarms"
    if right is not None:
        text += f"; of all classes {_change(right * per)} right"
    if cost_missed is None or cost_false_alarm is None:
        return text
    cost = per * (false_alarms * cost_false_alarm - found * cost_missed)
    return f"{text}; cost {'falls' if cost < 0 else 'rises'} by {abs(cost):,.0f}" if cost else f"{text}; cost unchanged"


def _change(count: float) -> str:
    if count == 0:
        return "no more"
    amount = f"{abs(count):,.0f}" if abs(count) >= 1 else "less than 1"
    return f"{amount} {'more' if count > 0 else 'fewer'}"

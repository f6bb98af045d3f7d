"""The four texts of a verdict, built from its facts: headline, recommendation, evidence, next step.

Each function that returns `Texts` is one outcome of `judge`; its docstring states the outcome. The texts are saved in
leaderboard.json. `report.words` has the words of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from counterpoise.comparison.significance import CERTAIN, LIKELY, MOST_REPEATS, Difference
from counterpoise.core.titles import capital, metric_name, strategy_name, strategy_title
from counterpoise.metrics.catalog import METRICS

#: Next steps: if the strategy is settled, if costs are known in addition, and if more data are needed.
CHOOSE_THRESHOLD = (
    "Choose the decision threshold for your costs: `--cost-fp` and `--cost-fn`, or the threshold panel of the report."
)
DEPLOY = "Deploy `model.keras`, which decides by these costs."
DEPLOY_DEFAULT = "Deploy `model.keras`, which decides at the default threshold."
COMPARE_BY_COST = (
    "Compare with `--metric expected_cost`, because `model.keras` decides at the default threshold, not by these costs."
)
MORE_DATA = "Collect more data."
#: Probabilities that decide a verdict.
LIMITS = (CERTAIN, LIKELY)


def next_step_with_costs(decides: bool, by_cost: bool) -> str:
    """Return the next step of a comparison with costs that needs no more evidence.

    `decides` is whether `model.keras` decides by the costs, and `by_cost` whether the verdict is on the expected cost.
    """
    return DEPLOY if decides else DEPLOY_DEFAULT if by_cost else COMPARE_BY_COST


class Texts(NamedTuple):
    """The four texts of a verdict (see `Verdict`)."""

    headline: str
    recommendation: str
    evidence: str = ""
    next_step: str = ""


def listed(names: Sequence[str]) -> str:
    """Return the titles of strategies (keys) joined as in a sentence.

    Example:
        >>> listed(["none", "focal", "smote"])
        'the baseline, Focal loss and SMOTE'
    """
    titles = [strategy_name(name) for name in names]
    return titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"


def number(value: float, signed: bool = False) -> str:
    """Return a number as text with three decimals, or more if the value is small.

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
    """Return a probability in percent, never rounded up to certainty, or to a limit of the verdict.

    Example:
        >>> percent(0.976), percent(0.9999), percent(0.0001), percent(0.9496)
        ('98%', 'over 99%', 'under 1%', '94%')
    """
    if not math.isfinite(probability):
        return "unknown"
    if probability > 0.99:
        return "over 99%"
    shown = round(100 * probability)
    below = any(probability < limit and shown >= round(100 * limit) for limit in LIMITS)
    return "under 1%" if probability < 0.01 else f"{shown - below}%"


def p_value(p: float) -> str:
    """Return a p-value with its sign, no smaller than is meaningful, and never rounded down to the limit.

    Example:
        >>> p_value(0.0123), p_value(1e-7), p_value(0.0502)
        ('p = 0.012', 'p < 0.001', 'p = 0.0502')
    """
    if p < 0.001:
        return "p < 0.001"
    limit = 1 - CERTAIN
    return f"p = {math.ceil(1e4 * p) / 1e4:.4f}" if p > limit and number(p) == number(limit) else f"p = {number(p)}"


class Contrast(NamedTuple):
    """Two strategies compared in one metric: the facts that the texts of a verdict need, and their wording.

    Attributes:
        metric: Its key.
        first, second: The strategies; `difference` is above 0 if `first` is better.
        means: Their means.
        difference: What is known about the difference.
        rope: The smallest difference that matters.
        level: Confidence of the interval.
    """

    metric: str
    first: str
    second: str
    means: tuple[float, float]
    difference: Difference
    rope: float
    level: float = 0.95

    def mean(self, which: int) -> str:
        """Return the mean of the first (0) or the second (1) strategy as text."""
        return self._number(self.means[which])

    def score(self) -> str:
        """Return the name of the metric and the mean of the first strategy."""
        return f"{metric_name(self.metric)} {self.mean(0)}"

    def gap(self) -> str:
        """Return the difference first minus second in the unit of the metric, with its interval, as text."""
        d, direction = self.difference, METRICS[self.metric].direction
        # `difference` is above 0 if the first is better. For lower-is-better metrics, the sign is turned back.
        mean, low, high = (d.mean, d.low, d.high) if direction == "higher" else (-d.mean, -d.high, -d.low)
        what = f"difference in the distance to {direction}" if direction in ("one", "zero") else "difference"
        hint = ", lower is better" if direction == "lower" else ""
        ends = f"{self._number(low, '+')} to {self._number(high, '+')}"
        return f"{what} {self._number(mean, '+')}, {100 * self.level:.0f}% CI {ends}{hint}"

    def _number(self, value: float, sign: str = "") -> str:
        """Return a number as text, with the decimals of the smallest difference that matters, at least three."""
        places = max(3, 1 - math.floor(math.log10(self.rope))) if self.rope > 0 else 3
        return f"{value:{sign}.{places}f}" if math.isfinite(value) else "unknown"

    def probabilities(self) -> str:
        """Return a sentence with the probabilities that the first is better, equivalent and worse."""
        d, by = self.difference, f"by more than {number(self.rope)}"
        return (
            f"Probability that {strategy_name(self.first)} is better than {strategy_name(self.second)} {by}: "
            f"{percent(d.right)}; practically equivalent: {percent(d.rope)}; worse {by}: {percent(d.left)}."
        )


def better(own: Contrast, p_adjusted: float, best: str, best_mean: float) -> Texts:
    """Return the texts if the recommended strategy is significantly better than the baseline.

    `own` compares these two. `best` ranks first, and may be another strategy, with the mean `best_mean`.
    """
    title, reference = strategy_title(own.first), strategy_name(own.second)
    top = (
        f"{title} also has the highest mean." if METRICS[own.metric].direction == "higher" else f"{title} ranks first."
    )
    if best != own.first:
        top = (
            f"{strategy_title(best)} ranks first ({number(best_mean)}) but is not significantly better than "
            f"{title}. The simpler strategy is therefore recommended."
        )
    return Texts(
        f"Use {title}. It is significantly better than {reference}.",
        f"Its {metric_name(own.metric)} is {own.mean(0)}, compared with {own.mean(1)} for {reference} "
        f"({own.gap()}). The probability that {title} is better by more than {number(own.rope)} is "
        f"{percent(own.difference.right)} (Holm-adjusted {p_value(p_adjusted)}).",
        top,
        CHOOSE_THRESHOLD,
    )


def external_better(lead: Contrast, p_adjusted: float, ours: Texts, model: str) -> Texts:
    """Return the texts if an external model is significantly better than the best Counterpoise model.

    `ours` are the texts of the verdict on the Counterpoise models, `model` is the one that is saved.
    """
    title = strategy_title(lead.first)
    return Texts(
        f"Use {title}. It is significantly better than the best Counterpoise model.",
        f"Its {metric_name(lead.metric)} is {lead.mean(0)}, compared with {lead.mean(1)} for "
        f"{strategy_name(lead.second)}, the best Counterpoise model ({lead.gap()}, Holm-adjusted "
        f"{p_value(p_adjusted)}). Counterpoise does not save external models: `model.keras` contains "
        f"{strategy_name(model)}.",
        f"Among the Counterpoise models: {ours.headline} {ours.recommendation} {ours.evidence}".strip(),
        f"Train and deploy {title} yourself, or use `model.keras`.",
    )


def no_external(lead: Contrast) -> str:
    """Return the sentence that no external model is significantly better than the best Counterpoise model."""
    return (
        f"No external model is significantly better. The best external model, {strategy_title(lead.first)}, "
        f"has {lead.score()}, compared with {lead.mean(1)} for {strategy_name(lead.second)} ({lead.gap()})."
    )


def among_own(texts: Texts) -> Texts:
    """Return the texts of a verdict on the Counterpoise models if an external model ranks before all of them.

    Example:
        >>> among_own(Texts("", "SMOTE ranks first with 0.612.")).recommendation
        'SMOTE ranks first among the Counterpoise models with 0.612.'
    """
    own = ("ranks first", "has the highest mean")
    changed = list(texts)
    for phrase in own:
        changed = [text.replace(phrase, f"{phrase} among the Counterpoise models") for text in changed]
    return Texts(*changed)


def others_identical(metric: str, winner: str, mean: float) -> Texts:
    """Return the texts if all strategies have the same scores."""
    return Texts(
        f"{_keep_or_use(winner)}. All strategies have the same score.",
        f"Every strategy has {metric_name(metric)} {number(mean)}, so the simplest strategy is recommended.",
        next_step=CHOOSE_THRESHOLD,
    )


def others_worse(metric: str, winner: str, mean: float, losers: int) -> Texts:
    """Return the texts if every strategy with other scores, `losers` of them, is significantly worse."""
    count = "The other strategy is" if losers == 1 else f"All {losers} other strategies are"
    return Texts(
        f"{_keep_or_use(winner)}. {count.replace(f' {losers}', '') if losers > 1 else count} significantly worse.",
        f"{capital(strategy_name(winner))} has {metric_name(metric)} {number(mean)}. {count} significantly worse.",
        next_step=CHOOSE_THRESHOLD,
    )


def equivalent(winner: str, top: Contrast, rivals: int) -> Texts:
    """Return the texts if the recommended strategy and the others make no practical difference.

    `top` compares the best other strategy with the recommended one, `rivals` is the number of equivalent strategies.
    """
    rest = (
        f" For each other equivalent strategy, this probability is at least {percent(CERTAIN)}." if rivals > 1 else ""
    )
    return Texts(
        f"{_keep_or_use(winner)}. The other strategies make no practical difference.",
        _scores_of_own_and_top(winner, top),
        f"The two scores differ by less than {number(top.rope)} with {percent(top.difference.rope)} probability.{rest}",
        CHOOSE_THRESHOLD,
    )


def inconclusive(winner: str, reference: str, top: Contrast, next_step: str, p_adjusted: float) -> Texts:
    """Return the texts if nothing is significantly better than the simplest strategy, which is recommended.

    `top` compares the best other strategy with it, `p_adjusted` is the Holm-adjusted p-value of this comparison.
    """
    none = "no strategy is significantly better"
    if winner != reference:
        none += f" than {strategy_name(reference)}"
    return Texts(
        f"Inconclusive. {_keep_or_use(winner)} for now.",
        _scores_of_own_and_top(winner, top, none),
        _doubt_text(top, p_adjusted),
        next_step,
    )


def likely_better(own: Contrast, lead: Contrast, over_taken: float, next_step: str, p_adjusted: float) -> Texts:
    """Return the texts if nothing is significantly better than the simplest strategy, but it is likely worse.

    Another strategy is then recommended.

    Args:
        own: The recommended strategy against the simplest.
        lead: The top-ranked strategy against the simplest.
        over_taken: Probability that the top-ranked strategy is better than the recommended one by more than the rope.
        next_step: What would settle the question.
        p_adjusted: Of the top-ranked strategy against the others.
    """
    taken, simplest = strategy_title(own.first), strategy_name(own.second)
    scores = f"{metric_name(own.metric)} {own.mean(0)} vs. {own.mean(1)}"
    recommendation = f"{taken} is not significantly better than {simplest} ({scores}; {own.gap()})."
    beats = f"beats {simplest} by more than {number(lead.rope)} with {percent(lead.difference.right)} probability"
    if own.first == lead.first:
        evidence = (
            f"{taken} ranks first and {beats}, so {simplest} is likely worse. {_why_not_significant(lead, p_adjusted)}"
        )
    else:
        evidence = (
            f"{strategy_title(lead.first)} ranks first ({lead.mean(0)}) and {beats}, so {simplest} is likely worse. "
            f"Of the strategies that are not likely worse, {taken} is the simplest. {strategy_title(lead.first)} beats "
            f"{taken} by more than {number(lead.rope)} with only {percent(over_taken)} probability (limit "
            f"{percent(LIKELY)})."
        )
    return Texts(f"Inconclusive. Use {taken} for now.", recommendation, evidence.strip(), next_step)


def cut_off_baseline(own: Contrast) -> Texts:
    """Return the texts if the baseline was still improving: a difference may only show which strategy learns faster."""
    title, reference = strategy_title(own.first), strategy_name(own.second)
    return Texts(
        f"Inconclusive. Use {title} for now.",
        f"Its {metric_name(own.metric)} is {own.mean(0)}, compared with {own.mean(1)} for {reference} ({own.gap()}).",
        f"{capital(reference)} was still improving when its training ended. No strategy can therefore be "
        "called significantly better.",
        "Train for longer.",
    )


def only_one(winner: str) -> Texts:
    """Return the texts if only one strategy has scores."""
    return Texts(
        f"Inconclusive. Only {strategy_name(winner)} could be scored.",
        "A comparison needs at least two strategies with scores.",
        next_step="Look for errors in the leaderboard, or compare more strategies (`--strategies`).",
    )


def without_baseline(reason: str, others: Texts) -> Texts:
    """Return the texts if the baseline failed (`reason`); `others` are those of the verdict on the others."""
    return Texts(
        "Inconclusive. The baseline failed.",
        f"Nothing can be compared with the baseline, because it failed: {reason}",
        f"Among the others: {others.headline} {others.recommendation} {others.evidence}".strip(),
        "Correct the cause of the error, then run the comparison again.",
    )


def repeats_step(done: int, more: int | None, fixed: bool) -> str:
    """Return the next step that would settle the question: more repeats, more folds, or more data.

    Args:
        done: Repeats so far.
        more: Further repeats that would probably settle it; None: no number that was searched.
        fixed: Whether the interval comes from test rows, which repeats do not change.
    """
    if more is not None:
        count = "1 more repeat" if more == 1 else f"{more} more repeats"
        return f"Run {count} (`--repeats {done + more}`). This would probably settle the question."
    if fixed:
        return MORE_DATA
    return (
        f"Collect more data or use more folds (`--folds`). Even {MOST_REPEATS} repeats of these folds would "
        f"probably not "
        "settle the question."
    )


def selection_caveat(among: int, nestable: bool, metric: str = "average_precision") -> str:
    """Return the caveat that the recommended strategy was the best of several.

    `among` is their number. For fewer than three, the text is "".
    `nestable` adds the hint at `--nested`. `metric` determines whether a worse score is called lower or higher.
    """
    if among < 3:
        return ""
    how_much = " Use `--nested` to estimate by how much." if nestable else ""
    direction = METRICS[metric].direction
    worse = f"higher {metric_name(metric)}" if direction == "lower" else "worse score"
    worse = "lower score" if direction == "higher" else worse
    return f"Expect a slightly {worse} on new data, because the recommended strategy is the best of {among}.{how_much}"


def nested_score(metric: str, mean: float, low: float, high: float) -> str:
    """Return the sentence on the score if the strategy is chosen again inside each fold.

    `low` and `high` are the ends of its 95% interval.
    """
    return (
        "If the strategy is chosen again inside each training fold (nested cross-validation), "
        f"{metric_name(metric)} is {number(mean)} (95% CI {number(low)} to {number(high)})."
    )


def _keep_or_use(winner: str) -> str:
    """Return "Keep the baseline" for the baseline, otherwise "Use" and the title."""
    name = strategy_name(winner)
    return f"Keep {name}" if name != strategy_title(winner) else f"Use {name}"


def _scores_of_own_and_top(winner: str, top: Contrast, clause: str = "") -> str:
    """Return sentences on the score of the recommended strategy, then on the best other strategy.

    `top` has the other strategy as its first and the recommended one as its second. `clause` follows the score.
    """
    own = f"{capital(strategy_name(winner))} has {metric_name(top.metric)} {top.mean(1)}"
    first = strategy_title(top.first)
    own = f"{own}, and {clause}" if clause else own
    if top.difference.mean > 0:
        return f"{own}. {first} ranks first with {top.mean(0)} ({top.gap()})."
    return f"{own}. It ranks first. The next strategy is {first} with {top.mean(0)} ({top.gap()})."


def _doubt_text(top: Contrast, p_adjusted: float) -> str:
    """Return why a difference is not conclusive: its probabilities, and the correction or the limit."""
    reason = _why_not_significant(top, p_adjusted) or f"A conclusion needs at least {percent(CERTAIN)}."
    return f"{top.probabilities()} {reason}"


def _why_not_significant(top: Contrast, p_adjusted: float) -> str:
    """Return a sentence on why a probable difference is still not significant, namely Holm's correction.

    It is "" if the difference has less than `CERTAIN` probability.
    """
    if not top.difference.right >= CERTAIN:
        return ""
    limit = number(1 - CERTAIN).rstrip("0")
    return (
        "The difference is not significant, because so many strategies were tried (Holm-adjusted "
        f"{p_value(p_adjusted)}, limit {limit})."
    )

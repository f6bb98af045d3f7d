"""What a comparison says of trainings that ended too early or failed, and of networks worse than the class shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.comparison.words import Gap, called, listed
from counterpoise.pipeline.budget import Training

#: Strategies that a sentence names.
NAMED = 5


def unfinished(training: Mapping[str, Training]) -> frozenset[str]:
    """Strategies whose networks still improved when their training ended."""
    return frozenset(name for name, found in training.items() if found.cut_off)


def cut_off_text(training: Mapping[str, Training], extension: int = 1, limited: bool = False) -> str:
    """Which strategies were cut off, at how many steps, and which option gives them more; "" where none was.

    Args:
        training: strategy -> how long its networks could train.
        extension: How many times the default budget that was.
        limited: Whether a limit of the whole comparison set it.

    Example:
        >>> cut_off_text({"none": Training(720, True), "focal": Training(720, False)})
        'The untouched model was still improving at its limit of 720 steps: raise --epochs (epochs=).'
        >>> cut_off_text({"drw": Training(96, True), "focal": Training(96, True)}, extension=4)
        'drw and focal were still improving at their limit of 96 steps, 4 times the default: raise --epochs (epochs=).'
    """
    names = sorted(unfinished(training), key=list(training).index)
    if not names:
        return ""
    limits = sorted({training[name].limit for name in names})
    steps = f"{limits[0]:,}" if len(limits) == 1 else f"{limits[0]:,} to {limits[-1]:,}"
    verb, whose = ("was", "its") if len(names) == 1 else ("were", "their")
    times = f", {extension} times the default" if extension > 1 else ""
    who = _some(names).replace("the untouched", "The untouched", int(names[0] == "none"))
    return (
        f"{who} {verb} still improving at {whose} limit of "
        f"{steps} steps{times}: raise {'--limit (limit=)' if limited else '--epochs (epochs=)'}."
    )


def without_baseline(reason: str, text: str) -> str:
    """The verdict where the untouched model itself failed."""
    return f"The untouched model failed, so that nothing can be compared with it. Of the others: {text} Why: {reason}"


def not_finished(gap: Gap, others: Sequence[str]) -> str:
    """The reference was cut off: what is ahead of it may be so only because it learns faster."""
    tied = f" Not told apart from it: {listed(others)}." if others else ""
    return (
        f"Inconclusive: {called(gap.behind)} was cut off while it still improved, so that nothing can be called better "
        f"than it. Take {called(gap.ahead)} for now: {gap.numbers()}.{tied}"
    )


def training_warnings(training: Mapping[str, Training], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to read with care: trainings of which nobody knows whether they ended too early, and skill below 0."""
    unknown = [name for name, found in training.items() if found.network and found.cut_off is None]
    below = [row["strategy"] for row in rows if row["skill_below_0"]]
    found = []
    if unknown:
        found.append(
            f"Nobody can tell whether the training of {_some(unknown)} was cut off: there were too few rounds, or the "
            "learning rate had fallen to 0. Give more epochs and see whether the scores rise."
        )
    if below:
        found.append(
            f"Skill below 0: {_some(below)}. The log loss is higher than that of predicting the class shares for every "
            "row. Do not use these probabilities; train for longer, or look for what is wrong with the features."
        )
    return found


def _some(names: Sequence[str]) -> str:
    """A few names, and how many more there are."""
    if len(names) <= NAMED:
        return listed(names)
    return f"{', '.join(listed([name]) for name in names[: NAMED - 1])} and {len(names) - NAMED + 1} others"

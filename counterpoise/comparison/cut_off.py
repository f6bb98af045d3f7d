"""Texts of a comparison about trainings that ended too early (next step, warnings), and about skill below 0.

Whether a training was cut off is decided in `pipeline.budget`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.comparison.words import listed
from counterpoise.pipeline.budget import TrainingLength

#: Most strategies that a sentence names.
MOST_NAMED = 5


def cut_off_strategies(training: Mapping[str, TrainingLength]) -> frozenset[str]:
    """Return the strategies whose networks still improved when their training ended."""
    return frozenset(name for name, length in training.items() if length.cut_off)


def cut_off_next_step(training: Mapping[str, TrainingLength], extension: int = 1, limited: bool = False) -> str:
    """Return the next step of a verdict whose strategies were cut off: the option for more steps; "" if none was.

    Args:
        training: strategy -> how long its networks could train.
        extension: How many times the default budget they took.
        limited: Whether a limit of the whole comparison cut them off, and not the number of epochs.

    Example:
        >>> cut_off_next_step({"none": TrainingLength(720, True), "focal": TrainingLength(720, False)})
        'Raise `--epochs`, because the baseline was still improving at its limit of 720 steps.'
        >>> cut_off_next_step({"drw": TrainingLength(96, True), "focal": TrainingLength(96, True)}, extension=4)[18:]
        'because Deferred weights and Focal loss were still improving at their limit of 96 steps (4 times the default).'
    """
    names = sorted(cut_off_strategies(training), key=list(training).index)
    if not names:
        return ""
    limits = sorted({training[name].limit for name in names})
    steps = f"{limits[0]:,}" if len(limits) == 1 else f"{limits[0]:,} to {limits[-1]:,}"
    verb, whose = ("was", "its") if len(names) == 1 else ("were", "their")
    times = f" ({extension} times the default)" if extension > 1 else ""
    option = "`--limit`" if limited else "`--epochs`"
    return (
        f"Raise {option}, because {_some_names(names)} {verb} still improving at {whose} limit of {steps} steps{times}."
    )


def training_warnings(training: Mapping[str, TrainingLength], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return warnings: trainings that may have ended too early, and skill below 0.

    `training` maps each strategy to the length of its training. `rows` are the rows of the leaderboard.
    """
    unknown = [name for name, length in training.items() if length.network and length.cut_off is None]
    below = [row["strategy"] for row in rows if row["skill_below_0"]]
    warnings = []
    if unknown:
        warnings.append(
            f"The training of {_some_names(unknown)} may have ended too early. This could not be checked, "
            "because the loss was measured too few times or the learning rate fell to 0. Raise `--epochs`, "
            "and compare the scores."
        )
    if below:
        warnings.append(
            f"Predicting the class proportions for every row has a lower log loss than {_some_names(below)} "
            f"(skill below 0). Do not use the probabilities of {_some_names(below)}. Train for longer, or check "
            "the features."
        )
    return warnings


def _some_names(names: Sequence[str]) -> str:
    """Return the titles of strategies joined as in a sentence; of too many, the first, and the number of the others.

    At most `MOST_NAMED` are named; of more, one fewer and the number of the others.
    """
    if len(names) <= MOST_NAMED:
        return listed(names)
    return f"{', '.join(listed([name]) for name in names[: MOST_NAMED - 1])} and {len(names) - MOST_NAMED + 1} others"

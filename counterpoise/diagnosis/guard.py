"""The leak guard: what could let the answer, or a copy of a test row, into training; and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from counterpoise.core.errors import LeakError
from counterpoise.core.leaks import LEAK_AUROC
from counterpoise.diagnosis.measure import DiagnosisRecord

COLUMNS, REPEATS = "columns that give the label away", "repeated rows"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at.
        status: "clear", "handled" (found, and dealt with), "look" (a person has to), or "unknown" (nobody said).
        found: What was found. action: What is done about it, or what to do.
    """

    name: str
    status: str
    found: str
    action: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def guard(record: DiagnosisRecord) -> tuple[Check, ...]:
    """Every check of the leak guard, in a fixed order.

    Example:
        >>> from counterpoise.core.examples import Examples
        >>> from counterpoise.diagnosis.measure import measure
        >>> import numpy as np
        >>> rows = Examples(np.arange(100.0)[:, None], np.repeat([0, 1], [90, 10]), ("no", "yes"))
        >>> [check.status for check in guard(measure(rows))][-2:]
        ['handled', 'handled']
    """
    return tuple(check(record) for check in _CHECKS)


def refuse(checks: Sequence[Check]) -> None:
    """Raise unless no check asks for a look.

    Raises:
        LeakError: naming every finding that does.
    """
    bad = [f"{c.name}: {c.found} {c.action}" for c in checks if c.status == "look"]
    if bad:
        raise LeakError(f"{len(bad)} possible leak{'s' * (len(bad) > 1)}. " + " ".join(bad))


def _target_like(r: DiagnosisRecord) -> Check:
    name = COLUMNS
    if r.leaks is None:
        return Check(name, "clear", "Neither a table nor a flat array: there are no columns to test.", "")
    if not r.leaks:
        return Check(name, "clear", f"No column alone has an AUROC above {LEAK_AUROC}.", "")
    told = ", ".join(f"{column!r} ({area:.3f})" for column, area in r.leaks.items())
    return Check(
        name, "look", f"AUROC of one column alone: {told}.", "Drop what is known only after the label (drop=)."
    )


def _identifiers(r: DiagnosisRecord) -> Check:
    found = [column for column, why in r.excluded.items() if "identifier" in why]
    if not found:
        return Check("identifiers", "clear", "No column counts or names the rows.", "")
    return Check("identifiers", "handled", f"{', '.join(map(repr, found))} look like identifiers.", "Left out.")


def _repeats(r: DiagnosisRecord) -> Check:
    name = REPEATS
    if r.duplicates is None:
        return Check(name, "unknown", "These rows cannot be compared.", "")
    if not r.duplicates:
        return Check(name, "clear", "No two rows are equal.", "")
    found = f"{r.duplicates:,} rows ({100 * r.duplicates / r.rows:.1f} %) repeat an earlier one, the label left aside."
    if r.duplicates_grouped:
        return Check(name, "handled", found, "Equal rows stay on one side of every split.")
    what = "Scores on rows without a twin stand beside the main score; copies: duplicates='group' or 'drop'."
    return Check(name, "look" if r.duplicates > 0.01 * r.rows else "handled", found, what)


def _nearly_equal(r: DiagnosisRecord) -> Check:
    name = "nearly equal rows"
    if r.near is None:
        return Check(name, "unknown", "Only images and texts are compared.", "")
    more = r.near - (r.duplicates or 0)
    if more <= 0:
        return Check(name, "clear", "None beyond the equal ones.", "")
    found = f"{more:,} rows are nearly equal to another one."
    if r.near_grouped:
        return Check(name, "handled", found, "They stay on one side of every split.")
    return Check(name, "look", found, "Keep them on one side of a split: groups=cp.diagnosis.near_duplicates(x).")


def _groups(r: DiagnosisRecord) -> Check:
    if r.groups is None:
        what = "If rows of one person, machine or document lie side by side, name them: groups=."
        return Check("groups", "unknown", "No groups were named.", what)
    return Check("groups", "handled", f"{r.groups:,} groups.", "No group is on both sides of a split.")


def _time(r: DiagnosisRecord) -> Check:
    if not r.time:
        what = "If the model will decide on later cases than it was trained on, name the time: time=."
        return Check("time", "unknown", "No time was named: folds are drawn at random.", what)
    return Check("time", "handled", "Rows have a time.", "Every fold trains on what came before its test rows.")


def _resampling(r: DiagnosisRecord) -> Check:
    what = "Draws, weights, made rows, scaling and levels come from the training rows of each fold alone."
    return Check("resampling", "handled", "Inside training folds only.", what)


def _thresholds(r: DiagnosisRecord) -> Check:
    what = "The correction and the threshold of a fold are fitted on the other folds; its rows judge only."
    return Check("thresholds", "handled", "Never tuned on the rows that judge.", what)


_CHECKS: tuple[Callable[[DiagnosisRecord], Check], ...] = (
    _target_like,
    _identifiers,
    _repeats,
    _nearly_equal,
    _groups,
    _time,
    _resampling,
    _thresholds,
)

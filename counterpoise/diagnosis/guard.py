"""The leakage checks: what could carry the label, or a copy of a test row, into training; and what is done about it.

Checks see the record alone. Name and status of a check are in the report and in `to_dict`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from counterpoise.core.errors import LeakError
from counterpoise.core.leaks import LEAK_ROC_AUC
from counterpoise.diagnosis.measure import DiagnosisRecord

#: Names of two checks, which `comparison.record` leaves out of its warnings.
COLUMNS, REPEATS = "columns that predict the label alone", "duplicate rows"


@dataclass(frozen=True)
class Check:
    """One leakage check and its finding.

    Attributes:
        name: What was looked at.
        status: "clear", "handled" (a finding that is dealt with), "look" (a person has to), or "unknown" (not given).
        finding: The result in words. action: What is done about it, or what to do.
    """

    name: str
    status: str
    finding: str
    action: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def leak_checks(record: DiagnosisRecord) -> tuple[Check, ...]:
    """Return every leakage check, in a fixed order.

    Example:
        >>> from counterpoise.core.examples import Examples
        >>> from counterpoise.diagnosis.measure import measure
        >>> import numpy as np
        >>> rows = Examples(np.arange(100.0)[:, None], np.repeat([0, 1], [90, 10]), ("no", "yes"))
        >>> [check.status for check in leak_checks(measure(rows))][-2:]
        ['handled', 'handled']
    """
    return tuple(check(record) for check in _CHECKS)


def refuse_leaks(checks: Sequence[Check]) -> None:
    """Raise a LeakError if a check has the status "look".

    Raises:
        LeakError: At least one has; the message contains all of them with their actions.
    """
    bad = [f"{c.name}: {c.finding} {c.action}" for c in checks if c.status == "look"]
    if bad:
        raise LeakError(f"{len(bad)} possible leak{'s' * (len(bad) > 1)}. " + " ".join(bad))


def _leaking_columns(r: DiagnosisRecord) -> Check:
    """Check for columns that alone separate the classes almost perfectly, by their ROC AUC."""
    name = COLUMNS
    if r.leaks is None:
        return Check(name, "clear", "The data are neither a table nor a flat array, so there are no columns.", "")
    if not r.leaks:
        return Check(name, "clear", f"No column alone has a ROC AUC above {LEAK_ROC_AUC}.", "")
    columns = ", ".join(f"{column!r} ({area:.3f})" for column, area in r.leaks.items())
    action = "Drop each column that is known only after the label (drop=)."
    return Check(name, "look", f"Each of these columns has a high ROC AUC alone: {columns}.", action)


def _identifiers(r: DiagnosisRecord) -> Check:
    """Report the columns that were left out because they look like identifiers."""
    columns = [column for column, why in r.excluded.items() if "identifier" in why]
    if not columns:
        return Check("identifiers", "clear", "No column looks like an identifier.", "")
    verb = "look like identifiers" if len(columns) > 1 else "looks like an identifier"
    return Check("identifiers", "handled", f"{', '.join(map(repr, columns))} {verb}.", "Identifiers are left out.")


def _duplicate_rows(r: DiagnosisRecord) -> Check:
    """Check for rows with equal features; more than 1% that are not kept together need a look."""
    name = REPEATS
    if r.duplicates is None:
        return Check(name, "unknown", "Counterpoise cannot check these rows for duplicates.", "")
    if not r.duplicates:
        return Check(name, "clear", "No two rows are equal.", "")
    finding = f"{r.duplicates:,} rows ({100 * r.duplicates / r.rows:.1f}%) repeat the features of an earlier row."
    if r.duplicates_grouped:
        return Check(name, "handled", finding, "Equal rows stay on one side of every split.")
    action = (
        "If the duplicate rows are copies of one case, use duplicates='group' or duplicates='drop'. The report also "
        "has the scores without duplicate rows."
    )
    return Check(name, "look" if r.duplicates > 0.01 * r.rows else "handled", finding, action)


def _near_duplicates(r: DiagnosisRecord) -> Check:
    """Check for near-duplicates that are not equal rows.

    Those that are not kept together need a look.
    """
    name = "near-duplicates"
    if r.near is None:
        return Check(name, "unknown", "This check is for images and texts only.", "")
    more = r.near - (r.duplicates or 0)
    sample = f" {r.compared:,} of {r.rows:,} rows were compared." if r.compared < r.rows else ""
    if more <= 0:
        return Check(name, "clear", f"There are no near-duplicates except equal rows.{sample}", "")
    finding = f"{more:,} row{'s are near-duplicates' if more > 1 else ' is a near-duplicate'} of another row.{sample}"
    if r.near_grouped:
        return Check(name, "handled", finding, "Near-duplicates stay on one side of every split.")
    return Check(
        name,
        "look",
        finding,
        "Keep near-duplicates on one side of a split: number them with cp.diagnosis.near_duplicates(x), and pass these "
        "numbers as groups=.",
    )


def _groups(r: DiagnosisRecord) -> Check:
    """Report whether groups were given, which folds never divide."""
    if r.groups is None:
        what = "If several rows belong to one person, machine, or document, pass groups=."
        return Check("groups", "unknown", "No groups were given.", what)
    return Check("groups", "handled", f"{r.groups:,} groups.", "No group is on both sides of a split.")


def _time(r: DiagnosisRecord) -> Check:
    """Report whether times were given, which make folds test on later rows."""
    if not r.time:
        what = "If the model will predict cases that are later than the training cases, pass time=."
        return Check("time", "unknown", "No time was given, so the folds are drawn at random.", what)
    return Check(
        "time", "handled", "The rows have times.", "Every fold trains only on rows that are earlier than its test rows."
    )


def _resampling(r: DiagnosisRecord) -> Check:
    """State how resampling avoids leakage; the same for all data."""
    what = "Resampling, weights, synthetic rows, scaling, and categories use the training rows of each fold only."
    return Check("resampling", "handled", "Resampling is done only inside training folds.", what)


def _thresholds(r: DiagnosisRecord) -> Check:
    """State how thresholds avoid leakage; the same for all data."""
    what = "The correction and the threshold of a fold are fitted on the other folds, never on its test rows."
    return Check("thresholds", "handled", "Thresholds are never tuned on test rows.", what)


_CHECKS: tuple[Callable[[DiagnosisRecord], Check], ...] = (
    _leaking_columns,
    _identifiers,
    _duplicate_rows,
    _near_duplicates,
    _groups,
    _time,
    _resampling,
    _thresholds,
)

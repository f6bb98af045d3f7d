"""From measured numbers to advice. Each rule looks at one thing and returns early if it does not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from counterpoise.diagnosis.measure import DiagnosisRecord


@dataclass(frozen=True)
class Advice:
    """What to do, why, and the numbers that say so."""

    text: str
    reason: str
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def advise(record: DiagnosisRecord) -> tuple[Advice, ...]:
    """Advice on measured data, the most urgent first.

    Example:
        >>> from counterpoise.core.examples import Examples
        >>> from counterpoise.diagnosis.measure import measure
        >>> import numpy as np
        >>> rows = Examples(np.arange(100.0)[:, None], np.repeat([0, 1], [98, 2]), ("no", "yes"))
        >>> advise(measure(rows))[0].text
        "Class 'yes' has too few rows for cross-validation: collect more, or merge it with another."
    """
    found = (rule(record) for rule in _RULES)
    return tuple(advice for advice in found if advice is not None)


def _too_few(r: DiagnosisRecord) -> Advice | None:
    if r.largest_folds >= r.folds:
        return None
    rarest = min(r.classes, key=lambda c: c.count)
    evidence = {"label": rarest.label, "count": rarest.count, "largest_folds": r.largest_folds}
    reason = (
        f"{rarest.count} rows of class {rarest.label!r} cannot stand in {r.folds} test folds and their training parts."
    )
    if r.largest_folds < 2:
        text = f"Class {rarest.label!r} has too few rows for cross-validation: collect more, or merge it with another."
        return Advice(text, reason, evidence)
    text = f"Use at most {r.largest_folds} folds (--folds {r.largest_folds}), or merge rare classes (--merge-rare)."
    return Advice(text, reason, evidence)


def _leak(r: DiagnosisRecord) -> Advice | None:
    if not r.leaks:
        return None
    names = ", ".join(repr(n) for n in r.leaks)
    reason = "One column alone ranks the classes almost perfectly: often it is written after the label is known."
    return Advice(f"Check whether {names} is known when the model must decide; if not, drop it.", reason, dict(r.leaks))


def _measure_of_success(r: DiagnosisRecord) -> Advice | None:
    if r.imbalance_ratio < 1.5:
        return None
    right = f"{100 * r.majority_accuracy:.1f} %"
    reason = f"Always naming the largest class is already {right} accurate and finds no {r.minority!r}."
    text = "Judge by average precision, recall and precision of the rare class, and log loss; not by accuracy."
    return Advice(text, reason, {"majority_accuracy": r.majority_accuracy})


def _first_remedy(r: DiagnosisRecord) -> Advice | None:
    evidence = {"imbalance_ratio": r.imbalance_ratio}
    if r.imbalance_ratio < 3:
        text = "Train as usual and tune the threshold; a remedy against imbalance is hardly needed."
        return Advice(text, f"The imbalance is mild: {r.imbalance_ratio:.1f} to 1.", evidence)
    reason = (
        f"At {r.imbalance_ratio:,.0f} to 1 the default decision at 0.5 seldom names the rare class; a threshold costs "
        "no training, and resampling and weighting share one expected loss."
    )
    return Advice("Compare every remedy with the untouched model at a tuned threshold.", reason, evidence)


def _precision(r: DiagnosisRecord) -> Advice | None:
    if r.half_width_total <= 0.05:
        return None
    evidence = {
        "minority_count": r.minority_count,
        "half_width_total": r.half_width_total,
        "half_width_fold": r.half_width_fold,
    }
    reason = (
        f"{r.minority_count:,} rows of {r.minority!r} tell a recall of 0.80 to within ±{r.half_width_total:.2f}; "
        f"one fold of {r.positives_per_fold:.0f} to within ±{r.half_width_fold:.2f}."
    )
    return Advice(
        "Expect wide intervals: repeat the folds (--repeats 3), and don't pick by small differences.", reason, evidence
    )


def _neighborhood(r: DiagnosisRecord) -> Advice | None:
    if r.kinds is None or not sum(r.kinds.values()):
        return None
    total = sum(r.kinds.values())
    hard = (r.kinds["rare"] + r.kinds["outlier"]) / total
    evidence = {**r.kinds, "share_rare_or_outlier": hard}
    told = ", ".join(f"{kind} {100 * count / total:.0f} %" for kind, count in r.kinds.items())
    reason = f"Rows of {r.minority!r} by their 5 nearest neighbors: {told}."
    if hard > 0.5:
        text = "Be wary of synthetic rows (SMOTE and kin): most rare rows stand alone. Prefer weights or draws."
        return Advice(text, reason, evidence)
    if r.kinds["safe"] / total > 0.6:
        return Advice("The rare class forms regions of its own: a simple remedy should do.", reason, evidence)
    return Advice("The rare class lies along the border: ensembles over resamplings are worth a try.", reason, evidence)


def _more_rows(r: DiagnosisRecord) -> Advice | None:
    if r.quick is None:
        return None
    d = r.quick.doubling
    reason = (
        f"Twice the rows of {r.minority!r} ({d.rows // 2:,} to {d.rows:,} in training) changed the average precision "
        f"of {r.quick.model} by {d.gain:+.3f} [{d.low:+.3f}, {d.high:+.3f}]; the next doubling rarely brings more."
    )
    if d.low > 0.01:
        return Advice(f"Collect more rows of {r.minority!r}: they still help clearly.", reason, asdict(d))
    if d.high < 0.02:
        text = f"Don't wait for more rows of {r.minority!r}: twice as many would hardly help."
        return Advice(text, reason, asdict(d))
    return None


def _labels(r: DiagnosisRecord) -> Advice | None:
    if r.quick is None or not r.quick.suspicion.rows or r.quick.suspicion.leaving < 0.05:
        return None
    s = r.quick.suspicion
    named = ", ".join(str(row + 1) for row in s.rows[:5])
    reason = (
        f"Up to {100 * s.leaving:.0f} % of the rows labeled {r.minority!r} look like another class to {r.quick.model} "
        f"that had not seen them (confident learning; hard rows look the same). The first to check: rows {named} "
        "(counted from 1)."
    )
    return Advice("Look at the labels of the most suspicious rows before any remedy.", reason, asdict(s))


def _overlap(r: DiagnosisRecord) -> Advice | None:
    if r.quick is None or r.quick.overlap < 0.5:
        return None
    reason = (
        f"{100 * r.quick.overlap:.0f} % of the scores of {r.quick.model} overlap between {r.minority!r} and the rest "
        f"(AUROC {r.quick.roc_auc:.2f}): the classes are hard to tell apart, which no resampling changes."
    )
    text = "Expect more from better features than from a remedy against imbalance."
    return Advice(text, reason, {"overlap": r.quick.overlap, "roc_auc": r.quick.roc_auc})


def _nearly_equal(r: DiagnosisRecord) -> Advice | None:
    more = (r.near or 0) - (r.duplicates or 0)
    if r.near is None or more < 0.005 * r.rows:
        return None
    reason = f"{more:,} rows are nearly equal to another one: a test row may have its near copy in training."
    text = "Keep near copies on one side of a split: groups=cp.diagnosis.near_duplicates(x)."
    return Advice(text, reason, {"near": r.near, "duplicates": r.duplicates})


def _duplicates(r: DiagnosisRecord) -> Advice | None:
    share = (r.duplicates or 0) / r.rows
    if share < 0.01:
        return None
    reason = (
        f"{r.duplicates:,} rows ({100 * share:.1f} %) repeat an earlier one, so a test row may have a twin in training."
    )
    text = "Look at the score on rows without a twin too; if the repeats are copies, use duplicates='group' or 'drop'."
    return Advice(text, reason, {"duplicates": r.duplicates, "share": share})


def _conflicts(r: DiagnosisRecord) -> Advice | None:
    if not r.conflicting:
        return None
    reason = f"{r.conflicting:,} rows ({100 * r.conflicting / r.rows:.1f} %) have a twin with another label."
    text = "No model can decide all rows: equal features carry different labels. Add features, or check the labels."
    return Advice(text, reason, {"conflicting": r.conflicting})


def _much_missing(r: DiagnosisRecord) -> Advice | None:
    much = {name: count for name, count in r.missing.items() if name in r.used and count > 0.5 * r.rows}
    if not much:
        return None
    names = ", ".join(repr(n) for n in list(much)[:5]) + (", ..." if len(much) > 5 else "")
    reason = (
        f"{len(much)} used column{'s are' if len(much) > 1 else ' is'} missing in more than half of the rows: {names}."
    )
    return Advice("Make sure that values are missing for the same reasons where the model will be used.", reason, much)


_RULES: tuple[Callable[[DiagnosisRecord], Advice | None], ...] = (
    _too_few,
    _leak,
    _measure_of_success,
    _first_remedy,
    _precision,
    _neighborhood,
    _overlap,
    _more_rows,
    _labels,
    _duplicates,
    _nearly_equal,
    _conflicts,
    _much_missing,
)

"""From measured numbers to advice. Each rule looks at one thing and returns early if it does not apply.

Rules see the record alone, never the rows. Terminal, notebook, report, and `to_dict` show what they return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from counterpoise.diagnosis.measure import DiagnosisRecord

#: Kind of a row of the rare class -> how many of its 5 nearest neighbors are of the same class.
_SAME_CLASS = {"safe": "4 or 5", "borderline": "2 or 3", "rare": "1", "outlier": "0"}


@dataclass(frozen=True)
class Advice:
    """One piece of advice, its reason, and the numbers behind it."""

    text: str
    reason: str
    evidence: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def advise(record: DiagnosisRecord) -> tuple[Advice, ...]:
    """Derive advice from measured data, the most urgent first.

    Example:
        >>> from counterpoise.core.examples import Examples
        >>> from counterpoise.diagnosis.measure import measure
        >>> import numpy as np
        >>> rows = Examples(np.arange(100.0)[:, None], np.repeat([0, 1], [98, 2]), ("no", "yes"))
        >>> advise(measure(rows))[0].text
        "Collect more rows of class 'yes', or merge it with another class. It has too few rows for cross-validation."
    """
    # The order of the rules is the order of urgency; None: the rule does not apply.
    advice = (rule(record) for rule in _RULES)
    return tuple(item for item in advice if item is not None)


def _too_few(r: DiagnosisRecord) -> Advice | None:
    """Advise on a rarest class with too few rows for the wanted number of folds."""
    if r.largest_folds >= r.folds:
        return None
    rarest = min(r.classes, key=lambda c: c.count)
    evidence = {"label": rarest.label, "count": rarest.count, "largest_folds": r.largest_folds}
    reason = (
        f"Class {rarest.label!r} has {rarest.count} rows. These are too few for {r.folds} folds with training "
        "and test rows."
    )
    if r.largest_folds < 2:
        text = (
            f"Collect more rows of class {rarest.label!r}, or merge it with another class. It has too few rows for "
            f"cross-validation."
        )
        return Advice(text, reason, evidence)
    text = f"Use at most {r.largest_folds} folds (--folds {r.largest_folds}), or merge rare classes (--merge-rare)."
    return Advice(text, reason, evidence)


def _leaking_columns(r: DiagnosisRecord) -> Advice | None:
    """Advise to check columns that alone predict the label almost perfectly."""
    if not r.leaks:
        return None
    names = ", ".join(repr(n) for n in r.leaks)
    reason = (
        "One column alone ranks the classes almost perfectly. Often, such a column is filled in only after "
        "the label is known."
    )
    many = len(r.leaks) > 1
    text = (
        f"Check whether {names} {'are' if many else 'is'} known when the model predicts. If not, drop the "
        f"column{'s' * many}."
    )
    return Advice(text, reason, dict(r.leaks))


def _misleading_accuracy(r: DiagnosisRecord) -> Advice | None:
    """Advise against accuracy as a score if the ratio of the classes is 1.5 or more."""
    if r.imbalance_ratio < 1.5:
        return None
    accuracy = f"{100 * r.majority_accuracy:.1f}%"
    share = next(c.share for c in r.classes if c.label == r.minority)
    # Not with more than two classes, and not if the class of interest is the larger one.
    never = abs(1.0 - share - r.majority_accuracy) < 1e-9
    model = f"never predicts {r.minority!r}" if never else "always predicts the largest class"
    reason = f"A model that {model} is {accuracy} accurate."
    text = "Do not judge by accuracy. Use average precision, log loss, and the recall and precision of the rare class."
    return Advice(text, reason, {"majority_accuracy": r.majority_accuracy})


def _threshold_first(r: DiagnosisRecord) -> Advice | None:
    """Advise to start with a tuned threshold; at a ratio below 3, to use no strategy."""
    evidence = {"imbalance_ratio": r.imbalance_ratio}
    if r.imbalance_ratio < 3:
        text = "Train as usual and tune the threshold. A strategy against imbalance is not needed."
        return Advice(text, f"The imbalance is mild: the ratio is {r.imbalance_ratio:.1f} to 1.", evidence)
    reason = (
        f"At a ratio of {r.imbalance_ratio:,.0f} to 1, the default threshold of 0.5 misses most rows of the "
        "rare class. Tuning the threshold needs no new training. A strategy is useful only if it improves on a "
        "tuned threshold."
    )
    return Advice("Compare every strategy with the baseline at a tuned threshold.", reason, evidence)


def _wide_intervals(r: DiagnosisRecord) -> Advice | None:
    """Advise to expect wide intervals if a recall of 0.8 is uncertain by more than 0.05."""
    if r.half_width_total <= 0.05:
        return None
    evidence = {
        "minority_count": r.minority_count,
        "half_width_total": r.half_width_total,
        "half_width_fold": r.half_width_fold,
    }
    reason = (
        f"With {r.minority_count:,} rows of {r.minority!r}, a recall of 0.8 has a 95% confidence interval of "
        f"±{r.half_width_total:.2f}. With the {r.positives_per_fold:.0f} rows of one fold, the interval is "
        f"±{r.half_width_fold:.2f}."
    )
    text = "Expect wide intervals. Repeat the cross-validation (--repeats 3), and ignore small differences."
    return Advice(text, reason, evidence)


def _neighborhood(r: DiagnosisRecord) -> Advice | None:
    """Advise by the neighbors of the rows of the rare class: same or other classes.

    None if the neighbors were not looked at.
    """
    if r.kinds is None or not sum(r.kinds.values()):
        return None
    total = sum(r.kinds.values())
    hard = (r.kinds["rare"] + r.kinds["outlier"]) / total
    evidence = {**r.kinds, "share_rare_or_outlier": hard}
    kinds = ", ".join(f"{kind} ({_SAME_CLASS[kind]}) {100 * count / total:.0f}%" for kind, count in r.kinds.items())
    reason = (
        f"Each row of {r.minority!r} was compared with its 5 nearest neighbors. Kinds of rows (number of neighbors "
        f"of the same class): {kinds}."
    )
    if hard > 0.5:
        text = (
            "Prefer class weights or resampling to SMOTE. Most rows of the rare class have neighbors of other classes."
        )
        return Advice(text, reason, evidence)
    if r.kinds["safe"] / total > 0.6:
        return Advice(
            "Start with a simple strategy. The rows of the rare class form separate regions.", reason, evidence
        )
    return Advice(
        "Try ensembles whose members train on resampled rows. The rare class is close to another class.",
        reason,
        evidence,
    )


def _more_rows(r: DiagnosisRecord) -> Advice | None:
    """Advise whether to collect more rows of the rare class, by the gain from doubling them.

    None if the quick model was not trained, or if the interval of the gain allows both answers.
    """
    if r.quick is None:
        return None
    d = r.quick.doubling
    reason = (
        f"With {d.rows:,} instead of {d.rows // 2:,} training rows of {r.minority!r}, the average precision of "
        f"{r.quick.model} changed by {d.gain:+.3f} (95% CI {d.low:+.3f} to {d.high:+.3f}). "
        "The next doubling rarely adds more."
    )
    if d.low > 0.01:
        return Advice(f"Collect more rows of {r.minority!r}. They still improve the model.", reason, asdict(d))
    if d.high < 0.02:
        text = f"Do not wait for more rows of {r.minority!r}. Twice as many rows would hardly improve the model."
        return Advice(text, reason, asdict(d))
    return None


def _suspicious_labels(r: DiagnosisRecord) -> Advice | None:
    """Advise to check labels if 5% or more of those of the rare class are contradicted.

    The quick model contradicts them; None if it was not trained.
    """
    if r.quick is None or not r.quick.suspicion.rows or r.quick.suspicion.leaving < 0.05:
        return None
    s = r.quick.suspicion
    named = ", ".join(str(row + 1) for row in s.rows[:5])
    reason = (
        f"In cross-validation, {r.quick.model} contradicts the label of up to {100 * s.leaving:.0f}% of the rows "
        f"labeled {r.minority!r} (method: confident learning). Some of these labels may be correct. Start with "
        f"rows {named} (counted from 1)."
    )
    return Advice("Check the labels of the most suspicious rows before you try strategies.", reason, asdict(s))


def _overlap(r: DiagnosisRecord) -> Advice | None:
    """Advise to look for better features if the quick model's scores overlap by half or more.

    None also if the quick model was not trained.
    """
    if r.quick is None or r.quick.overlap < 0.5:
        return None
    reason = (
        f"The scores of {r.quick.model} overlap by {100 * r.quick.overlap:.0f}% between {r.minority!r} and "
        f"the other rows (ROC AUC {r.quick.roc_auc:.2f}). The classes are hard to separate, and resampling "
        "does not change this."
    )
    text = "Look for better features. They can improve the model more than a strategy against imbalance."
    return Advice(text, reason, {"overlap": r.quick.overlap, "roc_auc": r.quick.roc_auc})


def _near_duplicates(r: DiagnosisRecord) -> Advice | None:
    """Advise to keep near-duplicates together if 0.5% or more of the compared rows have one.

    Equal rows do not count here (see `_duplicates`).
    """
    more = (r.near or 0) - (r.duplicates or 0)
    if r.near is None or more < 0.005 * r.compared:
        return None
    reason = (
        f"{more:,} of {r.compared:,} rows have a near-duplicate. A test row may therefore have a near-duplicate "
        "in training."
    )
    text = (
        "Keep near-duplicates on one side of a split: number them with cp.diagnosis.near_duplicates(x), and pass these "
        "numbers as groups=."
    )
    return Advice(text, reason, {"near": r.near, "duplicates": r.duplicates})


def _duplicates(r: DiagnosisRecord) -> Advice | None:
    """Advise what to do with duplicates if at least 1% of the rows repeat an earlier row."""
    share = (r.duplicates or 0) / r.rows
    if share < 0.01:
        return None
    reason = (
        f"{r.duplicates:,} rows ({100 * share:.1f}%) repeat an earlier row. A test row may therefore have a "
        "duplicate in training."
    )
    text = (
        "If duplicate rows are copies, use duplicates='group' or duplicates='drop'. Otherwise, use the score without "
        "duplicates."
    )
    return Advice(text, reason, {"duplicates": r.duplicates, "share": share})


def _conflicts(r: DiagnosisRecord) -> Advice | None:
    """Advise to check rows with equal features but different labels."""
    if not r.conflicting:
        return None
    reason = f"{r.conflicting:,} rows ({100 * r.conflicting / r.rows:.1f}%) have a duplicate with another label."
    text = "Add features, or check the labels. Some rows with equal features have different labels."
    return Advice(text, reason, {"conflicting": r.conflicting})


def _missing_values(r: DiagnosisRecord) -> Advice | None:
    """Advise to check used columns that have no value in more than half of the rows."""
    much = {name: count for name, count in r.missing.items() if name in r.used and count > 0.5 * r.rows}
    if not much:
        return None
    names = ", ".join(repr(n) for n in list(much)[:5]) + (", ..." if len(much) > 5 else "")
    reason = (
        f"{len(much)} used column{'s have' if len(much) > 1 else ' has'} no value in more than half of the "
        f"rows: {names}."
    )
    return Advice("Check that values will be missing for the same reasons when the model is in use.", reason, much)


_RULES: tuple[Callable[[DiagnosisRecord], Advice | None], ...] = (
    _too_few,
    _leaking_columns,
    _misleading_accuracy,
    _threshold_first,
    _wide_intervals,
    _neighborhood,
    _overlap,
    _more_rows,
    _suspicious_labels,
    _duplicates,
    _near_duplicates,
    _conflicts,
    _missing_values,
)

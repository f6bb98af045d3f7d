"""Names in words, and numbers with sensible digits."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STRATEGIES = {
    "none": "Untouched model",
    "threshold": "Tuned threshold",
    "class_weight": "Class weights",
    "effective_number": "Effective-number weights",
    "oversample": "Oversampling",
    "undersample": "Undersampling",
    "focal": "Focal loss",
    "class_balanced_focal": "Class-balanced focal loss",
    "logit_adjusted": "Logit-adjusted loss",
    "balanced_softmax": "Balanced softmax",
    "ldam_drw": "LDAM with deferred weights",
    "label_smoothing": "Label-aware smoothing",
    "drw": "Deferred weights",
    "asymmetric": "Asymmetric loss",
    "smote": "SMOTE",
    "borderline_smote": "Borderline SMOTE",
    "adasyn": "ADASYN",
    "smote_nc": "SMOTE-NC",
    "mixup": "Mixup",
    "remix": "Remix",
    "crt": "Classifier re-trained",
    "tau_norm": "Tau-normalized classifier",
    "auc_margin": "AUC margin loss",
    "ap_surrogate": "Average-precision loss",
    "easy_ensemble": "Easy ensemble",
    "balanced_bagging": "Balanced bagging",
    "snapshot_ensemble": "Snapshot ensemble",
    "self_paced_ensemble": "Self-paced ensemble",
    "balance_cascade": "Balance cascade",
    "resampling_ensemble": "Resampling ensemble",
    "mixup_ensemble": "Mixup ensemble",
    "label_ensemble": "Label ensemble",
}

METRICS = {
    "average_precision": "average precision",
    "roc_auc": "area under the ROC curve",
    "average_precision_micro": "average precision over all labels together",
    "roc_auc_micro": "area under the ROC curve over all labels together",
    "f1_micro": "F1 over all labels together",
    "subset_accuracy": "rows with every label right",
    "log_loss": "log loss",
    "brier": "Brier score",
    "skill": "skill over the prior",
    "calibration_slope": "calibration slope",
    "ece": "calibration error",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "recall": "recall",
    "precision": "precision",
    "specificity": "specificity",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "g_mean": "geometric mean of recalls",
}

SUFFIXES = {
    "_uncorrected": ", as trained, default decision",
    "_default": ", corrected, default decision",
}

NOTHING = "–"


def strategy(name: str, row: Mapping[str, Any] | None = None) -> str:
    """Return the name of a strategy in words; a row's own `title` wins.

    Example:
        >>> strategy("class_weight"), strategy("external:lightgbm"), strategy("my_own")
        ('Class weights', 'lightgbm (external)', 'My own')
        >>> strategy("boosted:class_weight")
        'Class weights (boosted)'
    """
    if row and row.get("title"):
        return str(row["title"])
    if name.startswith("external:"):
        return f"{name.removeprefix('external:')} (external)"
    if ":" in name:
        model, _, own = name.partition(":")
        return f"{strategy(own)} ({model.replace('_', ' ')})"
    plain = name.replace("_", " ")
    return STRATEGIES.get(name, plain[:1].upper() + plain[1:])


def metric(key: str) -> str:
    """Return a metric key in words.

    Example:
        >>> metric("average_precision"), metric("recall_uncorrected"), metric("log_loss_uncorrected")
        ('average precision', 'recall, as trained, default decision', 'log loss, as trained')
    """
    if key == "log_loss_uncorrected":
        return "log loss, as trained"
    for suffix, words in SUFFIXES.items():
        if key.endswith(suffix):
            return metric(key.removesuffix(suffix)) + words
    return METRICS.get(key, key.replace("_", " "))


def capital(text: str) -> str:
    """Return the text with its first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def file_name(source: Any) -> str | None:
    """Return a file's name without its folders, which mean nothing to whoever is handed the page.

    Example:
        >>> file_name("/home/me/cases.csv"), file_name(None)
        ('cases.csv', None)
    """
    return Path(str(source)).name if source else None


def prose(text: str) -> str:
    """Return the text with each per cent sign kept on the line of its number.

    Example:
        >>> prose("95 % of all") == "95\\u00a0% of all"
        True
    """
    return re.sub(r"(?<=\d) %", "\u00a0%", text)


def finite(value: Any) -> bool:
    """Tell whether a value is a number that can be shown (None, NaN and text are not)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def digits(low: Any, high: Any, default: int = 3) -> int:
    """Return the decimals that an interval supports: two significant ones of its half width, 3 or 4.

    Example:
        >>> digits(0.05, 0.99), digits(0.6, 0.6), digits(0.62, 0.623)
        (3, 3, 4)
    """
    if not (finite(low) and finite(high)) or high <= low:
        return default
    return min(4, max(3, 1 - math.floor(math.log10((high - low) / 2))))


def number(value: Any, places: int = 3, sign: bool = False) -> str:
    """Format a number with fixed decimals and a true minus sign; a dash where there is none.

    Example:
        >>> number(0.12345), number(-0.5, 2), number(0.5, 2, sign=True), number(None)
        ('0.123', '−0.50', '+0.50', '–')
    """
    if not finite(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''},.{places}f}"
    if float(text.replace(",", "")) == 0:
        text = f"{0:.{places}f}"
    return text.replace("-", "−")


def significant(value: Any) -> str:
    """Format a number with three significant digits.

    Example:
        >>> significant(0.52341), significant(2.0), significant(None)
        ('0.523', '2', '–')
    """
    return f"{value:.3g}".replace("-", "−") if finite(value) else NOTHING


def interval(
    score: Mapping[str, Any] | None, sign: bool = False, at: str = "mean", places: int | None = None
) -> tuple[str, str]:
    """Return (value, "[low, high]") of a score with so many decimals, None: those that its interval supports.

    Example:
        >>> interval({"mean": 0.6234, "low": 0.55, "high": 0.69})
        ('0.623', '[0.550, 0.690]')
        >>> interval(None)
        ('–', '')
    """
    if not score or not finite(score.get(at)):
        return NOTHING, ""
    low, high = score.get("low"), score.get("high")
    places = digits(low, high) if places is None else places
    if not (finite(low) and finite(high)):
        return number(score[at], places, sign), ""
    return number(score[at], places, sign), f"[{number(low, places, sign)}, {number(high, places, sign)}]"


def count(value: Any) -> str:
    """Format a whole number with thousands separators, or a fractional count with one decimal.

    Example:
        >>> count(11183), count(46.2), count(None)
        ('11,183', '46.2', '–')
    """
    if not finite(value):
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(value: Any) -> str:
    """Format a share as a percentage with about three significant digits.

    Example:
        >>> share(0.0232), share(0.9768), share(0.00017)
        ('2.32 %', '97.7 %', '0.017 %')
    """
    if not finite(value):
        return NOTHING
    percent = 100 * value
    places = 0 if percent >= 99.95 or percent == 0 else max(0, min(3, 2 - math.floor(math.log10(abs(percent)))))
    return f"{percent:.{places}f} %"


def probability(value: Any) -> str:
    """Format a p-value: three decimals, or "< 0.001".

    Example:
        >>> probability(0.0314), probability(1e-6)
        ('= 0.031', '< 0.001')
    """
    if not finite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def change(value: Any) -> str:
    """Format a difference of counts with its sign, one decimal where it is small.

    Example:
        >>> change(48.31), change(-1916.7)
        ('+48.3', '−1,917')
    """
    return number(value, 0 if finite(value) and abs(value) >= 100 else 1, sign=True)


def prices(costs: Mapping[str, Any]) -> str:
    """Say what the two kinds of error cost.

    Example:
        >>> prices({"false_alarm": 1.0, "missed": 20.0})
        'a false alarm costs 1, a missed case 20'
    """
    return f"a false alarm costs {count(costs['false_alarm'])}, a missed case {count(costs['missed'])}"

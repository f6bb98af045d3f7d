"""Titles of strategies and metrics, which messages, terminal, report and documentation share.

The keys are names that users type and that files contain, and never change. Titles may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BASELINE = "none"
#: Cases that decisions and costs are reported for: "per 10,000 cases".
PER = 10_000

STRATEGIES: Mapping[str, str] = MappingProxyType(
    {
        BASELINE: "Baseline",
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
        "crt": "Classifier retraining",
        "tau_norm": "Tau normalization",
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
        "dice_cross_entropy": "Dice and cross-entropy",
        "dice": "Dice loss",
        "tversky": "Tversky loss",
    }
)

#: Metric key -> its name within a sentence, and what it measures.
METRICS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "average_precision": ("average precision", "area under the precision-recall curve"),
        "roc_auc": ("ROC AUC", "area under the ROC curve"),
        "log_loss": ("log loss", "mean negative log probability of the true class, in nats"),
        "brier": ("Brier score", "mean squared error of the probability"),
        "skill": ("skill", "relative reduction of the log loss compared with predicting the class proportions"),
        "calibration_slope": ("calibration slope", "below 1: overconfident"),
        "calibration_intercept": ("calibration intercept", "above 0: probabilities are too low"),
        "ece": ("expected calibration error", "mean difference between predicted and observed share"),
        "accuracy": ("accuracy", "share of correct decisions"),
        "balanced_accuracy": ("balanced accuracy", "mean recall of the classes"),
        "recall": ("recall", "share of the cases that are found"),
        "precision": ("precision", "share of the alerts that are correct"),
        "specificity": ("specificity", "share of the negative rows that get no alert"),
        "f1": ("F1", "harmonic mean of precision and recall"),
        "mcc": ("Matthews correlation", "correlation of decision and label"),
        "g_mean": ("G-mean", "geometric mean of the recalls"),
        "expected_cost": ("cost per case", "mean cost of the decisions"),
        "average_precision_micro": ("average precision over all labels", "each label of each row counts as one case"),
        "roc_auc_micro": ("ROC AUC over all labels", "each label of each row counts as one case"),
        "f1_micro": ("F1 over all labels", "each label of each row counts as one case"),
        "subset_accuracy": ("subset accuracy", "share of rows with every label correct"),
        "dice": ("Dice", "overlap of decision and truth over all pixels of all images, 2 TP / (2 TP + FP + FN)"),
        "iou": ("IoU", "intersection over union over all pixels of all images, TP / (TP + FP + FN)"),
        "dice_image": ("Dice per image", "mean over images; an empty prediction for an empty image counts as 1"),
        "dice_present": ("Dice per image with the class", "mean over the images that contain the class"),
        "lesion_recall": ("lesion recall", "share of the lesions that are hit at 1 false positive lesion per image"),
    }
)

#: Key of what `evaluate` reports beyond these -> its title.
FURTHER: Mapping[str, str] = MappingProxyType(
    {
        "partial_auc": "ROC AUC up to a false-positive rate of 10% (0.5 is random guessing)",
        "brier_reliability": "Brier score: miscalibration",
        "brier_resolution": "Brier score: separation of the classes",
        "calibration_error": "Calibration error (root mean square over bins, corrected for chance)",
        "net_benefit": "Net benefit at the threshold (unit: true positives per case)",
        "net_benefit_everybody": "Net benefit if every case gets an alert",
        "largest_cost_share": "Share of all costs caused by the most expensive row",
        "amount_recall": "Recall by amount (alerts cover this share of the amount of all positive cases)",
        "precision_first": "Precision among the first rows of the ranking",
        "lift_first": "Lift of the first rows (their precision divided by the share of positives)",
    }
)

#: Suffix of a metric key -> the decision, or the probabilities, that the metric is computed from.
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {"_uncorrected": "uncorrected, default threshold", "_default": "corrected, default threshold"}
)


def strategy_title(name: str) -> str:
    """Return the title of a strategy; an external model keeps its key.

    Of "model:strategy", the title of the strategy is followed by the model in parentheses.

    Example:
        >>> strategy_title("class_weight"), strategy_title("my_own"), strategy_title("external:lightgbm")
        ('Class weights', 'My own', 'external:lightgbm')
        >>> strategy_title("boosted:class_weight")
        'Class weights (boosted)'
    """
    if name.startswith("external:"):
        return name
    if ":" in name:
        model, _, own = name.partition(":")
        return f"{strategy_title(own)} ({model.replace('_', ' ')})"
    return STRATEGIES.get(name, capital(name.replace("_", " ")))


def strategy_name(name: str) -> str:
    """Return the name of a strategy within a sentence.

    Example:
        >>> strategy_name("none"), strategy_name("boosted:none"), strategy_name("focal")
        ('the baseline', 'Baseline (boosted)', 'Focal loss')
    """
    return "the baseline" if name == BASELINE else strategy_title(name)


def metric_name(key: str) -> str:
    """Return the name of a metric within a sentence.

    Example:
        >>> metric_name("average_precision"), metric_name("recall_default"), metric_name("log_loss_uncorrected")
        ('average precision', 'recall (corrected, default threshold)', 'log loss (uncorrected)')
    """
    if key == "log_loss_uncorrected":
        return f"{METRICS['log_loss'][0]} (uncorrected)"
    for suffix, basis in SUFFIXES.items():
        if key.endswith(suffix):
            return f"{metric_name(key.removesuffix(suffix))} ({basis})"
    return METRICS[key][0] if key in METRICS else key.replace("_", " ")


def metric_title(key: str) -> str:
    """Return the name of a metric with what it measures.

    Example:
        >>> metric_title("f1"), metric_title("f1_default")
        ('F1 (harmonic mean of precision and recall)', 'F1 (corrected, default threshold)')
    """
    if key in FURTHER:
        return FURTHER[key]
    meaning = f" ({METRICS[key][1]})" if key in METRICS else ""
    return capital(metric_name(key)) + meaning


def capital(text: str) -> str:
    """Return the text with its first letter in upper case.

    Example:
        >>> capital("the baseline"), capital("")
        ('The baseline', '')
    """
    return text[:1].upper() + text[1:]

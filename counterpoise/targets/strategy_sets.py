"""The strategies for each kind of target, by name; this module imports nothing slow.

The targets and `strategies.select` read them. The names are those that users type.
"""

from __future__ import annotations

#: Kind -> the set called "default", the baseline first.
DEFAULT = {
    "one_of": ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble"),
    "labels": ("none", "threshold", "class_weight", "oversample", "asymmetric", "label_ensemble"),
    "elements": (
        "none",
        "threshold",
        "class_weight",
        "oversample",
        "focal",
        "resampling_ensemble",
        "dice_cross_entropy",
    ),
}
#: Kind -> all strategies that it can be trained with; empty: all that there are.
ALL: dict[str, tuple[str, ...]] = {
    "one_of": (),
    "labels": (*DEFAULT["labels"], "effective_number", "focal", "class_balanced_focal"),
    "elements": (
        *DEFAULT["elements"],
        "undersample",
        "crops",
        "logit_adjusted",
        "balanced_softmax",
        "dice",
        "tversky",
    ),
}

"""The strategies of the package, simplest first: of two that are not significantly different, the earlier is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.element_plan import crops
from counterpoise.plans.hardness import cascade, self_paced
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import synthesize
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.strategy import Hyperparameter, Single, Strategy
from counterpoise.strategies.successive import Successive


def _deferred_effective(y: Any, **options: Any) -> Plan:
    return deferred(plans.effective_number(y, **options))


def _margins(counts: np.ndarray) -> Mapping[str, Any]:
    # The paper's scale of 30 is for cosines; an ordinary last layer finds its own.
    return {**_class_counts(counts), "max_margin": 0.5, "scale": 1.0}


def _class_counts(counts: np.ndarray) -> Mapping[str, Any]:
    return {"counts": [int(n) for n in counts]}


def _smoothed(counts: np.ndarray) -> Mapping[str, Any]:
    return {**_class_counts(counts), "head": 0.1}


def _focusing(counts: np.ndarray) -> Mapping[str, Any]:
    return {"gamma": 2.0}


def _with_power(strategy: Single, exponent: float) -> Single:
    return strategy if exponent == 1 else replace(strategy, plan=plans.power, options={"exponent": exponent})


def _with_tau(strategy: Single, tau: float) -> Single:
    if tau == 1:
        return strategy
    return replace(strategy, loss="logit_adjusted", constants=lambda counts: {**_class_counts(counts), "tau": tau})


_RATIO = Hyperparameter("ratio", 0.05, 1.0, default=1.0, log=True)
_GAMMA = Hyperparameter("gamma", 0.25, 5.0, default=2.0, applies_to="loss")

_NONE = Single("none", "The baseline: no remedy, decision at 0.5 or the largest probability.", aim="argmax")
_CLASS_WEIGHT = Single(
    "class_weight",
    "Every row once; the loss of class c weighs n / (C n_c).",
    plans.class_weight,
    hyperparameters=(Hyperparameter("power", 0.0, 1.5, default=1.0, applies_to=_with_power),),
)
_ASYMMETRIC = Single(
    "asymmetric",
    "Easy negatives are focused away harder than positives, class by class (Ridnik 2021).",
    loss="asymmetric",
)
_OVERSAMPLE = Single(
    "oversample",
    "Rows of smaller classes are drawn more often, up to the largest class; resampled each epoch.",
    plans.oversample,
    hyperparameters=(_RATIO,),
)
_UNDERSAMPLE = Single(
    "undersample",
    "A part of the rows of larger classes is drawn, down to the smallest class; each epoch draws others.",
    plans.undersample,
    hyperparameters=(_RATIO,),
)


def _subsets(name: str, idea: str, **options: Any) -> Ensemble:
    """An ensemble whose 5 members each keep a balanced subset of their own for all epochs."""
    one = Single(f"{name} member", plan=plans.undersample, options={"redraw": False, **options})
    return Ensemble(name, idea, members=(one,) * 5)


STANDARD: tuple[Strategy, ...] = (
    _NONE,
    replace(_NONE, name="threshold", idea="The baseline with a tuned decision threshold.", aim="f1"),
    _CLASS_WEIGHT,
    _OVERSAMPLE,
    _UNDERSAMPLE,
    Single(
        "effective_number",
        "Class weights by the effective number of rows, which grows more slowly than the rows (Cui 2019).",
        plans.effective_number,
    ),
    Single(
        "focal",
        "Rows that are easy already count less (Lin 2017).",
        loss="focal",
        constants=_focusing,
        hyperparameters=(_GAMMA,),
    ),
    Single(
        "class_balanced_focal",
        "Focal loss with weights by the effective number of rows (Cui 2019).",
        plans.effective_number,
        loss="focal",
        constants=_focusing,
    ),
    Single(
        "logit_adjusted",
        "The logarithm of the class shares is added to the logits while training (Menon 2021, tau = 1).",
        loss="balanced_softmax",  # the same loss at tau = 1, so that the network is trained once for both
        constants=_class_counts,
        hyperparameters=(Hyperparameter("tau", 0.25, 2.0, default=1.0, applies_to=_with_tau),),
    ),
    Single(
        "balanced_softmax",
        "The softmax counts each class by its rows while training (Ren 2020).",
        loss="balanced_softmax",
        constants=_class_counts,
    ),
    Single(
        "ldam_drw",
        "Rare classes must win by a wider margin; weights by the effective number in the last fifth (Cao 2019).",
        _deferred_effective,
        loss="ldam",
        constants=_margins,
    ),
    Single(
        "drw",
        "Plain training, then weights by the effective number in the last fifth of the steps (Cao 2019).",
        _deferred_effective,
    ),
    Single(
        "label_smoothing",
        "Labels of large classes are trusted less than those of rare ones (Zhong 2021).",
        loss="label_smoothing",
        constants=_smoothed,
        hyperparameters=(Hyperparameter("head", 0.0, 0.4, default=0.1, applies_to="loss"),),
    ),
    _ASYMMETRIC,
    Single(
        "smote",
        "New rows of smaller classes between a row and its neighbors of the class (Chawla 2002).",
        synthesize,
        {"sampler": "smote"},
    ),
    Single(
        "smote_nc",
        "SMOTE where some columns are levels: a new row takes the commonest of its neighbors (Chawla 2002).",
        synthesize,
        {"sampler": "smote_nc"},
    ),
    Single(
        "borderline_smote",
        "SMOTE from the rows of smaller classes that lie among other classes (Han 2005).",
        synthesize,
        {"sampler": "borderline_smote"},
    ),
    Single(
        "adasyn",
        "SMOTE, with more new rows where other classes are near (He 2008).",
        synthesize,
        {"sampler": "adasyn"},
    ),
    Single(
        "mixup",
        "Rows of a batch are averaged in pairs, and their labels with them (Zhang 2018, alpha = 0.2).",
        mix="mixup",
        mixing={"alpha": 0.2},
    ),
    Single(
        "remix",
        "Mixup whose label goes to the rarer class of the pair (Chou 2020, kappa = 3, tau = 0.5).",
        mix="remix",
        mixing={"alpha": 1.0, "kappa": 3.0, "tau": 0.5},
    ),
    Single(
        "crt",
        "The baseline; its last layer is retrained on class-balanced rows (Kang 2020).",
        finish="crt",
    ),
    Single(
        "tau_norm",
        "The baseline; the class weights of its last layer are scaled to similar lengths (Kang 2020).",
        finish="tau_norm",
    ),
    Single(
        "auc_margin",
        "Trains the order of the scores: positives above negatives by a margin (Yuan 2021).",
        loss="auc_margin",
    ),
    Single(
        "ap_surrogate",
        "Trains a smooth form of average precision (Brown 2020).",
        loss="ap_surrogate",
    ),
    Ensemble(
        "resampling_ensemble",
        "Three networks, on the original, oversampled and undersampled rows, averaged after correction.",
        members=(_NONE, _OVERSAMPLE, _UNDERSAMPLE),
    ),
    Ensemble(
        "mixup_ensemble",
        "The three networks of resampling_ensemble, each with mixup; averaged after correction (Zhang 2018).",
        members=tuple(
            replace(single, name=f"mixup of {single.name}", mix="mixup", mixing={"alpha": 0.2}, hyperparameters=())
            for single in (_NONE, _OVERSAMPLE, _UNDERSAMPLE)
        ),
    ),
    _subsets(
        "easy_ensemble",
        "Five networks, each on all rows of the smallest class and its own subset of the larger ones (Liu 2009).",
    ),
    _subsets(
        "balanced_bagging",
        "Five networks, each on a bootstrap of every class, all of the size of the smallest (Breiman 1996).",
        draw="bootstrap",
    ),
    Successive(
        "snapshot_ensemble",
        "One training whose learning rate falls to 0 and starts again; five networks are kept on the way (Huang 2017).",
        step=Single("snapshot"),
        warm=True,
    ),
    Successive(
        "self_paced_ensemble",
        "Five networks; each draws rows of the larger classes by how hard they were for those before it (Liu 2020).",
        step=Single("self_paced_ensemble member", plan=self_paced),
    ),
    Successive(
        "balance_cascade",
        "Five networks; after each, the rows of the larger classes that were easiest for it are left out (Liu 2009).",
        step=Single("balance_cascade member", plan=cascade),
    ),
)

#: Strategies for a class per element alone.
FOR_ELEMENTS: tuple[Strategy, ...] = (
    Single(
        "crops",
        "Parts of images, half of them around a rare class; the loss of a pixel weighs 1 / how often it is drawn.",
        crops,
        hyperparameters=(Hyperparameter("share", 0.1, 0.9, default=0.5),),
    ),
    Single(
        "dice_cross_entropy",
        "Cross-entropy of each element plus one minus the Dice coefficient of each row (Taghanaki 2019).",
        loss="dice_cross_entropy",
    ),
    Single("dice", "One minus the Dice coefficient of each row (Milletari 2016).", loss="dice"),
    Single(
        "tversky",
        "Dice in which missed elements cost more than false ones, 0.7 to 0.3 (Salehi 2017).",
        loss="tversky",
    ),
)

#: Strategies for several labels per row alone.
FOR_LABELS: tuple[Strategy, ...] = (
    Ensemble(
        "label_ensemble",
        "Several labels: networks without a remedy, with weighted labels and with asymmetric loss, averaged.",
        members=(_NONE, _CLASS_WEIGHT, _ASYMMETRIC),
    ),
)

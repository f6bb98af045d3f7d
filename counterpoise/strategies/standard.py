"""The strategies of the package, simplest first: of two that are not significantly different, the earlier is taken.

Names and ideas are public: `--strategies`, leaderboards and model cards show them. Plan, loss, constants and mix are
part of job ids: a change trains stored fits again. Strategies with equal plan and loss share one training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.plans.element_plan import crops_of_masks
from counterpoise.plans.hardness import cascade, self_paced
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import synthesize
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.strategy import Hyperparameter, Single, Strategy, plain_counts
from counterpoise.strategies.successive import Successive


def _deferred_effective(y: Any, **options: Any) -> Plan:
    """Return a plan that uses effective-number weights only at the end (see `deferred`)."""
    return deferred(plans.effective_number(y, **options))


def _ldam_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """Return the constants of the LDAM loss from the counts of the classes."""
    # The paper's scale of 30 is for cosines; an ordinary last layer finds its own.
    return {**_count_constants(counts), "max_margin": 0.5, "scale": 1.0}


def _count_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """Return the counts of the classes as the constants of a loss."""
    return {"counts": plain_counts(counts)}


def _smoothing_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """Return the constants of label smoothing: counts, and the smoothing of the largest class."""
    return {**_count_constants(counts), "head": 0.1}


def _focal_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """Return the constants of the focal loss, which do not depend on the counts."""
    return {"gamma": 2.0}


def _with_power(strategy: Single, exponent: float) -> Single:
    """Return the strategy with class weights to the power `exponent`; 1 changes nothing."""
    return strategy if exponent == 1 else replace(strategy, plan=plans.power, options={"exponent": exponent})


def _with_tau(strategy: Single, tau: float) -> Single:
    """Return the strategy with the logit-adjusted loss at `tau`; 1 changes nothing (see "logit_adjusted" below)."""
    if tau == 1:
        return strategy
    return replace(strategy, loss="logit_adjusted", constants=lambda counts: {**_count_constants(counts), "tau": tau})


_RATIO = Hyperparameter("ratio", 0.05, 1.0, default=1.0, log=True)
_GAMMA = Hyperparameter("gamma", 0.25, 5.0, default=2.0, applies_to="loss")

_NONE = Single("none", "The baseline: no remedy.", aim="argmax")
_CLASS_WEIGHT = Single(
    "class_weight",
    "Weights the loss of a class by all rows / (number of classes x rows of the class).",
    plans.class_weight,
    hyperparameters=(Hyperparameter("power", 0.0, 1.5, default=1.0, applies_to=_with_power),),
)
_ASYMMETRIC = Single(
    "asymmetric",
    "For each class, reduces the loss of easy negatives more than the loss of easy positives (Ridnik 2021).",
    loss="asymmetric",
)
_OVERSAMPLE = Single(
    "oversample",
    "Repeats rows of smaller classes, up to the size of the largest class; resampled each epoch.",
    plans.oversample,
    hyperparameters=(_RATIO,),
)
_UNDERSAMPLE = Single(
    "undersample",
    "Leaves out rows of larger classes, down to the size of the smallest class; resampled each epoch.",
    plans.undersample,
    hyperparameters=(_RATIO,),
)


def _subset_ensemble(name: str, idea: str, **options: Any) -> Ensemble:
    """Return an ensemble of 5 members, each with its own balanced subset for all epochs.

    `options` are passed to the plan.
    """
    one = Single(f"{name} member", plan=plans.undersample, options={"redraw": False, **options})
    return Ensemble(name, idea, members=(one,) * 5)


#: Strategies for one class per row, in the order of simplicity (see `select.simplicity`).
STANDARD: tuple[Strategy, ...] = (
    _NONE,
    replace(
        _NONE,
        name="threshold",
        idea="Trains like the baseline, without a remedy. Only the decision threshold is tuned.",
        aim="f1",
    ),
    _CLASS_WEIGHT,
    _OVERSAMPLE,
    _UNDERSAMPLE,
    Single(
        "effective_number",
        "Weights classes by their effective number of rows, less extremely than by 1 / rows (Cui 2019).",
        plans.effective_number,
    ),
    Single(
        "focal",
        "Reduces the loss of rows that are already predicted well (Lin 2017).",
        loss="focal",
        constants=_focal_constants,
        hyperparameters=(_GAMMA,),
    ),
    Single(
        "class_balanced_focal",
        "Focal loss with class weights by the effective number of rows (Cui 2019).",
        plans.effective_number,
        loss="focal",
        constants=_focal_constants,
    ),
    Single(
        "logit_adjusted",
        "Adds the log of the class proportions to the logits during training (Menon 2021, tau = 1).",
        loss="balanced_softmax",  # the same loss at tau = 1, so that the network is trained once for both
        constants=_count_constants,
        hyperparameters=(Hyperparameter("tau", 0.25, 2.0, default=1.0, applies_to=_with_tau),),
    ),
    Single(
        "balanced_softmax",
        "Weights each class in the softmax by its number of rows during training (Ren 2020).",
        loss="balanced_softmax",
        constants=_count_constants,
    ),
    Single(
        "ldam_drw",
        "Uses larger margins for rarer classes, and effective-number weights in the last fifth (Cao 2019).",
        _deferred_effective,
        loss="ldam",
        constants=_ldam_constants,
    ),
    Single(
        "drw",
        "Trains without class weights, then with effective-number weights in the last fifth (Cao 2019).",
        _deferred_effective,
    ),
    Single(
        "label_smoothing",
        "Smooths the labels of large classes more than the labels of rare classes (Zhong 2021).",
        loss="label_smoothing",
        constants=_smoothing_constants,
        hyperparameters=(Hyperparameter("head", 0.0, 0.4, default=0.1, applies_to="loss"),),
    ),
    _ASYMMETRIC,
    Single(
        "smote",
        "Creates new rows of smaller classes, between a row and a neighbor of its class (Chawla 2002).",
        synthesize,
        {"sampler": "smote"},
    ),
    Single(
        "smote_nc",
        "SMOTE for categorical columns: a new row gets its neighbors' most frequent category (Chawla 2002).",
        synthesize,
        {"sampler": "smote_nc"},
    ),
    Single(
        "borderline_smote",
        "SMOTE only from rows of smaller classes with mostly neighbors of other classes (Han 2005).",
        synthesize,
        {"sampler": "borderline_smote"},
    ),
    Single(
        "adasyn",
        "SMOTE that creates more new rows near other classes (He 2008).",
        synthesize,
        {"sampler": "adasyn"},
    ),
    Single(
        "mixup",
        "Averages pairs of rows in a batch, and their labels (Zhang 2018, alpha = 0.2).",
        mix="mixup",
        mixing={"alpha": 0.2},
    ),
    Single(
        "remix",
        "Mixup in which a pair can get the label of its rarer class (Chou 2020, kappa = 3, tau = 0.5).",
        mix="remix",
        mixing={"alpha": 1.0, "kappa": 3.0, "tau": 0.5},
    ),
    Single(
        "crt",
        "The baseline, with its last layer retrained on class-balanced rows (Kang 2020).",
        finish="crt",
    ),
    Single(
        "tau_norm",
        "The baseline, with the weights of each class in its last layer scaled to similar norms (Kang 2020).",
        finish="tau_norm",
    ),
    Single(
        "auc_margin",
        "Trains the network to score positives above negatives by a margin (Yuan 2021).",
        loss="auc_margin",
    ),
    Single(
        "ap_surrogate",
        "Maximizes a smooth approximation of average precision (Brown 2020).",
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
    _subset_ensemble(
        "easy_ensemble",
        "Trains five networks on all rows of the smallest class and different subsets of larger classes (Liu 2009).",
    ),
    _subset_ensemble(
        "balanced_bagging",
        "Trains five networks on bootstrap samples: each class is as large as the smallest class (Breiman 1996).",
        draw="bootstrap",
    ),
    Successive(
        "snapshot_ensemble",
        "Lowers the learning rate to 0 five times in one training, saves the network each time, and averages the "
        "predictions of the five networks (Huang 2017).",
        step=Single("snapshot"),
        warm=True,
    ),
    Successive(
        "self_paced_ensemble",
        "Five networks; rows of larger classes are drawn by how hard they are for earlier networks (Liu 2020).",
        step=Single("self_paced_ensemble member", plan=self_paced),
    ),
    Successive(
        "balance_cascade",
        "Five networks; after each network, the easiest rows of the larger classes are removed (Liu 2009).",
        step=Single("balance_cascade member", plan=cascade),
    ),
)

#: Strategies only for targets with a class per element, such as masks of images.
FOR_ELEMENTS: tuple[Strategy, ...] = (
    Single(
        "crops",
        "Trains on crops of images, half of them around a rare class. Pixel weights restore the class proportions.",
        crops_of_masks,
        hyperparameters=(Hyperparameter("share", 0.1, 0.9, default=0.5),),
    ),
    Single(
        "dice_cross_entropy",
        "Sum of two losses: cross-entropy of each element and Dice loss of each row (Taghanaki 2019).",
        loss="dice_cross_entropy",
    ),
    Single("dice", "One minus the Dice coefficient of each row (Milletari 2016).", loss="dice"),
    Single(
        "tversky",
        "Dice loss that weights missed elements 0.7 and false positives 0.3 (Salehi 2017).",
        loss="tversky",
    ),
)

#: Strategies only for targets with several labels per row.
FOR_LABELS: tuple[Strategy, ...] = (
    Ensemble(
        "label_ensemble",
        "For several labels: average of networks with no remedy, weighted labels, and asymmetric loss.",
        members=(_NONE, _CLASS_WEIGHT, _ASYMMETRIC),
    ),
)

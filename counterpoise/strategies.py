"""Strategies: plan + loss + members + pooling + aim, as frozen values with a name.

The order of registration is the order of simplicity: when two are not told apart, the earlier is recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.plans import plan as plans
from counterpoise.plans.plan import Plan
from counterpoise.plans.schedule import deferred
from counterpoise.plans.synthesis import synthesize
from counterpoise.strategy import Knob, Strategy, external
from counterpoise.train.entrants import PREFIX, idea_of, ready_made


def _deferred_effective(y: Any, **options: Any) -> Plan:
    return deferred(plans.effective_number(y, **options))


def _margins(counts: np.ndarray) -> Mapping[str, Any]:
    # The paper's scale of 30 is for cosines; an ordinary last layer finds its own.
    return {**_class_counts(counts), "max_margin": 0.5, "scale": 1.0}


def _class_counts(counts: np.ndarray) -> Mapping[str, Any]:
    return {"counts": [int(n) for n in counts]}


def _focusing(counts: np.ndarray) -> Mapping[str, Any]:
    return {"gamma": 2.0}


def _with_power(strategy: Strategy, exponent: float) -> Strategy:
    return strategy if exponent == 1 else replace(strategy, plan=plans.power, options={"exponent": exponent})


def _with_tau(strategy: Strategy, tau: float) -> Strategy:
    if tau == 1:
        return strategy
    return replace(strategy, loss="logit_adjusted", constants=lambda counts: {**_class_counts(counts), "tau": tau})


_RATIO = Knob("ratio", 0.05, 1.0, default=1.0, log=True)
_GAMMA = Knob("gamma", 0.25, 5.0, default=2.0, turn="loss")

VOTES = ("soft", "log", "hard", "weighted")


def Ensemble(
    members: Sequence[str | Strategy],
    vote: str = "soft",
    weights: Sequence[float] | None = None,
    name: str = "ensemble",
) -> Strategy:
    """One network for each member strategy, joined into one model.

    Each member's training shift is removed before pooling, so that members trained on differently balanced rows
    speak of the same prior.

    Args:
        members: Names or strategies, two or more for a real ensemble.
        vote: "soft": weighted mean of corrected probabilities. "log": mean of corrected logits. "hard": votes at each
            member's own threshold (`predict_proba` stays the soft mean). "weighted": soft with weights learned by log
            loss on out-of-fold rows.
        weights: Weights >= 0 (scaled to sum 1), or None.
        name: What to call it.

    Raises:
        OptionError: no member, unknown vote, or weights that do not fit.

    Example:
        >>> e = Ensemble(["none", "oversample", "undersample"], vote="soft")
        >>> tuple(m.name for m in e.members)
        ('none', 'oversample', 'undersample')
    """
    if not members:
        raise OptionError("Ensemble got no members; name at least one strategy.")
    if vote not in VOTES:
        raise OptionError(f"vote is {vote!r}; expected one of {', '.join(VOTES)}.{did_you_mean(vote, VOTES)}")
    found = tuple(part for member in members for part in find(member).parts())
    given = None
    if weights is not None:
        values = np.asarray(weights, dtype=float)
        if values.shape != (len(found),) or np.any(values < 0) or not values.sum() > 0:
            raise OptionError(f"weights are {list(weights)}; expected {len(found)} numbers >= 0, not all 0.")
        given = tuple((values / values.sum()).tolist())
    names = ", ".join(m.name for m in found)
    if others := [m.name for m in found if m.is_external]:
        raise OptionError(f"{others[0]} is no network: it races (cp.compare), but cannot be a member of a model.")
    return Strategy(name, f"One model from {len(found)} networks: {names}.", members=found, vote=vote, weights=given)


_REGISTRY: dict[str, Strategy] = {}


def register(strategy: Strategy) -> Strategy:
    """Add a strategy to the registry (at the end: the least simple so far)."""
    if strategy.name in _REGISTRY:
        raise OptionError(f"there is a strategy called {strategy.name!r} already.")
    _REGISTRY[strategy.name] = strategy
    return strategy


def names() -> tuple[str, ...]:
    """Names of all registered strategies, simplest first."""
    return tuple(_REGISTRY)


def find(strategy: str | Strategy) -> Strategy:
    """A strategy by name, `external:NAME` for a ready-made one that is no network; strategies pass through.

    Raises:
        OptionError: unknown name, with the nearest known one.
        MissingExtraError: the package of an external one is not installed.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if strategy.startswith(PREFIX):
        return external(strategy, ready_made(strategy), idea=idea_of(strategy))
    if strategy not in _REGISTRY:
        raise OptionError(f"there is no strategy {strategy!r}.{did_you_mean(strategy, _REGISTRY)}")
    return _REGISTRY[strategy]


def select(wanted: str | Iterable[str | Strategy]) -> tuple[Strategy, ...]:
    """Strategies from "seed", "all", "a,b,c" or a list; `none` always races and comes first, what is external last.

    "seed" and "all" may be parts of the list.

    Example:
        >>> [s.name for s in select("oversample")]
        ['none', 'oversample']
    """
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    sets: dict[Any, Iterable[str | Strategy]] = {"seed": SEED, "all": names()}
    wanted = [each for item in wanted for each in (sets.get(item, (item,)) if isinstance(item, str) else (item,))]
    found = {s.name: s for s in (find("none"), *(find(w) for w in wanted))}
    order = {name: place for place, name in enumerate(names())}
    return tuple(sorted(found.values(), key=lambda s: (s.is_external, order.get(s.name, len(order)))))


def simplicity(strategy: str) -> int:
    """Place in the registry; strategies of the user's own count as least simple."""
    return list(_REGISTRY).index(strategy) if strategy in _REGISTRY else len(_REGISTRY)


_NONE = register(Strategy("none", "The model as it is, decision at 0.5 or the largest probability.", aim="argmax"))
register(replace(_NONE, name="threshold", idea="The untouched model; only its decision threshold is tuned.", aim="f1"))
register(
    Strategy(
        "bias_init",
        "The output bias starts at the logarithm of the class shares.",
        loss="balanced_softmax",
        constants=_class_counts,
        finish="absorb_shift",
    )
)
register(
    Strategy(
        "class_weight",
        "Every row once; the loss of class c weighs n / (C n_c).",
        plans.class_weight,
        knobs=(Knob("power", 0.0, 1.5, default=1.0, turn=_with_power),),
    )
)
register(
    Strategy(
        "oversample",
        "Rows of smaller classes are drawn more often, up to the largest class; drawn afresh each epoch.",
        plans.oversample,
        knobs=(_RATIO,),
    )
)
register(
    Strategy(
        "undersample",
        "Rows of larger classes are drawn in part, down to the smallest class; the walk goes on each epoch.",
        plans.undersample,
        knobs=(_RATIO,),
    )
)
register(
    Strategy(
        "effective_number",
        "Class weights by the effective number of rows, which grows more slowly than the rows (Cui 2019).",
        plans.effective_number,
    )
)
register(
    Strategy(
        "focal",
        "Rows that are easy already count less (Lin 2017).",
        loss="focal",
        constants=_focusing,
        knobs=(_GAMMA,),
    )
)
register(
    Strategy(
        "class_balanced_focal",
        "Focal loss with weights by the effective number of rows (Cui 2019).",
        plans.effective_number,
        loss="focal",
        constants=_focusing,
    )
)
register(
    Strategy(
        "logit_adjusted",
        "The logarithm of the class shares is added to the logits while training (Menon 2021, tau = 1).",
        loss="balanced_softmax",  # the same loss at tau = 1, so that the network is trained once for both
        constants=_class_counts,
        knobs=(Knob("tau", 0.25, 2.0, default=1.0, turn=_with_tau),),
    )
)
register(
    Strategy(
        "balanced_softmax",
        "The softmax counts each class by its rows while training (Ren 2020).",
        loss="balanced_softmax",
        constants=_class_counts,
    )
)
register(
    Strategy(
        "ldam_drw",
        "Rare classes must win by a wider margin; weights by the effective number in the last fifth (Cao 2019).",
        _deferred_effective,
        loss="ldam",
        constants=_margins,
    )
)
register(
    Strategy(
        "drw",
        "Plain training, then weights by the effective number in the last fifth of the steps (Cao 2019).",
        _deferred_effective,
    )
)
register(
    Strategy(
        "asymmetric",
        "Easy negatives are focused away harder than positives, class by class (Ridnik 2021).",
        loss="asymmetric",
    )
)
register(
    Strategy(
        "smote",
        "New rows of smaller classes between a row and its neighbours of the class (Chawla 2002).",
        synthesize,
        {"sampler": "smote"},
    )
)
register(
    Strategy(
        "smote_nc",
        "SMOTE where some columns are levels: a new row takes the commonest of its neighbours (Chawla 2002).",
        synthesize,
        {"sampler": "smote_nc"},
    )
)
register(
    Strategy(
        "borderline_smote",
        "SMOTE from the rows of smaller classes that lie among other classes (Han 2005).",
        synthesize,
        {"sampler": "borderline_smote"},
    )
)
register(
    Strategy(
        "adasyn",
        "SMOTE, with more new rows where other classes are near (He 2008).",
        synthesize,
        {"sampler": "adasyn"},
    )
)
register(
    Strategy(
        "mixup",
        "Rows of a batch are averaged in pairs, and their labels with them (Zhang 2018, alpha = 0.2).",
        mix="mixup",
        mixing={"alpha": 0.2},
    )
)
register(
    Strategy(
        "remix",
        "Mixup whose label goes to the rarer class of the pair (Chou 2020, kappa = 3, tau = 0.5).",
        mix="remix",
        mixing={"alpha": 1.0, "kappa": 3.0, "tau": 0.5},
    )
)
register(
    Strategy(
        "crt",
        "The untouched network; its last layer is trained anew on class-balanced rows (Kang 2020).",
        finish="crt",
    )
)
register(
    Strategy(
        "tau_norm",
        "The untouched network; class weights of its last layer are brought to like lengths (Kang 2020).",
        finish="tau_norm",
    )
)
register(
    Strategy(
        "auc_margin",
        "Trains the order of the scores: positives above negatives by a margin (Yuan 2021).",
        loss="auc_margin",
    )
)
register(
    Strategy(
        "ap_surrogate",
        "Trains a smooth form of average precision (Brown 2020).",
        loss="ap_surrogate",
    )
)
register(
    replace(
        Ensemble(["none", "oversample", "undersample"], name="resampling_ensemble"),
        idea="Three networks, on the original, oversampled and undersampled rows, averaged after correction.",
    )
)


def _subsets(name: str, idea: str, members: int = 5, **options: Any) -> Strategy:
    """An ensemble whose members each keep a balanced subset of their own for all epochs."""
    one = Strategy(f"{name} member", plan=plans.undersample, options={"redraw": False, **options})
    return replace(Ensemble([one] * members, name=name), idea=idea)


register(
    _subsets(
        "easy_ensemble",
        "Five networks, each on all rows of the smallest class and its own part of the larger ones (Liu 2009).",
    )
)
register(
    _subsets(
        "balanced_bagging",
        "Five networks, each on a bootstrap of every class, all of the size of the smallest (Breiman 1996).",
        draw="bootstrap",
    )
)

#: The set called "seed".
SEED = ("none", "threshold", "class_weight", "oversample", "undersample", "resampling_ensemble")

"""Strategies by name, sets of them, and ensembles of any mix.

Their order in `standard.STANDARD` is the order of simplicity: when two are not told apart, the earlier is recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.decide.pooling import VOTES
from counterpoise.strategies.external import PREFIX, idea_of, ready_made
from counterpoise.strategies.standard import FOR_LABELS, STANDARD
from counterpoise.strategies.strategy import Strategy, external
from counterpoise.targets import strategy_sets

#: The set called "default" for one class per row.
DEFAULT = strategy_sets.DEFAULT["one_of"]


def Ensemble(
    members: Sequence[str | Strategy],
    vote: str = "soft",
    weights: Sequence[float] | None = None,
    name: str = "ensemble",
    single_pass: bool = True,
) -> Strategy:
    """One network for each member strategy, joined into one model.

    Each member's training shift is removed before pooling, so that members trained on differently balanced rows
    speak of the same prior.

    Args:
        members: Names or strategies, two or more for a real ensemble.
        vote: "soft": weighted mean of corrected probabilities. "log": mean of corrected logits. "hard": votes at each
            member's own threshold (`predict_proba` stays the soft mean). "weighted": soft with the weights of least
            log loss on the rows that fit the rule (out of fold in a race and with `fit(folds=)`; else the held-out
            rows, which ended training too). "greedy": soft with weights by greedy selection for average precision on
            these rows (see `decide.greedy.greedy_weights`).
        weights: Weights >= 0 (scaled to sum 1), or None.
        name: What to call it.
        single_pass: Whether a batch ensemble, as `tabular`, may train all members at once, each member under one
            member's plan, in the time of one network; False trains a network for each.

    Raises:
        OptionError: no member, unknown vote, or weights that do not fit.

    Example:
        >>> e = Ensemble(["none", "oversample", "undersample"], vote="soft")
        >>> tuple(m.name for m in e.members)
        ('none', 'oversample', 'undersample')
    """
    if isinstance(members, str):
        raise OptionError(f"members is {members!r}; expected a list of names or strategies, for example [{members!r}].")
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
    idea = f"One model from {len(found)} networks: {names}."
    return Strategy(name, idea, members=found, vote=vote, weights=given, single_pass=single_pass)


_BY_NAME: dict[str, Strategy] = {strategy.name: strategy for strategy in (*STANDARD, *FOR_LABELS)}


def names() -> tuple[str, ...]:
    """Names of the strategies for one class per row that come with the package, simplest first."""
    return tuple(strategy.name for strategy in STANDARD)


def find(strategy: str | Strategy) -> Strategy:
    """A strategy by name, `external:NAME` for a ready-made one that is no network; strategies pass through.

    Raises:
        OptionError: unknown name, with the nearest known one, or neither a name nor a strategy.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if not isinstance(strategy, str):
        raise OptionError(_no_strategy(strategy))
    if strategy.startswith(PREFIX):
        return external(strategy, ready_made(strategy), idea=idea_of(strategy))
    if strategy not in _BY_NAME:
        raise OptionError(f"there is no strategy {strategy!r}.{did_you_mean(strategy, _BY_NAME)}")
    return _BY_NAME[strategy]


def _no_strategy(given: Any) -> str:
    if isinstance(given, (list, tuple, set)):
        return (
            f"strategy is a {type(given).__name__} of {len(given)}; expected one. cp.compare(strategies=[...]) races "
            "several, cp.Ensemble([...]) makes one model of them."
        )
    return f"a strategy is a name or a Strategy, as cp.Ensemble([...]) makes one; got {type(given).__name__}."


def select(wanted: str | Strategy | Iterable[str | Strategy], kind: str = "one_of") -> tuple[Strategy, ...]:
    """Strategies from "default", "all", "a,b,c", one or a list; `none` always races and comes first, the external last.

    "default" and "all" may be parts of the list; which strategies they name depends on the kind of target.

    Example:
        >>> [s.name for s in select("oversample")]
        ['none', 'oversample']
    """
    if isinstance(wanted, Strategy):
        wanted = [wanted]
    if not isinstance(wanted, Iterable):
        raise OptionError(f'strategies is {wanted!r}; expected names or strategies in a list, or "default" or "all".')
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    sets: dict[Any, Iterable[str | Strategy]] = {
        "default": strategy_sets.DEFAULT[kind],
        "all": strategy_sets.ALL[kind] or names(),
    }
    wanted = [each for item in wanted for each in (sets.get(item, (item,)) if isinstance(item, str) else (item,))]
    found = {s.name: s for s in (find("none"), *(find(w) for w in wanted))}
    return tuple(sorted(found.values(), key=lambda s: (s.is_external, simplicity(s.name))))


def simplicity(strategy: str) -> int:
    """Place in the order of simplicity, whatever the model; strategies of the user's own count as least simple."""
    own = strategy.rpartition(":")[2]
    return list(_BY_NAME).index(own) if own in _BY_NAME else len(_BY_NAME)

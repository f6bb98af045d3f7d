"""Strategies by name, sets of them, and ensembles of any mix (`cp.ensemble`).

Their order in `standard.STANDARD` is the order of simplicity: of two that are not significantly different, the earlier
is recommended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from counterpoise.core.errors import OptionError, did_you_mean
from counterpoise.decide.pooling import VOTES
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.external import PREFIX, External, external, idea_of, ready_made
from counterpoise.strategies.standard import FOR_ELEMENTS, FOR_LABELS, STANDARD
from counterpoise.strategies.strategy import Strategy
from counterpoise.targets import strategy_sets

#: Names in the set called "default" for one class per row; `targets.strategy_sets` has those of other targets.
DEFAULT = strategy_sets.DEFAULT["one_of"]


def ensemble(
    members: Sequence[str | Strategy],
    vote: str = "soft",
    weights: Sequence[float] | None = None,
    name: str = "ensemble",
    single_pass: bool = True,
) -> Ensemble:
    """Train one network for each member strategy, and combine them into one model.

    The prior shift of each member is corrected before they are combined, so the probabilities of all members are for
    the same class proportions.

    Args:
        members: Names or strategies, two or more for a real ensemble.
        vote: "soft": weighted mean of corrected probabilities. "log": mean of corrected logits. "hard": a vote of the
            members, each at its own threshold (`predict_proba` is the same as with "soft"). "weighted": like "soft",
            with the weights that minimize the log loss on the rows that fit the decision rule. These are out-of-fold
            rows in a comparison and with `fit(folds=)`; otherwise they are the held-out rows, which were also used for
            early stopping. "greedy": like "soft", with weights from greedy selection for average precision on these
            rows (see `decide.greedy.greedy_weights`).
        weights: Weights >= 0 (scaled to sum 1), or None.
        name: Name of the ensemble.
        single_pass: Whether a batch ensemble such as `tabular` may train all members at once, in the time of one
            network. Each of its networks then follows the plan of one member. False: a separate network is trained for
            each member.

    Raises:
        OptionError: There is no member, the vote is unknown, or the weights do not fit.

    Example:
        >>> e = ensemble(["none", "oversample", "undersample"], vote="soft")
        >>> e.member_names
        ('none', 'oversample', 'undersample')
    """
    if isinstance(members, str):
        raise OptionError(f"members= is {members!r}. Expected a list of strategies, for example [{members!r}].")
    if not members:
        raise OptionError("The ensemble got no members. Name at least one strategy.")
    if vote not in VOTES:
        raise OptionError(f"vote= is {vote!r}. Expected one of {', '.join(VOTES)}.{did_you_mean(vote, VOTES)}")
    units = tuple(unit for member in members for unit in find(member).units)
    names = tuple(single.name for unit in units for single in unit.singles)
    if external_names := [unit.name for unit in units if isinstance(unit, External)]:
        raise OptionError(
            f"{external_names[0]} cannot be a member of an ensemble, because external models are never saved. Use this "
            "model in cp.compare(strategies=[...])."
        )
    shares = None
    if weights is not None:
        values = np.asarray(weights, dtype=float)
        if values.shape != (len(names),) or np.any(values < 0) or not values.sum() > 0:
            raise OptionError(f"weights= is {list(weights)}. Expected {len(names)} numbers of 0 or more, not all 0.")
        shares = tuple((values / values.sum()).tolist())
    idea = f"One model from {len(names)} networks: {', '.join(names)}."
    return Ensemble(name, idea, members=units, vote=vote, weights=shares, single_pass=single_pass)


_BY_NAME: dict[str, Strategy] = {strategy.name: strategy for strategy in (*STANDARD, *FOR_ELEMENTS, *FOR_LABELS)}


def names() -> tuple[str, ...]:
    """Return the names of the strategies for one class per row that come with the package, simplest first."""
    return tuple(strategy.name for strategy in STANDARD)


def find(strategy: str | Strategy) -> Strategy:
    """Return the strategy of a name, `external:NAME` for a ready-made external model; strategies pass through.

    Raises:
        OptionError: unknown name, with the nearest known one, or neither a name nor a strategy.
    """
    if isinstance(strategy, Strategy):
        return strategy
    if not isinstance(strategy, str):
        raise OptionError(_not_a_strategy_text(strategy))
    if strategy.startswith(PREFIX):
        return external(strategy, ready_made(strategy), idea=idea_of(strategy))
    if strategy not in _BY_NAME:
        raise OptionError(f"There is no strategy {strategy!r}.{did_you_mean(strategy, _BY_NAME)}")
    return _BY_NAME[strategy]


def _not_a_strategy_text(given: Any) -> str:
    """Return the error message for a value that is neither a name nor a strategy."""
    if isinstance(given, (list, tuple, set)):
        return (
            f"strategy= is a {type(given).__name__} with {len(given)} entries. Expected one strategy. To compare "
            f"several, use cp.compare(strategies=[...]). To combine them, use cp.ensemble([...])."
        )
    return (
        f"The strategy is of type {type(given).__name__}. Expected the name of a strategy, or a Strategy object, for "
        "example cp.ensemble([...])."
    )


def select(wanted: str | Strategy | Iterable[str | Strategy], kind: str = "one_of") -> tuple[Strategy, ...]:
    """Return the wanted strategies, simplest first and each once; `none` is always added.

    `wanted` is a name, "default", "all", names as "a,b,c", a strategy, or a list of these. The strategies of the two
    sets depend on the `kind` of target. External models are last. What is no strategy, and two strategies of one name,
    raise an OptionError.

    Example:
        >>> [s.name for s in select("oversample")]
        ['none', 'oversample']
    """
    if isinstance(wanted, Strategy):
        wanted = [wanted]
    if not isinstance(wanted, Iterable):
        raise OptionError(f'strategies= is {wanted!r}. Expected a list of names or strategies, or "default" or "all".')
    if isinstance(wanted, str):
        wanted = [name.strip() for name in wanted.split(",") if name.strip()]
    sets: dict[Any, Iterable[str | Strategy]] = {
        "default": strategy_sets.DEFAULT[kind],
        "all": strategy_sets.ALL[kind] or names(),
    }
    wanted = [each for item in wanted for each in (sets.get(item, (item,)) if isinstance(item, str) else (item,))]
    chosen: dict[str, Strategy] = {}
    # A name may be repeated, also that of an external model, which `find` makes again each time.
    named = dict.fromkeys(item for item in ("none", *wanted) if isinstance(item, str))
    for strategy in (*map(find, named), *(find(item) for item in wanted if not isinstance(item, str))):
        if chosen.setdefault(strategy.name, strategy) is not strategy:
            _refuse_shared_name(strategy.name)
    return simplest_first(chosen.values())


def simplest_first(strategies: Iterable[Strategy]) -> tuple[Strategy, ...]:
    """Return strategies in the order of simplicity, and external models last."""
    return tuple(sorted(strategies, key=lambda s: (isinstance(s, External), simplicity(s.name))))


def _refuse_shared_name(name: str) -> NoReturn:
    """Raise an OptionError: two different strategies have this name."""
    if name == "none":
        raise OptionError(
            "A strategy has the name 'none', which is the name of the baseline. The baseline is always compared. Give "
            "the strategy another name (name=)."
        )
    raise OptionError(f"Two strategies have the name {name!r}. Give each a name of its own (name=).")


def simplicity(strategy: str) -> int:
    """Return the rank of a strategy, by name, in the order of simplicity: 0 is the simplest.

    Strategies of the user count as least simple. The name of a model before a colon ("MODEL:STRATEGY") is ignored.
    """
    own = strategy.rpartition(":")[2]
    return list(_BY_NAME).index(own) if own in _BY_NAME else len(_BY_NAME)

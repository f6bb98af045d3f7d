"""One strategy: plan + loss + members + pooling + aim, or another kind of model held against ours; a frozen value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.target import Target
from counterpoise.plans import class_plans as plans
from counterpoise.plans.class_plans import Plan
from counterpoise.strategies.external import PREFIX

#: (class counts) -> constants of a loss.
Constants = Callable[[np.ndarray], Mapping[str, Any]]


def no_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """For a loss that does not look at the class counts."""
    return {}


@dataclass(frozen=True)
class Hyperparameter:
    """One number of a strategy that `compare(tune=TRIALS)` may tune.

    Attributes:
        name: What it is called in the leaderboard.
        low, high: Its range.
        default: The value that the strategy has when it is not tuned.
        applies_to: "plan" (a keyword argument of the plan), "loss" (a constant of the loss), or a function
            (strategy, value) -> strategy.
        log: Whether values are tried evenly on a logarithmic scale.

    Raises:
        OptionError: a range without room, a default outside it, or an unknown `applies_to`.

    Example:
        >>> Hyperparameter("ratio", 0.1, 1.0, default=1.0, applies_to="plan").name
        'ratio'
    """

    name: str
    low: float
    high: float
    default: float
    applies_to: str | Callable[[Strategy, float], Strategy] = "plan"
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.low <= self.default <= self.high or (self.log and self.low <= 0):
            raise OptionError(
                f"hyperparameter {self.name!r}: low {self.low}, default {self.default}, high {self.high}; expected "
                "low <= default <= high, low below high, and above 0 on a logarithmic scale."
            )
        if not callable(self.applies_to) and self.applies_to not in ("plan", "loss"):
            raise OptionError(
                f"hyperparameter {self.name!r}: applies_to is {self.applies_to!r}; "
                'expected "plan", "loss" or a function.'
            )

    def with_value(self, strategy: Strategy, value: float) -> Strategy:
        """The strategy with this value."""
        if callable(self.applies_to):
            return self.applies_to(strategy, value)
        if self.applies_to == "plan":
            return replace(strategy, options={**strategy.options, self.name: value})
        return replace(strategy, constants=lambda counts: {**strategy.constants(counts), self.name: value})


@dataclass(frozen=True)
class Strategy:
    """One way to treat the imbalance.

    Attributes:
        name: The name in `--strategies`, leaderboards and files.
        idea: One sentence for people.
        plan: Function (labels, sample_weight=, classes=) -> Plan.
        options: Keyword arguments of the plan.
        loss: Name of the loss (see `train.objective`).
        constants: Function of the training rows' class counts giving the loss's constants.
        aim: What the decision is tuned for: "f1", or "argmax" for the untouched 0.5 / argmax rule.
        members: Strategies of the members, for ensembles.
        vote: "soft", "log", "hard", "weighted" or "greedy".
        weights: Member weights on the simplex, or None: equal, or learned out of fold for "weighted" and "greedy".
        finish: Name of a step on the trained network (see `train.finish`), or "".
        mix: What mixes the rows of each batch: "mixup" or "remix" (see `feed.Mixup`, `feed.Remix`), or "".
        mixing: Settings of the mix, for example {"alpha": 0.4}.
        hyperparameters: One or two numbers that may be tuned (see `Hyperparameter`).
        estimator: An estimator of scikit-learn's kind that races in the network's place (see `external`), or None.
        sequence: For a member: how many of its name are trained one after the other, each with a plan that is told what
            those before it say of the training rows (`before=`, see `plans.self_paced`); 0: all apart.
        warm: For members that follow one another: each goes on from the weights of the one before it, while the
            learning rate falls along half a cosine; together they take the steps of one network, as snapshots do.
        single_pass: Whether a batch ensemble may train all members at once (see `single_pass.in_single_pass`).
        model: Key of the model that trains it, "" for the first of the run; members have one each.

    Example:
        >>> from counterpoise import plans
        >>> gentle = Strategy("gentle", "Half-way to balance, by weights.", plan=plans.power, options={"exponent": 0.5})
        >>> gentle.name, gentle.aim
        ('gentle', 'f1')
    """

    name: str
    idea: str = ""
    plan: Callable[..., Plan] = plans.uniform
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "cross_entropy"
    constants: Constants = no_constants
    aim: str = "f1"
    members: tuple[Strategy, ...] = ()
    vote: str = "soft"
    weights: tuple[float, ...] | None = None
    finish: str = ""
    mix: str = ""
    mixing: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: tuple[Hyperparameter, ...] = ()
    estimator: Any = None
    sequence: int = 0
    warm: bool = False
    single_pass: bool = True
    model: str = ""

    def __post_init__(self) -> None:
        if self.mix not in ("", "mixup", "remix"):
            raise OptionError(f'mix is {self.mix!r}; expected "mixup", "remix" or "".')
        if self.sequence and (self.finish or self.is_external):
            raise OptionError(f"{self.name}: members that follow one another have no finishing step, and are networks.")
        if self.sequence and self.options.get("members", self.sequence) != self.sequence:
            raise OptionError(
                f"{self.name}: {self.sequence} networks follow one another, but the plan is made for "
                f"{self.options['members']}; give sequence and options={{'members': ...}} the same number."
            )
        if self.warm and not self.sequence:
            raise OptionError(f"{self.name}: warm is for members that follow one another; give sequence= too.")
        if self.hyperparameters and any(part.sequence for part in self.parts()):
            raise OptionError(f"{self.name}: hyperparameters are not for members that follow one another.")

    @property
    def is_external(self) -> bool:
        """Whether it is no network of ours: it races, but no model file is made of it."""
        return self.estimator is not None

    def with_model(self, key: str) -> Strategy:
        """The strategy with every part trained by one model of the run."""
        if self.members:
            return replace(self, members=tuple(replace(part, model=key) for part in self.members))
        return replace(self, model=key)

    @property
    def only_decides(self) -> bool:
        """Whether it trains what `none` trains, and differs in its tuned threshold alone."""
        trained = (self.plan, self.loss, self.members, self.mix, self.finish, self.sequence)
        return self.aim != "argmax" and trained == (plans.uniform, "cross_entropy", (), "", "", 0)

    def with_values(self, values: Mapping[str, float]) -> Strategy:
        """The strategy with its hyperparameters at these values, by name."""
        turned = self
        for hyperparameter in self.hyperparameters:
            if hyperparameter.name in values:
                turned = hyperparameter.with_value(turned, values[hyperparameter.name])
        return turned

    def parts(self) -> tuple[Strategy, ...]:
        """The strategies whose networks are trained: the members, or itself."""
        return self.members or (self,)

    def make_plan(self, target: Target, y: np.ndarray, n: int, sample_weight: np.ndarray | None = None) -> Plan:
        """The plan over labels `y` of a target, n classes."""
        made: Plan = target.plan(partial(self.plan, **self.options), y, n, sample_weight)
        return made

    def make_loss(self, counts: np.ndarray) -> tuple[str, Mapping[str, Any]]:
        """Name and constants of the loss for rows with these class counts."""
        if self.is_external:
            return "external", {}
        return self.loss, self.constants(counts)

    def make_mix(self, counts: np.ndarray) -> tuple[str, Mapping[str, Any]] | None:
        """Name and constants of what mixes batches of rows with these class counts, or None."""
        if not self.mix:
            return None
        own = {"classes": len(counts)} if self.mix == "mixup" else {"counts": [int(n) for n in counts]}
        return self.mix, {**own, **self.mixing}


def external(
    name: str, estimator: Any, *, plan: Callable[..., Plan] = plans.uniform, idea: str = "", **options: Any
) -> Strategy:
    """An estimator of scikit-learn's kind as an entrant of `compare`, so that you see when a network is the wrong tool.

    A clone is fitted on the same training rows as the networks, once per fold, with a seed of its own; its
    probabilities get the same treatment out of fold (shift, calibration, threshold) and the same judge. Columns of
    levels become integers where the estimator knows such columns (`categorical_features`, `categorical_feature`),
    else one-hot; missing numbers stay NaN where it takes them, else they become the median of the training rows, with
    an indicator column. One that is told to stop early (`early_stopping_rounds`, `early_stopping=True`) does so on the
    stopping rows; any other is fitted on them too. It can win the race, but is never saved: `model.keras` then holds
    the best of ours.

    Args:
        name: What to call it; the leaderboard says `external:NAME`.
        estimator: Not fitted; with `fit`, `get_params`, and `predict_proba` or `decision_function`.
        plan: Function (labels, sample_weight=, classes=) -> Plan: rows to draw and weights, for example
            `cp.plans.oversample`.
        idea: One sentence for people.
        **options: Keyword arguments of the plan.

    Raises:
        OptionError: no name, or no estimator that can be cloned, fitted and asked for scores.

    Example:
        >>> from sklearn.naive_bayes import GaussianNB
        >>> external("bayes", GaussianNB()).name
        'external:bayes'
    """
    bare = name.removeprefix(PREFIX).strip()
    if not bare or "," in bare:
        raise OptionError(f"name is {name!r}; expected a word without commas, for example 'lightgbm'.")
    lacking = [method for method in ("fit", "get_params", "set_params") if not hasattr(estimator, method)]
    scores = ("predict_proba", "decision_function")
    if isinstance(estimator, type) or lacking or not any(hasattr(estimator, method) for method in scores):
        what = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        raise OptionError(
            f"estimator is {what}; expected an instance with fit, get_params, set_params, and predict_proba or "
            "decision_function, as scikit-learn's classifiers have them."
        )
    said = idea or f"{type(estimator).__name__}, no network: fitted once on the same rows."
    return Strategy(PREFIX + bare, said, plan, options, estimator=estimator)

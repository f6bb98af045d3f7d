"""The base class of strategies, and the simplest strategy: one model with one plan and one loss.

A strategy is a value that makes plans, losses and jobs; `pipeline` trains them. `Ensemble` and `Successive` replace
`singles`, `jobs`, `due` and `outputs`, whose results are in the order of `singles`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.job import Job, Member
from counterpoise.core.target import Target
from counterpoise.plans import class_plans as plans
from counterpoise.plans.chaining import with_codes
from counterpoise.plans.class_plans import Plan

#: (class counts) -> constants of a loss.
Constants = Callable[[np.ndarray], Mapping[str, Any]]


def no_constants(counts: np.ndarray) -> Mapping[str, Any]:
    """Return no constants, for a loss that does not depend on the class counts.

    `single_pass` compares such functions by identity.
    """
    return {}


def plain_counts(counts: np.ndarray) -> list[int | float]:
    """Return class counts as plain numbers, which are whole unless they are sums of weights.

    Example:
        >>> plain_counts(np.array([90.0, 2.5]))
        [90, 2.5]
    """
    return [int(n) if float(n).is_integer() else float(n) for n in counts]


@dataclass(frozen=True)
class Hyperparameter:
    """One number of a strategy that `compare(tune=TRIALS)` can tune.

    Attributes:
        name: Its name in the leaderboard.
        low, high: Its range.
        default: The value that the strategy has when it is not tuned.
        applies_to: "plan" (a keyword argument of the plan), "loss" (a constant of the loss), or a function
            (strategy, value) -> strategy.
        log: Whether values are tried evenly on a logarithmic scale.

    Raises:
        OptionError: The range is empty, the default is outside the range, or `applies_to` is unknown.

    Example:
        >>> Hyperparameter("ratio", 0.1, 1.0, default=1.0, applies_to="plan").name
        'ratio'
    """

    name: str
    low: float
    high: float
    default: float
    applies_to: str | Callable[[Single, float], Single] = "plan"
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.low <= self.default <= self.high or (self.log and self.low <= 0):
            raise OptionError(
                f"hyperparameter {self.name!r}: low {self.low}, default {self.default}, high {self.high}. Expected "
                "low <= default <= high and low < high. On a logarithmic scale, low must also be above 0."
            )
        if not callable(self.applies_to) and self.applies_to not in ("plan", "loss"):
            raise OptionError(
                f"hyperparameter {self.name!r}: applies_to is {self.applies_to!r}; "
                'expected "plan", "loss" or a function.'
            )

    def with_value(self, strategy: Single, value: float) -> Single:
        """Return a copy of the strategy in which this hyperparameter has the value."""
        if callable(self.applies_to):
            return self.applies_to(strategy, value)
        if self.applies_to == "plan":
            return replace(strategy, options={**strategy.options, self.name: value})
        return replace(strategy, constants=lambda counts: {**strategy.constants(counts), self.name: value})


@dataclass(frozen=True)
class Strategy:
    """One way to treat imbalance: a `Single`, an `Ensemble`, or a `Successive`.

    `Strategy(...)` makes a `Single`.

    Attributes:
        name: The name in `--strategies`, leaderboards and files.
        idea: A description in one sentence.
        aim: Aim of the decision: "f1", or "argmax" for the default threshold (0.5, or the most probable class).

    Example:
        >>> from counterpoise import plans
        >>> gentle = Strategy("gentle", "Half-way to balance, by weights.", plan=plans.power, options={"exponent": 0.5})
        >>> gentle.name, gentle.aim
        ('gentle', 'f1')
    """

    name: str
    idea: str = ""
    aim: str = field(default="f1", kw_only=True)

    if TYPE_CHECKING:  # `Strategy(...)` makes a `Single` (see `__new__`), so it takes the same arguments

        def __init__(self, *args: Any, **values: Any) -> None: ...

    def __new__(cls, *args: Any, **values: Any) -> Self:
        return super().__new__(Single if cls is Strategy else cls)  # type: ignore[return-value]

    @property
    def singles(self) -> tuple[Single, ...]:
        """The parts of the strategy that are trained, one for each model."""
        raise NotImplementedError

    @property
    def units(self) -> tuple[Strategy, ...]:
        """The parts that are trained independently: the members of an ensemble, or the strategy itself."""
        return (self,)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the strategies that are combined."""
        return tuple(single.name for single in self.singles)

    @property
    def pooling(self) -> tuple[str, tuple[float, ...] | None]:
        """How members are combined (`vote` of `ensemble`), and their weights.

        The weights are None if they are equal or learned.
        """
        return "soft", None

    @property
    def n_stages(self) -> int:
        """Number of trainings that follow one another."""
        return 1

    @property
    def only_decides(self) -> bool:
        """Whether the strategy trains like `none` and differs only in its tuned threshold."""
        return False

    def mapped(self, function: Callable[[Single], Single]) -> Strategy:
        """Apply a function to each `Single` of the strategy."""
        raise NotImplementedError

    def with_model(self, key: str) -> Strategy:
        """Return the strategy with each of its parts trained by the model of this key."""
        return self.mapped(lambda single: replace(single, model=key))

    def in_several_passes(self) -> Strategy:
        """Return the strategy with a separate network for each ensemble member."""
        return self

    def jobs(self, make: Callable[[Single], Job], *, timed: bool = False) -> list[Job]:
        """Make the job of each of `singles`.

        Args:
            make: Makes the job of one.
            timed: Whether each job already has its own number of steps (in a refit).
        """
        return [make(single) for single in self.singles]

    def due(self, stage: int, jobs: Sequence[Job], members: Mapping[str, Member], examples: Examples) -> dict[int, Job]:
        """Return the jobs that can be trained in a stage, by their index in `jobs`.

        Args:
            stage: 0, 1, ...
            jobs: The jobs from `jobs`, with the replacements of earlier stages.
            members: Results of earlier stages, by job id.
            examples: The rows.
        """
        return dict(enumerate(jobs)) if stage == 0 else {}

    def outputs(self, jobs: Sequence[Job], members: Mapping[str, Member]) -> list[Member]:
        """Return the members of the jobs, with their outputs for the score rows only."""
        return [members[job.id] for job in jobs]


@dataclass(frozen=True)
class Single(Strategy):
    """One model with one plan and one loss (made by `cp.Strategy`).

    Attributes:
        plan: Function (labels, sample_weight=, classes=) -> Plan. In training, the labels are class codes: 0, 1, ...
        options: Keyword arguments of the plan. A dict is by label. A list is in the order of the classes (sorted, but
            of two classes the rarer one is last).
        loss: Name of the loss (see `engines.objective`).
        constants: Function from the class counts of the training rows (or the sums of their weights) to the constants
            of the loss.
        finish: Name of a step on the trained network (see `engines.finishing`), or "".
        mix: How the rows of each batch are mixed: "mixup" or "remix" (see `feed.Mixup`, `feed.Remix`), or "" for no
            mixing.
        mixing: Settings of the mix, for example {"alpha": 0.4}.
        hyperparameters: One or two numbers that may be tuned (see `Hyperparameter`).
        model: Key of the model that is trained, "" for the first model of the run.

    Raises:
        OptionError: `mix` is unknown.
    """

    plan: Callable[..., Plan] = plans.uniform
    options: Mapping[str, Any] = field(default_factory=dict)
    loss: str = "cross_entropy"
    constants: Constants = no_constants
    finish: str = ""
    mix: str = ""
    mixing: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: tuple[Hyperparameter, ...] = ()
    model: str = ""

    def __post_init__(self) -> None:
        if self.mix not in ("", "mixup", "remix"):
            raise OptionError(f'mix is {self.mix!r}. Expected "mixup", "remix" or "".')

    @property
    def singles(self) -> tuple[Single, ...]:
        return (self,)

    @property
    def only_decides(self) -> bool:
        trained = (self.plan, self.loss, self.mix, self.finish)
        return self.aim != "argmax" and trained == (plans.uniform, "cross_entropy", "", "")

    def mapped(self, function: Callable[[Single], Single]) -> Single:
        return function(self)

    def with_values(self, values: Mapping[str, float]) -> Single:
        """Return the strategy with its hyperparameters at these values, by name.

        Hyperparameters without a value stay as they are, and other names are ignored.
        """
        strategy = self
        for hyperparameter in self.hyperparameters:
            if hyperparameter.name in values:
                strategy = hyperparameter.with_value(strategy, values[hyperparameter.name])
        return strategy

    def make_plan(
        self, target: Target, y: np.ndarray, classes: Sequence[Any], sample_weight: np.ndarray | None = None
    ) -> Plan:
        """Make the plan over labels `y`, codes (N,) or (N, L) of these classes or labels.

        `sample_weight` (N,) has the weights of the user, or is None.
        """
        make: Callable[..., Plan] = partial(self.plan, **self.options)
        # A plan of several labels per row sees each label by itself, as 0 and 1.
        make = make if target.independent else with_codes(make, classes)
        result: Plan = target.plan(make, y, len(classes), sample_weight)
        return result

    def make_loss(self, counts: np.ndarray) -> tuple[str, Mapping[str, Any]]:
        """Return name and constants of the loss for rows with these class counts.

        The counts are (C,), or (L, 2) of several labels. If rows have weights, they are the sums of these.
        """
        return self.loss, self.constants(counts)

    def make_mix(self, counts: np.ndarray) -> tuple[str, Mapping[str, Any]] | None:
        """Return name and constants of the mixing for rows with these class counts, or None.

        The settings in `mixing` go before the constants from the counts.
        """
        if not self.mix:
            return None
        own = {"classes": len(counts)} if self.mix == "mixup" else {"counts": plain_counts(counts)}
        return self.mix, {**own, **self.mixing}

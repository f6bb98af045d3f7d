"""The contract of everything that can be trained: networks, trees, and external models, which cannot be saved."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from counterpoise.core.job import Limits


@runtime_checkable
class Model(Protocol):
    """A recipe for trained models of one shape; picklable.

    Attributes:
        kind: Which engine trains it: "network", "trees" or "external".
        label: What to call it in a report.
        stops_early: Whether stopping rows end its training; what they do not end is trained on them too.
        refit_rows: Most training rows of which it is trained a second time, for as long as the first time was best, on
            the stopping rows too.
    """

    kind: str
    refit_rows: int

    @property
    def stops_early(self) -> bool: ...

    @property
    def label(self) -> str: ...

    def content(self) -> str:
        """Text that identifies what a job trains, in addition to the job; "" if the run has it already (networks)."""
        ...

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        """How long one of its jobs may train; `given` suits a network, `steps` are those of a re-fit."""
        ...

    def to_keras(self, weights: tuple[Any, ...], examples: Any) -> Any:
        """A trained member as a `keras.Model` from the inputs of the rows to logits; None: it cannot ship."""
        ...

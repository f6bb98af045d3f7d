"""The contract of everything that can be trained: networks, trees, and external models, which cannot be saved.

Implemented by `networks/network.py`, `forests/model.py` and `engines/sklearn_fit.py`. `content` and `limits` are part
of the id of a job.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from counterpoise.core.job import Limits


@runtime_checkable
class Model(Protocol):
    """A recipe for trained models of one shape; picklable.

    Attributes:
        kind: Which engine trains it: "network", "trees" or "external".
        label: What to call it in a report.
        stops_early: Whether the early-stopping rows end its training. If not, the model is trained on these rows too.
        refit_rows: With at most this many training rows, it is trained a second time, on the early-stopping rows too,
            for as many steps as were best the first time.
    """

    kind: str
    refit_rows: int

    @property
    def stops_early(self) -> bool: ...

    @property
    def label(self) -> str: ...

    def content(self) -> str:
        """Return a text that identifies the model, as a part of the identity of a job.

        It is "" for networks, which are identified elsewhere.
        """
        ...

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        """Return how long one of its jobs may train.

        `given` are the limits of a network; `steps` is the number of steps of a second training, else None.
        """
        ...

    def to_keras(self, weights: tuple[Any, ...], examples: Any) -> Any:
        """Return a trained member as a `keras.Model` from the inputs of the rows to logits.

        Return None for a model that cannot be saved. `weights` are those of the member.
        """
        ...

"""Several models as one (`cp.blend`): each trained with the strategy, corrected, and pooled by out-of-fold weights.

A `Blend` stands in the place of a model; `pipeline.models` turns it and each strategy into an `Ensemble`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import OptionError
from counterpoise.strategies.ensemble import Ensemble
from counterpoise.strategies.strategy import Strategy


@dataclass(frozen=True)
class Blend:
    """Models that are pooled.

    Attributes:
        models: Networks and trees, as `fit` takes them.
        pooling: "learned" or "equal" weights of the members.
        adapts: Whether a strategy that some models cannot train is trained by the other models alone.
    """

    models: tuple[Any, ...]
    pooling: str = "learned"
    adapts: bool = False

    label = "blend"

    def under(self, strategy: Strategy, keys: Sequence[str]) -> Ensemble:
        """Return an ensemble with the name and aim of `strategy` that trains its members with each model.

        `keys` name the models, in the order of `models`; a model may be left out (see `adapts`).
        """
        members = tuple(unit.with_model(key) for key in keys for unit in strategy.units)
        vote = "weighted" if self.pooling == "learned" else "soft"
        idea = f"{strategy.idea} {len(keys)} models, pooled."
        return Ensemble(strategy.name, idea, aim=strategy.aim, members=members, vote=vote, single_pass=False)


def blend(models: Sequence[Any], *, pooling: str = "learned") -> Blend:
    """Combine several models into one by a weighted mean of their probabilities.

    Pass the result to `fit`, `compare`, or `CounterpoiseClassifier`. The blend is saved as one file.

    Each model is trained with the strategy, and its prior shift is corrected. Then the probabilities p_m are averaged:
    p = sum_m w_m p_m, with weights of 0 or more and the sum 1. "learned" weights minimize the log loss of out-of-fold
    rows. They are then moved towards equal weights, w = s w_learned + (1 - s) / M with s = n / (n + 50) for n rows of
    the rarest class, and s = 0 below 30 rows. The calibrator is fitted after averaging.

    Args:
        models: Two or more models: networks (a name, a Keras model, a builder) and trees (`cp.trees(...)` or a name).
        pooling: "learned" or "equal".

    Raises:
        OptionError: There are fewer than two models, one is a blend or "auto", or `pooling` is unknown.

    Example:
        >>> blend(["tabular", "boosted"]).models
        ('tabular', 'boosted')
    """
    models = models if isinstance(models, str) else tuple(models)
    if isinstance(models, str) or len(models) < 2:
        raise OptionError(f'models is {models!r}. Expected two or more, for example ["tabular", "boosted"].')
    check_choice(pooling, "pooling", ("learned", "equal"))
    if any(isinstance(model, Blend) for model in models):
        raise OptionError("A blend cannot be a member of another blend. Pass the models of the inner blend instead.")
    if any(isinstance(model, str) and model == "auto" for model in models):
        raise OptionError(
            '"auto" cannot be a member of a blend, because it is a blend of its own on tables. Name the models, for '
            'example ["tabular", "boosted", "forest"].'
        )
    return Blend(tuple(models), pooling)

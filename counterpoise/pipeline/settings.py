"""`Settings`: how models are trained, equal for all strategies of a run.

The names of its fields are saved in the manifest of a store (`comparison.manifest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import has_schedule
from counterpoise.networks.recipe import PLAIN, Recipe

#: If the user names no number of epochs: most steps, and least passes, which may take more steps.
AUTO_STEPS, LEAST_PASSES = 15_000, 30


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How networks are trained, equal for all strategies (see `compare` for each name).

    `epochs`, `batch_size` and `recipe` may be "auto" until `resolved_for`. `most_steps` bounds the steps of every
    network; `extension` is how many times the default budget a run may take, and `extend` is whether it may be
    increased if networks are cut off (see `pipeline.budget`). `tune` is the number of trials for the hyperparameters of
    a strategy, by `tune_metric`, each network with at most `tune_steps`.
    """

    epochs: Any = 30
    batch_size: Any = 256
    budget: str = "steps"
    early_stopping: bool = True
    patience: int = 10
    seed: int = 0
    engine: str = "auto"
    plateau: int | None = None
    most_steps: int | None = None
    tune: int = 0
    tune_steps: int | None = None
    tune_metric: str = "average_precision"
    recipe: Any = PLAIN
    init_bias: bool = True
    extend: bool = False
    extension: int = 1

    def __post_init__(self) -> None:
        """Check the values, and turn numbers into int; a wrong value raises an OptionError."""
        for name in ("epochs", "batch_size", "patience", "plateau", "most_steps", "tune_steps"):
            value = getattr(self, name)
            # `resolved_for` replaces "auto" later, and None stays. `patience` must be a number.
            later = value == "auto" if name in ("epochs", "batch_size") else value is None and name != "patience"
            if not later:
                object.__setattr__(self, name, check_int(value, name))
        if self.budget not in ("steps", "epochs"):
            raise OptionError(f'budget= is {self.budget!r}. Expected "steps" or "epochs".')
        if self.recipe != "auto" and not isinstance(self.recipe, Recipe):
            raise OptionError(f'recipe= is {self.recipe!r}. Expected "auto" or a cp.Recipe.')
        if not isinstance(self.init_bias, (bool, np.bool_)):
            raise OptionError(f"init_bias is {self.init_bias!r}. Expected True or False.")
        object.__setattr__(self, "init_bias", bool(self.init_bias))
        for name in ("seed", "tune"):
            object.__setattr__(self, name, check_int(getattr(self, name), name, 0))

    def resolved_for(
        self, models: Mapping[str, Any], rows: int, passes: int, extend: bool = False, rate_set: bool = False
    ) -> Settings:
        """Return these settings for models and a number of training rows, without any "auto".

        The recipe is that of the first network, unless one was given. `passes` is the number of epochs if neither
        the user nor the recipe names one. On many rows, epochs are fewer: they make at most `AUTO_STEPS` steps, but are
        at least `LEAST_PASSES`. Epochs that the user asked for stay, without the recipe's floor of steps and without
        `extend`. A plateau, a schedule of the optimizer or, with `rate_set`, a callback replaces the recipe's cosine.
        """
        networks = [model for model in models.values() if isinstance(model, Network)]
        own = networks[0].recipe if networks else PLAIN
        recipe = own if self.recipe == "auto" else self.recipe
        rate_set = rate_set or self.plateau is not None or any(has_schedule(one.optimizer()) for one in networks)
        if recipe.cosine and rate_set:
            recipe = replace(recipe, cosine=False)
        passes = recipe.passes or passes
        batch = recipe.batch_size(rows) if self.batch_size == "auto" else self.batch_size
        if self.epochs != "auto":
            return replace(self, recipe=replace(recipe, floor=0), batch_size=batch)
        epochs = min(passes, max(LEAST_PASSES, AUTO_STEPS * batch // rows))
        return replace(self, recipe=recipe, batch_size=batch, epochs=epochs, extend=extend)

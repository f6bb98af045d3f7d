"""Options of training with few rows of a class: `Recipe`, which is public (`cp.Recipe`).

Its fields are part of the settings of a run (`pipeline.settings`): with others, finished fits are not used again.
"""

from __future__ import annotations

from dataclasses import dataclass

from counterpoise.core.checks import check_int
from counterpoise.core.errors import OptionError

#: The average of weights reaches back over as many steps at least, however short the rounds are.
AVERAGED_STEPS = 30


@dataclass(frozen=True)
class Recipe:
    """Training options for classes with few rows, the same for all strategies.

    With few positives, scores change strongly from round to round (a round is one pass over the training rows). The
    default recipe keeps the round with the lowest log loss on the early-stopping rows, which can be the best by chance.
    `tabular` has its own recipe (`counterpoise.networks.built_in.TABULAR`).

    Attributes:
        batch: Rows per step, unless `batch_size` is passed.
        follows_rows: Whether the batch grows with the number of rows instead (see `batch_size`).
        passes: Passes over the training rows, unless `epochs` is passed. 0: the number of `fit` and `compare`.
        floor: Minimum number of training steps, unless `epochs` is passed.
        cosine: Whether the learning rate falls to 0 along half a cosine. It does not, if something else sets the
            learning rate (a schedule of the optimizer, `plateau`, a callback). The training then takes all its steps
            and ignores `patience`.
        min_steps: Number of training steps before a round can be kept.
        smoothing: Number of rounds whose early-stopping scores are averaged before rounds are compared.
        margin: Number of standard errors by which a later round must be better to replace the best round. The standard
            error is over the early-stopping rows.
        margin_until: With at least this number of early-stopping rows of the rarest class, `margin` is at most one
            standard error. 0: never.
        stop_on: "log_loss", or "both": log loss relative to the log loss of the class proportions, and average
            precision.
        average_weights: Number of rounds over which network weights are averaged before they are scored and kept. 1: no
            averaging. An average covers at least `AVERAGED_STEPS` steps.
        refit_rows: Largest number of training rows for which the networks of a fold are trained a second time. The
            second training includes the early-stopping rows, and takes as many steps as the best round.

    Raises:
        OptionError: A number is out of range.

    Example:
        >>> Recipe(min_steps=100, margin=2.0, average_weights=3).stop_on
        'log_loss'
    """

    batch: int = 256
    follows_rows: bool = False
    passes: int = 0
    floor: int = 0
    cosine: bool = False
    min_steps: int = 0
    smoothing: int = 1
    margin: float = 0.0
    margin_until: int = 0
    stop_on: str = "log_loss"
    average_weights: int = 1
    refit_rows: int = 0

    def __post_init__(self) -> None:
        # The class is frozen: checked values are set past its guard.
        least_of = {
            "batch": 1,
            "passes": 0,
            "floor": 0,
            "min_steps": 0,
            "smoothing": 1,
            "average_weights": 1,
            "refit_rows": 0,
            "margin_until": 0,
        }
        for name, least in least_of.items():
            object.__setattr__(self, name, check_int(getattr(self, name), name, least))
        if not isinstance(self.margin, (int, float)) or not 0 <= self.margin < float("inf"):
            raise OptionError(f"margin is {self.margin!r}. Expected a number of standard errors, 0 or more.")
        if self.stop_on not in ("log_loss", "both"):
            raise OptionError(f'stop_on is {self.stop_on!r}. Expected "log_loss" or "both".')

    def margin_for(self, rarest: int) -> float:
        """Return the margin for this number of early-stopping rows of the rarest class.

        Example:
            >>> [Recipe(margin=3.0, margin_until=30).margin_for(n) for n in (5, 29, 30, 400)]
            [3.0, 3.0, 1.0, 1.0]
            >>> Recipe(margin=3.0).margin_for(400)
            3.0
        """
        many = 0 < self.margin_until <= rarest
        return min(1.0, float(self.margin)) if many else float(self.margin)

    def batch_size(self, rows: int) -> int:
        """Return the rows per step for a table with this number of rows.

        Example:
            >>> [Recipe(follows_rows=True).batch_size(n) for n in (200, 1000, 10_000, 150_000, 300_000)]
            [32, 64, 256, 512, 1024]
            >>> Recipe().batch_size(200), Recipe(batch=64).batch_size(200)
            (256, 64)
        """
        if not self.follows_rows:
            return self.batch
        small, large = min(256, power_of_two(rows / 16)), min(1024, power_of_two(rows / 256))
        return max(32, small, large)

    def decay(self, round_steps: int) -> float:
        """Return the share of the old average that remains after a round of this many steps.

        Example:
            >>> Recipe().decay(5), Recipe(average_weights=5).decay(3), Recipe(average_weights=4).decay(100)
            (0.0, 0.9, 0.75)
        """
        if self.average_weights == 1:
            return 0.0
        return 1.0 - 1.0 / max(self.average_weights, AVERAGED_STEPS / round_steps)


def power_of_two(number: float) -> int:
    """Return the power of two nearest to a number by ratio, at least 1.

    Example:
        >>> [power_of_two(n) for n in (0.1, 5, 6, 100)]
        [1, 4, 8, 128]
    """
    exponent = max(0, int(number).bit_length() - 1)
    return 2 ** (exponent + (number / 2**exponent > 2**0.5))


#: What a network is trained by that comes without a recipe.
PLAIN = Recipe()

"""A plan as a sampler for pipelines of imbalanced-learn, for tables that fit in memory.

`PlanSampler` draws epoch 0 of the plan with a seed from `random_state`: equal states give equal rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type
from sklearn.utils import _safe_indexing, check_random_state

from counterpoise.core.checks import check_choice
from counterpoise.core.errors import OptionError
from counterpoise.core.label_names import warn_look_alikes
from counterpoise.plans import class_plans as plans
from counterpoise.plans.chaining import with_codes
from counterpoise.sklearn.targets import one_hot_array, plain_labels

#: Name of a plan -> the function that makes it from class codes.
PLANS: dict[str, Callable[..., plans.Plan]] = {
    "oversample": plans.oversample,
    "undersample": plans.undersample,
    "uniform": plans.uniform,
}


class PlanSampler(BaseSampler):
    """Draw one epoch of a plan as a resampled copy (`fit_resample`).

    Rows of X do not change, so numbers, text, missing values, sparse matrices and frames are all supported. To train a
    network, prefer `cp.batches`, which draws again in each epoch and copies nothing.

    Args:
        plan: "oversample", "undersample" or "uniform"; or a function from labels to a plan, for example
            `functools.partial(cp.plans.oversample, draw="replacement")`.
        sampling_strategy: Only "auto": `ratio` determines the class sizes. The argument exists because tools of
            imbalanced-learn expect it.
        ratio: Wanted size of the smaller classes divided by the size of the largest class, in (0, 1], for
            "undersample" and "oversample".
        random_state: An integer, a NumPy RandomState, or None.

    Attributes:
        sample_indices_: int64 (M,), the rows of X that were drawn, in order.
        plan_: The plan; its `log_shift` corrects the probabilities.
        sampling_strategy_: {label: rows after resampling} of the classes whose size changes.
        n_features_in_: Number of columns of X.

    Example:
        >>> x, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> sampler = PlanSampler("undersample", random_state=0)
        >>> np.bincount(sampler.fit_resample(x, y)[1]).tolist()
        [2, 2]
        >>> np.array_equal(x[sampler.sample_indices_], sampler.fit_resample(x, y)[0])
        True
    """

    _sampling_type = "bypass"
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}  # the arguments are checked by the plan

    def __init__(
        self,
        plan: Any = "undersample",
        *,
        sampling_strategy: Any = "auto",
        ratio: float = 1.0,
        random_state: Any = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.plan = plan
        self.ratio = ratio
        self.random_state = random_state

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Return rows of X and labels of y, resampled by the plan (see `BaseSampler`).

        Labels that look alike cause a warning.
        """
        labels = one_hot_array(y)
        if labels is None:
            labels = plain_labels(y)
            warn_look_alikes(np.unique(labels).tolist())
        drawn, of_drawn = super().fit_resample(X, labels.tolist() if isinstance(y, list) else labels, **params)
        if hasattr(y, "iloc"):  # a frame or series of pandas stays one
            of_drawn = y.iloc[self.sample_indices_].reset_index(drop=True)
        return drawn, of_drawn

    def _fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Draw the rows and set the fitted attributes.

        The library imbalanced-learn calls this with checked X and y.
        """
        labels = np.unique(y)
        # `labels` is sorted, so the position of a label is its code.
        plan = self._make_plan(np.searchsorted(labels, y), labels.tolist())
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        self.plan_ = plan
        sizes = zip(labels.tolist(), plan.drawn.tolist(), plan.counts.tolist(), strict=True)
        self.sampling_strategy_ = {label: drawn for label, drawn, had in sizes if drawn != had}
        self.sample_indices_ = plan.rows(0, seed).astype(np.int64)
        return _safe_indexing(X, self.sample_indices_), _safe_indexing(y, self.sample_indices_)

    def _make_plan(self, codes: Any, labels: list[Any]) -> plans.Plan:
        """Return the plan for codes (N,) of these labels.

        Raises:
            OptionError: An unknown name, or an argument that would have no effect.
        """
        if not (isinstance(self.sampling_strategy, str) and self.sampling_strategy == "auto"):
            raise OptionError(
                f"sampling_strategy is {self.sampling_strategy!r}. Expected 'auto', because ratio= determines the "
                "class sizes. Pass ratio= instead."
            )
        make = self.plan if callable(self.plan) else PLANS[check_choice(self.plan, "plan", PLANS)]
        if make in (plans.oversample, plans.undersample):
            return make(codes, ratio=self.ratio)
        if self.ratio != 1.0:
            raise OptionError(
                f"ratio is {self.ratio!r}, but it has no effect for this plan. Leave ratio= out, or use "
                "'undersample' or 'oversample'."
            )
        return with_codes(make, labels)(codes)

    def _check_X_y(self, X: Any, y: Any) -> tuple[Any, Any, bool]:
        """Check X and y as `BaseSampler` requires; keep text, missing values and sparse X.

        The last item is whether the labels must be converted to one-hot rows at the end.
        """
        from sklearn.utils.validation import validate_data

        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_data(self, X, y, reset=True, accept_sparse=["csr", "csc"], dtype=None, ensure_all_finite=False)
        return X, y, binarize_y

    def __sklearn_tags__(self) -> Any:
        """Return the tags of the sampler: X may be sparse or text, with missing values."""
        tags = super().__sklearn_tags__()
        tags.sampler_tags.sample_indices = True
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

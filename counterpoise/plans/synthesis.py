"""Plans that create or remove rows by their features, with samplers of imbalanced-learn.

Such a plan is made from labels, like every plan. `realize(x)` applies it to the features of the training rows, and
returns a plan for given and new rows. It uses no rows other than the training rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.errors import DataError, OptionError
from counterpoise.core.fork_guard import use
from counterpoise.core.labels import count_codes
from counterpoise.plans import multiplicities, samplers
from counterpoise.plans.class_plans import Plan, from_multiplicity, uniform
from counterpoise.plans.matrices import layout_of
from counterpoise.plans.realized import (
    Realized,
    StepRows,
    Unrealized,
    check_feature_rows,
    realized_plan,
    weights_with_new,
)

Array = np.ndarray

_NOT_A_SAMPLER = "which has no fit_resample. Use the name of a sampler, or a sampler of imbalanced-learn"


@dataclass(frozen=True)
class Synthesis(Unrealized):
    """All given rows, and synthetic rows of the smaller classes (see `synthesize`).

    Attributes:
        sampler: A name of `samplers.MAKERS`, or an imbalanced-learn sampler.
        k_neighbors: Number of neighbors with which a row is averaged. None: the default of the sampler.
        options: Further settings of the sampler.
    """

    sampler: Any = "smote"
    k_neighbors: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def new_counts(self) -> Array:
        """Number of new rows of each class, int64 (C,)."""
        return self.drawn - self.counts

    def new_rows(self, x: Any, seed: int = 0) -> tuple[Any, Array]:
        """Make the new rows from the features of the training rows.

        Args:
            x: Features of the rows that the plan was made for: an array of any rank, a dict or tuple of arrays, or a
                table {"numeric": (n, dn), "categorical": (n, dc) level ids}. Missing numbers count as the median.
            seed: The same seed gives the same rows.

        Returns:
            Features of the new rows, in the structure and types of `x`, and their class codes int32, class by class.

        Raises:
            DataError: A class has fewer rows than neighbors, or features are infinite or text.
            OptionError: The sampler does not support these columns.
        """
        check_feature_rows(x, self)
        layout = layout_of(x)
        matrix = layout.pack(x)
        sampler, needed = self._sampler(layout)
        self._check_neighbors(needed)
        wanted = {c: int(n) for c, n in enumerate(self.drawn)}
        fresh = _synthetic_rows(sampler, matrix, self.codes, wanted, seed, self.name)
        chosen = [self._planned_number(fresh, code, seed) for code in range(len(self.classes))]
        codes = np.repeat(np.arange(len(self.classes), dtype=np.int32), self.new_counts)
        return layout.unpack(np.concatenate(chosen)), codes

    def realize(self, x: Any, seed: int = 0) -> Realized:
        """Return the plan with its new rows (`.new`), made by `new_rows`."""
        fresh, new = self.new_rows(x, seed)
        rows = StepRows(None, np.concatenate([self.codes, new]), np.arange(len(self.codes) + len(new)), None)
        return realized_plan(self.name, self, _each_row_once(rows, self), rows, fresh, new)

    def _sampler(self, layout: Any) -> tuple[Any, int]:
        """Return an unfitted sampler, and the number of neighbors that a row needs in its class.

        A sampler of the user is copied. It raises an OptionError if it would average category ids.
        """
        if isinstance(self.sampler, str):
            return samplers.making_sampler(self.sampler, layout, self.k_neighbors, self.options)
        if layout.categorical and not hasattr(self.sampler, "categorical_features"):
            raise OptionError(
                f"Sampler {type(self.sampler).__name__} averages category ids. Use SMOTENC, or the name 'smote'."
            )
        return _unfitted_copy(self.sampler), getattr(self.sampler, "k_neighbors", 1)

    def _check_neighbors(self, needed: Any) -> None:
        """Raise a DataError if a class has too few rows for the neighbors that a sampler averages.

        Nothing is checked if `needed` is no number.
        """
        if not isinstance(needed, int):
            return
        few = [c for c in np.flatnonzero(self.new_counts > 0) if self.counts[c] <= needed]
        if few:
            label, have = self.classes[few[0]], int(self.counts[few[0]])
            raise DataError(
                f"Class {label!r} has {have} training rows, but {self.name} needs at least {needed + 1}, because it "
                f"averages rows with {needed} neighbors of their class. Use k_neighbors={max(1, have - 1)}, merge rare "
                "classes, or oversample."
            )

    def _planned_number(self, fresh: tuple[Array, Array], code: int, seed: int) -> Array:
        """Return as many new rows of a class as planned, in random order.

        Some samplers make only about as many: then rows are left out or repeated. None at all raise a DataError.
        """
        matrix, codes = fresh
        drawn, wanted = matrix[codes == code], int(self.new_counts[code])
        if not wanted:
            return drawn[:0]
        if not len(drawn):
            raise DataError(
                f"{self.name} created no row of class {self.classes[code]!r}, because none of its rows is near "
                f"another class. "
                "Use 'smote', or oversample."
            )
        order = seeds.generator(seed, "synthesis", code).permutation(len(drawn))
        return drawn[np.resize(order, wanted)]


@dataclass(frozen=True)
class Cleaning(Unrealized):
    """All rows except those among other classes (see `clean`).

    The number of kept rows is known after `realize`. Until then, the plan counts all rows.
    """

    sampler: Any = "tomek"
    options: Mapping[str, Any] = field(default_factory=dict)

    def kept(self, x: Any, seed: int = 0) -> Array:
        """Return the row numbers of the kept rows, int64, ascending."""
        check_feature_rows(x, self)
        named = isinstance(self.sampler, str)
        sampler = samplers.cleaning_sampler(self.sampler, self.options) if named else _unfitted_copy(self.sampler)
        _set_seed(sampler, seed)
        # Only `sample_indices_` is needed, which this call sets.
        _fit_resample(sampler, layout_of(x).pack(x), self.codes, self.name)
        if not hasattr(sampler, "sample_indices_"):
            raise OptionError(
                f"The sampler {self.name} has no sample_indices_ after its fit, because it makes rows. Use a sampler "
                "that only removes rows, such as 'tomek'."
            )
        rows = np.sort(np.asarray(sampler.sample_indices_, np.int64))
        left = count_codes(self.codes[rows], len(self.classes))
        if np.any(left == 0):
            raise DataError(
                f"{self.name} would remove every row of class {self.classes[int(np.argmin(left))]!r}. "
                "Use another sampler, such as 'tomek'."
            )
        return rows

    def realize(self, x: Any, seed: int = 0) -> Realized:
        """Return the plan over the kept rows, which has no new rows."""
        rows = self.kept(x, seed)
        kept = StepRows(None, self.codes[rows], rows, None if self.sample_weight is None else self.sample_weight[rows])
        return realized_plan(self.name, self, _each_row_once(kept, self), kept, None, np.empty(0, np.int32))


def _refuse_settings(sampler: Any, settings: Mapping[str, Any]) -> None:
    """Raise an OptionError for settings in addition to a sampler that is an object, which has its own settings."""
    if settings:
        raise OptionError(
            f"{', '.join(f'{name}=' for name in settings)} can be combined only with the name of a sampler, but "
            f"sampler= is an object. Set these values when you create the object: {type(sampler).__name__}(...)."
        )


def synthesize(
    y: Any,
    sampler: Any = "smote",
    ratio: float = 1.0,
    *,
    k_neighbors: int | None = None,
    sample_weight: Any = None,
    classes: Sequence[Any] | None = None,
    **options: Any,
) -> Synthesis:
    """Create synthetic rows of smaller classes from training rows, with imbalanced-learn.

    The class sizes are the same as with `oversample(y, ratio)`: n_c max(1, ratio max(n) / n_c). `log_shift` compares
    the drawn rows with the given rows, as if synthetic rows were like real rows of their class. They are not, so this
    shift is only the start of the correction, and a calibrator must follow (`needs_calibration`).

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        sampler: "smote" (SMOTE-NC or SMOTE-N for categorical columns), "borderline_smote", "svm_smote", "kmeans_smote",
            "adasyn", "smote_nc", "smote_n", or an imbalanced-learn sampler that returns the given rows first. All its
            settings are used, except `sampling_strategy`.
        ratio: Wanted size of the smaller classes divided by the size of the largest class, in (0, 1].
        k_neighbors: Number of neighbors with which a row is averaged. None: the default of the sampler (mostly 5).
        sample_weight: Your own weights (n,). A new row has the mean weight of the rows of its class.
        classes: All labels, if `y` lacks some of them.
        **options: Further settings of the sampler.

    Raises:
        OptionError: The sampler or a setting is unknown, or there are settings for a sampler that is an object.

    Source: Chawla et al. 2002 (SMOTE); the samplers' own papers in imbalanced-learn's manual.

    Example:
        >>> y = np.repeat([0, 1], [40, 10])
        >>> plan = synthesize(y).realize(np.random.default_rng(0).normal(size=(50, 2)), seed=0)
        >>> plan.new[0].shape, len(plan), plan.prior.tolist()
        ((30, 2), 80, [0.5, 0.5])
    """
    if isinstance(sampler, str):
        samplers.check_sampler_name(sampler, samplers.MAKERS, "sampler")
    elif not hasattr(sampler, "fit_resample"):
        raise OptionError(f"sampler is {sampler!r}, {_NOT_A_SAMPLER}.")
    else:
        _refuse_settings(sampler, options if k_neighbors is None else {"k_neighbors": k_neighbors, **options})
    name = sampler if isinstance(sampler, str) else type(sampler).__name__
    how = {"name": name, "as_rows": True, "sample_weight": sample_weight, "classes": classes}
    base = from_multiplicity(y, lambda n: multiplicities.oversampled(n, ratio), **how)
    return Synthesis(
        name, base.codes, base.classes, base.drawn, base.class_weights, sample_weight=base.sample_weight,
        needs_calibration=True, sampler=sampler, k_neighbors=k_neighbors, options=options,
    )  # fmt: skip


def clean(
    y: Any, sampler: Any = "tomek", *, sample_weight: Any = None, classes: Sequence[Any] | None = None, **options: Any
) -> Cleaning:
    """Remove rows that are among rows of other classes, with imbalanced-learn.

    Args:
        y: Labels, (n,), (n, 1) or one-hot (n, C).
        sampler: "tomek", "enn", "renn", "all_knn", "near_miss", "one_sided", "neighborhood", "condensed",
            "hardness", or an imbalanced-learn sampler with `sample_indices_`.
        sample_weight: Your own weights (n,).
        classes: All labels, if `y` lacks some of them.
        **options: Settings of the sampler.

    Which rows are removed depends on their features. The shift of the class counts therefore does not describe the
    whole change, and probabilities need a calibrator.

    Example:
        >>> y, x = np.array([0, 0, 0, 1, 1]), np.array([[0.0], [0.1], [0.9], [1.0], [2.0]])
        >>> clean(y, "tomek").realize(x).rows(0, 0).size
        4
    """
    if isinstance(sampler, str):
        samplers.check_sampler_name(sampler, samplers.CLEANERS, "sampler")
    elif not hasattr(sampler, "fit_resample"):
        raise OptionError(f"sampler is {sampler!r}, {_NOT_A_SAMPLER}.")
    else:
        _refuse_settings(sampler, options)
    name = sampler if isinstance(sampler, str) else type(sampler).__name__
    base = uniform(y, sample_weight=sample_weight, classes=classes)
    return Cleaning(
        name, base.codes, base.classes, base.drawn, base.class_weights, sample_weight=base.sample_weight,
        needs_calibration=True, sampler=sampler, options=options,
    )  # fmt: skip


def _each_row_once(rows: StepRows, plan: Plan) -> Plan:
    """Return a plan that draws each of `rows` once, with the classes of `plan` and the weights of the user.

    New rows are those after the rows of `plan` (see `weights_with_new`).
    """
    size = len(plan.classes)
    weight = rows.weight
    if weight is None:
        weight = weights_with_new(plan.sample_weight, plan, rows.codes[len(plan.codes) :])
    count = count_codes(rows.codes, size)
    return Plan(plan.name, rows.codes.astype(np.int32), plan.classes, count, np.ones(size), sample_weight=weight)


def _synthetic_rows(
    sampler: Any, matrix: Array, codes: Array, wanted: dict[int, int], seed: int, name: str
) -> tuple[Array, Array]:
    """Return the rows that a sampler makes, float64 (k, d), and their codes (k,).

    `wanted` is class code -> rows after sampling. A sampler that removes given rows raises an OptionError.
    """
    _set_seed(sampler, seed)
    sampler.set_params(sampling_strategy=wanted)
    x, y = _fit_resample(sampler, matrix, codes, name)
    n = len(codes)
    if len(x) < n or not np.array_equal(y[:n], codes):
        raise OptionError(f"{name} also removes rows. Use plans.chain(clean, synthesize) for both.")
    return np.asarray(x[n:], np.float64), np.asarray(y[n:])


def _fit_resample(sampler: Any, matrix: Array, codes: Array, name: str) -> Any:
    """Return `fit_resample` of a sampler; errors become a DataError starting with `name`."""
    # Raises a ForkError if the threads of scikit-learn were left behind by a fork.
    use("scikit-learn")
    try:
        return sampler.fit_resample(matrix, codes)
    except (ValueError, RuntimeError) as error:
        raise DataError(f"{name} failed on these rows: {' '.join(str(error).split())}") from error


def _set_seed(sampler: Any, seed: int) -> None:
    """Set the seed of a sampler, if it has one."""
    if "random_state" in sampler.get_params():
        sampler.set_params(random_state=seeds.integer(seed, "sampler") % 2**31)


def _unfitted_copy(sampler: Any) -> Any:
    """Return an unfitted sampler with the same settings."""
    from sklearn.base import clone

    return clone(sampler)

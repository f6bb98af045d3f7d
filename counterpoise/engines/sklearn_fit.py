"""External models, estimators of scikit-learn's kind: a clone is fitted, predicts its rows, and is not kept.

The settings of the estimator are part of a job's id (`plain_settings`). The words "plan" and "external" and the sorted
drawn rows decide results. Only training rows are fitted, and early-stopping rows if the estimator stops early.
"""

from __future__ import annotations

import inspect
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from counterpoise.core import seeds
from counterpoise.core.code_hash import code_hash, is_user_code, module_of
from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.fork_guard import use
from counterpoise.core.job import Job, Limits, Member
from counterpoise.core.memory import Peak
from counterpoise.engines.failed_members import failed_member
from counterpoise.forests.rows import FlatRows
from counterpoise.targets.kinds import target_of

Array = np.ndarray

#: Probabilities are kept away from 0 and 1 by this much, because their logarithms are stored.
TINY = 1e-7
#: Most levels of an integer column that boosted trees take (scikit-learn's bins).
INTEGER_LEVELS = 254
#: Numbers in a matrix below which boosted trees get one thread: several only wait for each other, most of all on a
#: machine that has other work.
SMALL = 1_000_000
#: Names under which estimators take weights of early-stopping rows (scikit-learn, LightGBM, XGBoost).
_STOP_WEIGHTS = ("sample_weight_val", "eval_sample_weight", "sample_weight_eval_set")
#: Parameters that name columns by their positions.
POSITIONS = (
    "categorical_features", "cat_features", "monotonic_cst", "monotone_constraints", "interaction_cst",
    "interaction_constraints", "transformers",
)  # fmt: skip
#: Parameters that do not change what is fitted, and so are no part of a job's id.
NOT_IN_CONTENT = ("n_jobs", "verbose", "verbosity")


def plain_settings(value: Any) -> Any:
    """Return the settings of an estimator or a parameter as plain values, whose `repr` is the same on every machine.

    It enters the id of each job: another form of the same settings would train stored fits again. Parameters that do
    not change the fit (`NOT_IN_CONTENT`) are left out. The code of the user's classes and functions counts as a hash.

    Example:
        >>> from sklearn.naive_bayes import GaussianNB
        >>> plain_settings(GaussianNB())
        ('sklearn.naive_bayes.GaussianNB', [('priors', 'None'), ('var_smoothing', '1e-09')])
    """
    if isinstance(value, Mapping):
        return sorted((str(key), plain_settings(item)) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_settings(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if hasattr(value, "get_params") and not isinstance(value, type):
        own = {name: item for name, item in value.get_params(deep=False).items() if name not in NOT_IN_CONTENT}
        return _qualified_name(type(value)), plain_settings(own), *_code_of_user(type(value))
    if isinstance(value, type) or inspect.isroutine(value):
        return " ".join([_qualified_name(value), *_code_of_user(value)])
    return repr(value)


def _code_of_user(value: Any) -> list[str]:
    """Return the hash of the code of a class or function in a list, empty if it is from an installed package."""
    return [code_hash(value)] if is_user_code(value) else []


def _qualified_name(value: Any) -> str:
    """Return module and name of a class or function."""
    return f"{module_of(value)}.{value.__qualname__}"


@dataclass(frozen=True)
class ExternalModel:
    """An estimator of scikit-learn's kind, not fitted: a `core.model.Model` that can be compared but not saved.

    Attributes:
        label: What to call it in a report.
        estimator: See `strategies.external`.
    """

    label: str
    estimator: Any

    kind = "external"
    refit_rows = 0

    @property
    def stops_early(self) -> bool:
        """Return whether the model uses early-stopping rows."""
        return stops_early(self.estimator)

    def content(self) -> str:
        """Return a text of its settings that is equal for equal estimators; it is part of the id of each job."""
        return repr(plain_settings(self.estimator))

    def limits(self, given: Limits, steps: int | None, early_stopping: bool) -> Limits:
        """Return limits of rounds of one step; `steps` is the number of steps, 1 if it is None."""
        return replace(given, steps=steps or 1, round_steps=1)

    def to_keras(self, weights: tuple[Any, ...], examples: Examples) -> None:
        """Return None, because an external model cannot become a Keras model."""
        return None


def train_estimator(job: Job, examples: Examples, model: ExternalModel) -> Member:
    """Fit a clone of an estimator on a job's training rows, and return a member with predictions but no weights.

    Whatever the estimator raises becomes the member's `error`; the other models continue.
    """
    use("scikit-learn")
    start = time.perf_counter()
    with Peak() as peak:
        try:
            logits, stop_logits, steps, drawn = _fit_and_predict(job, examples, model.estimator)
        except Exception as error:  # the estimator is not ours: it may raise anything
            return failed_member(job, error)
    return Member(
        job=job.id,
        weights=(),
        logits=logits,
        stop_logits=stop_logits,
        log_shift=job.plan.log_shift,
        best_step=steps,
        steps=steps,
        rows_seen=drawn,
        seconds=time.perf_counter() - start,
        engine="external",
        needs_calibration=True,
        memory=peak.bytes,
    )


def _fit_and_predict(job: Job, examples: Examples, given: Any) -> tuple[Array, Array, int, int]:
    """Fit a clone of the estimator `given`, and predict the score rows and the early-stopping rows of a job.

    Return both (see `_log_proba`), the number of rounds, and the number of rows drawn.
    """
    from sklearn.base import clone
    from sklearn.utils import get_tags
    from threadpoolctl import threadpool_limits

    estimator = clone(given)
    _check_positions(estimator, examples)
    _set_seeds(estimator, job)
    integer_levels = INTEGER_LEVELS if _takes_levels(estimator) else 0
    keep_nan = get_tags(estimator).input_tags.allow_nan
    flat = FlatRows(examples, job.train, keep_nan=keep_nan, integer_levels=integer_levels)
    drawn = np.sort(job.plan.rows(0, seeds.integer(job.seed, "plan", *job.counters)))
    how = _weight_arguments(estimator, job, drawn) | _level_arguments(estimator, flat.categorical)
    stop_weights = examples.weights_of(job.stop)
    how |= _stopping_arguments(estimator, job, flat.matrix(job.stop), examples.y[job.stop], stop_weights)
    rows = job.train[drawn]
    x = flat.matrix(rows)
    with warnings.catch_warnings(), threadpool_limits(1 if x.size < SMALL else None, user_api="openmp"):
        warnings.simplefilter("ignore")  # about its own settings, once for each fold
        estimator.fit(x, examples.y[rows], **how)
        shape = target_of(examples).shape(len(examples.classes))
        logits = [_log_proba(estimator, flat.matrix(rows), shape) for rows in (job.score, job.stop)]
    return logits[0], logits[1], _fitted_rounds(estimator), len(drawn)


def _check_positions(estimator: Any, examples: Examples) -> None:
    """Raise an OptionError if parameters name columns by position, but the matrix has another order than the table.

    The matrix contains the columns of numbers first (see `FlatRows`). Texts such as "from_dtype" are no positions.
    """
    schema = examples.schema
    if schema is None or [c.name for c in schema.columns] == [c.name for c in schema.numeric]:
        return
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] in POSITIONS and value is not None and not isinstance(value, str):
            raise OptionError(
                f"{name}= names columns by position, but the estimator gets the columns in another order than the "
                "table: columns of numbers first, then encoded categories, without unused columns. Leave the parameter "
                'out (categorical_features="from_dtype" names the categorical columns), or pass only numbers.'
            )


def _set_seeds(estimator: Any, job: Job) -> None:
    """Set every random state that the user left as None, also of parts, by the position of the job."""
    for name, value in sorted(estimator.get_params(deep=True).items()):
        if value is None and (name == "random_state" or name.endswith("__random_state")):
            estimator.set_params(**{name: seeds.integer(job.seed, "external", *job.counters)})


def _weight_arguments(estimator: Any, job: Job, drawn: Array) -> dict[str, Array]:
    """Return the plan's weights of the drawn rows as an argument of `fit`; {} if all weights are 1.

    In a pipeline they go to the last step. An estimator that takes no sample weights is an OptionError.
    """
    weights = job.plan.weights()[drawn].astype(np.float64)
    if np.allclose(weights, 1.0):
        return {}
    target, prefix = estimator, ""
    # A pipeline takes an argument of its last step as STEP__NAME; pipelines may be nested.
    while hasattr(target, "steps"):
        name, target = target.steps[-1]
        prefix += f"{name}__"
    if "sample_weight" not in inspect.signature(target.fit).parameters:
        raise OptionError(
            f"{type(target).__name__} does not support sample weights, but the plan weights rows. Choose a strategy "
            f"that draws "
            "rows, for example oversample."
        )
    return {f"{prefix}sample_weight": weights}


def _takes_levels(estimator: Any) -> bool:
    """Return whether an estimator handles categorical columns itself."""
    given = estimator.get_params(deep=False).get("categorical_features")  # perhaps an array
    by_dtype = isinstance(given, str) and given == "from_dtype"
    return by_dtype or "categorical_feature" in inspect.signature(estimator.fit).parameters


def _level_arguments(estimator: Any, columns: list[int]) -> dict[str, Any]:
    """Name the categorical columns, and return the arguments of `fit` for this.

    Without such an argument, the parameter of the estimator is set, and the result is {}.
    """
    if not columns:
        return {}
    if "categorical_feature" in inspect.signature(estimator.fit).parameters:
        return {"categorical_feature": columns}
    estimator.set_params(categorical_features=columns)
    return {}


def stops_early(estimator: Any) -> bool:
    """Return whether an estimator uses early-stopping rows.

    Example:
        >>> from sklearn.ensemble import HistGradientBoostingClassifier as Boosted
        >>> stops_early(Boosted(early_stopping=True)), stops_early(Boosted())
        (True, False)
    """
    takes, has = inspect.signature(estimator.fit).parameters, estimator.get_params(deep=False)
    by_rows = "X_val" in takes and has.get("early_stopping") is True
    return by_rows or ("eval_set" in takes and bool(has.get("early_stopping_rounds")))


def _stopping_arguments(estimator: Any, job: Job, x: Array, y: Array, weights: Array | None) -> dict[str, Any]:
    """Return the early-stopping rows as arguments of `fit`; {} for an estimator that does not stop early.

    Without patience in the job, or without such rows, early stopping of the estimator is turned off. The user's weights
    (S,) of the rows are passed if the estimator takes some.
    """
    if not stops_early(estimator):
        return {}
    takes = inspect.signature(estimator.fit).parameters
    if job.limits.patience is None or not len(y):
        estimator.set_params(**({"early_stopping": False} if "X_val" in takes else {"early_stopping_rounds": None}))
        return {}
    how: dict[str, Any] = {"X_val": x, "y_val": y} if "X_val" in takes else {"eval_set": [(x, y)]}
    how = {"eval_X": x, "eval_y": y} if "eval_X" in takes else how
    if weights is not None and weights.any() and (name := next((k for k in _STOP_WEIGHTS if k in takes), None)):
        how[name] = weights if "X_val" in takes else [weights]
    return how


def _log_proba(estimator: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """Return log-probabilities, or decision values of an estimator without probabilities, float32 (N, *shape).

    One decision value per row becomes two columns, the first of them 0. Scores of another shape, or scores that are
    not finite, are an OptionError.
    """
    if not len(x):
        return np.empty((0, *shape), np.float32)
    if hasattr(estimator, "predict_proba"):
        scores = np.log(np.clip(np.asarray(estimator.predict_proba(x), dtype=np.float64), TINY, 1 - TINY))
    else:
        scores = np.asarray(estimator.decision_function(x), dtype=np.float64)
        scores = np.stack([np.zeros(len(scores)), scores], axis=1) if scores.ndim == 1 else scores
    if scores.shape != (len(x), *shape) or not np.isfinite(scores).all():
        raise OptionError(
            f"{type(estimator).__name__} predicted scores of shape {scores.shape}"
            f"{'' if np.isfinite(scores).all() else ' that are not all finite'}. Expected finite scores of shape "
            f"{(len(x), *shape)}. Check its predict_proba or decision_function, or leave it out."
        )
    return scores.astype(np.float32)


def _fitted_rounds(estimator: Any) -> int:
    """Return how many rounds or trees an estimator fitted, or 1 if it has no such number."""
    for name in ("best_iteration_", "n_iter_", "n_estimators_", "n_estimators"):
        value = getattr(estimator, name, None)
        if value is not None and np.size(value) == 1 and int(np.max(value)) > 0:
            return int(np.max(value))
    return 1

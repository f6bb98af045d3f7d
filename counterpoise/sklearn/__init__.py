"""Tools for pipelines of scikit-learn and imbalanced-learn (`cp.sklearn`)."""

from counterpoise.core.lazy import public_names as _shown
from counterpoise.sklearn.sampler import PlanSampler as PlanSampler

__dir__ = _shown(__name__)

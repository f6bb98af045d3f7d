"""scikit-learn's side of the library (`cp.sklearn`)."""

from counterpoise.estimator import CounterpoiseClassifier as CounterpoiseClassifier
from counterpoise.sampler import PlanSampler as PlanSampler

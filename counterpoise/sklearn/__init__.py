"""scikit-learn's side of the library (`cp.sklearn`)."""

from counterpoise.sklearn.estimator import CounterpoiseClassifier as CounterpoiseClassifier
from counterpoise.sklearn.sampler import PlanSampler as PlanSampler

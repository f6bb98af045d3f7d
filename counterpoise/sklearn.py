"""scikit-learn's side of the library (`cp.sklearn`)."""

from counterpoise.estimator import CounterpoiseClassifier as CounterpoiseClassifier

"""From model outputs to calibrated probabilities and decisions (`cp.decide`), in NumPy.

`cp.fit` and `Classifier.decide` do all of it. The modules of this package contain the steps in between: `rule` puts
them in order, `layer` repeats them in Keras, and `rule_fields` converts a rule for model files.
"""

from counterpoise.core.lazy import public_names as _shown
from counterpoise.decide.aim import Aim as Aim
from counterpoise.decide.calibrate import apply_calibrator as apply_calibrator
from counterpoise.decide.calibrate import fit_calibrator as fit_calibrator
from counterpoise.decide.guarantee import guarantee_precision as guarantee_precision
from counterpoise.decide.guarantee import guarantee_recall as guarantee_recall
from counterpoise.decide.offsets import choose_offsets as choose_offsets
from counterpoise.decide.prior import to_prior as to_prior
from counterpoise.decide.reject import fit_reject as fit_reject
from counterpoise.decide.rule import apply_rule as apply_rule
from counterpoise.decide.rule import fit_rule as fit_rule
from counterpoise.decide.shares import estimate_prior as estimate_prior
from counterpoise.decide.threshold import bayes_decision as bayes_decision
from counterpoise.decide.threshold import choose_threshold as choose_threshold
from counterpoise.decide.threshold import cost_threshold as cost_threshold

__dir__ = _shown(__name__)

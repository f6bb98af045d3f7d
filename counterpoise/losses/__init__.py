"""Losses for rare classes: Keras losses on logits, for any backend (`cp.losses`).

Importing this package imports Keras; `import counterpoise` alone does not. Names of classes and of their arguments are
saved: in files of compiled Keras models (`core.saved_names`), and in ids of jobs (`Job.loss`).
"""

from counterpoise.core.lazy import public_names as _shown
from counterpoise.losses.cost import ExpectedCost as ExpectedCost
from counterpoise.losses.margin import LDAM as LDAM
from counterpoise.losses.margin import VectorScaling as VectorScaling
from counterpoise.losses.minimax import AUCMinimax as AUCMinimax
from counterpoise.losses.minimax import MinimaxHead as MinimaxHead
from counterpoise.losses.multilabel import Asymmetric as Asymmetric
from counterpoise.losses.multilabel import DistributionBalanced as DistributionBalanced
from counterpoise.losses.multilabel import MultiLabelFocal as MultiLabelFocal
from counterpoise.losses.pointwise import CrossEntropy as CrossEntropy
from counterpoise.losses.pointwise import Focal as Focal
from counterpoise.losses.prior import LogitAdjusted as LogitAdjusted
from counterpoise.losses.ranking import AUCMargin as AUCMargin
from counterpoise.losses.ranking import PairwiseAUC as PairwiseAUC
from counterpoise.losses.ranking import PartialAUC as PartialAUC
from counterpoise.losses.ranking import SmoothAP as SmoothAP
from counterpoise.losses.region import Combo as Combo
from counterpoise.losses.region import GeneralizedDice as GeneralizedDice
from counterpoise.losses.region import Tversky as Tversky
from counterpoise.losses.smoothing import LabelSmoothing as LabelSmoothing
from counterpoise.losses.weighted import ClassWeighted as ClassWeighted

__dir__ = _shown(__name__)

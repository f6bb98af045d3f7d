"""Every loss with its reference and logits on which both are smooth: the table that the tests run through."""

import loss_reference as ref
import numpy as np

import counterpoise as cp
from counterpoise import losses as L

RNG = np.random.default_rng(7)
COSTS = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [5.0, 1.0, 0.0]])
Y2, Y3 = np.array([0, 1, 0, 0, 1, 0, 1]), np.array([0, 2, 1, 0, 0, 2, 1])
Z1, Z3 = RNG.normal(size=(7, 1)), RNG.normal(size=(7, 3)) * 1.5
HOT = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]], float)
ZL = RNG.normal(size=(5, 3))
MASK2, MASK3 = (RNG.random((2, 3, 4)) < 0.3).astype(int), RNG.integers(0, 3, size=(2, 3, 4))
ZM1, ZM3 = RNG.normal(size=(2, 3, 4, 1)), RNG.normal(size=(2, 3, 4, 3))
N2, N3 = [80, 20], [60, 30, 10]


def effective(counts, beta):
    """The weights of the class-balanced loss, as a user computes them."""
    return cp.class_weight(np.repeat(np.arange(len(counts)), counts), f"effective_number({beta})")


def both(build, reference, n2=N2, n3=N3):
    """The same class on one unit and on three."""
    return [(build(n2), reference(n2), Y2, Z1), (build(n3), reference(n3), Y3, Z3)]


def images(build, reference):
    return [(build, reference, MASK2, ZM1), (build, reference, MASK3, ZM3)]


def tables():
    """name -> list of (make(dtype), reference, y, z)."""

    def of(cls, *args, **kw):
        return lambda **options: cls(*args, **kw, **options)

    return {
        "CrossEntropy": both(lambda n: of(L.CrossEntropy), lambda n: ref.cross_entropy),
        "Focal": both(lambda n: of(L.Focal, 1.7), lambda n: ref.focal(1.7)),
        "Focal.alpha": both(lambda n: of(L.Focal, 0.6, n), lambda n: ref.focal(0.6, n), [0.25, 0.75], [0.2, 1.0, 3.0]),
        "ClassWeighted.effective_number": both(
            lambda n: lambda **o: L.ClassWeighted(effective(n, 0.97), L.Focal(2.0, **o)),
            lambda n: ref.class_balanced(ref.focal(2.0), n, 0.97),
        ),
        "LogitAdjusted": both(lambda n: of(L.LogitAdjusted, n, 1.3), lambda n: ref.adjusted(n, 1.3)),
        "LogitAdjusted.balanced_softmax": both(lambda n: of(L.LogitAdjusted, n), lambda n: ref.adjusted(n, 1.0)),
        "LDAM": both(lambda n: of(L.LDAM, n, 0.4, 3.0), lambda n: ref.ldam(n, 0.4, 3.0)),
        "VectorScaling": both(lambda n: of(L.VectorScaling, n, 1.2, 0.3), lambda n: ref.vector_scaling(n, 1.2, 0.3)),
        "LabelSmoothing": both(lambda n: of(L.LabelSmoothing, n, 0.3, 0.05), lambda n: ref.smoothed(n, 0.3, 0.05)),
        "ExpectedCost": both(
            lambda c: of(L.ExpectedCost, c), ref.expected_cost, np.array([[0.0, 1.0], [9.0, 0.0]]), COSTS
        ),
        "MultiLabelFocal": [(of(L.MultiLabelFocal, 1.4, 0.3), ref.label_focal(1.4, 0.3), HOT, ZL)],
        "Asymmetric": [(of(L.Asymmetric, 4.0, 1.0, 0.05), ref.asymmetric(4.0, 1.0, 0.05), HOT, ZL)],
        "Asymmetric.unclipped": [(of(L.Asymmetric, 3.0, 0.5, 0.0), ref.asymmetric(3.0, 0.5, 0.0), HOT, ZL)],
        "DistributionBalanced": [
            (
                of(L.DistributionBalanced, [40, 5, 20], 100, kappa=0.2),
                ref.distribution_balanced([40, 5, 20], 100, 0.1, 10.0, 0.2, 5.0, 0.2),
                HOT,
                ZL,
            )
        ],
        "Tversky": images(of(L.Tversky, 0.7, 0.3, smooth=0.5), ref.tversky(0.7, 0.3, 0.5)),
        "Tversky.focal": images(of(L.Tversky, 0.6, 0.4, 4 / 3), ref.tversky(0.6, 0.4, 1.0, 4 / 3)),
        "GeneralizedDice": images(of(L.GeneralizedDice), ref.generalized_dice()),
        "Combo": images(of(L.Combo, 0.4, 0.7), ref.combo(0.4, 0.7, 1.0)),
        "PairwiseAUC": both(lambda n: of(L.PairwiseAUC, 1.0), lambda n: ref.pairwise_auc(1.0)),
        "PartialAUC": both(lambda n: of(L.PartialAUC, 1.0, 0.8), lambda n: ref.partial_auc(1.0, 0.8)),
        "AUCMargin": both(lambda n: of(L.AUCMargin, 1.0), lambda n: ref.auc_margin(1.0)),
        "SmoothAP": both(lambda n: of(L.SmoothAP, 0.7), lambda n: ref.smooth_ap(0.7)),
    }


CASES = [
    (f"{name}-{len(np.shape(y))}d-{z.shape[-1]}", make, reference, y, z)
    for name, entries in tables().items()
    for make, reference, y, z in entries
]
IDS = [case[0] for case in CASES]

"""The threshold of pixels that finds most lesions within a limit of false positives per image.

Which lesions a threshold finds follows from no sample of pixels, but from connected regions of whole images. So they
are counted at `cuts`, thresholds of the pooled log-odds before intercept and calibrator, which depend on no label. The
intercept and a calibrator are monotone, so that the threshold of a rule is what they make of a cut.

`pipeline.whole_rows` counts lesions at the cuts. The table of counts is saved with a classifier, for later aims.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.aim import Aim
from counterpoise.decide.pooling import pooled
from counterpoise.decide.rule import final_log_proba

Array = np.ndarray

#: Shares of the pixels that the cuts flag, evenly on a logarithmic scale.
MOST, LEAST, CUTS = 0.5, 1e-5, 48
#: Share of a score's log-odds, at least of 1, that cuts lie below it: arithmetic in float32 may lose as much.
STEP = 1e-4
#: Votes whose pooled log-odds depend on no label.
VOTES = ("soft", "log")


def pooled_log_odds(log_p_members: Sequence[Array], vote: str, weights: Array | None) -> Array:
    """Return log-odds float64 (n,) of the second class, pooled over members (n, 2), without intercept and calibrator.

    Example:
        >>> pooled_log_odds([np.log([[0.2, 0.8]])], "soft", None).round(3).tolist()
        [1.386]
    """
    log_p = pooled(log_p_members, vote, weights)
    odds: Array = log_p[:, 1] - log_p[:, 0]
    return odds


def lesion_cuts(log_odds: Array, weights: Array | None = None) -> Array:
    """Return thresholds of log-odds at which lesions are counted, falling, float64 (G,).

    Args:
        log_odds: float (n,), of sampled pixels.
        weights: float (n,), how many pixels each stands for.

    Example:
        >>> cuts = lesion_cuts(np.arange(1000.0))
        >>> len(cuts), float(cuts[0]), float(cuts[-1]), bool((np.diff(cuts) < 0).all())
        (25, 998.9001, 499.95, True)
    """
    order = np.argsort(-log_odds, kind="stable")
    flagged = np.cumsum(np.ones(len(order)) if weights is None else weights[order], dtype=np.float64)
    shares = np.geomspace(LEAST, MOST, CUTS)
    at = np.searchsorted(flagged, shares * flagged[-1] * (1 - 1e-12)).clip(0, len(order) - 1)
    cuts = np.unique(log_odds[order[at]])[::-1]
    return cuts - STEP * np.maximum(1.0, np.abs(cuts))


def lesion_threshold(rule: Rule, table: Array, goal: Aim) -> Rule:
    """Return the rule with the threshold that finds most lesions within the limit of false positives per image.

    Of those that find as many it is the one with the fewest false positives.

    Args:
        rule: A rule of two classes.
        table: float64 (G, 5) by falling cut: the cut, lesions that are hit, false positives, lesions that are missed,
            and images.
        goal: `lesion_false_positives(f)`.

    Raises:
        OptionError: No lesion was among the images.

    Example:
        >>> rule = Rule(np.zeros((1, 2)), np.array([0.9, 0.1]), threshold=0.5)
        >>> table = np.array([[2.0, 3, 1, 2, 10], [0.0, 4, 9, 1, 10], [-1.0, 5, 30, 0, 10]])
        >>> round(lesion_threshold(rule, table, Aim.parse("lesion_false_positives(1)")).threshold, 3)
        0.5
    """
    cuts, hits, false, missed, images = table.T
    if not (hits + missed)[0] > 0:
        raise OptionError(
            f"The images contain no lesion, so a threshold for {goal} cannot be chosen. Pass images with lesions."
        )
    log_p = np.stack([-np.logaddexp(0, cuts), -np.logaddexp(0, -cuts)], axis=1)
    members = [log_p] * len(rule.log_shifts)  # equal ones, so that the pool is the cut whatever their weights are
    proba = np.exp(final_log_proba(replace(rule, weights=None), members)[:, 1])
    last = np.append(proba[1:] < proba[:-1], True)  # cuts that a calibrator maps to one probability decide alike
    within = last & (false <= goal.values[0] * images * (1 + 1e-12))
    best = within & (hits == hits[within].max(initial=0))
    best = np.flatnonzero(best & (false == false[best].min(initial=np.inf)))
    # Of thresholds that do as well the middle one, so that new images may be a little brighter or darker.
    threshold = float(proba[best[len(best) // 2]]) if len(best) else float(np.nextafter(1.0, 2.0))  # flags nothing
    return replace(rule, threshold=threshold, offsets=None, aim=str(goal), guarantee=None)

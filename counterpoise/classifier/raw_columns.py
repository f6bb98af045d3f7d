"""What explanations by columns share (`importance`, `shapley`): names of columns, mixed rows, and log-odds.

Rows here are encoded, but one entry of a mask stands for one raw column. `tree_shapley` must give the same columns in
the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.rule import Rule
from counterpoise.decide.review import class_odds
from counterpoise.decide.rule import pooled_log_proba
from counterpoise.networks.encoder import has_picture

Array = np.ndarray


@dataclass(frozen=True)
class ExplainedColumns:
    """The columns that explanations name, and how encoded rows contain them.

    Attributes:
        names: In the order of masks: numbers first.
        numeric: How many are numbers; None: rows are one array (N, d).
    """

    names: tuple[str, ...]
    numeric: int | None

    @classmethod
    def of(cls, clf: Any) -> ExplainedColumns:
        """Return the columns of a classifier: those of its schema, or x0, x1, ... of arrays.

        Raises:
            OptionError: Rows are neither a table nor float arrays (N, d), or they have several labels.
        """
        check_one_class(clf)
        if clf.schema is not None and not has_picture(clf.members.input):
            numbers, levels = clf.schema.numeric, clf.schema.categorical
            return cls(tuple(c.name for c in (*numbers, *levels)), len(numbers))
        shape: tuple[Any, ...] = tuple(getattr(clf.members.input, "shape", ()))
        if clf.schema is not None or len(shape) != 2 or shape[1] is None or "float" not in str(clf.members.input.dtype):
            raise OptionError(
                "clf.explain is for tables and arrays (N, d), but this classifier takes images, text or several "
                "inputs. For images, clf.explain(images) returns heat maps."
            )
        return cls(tuple(f"x{j}" for j in range(shape[1])), None)

    def mixed(self, x: Any, z: Any, mask: Array) -> Any:
        """Return rows with the columns of x where `mask`, bool (K, d), is true, and the columns of z elsewhere."""
        if self.numeric is None:
            return np.where(mask, x, z)
        masks = {"numeric": mask[:, : self.numeric], "categorical": mask[:, self.numeric :]}
        return {kind: np.where(masks[kind], x[kind], z[kind]) for kind in x}


def check_one_class(clf: Any) -> None:
    """Raise an OptionError for a classifier of several labels per row, which `Classifier.explain` does not support."""
    if not isinstance(clf.rule, Rule):
        raise OptionError(
            "clf.explain supports only one class per row, but this classifier has several labels per row. Train a "
            "classifier for the label that you want to explain."
        )


def log_odds(clf: Any, encoded: Any) -> Array:
    """Return the log-odds of each class against all others, float64 (N, C), corrected and calibrated."""
    log_p = clf.log_p(clf.encoded_logits(encoded))
    return class_odds(pooled_log_proba(clf.rule, list(log_p)))

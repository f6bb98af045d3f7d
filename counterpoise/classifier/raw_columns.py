"""What explanations share: names of columns, mixed rows, log-odds, and which class is explained.

Rows here are encoded, but one entry of a mask stands for one raw column. `tree_shapley` must give the same columns in
the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.label_names import find_label
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
            OptionError: Rows are neither a table nor float arrays (N, d).
        """
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


def log_odds(clf: Any, encoded: Any) -> Array:
    """Return the log-odds of encoded rows (see `log_odds_of_logits`)."""
    return log_odds_of_logits(clf, clf.encoded_logits(encoded))


def log_odds_of_logits(clf: Any, logits: Sequence[Array]) -> Array:
    """Return the log-odds of each class against all others, float64 (N, C), corrected and calibrated.

    With several labels per row, they are those of each label, (N, L). `logits` are those of each member.
    """
    log_p = clf.log_p(logits)
    if isinstance(clf.rule, Rule):
        return class_odds(pooled_log_proba(clf.rule, list(log_p)))
    each = (pooled_log_proba(rule, list(log_p[:, :, i])) for i, rule in enumerate(clf.rule.problem_rules))
    return np.stack([class_odds(log_p_of_label)[:, 1] for log_p_of_label in each], axis=1)


def explained_codes(clf: Any, label: Any, count: int, scores: Callable[[], Array]) -> Array:
    """Return the code of the class or label to explain for each of `count` rows, int32 (count,).

    Args:
        clf: The classifier.
        label: A class or label, which is explained for all rows. None: with two classes the positive one, otherwise the
            most probable class or label of each row.
        count: Number of rows.
        scores: Returns what the most probable class or label has most of, float (count, C).

    Raises:
        OptionError: There is no such class or label.
    """
    classes = clf.classes_.tolist()
    if label is not None:
        code = find_label(label, classes)
        if code is None:
            raise OptionError(f"label is {label!r}. Expected one of {', '.join(map(str, classes[:8]))}.")
        return np.full(count, code, np.int32)
    if len(classes) == 2 and not clf.target.independent:
        return np.ones(count, np.int32)
    return np.asarray(scores().argmax(axis=1), np.int32)


def explained_label_names(clf: Any, explained: Array) -> tuple[str, ...] | None:
    """Return the names of explained labels, codes (N,), or None if there is one class per row."""
    return tuple(str(clf.classes_[code]) for code in explained) if clf.target.independent else None

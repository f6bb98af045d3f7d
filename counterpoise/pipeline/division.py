"""The use of each row in one training, from the arguments of `fit`, which are checked here.

Rows that train, stop or judge never overlap. `data.given_split` divides rows by a split of the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import TEST, TRAIN, VALIDATION, Examples
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.label_columns import LabelColumns, target_columns
from counterpoise.core.seeds import integer
from counterpoise.data.given_split import Split, given_fold, rows_to_learn
from counterpoise.data.image_rows import warn_of_shared_images
from counterpoise.data.image_set import ImageSet
from counterpoise.data.split import hold_out, without_rare_labels
from counterpoise.feed.disk import Scan
from counterpoise.pipeline.reading import named_inputs_of, read_for
from counterpoise.pipeline.scan import Scanned, read_scan, refuse_with_scan
from counterpoise.pipeline.validation import are_rows, at_training_prior, with_validation
from counterpoise.targets.kinds import target_of


@dataclass(frozen=True)
class Division:
    """Rows and the use of each in `fit`: training, early stopping, or judging.

    Attributes:
        examples: The rows that train or end training, and the test rows of a split of their own.
        holdout: Which rows train and which are for early stopping; None: `folds` defines it.
        folds: Those of `fit(folds=)`, and those whose test rows weigh the members of a blend.
        judging: Rows that are used for neither, and a text on what they are (see `assembly.with_judging_rows`); None:
            there are none.
        stopped_by_given: Whether the user chose the early-stopping rows.
        scanned: The table on disk that the training rows are read from; None: all rows are in memory.
    """

    examples: Examples
    holdout: Holdout | None
    folds: tuple[Fold, ...] = ()
    judging: tuple[Examples, str] | None = None
    stopped_by_given: bool = False
    scanned: Scanned | None = None

    @property
    def row_count(self) -> int:
        """Number of rows that determines batch size and epochs."""
        return rows_to_learn(self.examples)


def divide(
    model: Any, data: Any, y: Any, validation: Any, folds: int | None, guarantee_rows: float | None, seed: int,
    metadata: Mapping[str, Any],
) -> Division:  # fmt: skip
    """Read the rows of `fit`, and divide them by their use.

    Args:
        model, data, y, validation, folds, guarantee_rows, seed: As for `fit`.
        metadata: "groups", "time", "split", "sample_weight", "unit" and "aggregate" of `fit`.

    Raises:
        DataError: rows that cannot be used. OptionError: arguments that contradict each other.
    """
    # `own`: validation contains rows, not the share of the rows to hold out.
    own = are_rows(validation)
    if own:
        _refuse_with_validation_rows(
            {"folds": folds, "split": metadata["split"], "unit": metadata["unit"], "by": metadata.get("by")}
        )
        if guarantee_rows is None:
            _refuse_with_validation_rows({name: metadata[name] for name in ("groups", "time")})
    if isinstance(data, Scan):
        refuse_with_scan({"y": y, **metadata, "folds": folds, "guarantee_rows": guarantee_rows})
        scanned = read_scan(data, validation, seed)
        return Division(scanned.examples, scanned.holdout, stopped_by_given=own, scanned=scanned)
    if isinstance(data, ImageSet) and isinstance(validation, ImageSet):
        warn_of_shared_images(data, validation)
    examples, judging = read_for(model, data, y, **metadata), None
    if folds is not None:
        examples = without_rare_labels(examples, folds)
    if guarantee_rows is not None and target_of(examples).per_element:
        raise OptionError(
            f"guarantee_rows needs independent rows, but these rows have {target_of(examples).what}. Leave "
            "guarantee_rows out."
        )
    if guarantee_rows is not None:
        examples, kept = _set_aside_for_guarantees(examples, guarantee_rows, seed)
        judging = kept, "rows not used for training, early stopping, calibration, or selection"
    if own:
        target = y if isinstance(y, LabelColumns) else target_columns(y, target_of(examples).many_per_row)
        both = with_validation(examples, validation, target, metadata["sample_weight"], named_inputs_of(model))
        examples = both.counted()
    if examples.split is not None:
        # With validation rows of the user, no rows are held out, so the share 0.2 has no effect.
        return _given_division(examples, judging, 0.2 if own else validation, folds, seed)
    if folds is not None:
        return Division(examples, None, Split(folds=folds, seed=seed).of(examples), judging)
    train, held = hold_out(examples, validation, seed)
    return Division(examples, Holdout(train, held), judging=judging)


def _refuse_with_validation_rows(given: Mapping[str, Any]) -> None:
    """Raise an OptionError if an argument is set that validation rows rule out."""
    for name, value in given.items():
        if value is not None:
            raise OptionError(
                f"{name} and your own validation rows cannot be combined, because these rows already define the split. "
                f"Leave {name} out, or pass a share as validation."
            )


def _set_aside_for_guarantees(examples: Examples, share: float, seed: int) -> tuple[Examples, Examples]:
    """Return the rows that remain, and the share of training rows kept for guarantees.

    Raise an OptionError if the share is not between 0 and 1, or if there are test rows.
    """
    if not 0 < share < 1:
        raise OptionError(f"guarantee_rows is {share}. Expected a share between 0 and 1.")
    if examples.split is not None and len(examples.rows_with_role(TEST)):
        raise OptionError(
            "guarantee_rows cannot be combined with test rows, because test rows already support guarantees. Leave "
            "guarantee_rows out."
        )
    may = np.arange(len(examples)) if examples.split is None else examples.rows_with_role(TRAIN)
    _, held = hold_out(examples.subset(may), share, integer(seed, "guarantee rows"))
    rest = np.setdiff1d(np.arange(len(examples)), may[held])
    return examples.subset(rest), examples.subset(may[held])


def _given_division(
    examples: Examples, judging: tuple[Examples, str] | None, share: float, folds: int | None, seed: int
) -> Division:
    """Return the division of rows that have a split; test rows replace `judging`.

    `share` of the training rows is held out if there are no validation rows. Raise an OptionError if `folds` is set.
    """
    if folds is not None:
        raise OptionError(
            "folds= and split= cannot be combined, because split= defines the use of each row. Leave folds= out."
        )
    fold = given_fold(examples, share, seed, judged=False)
    examples = at_training_prior(examples)
    if len(fold.test):
        judging = examples.subset(fold.test), "test rows, not used for training or tuning"
    given = len(examples.rows_with_role(VALIDATION)) > 0
    return Division(examples, Holdout(fold.train, fold.stop), judging=judging, stopped_by_given=given)

"""`fit`: one strategy, trained once with rows held out or over folds, to a classifier.

`division` decides the use of each row, and `order` has the stages of a training.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from typing import Any, Unpack

from counterpoise.callbacks.loss_schedules import Deferred
from counterpoise.classifier.classifier import Classifier
from counterpoise.core.checks import check_choice
from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import OptionError, SplitError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Fold, Holdout
from counterpoise.core.progress import progress_bar, rounds_text
from counterpoise.core.seeds import integer
from counterpoise.data.given_split import Split
from counterpoise.data.split import STOP_SHARE, hold_out
from counterpoise.decide.costs import checked_cost_column
from counterpoise.engines.callback_checks import check_training_callbacks
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import SETTERS, check_callbacks, check_rate
from counterpoise.pipeline.assembly import with_judging_rows
from counterpoise.pipeline.division import Division, divide
from counterpoise.pipeline.models import model_for, models_of, warn_of_unused
from counterpoise.pipeline.options import FitOptions, Rows, documented, options_of, settings_of
from counterpoise.pipeline.order import bag_of_folds, cross_validate, on_holdout, refit
from counterpoise.pipeline.reading import augmentation_of, check_argument_order
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.blend import Blend
from counterpoise.strategies.external import External
from counterpoise.strategies.resolve import without_known_term
from counterpoise.strategies.select import Strategy, find
from counterpoise.targets.kinds import target_of

logger = logging.getLogger("counterpoise")

#: Passes over the training rows if neither the user nor the recipe names a number.
EPOCHS = 100
#: Folds that the weights of a blend are learned on, up to so many rows; with more rows, it is one fold.
BLEND_FOLDS, BLEND_ROWS = 5, 5_000
#: With more rows than this, a blend keeps the models whose weights were learned, because training again gains nothing.
KEPT_ROWS = 50_000


@documented
def fit(
    model: Any = "auto",
    data: Any = None,
    y: Any = None,
    *,
    strategy: str | Strategy = "none",
    validation: Any = 0.2,
    tune_threshold: bool | None = None,
    folds: int | None = None,
    keep: str = "refit",
    guarantee_rows: float | None = None,
    groups: Any = None,
    time: Any = None,
    seed: int = 0,
    verbose: Any = "auto",
    **options: Unpack[FitOptions],
) -> Classifier:
    """Train a classifier with one strategy, correct its probabilities, and set its threshold.

    Args:
        model: A Keras model (compiled or not), a builder function `build(spec, n_classes)` that returns logits,
            `cp.transfer(backbone)`, `cp.trees(...)`, `cp.blend([...])`, or a name. Names of networks: "mlp", "tabular",
            "cnn", "text", "unet". Names of trees: "boosted", "forest", "extra_trees", "balanced_forest". "auto" depends
            on the rows: `cnn` for images, `unet` for images with masks, `text` for texts. For tables, "auto" is the
            blend of `tabular`, `boosted` and, up to a million numbers, `forest` and `extra_trees`. With callbacks, with
            a scan, or with a strategy that only networks can train, "auto" is `tabular` alone.
        data: A frame, a dict of columns, a CSV or Parquet file, an array, text (N,), or one array for each input: a
            dict, tuple, or list. Without `y` also: a `tf.data.Dataset`, `PyDataset` or `DataLoader` of (x, y[,
            weight]), which is read into memory once; a folder of `cp.images`; or a `cp.scan`, whose rows are read from
            disk during training.
        y: Labels (N,), or the name of the target column of a table. Several labels per row: names of their columns, an
            array (N, L) of 0 and 1, or `cp.labels(...)`.
            A class for each pixel or step: masks (N, H, W), one-hot masks, sequences (N, T), or `cp.elements(...)`.
        strategy: A name (see `counterpoise strategies`), a `Strategy`, or `cp.ensemble([...])`.
        validation: Share of rows held out for early stopping and for the decision rule (the model card states both
            uses). A blend of up to 5,000 rows uses 5 folds instead, unless you pass a share other than 0.2. Or your own
            validation rows: (x, y), (x, y, weight), a dataset of these, a folder of `cp.images`, or a table with the
            target column. Your own rows, with their weights, determine when training stops, and their probabilities are
            checked. The encoder, columns and categories are learned from the training rows only.
        tune_threshold: Whether the threshold is tuned on the held-out rows. None: it is tuned on rows that `fit` held
            out, but not on your own validation rows. Without tuning, the threshold is 0.5, or the most probable class
            is predicted.
        folds: Number of folds K; replaces `validation`. Early stopping and the decision rule then use out-of-fold
            predictions: each fold is predicted by a model that was not trained on it.
        keep: "refit" trains one model on all rows after the folds. "all" keeps the models of all folds and averages
            them, which helps if positives are few. The stored scores and the decision rule are then from single models,
            and the file is K times as large.
        guarantee_rows: Share of rows that are not used for training, early stopping, calibration or selection.
            `clf.decide(recall_floor=0.95, confidence=0.95)` uses them for a guarantee. With `time`, they are the latest
            rows.
        groups: Group of each row (for example a patient), or the name of a column. No group is on both sides of a
            split.
        time: Time of each row, or the name of a column. The latest rows are held out.
        seed: Random seed. The same seed gives the same classifier.
        verbose: 0 prints nothing; "auto" shows a progress bar in a terminal; 2 also prints the losses and the recall
            per class after each round.
        **options: Options of the rows (`counterpoise.pipeline.options.Rows`): `split`, `unit`, `aggregate`,
            `sample_weight`, `positive`, `one_vs_rest`, `merge_rare`. Options of the training (`Training`): `epochs`,
            `batch_size`, `budget`, `optimizer`, `patience`, `recipe`, `output`, `initial_weights`, `init_bias`,
            `augment`, `flip`, `contrast`, `engine`. Other options: `plateau`, `clone`, `callbacks`, `cost_column`,
            `cost_fp`, `by` (`FitOptions`).

    Returns:
        Classifier: A trained classifier with `predict`, `predict_proba`, `decide` and `save`.

    Raises:
        DataError, OptionError, ModelError: The message states what was passed, what was expected, and how to fix it.

    Warns:
        UserWarning: The rows contain something unusual, for example words in a column of numbers.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(400) < 0.1).astype(int)
        >>> x = rng.normal(size=(400, 2)) + 2 * y[:, None]
        >>> clf = fit("mlp", x, y, strategy="oversample", epochs=5, verbose=0)
        >>> clf.predict_proba(x).shape
        (400, 2)
    """
    if isinstance(model, (list, tuple)):
        raise OptionError(
            "model= is a list, but fit trains one model. To compare several, use cp.compare. To "
            "combine them, use cp.blend([...])."
        )
    check_choice(keep, "keep", ("refit", "all"))
    if keep == "all" and folds is None:
        raise OptionError('keep="all" requires folds. Add, for example, folds=5.')
    check_argument_order("fit", model, data)
    own = options_of(fit, options)
    warn_of_unused(model, own)
    settings, plateau, clone = settings_of(own, seed=seed), own["plateau"], own["clone"]
    chosen, callbacks = find(strategy), check_callbacks(own["callbacks"])
    if isinstance(chosen, External):
        raise OptionError(
            f"strategy is {chosen.name!r}, an external model, which cannot be saved as a classifier. Use this model in "
            "cp.compare."
        )
    column = cost_column_of(own["cost_column"], own["cost_fp"])
    names = (*Rows.__annotations__, "cost_column", "by")
    metadata = {"groups": groups, "time": time, **{name: own[name] for name in names}}
    division = divide(model, data, y, validation, folds, guarantee_rows, seed, metadata)
    if column is not None:
        check_cost_column(division.examples)
    if division.scanned:
        chosen = chosen.in_several_passes()  # a stream weighs a row once
        division.scanned.check_strategy(chosen)
    for noticed in division.examples.warnings:
        warnings.warn(noticed, UserWarning, stacklevel=2)
    # By the strategy as it was passed: for a blend it becomes an ensemble.
    tuned = _tunes_threshold(tune_threshold, chosen, division.stopped_by_given)
    model = model_for(model, division.examples, [chosen], network_alone=bool(callbacks or division.scanned))
    if (
        isinstance(model, Blend)
        and division.holdout is not None
        and not division.scanned
        and division.examples.split is None
    ):
        # The weights of a blend come from inner folds of the rows; of too few rows, the members weigh alike.
        inner = blend_folds(division.examples, division.holdout, seed, chosen_share=validation != STOP_SHARE)
        if inner is None:
            model = replace(model, pooling="equal")
        else:
            division = replace(division, holdout=None, folds=inner)
            keep = "all" if len(division.examples) > KEPT_ROWS else keep
    learners, (chosen,), _ = models_of(
        model, [chosen], division.examples, callbacks=callbacks, verbose=verbose, output=own["output"],
        initial_weights=own["initial_weights"], optimizer=own["optimizer"], clone=clone,
        **augmentation_of(data, own),
    )  # fmt: skip
    if any(isinstance(callback, Deferred) for callback in callbacks):
        # Class weights in the model's loss may begin after the round that is kept.
        chosen = chosen.mapped(without_known_term)
    rate_set = any(isinstance(callback, SETTERS) for callback in callbacks)
    models = {key: learner.model for key, learner in learners.items()}
    settings = settings.resolved_for(models, division.row_count, EPOCHS, rate_set=rate_set)
    trainer = Trainer(division.examples, learners, settings, callbacks=callbacks)
    if (network := trainer.network) is not None:
        check_network(network, chosen, trainer, plateau, folds)
    elif callbacks:
        raise OptionError(
            f"callbacks were passed, but {trainer.label} is not a network. Leave callbacks out, or pass a network."
        )
    if not clone and (folds is not None or len(chosen.singles) > 1):
        raise OptionError("clone=False trains a single model, but folds or an ensemble train several. Leave clone out.")
    with progress_bar(verbose) as progress:
        clf = _train_by_division(chosen, replace(trainer, progress=progress), division, tuned, keep)
    warn_if_cut_off(clf)
    if verbose == 2:
        print("\n".join(rounds_text(clf.history, clf.classes_.tolist())))
    if division.judging is not None:
        clf = with_judging_rows(clf, *division.judging)
    return clf if column is None else clf.decide(cost_column=column.name, cost_fp=column.cost_fp)


def cost_column_of(column: Any, cost_fp: Any) -> CostColumn | None:
    """Return the cost column by which a classifier is to decide; None if no column is given.

    Call it before anything is read, so that wrong options fail early.

    Raises:
        OptionError: `cost_fp` without a column, or `column` is not the name of a column.
    """
    if column is None and cost_fp is not None:
        raise OptionError(
            "cost_fp= requires cost_column=. Without a column, pass both costs to clf.decide(cost=(cost_fp, cost_fn))."
        )
    return None if column is None else checked_cost_column(column, cost_fp)


def check_cost_column(examples: Examples) -> None:
    """Raise an OptionError if a classifier of these rows could not decide by a cost column.

    It needs a table with one of two classes per row, without units. Call it before anything is trained.
    """
    if examples.units is not None:
        raise OptionError(
            "cost_column= cannot be combined with unit=, because the model then decides units, not rows. Leave "
            "cost_column= out, and pass both costs to clf.decide(cost=(cost_fp, cost_fn))."
        )
    target = target_of(examples)
    what = target.what if target.many_per_row else f"{len(examples.classes)} classes"
    what = what if examples.schema is not None else "no columns"
    if target.many_per_row or len(examples.classes) > 2 or examples.schema is None:
        raise OptionError(
            f"cost_column is for tables with two classes, but the rows have {what}. Leave cost_column out."
        )


def blend_folds(examples: Examples, rows: Holdout, seed: int, chosen_share: bool = False) -> tuple[Fold, ...] | None:
    """Return the folds whose test rows determine the weights of a blend.

    Up to `BLEND_ROWS` rows, these are `BLEND_FOLDS` folds of all rows. Of more rows, or if the user chose the share of
    the held-out rows (`chosen_share`), it is one fold: the held-out rows are its test rows, and its stopping rows are
    taken from the training rows. None if there are too few rows, groups or times for a split.
    """
    try:
        if len(examples) <= BLEND_ROWS and not chosen_share:
            return Split(folds=BLEND_FOLDS, seed=seed).of(examples)
        share = STOP_SHARE / 2 if len(examples) > KEPT_ROWS else STOP_SHARE
        train, stop = hold_out(examples.subset(rows.train), share, integer(seed, "blend"))
    except SplitError:
        return None
    return (Fold(0, 0, rows.train[train], rows.train[stop], rows.held),)


def check_network(network: Network, strategy: Strategy, trainer: Trainer, plateau: int | None, folds: Any) -> None:
    """Check the options that only a network has, and log once what becomes of its output bias.

    Raises:
        OptionError: The learning rate or a callback does not go with the other options.
    """
    check_rate(network.optimizer(), plateau, trainer.callbacks)
    trained = len(strategy.singles) * (1 if folds is None else folds + 1)
    check_training_callbacks(trainer.callbacks, network, trained, folds is not None)
    if trainer.settings.init_bias and (note := network.output_bias.note()):
        network.warn_once(note)


def warn_if_cut_off(clf: Classifier) -> None:
    """Log a warning if, by its card, the training of a classifier was cut off while it still improved."""
    card = clf.card_without_metrics
    if card["cut_off"]:
        logger.warning(
            "%s",
            f"The training was still improving at its limit of {card['limit']:,} steps. For a better model, raise "
            f"epochs (epochs=, --epochs).",
        )


def _train_by_division(
    strategy: Strategy, trainer: Trainer, division: Division, tune_threshold: bool, keep: str
) -> Classifier:
    """Train the strategy on the division of the rows, and return its classifier.

    With folds, it is trained again on all rows, or (`keep` "all") the models of the folds are averaged. Without folds,
    it is trained once with held-out rows; a scanned table is read from disk meanwhile.
    """
    if division.holdout is None:
        outcome = cross_validate(trainer, [strategy], division.folds, keep=keep == "all")
        return (bag_of_folds if keep == "all" else refit)(strategy, trainer, outcome, tune_threshold=tune_threshold)
    if division.scanned:
        trainer = replace(trainer, executor=division.scanned.run)
    return on_holdout(strategy, trainer, division.holdout, tune_threshold=tune_threshold)


def _tunes_threshold(wanted: bool | None, strategy: Strategy, given: bool) -> bool:
    """Return whether the held-out rows choose the threshold.

    If nothing is `wanted`, rows that `fit` held out choose it, and rows that the user gave (`given`) do not, with a
    warning in the log if the strategy has an aim. A strategy that only decides always tunes.

    Raises:
        OptionError: The strategy only tunes the threshold, and tuning is not wanted.
    """
    if wanted is False and strategy.only_decides:
        raise OptionError(
            f"strategy {strategy.name!r} only tunes the threshold, so it cannot be combined with tune_threshold=False. "
            "Leave tune_threshold= out."
        )
    if wanted is None and given and not strategy.only_decides:
        if strategy.aim != "argmax":
            logger.warning(
                "The classifier uses the default threshold (0.5, or the most probable class), because by default the "
                "threshold is not tuned on your own validation rows. To tune it on these rows, pass "
                "tune_threshold=True (--tune-threshold)."
            )
        return False
    return wanted is not False

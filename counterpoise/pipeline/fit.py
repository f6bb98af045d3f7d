"""`fit`: one strategy, trained once with rows held out or over folds, to a classifier."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from counterpoise.classifier.classifier import Classifier
from counterpoise.core.errors import OptionError
from counterpoise.core.progress import Progress, bar, rounds_text
from counterpoise.core.records import Examples, Fold
from counterpoise.core.seeds import integer
from counterpoise.data.split import hold_out
from counterpoise.feed.disk import Scan
from counterpoise.networks.frozen_body import network_for
from counterpoise.networks.network import Network
from counterpoise.networks.optimizers import check_callbacks, check_rate
from counterpoise.pipeline.assembly import rows_of, with_guarantee_rows
from counterpoise.pipeline.fold_results import subset
from counterpoise.pipeline.jobs import Settings
from counterpoise.pipeline.order import cross_validate, on_fold, refit
from counterpoise.pipeline.reading import read_for
from counterpoise.pipeline.scan import Scanned, opened, refuse_with_scan
from counterpoise.strategies.select import Strategy, find

Array = np.ndarray

#: Most passes over the training rows of who asks for no number of epochs.
EPOCHS = 100


def fit(
    model: Any = "auto",
    data: Any = None,
    y: Any = None,
    *,
    strategy: str | Strategy = "none",
    validation: float = 0.2,
    folds: int | None = None,
    guarantee_rows: float | None = None,
    groups: Any = None,
    time: Any = None,
    sample_weight: Any = None,
    epochs: int | str = "auto",
    batch_size: int | str = "auto",
    budget: str = "steps",
    optimizer: Any = None,
    patience: int = 10,
    plateau: int | None = None,
    recipe: Any = "auto",
    output: str = "auto",
    weights: str = "auto",
    clone: bool = True,
    engine: str = "auto",
    callbacks: Sequence[Any] = (),
    seed: int = 0,
    verbose: Any = "auto",
) -> Classifier:
    """Train a classifier with one strategy; probabilities are true and the threshold is chosen.

    Args:
        model: A Keras model (compiled or not), a builder `build(spec, n_classes)` returning logits,
            `cp.transfer(backbone)`, or the name of a built-in network: "mlp", "tabular", "cnn", "text"; "auto" is
            `tabular` for tables, `cnn` for pictures and `text` for texts.
        data: A frame, a dict of columns, a CSV or Parquet file, an array, a dict or tuple of arrays, or text (N,).
            With y=None also a `tf.data.Dataset`, `PyDataset` or `DataLoader` of (x, y[, weight]), of which one pass is
            read into memory; a folder of `cp.images`; or a `cp.scan`, whose rows are streamed from disk.
        y: Labels (N,), or the name of the target column of a table.
        strategy: A name (see `counterpoise strategies`), a `Strategy`, or `cp.Ensemble([...])`.
        validation: Share of rows held out for stopping and for the rule (both, which the model card says).
        folds: K for out-of-fold stopping and rule, then one training on all rows; replaces `validation`.
        guarantee_rows: Share of rows kept from training, stopping, calibration and selection, so that
            `clf.decide(recall_floor=0.95, confidence=0.95)` can guarantee; the latest rows where there is time.
        groups: Group of each row, or the name of a column: groups are never on both sides of a split.
        time: Time of each row, or the name of a column: the held-out part is the latest.
        sample_weight: Your own weights (N,), counts of examples; they multiply in.
        epochs: Most passes over the training rows, counted in steps of the untouched model (budget "steps"); "auto":
            100, on many rows fewer (15,000 steps, but 30 passes), and no fewer steps than the recipe's floor.
        batch_size: Rows per step; "auto" is 256, and what suits the number of rows for `tabular`.
        budget: "steps": every strategy the steps of `none`. "epochs": the plan's own epochs.
        optimizer: A Keras optimizer or its name; None takes the compiled model's, else Adam(1e-3).
        patience: Rounds (passes of `none`) without a better stopping score before training ends.
        plateau: Rounds without a better stopping score before the learning rate is halved; None = never.
        recipe: A `cp.Recipe`: how rounds are compared and weights averaged where positives are few; "auto" is that of
            the network.
        output: "logits", "probabilities" or "auto".
        weights: "keep", "fresh" or "auto" (keep those of a given model).
        clone: False trains the object passed (one network, no folds).
        engine: "auto", "program" or "fit".
        callbacks: Keras callbacks; they are called on the `fit` engine (the program has none), once a round, with
            "loss" and "val_loss" (the stopping score).
        seed: Same seed, same classifier.
        verbose: 0 is silent; "auto" shows a bar in a terminal; 2 also prints each round: losses and recall per class.

    Returns:
        Classifier: with `predict`, `predict_proba`, `decide` and `save`.

    Raises:
        DataError, OptionError, ModelError: what was got, what was expected, what to do.

    Warns:
        UserWarning: What was noticed while the rows were read, for example a column of numbers with words among them.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> y = (rng.random(400) < 0.1).astype(int)
        >>> x = rng.normal(size=(400, 2)) + 2 * y[:, None]
        >>> clf = fit("mlp", x, y, strategy="oversample", epochs=5, verbose=0)
        >>> clf.predict_proba(x).shape
        (400, 2)
    """
    if data is None:
        raise OptionError('fit was given no data; pass them after the model or as data=, for example data="loans.csv".')
    settings = Settings(epochs, batch_size, budget, True, patience, seed, engine, plateau, recipe=recipe)
    chosen, callbacks = find(strategy), check_callbacks(callbacks)
    if chosen.is_external:
        raise OptionError(f"{chosen.name} is no network: it races (cp.compare), but no classifier is made of it.")
    scanned, beside = None, {"groups": groups, "time": time, "sample_weight": sample_weight}
    if isinstance(data, Scan):
        refuse_with_scan({"y": y, **beside, "folds": folds, "guarantee_rows": guarantee_rows})
        chosen = replace(chosen, one_pass=False)  # a stream weighs a row once
        scanned = opened(data, validation, seed)
        scanned.check(chosen)
    examples = scanned.examples if scanned else read_for(model, data, y, **beside)
    for noticed in examples.warnings:
        warnings.warn(noticed, UserWarning, stacklevel=2)
    kept = None if guarantee_rows is None else _keep_out(examples, guarantee_rows, seed)
    rest = examples if kept is None else subset(examples, kept[0])
    network, rest = network_for(
        model, rest, callbacks=callbacks, verbose=verbose, output=output, weights=weights, optimizer=optimizer,
        clone=clone,
    )  # fmt: skip
    settings = settings.on(network, len(scanned.labels if scanned else rest), EPOCHS)
    check_rate(network.optimizer(), plateau, callbacks)
    if not clone and (folds is not None or len(chosen.parts()) > 1):
        raise OptionError("clone=False trains the one object passed; it does not go with folds or an ensemble.")
    with bar(verbose) as progress:
        clf = _fitted(rest, chosen, network, settings, folds, validation, progress, callbacks, scanned)
    if verbose == 2:
        print("\n".join(rounds_text(clf.history, clf.classes_.tolist())))
    if kept is not None:
        return with_guarantee_rows(clf, subset(examples, kept[1]))
    clf.card["metrics_of"] = clf.card["rule"]
    return clf


def _fitted(
    examples: Examples, strategy: Strategy, network: Network, settings: Settings, folds: int | None, validation: float,
    progress: Progress | None, callbacks: Sequence[Any], scanned: Scanned | None = None,
) -> Classifier:  # fmt: skip
    how: dict[str, Any] = {"progress": progress, "callbacks": callbacks}
    if folds is not None:
        outcome = cross_validate(examples, [strategy], network, settings, folds=folds, **how)
        return refit(examples, strategy, network, settings, outcome, **how)
    if scanned:
        fold, how = scanned.fold, how | {"labeled": scanned.labels, "executor": scanned.run}
    else:
        rows, held = hold_out(examples, validation, settings.seed)
        fold = Fold(0, 0, rows, held, held)
    clf = on_fold(strategy, examples, fold, network, settings, **how)
    clf.card.update(rows_of(scanned.labels if scanned else examples))
    return clf


def _keep_out(examples: Examples, share: float, seed: int) -> tuple[Array, Array]:
    if not 0 < share < 1:
        raise OptionError(f"guarantee_rows is {share}; expected a share between 0 and 1.")
    return hold_out(examples, share, integer(seed, "guarantee rows"))

"""The frozen records that flow through Counterpoise (numpy only).

    Examples -> Folds -> Job -> Member -> FoldResult -> Comparison
                                    \\-> Rule -> Classifier

A stage maps one record to the next and imports no other stage. Arrays inside a record are never
written to after it was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from counterpoise.core.guarantee import ClassGuarantee, Guarantee

Array = np.ndarray

#: What rows do where that was said beforehand: they train, they end training, or they judge.
TRAIN, VALIDATION, TEST = 0, 1, 2

#: Column kinds. Only the first three reach the model; the others are left out and reported.
KINDS = ("numeric", "categorical", "boolean", "identifier", "constant", "missing")
USED_KINDS = ("numeric", "categorical", "boolean")


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a text column are written.

    Attributes:
        decimal: "." or ",".
        group: What stands between groups of three digits: "", ",", ".", " " or "'".
        affix: Currency sign or unit before or after the number, in lower case; "" where there is none.
        words: What stood where a number was missing, most frequent first; the first 20.
    """

    decimal: str = "."
    group: str = ""
    affix: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """One raw column of a table.

    Attributes:
        name: The name as it stands in the file.
        kind: One of `KINDS`.
        levels: For categorical and boolean columns every level found, as text, most frequent first.
        missing: Number of missing values.
        numeric_levels: Whether the levels are numbers or truth values, so that text is compared by value.
        unit: What the numbers of a numeric column are days of: "date", "time" (of day) or "duration"; "" for others.
            Of levels: "date" where all are dates, so that text is compared by date.
        offset: Subtracted in float64 before a number becomes float32 (see `data.precision`).
        cycles: Days; the position of a number in each such period is a feature too (see `data.cycles`).
        written: How the numbers of a text column are written; None where the column held no text.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    missing: int = 0
    numeric_levels: bool = False
    unit: str = ""
    offset: float = 0.0
    cycles: tuple[float, ...] = ()
    written: NumberFormat | None = None

    @property
    def used(self) -> bool:
        return self.kind in USED_KINDS


@dataclass(frozen=True)
class Schema:
    """The columns of a table in file order, without target, groups and time."""

    columns: tuple[Column, ...]
    target: str = "target"

    @cached_property
    def numeric(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind == "numeric")

    @cached_property
    def categorical(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind in ("categorical", "boolean"))

    @cached_property
    def excluded(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if not c.used)


@dataclass(frozen=True)
class Pictures:
    """How pictures were read, so that later ones are read alike. Their pixels are from 0 to 255.

    Attributes:
        color_mode: "grayscale" or "rgb".
        range: Stored values that are black and white in files of more than 8 bits; None: those of each file's type.
        aspect: How images of another shape are brought to that of the network: "stretch", "crop" or "pad".
        learned: Whether rows are the values that files store, and the network learned which are black and white.
    """

    color_mode: str
    range: tuple[float, float] | None = None
    aspect: str = "stretch"
    learned: bool = False


@dataclass(frozen=True)
class Examples:
    """Rows with labels, ready to be split.

    Attributes:
        x: What the model is fed. A table is `{"numeric": float32 (N, dn), "categorical": int32 (N, dc)}` (a part
            that has no column is absent). Numbers are those of the table less `schema.numeric[j].offset`, NaN for
            missing; id 0 is missing and id k is level k-1 of `schema.categorical[j].levels`. Anything else is an
            array of any rank or a dict of arrays, first axis N.
        y: int32 (N,), the class code of each row; of several labels (N, L), each 1, 0, or -1 where it is not known.
        classes: The labels, in the type of the file; `classes[y[i]]` is the label of row i, or `classes[l]` the name
            of label l.
        schema: The columns, for tables; else None.
        groups: int64 (N,) group code per row, or None.
        time: (N,) sortable time per row, or None.
        sample_weight: float32 (N,), the user's own weights (counts of examples), or None.
        duplicate_ids: int64 (N,), equal numbers for rows with equal features (label left out), or None when
            the features could not be compared.
        source: Where the rows come from, for messages and the report.
        text_column: Where `x` is one column of text of a table, its name; else None.
        split: int8 (N,), `TRAIN`, `VALIDATION` or `TEST` for each row; None: rows are held out by us.
        kind: The kind of target (see `core.target`).
        warnings: Sentences for the user, one for each thing noticed while reading.
        pictures: How `x` was read from files of pictures; None: it was not.
        names: What each row is called, the name of its file, text (N,); None: it is known by its number.
    """

    x: Any
    y: Array
    classes: tuple[Any, ...]
    schema: Schema | None = None
    groups: Array | None = None
    time: Array | None = None
    sample_weight: Array | None = None
    duplicate_ids: Array | None = None
    source: str = "data"
    warnings: tuple[str, ...] = ()
    text_column: str | None = None
    pictures: Pictures | None = None
    split: Array | None = None
    names: Array | None = None
    kind: str = "one_of"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_classes(self) -> int:
        return len(self.classes)

    @property
    def binary(self) -> bool:
        return self.n_classes == 2 and self.y.ndim == 1

    @property
    def counts(self) -> Array:
        """Rows per class, int64 (C,), or with each label (L,)."""
        return np.bincount(self.y, minlength=self.n_classes) if self.y.ndim == 1 else (self.y == 1).sum(axis=0)

    def class_name(self, code: int) -> str:
        """What to call a class in a message; of labels number 2 l is label l's absence, 2 l + 1 the label.

        Example:
            >>> Examples(np.zeros(2), np.array([[0, 1], [1, 0]]), ("edema", "mass"), kind="labels").class_name(2)
            "label 'mass' as 0"
        """
        if self.y.ndim == 1:
            return f"class {self.classes[code]!r}"
        return f"label {self.classes[code // 2]!r} as {code % 2}"

    def doing(self, role: int) -> Array:
        """Numbers of the rows that do this (see `split`), int64.

        Example:
            >>> split = np.array([TRAIN, TEST, TRAIN], np.int8)
            >>> Examples(np.zeros((3, 1)), np.zeros(3, np.int32), ("a",), split=split).doing(TRAIN).tolist()
            [0, 2]
        """
        return np.flatnonzero(np.asarray(self.split) == role)

    def weights_of(self, rows: Array) -> Array | None:
        """The user's weights of some rows, or None when there are none."""
        return None if self.sample_weight is None else self.sample_weight[rows]

    @property
    def positive(self) -> int:
        """Code of the positive class. Binary data are stored so that it is 1; else the rarest class."""
        return 1 if self.binary else int(np.argmin(self.counts))


@dataclass(frozen=True)
class Fold:
    """Rows of one outer fold: train on `train`, stop on `stop`, judge on `test`. Disjoint int64 arrays."""

    repeat: int
    index: int
    train: Array
    stop: Array
    test: Array

    def whole(self) -> Fold:
        """The fold with its stopping rows among the training rows: nothing is left to end a training by.

        Example:
            >>> fold = Fold(0, 0, np.array([0, 3]), np.array([1]), np.array([2])).whole()
            >>> fold.train.tolist(), fold.stop.tolist(), fold.test.tolist()
            ([0, 1, 3], [], [2])
        """
        return replace(self, train=np.sort(np.concatenate([self.train, self.stop])), stop=self.stop[:0])


@dataclass(frozen=True)
class Limits:
    """How long a job may train.

    Attributes:
        steps: Most optimizer steps.
        round_steps: Steps between two looks at the stopping score.
        patience: Steps without a better stopping score before training ends; None = never.
        batch_size: Rows per step.
        plateau: Steps without a better stopping score before the learning rate is halved; None = never.
        least: Steps before which no round but the last can be the best.
        smoothing: Rounds whose stopping scores are averaged before they are compared.
        margin: Standard errors by which a later round must be better to take over.
        stop_on: "log_loss", or "both" (log loss and average precision; see `train.stopping.Score`).
        average: Share of the average of weights that the end of a round leaves as it was (see `train.averaging`); 0:
            no average.
        cosine: Whether the learning rate falls to 0 over the steps, along half a cosine.
    """

    steps: int
    round_steps: int
    patience: int | None
    batch_size: int
    plateau: int | None = None
    least: int = 0
    smoothing: int = 1
    margin: float = 0.0
    stop_on: str = "log_loss"
    average: float = 0.0
    cosine: bool = False


@dataclass(frozen=True)
class Job:
    """One network to train; picklable, and a pure description.

    Attributes:
        id: Content address: jobs with the same id are trained once.
        plan: The plan over `train` (row numbers of the plan are positions in `train`).
        train: int64, rows that are drawn from.
        stop: int64, rows of the stopping score (may be empty).
        score: int64, rows whose logits are wanted at the end.
        loss: Name of the loss family and its constants, for example `("cross_entropy", {})`.
        seed: Seed of this job's initial weights, order and dropout (see `core.seeds`).
        place: (repeat, fold, member): the counters under which the seeds are drawn.
        limits: How long it may train.
        mix: Name and constants of what mixes the rows of each batch (see `train.mixed`), or None.
        model: Key of the learner that trains it (see `engines.learner`); "" is the first.
        content: What decides what that model does, where it is no network, whose content is that of the run.
        start: Values of the network's variables to begin with; none: drawn from the seed.
        init_bias: Whether the output starts at the constant that minimizes the loss (see `engines.objective`); not
            where there is a `start`.
        kind: The kind of target (see `core.target`).
    """

    id: str
    plan: Any
    train: Array
    stop: Array
    score: Array
    loss: tuple[str, Mapping[str, Any]]
    seed: int
    place: tuple[int, int, int]
    limits: Limits
    mix: tuple[str, Mapping[str, Any]] | None = None
    model: str = ""
    content: str = ""
    start: tuple[Array, ...] = ()
    init_bias: bool = True
    kind: str = "one_of"


@dataclass(frozen=True)
class Member:
    """A trained model, or what a fitted estimator of another kind predicted.

    Attributes:
        job: Id of its job.
        weights: The network's variables in Keras order; of trees what `forests.model` makes of them; none for an
            estimator that cannot ship.
        logits: float32 (len(job.score), units), raw (uncorrected) logits on the score rows.
        stop_logits: float32 (len(job.stop), units).
        log_shift: float64 (C,), what has to be subtracted from the logits (design: the training shift).
        best_step: The step whose weights were kept.
        steps: Steps taken. rows_seen: rows drawn.
        seconds: Wall time of this job.
        history: name -> list of numbers, one per round.
        engine: "fit", "program", "trees" or "external".
        needs_calibration: Whether the shift alone does not give true probabilities.
        gamma: Focusing of the focal loss that trained it, undone before the shift; 0 = none.
        memory: Bytes, the process's highest resident memory while the job was in work (see `core.memory`).
        error: Why the job failed, or ""; what failed said nothing.
        late_gain: What the stopping loss fell by in the last fifth of the steps, and its standard error over the rows;
            (0, 0) where patience ended the training; None: not known (see `early_stopping.Stopper.late_gain`).
        member_shifts: float64 (members, C), training shift of each member that the network removes itself; None: none.
        member_outputs: float32 (parts, len(job.score), C), what the members of each member strategy say alone,
            corrected, where one network was trained for several; None: it was for one.
    """

    job: str
    weights: tuple[Array, ...]
    logits: Array
    stop_logits: Array
    log_shift: Array
    best_step: int
    steps: int
    rows_seen: int
    seconds: float
    history: Mapping[str, list[float]] = field(default_factory=dict)
    engine: str = "fit"
    needs_calibration: bool = False
    gamma: float = 0.0
    memory: int = 0
    error: str = ""
    member_shifts: Array | None = None
    member_outputs: Array | None = None
    late_gain: tuple[float, float] | None = None


@dataclass(frozen=True)
class Rule:
    """From member logits to a decision, in this order (numpy arrays, natural logarithms).

    Attributes:
        log_shifts: float64 (M, C), training shift of each member, subtracted first.
        vote: "soft", "log", "hard", "weighted" or "greedy".
        weights: float64 (M,), on the simplex.
        intercept: float64 (C,), residual correction added to the pooled log-probabilities.
        calibrator: Plain dict `{"kind": ..., parameters}` or None.
        prior: float64 (C,), class shares of the rows that the rule was fitted on.
        threshold: Binary: decide positive when probability >= threshold. None for multi-class.
        offsets: Multi-class float64 (C,): argmax of log p + offsets. None for binary.
        member_thresholds: For vote="hard": each member's own threshold (M,).
        aim: What threshold or offsets were chosen for, for example "f1", in words.
        guarantee: The floor that the threshold or the offsets reach with confidence; None: none was asked for.
        notes: Sentences about what was checked and found.
        gammas: float64 (M,), focusing of each member's focal loss, undone before the shift; None: none had one.
    """

    log_shifts: Array
    prior: Array
    vote: str = "soft"
    weights: Array | None = None
    intercept: Array | None = None
    calibrator: Mapping[str, Any] | None = None
    threshold: float | None = None
    offsets: Array | None = None
    member_thresholds: Array | None = None
    aim: str = "argmax"
    notes: tuple[str, ...] = ()
    gammas: Array | None = None
    guarantee: Guarantee | ClassGuarantee | None = None

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rule of each problem (see `core.target`): this one."""
        return (self,)

    def with_parts(self, parts: Sequence[Rule]) -> Rule:
        """The rule with other rules of its problems."""
        (rule,) = parts
        return rule


@dataclass(frozen=True)
class LabelRules:
    """The rules of several labels: one of two classes for each, all over the same members.

    Attributes:
        parts: One `Rule` per label.
    """

    parts: tuple[Rule, ...]

    def with_parts(self, parts: Sequence[Rule]) -> LabelRules:
        """The same labels under other rules."""
        return LabelRules(tuple(parts))

    @property
    def log_shifts(self) -> Array:
        """float64 (M, L, 2)."""
        return np.stack([rule.log_shifts for rule in self.parts], axis=1)

    @property
    def gammas(self) -> Array | None:
        """float64 (M,), equal for all labels, or None."""
        return self.parts[0].gammas

    @property
    def prior(self) -> Array:
        """float64 (L, 2), shares of each label without and with it."""
        return np.stack([rule.prior for rule in self.parts])

    @property
    def vote(self) -> str:
        """How members are pooled, equal for all labels."""
        return self.parts[0].vote

    @property
    def weights(self) -> Array | None:
        """float64 (M,), mean weight of each member over the labels; None: equal."""
        known = [rule.weights for rule in self.parts if rule.weights is not None]
        return np.mean(known, axis=0) if known else None

    @property
    def aim(self) -> str:
        """What the thresholds were chosen for, in words; of labels with different aims, each once."""
        return ", ".join(dict.fromkeys(rule.aim for rule in self.parts))

    @property
    def threshold(self) -> None:
        """There is one for each label (`parts`)."""
        return None

    @property
    def offsets(self) -> None:
        """Labels have thresholds."""
        return None


@dataclass(frozen=True)
class FoldResult:
    """One strategy on one outer fold, scored on rows that nothing else saw.

    Attributes:
        strategy: Its name. repeat, fold: where.
        rows: int64 (T,), the test rows.
        raw: float32 (T, C), of several labels (T, L), probabilities of the untouched output (what users have today).
        proba: The same after shift correction, pooling and intercept check.
        decision: int32 (T,), of several labels (T, L), class codes by the strategy's own (cross-fitted) rule.
        rule: The rule that made them.
        duplicate_free: bool (T,), rows without a twin in training, or None.
        fits, steps, rows_seen, seconds, seconds_shared: cost (a shared job counts in full in `seconds`).
        history: One mapping per member.
        member_proba: float32 (T, C) of each member strategy after shift correction, before pooling.
        member_weights: float64 (members,), weights of these in the pool; None: equal.
        memory: Bytes, the highest resident memory while a member was in work.
    """

    strategy: str
    repeat: int
    fold: int
    rows: Array
    raw: Array
    proba: Array
    decision: Array
    rule: Rule | LabelRules | None = None
    duplicate_free: Array | None = None
    fits: int = 0
    steps: int = 0
    rows_seen: int = 0
    seconds: float = 0.0
    seconds_shared: float = 0.0
    history: tuple[Mapping[str, list[float]], ...] = ()
    member_proba: tuple[Array, ...] = ()
    member_weights: Array | None = None
    memory: int = 0

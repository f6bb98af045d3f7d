"""`Classifier`, which has preprocessing, networks and rule in one Keras model; and `load`.

The methods only hand over to the files of this package: `rows` and `predicting` (rows to outputs), `deciding` (new
rules), `model_card`, `file`. Changes are copies, made by `_copy_with`. Public: every name without an underscore.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from counterpoise.classifier import predicting, rows
from counterpoise.classifier.deciding import decide_again, without_column
from counterpoise.classifier.file import Contents, read, write
from counterpoise.classifier.model_card import ModelCard, counted_labels, noted, prior_entry, unit_entry, with_metrics
from counterpoise.classifier.references import custom_objects_of
from counterpoise.classifier.whole_model import whole_model
from counterpoise.core.examples import Pictures
from counterpoise.core.per_class import in_class_order
from counterpoise.core.review import REVIEW
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.schema import Schema
from counterpoise.core.temporary import scratch
from counterpoise.core.units import UnitRule, scores_of_units
from counterpoise.decide.rule import Decision
from counterpoise.networks.forward import forward
from counterpoise.targets.kinds import target_of

Array = np.ndarray


class Classifier:
    """A trained classifier with corrected probabilities and a decision threshold.

    `fit`, `load`, and `wrap` return a classifier; `compare` returns it as `best`.

    Attributes:
        classes_: The labels, in the type of the training data and in the order of the columns of `predict_proba`. With
            several labels per row, the names of the labels.
        kind: The kind of target: "one_of" (one class per row), "labels" (several labels per row) or "elements" (a
            class for each pixel or step).
        rule: The decision rule, which turns member outputs into probabilities and a decision.
        unit: How units (groups of rows, see `cp.images(unit=)`) are decided. None: each row is decided.
        history: For each network, values per training round: "step", "loss", "stop_loss", and "recall C" for each class
            code C. The history is not saved.

    Example:
        >>> from counterpoise.classifier.wrap import wrap
        >>> clf = wrap(np.linspace(0.05, 0.95, 40), np.arange(40) >= 30)
        >>> clf.classes_, clf.decide(cost=(1, 3)).rule.threshold
        (array([False,  True]), 0.25)
    """

    def __init__(
        self,
        members: keras.Model,
        rule: Rule | LabelRules,
        classes: Sequence[Any],
        schema: Schema | None,
        card: Mapping[str, Any],
        scores: Mapping[str, Array] | None = None,
        kind: str = "one_of",
        unit: UnitRule | None = None,
    ) -> None:
        # Called by `pipeline.assembly`, `wrap`, `load` and `_copy_with`; nothing is checked here.
        self.unit = unit
        self.kind, self.target = kind, target_of(kind)
        self.members, self.rule, self.schema = members, rule, schema
        self.classes_ = np.array(classes, dtype=_label_type(classes))
        self.card_without_metrics = ModelCard(card)  # metrics may take seconds
        self.scores = dict(scores or {})
        self.history: tuple[Mapping[str, list[float]], ...] = ()
        self._forward = forward(members)

    @cached_property
    def card(self) -> ModelCard:
        """The model card: data, strategy, training, threshold, and metrics with intervals.

        It contains plain values and is read-only.

        The metrics are for the current decision rule. They are computed when the card is first read or saved.
        """
        if "metrics_of" not in self.card_without_metrics or "metrics" in self.card_without_metrics:
            return self.card_without_metrics
        return with_metrics(self.card_without_metrics, self.target, self.rule, self.unit, self.scores)

    @property
    def label_options(self) -> tuple[tuple[str, str], ...]:
        """How the labels of training were read, by which `evaluate` reads new labels (`Examples.label_options`)."""
        return tuple(self.card_without_metrics.get("label_options", {}).items())

    @property
    def pictures(self) -> Pictures | None:
        """How the training images were read from files; None if there are no files.

        Raises:
            ArtifactError: The entry of the model card is damaged.
        """
        return rows.pictures_of_card(self.card_without_metrics)

    @property
    def members_(self) -> list[dict[str, Any]]:
        """The score and weight of each member, and its correlation with the others.

        The scores are for the rows that fitted the decision rule.

        Members are networks, or the strategies of one network that was trained for several strategies. Without stored
        scores, the table is empty. See `metrics.members.member_table`.
        """
        return predicting.member_scores(self)

    def predict_proba(self, x: Any, prior: Any = None) -> Array:
        """Predict the probability of each class (N, C) or of each label (N, L), float64.

        Columns are in the order of `classes_`.

        With a class for each element (pixel or step), the shape is (N, ..., C).

        Args:
            x: Rows in any form that `fit` accepts. Labels are ignored.
            prior: Class proportions of the new rows, if they differ from the training rows. For two classes, the share
                of `classes_[1]`; otherwise one share for each class or label. None: as in training.
        """
        return np.concatenate(
            predicting.values_by_batch(self, x, without_column(self._rule_at(prior)), lambda result: result.proba)
        )

    def predict(self, x: Any, prior: Any = None) -> Array:
        """Predict the label of each row (N,) at the classifier's threshold or offsets.

        With several labels per row, the result is 0 or 1, (N, L).

        With a class for each element, the result is the label of each element, (N, ...).
        """
        rule = self._rule_at(prior)
        codes = np.concatenate(predicting.values_by_batch(self, x, rule, lambda result: result.decision))
        return self.target.decided(codes, self.decisions_)

    @property
    def decisions_(self) -> Array:
        """The labels that `predict` returns, by code; the last one is "review" if rows can go to a human."""
        if self.rule.review is None:
            return self.classes_
        return np.array([*self.classes_.tolist(), REVIEW], dtype=object)

    def predict_units(self, x: Any, unit: Any = None, prior: Any = None) -> Any:
        """Return probabilities and decisions of units as a polars frame.

        There is one row per unit, in the order of appearance.

        Columns: the columns that name units, `rows` (the number of rows of a unit), then the columns of
        `predict_frame`. The probabilities of the rows of a unit are aggregated as in training and then calibrated. The
        decision uses the threshold for units.

        Args:
            x: Rows in any form that `predict` accepts.
            unit: For a table, the names of the columns; default: the columns used in training. For arrays, values (N,).
                Images name their units in `cp.images(..., unit=)`.
            prior: As in `predict_proba`, for units.

        Raises:
            OptionError: The classifier was trained without units, or the units of the rows are not known.
        """
        from counterpoise.classifier.unit_predictions import predict_units

        return predict_units(self, x, unit, prior)

    def predict_frame(self, x: Any, prior: Any = None) -> Any:
        """Return probabilities and decisions as a polars frame.

        The frame has the same columns as the output of `counterpoise predict`.

        Two classes: `probability` (of `classes_[1]`) and `decision`. More classes: `probability_LABEL` for each class,
        and `decision`. Several labels per row: `probability_LABEL` and `decision_LABEL` for each label. If rows can go
        to a human, decisions are text. A class for each element: `elements_LABEL` is the number of elements of the row
        that were decided for the class. `regions_LABEL` is the number of connected regions, for each class but the
        first.
        """
        return predicting.prediction_frame(self, x, self._rule_at(prior))

    def decide(
        self, *, confidence: float | None = None, costs: Any = None, cost_column: str | None = None,
        cost_fp: float | None = None, review_alpha: float | None = None,
        review_budget: tuple[float, float] | None = None, by: str | None = None, **aim: Any,
    ) -> Classifier:  # fmt: skip
        """Return a copy of the classifier with another threshold, without retraining.

        If the classifier decides units, the threshold for units changes.

        Without `confidence`, the threshold is chosen on the stored out-of-fold scores, and the model card calls the
        result an estimate. With `confidence`, `recall_floor` and `precision_floor` are guaranteed from the rows that
        `fit(..., guarantee_rows=0.2)` set aside. Without such rows, the result is called an estimate too. With more
        than two classes, `recall_floor={"a": 0.9, "b": 0.8}` sets a recall for each named class; these recalls hold
        together.

        With several labels per row, the aim applies to every label. `f1={"mass": True}` changes only the named labels.
        A guarantee for several labels holds for all of them together (Bonferroni correction).

        Args:
            confidence: Probability that the floor holds, over random draws of the guarantee rows, for example 0.95.
            costs: Cost of each decision: a matrix (C, C) [true, decided] in the order of `classes_`, or `{true label:
                {decided label: cost}}`. The class with the lowest expected cost is decided. A benefit is a negative
                cost.
            cost_column: For tables with two classes: the column with the cost of missing each row (an amount of 0 or
                more). A row with probability p is positive if p * amount >= (1 - p) * cost_fp. `predict`, the file and
                every export then need this column, even if it is not a feature.
            cost_fp: Cost of a false positive with `cost_column`, above 0.
            review_alpha: Rows that may belong to several classes go to a human (decision "review"). At most this share
                of each class is then decided wrongly. The limits are fitted on the rows of `guarantee_rows`, if they
                exist.
            review_budget: (k, n): of n rows, the k rows whose decision is closest to another decision go to a human.
            by: A column of groups, for example sex or site. Each group gets its own threshold, chosen by the aim on the
                rows of the group. Training must store the column: pass `by=` to `fit` or `compare`. Groups with fewer
                than 20 rows of each class use the common threshold. `predict`, the file and every export then need this
                column. Such thresholds may be unlawful.
            **aim: One aim, for example `f1=True`, `recall_floor=0.95`, `precision_floor=0.5`, `balanced_accuracy=True`,
                `threshold=0.2`; for images with masks also `lesion_false_positives=1`, which finds the most lesions
                with at most 1 false positive per image. `recall_floor` and `alerts=(k, n)` can be combined. If both
                cannot be reached, the limit of alerts is kept, and `card["threshold"]["budgets"]` reports the recall.
                With a review and no aim, the threshold does not change.

        Raises:
            OptionError: There is no aim or more than one, or the classifier has no stored scores.
            GuaranteeError: There are too few rows for the guarantee. The message reports the guarantee that they
                support.
        """
        return decide_again(
            self, aim, confidence=confidence, costs=costs, column=(cost_column, cost_fp), review_alpha=review_alpha,
            review_budget=review_budget, by=by,
        )  # fmt: skip

    def explain(self, x: Any, background: Any = None, *, label: Any = None, seed: int = 0) -> Any:
        """Explain single rows by the effect of each column, or of each pixel or word.

        For rows of a table, the effects are Shapley values. They are exact for up to 8 columns, and for boosted trees
        of two classes with any number of columns; otherwise they are sampled. The effects of a row sum to its log-odds
        minus the mean log-odds of the background rows. To find the most important columns over many rows, use
        `cp.explain`.

        For images, the result is heat maps by integrated gradients (see `classifier.heat_maps`). The effects of an
        image sum to the mean log-odds of the networks minus the log-odds for an image of its mean color.

        For texts, the effect of a word is the log-odds of the text minus the log-odds without this word (see
        `classifier.text_reasons`).

        Args:
            x: Rows of a table or an array (N, d), images or texts, as in `predict`.
            background: For tables, rows to compare with; 32 of them are drawn. None: the rows in `x`.
            label: The class or label whose log-odds are explained. None: the positive class of two classes, otherwise
                the most probable class or label of each row.
            seed: Seed of the random draws.

        Returns:
            For a table: `columns`, `effects` (N, d), `base`, `log_odds`, and `strongest(4)`, a frame of the 4 strongest
            effects. For images: heat maps, float32 (N, height, width), above 0 if a pixel is evidence for the class.
            For texts: `words`, their `effects`, and `strongest(4)`.

        Raises:
            OptionError: `label` is unknown, or `x` is a single row without `background`.
        """
        from counterpoise.classifier.explaining import explain_single_rows

        return explain_single_rows(self, x, background, label, seed)

    def member_logits(self, x: Any) -> list[Array]:
        """Return the raw logits of each member, float32 (N, units), before any correction."""
        return self.encoded_logits(self.encoded(x))

    def encoded_logits(self, encoded: Any, scored: Callable[[Array, Array], Array] | None = None) -> list[Array]:
        """Return the raw logits of each member for rows in the form of `Examples.x`.

        `scored` is a function from outputs and row numbers to the outputs to keep. None: all outputs are kept.
        """
        return predicting.encoded_logits(self, encoded, scored)

    def log_p(self, logits: Sequence[Array]) -> Array:
        """Return the corrected log-probabilities of each member.

        Float64 (M, N, C) or (M, N, L, 2). The training shift of each member is subtracted.
        """
        return predicting.log_p(self, logits)

    def decide_from_logits(self, logits: Sequence[Array], column_values: Array | None = None) -> Decision:
        """Compute probabilities and decisions from member outputs and column values.

        `member_logits` returns the outputs, `column_values` the values of the column.
        """
        decision: Decision = self.target.apply(self.rule, self.log_p(logits), column_values)
        return decision

    def column_values(self, x: Any) -> Array | None:
        """Return the values (N,) of the column that decisions depend on.

        The values are amounts, or codes of groups. None: there is no such column.
        """
        return rows.with_column_values(self, x, self.rule.column)[1]

    def raw(self, logits: Sequence[Array]) -> Array:
        """Return probabilities (N, C) or (N, L) without any correction."""
        return self.target.raw(logits)

    def keras_model(self) -> keras.Model:
        """Build one Keras model that maps raw columns to `{"probability", "decision"}`."""
        return whole_model(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one `.keras` file with preprocessing, networks, correction, and threshold.

        The file also contains the labels and the schema.

        The file is written completely or not at all.

        Raises:
            ArtifactError: The name does not end in .keras, the folder cannot be written, or the file could not be read
                again. If one of your own layers is not registered, the message contains the line to add.
        """
        return write(path, self.keras_model(), self._file_contents())

    def _file_contents(self) -> Contents:
        """Return all that the file stores, including the metrics of the card, which may take seconds to compute."""
        return Contents(
            self.members, self.rule, self.classes_.tolist(), self.schema, self.card, self.scores, self.kind, self.unit
        )

    def export(self, path: str | os.PathLike[str], format: str = "saved_model") -> Path:
        """Write the classifier for another runtime: raw columns in, probability and decision out.

        Args:
            path: A folder for "saved_model"; for "litert" and "onnx" a file ending in .tflite or .onnx, or a folder.
            format: "saved_model" accepts text (signature `serve`). "litert" and "onnx" accept only numbers, with ids
                for categories. `schema.json` next to the export describes the inputs.

        Returns:
            The path of the export. The export was run once, and its predictions were compared with this classifier.

        Raises:
            ArtifactError: The path cannot be written, or the predictions of the export differ from the classifier.
            MissingExtraError: A package is missing. Run `pip install 'counterpoise[litert]'` or `'counterpoise[onnx]'`.
        """
        from counterpoise.export import write

        return write(self, path, format)

    def encoded(self, x: Any, name: str | None = None) -> Any:
        """Encode rows in any form that `fit` accepts, as in `Examples.x`.

        `name` is the name of the rows in error messages.
        """
        return rows.encoded_rows(self, x, name)

    def _rule_at(self, prior: Any) -> Rule | LabelRules:
        """Return the rule for class proportions `prior`, in any form that `predict` takes; None: the present rule."""
        if prior is None:
            return self.rule
        shares = in_class_order(prior, "prior", self.classes_.tolist())
        moved: Rule | LabelRules = self.target.at_prior(self.rule, shares, self.scores)
        return moved

    def with_rule(self, rule: Rule | LabelRules) -> Classifier:
        """Return a copy with another rule, for example `cp.monitor(...).rule`."""
        card = dict(self.card_without_metrics)
        if "log_p" in self.scores:
            card.pop("metrics", None)  # computed again from the scores, for the new rule
        if "prior" in card:
            card["prior"] = prior_entry(rule)
        card["threshold"] = self.target.describe(rule, counted_labels(self.scores), self.classes_.tolist())
        return self._copy_with(rule, card, self.scores)

    def with_card(self, scores: Mapping[str, Array] | None = None, **entries: Any) -> Classifier:
        """Return a copy with additional entries of the model card and stored scores."""
        return self._copy_with(self.rule, {**self.card_without_metrics, **entries}, {**self.scores, **(scores or {})})

    def with_units(self, unit: UnitRule, scores: Mapping[str, Array] | None = None, budgets: str = "") -> Classifier:
        """Return a copy that also decides units.

        `scores` are the scores that fitted the decision rule for units. `budgets` is the text of the model card on
        limits of alerts, "" for none.
        """
        stored = {**self.scores, **(scores or {})}
        own = scores_of_units(stored)
        card = {
            **self.card_without_metrics, "unit": unit_entry(self.target, unit, own, self.classes_.tolist(), budgets),
        }  # fmt: skip
        if "log_p" in own:
            card.pop("metrics", None)  # computed again from the scores, for units
        return self._copy_with(self.rule, card, stored, unit)

    def _copy_with(
        self, rule: Rule | LabelRules, card: Mapping[str, Any], scores: Mapping[str, Array],
        unit: UnitRule | None = None,
    ) -> Classifier:  # fmt: skip
        """Return a copy with these parts, the same networks and history; `unit` None keeps the rule of units."""
        unit = self.unit if unit is None else unit
        card = noted(card, scores)
        clf = Classifier(self.members, rule, self.classes_.tolist(), self.schema, card, scores, self.kind, unit)
        clf.history, clf._forward = self.history, self._forward
        return clf

    def __repr__(self) -> str:
        labels = ", ".join(repr(c) for c in self.classes_.tolist()[:6])
        strategy = self.card_without_metrics.get("strategy", "?")
        return f"Classifier(strategy={strategy!r}, members={len(self.rule.log_shifts)}, classes=[{labels}])"

    def _repr_html_(self) -> str:
        """Show the model card in notebooks, without metrics and versions."""
        from counterpoise.report.notebook import card_html

        return card_html(repr(self), {k: v for k, v in self.card.items() if k not in ("metrics", "versions")})

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the bytes of the `.keras` file, and the user's own classes and functions in it."""
        whole = self.keras_model()
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            file = write(Path(folder) / "m.keras", whole, self._file_contents())
            return {"keras": file.read_bytes(), "custom_objects": custom_objects_of(whole)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the classifier from the bytes of the file."""
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            path = Path(folder) / "m.keras"
            path.write_bytes(state["keras"])
            self.__dict__.update(load(path, state["custom_objects"]).__dict__)


def load(path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None) -> Classifier:
    """Read a classifier that `save` wrote, without running code from the file.

    Args:
        path: The file.
        custom_objects: Your own layers and functions that the file uses, for example `{"Swish": Swish}`. All other
            layers and functions are refused, except those of Keras and Counterpoise.

    Raises:
        ArtifactError: The file is absent, damaged, changed by hand, or was not saved by Counterpoise. Or it uses a
            class that is not in `custom_objects`.

    Example:
        >>> load("absent.keras")
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: there is no file 'absent.keras'.
    """
    file = read(path, custom_objects)
    return Classifier(file.members, file.rule, file.classes, file.schema, file.card, file.scores, file.kind, file.unit)


def _label_type(classes: Sequence[Any]) -> Any:
    """Return the dtype for labels: object for mixed types, otherwise None (NumPy chooses)."""
    kinds = {type(c) for c in classes}
    return None if len(kinds) == 1 else object

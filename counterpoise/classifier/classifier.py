"""The classifier: preprocessing, networks and rule in one Keras model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.deciding import decided
from counterpoise.classifier.file import Contents, read, write
from counterpoise.classifier.model_card import ModelCard, measured
from counterpoise.classifier.references import custom_objects_of
from counterpoise.core.errors import ArtifactError, DataError, OptionError
from counterpoise.core.examples import IMAGE, Pictures
from counterpoise.core.per_class import in_class_order
from counterpoise.core.review import REVIEW
from counterpoise.core.rule import LabelRules, Rule
from counterpoise.core.schema import Schema
from counterpoise.core.structure import chunk_rows, leaves, rows_in, take
from counterpoise.core.temporary import scratch
from counterpoise.core.units import UnitRule, row_part, unit_part
from counterpoise.data.columns import raw_columns, raw_inputs
from counterpoise.data.frames import is_table
from counterpoise.data.image_rows import encode_pictures, rows_of
from counterpoise.data.image_set import ImageSet, pictures_of
from counterpoise.data.inputs import check_inputs
from counterpoise.data.loading import dataset_kind, features_of, load_features
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.schema import encode_rows
from counterpoise.data.texts import texts_of_table
from counterpoise.decide.rule import Decision
from counterpoise.metrics.members import mean_table, member_table
from counterpoise.networks.batch_ensemble import n_members
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.forward import forward
from counterpoise.networks.input_names import like
from counterpoise.networks.member_outputs import shares
from counterpoise.targets.kinds import target_of

Array = np.ndarray


class Classifier:
    """A trained classifier with corrected probabilities and a threshold, made by `fit`, `compare` or `load`.

    Attributes:
        classes_: The labels in the type of the training data, in the order of `predict_proba`'s columns; of several
            labels per row their names.
        kind: The kind of target: "one_of" (one class per row) or "labels" (several labels per row).
        rule: How member outputs become probabilities and a decision.
        unit: How units (see `cp.images(unit=)`) are decided; None: each row is decided.
        history: Per network, numbers by round: "step", "loss", "stop_loss", "recall C" per class code; not saved.

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
        """The model card: plain values about data, strategy, training, threshold and metrics with intervals; read-only.

        The metrics are those of the rule as it is; they are measured when the card is first looked at or saved.
        """
        if "metrics_of" not in self.card_without_metrics or "metrics" in self.card_without_metrics:
            return self.card_without_metrics
        note = self.card_without_metrics["metrics_of"]
        card = {**self.card_without_metrics, **measured(self.target, self.rule, row_part(self.scores), note)}
        if self.unit is not None:
            own = measured(self.target, self.unit.rule, unit_part(self.scores), note)
            card["unit"] = {**card["unit"], "metrics": own["metrics"]}
        return ModelCard(card)

    @property
    def pictures(self) -> Pictures | None:
        """How the pictures of the training rows were read from files; None: they were not.

        Raises:
            ArtifactError: the entry of the card is damaged.
        """
        images = self.card_without_metrics.get("images")
        try:
            return None if images is None else pictures_of(images)
        except (KeyError, TypeError, OptionError) as error:
            raise ArtifactError(f"The model card is damaged: 'images' is {images!r:.80}.") from error

    @property
    def members_(self) -> list[dict[str, Any]]:
        """What each member scores alone on the rows that fitted the rule, its weight, and its likeness to the others.

        Members are networks, or the member strategies of one network that was trained for several. See
        `metrics.members.member_table`; empty where no scores are stored.
        """
        if "log_p" not in self.scores:
            return []
        proba, weights = np.exp(self.scores["log_p"].astype(np.float64)), self.rule.weights
        if "member_outputs" in self.scores:
            proba = self.scores["member_outputs"]
            weights = shares(n_members(self.members), len(proba))
        names = self.card_without_metrics.get("members", ())
        names = names if len(names) == len(proba) else [f"member {number}" for number in range(len(proba))]
        user = self.scores.get("weight")
        return mean_table(
            [
                member_table(names, p.log_p(proba), p.y, weights=weights, sample_weight=p.of_rows(user))
                for p in self.target.problems(self.scores["y"], self.classes_.tolist())
                if len(p.rows)
            ]
        )

    def predict_proba(self, x: Any, prior: Any = None) -> Array:
        """Probability of each class, float64 (N, C), or of each label, (N, L), in the order of `classes_`.

        Args:
            x: Rows in any form that `fit` takes (labels are ignored).
            prior: Class shares where the rows come from, when they differ from training: the share of
                `classes_[1]` for two classes, one share per class, or one per label. None = as in training.
        """
        return self._decide(x, prior).proba

    def predict(self, x: Any, prior: Any = None) -> Array:
        """The decided label of each row (N,), by the classifier's threshold or offsets; of labels 0 or 1, (N, L)."""
        return self.target.decided(self._decide(x, prior).decision, self.decisions_)

    @property
    def decisions_(self) -> Array:
        """What `predict` returns, by code: the labels, and last "review" where rows go to a human."""
        if self.rule.review is None:
            return self.classes_
        return np.array([*self.classes_.tolist(), REVIEW], dtype=object)

    def predict_units(self, x: Any, unit: Any = None, prior: Any = None) -> Any:
        """Probabilities and decisions of units as a polars frame, one row for each, in the order of appearance.

        Columns: those that name units, `rows` (how many rows a unit has), then as in `predict_frame`. The
        probabilities of a unit's rows are aggregated as in training, calibrated, and decided by the unit's threshold.

        Args:
            x: Rows in any form that `predict` takes.
            unit: Of a table the names of the columns, by default those of training; of arrays values (N,). Images
                (`cp.images(..., unit=)`) bring theirs.
            prior: As in `predict_proba`, of units.

        Raises:
            OptionError: a classifier that was trained without units, or rows whose units are not known.
        """
        from counterpoise.classifier.unit_predictions import predict_units

        return predict_units(self, x, unit, prior)

    def predict_frame(self, x: Any, prior: Any = None) -> Any:
        """Probabilities and decisions as a polars frame, the columns that `counterpoise predict` writes.

        Two classes: `probability` (of `classes_[1]`) and `decision`; more: `probability_LABEL` for each. Several labels
        per row: `probability_LABEL` and `decision_LABEL` for each. Where rows go to a human decisions are text.
        """
        import polars as pl

        labels = self.decisions_
        if self.rule.review is not None:
            labels = np.array([str(label) for label in labels])
        return pl.DataFrame(self.target.columns(self._decide(x, prior), labels))

    def decide(
        self, *, confidence: float | None = None, costs: Any = None, review_alpha: float | None = None,
        review_budget: tuple[float, float] | None = None, **aim: Any,
    ) -> Classifier:  # fmt: skip
        """A new classifier with another threshold; trains nothing. If it decides units, it is their threshold.

        Without `confidence` the threshold is chosen on the stored out-of-fold scores, and the card calls it an
        estimate. With it, `recall_floor` and `precision_floor` are guaranteed from the rows that `fit(...,
        guarantee_rows=0.2)` kept out of everything; without such rows the same threshold is called an estimate. With
        more than two classes `recall_floor={"a": 0.9, "b": 0.8}` gives the classes named those recalls together.

        Of several labels per row every label gets the aim; `f1={"mass": True}` changes the labels named alone.
        A guarantee of several labels holds for all of them together (Bonferroni).

        Args:
            confidence: Share of draws of the guarantee rows in which the floor holds, for example 0.95.
            costs: What each decision costs, (C, C) [true, decided] in the order of `classes_`, or `{true label:
                {decided label: cost}}`; the class of the lowest expected cost is decided. A benefit is a negative cost.
            review_alpha: Leave rows that may be of several classes to a human (decision "review"), so that at most
                this share of each class is decided wrongly. Chosen on the rows of `guarantee_rows`, if there are some.
            review_budget: (k, n): leave the k of n rows whose decision is closest to another one to a human.
            **aim: One aim, for example `f1=True`, `recall_floor=0.95`, `precision_floor=0.5`, `balanced_accuracy=True`,
                `threshold=0.2`; or `recall_floor` and `alerts=(k, n)` together: where both cannot be, the alerts are
                kept to, and `card["threshold"]["budgets"]` says which recall they allow. None, with a review: the
                threshold stays.

        Raises:
            OptionError: none or several aims, or a classifier that holds no scores.
            GuaranteeError: the rows cannot carry the guarantee; it says which they can.
        """
        how: dict[str, Any] = {"confidence": confidence, "costs": costs, "review_alpha": review_alpha}
        how["review_budget"] = review_budget
        if self.unit is not None:
            scores = unit_part(self.scores)
            rule, text = decided(self.target, self.unit.rule, scores, self.classes_.tolist(), aim, **how)
            return self.with_units(replace(self.unit, rule=rule), budgets=text)
        rule, text = decided(self.target, self.rule, self.scores, self.classes_.tolist(), aim, **how)
        clf = self.with_rule(rule)
        return clf.with_card(threshold={**clf.card_without_metrics["threshold"], "budgets": text}) if text else clf

    def explain(self, x: Any, background: Any = None, *, label: Any = None, seed: int = 0) -> Any:
        """Explain single rows: what each raw column adds to their log-odds, or of images each pixel.

        Rows of a table: Shapley values. Exact for up to 8 columns, sampled for more; either way the effects of a row
        sum to its log-odds less the mean log-odds of the background. With more than two classes they are those of the
        row's most probable class. Which columns matter over many rows: `cp.explain`.

        Images: heat maps by integrated gradients (see `classifier.heat_maps`). The effects of an image sum to the
        networks' mean log-odds less those of an image that has its mean color everywhere.

        Texts: the log-odds of a text less those of the text without a word (see `classifier.text_reasons`).

        Args:
            x: Rows of a table or an array (N, d), images or texts, as `predict` takes them.
            background: Rows of a table that they are compared with, of which 32 are drawn; None: the rows themselves.
            label: Of images, the class, or the label of several, whose log-odds are explained; None: with two classes
                the positive one, else each image's most probable one.
            seed: Of the draws.

        Returns:
            Of a table `columns`, `effects` (N, d), `base`, `log_odds`; `strongest(4)` as a frame. Of images heat maps,
            float32 (N, height, width): above 0 where a pixel speaks for the class. Of texts `words` and their
            `effects`; `strongest(4)` as a frame.

        Raises:
            OptionError: a table or texts with several labels; a single row without a background.
        """
        from counterpoise.classifier.heat_maps import heat_maps, is_picture
        from counterpoise.classifier.shapley import explain_rows
        from counterpoise.classifier.text_reasons import explain_texts, reads_text

        pictures, texts = any(map(is_picture, leaves(self.members.input))), reads_text(self.members.input)
        if background is not None and (pictures or texts):
            what = "images" if pictures else "texts"
            raise OptionError(f"background is for tables, but the classifier takes {what}. Leave it out.")
        if pictures:
            return heat_maps(self, self.encoded(x), label)
        if label is not None:
            raise OptionError("label is for images, but the classifier takes other rows. Leave it out.")
        if texts:
            return explain_texts(self, self.encoded(x))
        return explain_rows(self, x, background, seed=seed)

    def member_logits(self, x: Any) -> list[Array]:
        """Raw logits of each member, float32 (N, units), before any correction."""
        return self.encoded_logits(self.encoded(x))

    def encoded_logits(self, encoded: Any) -> list[Array]:
        """As `member_logits`, of rows in the form of `Examples.x`."""
        batches = list(self._batches(encoded))
        return [np.concatenate(columns) for columns in zip(*batches, strict=True)]

    def _batches(self, encoded: Any) -> Iterator[list[Array]]:
        check_inputs(encoded, self.members.input)
        size = chunk_rows(encoded)
        for start in range(0, rows_in(encoded), size):
            yield self._forward(take(encoded, slice(start, start + size)))

    def log_p(self, logits: Sequence[Array]) -> Array:
        """Log-probabilities float64 (M, N, C) or (M, N, L, 2) of each member, its training shift undone."""
        powers = np.zeros(len(logits)) if self.rule.gammas is None else self.rule.gammas
        members = zip(logits, self.rule.log_shifts, powers, strict=True)
        return np.stack([self.target.log_p(z, shift, float(g)) for z, shift, g in members])

    def decide_from_logits(self, logits: Sequence[Array]) -> Decision:
        """Probabilities and decisions from member outputs (see `member_logits`)."""
        return self._by(self.rule, logits)

    def _by(self, rule: Rule | LabelRules, logits: Sequence[Array]) -> Decision:
        decision: Decision = self.target.apply(rule, self.log_p(logits))
        return decision

    def raw(self, logits: Sequence[Array]) -> Array:
        """Probabilities (N, C) or (N, L) without any correction."""
        return self.target.raw(logits)

    def keras_model(self) -> keras.Model:
        """The whole as one Keras model: raw columns in, `{"probability", "decision"}` out."""
        inputs = raw_inputs(self.schema) if self.schema is not None else like(self.members.input, ("members", "rule"))
        encoded = raw_columns(self.schema)(inputs) if self.schema is not None else inputs
        if self.schema is not None and has_picture(self.members.input):
            picture = like(self.members.input[IMAGE])
            inputs, encoded = {**inputs, IMAGE: picture}, {**encoded, IMAGE: picture}
        return keras.Model(inputs, self.target.layer(self.rule)(self.members(encoded)))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one `.keras` file: preprocessing, members, correction, threshold, labels and schema.

        The file appears whole or not at all.

        Raises:
            ArtifactError: the name does not end in .keras, the folder cannot be written, or the file could not be read
                again; of a layer of your own that is not registered the message has the line to add.
        """
        return write(path, self.keras_model(), self._contents())

    def _contents(self) -> Contents:
        return Contents(
            self.members, self.rule, self.classes_.tolist(), self.schema, self.card, self.scores, self.kind, self.unit
        )

    def export(self, path: str | os.PathLike[str], format: str = "saved_model") -> Path:
        """Write the classifier for another runtime: raw columns in, probability and decision out.

        Args:
            path: A folder for "saved_model"; for "litert" and "onnx" a file ending in .tflite or .onnx, or a folder.
            format: "saved_model" (strings included; signature `serve`), "litert" or "onnx" (numbers, and ids of the
                levels). `schema.json` next to it describes the inputs.

        Returns:
            The folder or file, written, run once and compared with this classifier.

        Raises:
            ArtifactError: the path cannot be written, or the export predicts otherwise than the classifier.
            MissingExtraError: `pip install 'counterpoise[litert]'` or `[onnx]` is needed.
        """
        from counterpoise.export import write

        return write(self, path, format)

    def _decide(self, x: Any, prior: Any) -> Decision:
        """Batch by batch: what the rule needs in between then stays in the processor's cache."""
        rule = self.rule if prior is None else self._rule_at(prior)
        chunks = map(self.encoded, features_of(x, self._row(x))) if dataset_kind(x) else [self.encoded(x)]
        made = [self._by(rule, logits) for chunk in chunks for logits in self._batches(chunk)]
        if not made:
            raise DataError(
                f"The {type(x).__name__} has no elements. Expected rows to predict. Check where it is made."
            )
        return Decision(np.concatenate([d.proba for d in made]), np.concatenate([d.decision for d in made]))

    def encoded(self, x: Any, name: str | None = None) -> Any:
        """Rows in any form that `fit` takes in the form of `Examples.x`; `name` is what to call them in a message."""
        if isinstance(x, ImageSet):
            return rows_of(x if self.pictures is None else x.read_as(self.pictures), self.schema)
        if self.schema is not None and has_picture(self.members.input):
            return encode_pictures(self.schema, x, name)
        if dataset_kind(x):
            x = load_features(x, self._row(x))
        column = self.card_without_metrics.get("text_column")
        if column is not None and is_table(x, table=False):
            return texts_of_table(x, column)
        named = NamedInputs.of(self.members.input) if self.schema is None else None
        return encode_rows(self.schema, named.rows(x)[0] if named and named.take(x) else x, name)

    def _row(self, dataset: Any) -> tuple[int | None, ...]:
        """Shape of a row of the first input, as a dataset gives it."""
        if self.schema is None:
            return tuple(leaves(self.members.input)[0].shape[1:])
        return () if isinstance(getattr(dataset, "element_spec", None), Mapping) else (len(self.schema.columns),)

    def _rule_at(self, prior: Any) -> Rule | LabelRules:
        shares = in_class_order(prior, "prior", self.classes_.tolist())
        moved: Rule | LabelRules = self.target.at_prior(self.rule, shares, self.scores)
        return moved

    def with_rule(self, rule: Rule | LabelRules) -> Classifier:
        """The same networks under another rule, for example that of `cp.monitor(...).rule`."""
        card = dict(self.card_without_metrics)
        if "log_p" in self.scores:
            card.pop("metrics", None)
        card["threshold"] = self.target.describe(rule, len(self.scores.get("y", ())), self.classes_.tolist())
        return self._having(rule, card, self.scores)

    def with_card(self, scores: Mapping[str, Array] | None = None, **entries: Any) -> Classifier:
        """The same networks and rule with further entries of the model card, and further stored scores."""
        return self._having(self.rule, {**self.card_without_metrics, **entries}, {**self.scores, **(scores or {})})

    def with_units(self, unit: UnitRule, scores: Mapping[str, Array] | None = None, budgets: str = "") -> Classifier:
        """The same networks, which also decide units; `scores` are those that fitted the rule of units."""
        stored = {**self.scores, **(scores or {})}
        own, card = unit_part(stored), dict(self.card_without_metrics)
        threshold = self.target.describe(unit.rule, len(own["y"]), self.classes_.tolist())
        threshold |= {"budgets": budgets} if budgets else {}
        card["unit"] = {
            "columns": list(unit.columns), "aggregate": unit.aggregate, "count": len(own["y"]), "threshold": threshold,
        }  # fmt: skip
        if "log_p" in own:
            card.pop("metrics", None)
        return self._having(self.rule, card, stored, unit)

    def _having(
        self, rule: Rule | LabelRules, card: Mapping[str, Any], scores: Mapping[str, Array],
        unit: UnitRule | None = None,
    ) -> Classifier:  # fmt: skip
        unit = self.unit if unit is None else unit
        clf = Classifier(self.members, rule, self.classes_.tolist(), self.schema, card, scores, self.kind, unit)
        clf.history, clf._forward = self.history, self._forward
        return clf

    def __repr__(self) -> str:
        labels = ", ".join(repr(c) for c in self.classes_.tolist()[:6])
        strategy = self.card_without_metrics.get("strategy", "?")
        return f"Classifier(strategy={strategy!r}, members={len(self.rule.log_shifts)}, classes=[{labels}])"

    def _repr_html_(self) -> str:
        from counterpoise.report.notebook import card_html

        return card_html(repr(self), {k: v for k, v in self.card.items() if k not in ("metrics", "versions")})

    def __getstate__(self) -> dict[str, Any]:
        whole = self.keras_model()
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            file = write(Path(folder) / "m.keras", whole, self._contents())
            return {"keras": file.read_bytes(), "custom_objects": custom_objects_of(whole)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory(dir=scratch()) as folder:
            path = Path(folder) / "m.keras"
            path.write_bytes(state["keras"])
            self.__dict__.update(load(path, state["custom_objects"]).__dict__)


def load(path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None) -> Classifier:
    """Read a classifier that `save` wrote; a file runs no code, whoever made it.

    Args:
        path: The file.
        custom_objects: Your own layers and functions that the file names, for example `{"Swish": Swish}`. Others than
            these, Keras's own and Counterpoise's are refused.

    Raises:
        ArtifactError: absent, damaged, changed by hand, or not one of ours; or it names a class that is not in
            `custom_objects`.

    Example:
        >>> load("absent.keras")
        Traceback (most recent call last):
        counterpoise.core.errors.ArtifactError: there is no file 'absent.keras'.
    """
    file = read(path, custom_objects)
    return Classifier(file.members, file.rule, file.classes, file.schema, file.card, file.scores, file.kind, file.unit)


def _label_type(classes: Sequence[Any]) -> Any:
    kinds = {type(c) for c in classes}
    return None if len(kinds) == 1 else object

"""New rows in any form that `fit` takes, in the form that the networks of a classifier take (`Examples.x`).

They must be encoded exactly as in training: by the schema, and by the entries "images" and "text_column" of the card.
Labels among them are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from counterpoise.core.cost_column import CostColumn
from counterpoise.core.errors import ArtifactError, ColumnError, OptionError, did_you_mean
from counterpoise.core.examples import IMAGE, Pictures
from counterpoise.core.group_thresholds import GroupThresholds
from counterpoise.core.structure import leaves
from counterpoise.data.amounts import amounts_in
from counterpoise.data.frames import in_column_order, is_table, to_frame
from counterpoise.data.group_input import GroupInput
from counterpoise.data.image_rows import encode_image_set, encode_pictures, read_as_trained, warn_of_other_scale
from counterpoise.data.image_set import ImageSet, pictures_of
from counterpoise.data.inputs import as_inputs
from counterpoise.data.loading import dataset_kind, features_of, load_features
from counterpoise.data.named_inputs import NamedInputs
from counterpoise.data.schema import encode_rows, text_columns
from counterpoise.data.texts import texts_of_table
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.output import takes_probabilities

Array = np.ndarray


def row_chunks(clf: Any, x: Any) -> Iterator[Any]:
    """Yield all rows at once in the form given, or the batches of a dataset without their labels."""
    if dataset_kind(x):
        yield from features_of(x, row_shape(clf, x))
    else:
        yield x


def encoded_rows(clf: Any, x: Any, name: str | None = None) -> Any:
    """Return rows in the form of `Examples.x`, which the networks take.

    The rows are images, a table with images, a dataset (read whole), a table with one column of text, named inputs, or
    a plain table or arrays. `name` is what to call them in a message.
    """
    if isinstance(x, ImageSet):
        return encode_image_set(read_as_trained(x, clf.pictures), clf.schema)
    if clf.schema is not None and has_picture(clf.members.input):
        rows = encode_pictures(clf.schema, x, name)
        warn_of_other_scale(clf.pictures, rows[IMAGE])
        return rows
    if dataset_kind(x):
        x = load_features(x, row_shape(clf, x))
    column = clf.card_without_metrics.get("text_column")
    if column is not None and is_table(x, table=False):
        return texts_of_table(x, column)
    if clf.schema is None:  # of scores that `wrap` got, a frame may name its columns as the classes
        x = as_inputs(x, leaves(clf.members.input))
        x = in_column_order(x, [str(label) for label in clf.classes_.tolist()])
    named = NamedInputs.of(clf.members.input) if clf.schema is None else None
    rows = encode_rows(clf.schema, named.rows(x)[0] if named and named.takes(x) else x, name)
    warn_of_other_scale(clf.pictures, rows)
    if takes_probabilities(clf.members):
        _check_probabilities(np.asarray(rows))
    return rows


def _check_probabilities(scores: Array) -> None:
    """Raise an OptionError for scores that are no probabilities, such as logits: networks would cut them to 0 or 1."""
    if scores.size and scores.dtype.kind in "fiu" and not (scores.min() >= -1e-4 and scores.max() <= 1 + 1e-4):
        raise OptionError(
            f"The scores are from {scores.min():.4g} to {scores.max():.4g}, but this classifier was made from "
            "probabilities, which are between 0 and 1. Pass probabilities, or call cp.wrap with logits."
        )


def with_column_values(
    clf: Any, x: Any, column: CostColumn | GroupThresholds | None, name: str | None = None
) -> tuple[Any, Array | None]:
    """Return rows as `encoded_rows` does, and the values (N,) of the column that decisions need.

    The values are amounts of a cost column, or codes of groups (0: the common threshold). They are None if `column` is.

    Raises:
        ColumnError: The rows have no such column.
        OptionError: The rows are not a table, or an amount is missing or negative.
    """
    if column is None:
        return encoded_rows(clf, x, name), None
    if not is_table(x):
        raise OptionError(
            f"The decision of the classifier depends on the column {column.name!r}, but the rows are a "
            f"{type(x).__name__}. Expected a table with this column."
        )
    used = {column.name, *(c.name for c in clf.schema.columns if c.used)}
    frame, source, _ = to_frame(x, as_text=text_columns(clf.schema), unused=lambda title: title not in used)
    if isinstance(column, CostColumn):
        amounts = amounts_in(frame, column.name, clf.schema, name or source)
        return encode_rows(clf.schema, frame, name or source), amounts
    if column.name not in frame.columns:
        raise ColumnError(
            f"{name or source} lacks the column {column.name!r}, which the classifier needs because each group has its "
            f"own threshold. Add this column to each table.{did_you_mean(column.name, frame.columns)}"
        )
    rows, given = encode_rows(clf.schema, frame, name or source), GroupInput.of(clf.schema, column)
    codes = given.values(given.ids(frame[column.name]) if given.own else None, rows)
    # Codes have the shape (N, 1).
    return rows, np.asarray(codes)[:, 0]


def row_shape(clf: Any, dataset: Any) -> tuple[int | None, ...]:
    """Return the shape of one row of a dataset, without the axis of rows.

    Without a schema it is that of the first input. A dataset of named columns has (), a matrix has (columns,).
    """
    if clf.schema is None:
        return tuple(leaves(clf.members.input)[0].shape[1:])
    return () if isinstance(getattr(dataset, "element_spec", None), Mapping) else (len(clf.schema.columns),)


def pictures_of_card(card: Mapping[str, Any]) -> Pictures | None:
    """Return how the training pictures were read, by the model card; None without pictures.

    Raises:
        ArtifactError: The entry of the card is damaged.
    """
    images = card.get("images")
    try:
        return None if images is None else pictures_of(images)
    except (KeyError, TypeError, ValueError, OptionError) as error:
        raise ArtifactError(
            f"The model card is damaged: its entry 'images' is {images!r:.80}. Use another copy of the model file."
        ) from error

"""The comparison of an export with its classifier, and the rows for it: made up, but like the training rows.

The rows come from a fixed seed, so that an export that was written once can be written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from counterpoise.core.examples import IMAGE
from counterpoise.core.rule import Rule
from counterpoise.core.schema import Column
from counterpoise.core.seeds import generator
from counterpoise.core.structure import take
from counterpoise.data.cost_input import CostInput
from counterpoise.data.encode import TableEncoder
from counterpoise.data.group_input import GroupInput
from counterpoise.data.pixel_range import PixelRange
from counterpoise.decide.review import margins, review_distance
from counterpoise.export.manifest import deciding_input, named_inputs
from counterpoise.forests.tree_layer import TreeEnsemble
from counterpoise.forests.trees import MOST
from counterpoise.networks.encoder import has_picture
from counterpoise.networks.output import takes_probabilities

Array = np.ndarray
ROWS = 32
#: Where the deciding margin, in nats, is smaller, float32 and float64 may decide differently.
CLOSE = 1e-3


def probe_rows(clf: Any) -> tuple[Any, Any]:
    """Return made-up raw rows as `predict` takes them, and the same rows encoded as networks take them.

    Every level of a categorical column, missing values and a level never seen occur.
    """
    rng = generator(0, "export probe")
    if clf.schema is None:
        pixels = clf.pictures is not None
        arrays = _random_pixels(clf, clf.members.input, rng) if pixels else _random_arrays(clf.members, rng)
        if takes_probabilities(clf.members):
            arrays = (1.0 / (1.0 + np.exp(-2.0 * arrays))).astype(np.float32)
        return arrays, arrays
    encoded: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    if has_picture(clf.members.input):
        encoded[IMAGE] = raw[IMAGE] = _random_pixels(clf, clf.members.input[IMAGE], rng)
    if clf.schema.numeric:
        encoded["numeric"] = _random_numbers(clf.members, len(clf.schema.numeric), rng)
        columns = zip(clf.schema.numeric, encoded["numeric"].T, strict=True)
        raw |= {c.name: values.astype(np.float64) + c.offset for c, values in columns}
    if clf.schema.categorical:
        ids = [rng.permutation(np.arange(ROWS) % (len(c.levels) + 2)) for c in clf.schema.categorical]
        encoded["categorical"] = np.stack(ids, axis=1).astype(np.int32)
        raw |= {c.name: _level_texts(c, values) for c, values in zip(clf.schema.categorical, ids, strict=True)}
    given = deciding_input(clf)
    if isinstance(given, CostInput):
        _put_amounts(clf, given, raw, encoded, rng)
    elif given is not None:
        _put_groups(clf, given, raw, encoded, rng)
    return raw, encoded


def _put_groups(clf: Any, given: GroupInput, raw: dict[str, Any], encoded: dict[str, Any], rng: Any) -> None:
    """Put groups into raw and encoded rows, which are changed in place.

    Every group occurs, and values without a threshold. A feature of levels has all levels already, so it stays.
    """
    if given.own:
        ids = rng.permutation(np.arange(ROWS) % (len(given.levels.levels) + 2)).astype(np.int32)
        raw[given.column], encoded[given.name] = _level_texts(given.levels, ids), ids[:, None]
    elif given.codes is None:
        offset, numbers = clf.schema.numeric[given.position].offset, np.array(given.numbers, np.float32)
        rows = np.arange(ROWS) % (len(numbers) + 1) < len(numbers)
        encoded["numeric"][rows, given.position] = numbers[(np.arange(ROWS) % (len(numbers) + 1))[rows]]
        raw[given.column] = encoded["numeric"][:, given.position].astype(np.float64) + offset


def _put_amounts(clf: Any, cost: CostInput, raw: dict[str, Any], encoded: dict[str, Any], rng: Any) -> None:
    """Put amounts of a cost column into raw and encoded rows, which are changed in place.

    Amounts go from far below the cost of a false positive to far above it; the first is 0.
    """
    amount = (clf.rule.cost_column.cost_fp * np.exp(rng.uniform(-2.0, 9.0, ROWS))).astype(np.float32)
    amount[0] = 0.0
    raw[cost.column] = amount.astype(np.float64)
    if cost.own:
        encoded[cost.name] = amount[:, None]
        return
    # Networks take the amount less an offset, in float32. The raw amount is computed back from it, so that both agree.
    offset = clf.schema.numeric[cost.feature].offset
    encoded["numeric"][:, cost.feature] = raw[cost.column] - offset
    raw[cost.column] = encoded["numeric"][:, cost.feature].astype(np.float64) + offset


def _random_numbers(members: keras.Model, columns: int, rng: np.random.Generator) -> Array:
    """Return numbers float32 (ROWS, columns) like those of training, a tenth of them missing.

    Center and spread come from the encoder of the table, otherwise from the thresholds of trees.
    """
    layers = list(_all_layers(members))
    encoder = next((layer for layer in layers if isinstance(layer, TableEncoder)), None)
    if encoder is None:
        center, spread = _of_thresholds([layer for layer in layers if isinstance(layer, TreeEnsemble)], columns)
    else:
        scale = np.asarray(encoder.scale)
        center, spread = np.asarray(encoder.center), 1.0 / np.where(scale > 0, scale, 1.0)
    values = np.clip(center + 2.0 * spread * rng.normal(size=(ROWS, columns)), -MOST, MOST)
    values[rng.random(values.shape) < 0.1] = np.nan
    return values.astype(np.float32)


def _of_thresholds(trees: Sequence[TreeEnsemble], columns: int) -> tuple[Array, Array]:
    """Return mean and standard deviation of the thresholds of each number of a table, float64 (columns,) each.

    They are 0 and 1 for a number that no tree tests. Numbers are the first columns that trees read (see `TreeRows`).
    Leaves, and tests only for missing values, have thresholds near `MOST`, which do not count.
    """
    center, spread = np.zeros(columns), np.ones(columns)
    parts = [[np.asarray(value) for value in (one.source, one.column, one.threshold)] for one in trees]
    number = np.concatenate([np.empty(0, int), *(source[column] for source, column, _ in parts)])
    threshold = np.concatenate([np.empty(0), *(threshold for _, _, threshold in parts)])  # float64
    for j in range(columns):
        own = threshold[(number == j) & (np.abs(threshold) < MOST / 2)]
        if len(own):
            center[j], spread[j] = own.mean(), own.std() or 1.0
    return center, spread


def _all_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yield all layers of a model, each model inside it followed by its layers."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _level_texts(column: Column, ids: Array) -> Array:
    """Return the texts of level ids: None for 0, and a new text for the last id."""
    unseen = "unseen"
    while unseen in column.levels:
        unseen += "_"
    texts = np.array([None, *column.levels, unseen], dtype=object)
    return texts[ids]


def _random_arrays(members: keras.Model, rng: np.random.Generator) -> Any:
    """Return random arrays for the inputs of a network that takes arrays, in its structure."""
    made = {key: _random_array(tensor, rng) for key, tensor in named_inputs(members).values()}
    if isinstance(members.input, Mapping):
        return made
    return tuple(made.values()) if isinstance(members.input, (list, tuple)) else made[None]


def _random_pixels(clf: Any, tensor: Any, rng: np.random.Generator) -> Array:
    """Return random pixels of ROWS images, from black to white: 0 to 255, or the values that the model learned."""
    learned = next((layer for layer in _all_layers(clf.members) if isinstance(layer, PixelRange)), None)
    black, white = (0.0, 255.0) if learned is None else (float(learned.low), float(learned.high))
    return rng.uniform(black, white, (ROWS, *tensor.shape[1:])).astype(tensor.dtype)


def _random_array(tensor: Any, rng: np.random.Generator) -> Array:
    """Return a random array of ROWS rows for an input; sizes that are not fixed become 8."""
    shape = (ROWS, *(8 if size is None else size for size in tensor.shape[1:]))
    if tensor.dtype == "string":
        return rng.choice(np.array(["one", "two words", "three more words"], dtype=object), size=shape)
    values = rng.normal(size=shape) if "float" in tensor.dtype else rng.integers(0, 2, size=shape)
    return values.astype(tensor.dtype)


def describe_difference(
    clf: Any, raw: Any, runner: Callable[[Any], Mapping[str, Any]], rows: slice, encoded: Any, tolerance: float
) -> str:
    """Return in words how a run of an export differs from its classifier, or "" if it does not.

    Args:
        clf: The classifier.
        raw: Rows as `predict` takes them.
        runner: Runs the export.
        rows: Which of the rows.
        encoded: The rows as the export takes them; None: as they are.
        tolerance: Largest difference of a probability.
    """
    given = take(raw, rows)
    proba = clf.predict_proba(given)
    decided = clf.predict(given)
    outputs = runner(take(raw if encoded is None else encoded, rows))
    p = np.asarray(outputs["probability"], dtype=np.float64)
    if p.shape != proba.shape:
        return f"its probabilities have shape {p.shape}, expected {proba.shape}"
    difference = float(np.max(np.abs(p - proba)))
    if not difference <= tolerance:
        return f"a probability differs by {difference:.3g} (rounding explains at most {tolerance:g})"
    labels = clf.target.decided(np.asarray(outputs["decision"]), clf.decisions_)
    values = None if clf.rule.column is None else clf.column_values(given)
    # Rows close to another decision may be decided differently because of rounding.
    wrong = (labels != decided) & (_margins(clf, proba, values) > CLOSE)
    if wrong.any():
        return f"{int(wrong.sum())} of {len(proba)} rows are decided differently"
    if "label" in outputs and not np.array_equal(outputs["label"], labels.astype(np.asarray(outputs["label"]).dtype)):
        return "its labels do not match its decisions"
    return ""


def _margins(clf: Any, proba: Array, values: Array | None = None) -> Array:
    """Return how far each decision is from another one, in nats: (N,), (N, L), or of elements (N, ...)."""
    shape = proba.shape[:-1] if clf.target.per_element else proba.shape
    problems = clf.target.problems(np.zeros(shape, np.int32), clf.classes_.tolist())
    margins = [_margin(rule, p.proba(proba), values) for rule, p in zip(clf.rule.problem_rules, problems, strict=True)]
    if clf.target.per_element:
        return margins[0].reshape(shape)
    return margins[0] if len(margins) == 1 else np.stack(margins, axis=1)


def _margin(rule: Rule, proba: Array, values: Array | None = None) -> Array:
    """Return how far each row is from another decision or from review, (N,).

    The unit is nats; if the rule decides by costs, it is the largest difference of costs.
    """
    log_p = np.log(np.maximum(proba, 1e-300))
    return np.minimum(_decision_margin(rule, log_p, values), review_distance(rule, log_p, values))


def _decision_margin(rule: Rule, log_p: Array, values: Array | None) -> Array:
    """Return how far each row is from another decision (see `decide.review.margins`), in the unit of `_margin`.

    It is infinite where the common threshold is 0 or 1, so that no row is near it.
    """
    if rule.column is None and rule.threshold is not None and not 0 < rule.threshold < 1:
        return np.full(len(log_p), np.inf)
    scale = 1.0 if rule.costs is None or rule.threshold is not None else float(np.ptp(rule.costs)) or 1.0
    return margins(rule, log_p, values) / scale

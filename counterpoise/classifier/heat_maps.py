"""Where the networks looked in a picture: integrated gradients of the log-odds over its pixels.

With f the mean log-odds of a class over the members, x a picture and b the picture of its mean color, the effect of a
pixel is (x - b) times the mean of df/dx at `STEPS` midpoints on the line from b to x, summed over the channels. So the
effects of all pixels sum to f(x) - f(b), but for the error of the sum over the points.

Source: Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017). The baseline of one color in
place of black is ours: on black, nothing black could matter.

Used by `Classifier.explain` and by the pictures of errors in a comparison. Nothing here is random.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from counterpoise.classifier.raw_columns import explained_codes
from counterpoise.core.errors import ModelError, OptionError
from counterpoise.core.structure import leaves, mapped, rows_in, take
from counterpoise.networks.weights import note_backend_use

Array = np.ndarray
#: Points on the line from the baseline to a picture.
STEPS = 24
#: Values of the pictures that go through the networks at once.
VALUES_AT_ONCE = 1 << 20


def heat_maps(clf: Any, encoded: Any, label: Any = None) -> Array:
    """Return the effect of each pixel on the log-odds of a class, float32 (N, height, width).

    Args:
        clf: The `Classifier`, of pictures, alone or among other inputs, which stay as they are.
        encoded: Rows in the form of `Examples.x`.
        label: The class, or the label of several; None: with two classes the positive one, else each row's most
            probable one.

    Raises:
        OptionError: no input is a picture; another label than those of the classifier; another backend than TensorFlow.
        ModelError: the networks have no gradient.
    """
    if keras.backend.backend() != "tensorflow":
        raise OptionError(
            f"Heat maps need TensorFlow, but Keras computes with {keras.backend.backend()}. Set "
            "KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if not any(map(is_picture, leaves(clf.members.input))):
        raise OptionError(
            "Heat maps need a classifier for images (height, width, channels). For tables, use clf.explain, which "
            "returns the effect of each column."
        )
    codes = explained_codes(
        clf, label, rows_in(encoded), lambda: clf.decide_from_logits(clf.encoded_logits(encoded)).proba
    )
    note_backend_use()
    effects, out = _effects_function(clf), []
    values = max(int(np.prod(part.shape[1:])) for part in leaves(encoded))
    size = max(1, VALUES_AT_ONCE // values)
    for start in range(0, rows_in(encoded), size):
        rows = slice(start, start + size)
        try:
            out.append(effects(take(encoded, rows), codes[rows]))
        except LookupError as error:  # of TensorFlow, where an operation has no gradient
            raise ModelError(
                f"Heat maps need the gradients of the networks, which cannot be computed: {error}"
            ) from error
    return np.concatenate(out)


def is_picture(tensor: Any) -> bool:
    """Return whether an array or tensor has the shape of pictures.

    It is (N, height, width), or (N, height, width, channels) with 1 or 3 channels.
    """
    shape = tuple(tensor.shape)
    return len(shape) == 3 or (len(shape) == 4 and shape[-1] in (1, 3))


def _effects_function(clf: Any) -> Callable[[Any, Array], Array]:
    """Return the function from encoded rows and class codes (N,) to the effects of pixels.

    The effects are float32 (N, height, width). The function raises a ModelError if the output of the networks does not
    depend on the image.
    """
    import tensorflow as tf

    shifts = [tf.constant(np.asarray(shift), tf.float32) for shift in clf.rule.log_shifts]
    given = clf.rule.weights
    weights = np.full(len(shifts), 1.0 / len(shifts)) if given is None else np.asarray(given, np.float64)

    @tf.function(reduce_retracing=True, autograph=False)
    def gradient(pictures: Any, others: list[Any], codes: Any) -> Any:
        """Return the gradient of the mean log-odds of each row's class over its pixels, shaped as `pictures`."""
        with tf.GradientTape() as tape:
            tape.watch(pictures)
            logits = clf.members(_with_picture(clf.members.input, pictures, others), training=False)
            logits = logits if isinstance(logits, (list, tuple)) else [logits]
            each = [_log_odds(z, shift, codes, clf.target.independent) for z, shift in zip(logits, shifts, strict=True)]
            # Rows do not affect each other, so the gradient of the sum holds the gradient of each row.
            total = tf.add_n([float(w) * tf.reduce_sum(one) for w, one in zip(weights, each, strict=True) if w])
        return tape.gradient(total, pictures)

    def effects(rows: Any, codes: Array) -> Array:
        """Return the effects of the pixels of encoded rows (see the module)."""
        # The inputs in the order of the network, whatever the order of the keys of `rows`.
        pictures, others = _picture_and_others(mapped(lambda _, part: part, clf.members.input, rows))
        pixels = pictures.astype(np.float32)
        baseline = np.broadcast_to(pixels.mean(axis=(1, 2), keepdims=True), pixels.shape)
        total = np.zeros(pixels.shape, np.float64)
        for step in range(STEPS):
            at = baseline + (step + 0.5) / STEPS * (pixels - baseline)
            slopes = gradient(tf.constant(at, tf.float32), list(map(tf.constant, others)), tf.constant(codes))
            if slopes is None:
                raise ModelError(
                    "The networks have no gradient, because their output does not depend on the image. Check the model."
                )
            total += slopes.numpy()
        map_of = (pixels - baseline) * total / STEPS
        # The reshape gives pictures (N, height, width) an axis of channels, over which the sum runs.
        return map_of.reshape(*map_of.shape[:3], -1).sum(axis=-1).astype(np.float32)

    return effects


def _log_odds(logits: Any, shift: Any, codes: Any, independent: bool) -> Any:
    """Return the log-odds of class `codes` against all others, float32 (N,), for one member.

    The training shift is subtracted first: (L, 2) for independent labels, else (C,). With one unit, the logit is the
    log-odds of class 1.
    """
    import tensorflow as tf

    logits = tf.cast(logits, tf.float32)
    if independent:
        return tf.gather(logits - (shift[:, 1] - shift[:, 0]), codes, axis=1, batch_dims=1)
    if logits.shape[1] == 1:
        return (2.0 * tf.cast(codes, tf.float32) - 1.0) * (logits[:, 0] - (shift[1] - shift[0]))
    free = logits - shift
    own = tf.gather(free, codes, axis=1, batch_dims=1)
    others = tf.where(tf.one_hot(codes, free.shape[1], on_value=True, off_value=False), -np.inf, free)
    return own - tf.reduce_logsumexp(others, axis=1)


def _picture_and_others(rows: Any) -> tuple[Array, list[Array]]:
    """Return the first picture among inputs, and the other inputs in their order."""
    parts = leaves(rows)
    index = next(number for number, part in enumerate(parts) if is_picture(part))
    return np.asarray(parts[index]), [np.asarray(part) for number, part in enumerate(parts) if number != index]


def _with_picture(inputs: Any, pictures: Any, others: list[Any]) -> Any:
    """Return the inputs in the structure of the network; the inverse of `_picture_and_others`.

    The first input of pictures gets `pictures`. The remaining inputs get `others` in order.
    """
    rest, waiting = iter(others), [pictures]
    return mapped(lambda tensor: waiting.pop() if waiting and is_picture(tensor) else next(rest), inputs)

"""Short texts to word numbers: a Keras layer whose vocabulary is state, learned from the training rows of one fold.

A word is a run of letters and digits, in small letters, each digit written as 0 (so that amounts and telephone numbers
of one length are one word); currency signs, ! and ? are words too. The vocabulary is held as sorted 31-bit hashes: a
word outside the vocabulary is taken for one in it once in 2^31 / size words. Fixed: model files keep the hashes, so
words are split and hashed as before.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray

#: Words that the vocabulary holds at most, and words of a text that are read.
WORDS, LENGTH = 20_000, 128
#: Training texts must show a word so often that it gets a number of its own.
LEAST = 2
_NONE = np.iinfo(np.int32).max


@keras.saving.register_keras_serializable(package="counterpoise")
class WordIds(keras.layers.Layer):
    """Texts (N,) or (N, 1) to int32 (N, `length`): 0 no word, 1 a word not known, from 2 on words of the vocabulary.

    A text without any word counts as one word that is not known. `learned` computes the value of the variable from
    texts; the caller sets it. It is never trained by gradient.

    Args:
        words: Size of the vocabulary.
        length: Words of a text that are read.
    """

    def __init__(self, words: int = WORDS, length: int = LENGTH, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words, self.length = int(words), int(length)
        self.known = self.add_weight(
            name="known", shape=(self.words,), dtype="int32", initializer=_empty_vocabulary, trainable=False
        )

    def call(self, texts: Any) -> Any:
        """Return the word numbers of texts, int32 (N, `length`), as the class describes them."""
        import tensorflow as tf

        # Texts with fewer words are padded with "", whose ids become 0 in the end.
        words = split_words(tf.reshape(texts, [-1]))[:, : self.length].to_tensor("", shape=(None, self.length))
        hashes = word_hashes(words)
        known = ops.convert_to_tensor(self.known)
        # The vocabulary is sorted: look at the position where a hash would stand, and compare.
        index = tf.searchsorted(known, tf.reshape(hashes, [-1]))
        index = tf.reshape(tf.minimum(index, self.words - 1), tf.shape(hashes))
        ids = tf.where(tf.gather(known, index) == hashes, index + 2, 1)
        some = tf.concat([tf.ones_like(ids[:, :1], tf.bool), words[:, 1:] != ""], axis=1)  # the first always counts
        return tf.where(some, ids, 0)

    def compute_output_spec(self, texts: Any) -> Any:
        """Return shape and type of the output as a Keras tensor."""
        return keras.KerasTensor((texts.shape[0], self.length), "int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, which model files keep.

        `networks.encoder.encoder_of_config` recognizes the layer by the key "words".
        """
        return {**super().get_config(), "words": self.words, "length": self.length}

    def learned(self, texts: Array) -> list[Array]:
        """Return the value of this layer's variable, int32 (`words`,), learned from texts (N,).

        It contains the hashes of the most frequent words that occur at least `LEAST` times, sorted and filled up.
        """
        import tensorflow as tf

        words = split_words(tf.constant(np.asarray(texts).reshape(-1).tolist())).flat_values
        hashes, counts = np.unique(word_hashes(words).numpy(), return_counts=True)
        often = np.lexsort((hashes, -counts))[: self.words]
        kept = np.sort(hashes[often[counts[often] >= LEAST]])
        return [np.concatenate([kept, np.full(self.words - len(kept), _NONE)]).astype("int32")]


def split_words(texts: Any) -> Any:
    """Return the words of each text of a string tensor (N,), as a ragged tensor (N, None).

    Training and prediction both split by it, inside the model.

    Example:
        >>> [word.decode() for word in split_words(["WIN £500 now!"])[0].numpy()]
        ['win', '£', '000', 'now', '!']
    """
    import tensorflow as tf

    clean = tf.strings.lower(texts, encoding="utf-8")
    for pattern, by in ((r"\p{N}", "0"), (r"([\p{Sc}!?])", r" \1 "), (r"[^\p{L}\p{N}\p{Sc}!?]+", " ")):
        clean = tf.strings.regex_replace(clean, pattern, by)
    return tf.strings.split(clean)


def word_hashes(words: Any) -> Any:
    """Return the hash of each word, int32, the same on every machine.

    The vocabulary of model files consists of such hashes.
    """
    import tensorflow as tf

    return tf.cast(tf.strings.to_hash_bucket_fast(words, int(_NONE)), tf.int32)


def _empty_vocabulary(shape: Any, dtype: Any = None) -> Any:
    """Return the initial value of a vocabulary without any word: `_NONE` is above every hash."""
    return ops.full(shape, _NONE, dtype="int32")

"""Words and their numbers, against plain Python; the column of text of a table."""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import polars as pl
import pytest

from counterpoise.core.errors import ColumnError
from counterpoise.data.read import read
from counterpoise.data.texts import text_column, texts_of_table
from counterpoise.data.words import WordIds, split_words

TEXTS = np.array(
    ["Win £500 now!", "see you NOW", "", "Ä ä ß ÉTÉ été", "call 09061701461, call 01234567890", "now now see", "?!?"],
    dtype=object,
)


def words(text):
    """The same rule in plain Python."""
    out = "".join(f" {c} " if c in "!?£$€" else "0" if c.isdigit() else c if c.isalpha() else " " for c in text.lower())
    return out.split()


def test_words_are_those_of_the_rule():
    split = [[word.decode() for word in row.numpy()] for row in split_words(list(TEXTS))]
    assert split == [words(text) for text in TEXTS]
    assert split[4][1] == split[4][3] == "0" * 11, "numbers of one length are one word"


def layer(texts, size=50, length=6):
    made = WordIds(size, length)
    made.known.assign(made.learned(texts)[0])
    return made


def test_numbers_stand_for_words_that_training_showed_twice():
    ids = np.asarray(layer(TEXTS)(keras.ops.convert_to_tensor(list(TEXTS), "string")))
    often = {word for word, n in Counter(w for text in TEXTS for w in words(text)).items() if n >= 2}
    assert ids.shape == (7, 6)
    number: dict[str, int] = {}
    for text, row in zip(TEXTS, ids.tolist(), strict=True):
        kept = words(text)[:6] or ["(nothing)"]
        assert row[len(kept) :] == [0] * (6 - len(kept))
        for word, i in zip(kept, row, strict=False):
            assert (i >= 2) == (word in often), word
            assert number.setdefault(word, i) == i
    assert len({i for word, i in number.items() if word in often}) == len(often)
    unseen = np.asarray(layer(TEXTS[:1])(keras.ops.convert_to_tensor(["now or never"], "string")))
    assert unseen.tolist() == [[1, 1, 1, 0, 0, 0]]


def test_a_small_vocabulary_keeps_the_most_frequent_words():
    made = layer(np.array(["a b c", "a b c", "a b", "a"], dtype=object), size=2, length=3)
    assert (np.asarray(made(keras.ops.convert_to_tensor(["a b c"], "string"))) > 1).tolist() == [[True, True, False]]


def test_the_column_of_text_of_a_table():
    frame = pl.DataFrame({"id": ["x1", "x2", "x3"], "n": [1, 2, 3], "message": ["see you", None, "call me now"]})
    examples = read(frame.with_columns(pl.Series("y", ["a", "b", "a"])), target="y", text=True)
    assert examples.text_column == "message"
    kinds = (pl.Categorical, pl.Enum(["see you", "call me later", "win a prize"]))
    for kind in kinds:
        of_categories = pl.DataFrame({"id": [1, 2], "message": pl.Series(["see you", "win a prize"], dtype=kind)})
        assert text_column(of_categories, "the data")[0] == "message"
        assert texts_of_table(of_categories, "message").tolist() == ["see you", "win a prize"]
    assert examples.x.tolist() == ["see you", "", "call me now"]
    assert examples.schema is None
    assert any("uses only the column 'message'. Other columns are left out: 'id', 'n'." in w for w in examples.warnings)
    assert texts_of_table(frame, "message").tolist() == examples.x.tolist()
    with pytest.raises(ColumnError, match="no column of text"):
        text_column(frame.select("n"), "the data")
    with pytest.raises(ColumnError, match=r"lacks the column 'mesage'. Did you mean 'message'"):
        texts_of_table(frame, "mesage")

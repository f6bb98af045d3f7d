"""The network `text`: from a table or an array to one file, vocabulary of the training rows inside."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from command_line import run_command

import counterpoise as cp
from counterpoise.core.errors import ColumnError, ModelError
from counterpoise.core.examples import Examples
from counterpoise.data.words import WordIds, word_hashes
from counterpoise.networks.network import Network

RNG = np.random.default_rng(0)
SPAM = RNG.random(300) < 0.2
ORDINARY, ODD = "see you later at home dinner call me when".split(), "win free prize cash claim".split()
TEXTS = np.array(
    [" ".join(RNG.permutation([*RNG.choice(ORDINARY, 5), *(RNG.choice(ODD, 2) if bad else [])])) for bad in SPAM],
    dtype=object,
)
LABELS = np.where(SPAM, "spam", "ham")
FRAME = pl.DataFrame({"message": TEXTS.tolist(), "label": LABELS})


@pytest.fixture(scope="module", name="clf")
def _clf():
    return cp.fit("text", FRAME, "label", strategy="class_weight", epochs=8, batch_size=32, verbose=0)


def test_texts_are_separated_and_the_file_takes_the_table(clf, tmp_path):
    assert (clf.predict(TEXTS) == LABELS).mean() > 0.95
    loaded = cp.load(clf.save(tmp_path / "m.keras"))
    expected = clf.predict_proba(TEXTS)
    for rows in (FRAME, FRAME.select("message"), TEXTS, TEXTS.tolist()):
        assert np.allclose(loaded.predict_proba(rows), expected)
    FRAME.write_csv(tmp_path / "t.csv")
    result = run_command("predict", tmp_path / "m.keras", tmp_path / "t.csv")
    assert result.code == 0
    assert len(result.out.splitlines()) == 301
    scored = run_command("evaluate", tmp_path / "m.keras", tmp_path / "t.csv", "--target", "label", "--json")
    assert scored.code == 0, scored.err
    with pytest.raises(ColumnError, match="lacks the column 'message'"):
        loaded.predict(FRAME.rename({"message": "said"}))


def test_the_vocabulary_is_that_of_the_training_rows(clf):
    import tensorflow as tf

    examples = Examples(TEXTS, SPAM.astype(np.int32), (0, 1))
    rows = np.flatnonzero(~SPAM)
    assert Network("auto", examples).label == "text"
    state = Network("text", examples).initial_state(0, TEXTS, rows)
    known = next(v for v in state if v.dtype == np.int32 and v.shape == (WordIds().words,))
    hashes = word_hashes(tf.constant([*ORDINARY, *ODD])).numpy()
    assert np.isin(hashes, known).tolist() == [True] * len(ORDINARY) + [False] * len(ODD)


def test_a_comparison_of_a_table_on_the_command_line(tmp_path):
    FRAME.head(120).write_csv(tmp_path / "t.csv")
    ended = run_command(
        "compare", tmp_path / "t.csv", "--target", "label", "--model", "text", "--strategies", "none", "--folds", 2,
        "--epochs", 1, "--out", tmp_path / "run",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert cp.load(tmp_path / "run" / "model.keras").card["text_column"] == "message"


def test_rows_that_are_no_texts_are_refused():
    with pytest.raises(ColumnError, match="has no column of text"):
        cp.fit("text", RNG.normal(size=(40, 3)), np.arange(40) % 2, epochs=1, verbose=0)
    with pytest.raises(ModelError, match=r"'text' is for texts \(N,\) or a table with a column of text"):
        cp.fit("text", RNG.normal(size=(40, 3, 3)), np.arange(40) % 2, epochs=1, verbose=0)

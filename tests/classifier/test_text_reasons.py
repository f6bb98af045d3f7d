"""Words of a text, each by what the log-odds lose without it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import counterpoise as cp
from counterpoise.core.errors import OptionError

RNG = np.random.default_rng(0)
WORDS = np.array(["card", "loan", "rate", "house", "mail", "phone"])


@pytest.fixture(scope="module", name="rows")
def _rows():
    y = np.arange(240) % 4 == 0
    texts = [" ".join([*RNG.choice(WORDS, 4), *(["fraud"] if ill else [])]) for ill in y]
    return texts, y.astype(int)


@pytest.fixture(scope="module", name="clf")
def _clf(rows):
    return cp.fit("text", np.array(rows[0], object), rows[1], epochs=40, verbose=0)


def test_effects_are_differences_of_log_odds(clf):
    text = "loan fraud loan mail"
    reasons = clf.explain(np.array([text, "house"], object))
    assert reasons.words == (("loan", "fraud", "mail"), ("house",))

    def odds(texts):
        p = clf.predict_proba(np.array(texts, object))[:, 1]
        return np.log(p / (1 - p))

    wanted = odds([text])[0] - odds(["fraud mail", "loan loan mail", "loan fraud loan"])
    assert reasons.effects[0] == pytest.approx(wanted, abs=1e-3)
    assert reasons.log_odds == pytest.approx(odds([text, "house"]), abs=1e-3)
    assert reasons.effects[0].argmax() == 1, "the word that decides"


def test_the_strongest_words_are_a_frame_with_gaps_where_a_text_is_short(clf):
    frame = clf.explain(np.array(["mail fraud", "house", ""], object)).strongest(2)
    assert frame.columns == ["reason_1", "reason_1_effect", "reason_2", "reason_2_effect"]
    assert frame["reason_1"].to_list() == ["fraud", "house", None]
    assert frame["reason_2"].to_list() == ["mail", None, None]
    assert frame.schema["reason_2_effect"] == pl.Float64


def test_a_column_of_text_is_explained_too(rows):
    frame = pl.DataFrame({"note": rows[0], "dx": rows[1]})
    clf = cp.fit("text", frame, "dx", epochs=2, verbose=0)
    assert len(clf.explain(frame[:5]).words) == 5
    with pytest.raises(OptionError, match="background= is for tables"):
        clf.explain(frame[:5], background=frame)

"""Why a text has its probability: what each of its words adds to the corrected log-odds.

The effect of a word is the log-odds of the text less those of the text without this word (occlusion: Li, Monroe and
Jurafsky, "Understanding Neural Networks through Representation Erasure", 2016). It needs no gradient, so that it is
the same for every network that reads text. Effects of words that work together do not sum to anything.

Nothing here is random. `counterpoise predict --reasons` writes `TextReasons.strongest`, as it does for columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from counterpoise.classifier.raw_columns import explained_codes, explained_label_names, log_odds

Array = np.ndarray
#: Texts that go through the networks at once.
AT_ONCE = 4_096


@dataclass(frozen=True)
class TextReasons:
    """The amount that each word adds to the log-odds of each text.

    Attributes:
        words: The different words of each text, between blanks, in order of appearance.
        effects: float64, one for each of these words.
        log_odds: float64 (N,), of the whole text.
        explained: int (N,), code of the class or label whose log-odds they are (see `raw_columns.explained_codes`).
        labels: Of several labels per row, the names of the explained ones (N,); None: one class per row.
    """

    words: tuple[tuple[str, ...], ...]
    effects: tuple[Array, ...]
    log_odds: Array
    explained: Array
    labels: tuple[str, ...] | None = None

    def strongest(self, count: int) -> Any:
        """Return the strongest words of each text as a polars frame.

        Its columns are `reason_1`, `reason_1_effect`, and so on; with several labels per row, `reason_label` comes
        first and names the explained label.
        The frame has one row per text. The largest absolute effect is first; a text with fewer words has nulls.
        """
        import polars as pl

        names: dict[str, list[Any]] = {} if self.labels is None else {"reason_label": list(self.labels)}
        orders = [np.argsort(-np.abs(effects), kind="stable")[:count] for effects in self.effects]
        for k in range(count):
            chosen = [(words, effects, order[k] if k < len(order) else None)
                      for words, effects, order in zip(self.words, self.effects, orders, strict=True)]  # fmt: skip
            names[f"reason_{k + 1}"] = [None if i is None else words[i] for words, _, i in chosen]
            names[f"reason_{k + 1}_effect"] = [None if i is None else float(effects[i]) for _, effects, i in chosen]
        types = {name: pl.Float64 if name.endswith("_effect") else pl.String for name in names}
        return pl.DataFrame(names, schema=types)


def reads_text(inputs: Any) -> bool:
    """Return whether a network takes one text per row and nothing else."""
    return str(getattr(inputs, "dtype", "")) == "string" and len(inputs.shape) <= 2


def explain_texts(clf: Any, texts: Array, label: Any = None) -> TextReasons:
    """Return the effect of each word of each text (see `Classifier.explain`).

    `texts` has the shape (N,) or (N, 1). `label` is the class or label to explain.
    """
    plain = [str(text) for text in np.asarray(texts).reshape(-1)]
    whole = _text_log_odds(clf, plain, texts)
    explained = explained_codes(clf, label, len(whole), lambda: whole)
    own = whole[np.arange(len(whole)), explained]
    words = tuple(tuple(dict.fromkeys(text.split())) for text in plain)
    # Each text without one of its words; `of_text` contains the number of the whole text.
    shorter = [" ".join(w for w in text.split() if w != word) for text, each in zip(plain, words, strict=True)
               for word in each]  # fmt: skip
    of_text = np.repeat(np.arange(len(plain)), [len(each) for each in words])
    odds = _text_log_odds(clf, shorter, texts) if shorter else np.zeros((0, whole.shape[1]))
    effects = own[of_text] - odds[np.arange(len(odds)), explained[of_text]]
    ends = np.cumsum([len(each) for each in words])
    return TextReasons(
        words, tuple(np.split(effects, ends[:-1])), own, explained, explained_label_names(clf, explained)
    )


def _text_log_odds(clf: Any, texts: list[str], like: Array) -> Array:
    """Return the log-odds of each class, float64 (N, C).

    The texts are passed to the classifier in the shape of `like`, (N,) or (N, 1).
    """
    arrays = np.array(texts, dtype=object).reshape(-1, *np.shape(like)[1:])
    return np.concatenate([log_odds(clf, arrays[i : i + AT_ONCE]) for i in range(0, len(arrays), AT_ONCE)])

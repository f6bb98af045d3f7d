"""The choice of the explanation of single rows: `shapley` for tables, `heat_maps` for images, `text_reasons` for texts.

It is the body of `Classifier.explain`. The importance of columns over many rows is in `importance`.
"""

from __future__ import annotations

from typing import Any

from counterpoise.classifier.heat_maps import heat_maps, is_picture
from counterpoise.classifier.shapley import explain_rows
from counterpoise.classifier.text_reasons import explain_texts, reads_text
from counterpoise.core.errors import OptionError
from counterpoise.core.progress import Progress
from counterpoise.core.structure import leaves


def explain_single_rows(
    clf: Any, x: Any, background: Any, label: Any = None, seed: int = 0, progress: Progress | None = None
) -> Any:
    """Return the explanation of rows that suits what the classifier takes (see `Classifier.explain`).

    Images get heat maps, texts the effect of words, and tables Shapley values of columns. `background`, `seed`
    and `progress` are for tables alone.

    Raises:
        OptionError: The classifier has a class per element, or an argument is for another kind of rows.
    """
    if clf.target.per_element:
        raise OptionError(
            f"clf.explain supports only one class per row, but the rows of this classifier have {clf.target.what}. Use "
            "clf.predict_proba(x) for the probabilities."
        )
    pictures, texts = any(map(is_picture, leaves(clf.members.input))), reads_text(clf.members.input)
    if background is not None and (pictures or texts):
        what = "images" if pictures else "texts"
        raise OptionError(f"background= is for tables, but this classifier takes {what}. Remove background=.")
    if pictures:
        return heat_maps(clf, clf.encoded(x), label)
    if texts:
        return explain_texts(clf, clf.encoded(x), label)
    return explain_rows(clf, x, background, label=label, seed=seed, progress=progress)

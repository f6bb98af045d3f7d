"""The verdict's name of version 0.1.0."""

from __future__ import annotations

import pytest

from counterpoise.comparison.verdict import Verdict


def test_the_text_of_old_is_all_texts():
    verdict = Verdict("none", "equivalent", "Keep the baseline.", "It has the best score.")
    with pytest.warns(DeprecationWarning, match=r"str\(verdict\)"):
        assert verdict.text == "Keep the baseline.\nIt has the best score."

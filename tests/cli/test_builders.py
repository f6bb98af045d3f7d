"""The models of `--model`: which parts read a file."""

from __future__ import annotations

import keras
import pytest

from counterpoise.cli.builders import resolve_model
from counterpoise.core.errors import OptionError
from counterpoise.strategies.blend import Blend


def test_trust_is_for_the_parts_that_read_a_file(tmp_path):
    path = tmp_path / "net.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    name, network = resolve_model(f"mlp,{path}", ["fractions:Fraction"])
    assert name == "mlp"
    assert isinstance(network, keras.Model)
    assert isinstance(resolve_model(f"mlp+{path}", ["fractions:Fraction"]), Blend)
    for text in ("mlp", "mlp,boosted", "mlp+boosted"):
        with pytest.raises(OptionError, match="does not read a file, so --trust has no effect"):
            resolve_model(text, ["fractions:Fraction"])

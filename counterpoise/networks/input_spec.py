"""The inputs of a network: shapes and types of the rows, as a builder receives them.

`InputSpec` is public: builders of users read its attributes. Forests take their inputs from `spec_of` too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from counterpoise.core.errors import DataError
from counterpoise.core.examples import Examples
from counterpoise.data.inputs import beyond_int32
from counterpoise.targets.kinds import target_of

#: Layers around a user's model: no input can have these names. Saved files are read by the first two.
OWN_LAYERS = ("members", "rule", "as_float32", "to_logit")


@dataclass(frozen=True)
class InputSpec:
    """The shape and type of the rows that a builder's model receives.

    Attributes:
        shape: Shape of a row: (d,) for encoded tables, the shape of an element for arrays, a dict or tuple of shapes
            for several inputs.
        dtype: dtype of each input, in the same structure.
        peak: Largest value of the data: 255 for one input of bytes or of images that were read from files, otherwise 1.
        independent: Whether the classes are independent labels, with one sigmoid logit for each label.
        per_element: Whether each element of a row (pixel or step) has its own logits.

    Example:
        >>> InputSpec((4,)).inputs().shape
        (None, 4)
    """

    shape: Any
    dtype: Any = "float32"
    peak: float = 1.0
    independent: bool = False
    per_element: bool = False

    def behind(self, encoded: InputSpec) -> InputSpec:
        """Return the spec of encoded rows, with the target fields of this spec (of the raw rows)."""
        return replace(encoded, independent=self.independent, per_element=self.per_element)

    def units(self, n_classes: int) -> int:
        """Return the number of logits for a number of classes.

        One for two exclusive classes, otherwise one per class.

        Example:
            >>> InputSpec((4,)).units(2), InputSpec((4,)).units(3), InputSpec((4,), independent=True).units(2)
            (1, 3, 2)
        """
        return 1 if n_classes == 2 and not self.independent else n_classes

    def inputs(self, names: Sequence[str | None] = ()) -> Any:
        """Return symbolic Keras inputs of this spec, in the same structure.

        `names` are the names of inputs that the spec does not name.
        """
        if isinstance(self.shape, Mapping):
            return {name: keras.Input(shape, dtype=self.dtype[name], name=name) for name, shape in self.shape.items()}
        several = isinstance(self.shape, tuple) and self.shape and isinstance(self.shape[0], tuple)
        shapes, dtypes = (self.shape, self.dtype) if several else ((self.shape,), (self.dtype,))
        given = names if len(names) == len(shapes) else [None] * len(shapes)
        symbolic = tuple(keras.Input(s, dtype=d, name=n) for s, d, n in zip(shapes, dtypes, given, strict=True))
        return symbolic if several else symbolic[0]


def spec_of(examples: Examples) -> InputSpec:
    """Return the spec of the rows in examples.

    Signed integers become int32, and all other numbers float32, as integers do that 32 bits cannot hold.
    """
    x, target = examples.x, target_of(examples)
    kind = {"independent": target.independent, "per_element": target.per_element}
    if isinstance(x, Mapping):
        _check_names(x)
        shapes = {k: tuple(v.shape[1:]) for k, v in x.items()}
        return InputSpec(shapes, {k: _input_dtype(v) for k, v in x.items()}, **kind)
    if isinstance(x, (tuple, list)):
        return InputSpec(tuple(tuple(v.shape[1:]) for v in x), tuple(map(_input_dtype, x)), **kind)
    pixels = x.dtype == np.uint8 or (examples.pictures is not None and x.ndim == 4)
    return InputSpec(tuple(x.shape[1:]), _input_dtype(x), 255.0 if pixels else 1.0, **kind)


def _check_names(x: Mapping[str, Any]) -> None:
    """Raise a DataError for a name that an input cannot have.

    Keras does not take it, or one of our layers has it.
    """
    for name in x:
        if not name or "/" in name or name in OWN_LAYERS:
            raise DataError(f"An input has the name {name!r}. Expected a name without '/'. Rename the key of the dict.")


def _input_dtype(array: Any) -> str:
    """Return the dtype that the network receives: "float32", "int32", or "string" for text."""
    if beyond_int32(array):
        return "float32"
    kind = np.dtype(array.dtype).kind
    return {"f": "float32", "i": "int32", "u": "float32", "b": "float32"}.get(kind, "string")

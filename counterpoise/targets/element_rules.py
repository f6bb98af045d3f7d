"""The rule of a class per element as a Keras layer: the rule of one class per row, applied to each element.

The name of the class and its config are saved in model files. `Elements.apply` computes the same in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict


@keras.saving.register_keras_serializable(package="counterpoise")
class ElementRuleLayer(keras.layers.Layer):
    """Member logits to the probabilities and the decision of each element.

    Args:
        rule: `rule_to_dict` of the rule.

    Call with a list of M tensors (N, ..., units); returns `{"probability": float32 (N, ..., C), "decision": int32
    (N, ...)}`, the decision being a class code.
    """

    def __init__(self, rule: Mapping[str, Any], **kwargs: Any) -> None:
        """Check the plain values of a rule, and make the layer that decides single elements."""
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rule = rule_to_dict(checked_rule(rule))
        self._of_element = RuleLayer(self.rule)

    def build(self, shape: Any) -> None:
        """Mark the inner layer, which has no variables, as built: Keras then does not look for its input shape."""
        self._of_element.built = True

    def call(self, member_logits: Any) -> dict[str, Any]:
        """Apply the rule to each element (see the class)."""
        # Elements become rows of a rule for one class per row, and get their shape back.
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        flat = self._of_element([ops.reshape(z, (-1, z.shape[-1])) for z in logits])  # each element as a row
        shape = tuple(logits[0].shape[1:-1])
        return {
            "probability": ops.reshape(flat["probability"], (-1, *shape, flat["probability"].shape[-1])),
            "decision": ops.reshape(flat["decision"], (-1, *shape)),
        }

    def compute_output_spec(self, member_logits: Any) -> dict[str, Any]:
        """Return the shapes and types of what `call` returns."""
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        shape = tuple(logits[0].shape[:-1])
        return {
            "probability": keras.KerasTensor((*shape, len(self.rule["prior"])), "float32"),
            "decision": keras.KerasTensor(shape, "int32"),
        }

    def get_config(self) -> dict[str, Any]:
        """Return the config that is saved in model files: the plain values under "rule"."""
        return {**super().get_config(), "rule": self.rule}

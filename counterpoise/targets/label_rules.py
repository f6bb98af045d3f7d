"""The rules of several labels as one Keras layer: a rule of two classes for each unit.

The name of the class and its config are saved in model files. `Labels.apply` computes the same in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from counterpoise.core.errors import ArtifactError
from counterpoise.core.file_checks import anything, list_of, mapping_of
from counterpoise.core.rule import LabelRules
from counterpoise.decide.layer import RuleLayer
from counterpoise.decide.rule_fields import checked_rule, rule_to_dict


def rules_of(values: Any) -> LabelRules:
    """Return the rules of plain values from a model file, one mapping for each label.

    Raises:
        ArtifactError: a rule that is none, of more than two classes, or of another number of members.
    """
    rules = [checked_rule(one) for one in list_of(mapping_of(anything))(values, "the rules")]
    if not rules or any(len(rule.prior) != 2 or len(rule.log_shifts) != len(rules[0].log_shifts) for rule in rules):
        raise ArtifactError(
            "its rules are damaged. Expected one rule with two classes for each label, and the same number of networks "
            "in all rules."
        )
    return LabelRules(tuple(rules))


@keras.saving.register_keras_serializable(package="counterpoise")
class LabelRuleLayer(keras.layers.Layer):
    """Member logits to the probability and the decision of each label.

    Args:
        rule: `rule_to_dict` of the rule of each label.

    Call with a list of M tensors (N, L); returns `{"probability": float32 (N, L), "decision": int32 (N, L)}`, the
    decision being 1 for a label that is there.
    """

    def __init__(self, rule: Sequence[Any], **kwargs: Any) -> None:
        """Check the plain values of the rules, and make one layer for each label."""
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rule = [rule_to_dict(one) for one in rules_of(rule).problem_rules]
        self._of_label = [RuleLayer(one) for one in self.rule]

    def build(self, shape: Any) -> None:
        """Mark the layers of the labels as built: they have no weights."""
        for layer in self._of_label:
            layer.built = True

    def call(self, member_logits: Any) -> dict[str, Any]:
        """Apply the rule of each label to its column of the logits (see the class)."""
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        outputs = [one([member[:, i : i + 1] for member in logits]) for i, one in enumerate(self._of_label)]
        # Column 1 is the probability that a row has the label.
        return {
            "probability": ops.concatenate([one["probability"][:, 1:] for one in outputs], axis=-1),
            "decision": ops.stack([one["decision"] for one in outputs], axis=-1),
        }

    def compute_output_spec(self, member_logits: Any) -> dict[str, Any]:
        """Return the shapes and types of what `call` returns, (N, L) each."""
        logits = member_logits if isinstance(member_logits, (list, tuple)) else [member_logits]
        shape = (logits[0].shape[0], len(self.rule))
        return {"probability": keras.KerasTensor(shape, "float32"), "decision": keras.KerasTensor(shape, "int32")}

    def get_config(self) -> dict[str, Any]:
        """Return the config that is saved in model files: the plain values under "rule"."""
        return {**super().get_config(), "rule": self.rule}

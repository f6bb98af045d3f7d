"""Networks compiled for training; the loss of all 16-bit networks is scaled.

Keras's `compile` scales the loss when the *model's* policy is "mixed_float16", which is that of the moment when the
model was made. A model that was loaded, or whose layers were given the policy one by one, computes in float16 all the
same, and its small gradients would be rounded to 0.
"""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.networks.network import Network


def compiled_for_training(network: Network, loss: Any) -> keras.Model:
    """Compile the spare model of a network with `loss` and its optimizer, which is built."""
    model = network.spare()
    model.compile(optimizer=with_scaled_loss(network.optimizer(), model), loss=loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def with_scaled_loss(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> keras.optimizers.Optimizer:
    """Put the optimizer into a `LossScaleOptimizer` if a layer has mixed float16 precision.

    Otherwise, or if it is one already, the optimizer is returned as it is.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    policies = {layer.dtype_policy.name for layer in model._flatten_layers(include_self=False)}
    return keras.optimizers.LossScaleOptimizer(optimizer) if "mixed_float16" in policies else optimizer

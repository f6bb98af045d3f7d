"""Networks compiled for training in both engines, with the loss of all 16-bit networks scaled.

Keras's `compile` scales the loss when the *model's* policy is "mixed_float16", which is that of the moment when the
model was made. A model that was loaded, or whose layers were given the policy one by one, computes in float16 all the
same, and its small gradients would be rounded to 0.
"""

from __future__ import annotations

from typing import Any

import keras

from counterpoise.networks.network import Network


def compiled_for_training(network: Network, loss: Any) -> keras.Model:
    """Return a model of the network, compiled with `loss` and a new optimizer, which is built; the caller owns it."""
    model = network.spare()
    optimizer = with_scaled_loss(network.optimizer(), model)
    model.compile(optimizer=optimizer, loss=loss, loss_weights=network.loss_factor, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def with_scaled_loss(optimizer: keras.optimizers.Optimizer, model: keras.Model) -> keras.optimizers.Optimizer:
    """Return the optimizer, inside a `LossScaleOptimizer` if a layer of `model` has mixed float16 precision.

    An optimizer that is one already is returned as it is.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    policies = {layer.dtype_policy.name for layer in model._flatten_layers(include_self=False)}
    return keras.optimizers.LossScaleOptimizer(optimizer) if "mixed_float16" in policies else optimizer

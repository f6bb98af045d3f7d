"""Built-in networks, by name (`BUILT_IN`), each with its recipe, and the choice of one for some rows.

Changes to layers or recipes change results: the store of a comparison is then refused (`comparison.manifest`), and
`docs/explanation/measurements.md` has to be measured again. Saved models contain their own layers, so they stay.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from counterpoise.core.errors import ModelError, OptionError, did_you_mean
from counterpoise.core.examples import IMAGE, Examples
from counterpoise.core.structure import leaves
from counterpoise.data.words import WORDS
from counterpoise.networks.batch_ensemble import MemberDense, MemberHead, PoolMembers
from counterpoise.networks.input_spec import InputSpec, spec_of
from counterpoise.networks.recipe import PLAIN, Recipe
from counterpoise.networks.unet import unet

#: Widths of the first convolution of `cnn` and of its blocks, from the picture inwards.
CNN_WIDTHS = (16, 32, 64, 64, 64, 64, 64)
#: `cnn` halves the picture until its shorter side is no longer than this.
CNN_SIDE = 7
#: Groups of channels that `cnn` normalizes, and the share of units that it leaves out while training.
CNN_GROUPS, CNN_DROPOUT = 8, 0.3
#: How `cnn` is trained: see its docstring for what was measured.
CNN = Recipe(batch=64, passes=30, floor=1000, cosine=True)
#: Members of `tabular`, width of its layers, and the shares of inputs and of units that it leaves out while training.
MEMBERS, WIDTH, INPUT_DROPOUT, DROPOUT = 8, 128, 0.1, 0.2
#: How `tabular` is trained: see its docstring for what was measured.
TABULAR = Recipe(
    follows_rows=True, floor=1000, min_steps=120, margin=3.0, margin_until=30, stop_on="both", average_weights=3,
    refit_rows=5000,
)  # fmt: skip


@dataclass(frozen=True)
class Frozen:
    """A network in two parts, of which training changes only the second.

    Attributes:
        body: Builder spec -> model from the input to numbers, or None where it acts at random while training.
        head: Builder (spec of these numbers, units) -> model giving logits.
    """

    body: Callable[[InputSpec], keras.Model | None]
    head: Callable[[InputSpec, int], keras.Model]


@dataclass(frozen=True)
class BuiltIn:
    """A built-in network, with its recipe and its encoder.

    Attributes:
        build: Builder (spec, units) -> model giving so many logits.
        bins: Quantile bins per number of a table (see `data.encode.TableEncoder`).
        words: Size of the vocabulary that texts are numbered by (see `data.words.WordIds`); 0: it takes no texts.
        optimizer: Function making the optimizer that it is trained with, unless another is asked for.
        recipe: The recipe that it is trained by unless another is given.
        frozen: The two parts of what `build` makes of one piece; None: all of it is trained.
        augment: What changes its pictures while it trains, unless something else is asked for (see
            `networks.augmentation`); None: nothing.
    """

    build: Callable[[InputSpec, int], keras.Model]
    bins: int = 0
    words: int = 0
    optimizer: Callable[[], keras.optimizers.Optimizer] = keras.optimizers.Adam
    recipe: Recipe = PLAIN
    frozen: Frozen | None = None
    augment: Any = None

    @property
    def name(self) -> str:
        """Name of the network in messages and reports."""
        return self.build.__name__

    def __call__(self, spec: InputSpec, n_classes: int) -> keras.Model:
        """Return the network with as many units as `spec` needs for the classes."""
        return self.build(spec, spec.units(n_classes))


def mlp(spec: InputSpec, units: int) -> keras.Model:
    """The plain network for tables: Dense 128, Dense 64, and the logits.

    Raises:
        ModelError: the rows are not rows of numbers.
    """
    check_table("mlp", spec)
    inputs = spec.inputs()
    h = keras.layers.Dense(128, activation="relu")(inputs)
    h = keras.layers.Dense(64, activation="relu")(h)
    return keras.Model(inputs, _logits_layer(h, units), name="mlp")


def cnn(spec: InputSpec, units: int) -> keras.Model:
    """The network for pictures (height, width) or (height, width, channels), their values scaled to -1..1 inside.

    A small residual network. A convolution 3 x 3; then, until the shorter side is at most `CNN_SIDE`, a maximum over
    2 x 2 and a block of two convolutions 3 x 3 of `CNN_WIDTHS` that is added to its input, each after a normalization
    over groups of channels of each picture and a ReLU (the order of He et al.); then the mean over places, dropout and
    the logits. A normalization over the batch would learn the means of resampled rows, and tell them of rows as they
    are. AdamW(2e-3, weight decay 0.02) and the recipe `CNN`: the learning rate falls along half a cosine. While it
    trains, pictures are turned, shifted and scaled a little (see `feed.small_moves`).

    Numbers that come with a picture, such as the encoded columns of `cp.images(..., features=)`, are joined to the mean
    over places, with Dense 64 behind both.

    What was measured, beside four convolutions without blocks that were trained with Adam(1e-3) until the log loss of
    the stopping rows no longer fell: on the 624 test rows of the chest X-rays (means of five seeds) ROC AUC 0.974 and
    0.949, log loss 0.46 and 0.91; on a third of the training rows of tiles with six kinds of faults (one draw) balanced
    accuracy 0.90 and 0.76, log loss 0.24 and 0.50 (batches of 64), at 3 and 12 times the processor time. On the four
    convolutions, small moves of the pictures lower the log loss on X-rays of kinds that were not among the training
    rows (clusters held out, two draws: 0.076 to 0.063) and raise it on those of the same kinds (one draw: 0.044 to
    0.064). 800 steps with batches of 32 were too few for the tiles (0.60).

    Reference: He, Zhang, Ren and Sun, "Identity Mappings in Deep Residual Networks" (2016).

    Raises:
        ModelError: the input is not a picture.
    """
    inputs = spec.inputs()
    pictures, numbers = _pictures_and_numbers(inputs)
    shape = spec.shape if pictures is None else tuple(pictures.shape[1:])
    if pictures is None or not all(isinstance(n, int) for n in shape):
        raise ModelError(
            f"The network 'cnn' is for images (height, width, channels), but the rows have shape {shape}. "
            "Use 'mlp' for tables, or your own model."
        )
    h = keras.layers.Reshape((*shape, 1))(pictures) if len(shape) == 2 else pictures
    h = keras.layers.Rescaling(2.0 / spec.peak, offset=-1.0)(h)
    first, *widths = CNN_WIDTHS
    h = _convolved(h, first)
    for width in widths:
        h = keras.layers.MaxPooling2D(2)(h) if min(h.shape[1:3]) > CNN_SIDE else h
        short = h if h.shape[-1] == width else keras.layers.Conv2D(width, 1, use_bias=False)(h)
        h = keras.layers.Add()([short, _convolved(_normalized(_convolved(_normalized(h), width)), width)])
        if min(h.shape[1:3]) <= CNN_SIDE:
            break
    h = keras.layers.Dropout(CNN_DROPOUT)(keras.layers.GlobalAveragePooling2D()(_normalized(h)))
    if numbers:
        h = keras.layers.Dense(64, activation="relu")(keras.layers.Concatenate()([h, *numbers]))
    return keras.Model(inputs, _logits_layer(h, units), name="cnn")


def _pictures_and_numbers(inputs: Any) -> tuple[Any, list[Any]]:
    """Return the one input of pictures, and the inputs of numbers (N, d).

    (None, []) if there is no picture, more than one, or an input of another kind.
    """
    parts = leaves(inputs)
    pictures = [part for part in parts if len(part.shape) in (3, 4) and part.dtype != "string"]
    numbers = [part for part in parts if len(part.shape) == 2 and part.dtype == "float32"]
    fits = len(pictures) == 1 and len(pictures) + len(numbers) == len(parts)
    return (pictures[0], numbers) if fits else (None, [])


def _convolved(h: Any, width: int) -> Any:
    """Return images (N, height, width, `width`) after a convolution 3 x 3 of the same size without bias."""
    return keras.layers.Conv2D(width, 3, padding="same", use_bias=False)(h)


def _normalized(h: Any) -> Any:
    """Return images with channels normalized in groups of one image, and then ReLU."""
    return keras.layers.ReLU()(keras.layers.GroupNormalization(CNN_GROUPS)(h))


def tabular(spec: InputSpec, units: int) -> keras.Model:
    """The network for tables: `MEMBERS` networks in one that share their matrices (see `networks.batch_ensemble`).

    Each number enters scaled and laid out over quantile bins of the training rows, each level one-hot; a share of these
    places is left out at every step. Two shared layers of `WIDTH` with scales and biases per member and dropout, then a
    head per member; the members are trained separately and averaged as probabilities. Adam(2e-3) and the recipe
    `TABULAR`, unless others are given.

    What was measured, on five small sets of other parents than those the bench confirms on (113 to 1,023 training rows,
    five folds; mean average precision and log loss): the lowest log loss of the stopping rows ended training on luck
    (0.50, 0.231), a fixed number of 100 steps did not (0.556, 0.222), and so a later round has to be better beyond the
    noise of the rows; averaged weights lower the log loss; the stopping rows as training rows add 0.007 and take off
    0.02; leaving out three inputs of ten takes off 0.02 and makes the number of steps matter less, but costs 0.04 of
    average precision where every level counts (`car-good`), so that it is one of ten. Without bins: 0.52. With 30
    stopping rows of the rarest class and more three standard errors end training too early: with one, average
    precision is 0.008 higher and log loss 0.004 lower in the mean of nine tables with 231 to 1,586 positives.

    Reference: Gorishniy, Kotelnikov and Babenko, "TabM: Advancing Tabular Deep Learning with Parameter-Efficient
        Ensembling" (2025). That the members part behind the first product, not before it, is ours: the widest product
        is then taken once for all of them.

    Raises:
        ModelError: the rows are not rows of numbers.
    """
    check_table("tabular", spec)
    inputs = spec.inputs()
    h = keras.layers.Dropout(INPUT_DROPOUT)(inputs)
    for scales in ("random", "ones"):
        h = keras.layers.ReLU()(MemberDense(WIDTH, MEMBERS, scales)(h))
        h = keras.layers.Dropout(DROPOUT)(h)
    logits = MemberHead(units)(h)
    return keras.Model(inputs, PoolMembers(spec.independent, name="logits")(logits), name="tabular")


def text(spec: InputSpec, units: int) -> keras.Model:
    """The plain network for short texts: a vector of 32 numbers per word, their mean, Dense 64 and the logits.

    The vocabulary (`data.words.WordIds`) is learned from the training rows, in front of the network.

    Raises:
        ModelError: the rows are no texts.
    """
    if spec.dtype != "int32" or not isinstance(spec.shape, tuple) or len(spec.shape) != 1:
        raise ModelError(
            f"The network 'text' is for texts (N,) or a table with a column of text, but the rows have shape "
            f"{spec.shape}. Use 'mlp' for tables, 'cnn' for images, or your own model."
        )
    inputs = spec.inputs()
    h = keras.layers.Embedding(WORDS + 2, 32, mask_zero=True)(inputs)
    h = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling1D()(h))
    h = keras.layers.Dense(64, activation="relu")(h)
    return keras.Model(inputs, _logits_layer(h, units), name="text")


def check_table(name: str, spec: InputSpec) -> None:
    """Raise a ModelError unless each row is a vector of fixed length."""
    if not (isinstance(spec.shape, tuple) and len(spec.shape) == 1 and isinstance(spec.shape[0], int)):
        raise ModelError(
            f"The network {name!r} is for tables, but the rows have shape {spec.shape}. Use 'cnn' for images, or "
            f"your own model."
        )


def _logits_layer(h: Any, units: int) -> Any:
    """Return the layer of logits, one for each unit."""
    return keras.layers.Dense(units, name="logits")(h)


#: Networks that can be asked for by name.
BUILT_IN = {
    "mlp": BuiltIn(mlp),
    "tabular": BuiltIn(tabular, bins=16, optimizer=lambda: keras.optimizers.Adam(2e-3), recipe=TABULAR),
    "cnn": BuiltIn(cnn, optimizer=lambda: keras.optimizers.AdamW(2e-3, weight_decay=0.02), recipe=CNN, augment="auto"),
    "unet": BuiltIn(unet, optimizer=lambda: keras.optimizers.Adam(3e-3)),
    "text": BuiltIn(text, words=WORDS, optimizer=lambda: keras.optimizers.Adam(3e-3)),
}


def name_for(spec: InputSpec, table: bool) -> str:
    """Choose the network of "auto" by the form of the rows.

    `unet` is for a class per element, `cnn` for pictures, `text` for texts, and `tabular` for tables and for rows of
    numbers.

    Raises:
        ModelError: no built-in network takes such rows.

    Example:
        >>> name_for(InputSpec((8,)), table=False), name_for(InputSpec((32, 32, 3)), table=False)
        ('tabular', 'cnn')
    """
    if isinstance(spec.shape, Mapping) and IMAGE in spec.shape:
        return "cnn"
    shape, numbers = spec.shape, spec.dtype != "string"
    if spec.per_element:
        if "unet" in BUILT_IN and isinstance(shape, tuple) and len(shape) in (2, 3) and numbers:
            return "unet"
        raise ModelError(
            f"No built-in network predicts a class for each element of rows of shape {shape}. Pass your own model."
        )
    plain = isinstance(shape, tuple) and all(isinstance(n, int) for n in shape)
    if table or (plain and numbers and len(shape) == 1):
        return "tabular"
    if plain and numbers and len(shape) in (2, 3):
        return "cnn"
    if plain and not numbers and shape in ((), (1,)):
        return "text"
    raise ModelError(f"No built-in network takes rows of shape {shape}, type {spec.dtype}. Pass your own model.")


def resolve_model(model: Any, examples: Examples) -> Any:
    """Return the network of a name ("auto": the one that suits the rows); a Keras model or builder as it is.

    Raises:
        OptionError: An unknown name, or something else.
    """
    if isinstance(model, str):
        model = name_for(spec_of(examples), examples.schema is not None) if model == "auto" else model
        if model not in BUILT_IN:
            raise OptionError(f"There is no built-in network {model!r}.{did_you_mean(model, BUILT_IN)}")
        return BUILT_IN[model]
    if isinstance(model, type) and issubclass(model, keras.layers.Layer):
        raise OptionError(
            f"model is the class {model.__name__}. Expected a model (an instance of this class), or a builder "
            f"function. Pass {model.__name__}(...)."
        )
    if isinstance(model, keras.Model):
        return model
    if callable(model):
        _check_builder(model)
        return model
    raise OptionError(f"model= is {type(model).__name__}. Expected a Keras model, a builder or the name of a network.")


def _check_builder(build: Any) -> None:
    """Raise an OptionError if a builder does not take two arguments, before it is called.

    A function whose signature cannot be read passes.
    """
    try:
        signature = inspect.signature(build)
    except ValueError:  # of some functions written in C nothing is known
        return
    try:
        signature.bind("spec", 2)
    except TypeError:
        name = getattr(build, "__name__", type(build).__name__)
        raise OptionError(
            f"The builder is {name}{signature}. Expected a function of two arguments that returns a Keras model: "
            "`build(spec, n_classes)`."
        ) from None
